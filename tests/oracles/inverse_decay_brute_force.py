"""Brute force for S <-> N N with inverse decays and Pauli blocking: slow, independent.

Contact annihilation, constant g_*, Maxwell-Boltzmann S. Unknowns are ln f and ln n at nodes of
ln(p/T), z = m/T runs, and every integral is done as it stands: collocation with cubic splines,
Gauss-Legendre over the daughters' energies, Gauss-Laguerre over E_S, scipy's BDF. Nothing is
conserved by construction, so that number drifts where S <-> N N is fast: use it for Gamma < H.
"""

import numpy as np
from scipy.integrate import solve_ivp
from scipy.interpolate import CubicSpline

from spectra.constants import REDUCED_PLANCK_MASS_GEV


def solve(mass, coupling, yukawa, g, nodes=60, z_start=1.0 / 200.0, z_end=25.0):
    """p/T, (n,), and n = F_N/2 at ``z_end``, (n,)."""
    planck = REDUCED_PLANCK_MASS_GEV * np.sqrt(90.0 / (np.pi**2 * g))
    log_q = np.linspace(np.log(0.02), np.log(45.0), nodes)
    q, step = np.exp(log_q), log_q[1] - log_q[0]
    gamma = yukawa**2 * mass / (16.0 * np.pi)
    kernel = coupling**2 / (2.0 * np.pi**3)
    points, weights = np.polynomial.legendre.leggauss(12)
    cosine, weights = 0.5 * (points + 1.0), 0.5 * weights
    tail, tail_weights = np.polynomial.laguerre.laggauss(24)
    tail_weights = tail_weights * np.exp(tail)

    def rate(x, state):
        z = np.exp(x)
        temperature = mass / z
        hubble = temperature**2 / planck
        log_f, log_n = state[:nodes], state[nodes:]
        f, n = (np.exp(np.clip(part, -600.0, 50.0)) for part in (log_f, log_n))
        e = np.hypot(q, z)
        equilibrium = np.exp(-e)
        pairs = [step * np.sum(q**3 / e * part) for part in (f, equilibrium)]
        bath = temperature * kernel / e * (pairs[1] * equilibrium / f - pairs[0])
        spline_f, spline_n = CubicSpline(log_q, log_f), CubicSpline(log_q, log_n)

        def occupation(k):
            value = spline_n(np.clip(np.log(k), log_q[0], log_q[-1]))
            return np.exp(np.where(k > q[-1], log_n[-1] - (k - q[-1]), value))

        def scalars(p):
            value = spline_f(np.clip(np.log(np.maximum(p, 1e-300)), log_q[0], log_q[-1]))
            return np.exp(np.where(p > q[-1], log_f[-1] - (np.hypot(p, z) - e[-1]), value))

        fast = 0.5 * (e[:, None] + q[:, None] * cosine)
        slow = 0.25 * (z**2 + q[:, None] ** 2 * (1.0 - cosine**2)) / fast
        a, b = occupation(fast), occupation(slow)
        net = ((1.0 - a) * (1.0 - b) - a * b / f[:, None]) @ weights
        energies = (q + 0.25 * z**2 / q)[:, None] + tail
        parents = scalars(np.sqrt(np.maximum(energies**2 - z**2, 0.0)))
        a, b = n[:, None], occupation(energies - q[:, None])
        gain = (parents * (1.0 - a) * (1.0 - b) - a * b) @ tail_weights
        return np.concatenate(
            [(bath - z * gamma / e * net) / hubble, z * gamma / q**2 * gain / (hubble * n)]
        )

    e = np.hypot(q, z_start)
    start = z_start**3 * gamma * planck / mass**2 / q**2 * np.exp(-q - 0.25 * z_start**2 / q) / 6.0
    solution = solve_ivp(
        rate,
        (np.log(z_start), np.log(z_end)),
        np.concatenate([-e, np.log(np.maximum(start, 1e-280))]),
        method="BDF",
        rtol=1e-7,
        atol=1e-7,
        first_step=1e-5,
    )
    return q, np.exp(solution.y[nodes:, -1])
