"""The Standard Model Higgs boson's decay width as a function of its (virtual) mass.

S S -> h* -> X has W_X = 16 lambda^2 v^2 |D|^2 2 sqrt(s) Gamma(h* -> X), so Gamma_h(sqrt s) gives
every s-channel rate at once. The tree-level widths of :mod:`sterile.scalar.amplitudes` have
constant quark masses and W and Z of no width; here instead

- b, c, s: 3 m_q^2(mu) sqrt(s)/(8 pi v^2) beta^3 (1 + 5.67 a + 29.1 a^2), a = alpha_s/pi at
  mu = sqrt(s), the masses running with four loops (MS-bar; Chetyrkin 1997, hep-ph/9703278;
  Vermaseren, Larin & van Ritbergen 1997, hep-ph/9703284; coefficients of the width from
  Djouadi 2008, hep-ph/0503172, eq. 2.11, for five flavours);
- tau, mu, t: tree level;
- gg: one loop of t, b, c (hep-ph/0503172, eqs. 2.47, 2.56) times 1 + 17.92 a (heavy-top limit);
- WW, ZZ: both bosons off shell, integrated over their Breit-Wigner shapes (hep-ph/0503172,
  eq. 2.37; Keung & Marciano 1984 for one of them);

gamma gamma and Z gamma, 0.4 % of the width, and electroweak corrections, some per cent, are left
out. Computed once per process on a lattice in ln s.
"""

import functools
import math

import jax.numpy as jnp
import numpy as np

from spectra.constants import (
    BOTTOM_MASS_GEV,
    CHARM_MASS_GEV,
    HIGGS_VEV_GEV,
    MUON_MASS_GEV,
    STRANGE_MASS_GEV,
    STRONG_COUPLING_Z,
    TAU_MASS_GEV,
    TOP_MASS_GEV,
    W_MASS_GEV,
    W_WIDTH_GEV,
    Z_MASS_GEV,
    Z_WIDTH_GEV,
)

# in light of the statistics of X: fermions, vectors, and gluons, which are neither
PARTS = ("fermions", "vectors", "gluons")
# sqrt(s) of the lattice, beyond which Gamma/sqrt(s) or, of vectors, Gamma/s^(3/2) is constant
_LOWEST_GEV, _HIGHEST_GEV, _NODES = 9.9, 1e4, 600
_ZETA3, _ZETA4, _ZETA5 = 1.2020569031595942, math.pi**4 / 90.0, 1.0369277551433699


def _beta(n):
    """Coefficients of d a/d ln mu^2 = -a^2 (b0 + b1 a + b2 a^2 + b3 a^3), a = alpha_s/pi."""
    return (
        (11.0 - 2.0 / 3.0 * n) / 4.0,
        (102.0 - 38.0 / 3.0 * n) / 16.0,
        (2857.0 / 2.0 - 5033.0 / 18.0 * n + 325.0 / 54.0 * n**2) / 64.0,
        (
            149753.0 / 6.0
            + 3564.0 * _ZETA3
            - (1078361.0 / 162.0 + 6508.0 / 27.0 * _ZETA3) * n
            + (50065.0 / 162.0 + 6472.0 / 81.0 * _ZETA3) * n**2
            + 1093.0 / 729.0 * n**3
        )
        / 256.0,
    )


def _gamma(n):
    """Coefficients of d ln m/d ln mu^2 = -a (g0 + g1 a + g2 a^2 + g3 a^3)."""
    return (
        1.0,
        (202.0 / 3.0 - 20.0 / 9.0 * n) / 16.0,
        (1249.0 - (2216.0 / 27.0 + 160.0 / 3.0 * _ZETA3) * n - 140.0 / 81.0 * n**2) / 64.0,
        (
            4603055.0 / 162.0
            + 135680.0 / 27.0 * _ZETA3
            - 8800.0 * _ZETA5
            - (91723.0 / 27.0 + 34192.0 / 9.0 * _ZETA3 - 880.0 * _ZETA4 - 18400.0 / 9.0 * _ZETA5)
            * n
            + (5242.0 / 243.0 + 800.0 / 9.0 * _ZETA3 - 160.0 / 3.0 * _ZETA4) * n**2
            - (332.0 / 243.0 - 64.0 / 27.0 * _ZETA3) * n**3
        )
        / 256.0,
    )


