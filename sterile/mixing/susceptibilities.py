"""Susceptibilities of electric charge and baryon number in hot QCD: hadrons, then quarks.

Below the crossover a gas of the listed hadrons and resonances (Boltzmann beyond the pion); above
it free quarks of their masses, times what interactions leave of them; in between their mean with a
logistic weight. Against the lattice tables of 1507.06655 (hotQCD and Wuppertal-Budapest) chi_Q is
good to a fifth at the crossover and to 5 % elsewhere, the bracket of V_L to 1 %.
"""

import numpy as np

from spectra.constants import BOTTOM_MASS_GEV, CHARM_MASS_GEV, STRANGE_MASS_GEV, TOP_MASS_GEV
from sterile.mixing.potentials import thermal_average

# mass [GeV], states (spin, both charges; antibaryons), Q; PDG 2022, mesons to 1.45 and baryons to
# 1.7 GeV
_MESONS = np.array([
    [0.1396, 2, 1], [0.4937, 2, 1], [0.7753, 6, 1], [0.8917, 6, 1], [0.980, 2, 1],
    [1.2295, 6, 1], [1.230, 6, 1], [1.3182, 10, 1], [1.253, 6, 1], [1.403, 6, 1],
    [1.4273, 10, 1], [1.425, 2, 1],
])  # fmt: skip
_BARYONS = np.array([
    # N, Lambda, Sigma, Xi, Omega
    [0.9383, 4, 1], [0.9396, 4, 0], [1.1157, 4, 0],
    [1.1894, 4, 1], [1.1926, 4, 0], [1.1974, 4, -1], [1.3149, 4, 0], [1.3217, 4, -1],
    # Delta, Sigma*, Xi*, Omega
    [1.232, 8, 2], [1.232, 8, 1], [1.232, 8, 0], [1.232, 8, -1],
    [1.3828, 8, 1], [1.3837, 8, 0], [1.3872, 8, -1], [1.5318, 8, 0], [1.535, 8, -1],
    [1.6725, 8, -1],
    # N(1440), N(1520), N(1535), N(1650), N(1675), N(1680); Lambda(1405), (1520), (1600), (1670)
    [1.440, 4, 1], [1.440, 4, 0], [1.515, 8, 1], [1.515, 8, 0], [1.530, 4, 1], [1.530, 4, 0],
    [1.650, 4, 1], [1.650, 4, 0], [1.675, 12, 1], [1.675, 12, 0], [1.685, 12, 1], [1.685, 12, 0],
    [1.4051, 4, 0], [1.519, 8, 0], [1.600, 4, 0], [1.674, 4, 0],
    # Delta(1600), Delta(1620), Delta(1700), Sigma(1660), Sigma(1670)
    [1.570, 8, 2], [1.570, 8, 1], [1.570, 8, 0], [1.570, 8, -1],
    [1.610, 4, 2], [1.610, 4, 1], [1.610, 4, 0], [1.610, 4, -1],
    [1.710, 8, 2], [1.710, 8, 1], [1.710, 8, 0], [1.710, 8, -1],
    [1.660, 4, 1], [1.660, 4, 0], [1.660, 4, -1], [1.675, 8, 1], [1.675, 8, 0], [1.675, 8, -1],
])  # fmt: skip
# u, d, s, c, b, t: mass [GeV] (PDG 2022), charge
_QUARKS = (
    (0.0, 2.0 / 3.0), (0.0, -1.0 / 3.0), (STRANGE_MASS_GEV, -1.0 / 3.0),
    (CHARM_MASS_GEV, 2.0 / 3.0), (BOTTOM_MASS_GEV, -1.0 / 3.0), (TOP_MASS_GEV, 2.0 / 3.0),
)  # fmt: skip
_CROSSOVER_GEV, _CROSSOVER_WIDTH_GEV = 0.165, 0.011
# what interactions take from free quarks: 13 % at 250 MeV, 5 % far above (lattice, hotQCD 2012)
_FAR, _NEAR, _NEAR_GEV = 0.05, 0.2, 0.2


def susceptibilities(temperature_gev: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """chi_Q, chi_B and chi_QB over T^2, each (n,), at T [GeV] (n,)."""
    from scipy.special import expit  # slow to import, needed only here

    temperature = np.asarray(temperature_gev)
    hadrons, quarks = _hadrons(temperature), _quarks(temperature)
    confined = expit((_CROSSOVER_GEV - temperature) / _CROSSOVER_WIDTH_GEV)
    return tuple(confined * h + (1.0 - confined) * q for h, q in zip(hadrons, quarks))


def _hadrons(temperature):
    from scipy.special import kn  # slow to import, needed only here

    # chi of a Boltzmann species: n/T^3 = g x^2 K_2(x)/(2 pi^2)
    def gas(table):
        x = np.minimum(table[:, 0] / temperature[:, None], 600.0)
        return table[:, 1] * x**2 * kn(2, x) / (2.0 * np.pi**2)

    mesons, baryons = gas(_MESONS), gas(_BARYONS)
    # Bose statistics of the pions
    x = np.minimum(_MESONS[0, 0] / temperature, 300.0)
    for k in (2, 3, 4):
        mesons[:, 0] += _MESONS[0, 1] * k * x**2 * kn(2, k * x) / (2.0 * np.pi**2 * k)
    charge = mesons @ _MESONS[:, 2] ** 2 + baryons @ _BARYONS[:, 2] ** 2
    return charge, baryons.sum(axis=1), baryons @ _BARYONS[:, 2]


def _quarks(temperature):
    left = 1.0 - _FAR - _NEAR / (1.0 + (temperature / _NEAR_GEV) ** 2)
    total = np.zeros((3, temperature.size))
    for mass, charge in _QUARKS:
        # three colours, two spins, particle and antiparticle
        chi = 6.0 * thermal_average(mass / temperature, lambda energy, f: f * (1.0 - f))
        total += np.outer([charge**2, 1.0 / 9.0, charge / 3.0], chi)
    return tuple(left * total)
