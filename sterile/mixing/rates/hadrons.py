"""Reactions of a neutrino with hadrons: mesons of the gas below the crossover, and nucleons.

The hadronic current is that of the quarks, u_L d_L: <0|J|pi> = f_pi K and <0|J|rho> = f_rho m_rho
epsilon for one meson, <0|J|pi pi> = C F(K^2) (Pb - Pc) for two, g_V and g_A for nucleons. F is
that of Kuehn & Santamaria 1990 (Z. Phys. C 48, 445): rho and rho' in tau -> pi pi nu; of pi and K
the pole of the K*. Isospin gives C: sqrt2 for pi+ pi0, 1 - 2 s_W^2 for pi+ pi- by Z. Pairs of
larger K^2 than s_0 are made as those of quarks, s_0 where the strength of resonances below is that
of quarks: s_0 (1 + alpha_s/pi) = 4 pi^2 f^2, f of the rho in the vector and of pi and a_1 in the
axial current.
"""

import functools
import math
from collections.abc import Callable

import numpy as np

from spectra.constants import (
    A1_DECAY_CONSTANT_GEV,
    A1_MASS_GEV,
    CKM,
    KAON_DECAY_CONSTANT_GEV,
    KAON_MASS_GEV,
    KSTAR_MASS_GEV,
    KSTAR_WIDTH_GEV,
    NUCLEON_AXIAL_COUPLING,
    NUCLEON_DIPOLE_GEV2,
    NUCLEON_MASS_GEV,
    OMEGA_DECAY_CONSTANT_GEV,
    OMEGA_MASS_GEV,
    PHI_DECAY_CONSTANT_GEV,
    PHI_MASS_GEV,
    PION_DECAY_CONSTANT_GEV,
    PION_MASS_GEV,
    RHO_DECAY_CONSTANT_GEV,
    WEAK_MIXING_SIN2,
)
from sterile.mixing.potentials import FLAVOURS, LEPTON_MASSES_GEV
from sterile.mixing.rates.electroweak import neutral_couplings
from sterile.mixing.rates.fermions import Rates
from sterile.mixing.rates.phase_space import (
    DEFAULT,
    Pair,
    Rate,
    Resolution,
    Squared,
    exchange,
    fusion,
)

_UD, _US = CKM[0][0], CKM[0][1]
_VECTOR_OF_Z = 1.0 - 2.0 * WEAK_MIXING_SIN2
# vector couplings of Z to u + d and to s
_LEFT_U, _RIGHT_U = neutral_couplings(0.5, 2.0 / 3.0)
_LEFT_D, _RIGHT_D = neutral_couplings(-0.5, -1.0 / 3.0)
_OMEGA_OF_Z = (_LEFT_U + _RIGHT_U + _LEFT_D + _RIGHT_D) / math.sqrt(2.0)
_PHI_OF_Z = _LEFT_D + _RIGHT_D
# mass [GeV], (V f)^2 [GeV^2], vector; of W, then of Z
_OF_W = {
    "pi": (PION_MASS_GEV, (_UD * PION_DECAY_CONSTANT_GEV) ** 2, False),
    "K": (KAON_MASS_GEV, (_US * KAON_DECAY_CONSTANT_GEV) ** 2, False),
    "a1": (A1_MASS_GEV, (_UD * A1_DECAY_CONSTANT_GEV) ** 2, True),
}
_OF_Z = {
    "omega": (OMEGA_MASS_GEV, (_OMEGA_OF_Z * OMEGA_DECAY_CONSTANT_GEV) ** 2, True),
    "phi": (PHI_MASS_GEV, (_PHI_OF_Z * PHI_DECAY_CONSTANT_GEV) ** 2, True),
    "a1": (A1_MASS_GEV, 0.5 * A1_DECAY_CONSTANT_GEV**2, True),
}
# poles: weight, mass and width [GeV]; Kuehn & Santamaria 1990, their fit without the omega, as the
# program TAUOLA has it; what 10 % of the weight do is in docs/opacities.md
_RHO = ((1.0, 0.773, 0.145), (-0.145, 1.37, 0.51))
_KSTAR = ((1.0, KSTAR_MASS_GEV, KSTAR_WIDTH_GEV),)
_PIONS, _KAONS = (PION_MASS_GEV, PION_MASS_GEV), (KAON_MASS_GEV, KAON_MASS_GEV)
# masses, C^2 |V|^2 and the resonance
_PAIRS_OF_W = {
    "pi pi": (_PIONS, 2.0 * _UD**2, _RHO),
    "K K": (_KAONS, _UD**2, _RHO),
    "pi K": ((PION_MASS_GEV, KAON_MASS_GEV), 1.5 * _US**2, _KSTAR),
}
_PAIRS_OF_Z = {
    "pi pi": (_PIONS, _VECTOR_OF_Z**2, _RHO),
    "K K": (_KAONS, _VECTOR_OF_Z**2, _RHO),
}


# continuum beyond the resonances, with alpha_s(1.3 GeV) = 0.37 [PDG, running]
_CORRECTION = 1.0 + 0.37 / math.pi
_DUAL_GEV2 = tuple(
    4.0 * math.pi**2 * strength / _CORRECTION
    for strength in (
        RHO_DECAY_CONSTANT_GEV**2,
        PION_DECAY_CONSTANT_GEV**2 + A1_DECAY_CONSTANT_GEV**2,
    )
)


