"""From hadrons to quarks: how the two are joined, what QCD takes from quarks, and the band.

    Gamma_hadronic = (1 - w) s Gamma_hadrons + w R Gamma_quarks,   w = 1/(1 + e^((T_j - T)/20 MeV)).

Neither description holds between the crossover, 156.5 MeV (HotQCD 2019, 1812.08235), and 250 MeV,
where quarks weakly coupled begin: T_j is in the middle. R is what is left of the susceptibility of
electric charge of light quarks, by which a current of long wavelength finds its charges (lattice
results inside, 1 - alpha_s/pi above). Each edge of the band moves all of it the same way:

    low:  T_j = 230 MeV, R of the pressure or 1 - 2 alpha_s/pi, whichever is less, s = 0.9;
    high: T_j = 170 MeV, R = 1, s = 1.1 times the charge of all hadrons over that of pi, K and N.
"""

from typing import NamedTuple

import jax
import numpy as np

from spectra.constants import BOTTOM_MASS_GEV, CHARM_MASS_GEV, STRANGE_MASS_GEV, TOP_MASS_GEV
from sterile.bath import thermodynamics
from sterile.mixing.potentials import LEPTON_MASSES_GEV, thermal_average
from sterile.mixing.susceptibilities import (
    EDGES,
    free_light_susceptibilities,
    hadron_charges,
    left_of_quarks,
    light_susceptibilities,
)

SOURCES = ("join", "quarks", "hadrons")
_JOINS_GEV: dict[str, float] = dict(zip(EDGES, (0.23, 0.2, 0.17)))
_WIDTH_GEV = 0.02


class Shares(NamedTuple):
    """What the rates of hadrons and of quarks are multiplied with, (n,) each."""

    hadrons: np.ndarray
    quarks: np.ndarray


def shares(
    temperature_gev: np.ndarray, edge: str = "central", sources: tuple[str, ...] = SOURCES
) -> Shares:
    """Factors at T [GeV] (n,), for an ``edge`` of the band: low, central or high.

    ``sources``: which of the three parts of the band are at that edge, the others central.
    """
    from scipy.special import expit  # slow to import, needed only here

    temperature = np.asarray(temperature_gev)
    of = {source: edge if source in sources else "central" for source in SOURCES}
    weight = expit((temperature - _JOINS_GEV[of["join"]]) / _WIDTH_GEV)
    hadrons = (1.0 - weight) * _factor_of_hadrons(temperature, of["hadrons"])
    return Shares(hadrons, weight * _left_of_quarks(temperature, of["quarks"]))


def _factor_of_hadrons(temperature, edge):
    if edge == "high":
        everything, few = hadron_charges(temperature)
        return 1.1 * everything / few
    return np.full_like(temperature, {"low": 0.9, "central": 1.0}[edge])


def _left_of_quarks(temperature, edge):
    if edge == "low":
        return np.minimum(left_in_pressure(temperature), left_of_quarks(temperature, "low"))
    if edge == "high":
        return np.ones_like(temperature)
    light = light_susceptibilities(temperature).charge
    return light / free_light_susceptibilities(temperature).charge


def left_in_pressure(temperature_gev: np.ndarray) -> np.ndarray:
    """Pressure of strong matter over that of free quarks and gluons, (n,) at T [GeV] (n,).

    The degrees of freedom are those of the bath (Saikawa & Shirai 2018), less photons and leptons;
    above 20 GeV, where W and Z are in them, the value at 20 GeV.
    """
    temperature = np.minimum(np.asarray(temperature_gev), 20.0)
    with jax.ensure_compile_time_eval():
        g_rho, g_s = (
            np.asarray(of(temperature)) for of in (thermodynamics.g_rho, thermodynamics.g_s)
        )
    # p = T s - rho, in units of pi^2 T^4/90 per state
    pressure = 4.0 * g_s - 3.0 * g_rho
    other = 2.0 + 6.0 * 7.0 / 8.0
    other = other + sum(4.0 * _states(mass / temperature) for mass in LEPTON_MASSES_GEV)
    quarks = sum(
        12.0 * _states(mass / temperature)
        for mass in (0.0, 0.0, STRANGE_MASS_GEV, CHARM_MASS_GEV, BOTTOM_MASS_GEV, TOP_MASS_GEV)
    )
    return (pressure - other) / (16.0 + quarks)


def _states(mass_over_temperature):
    """Pressure of a fermion's state over that of a massless boson's."""
    x = np.broadcast_to(mass_over_temperature, np.shape(mass_over_temperature) or (1,))

    def pressure(energy, f):
        # p^2/(3E) f with p^2 = E^2 - m^2, per state k^2 dk/(2 pi^2)
        return (energy**2 - x[:, None] ** 2) / (3.0 * np.maximum(energy, 1e-300)) * f

    return 0.5 * thermal_average(x, pressure) * 90.0 / np.pi**2