def _run(start, mass, mu, flavours):
    """(a, m_q) at the scales mu, from (mu_0, a_0) = start and m_q(mu_0) = mass."""
    from scipy.integrate import solve_ivp  # slow to import, needed only here

    beta, gamma = _beta(flavours), _gamma(flavours)

    def slope(_, y):
        a = y[0]
        running = -(a**2) * np.polynomial.polynomial.polyval(a, beta)
        return [running, -a * np.polynomial.polynomial.polyval(a, gamma)]

    mu = np.atleast_1d(mu)
    at = np.log((mu / start[0]) ** 2)
    a, log_mass = np.empty_like(at), np.empty_like(at)
    for side in (at >= 0.0, at < 0.0):
        if np.any(side):
            end = at[side][np.argmax(np.abs(at[side]))]
            solution = solve_ivp(
                slope,
                (0.0, end if end != 0.0 else 1e-12),
                [start[1], 0.0],
                rtol=1e-10,
                atol=1e-12,
                dense_output=True,
            )
            a[side], log_mass[side] = solution.sol(at[side])
    return a, mass * np.exp(log_mass)


def running_couplings(mu_gev):
    """alpha_s/pi and m_b, m_c, m_s [GeV] at the scales mu >= m_b, shape (n,) each, MS-bar.

    Four loops, five flavours above m_b, four below; matched at m_b(m_b), the steps of a there,
    of relative order a^2, left out.
    """
    bottom = BOTTOM_MASS_GEV
    start = (Z_MASS_GEV, STRONG_COUPLING_Z / math.pi)
    a_bottom = _run(start, 1.0, bottom, 5)[0][0]
    a, scale = _run((bottom, a_bottom), 1.0, mu_gev, 5)
    masses = [bottom * scale]
    for mass, own in ((CHARM_MASS_GEV, CHARM_MASS_GEV), (STRANGE_MASS_GEV, 2.0)):
        a_own = _run((bottom, a_bottom), 1.0, own, 4)[0][0]
        at_bottom = _run((own, a_own), mass, bottom, 4)[1][0]
        masses.append(at_bottom * scale)
    return a, *masses


def _loop(tau):
    """A(tau) of gg -> h, tau = s/4m^2: 4/3 for a heavy quark. hep-ph/0503172 eq. 2.48."""
    tau = tau + 0j
    above = np.sqrt(1.0 - 1.0 / tau)
    f = np.where(
        tau.real <= 1.0,
        np.arcsin(np.sqrt(np.minimum(tau.real, 1.0))) ** 2,
        -0.25 * (np.log((1.0 + above) / (1.0 - above)) - 1j * np.pi) ** 2,
    )
    return 2.0 * (tau + (tau - 1.0) * f) / tau**2


def _vector_pair(root_s, mass, width, symmetry):
    """Gamma(h* -> V* V*) [GeV], both off shell; hep-ph/0503172 eq. 2.37.

    The Breit-Wigner shapes are normalised to 1 over Q^2 > 0, so that the width tends to that of
    bosons on their shell far above threshold.
    """
    node, weight = np.polynomial.legendre.leggauss(64)
    gauss = 0.5 * (node + 1.0), 0.5 * weight
    peak = mass * width

    def shape(highest):
        """Q^2 and weights of the normalised shape from 0 to highest^2, (..., 64)."""
        low = -np.arctan(mass / width)
        high = np.arctan((highest**2 - mass**2) / peak)
        angle = low + (high - low)[..., None] * gauss[0]
        norm = (high - low) / (0.5 * np.pi - low)
        return mass**2 + peak * np.tan(angle), norm[..., None] * gauss[1]

    first, w1 = shape(root_s)
    first = np.maximum(first, 0.0)
    # twice the half with the second boson the lighter: the first then carries the peak
    lighter = np.minimum(np.sqrt(first), root_s[:, None] - np.sqrt(first))
    second, w2 = shape(np.maximum(lighter, 1e-6))
    x, y = first[..., None] / root_s[:, None, None] ** 2, np.maximum(second, 0.0)
    y = y / root_s[:, None, None] ** 2
    phase = np.maximum((1.0 - x - y) ** 2 - 4.0 * x * y, 0.0)
    value = np.sqrt(phase) * (phase + 12.0 * x * y)
    total = np.sum(w1 * np.sum(w2 * value, axis=-1), axis=-1)
    return symmetry * root_s**3 / (8.0 * np.pi * HIGGS_VEV_GEV**2) * total


