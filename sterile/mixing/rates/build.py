"""The shipped table of opacities: every reaction on a lattice of temperatures and momenta.

The slow part, integrals by groups of reactions, is kept row by row and resumed; joining hadrons
and quarks takes no time. ``runs/make_opacities.py`` calls it.
"""

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from sterile.mixing.opacities import GROUPS
from sterile.mixing.potentials import FLAVOURS
from sterile.mixing.rates.crossover import shares
from sterile.mixing.rates.fermions import Rates, bosonic, leptonic, quarks
from sterile.mixing.rates.hadrons import hadronic
from sterile.mixing.rates.phase_space import DEFAULT, Rate, Resolution

# below and above these temperatures a group weighs less than 1e-4
_HADRONS_GEV = (2e-3, 0.45)
_QUARKS_GEV = 0.05
_BOSONS_GEV = 0.5


def _stretches(*stretches: tuple[float, float, float]) -> np.ndarray:
    """Nodes even in the logarithm on each stretch (from, to, step)."""
    parts = [
        np.geomspace(low, high, math.ceil(math.log(high / low) / step) + 1)[:-1]
        for low, high, step in stretches
    ]
    return np.concatenate([*parts, [stretches[-1][1]]])


# [GeV], finer about the crossover of QCD
TEMPERATURES_GEV = _stretches((1e-3, 0.04, 0.16), (0.04, 0.5, 0.08), (0.5, 100.0, 0.2))
# p/T
MOMENTA = np.geomspace(0.02, 80.0, 32)


def loss_rates(
    temperature_gev: float, momentum: float, flavour: str, resolution: Resolution = DEFAULT
) -> dict[str, Rates]:
    """Gamma_loss/(G_F^2 T^5) by group of reactions and by name, at T [GeV] and p/T.

    Hadrons and quarks are both there, whole, where either could be.
    """
    at = (temperature_gev, momentum, flavour, resolution)
    low, high = _HADRONS_GEV
    return {
        "leptons": leptonic(*at),
        "hadrons": hadronic(*at) if low < temperature_gev < high else {},
        "quarks": quarks(*at) if temperature_gev > _QUARKS_GEV else {},
        "bosons": bosonic(*at) if temperature_gev > _BOSONS_GEV else {},
    }


def reactions(
    temperature_gev: float,
    momentum: float,
    flavour: str,
    resolution: Resolution = DEFAULT,
) -> dict[tuple[str, str], Rate]:
    """Gamma/(G_F^2 p T^4) of every reaction, the total width; they add up to the opacity's.

    Integrals, not the table: a second for each call. Hadrons and quarks have the shares by which
    they are joined, at the centre of the band.

    Parameters
    ----------
    temperature_gev : T [GeV].
    momentum : p/T.
    flavour : "e", "mu" or "tau".
    resolution : nodes of the integrals.

    Returns
    -------
    (group, reaction) → (part by 2 -> 2 and by fusion, part by 3 -> 1); the groups are "leptons",
    "hadrons", "quarks" and "bosons", W and Z on their mass shell.

    Raises
    ------
    ValueError
        If the flavour is unknown, or a number is not positive.
    """
    if flavour not in FLAVOURS:
        raise ValueError(f"flavour = {flavour!r} is unknown; use one of {', '.join(FLAVOURS)}")
    for name, value in (("temperature_gev", temperature_gev), ("momentum", momentum)):
        if not value > 0.0:
            raise ValueError(f"{name} must be positive, but is {value:g}; correct it")
    share = shares(np.array([temperature_gev]))
    factors = {"hadrons": share.hadrons[0], "quarks": share.quarks[0]}
    unit = (1.0 + math.exp(-momentum)) / momentum
    return {
        (group, name): Rate(*(unit * factors.get(group, 1.0) * part for part in rate))
        for group, rates in loss_rates(temperature_gev, momentum, flavour, resolution).items()
        for name, rate in rates.items()
    }


def rows(
    folder: Path, temperatures_gev: np.ndarray, momenta: np.ndarray, resolution=DEFAULT
) -> Iterator[tuple[int, np.ndarray]]:
    """Rows of Gamma_loss/(G_F^2 T^5), (flavour, group, momentum), one temperature after the other.

    Those that are in ``folder`` are not made again; another lattice or resolution has other names.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for number, temperature in enumerate(temperatures_gev):
        # the groups are in the name, as a row has their number
        name = f"{len(GROUPS)}-{temperature:.8g}-{momenta[0]:.6g}-{momenta[-1]:.6g}-{momenta.size}"
        path = folder / f"{name}-{resolution.energy}-{resolution.momentum}.f64"
        if not path.exists():
            row = np.zeros((len(FLAVOURS), len(GROUPS), momenta.size))
            for column, momentum in enumerate(momenta):
                for flavour, own in enumerate(FLAVOURS):
                    found = loss_rates(float(temperature), float(momentum), own, resolution)
                    row[flavour, :, column] = [
                        sum(sum(rate) for rate in found[group].values()) for group in GROUPS
                    ]
            part = path.with_suffix(".part")
            row.tofile(part)
            part.replace(path)
        yield number, np.fromfile(path).reshape(len(FLAVOURS), len(GROUPS), momenta.size)
