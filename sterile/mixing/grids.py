"""How finely mixing is resolved: the static choice of its solvers."""

from typing import NamedTuple

import numpy as np

from sterile.contract import Choices
from sterile.mixing.potentials import FLAVOURS
from sterile.models import Plasma


class Grid(NamedTuple):
    """Steps in time and cells in ln q."""

    steps: int
    cells: int


# Y_N and <q> are converged to 8e-4; q^2 f scatters by 1 % of its peak, where resonances sweep
NON_RESONANT = Grid(384, 400)
RESONANT = Grid(800, 400)


def prepare_non_resonant(models, plasma: Plasma) -> Choices:
    """One grid for all."""
    return Choices([NON_RESONANT], np.zeros(np.size(models.mass_kev), dtype=int))


def prepare_resonant(models, plasma: Plasma) -> Choices:
    """One grid for all."""
    return Choices([RESONANT], np.zeros(_count(models), dtype=int))


def _count(models) -> int:
    numbers = [models.mass_kev, models.sin2_2theta]
    numbers += [getattr(models, f"lepton_asymmetry_{flavour}") for flavour in FLAVOURS]
    sizes = [np.size(one) for one in numbers if one is not None]
    asymmetry = np.asarray(models.lepton_asymmetry)
    # three numbers of one model are flavours
    alone = asymmetry.ndim == 1 and max(sizes) == 1 and asymmetry.size == 3
    return max(*sizes, 1 if asymmetry.ndim == 0 or alone else asymmetry.shape[0])


def finer(grid: Grid) -> Grid:
    """Half the steps' length, and a third more cells."""
    return Grid(2 * grid.steps, grid.cells * 4 // 3)


def coarser(grid: Grid) -> Grid:
    """What a solution is compared with."""
    return Grid(grid.steps * 5 // 8, grid.cells * 5 // 8)