def hadronic(
    temperature_gev: float, energy: float, flavour: str, resolution: Resolution = DEFAULT
) -> Rates:
    """Gamma_loss/(G_F^2 T^5) by hadrons, by name, at T [GeV] and E/T for a ``flavour``."""
    lepton = LEPTON_MASSES_GEV[FLAVOURS.index(flavour)] / temperature_gev
    found = {}
    for current, mass, single, double in (
        ("charged", lepton, _OF_W, _PAIRS_OF_W),
        ("neutral", 0.0, _OF_Z, _PAIRS_OF_Z),
    ):
        for name, (meson, strength, vector) in single.items():
            rate = fusion(
                energy,
                mass,
                meson / temperature_gev,
                strength / temperature_gev**2,
                vector,
                resolution,
            )
            found[f"{current} current, {name} fusion"] = Rate(rate, 0.0)
        for name, (masses, strength, resonance) in double.items():
            found[f"{current} current on {name}"] = _mesons(
                temperature_gev, energy, mass, masses, strength, resonance, resolution
            )
    found["charged current, continuum"] = _continuum(
        temperature_gev, energy, lepton, 3.0 * (_UD**2 + _US**2), resolution
    )
    found["neutral current, continuum"] = _continuum(
        temperature_gev,
        energy,
        0.0,
        3.0 * (_LEFT_U**2 + _RIGHT_U**2 + 2.0 * (_LEFT_D**2 + _RIGHT_D**2)),
        resolution,
    )
    found.update(_nucleons(temperature_gev, energy, lepton, resolution))
    return found


@functools.lru_cache(maxsize=512)
def _continuum(temperature_gev, energy, lepton, strength, resolution):
    """Pairs of light quarks of K^2 above s_0, half of them of each current."""
    vector, axial = (least / temperature_gev**2 for least in _DUAL_GEV2)
    return exchange(
        energy,
        lepton,
        Pair(0.0, 0.0),
        Squared(left=128.0 * strength * _CORRECTION),
        lambda square: 0.5 * ((square > vector) + (square > axial) * 1.0),
        (vector, axial),
        resolution,
    )


@functools.lru_cache(maxsize=512)
def _mesons(temperature_gev, energy, lepton, masses, strength, resonance, resolution):
    _, pole, width = resonance[0]
    return exchange(
        energy,
        lepton,
        Pair(*(mass / temperature_gev for mass in masses), bosons=True),
        Squared(scalars=4.0 * strength),
        form_factor(temperature_gev, resonance),
        tuple((x / temperature_gev) ** 2 for x in (pole - width, pole, pole + width)),
        resolution,
    )


def form_factor(temperature_gev: float, poles) -> Callable[[np.ndarray], np.ndarray]:
    """|F|^2 of K^2/T^2: a sum of ``poles`` (weight, mass and width [GeV]), with F(0) = 1.

    Widths are those of two pions in a P wave above 2 m_pi, none below.
    """
    opens = (2.0 * PION_MASS_GEV / temperature_gev) ** 2

    def factor(square):
        total = 0.0
        for weight, mass_gev, width_gev in poles:
            mass = (mass_gev / temperature_gev) ** 2
            # momentum cubed over the square root of K^2
            ratio = np.maximum(square - opens, 0.0) / (mass - opens)
            phase = ratio**1.5 * np.sqrt(mass / np.maximum(square, opens))
            width = width_gev * mass_gev / temperature_gev**2 * phase
            total = total + weight * mass / (mass - square - 1j * width)
        return np.abs(total / sum(weight for weight, *_ in poles)) ** 2

    return factor


def _nucleons(temperature_gev, energy, lepton, resolution):
    g_a = NUCLEON_AXIAL_COUPLING
    at = (temperature_gev, energy)
    proton = _nucleon(*at, 0.0, 0.5 - 2.0 * WEAK_MIXING_SIN2, 0.5 * g_a, 1.0, resolution)
    neutron = _nucleon(*at, 0.0, -0.5, -0.5 * g_a, 1.0, resolution)
    return {
        "charged current on nucleons": _nucleon(*at, lepton, 1.0, g_a, _UD**2, resolution),
        "neutral current on nucleons": Rate(
            proton.two_to_two + neutron.two_to_two, proton.three_to_one + neutron.three_to_one
        ),
    }


@functools.lru_cache(maxsize=512)
def _nucleon(temperature_gev, energy, lepton, vector, axial, strength, resolution):
    """g_V and g_A with a dipole in momentum transfers; only scattering, no annihilation."""
    mass = NUCLEON_MASS_GEV / temperature_gev
    scale = NUCLEON_DIPOLE_GEV2 / temperature_gev**2
    left, right = 0.5 * (vector + axial), 0.5 * (vector - axial)
    unit = 128.0 * strength
    return exchange(
        energy,
        lepton,
        Pair(mass, mass),
        Squared(unit * left**2, unit * right**2, unit * left * right),
        lambda square: np.where(square < 0.0, (1.0 + np.abs(square) / scale) ** -4, 0.0),
        (),
        resolution,
    )