def partial_widths_gev(root_s_gev):
    """Widths of h* by channel [GeV]: bb, cc, ss, tautau, mumu, tt, gg, WW, ZZ; numpy, slow.

    ``root_s_gev``: sqrt(s) [GeV], shape (n,), from 10 GeV.
    """
    m = np.atleast_1d(np.asarray(root_s_gev, dtype=float))
    a, *quarks = running_couplings(m)
    unit = m / (8.0 * np.pi * HIGGS_VEV_GEV**2)
    correction = 1.0 + 5.67 * a + 29.14 * a**2

    def velocity(mass):
        return np.sqrt(np.maximum(1.0 - 4.0 * mass**2 / m**2, 0.0))

    widths = {}
    poles = (BOTTOM_MASS_GEV, CHARM_MASS_GEV, STRANGE_MASS_GEV)
    for name, mass, pole in zip(("bb", "cc", "ss"), quarks, poles):
        widths[name] = 3.0 * unit * mass**2 * velocity(pole) ** 3 * correction
    for name, mass, colours in (
        ("tautau", TAU_MASS_GEV, 1.0),
        ("mumu", MUON_MASS_GEV, 1.0),
        ("tt", TOP_MASS_GEV, 3.0),
    ):
        widths[name] = colours * unit * mass**2 * velocity(mass) ** 3
    loops = sum(_loop(m**2 / (4.0 * q**2)) for q in (TOP_MASS_GEV, quarks[0], quarks[1]))
    gluons = (np.pi * a) ** 2 * m**3 / (72.0 * np.pi**3 * HIGGS_VEV_GEV**2)
    widths["gg"] = gluons * np.abs(0.75 * loops) ** 2 * (1.0 + 17.92 * a)
    widths["WW"] = _vector_pair(m, W_MASS_GEV, W_WIDTH_GEV, 1.0)
    widths["ZZ"] = _vector_pair(m, Z_MASS_GEV, Z_WIDTH_GEV, 0.5)
    return widths


@functools.cache
def _table():
    """Start and step in ln s, and cells of ln Gamma/sqrt(s) (vectors: s^(3/2)), (3, n, 4)."""
    from scipy.interpolate import CubicSpline  # slow to import, needed only here

    log_s = np.linspace(2.0 * math.log(_LOWEST_GEV), 2.0 * math.log(_HIGHEST_GEV), _NODES + 1)
    step = log_s[1] - log_s[0]
    widths = partial_widths_gev(np.exp(0.5 * log_s))
    grouped = (
        sum(widths[name] for name in ("bb", "cc", "ss", "tautau", "mumu")),
        widths["WW"] + widths["ZZ"],
        widths["gg"],
    )
    cells = []
    for power, width in zip((0.5, 1.5, 0.5), grouped):
        value = np.log(width) - power * log_s
        cells.append(CubicSpline(log_s, value).c[::-1].T * step ** np.arange(4))
    return log_s[0], step, np.stack(cells)


def higgs_width_part_gev(s_gev2, part: str):
    """Gamma(h* -> X) [GeV] at s [GeV^2], any shape; ``part`` of ``PARTS``, without tt."""
    start, step, cells = _table()
    log_s = jnp.log(s_gev2)
    position = jnp.clip((log_s - start) / step, 0.0, _NODES)
    index = jnp.minimum(position.astype(jnp.int32), _NODES - 1)
    which = PARTS.index(part)
    c0, c1, c2, c3 = jnp.moveaxis(jnp.asarray(cells[which])[index], -1, 0)
    u = position - index.astype(float)
    power = 1.5 if part == "vectors" else 0.5
    return jnp.exp(c0 + u * (c1 + u * (c2 + u * c3)) + power * log_s)
