"""Susceptibilities of electric charge and baryon number in hot QCD: hadrons, lattice, quarks.

Light quarks: below 148 MeV a gas of the listed hadrons and resonances (Boltzmann beyond the pion);
then the parametrisation of lattice results, physical masses and N_t = 12, of Noronha-Hostler et al.
2019 (1902.06723); above 0.3 GeV free quarks times 1 - alpha_s(2 pi T)/pi, half-way between free
ones and the leading correction 1 - 2 alpha_s/pi, as the lattice has them at 0.4 GeV. The three are
joined by logistic weights. Heavy quarks are free, with the same correction; the mass of charm is
half-way between the MS-bar and the pole mass.

The band: the leading correction and free quarks above, and the two masses of charm; 3 % (chi_Q,
chi_B) and 20 % (chi_QB) of the lattice, what cut-offs make of it against HotQCD's continuum limit
(1203.0784, 2107.10011); 10 % of the gas at the joint, falling to nothing below 100 MeV.
"""

import functools
import math
from typing import NamedTuple

import numpy as np

from spectra.constants import (
    BOTTOM_MASS_GEV,
    CHARM_MASS_GEV,
    CHARM_POLE_MASS_GEV,
    STRANGE_MASS_GEV,
    STRONG_COUPLING_Z,
    TOP_MASS_GEV,
    Z_MASS_GEV,
)
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
_LIGHT, _HEAVY = _QUARKS[:3], _QUARKS[3:]
# where one description takes over from the other, and how fast [GeV]
_TO_LATTICE_GEV, _TO_QUARKS_GEV = (0.148, 0.006), (0.3, 0.03)
_LATTICE_FROM_GEV = 0.13
# 1902.06723, table of coefficients, read in a copy of it: ratios of polynomials in 154 MeV/T, the
# last number added
_LATTICE_Q = (
    (1.30205, 3.49546, -3.46381, -0.78572, 0.51432, 0.36920, 0.13537, 0.03978, -0.00773, 0.01777),
    (2.03036, 6.52655, -5.93797, -1.94837, 1.29729, 1.94123, 0.72409, -0.73028, -0.45248, 0.72962),
)
_LATTICE_QB = (
    (0.29288, 3.47318, -4.11884, 3.91101, -0.07391, -0.47210, 0.03224, -0.02990, 0.01066, 0.02551),
    (524.42594, 7.73812, -1323.92004, -70.85239, 1837.85767, 204.65865, -2622.63794, 1636.09206,
     16.29379, -90.50437),
)  # fmt: skip
# exp(-h1/t - h2/t^2) f3 [1 + tanh(f4 t + f5)], t = T/200 MeV
_LATTICE_B = (-0.325372, 0.497729, 0.148987, 6.66388, -5.07725)
EDGES: tuple[str, ...] = ("low", "central", "high")
_CHARM_MASSES_GEV: dict[str, float] = dict(
    zip(
        EDGES,
        (
            CHARM_POLE_MASS_GEV,
            0.5 * (CHARM_POLE_MASS_GEV + CHARM_MASS_GEV),
            CHARM_MASS_GEV,
        ),
    )
)
# of chi_Q, chi_B and chi_QB on the lattice
_LATTICE_ERRORS = (0.03, 0.03, 0.2)
_GAS_ERROR = 0.1


class Susceptibilities(NamedTuple):
    """chi_Q, chi_B and chi_QB over T^2, each (n,)."""

    charge: np.ndarray
    baryon: np.ndarray
    both: np.ndarray


def susceptibilities(temperature_gev: np.ndarray, edge: str = "central") -> Susceptibilities:
    """chi_Q, chi_B and chi_QB over T^2, each (n,), at T [GeV] (n,); ``edge`` of their band."""
    temperature = np.asarray(temperature_gev)
    light = light_susceptibilities(temperature, edge)
    charm = (_CHARM_MASSES_GEV[edge], _HEAVY[0][1])
    heavy = _free(temperature, (charm, *_HEAVY[1:]))
    left = left_of_quarks(temperature, edge)
    return Susceptibilities(*(a + left * b for a, b in zip(light, heavy)))


def light_susceptibilities(temperature_gev: np.ndarray, edge: str = "central") -> Susceptibilities:
    """Those of u, d and s, or of the hadrons that they make; as :func:`susceptibilities`."""
    from scipy.special import expit  # slow to import, needed only here

    temperature = np.asarray(temperature_gev)
    sign = EDGES.index(edge) - 1.0
    # below, what is left of the lattice falls as the gas does
    warm = np.maximum(temperature, _LATTICE_FROM_GEV)
    quarks, left = free_light_susceptibilities(warm), left_of_quarks(warm, edge)
    to_lattice = expit((temperature - _TO_LATTICE_GEV[0]) / _TO_LATTICE_GEV[1])
    to_quarks = expit((warm - _TO_QUARKS_GEV[0]) / _TO_QUARKS_GEV[1])
    gas_factor = 1.0 + sign * _GAS_ERROR * np.clip((temperature - 0.1) / 0.05, 0.0, 1.0)
    found = []
    for gas, warm_gas, lattice, free, error in zip(
        _hadrons(temperature), _hadrons(warm), _lattice(warm), quarks, _LATTICE_ERRORS
    ):
        hot = (1.0 - to_quarks) * (1.0 + sign * error) * lattice + to_quarks * left * free
        hot = hot * np.where(temperature < warm, gas / warm_gas, 1.0)
        found.append((1.0 - to_lattice) * gas_factor * gas + to_lattice * hot)
    return Susceptibilities(*found)


