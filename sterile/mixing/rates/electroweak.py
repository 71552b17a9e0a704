"""What carries the weak force: couplings, propagators, and W and Z themselves as particles.

Momenta are over T. Beside |M|^2 of Fermi theory stands M^4/(K^2 - M^2)^2, with K given to the
pair. Near the pole, |K^2/M^2 - 1| < 1/4, W and Z are particles of the plasma, of zero width and
vacuum mass: two fuse to one. The weight of the pole is what a Breit-Wigner has in there.
"""

import functools
import math
from typing import NamedTuple

import numpy as np

from spectra.constants import (
    W_MASS_GEV,
    W_WIDTH_GEV,
    WEAK_MIXING_SIN2,
    Z_MASS_GEV,
    Z_WIDTH_GEV,
)
from sterile.mixing.potentials import FERMI_GEV2
from sterile.mixing.rates.phase_space import Pair, Rate, Resolution, Squared, exchange, fusion

_WINDOW = 0.25


class Carrier(NamedTuple):
    """W or Z: mass and width [GeV], and f^2 G_F of what a lepton and it couple with."""

    mass_gev: float
    width_gev: float
    strength: float


# |M|^2 of l nu -> W is 8 G_F M^4/sqrt2, half of that to Z: as vector mesons with these f^2
W_BOSON = Carrier(W_MASS_GEV, W_WIDTH_GEV, math.sqrt(2.0))
Z_BOSON = Carrier(Z_MASS_GEV, Z_WIDTH_GEV, 1.0 / math.sqrt(2.0))


def neutral_couplings(isospin: float, charge: float) -> tuple[float, float]:
    """g_L and g_R of a fermion of weak ``isospin`` T_3 and electric ``charge``."""
    return isospin - charge * WEAK_MIXING_SIN2, -charge * WEAK_MIXING_SIN2


def _propagator(square, mass_squared):
    ratio = square / mass_squared
    return np.where(np.abs(ratio - 1.0) < _WINDOW, 0.0, 1.0 / np.maximum((1.0 - ratio) ** 2, 0.01))


@functools.lru_cache(maxsize=4096)
def carried(
    energy: float,
    temperature_gev: float,
    lepton_mass: float,
    pair: Pair,
    squared: Squared,
    carrier: Carrier,
    resolution: Resolution,
) -> Rate:
    """:func:`sterile.mixing.rates.phase_space.exchange` by W or Z, without their pole."""
    mass_squared = (carrier.mass_gev / temperature_gev) ** 2
    breaks: tuple[float, ...] = ()
    if mass_squared < 4.0 * (energy + 45.0) * energy:
        # about the pole, and where the propagator falls for momenta transferred in space
        breaks = tuple(share * mass_squared for share in (-4.0, -0.5, 1.0 - _WINDOW, 1.0 + _WINDOW))
    return exchange(
        energy,
        lepton_mass,
        pair,
        squared,
        lambda square: _propagator(square, mass_squared),
        breaks,
        resolution,
    )


@functools.lru_cache(maxsize=4096)
def crossed_carriers(
    energy: float,
    temperature_gev: float,
    lone_mass: float,
    pair: Pair,
    squared: Squared,
    resolution: Resolution,
) -> Rate:
    """Interference of two exchanges, K given to the pair of those that both may reach.

    The other momenta are -K^2/2 on average over the pair's angle: the propagators are taken there,
    which is exact in Fermi theory and right to their first order.
    """
    w, z = ((c.mass_gev / temperature_gev) ** 2 for c in (W_BOSON, Z_BOSON))

    def factor(square):
        size = 0.5 * np.abs(square)
        return 1.0 / ((1.0 + size / w) * (1.0 + size / z))

    return exchange(energy, lone_mass, pair, squared, factor, (), resolution)


def on_shell(
    energy: float,
    temperature_gev: float,
    lepton_mass: float,
    carrier: Carrier,
    resolution: Resolution,
) -> float:
    """Gamma_loss/(G_F^2 T^5) by fusion with a lepton to W or Z, and their absorption."""
    inside = 2.0 / math.pi * math.atan(_WINDOW * carrier.mass_gev / carrier.width_gev)
    strength = inside * carrier.strength / (FERMI_GEV2 * temperature_gev**2)
    mass = carrier.mass_gev / temperature_gev
    return fusion(energy, lepton_mass, mass, strength, True, resolution)
