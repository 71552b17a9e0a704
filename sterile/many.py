"""Many models at once: bucketed by the grid that each needs, side by side on a core or a GPU."""

from typing import Any

import jax
import numpy as np
from jax.typing import ArrayLike

from spectra.cosmology import Cosmology
from spectra.linear import Drive, check_way, drive_for
from spectra.linear import drive as drive_of
from spectra.precision import require_x64
from spectra.programs import device_named, program, programs_device, running_on
from spectra.structure import PowerTable, power_table
from spectra.units import plain_numbers
from sterile.contract import Grid
from sterile.mechanisms import mechanism_of
from sterile.models import Model, Plasma
from sterile.pipeline import Made, Point, check_target, made_of, point_of, target_of
from sterile.production import solve_compiled

# models that are vmapped together: more gain little on a core and cost memory
_MOST_ON_A_CORE = 8
# on an accelerator a step costs its launch, for few as for many: bytes that one model needs
_BYTES_A_MODEL, _MOST_ON_ACCELERATORS = 24e6, 4096


@plain_numbers
def evaluate_many(
    models: Model,
    cosmology: Cosmology | None = None,
    plasma: Plasma | None = None,
    mass_kev: ArrayLike | None = None,
    omega_h2: ArrayLike | None = 0.12,
    drive: Drive | None = None,
    device: Any = None,
    hierarchies: str = "where needed",
) -> Point:
    """Many models, bucketed on the host by the grid that each needs, then vmapped.

    Parameters
    ----------
    models : a model with leaves of shape (n,).
    cosmology, plasma, mass_kev, omega_h2, drive : as for :func:`sterile.evaluate`, one for all.
    device : "cpu", "gpu" or a ``jax.Device``; a core when left out, or ``jax_default_device``. On
        an accelerator as many models are solved together as its memory holds; the result comes
        back to the host.
    hierarchies : as for :func:`spectra.transfer`. Of a plane much can be too fast for the drive's
        equations, and following it takes most of the time: "never" says where that is instead.

    Returns
    -------
    :class:`Point` whose leaves have a leading axis of length n, in the order given. Histories have
    different lengths in different buckets and are left out: ``production`` is None.

    Raises
    ------
    ValueError
        As :func:`sterile.evaluate`, or if JAX has no such device.
    """
    require_x64()
    check_way(hierarchies)
    cosmology = Cosmology() if cosmology is None else cosmology
    plasma = Plasma() if plasma is None else plasma
    drive = drive_of(cosmology) if drive is None else drive
    power = power_table(cosmology)
    check_target(models, mass_kev, omega_h2)
    mass, omega_h2 = target_of(None, mass_kev, omega_h2)
    grids, chosen = mechanism_of(models).prepare(models, plasma)
    where = device_named(device)
    most = models_together(where)
    chunks = [
        (grid, part, size)
        for index, grid in enumerate(grids)
        for part, size in _chunks(np.flatnonzero(chosen == index), most)
    ]

    def arguments(grid, part, size):
        batch = jax.tree.map(lambda leaf: leaf[part], models)
        masses = None if mass is None else np.full(part.size, mass)
        return batch, grid, cosmology, plasma, masses, omega_h2, drive, power, hierarchies, size

    calls = [arguments(*chunk) for chunk in chunks]
    with running_on(where):
        for call in calls:
            compile_together(*call)
        solved = [solve_together(*call) for call in calls]
    order = np.argsort(np.concatenate([part for _, part, _ in chunks]))
    return jax.tree.map(lambda *leaves: np.concatenate(leaves)[order], *solved)


def models_together(device: Any) -> int:
    """Models that a device solves side by side, a power of two."""
    if device.platform == "cpu":
        return _MOST_ON_A_CORE
    memory = (device.memory_stats() or {}).get("bytes_limit", 8e9)
    fit = max(int(0.5 * memory / _BYTES_A_MODEL), 1)
    return min(1 << (fit.bit_length() - 1), _MOST_ON_ACCELERATORS)


def _chunks(rows: np.ndarray, most: int) -> list[tuple[np.ndarray, int]]:
    """Parts of the rows and the size of their programs, one power of two: there are few then."""
    size = min(most, 1 << max(rows.size - 1, 0).bit_length())
    return [(rows[first : first + size], size) for first in range(0, rows.size, size)]


def solve_together(
    models: Model,
    grid: Grid,
    cosmology: Cosmology,
    plasma: Plasma,
    masses_kev: np.ndarray | None,
    omega_h2: ArrayLike,
    drive: Drive,
    power: PowerTable,
    hierarchies: str,
    size: int,
) -> Point:
    """Points of models that one grid serves, side by side: leaves of shape (n, ...) on the host.

    ``masses_kev``: (n,), or None. ``hierarchies``: as for :func:`spectra.transfer`. ``size``:
    models of the programs that do it, at least n. What hierarchies follow is followed again, one by
    one on a core and together on an accelerator. ``production`` is None.
    """
    count = len(jax.tree.leaves(models)[0])
    drive = drive_for(cosmology, drive)
    models, masses_kev = padded((models, masses_kev), size)
    made = _produce(models, plasma, omega_h2, grid)
    points = _follow(made, cosmology, masses_kev, omega_h2, drive, power, "never")
    points, made, masses_kev = _rows((points, made, masses_kev), np.arange(count))
    if hierarchies == "never":
        return points
    rows = np.flatnonzero(points.transfer.fast | (hierarchies == "always"))
    if models_together(programs_device()) > _MOST_ON_A_CORE:
        parts = [rows] if rows.size else []
    else:
        parts = list(rows)
    for part in parts:
        some, masses = _rows((made, masses_kev), part)
        if np.ndim(part) == 0:
            found = point_of(some, cosmology, (masses, omega_h2), drive, power, "always")
        else:
            some, masses = padded((some, masses), size)
            found = _follow(some, cosmology, masses, omega_h2, drive, power, "always")
            found = _rows(found, np.arange(part.size))
        for leaf, new in zip(jax.tree.leaves(points), jax.tree.leaves(found)):
            leaf[part] = new
    return points


def _rows(tree, rows):
    """Copies of rows of all leaves, on the host."""
    return jax.tree.map(lambda leaf: np.asarray(leaf)[rows], tree)


def padded(tree: Any, size: int) -> Any:
    """Leaves (n, ...) filled up to (size, ...) with copies of their last row."""
    return jax.tree.map(
        lambda leaf: np.concatenate([leaf, np.repeat(leaf[-1:], size - len(leaf), axis=0)]), tree
    )


def compile_together(
    models, grid, cosmology, plasma, masses_kev, omega_h2, drive, power, hierarchies, size
) -> None:
    """Begin to compile what :func:`solve_together` runs for all models, in the background."""
    models, masses_kev = padded((models, masses_kev), size)
    made = _produce.ahead(models, plasma, omega_h2, grid)
    drive = drive_for(cosmology, drive)
    _follow.ahead(made, cosmology, masses_kev, omega_h2, drive, power, "never")


@program
def _produce(models: Model, plasma: Plasma, omega_h2, grid: Grid) -> Made:
    def one(model):
        model = mechanism_of(model).with_abundance(model, omega_h2)
        return made_of(solve_compiled(model, plasma, grid, False))

    return jax.vmap(one)(models)


@program
def _follow(made: Made, cosmology, masses_kev, omega_h2, drive, power, hierarchies) -> Point:
    """One program, whatever made the spectra."""

    def one(made, mass):
        return point_of(made, cosmology, (mass, omega_h2), drive, power, hierarchies)

    return jax.vmap(one)(made, masses_kev)
