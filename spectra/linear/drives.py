"""The drive of a cosmology: the shipped one, one from the cache, or one made by CLASS runs."""

from collections.abc import Callable
from functools import lru_cache
from importlib import resources

import equinox as eqx
import jax
import numpy as np

from spectra.cache import Tables, file_name, kept_tables, read_tables
from spectra.cosmology import Cosmology, as_float
from spectra.linear.drive_tables import Drive, assemble, default_wavenumbers
from spectra.linear.fast_particles import cold_growth
from spectra.linear.served_cosmologies import (
    MATCH_TOLERANCE,
    TABLE_FIELDS,
    distance_between,
    table_fields,
)
from spectra.precision import require_x64
from spectra.tracing import is_traced

SHIPPED_FILE, SHIPPED_GROWTH = "drive_planck18.h5", "growth_planck18.h5"
# raise when the tables or their meaning change: older files are then made anew
FORMAT_VERSION = 4
# raise when the hierarchies' numbers change
GROWTH_VERSION = 2


def drive(
    cosmology: Cosmology | None = None,
    derivatives: bool = False,
    progress: Callable[[int, int], object] | None = None,
) -> Drive:
    """The drive of a cosmology, read once per process; call it outside jit.

    The one of the default cosmology ships with the package. Any other is made by CLASS runs (about
    a minute on two cores) and kept in the cache directory, checked by a checksum when read.

    Parameters
    ----------
    cosmology : the default one when left out. ``n_s`` and ``a_s`` do not matter.
    derivatives : with what derivatives in the cosmology need; several times the work for a
        cosmology that is not in the cache. The default cosmology's drive always has it.
    progress : called with (CLASS runs done, runs in all) while a drive is being made; None for
        silence.

    Raises
    ------
    ValueError
        If the cosmology is traced, its drive has to be made and classy is not installed, or JAX is
        not in 64-bit mode.
    RuntimeError
        If CLASS fails.
    """
    require_x64()
    if cosmology is None:
        return _shipped()
    if is_traced(cosmology):
        raise ValueError(
            "spectra.drive was called with a traced cosmology; make the drive outside jit and "
            "pass it in"
        )
    if distance_between(cosmology, _shipped().cosmology) <= MATCH_TOLERANCE:
        return _shipped()
    fields = tuple(table_fields(cosmology).items())
    return _made(fields, derivatives, progress or (lambda done, total: None))


@lru_cache(maxsize=1)
def _shipped() -> Drive:
    with resources.as_file(resources.files("spectra") / "data" / SHIPPED_FILE) as path:
        made = _from_file(*read_tables(path))
    with resources.as_file(resources.files("spectra") / "data" / SHIPPED_GROWTH) as path:
        return _with_growth(made, read_tables(path))


_in_memory: dict = {}


def is_shared(drive: Drive) -> bool:
    """Whether a drive is one that :func:`drive` gave, not one of the user's own making."""
    return drive is _shipped() or any(drive is known for known in _in_memory.values())


def _made(fields: tuple, derivatives: bool, progress) -> Drive:
    """A cosmology's drive from memory, from the cache, or made and cached."""
    key = (fields, derivatives)
    if key not in _in_memory:
        while len(_in_memory) >= 8:
            _in_memory.pop(next(iter(_in_memory)))
        made = _from_file(*_cached(dict(fields), derivatives, progress))
        name = file_name("cold-growth", GROWTH_VERSION, FORMAT_VERSION, *_key(dict(fields)))
        growth = kept_tables([name], lambda: growth_tables(made))
        _in_memory[key] = _with_growth(made, growth)
    return _in_memory[key]


def _key(fields: dict) -> tuple:
    return (sorted((n, float(v)) for n, v in fields.items()),)


def _cached(fields: dict, derivatives: bool, progress) -> Tables:
    names = [file_name(kind, FORMAT_VERSION, *_key(fields)) for kind in ("drive-tangents", "drive")]

    def make() -> Tables:
        from spectra.linear.drive_build import build

        return build(Cosmology(**fields), derivatives, progress)

    return kept_tables(names[:1] if derivatives else names, make)


def _from_file(tables: dict, attributes: dict) -> Drive:
    with jax.ensure_compile_time_eval():
        cosmology = Cosmology(**{name: attributes[name] for name in TABLE_FIELDS})
    return assemble(tables, cosmology)


def _with_growth(drive: Drive, tables: Tables) -> Drive:
    """The drive with ``cold_growth`` from tables of :func:`growth_tables`."""
    with jax.ensure_compile_time_eval():  # kept for others, also where one is being traced
        growth = as_float(tables[0]["cold_growth"])
    return eqx.tree_at(lambda d: d.cold_growth, drive, growth, is_leaf=lambda leaf: leaf is None)


def growth_tables(drive: Drive) -> Tables:
    """Growth of cold dark matter on the default wavenumbers of a drive, to be kept."""
    growth = cold_growth(drive, default_wavenumbers(np.asarray(drive.k_h_mpc)))
    fields = table_fields(drive.cosmology)
    description = "matter overdensity today of cold dark matter by the hierarchies, eta = 2 early"
    return {"cold_growth": np.asarray(growth)}, {**fields, "description": description}