def free_light_susceptibilities(temperature_gev: np.ndarray) -> Susceptibilities:
    """Those of free u, d and s, (n,) each at T [GeV] (n,)."""
    return Susceptibilities(*_free(np.asarray(temperature_gev), _LIGHT))


def left_of_quarks(temperature_gev: np.ndarray, edge: str = "central") -> np.ndarray:
    """What QCD leaves of free quarks to leading order, (n,) at T [GeV] (n,): 1 - c alpha_s/pi.

    c is 2 at the low edge, the leading correction to the susceptibilities (Vuorinen 2003,
    hep-ph/0212283), 1, and 0 at the high one; alpha_s at 2 pi T, not below 1.2 GeV.
    """
    strength = {"low": 2.0, "central": 1.0, "high": 0.0}[edge]
    scale = 2.0 * math.pi * np.maximum(np.asarray(temperature_gev), 0.2)
    return 1.0 - strength / math.pi * strong_coupling(scale)


def hadron_charges(temperature_gev: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """chi_Q over T^2 of all listed hadrons, and of pions, kaons and nucleons alone, (n,) each."""
    temperature = np.asarray(temperature_gev)
    few = _hadrons(temperature, mesons=2, baryons=2)
    return _hadrons(temperature)[0], few[0]


def strong_coupling(scale_gev: np.ndarray) -> np.ndarray:
    """alpha_s, MS-bar, two loops, at scales [GeV] of 1.2 and more; flavours join at m_c and m_b."""
    nodes, values = _couplings()
    return np.interp(np.log(scale_gev), nodes, values)


@functools.cache
def _couplings():
    from scipy.integrate import solve_ivp  # slow to import, needed only here

    def slope(log_scale, alpha):
        flavours = 3.0 + sum(
            log_scale > math.log(mass) for mass in (CHARM_MASS_GEV, BOTTOM_MASS_GEV)
        )
        first = (33.0 - 2.0 * flavours) / (6.0 * math.pi)
        second = (153.0 - 19.0 * flavours) / (12.0 * math.pi**2)
        return -first * alpha**2 - second * alpha**3

    start, ends = math.log(Z_MASS_GEV), (math.log(1.2), math.log(1e4))
    halves = []
    for end in ends:
        nodes = np.linspace(start, end, 200)
        solved = solve_ivp(
            slope,
            (start, end),
            [STRONG_COUPLING_Z],
            t_eval=nodes,
            rtol=1e-8,
            atol=1e-10,
            max_step=0.1,
        )
        halves.append((nodes, solved.y[0]))
    (down, low), (up, high) = halves
    return np.concatenate([down[::-1], up[1:]]), np.concatenate([low[::-1], high[1:]])


def _lattice(temperature):
    def ratio(coefficients):
        x = 0.154 / temperature
        upper, lower = (np.polynomial.polynomial.polyval(x, part) for part in coefficients)
        return upper / lower

    h1, h2, f3, f4, f5 = _LATTICE_B
    t = temperature / 0.2
    baryon = np.exp(-h1 / t - h2 / t**2) * f3 * (1.0 + np.tanh(f4 * t + f5))
    return ratio(_LATTICE_Q), baryon, ratio(_LATTICE_QB)


def _hadrons(temperature, mesons=None, baryons=None):
    """The gas, or that of the first ``mesons`` and ``baryons`` of the lists."""
    listed_mesons, listed_baryons = _MESONS[:mesons], _BARYONS[:baryons]
    from scipy.special import kn  # slow to import, needed only here

    # chi of a Boltzmann species: n/T^3 = g x^2 K_2(x)/(2 pi^2)
    def gas(table):
        x = np.minimum(table[:, 0] / temperature[:, None], 600.0)
        return table[:, 1] * x**2 * kn(2, x) / (2.0 * np.pi**2)

    of_mesons, of_baryons = gas(listed_mesons), gas(listed_baryons)
    # Bose statistics of the pions
    x = np.minimum(_MESONS[0, 0] / temperature, 300.0)
    for k in (2, 3, 4):
        of_mesons[:, 0] += _MESONS[0, 1] * k * x**2 * kn(2, k * x) / (2.0 * np.pi**2 * k)
    charge = of_mesons @ listed_mesons[:, 2] ** 2 + of_baryons @ listed_baryons[:, 2] ** 2
    return charge, of_baryons.sum(axis=1), of_baryons @ listed_baryons[:, 2]


def _free(temperature, quarks):
    total = np.zeros((3, temperature.size))
    for mass, charge in quarks:
        # three colours, two spins, particle and antiparticle
        chi = 6.0 * thermal_average(mass / temperature, lambda energy, f: f * (1.0 - f))
        total += np.outer([charge**2, 1.0 / 9.0, charge / 3.0], chi)
    return total
