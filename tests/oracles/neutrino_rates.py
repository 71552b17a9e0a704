"""Loss and gain of a massless neutrino by one reaction 1 + 2 <-> 3 + 4, angle by angle.

The four-dimensional integral over p_2, its angle to p_1 and the direction of p_3 in the centre of
mass, by Gauss and Legendre: no step of :mod:`sterile.mixing.rates.phase_space` is used. Units of T.
"""

import math

import numpy as np


def rates(energy, masses, squared, bosons=(False, False, False), nodes=(40, 24, 24, 8)):
    """Gamma_loss and Gamma_gain [T] of p_1 = ``energy``, ``masses`` (m_2, m_3, m_4).

    ``squared``: |M|^2 of the six products 1.2, 3.4, 1.3, 2.4, 1.4, 2.3 of momenta.
    ``bosons``: which of 2, 3 and 4 are.
    """
    m2, m3, m4 = masses
    (x2, w2), (xc, wc), (xs, ws), (xf, wf) = (np.polynomial.legendre.leggauss(n) for n in nodes)
    # p_2 = u/(1 - u), the angles even
    u = 0.5 * (x2 + 1.0)
    p2 = (6.0 * u / (1.0 - u))[:, None, None, None]
    measure = (3.0 * w2 / (1.0 - u) ** 2)[:, None, None, None]
    c12 = xc[None, :, None, None]
    cs = xs[None, None, :, None]
    phi = math.pi * (xf + 1.0)[None, None, None, :]
    e2 = np.hypot(p2, m2)
    s = m2**2 + 2.0 * energy * (e2 - p2 * c12)
    opened = s > (m3 + m4) ** 2
    root = np.sqrt(s)
    star = np.sqrt(np.maximum((s - (m3 + m4) ** 2) * (s - (m3 - m4) ** 2), 0.0)) / (2.0 * root)
    e3_star, e1_star = (s + m3**2 - m4**2) / (2.0 * root), (s - m2**2) / (2.0 * root)
    total = energy + e2
    speed = np.sqrt(np.maximum(total**2 - s, 0.0)) / total
    gamma = total / root
    # the polar axis is the boost; p_1 makes this angle with it in the centre of mass
    c1 = (energy / (gamma * e1_star) - 1.0) / np.maximum(speed, 1e-12)
    c1 = np.clip(c1, -1.0, 1.0)
    e3 = gamma * (e3_star + speed * star * cs)
    e4 = total - e3
    between = c1 * cs + np.sqrt((1.0 - c1**2) * (1.0 - cs**2)) * np.cos(phi)
    p13 = e1_star * (e3_star - star * between)
    p12, p34 = 0.5 * (s - m2**2), 0.5 * (s - m3**2 - m4**2)
    p14, p24 = p12 - p13, p34 + m4**2 - (p12 - p13)
    p23 = p34 + m3**2 - p13
    value = squared(p12, p34, p13, p24, p14, p23)
    signs = [-1.0 if boson else 1.0 for boson in bosons]
    f2, f3, f4 = (
        1.0 / (np.exp(np.minimum(e, 600.0)) + sign) for e, sign in zip((e2, e3, e4), signs)
    )
    s2, s3, s4 = signs
    weights = wc[None, :, None, None] * ws[None, None, :, None] * wf[None, None, None, :] * math.pi
    # d3p_2/((2 pi)^3 2 E_2) and the two-body phase space p*/(16 pi^2 sqrt s) dOmega*
    density = measure * weights * p2**2 / (8.0 * math.pi**2 * e2)
    density = density * star / (16.0 * math.pi**2 * root)
    density = np.where(opened, density * value, 0.0) / (2.0 * energy)
    loss = np.sum(density * f2 * (1.0 - s3 * f3) * (1.0 - s4 * f4))
    gain = np.sum(density * (1.0 - s2 * f2) * f3 * f4)
    return loss, gain
