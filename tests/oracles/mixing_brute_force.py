"""Resonant production, momentum by momentum in time: the equation as it stands, nothing averaged.

Written from the equations of 1507.06655, in MeV and with points in q, an adaptive
Runge-Kutta method in ln T and no idea of where resonances are. The width of the resonance has to be
resolved by the points: rates far above the true ones, or thousands of points. Rates, g and chi come
as functions, so that both codes share them and nothing else.
"""

import math

import numpy as np
from scipy.integrate import solve_ivp

FERMI = 1.0 / (math.sqrt(2.0) * 246220.0**2)  # 1/MeV^2
PLANCK = 1.220890e22  # MeV, not reduced
Z_MASS, W_MASS = 91187.6, 80379.0
LEPTON = {"e": 0.51099895, "mu": 105.658, "tau": 1776.86}


def charged_density(temperature, mass):
    """rho/T^4 of a charged lepton and its antiparticle."""
    k = np.linspace(1e-3, 60.0, 4000)
    energy = np.hypot(k, mass / temperature)
    return 4.0 / (2.0 * math.pi**2) * np.trapezoid(k**2 * energy / (np.exp(energy) + 1.0), k)


def solve(
    mass_kev, mixing, asymmetry, flavour, width, bath, potential_per_asymmetry, mu_per_asymmetry,
    points, start=10e3, end=5.0, rtol=1e-6, q_range=(1e-3, 20.0),
):  # fmt: skip
    """(q, f, fbar, L at the end), q = p/T_gamma today.

    ``width``: (T, p/T) -> Gamma [MeV]. ``bath``: T -> g_rho, g_s, dln g_s/dln T.
    ``potential_per_asymmetry``, ``mu_per_asymmetry``: T -> bracket of V_L and mu/T over L,
    linear. ``asymmetry``: n_L/T^3 at ``start``.
    """
    q = np.geomspace(*q_range, points)
    step = math.log(q[1] / q[0])
    mass = mass_kev * 1e-3
    nodes = np.linspace(math.log(end), math.log(start), 3000)
    charged = np.array([charged_density(math.exp(x), LEPTON[flavour]) for x in nodes])

    def right(minus_x, state):
        x = -minus_x
        temperature = math.exp(x)
        f, fbar = state[:points], state[points : 2 * points]
        g_rho, g_s, slope = bath(temperature)
        hubble = math.sqrt(8.0 * math.pi**3 / 90.0 * g_rho) * temperature**2 / PLANCK
        y = q * (g_s / 3.931) ** (1.0 / 3.0)
        p = y * temperature
        per_volume = 2.0 * math.pi**2 / 45.0 * g_s  # s/T^3
        lepton = state[-1] * per_volume
        vacuum = mass**2 / (2.0 * p)
        nu = 7.0 / 4.0 * math.pi**2 / 30.0
        thermal = -8.0 * math.sqrt(2.0) / 3.0 * FERMI * p * temperature**4
        thermal = thermal * (nu / Z_MASS**2 + np.interp(x, nodes, charged) / W_MASS**2)
        v_l = math.sqrt(2.0) * FERMI * temperature**3
        v_l = v_l * potential_per_asymmetry(temperature) * lepton
        gamma = width(temperature, y)
        mu = mu_per_asymmetry(temperature) * lepton
        rates = []
        for occupation, sign in ((f, 1.0), (fbar, -1.0)):
            off = vacuum * math.sqrt(1.0 - mixing) - thermal - sign * v_l
            rate = 0.25 * gamma * vacuum**2 * mixing
            rate = rate / (vacuum**2 * mixing + 0.25 * gamma**2 + off**2)
            active = 1.0 / (np.exp(y - sign * mu) + 1.0)
            rates.append(rate * (active - occupation) * (1.0 + slope / 3.0) / hubble)
        number = 45.0 / (4.0 * math.pi**4 * 3.931) * step
        lost = number * np.sum(q**3 * (rates[0] - rates[1]))
        return np.concatenate([rates[0], rates[1], [-lost]])

    first = asymmetry / (2.0 * math.pi**2 / 45.0 * bath(start)[1])
    state = np.zeros(2 * points + 1)
    state[-1] = first
    scale = np.full(state.size, 1e-9)
    scale[-1] = 1e-7 * abs(first) + 1e-30
    done = solve_ivp(
        right, (-math.log(start), -math.log(end)), state, method="RK45", rtol=rtol, atol=scale,
        max_step=0.02,
    )  # fmt: skip
    assert done.success, done.message
    last = done.y[:, -1]
    left = last[-1] * 2.0 * math.pi**2 / 45.0 * bath(end)[1]
    return q, last[:points], last[points : 2 * points], left
