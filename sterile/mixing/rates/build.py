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
from sterile.mixing.rates.fermions import Rates, leptonic, quarks
from sterile.mixing.rates.hadrons import hadronic
from sterile.mixing.rates.phase_space import DEFAULT, Resolution

# below and above these temperatures a group weighs less than 1e-4
_HADRONS_GEV = (2e-3, 0.45)
_QUARKS_GEV = 0.05


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


def reactions(
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
    }


def rows(
    folder: Path, temperatures_gev: np.ndarray, momenta: np.ndarray, resolution=DEFAULT
) -> Iterator[tuple[int, np.ndarray]]:
    """Rows of Gamma_loss/(G_F^2 T^5), (flavour, group, momentum), one temperature after the other.

    Those that are in ``folder`` are not made again; another lattice or resolution has other names.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for number, temperature in enumerate(temperatures_gev):
        name = f"{temperature:.8g}-{momenta[0]:.6g}-{momenta[-1]:.6g}-{momenta.size}"
        path = folder / f"{name}-{resolution.energy}-{resolution.momentum}.f64"
        if not path.exists():
            row = np.zeros((len(FLAVOURS), len(GROUPS), momenta.size))
            for column, momentum in enumerate(momenta):
                for flavour, own in enumerate(FLAVOURS):
                    found = reactions(float(temperature), float(momentum), own, resolution)
                    row[flavour, :, column] = [
                        sum(sum(rate) for rate in found[group].values()) for group in GROUPS
                    ]
            part = path.with_suffix(".part")
            row.tofile(part)
            part.replace(path)
        yield number, np.fromfile(path).reshape(len(FLAVOURS), len(GROUPS), momenta.size)
