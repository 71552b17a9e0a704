"""What the plasma does to the energy of an active neutrino.

Notzold & Raffelt 1988; in the form of Venumadhav et al. 2016 (1507.06655), with p the momentum:

    V_T = -(8 sqrt2/3) G_F p [rho_(nu_a + anti)/M_Z^2 + rho_(a- + a+)/M_W^2],
    V_L = sqrt2 G_F [sum_b n_nu_b + n_nu_a + sum_b n_b/2 + n_a],

n differences of particles and antiparticles, b charged leptons, a the flavour that mixes. V_L is
-1/2 + 2 s_W^2 per charged lepton and 1 - 2 s_W^2 per hadronic charge, which neutrality of the
plasma adds up to 1/2; that of the baryons, 6e-10, is left out. V_T holds for momenta and
temperatures below the masses of W and Z.
"""

import math

import numpy as np

from spectra.constants import (
    ELECTRON_MASS_GEV,
    HIGGS_VEV_GEV,
    MUON_MASS_GEV,
    TAU_MASS_GEV,
    W_MASS_GEV,
    Z_MASS_GEV,
)

FLAVOURS = ("e", "mu", "tau")
LEPTON_MASSES_GEV = (ELECTRON_MASS_GEV, MUON_MASS_GEV, TAU_MASS_GEV)
FERMI_GEV2 = 1.0 / (math.sqrt(2.0) * HIGGS_VEV_GEV**2)
# rho/T^4 of a neutrino and its antiparticle
_NEUTRINO_DENSITY = 2.0 * 7.0 / 8.0 * math.pi**2 / 30.0
# momenta of thermal integrals: Gauss-Legendre, to e^-60
_LEGENDRE = np.polynomial.legendre.leggauss(200)
_NODES, _WEIGHTS = 30.0 * (_LEGENDRE[0] + 1.0), 30.0 * _LEGENDRE[1]


def thermal_average(mass_over_temperature, integrand):
    """Integral of k^2 ``integrand``(E, f) dk/pi^2, E^2 = k^2 + (m/T)^2, f = 1/(e^E + 1); (n,)."""
    energy = np.hypot(_NODES, np.asarray(mass_over_temperature)[:, None])
    occupation = 1.0 / (np.exp(np.minimum(energy, 700.0)) + 1.0)
    return (integrand(energy, occupation) * _NODES**2) @ _WEIGHTS / math.pi**2


def thermal_potential(temperature_gev: np.ndarray, flavour: str) -> np.ndarray:
    """-V_T 2p/(p/T)^2 [GeV^2], (n,): over m^2 and times (p/T)^2 it is -V_T over m^2/(2p)."""
    mass = LEPTON_MASSES_GEV[FLAVOURS.index(flavour)]
    # four states: two spins, particle and antiparticle
    lepton = 2.0 * thermal_average(mass / temperature_gev, lambda energy, f: energy * f)
    densities = _NEUTRINO_DENSITY / Z_MASS_GEV**2 + lepton / W_MASS_GEV**2
    return 16.0 * math.sqrt(2.0) / 3.0 * FERMI_GEV2 * temperature_gev**6 * densities


def lepton_potential_unit(temperature_gev: np.ndarray) -> np.ndarray:
    """V_L 2p/(p/T)/(sum of densities over T^3) [GeV^2], (n,)."""
    return 2.0 * math.sqrt(2.0) * FERMI_GEV2 * temperature_gev**4
