"""What a check of a file is about: the simulation it is for, and what was found."""

import math
from dataclasses import dataclass, field

import numpy as np

from spectra.units import plain_numbers

# numbers of particles up to here are taken per side: no box has so few in all
_MOST_PER_SIDE = 32768


@dataclass(frozen=True)
class Simulation:
    """What the file is for.

    Attributes
    ----------
    box_mpc_h : side of the box [Mpc/h].
    per_side : particles per side.
    z : starting redshift.
    """

    box_mpc_h: float
    per_side: float
    z: float

    @property
    def fundamental(self) -> float:
        """Smallest wavenumber of the box, 2 pi/L [h/Mpc]."""
        return 2.0 * math.pi / self.box_mpc_h

    @property
    def nyquist(self) -> float:
        """Nyquist wavenumber of the particles, pi N/L [h/Mpc]."""
        return math.pi * self.per_side / self.box_mpc_h


@dataclass
class Findings:
    """What a reader found: ``problems`` make the file unsafe, ``notes`` do not.

    ``k_h_mpc``, ``power``: (n,) what the target would use [h/Mpc, (Mpc/h)^3], or nothing.
    """

    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    k_h_mpc: np.ndarray = field(default_factory=lambda: np.empty(0))
    power: np.ndarray = field(default_factory=lambda: np.empty(0))


@plain_numbers
def simulation(box_mpc_h: float, particles, z: float) -> Simulation:
    """A :class:`Simulation` from what a user types.

    Parameters
    ----------
    box_mpc_h : side of the box [Mpc/h].
    particles : per side ("512", up to 32768), or all of them ("512^3" or "134217728").
    z : redshift of the start.

    Raises
    ------
    ValueError
        If one of them is not a positive number.
    """
    text = str(particles).strip().lower().replace("**", "^")
    try:
        base, _, power = text.partition("^")
        count = float(base)
        if power and float(power) != 3.0:
            raise ValueError
    except ValueError:
        raise ValueError(
            f"particles = '{particles}' is not a number; give 512, 512^3 or 134217728"
        ) from None
    per_side = count if power or count <= _MOST_PER_SIDE else count ** (1.0 / 3.0)
    values = {"box_mpc_h": float(box_mpc_h), "particles": per_side}
    for name, value in values.items():
        if not (math.isfinite(value) and value > 0.0):
            raise ValueError(f"{name} = {value:g} must be positive; give a number > 0")
    if not (math.isfinite(float(z)) and float(z) >= 0.0):
        raise ValueError(f"z = {z:g} must not be negative; give the starting redshift")
    return Simulation(float(box_mpc_h), per_side, float(z))
