"""The HDF5 file of a fit, in the groups that ArviZ reads, and the checkpoint beside it.

Groups ``posterior``, ``sample_stats``, ``log_likelihood``, ``unconstrained_posterior``: variables
of shape (chain, draw) with dimension scales; ``fisher``: of shape (coordinate, coordinate). Root
attributes are those of every result of this package, and ``kind`` = "fit", ``summary`` (JSON).
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from spectra.cache import read_tables, write_tables
from spectra.files import attribute, check_format, dataset, describe, reason, stamp, write_hdf5
from spectra.safe_hdf5 import Unsafe, opened
from spectra.store import FORMAT_VERSION
from sterile.mechanisms import kinds
from sterile.models import parameters_of
from sterile.quantities import COSMOLOGY, Quantity, point_scalars

KIND = "fit"
# what a sampler says of a draw
_SAMPLER = {
    "status": Quantity("1", "0 is success, else a code of sterile.Status or spectra.Status"),
    "branch": Quantity("1", "index of the branch among those of the mechanism"),
    "chi_square": Quantity("1", "-2 log likelihood"),
    "lp": Quantity("1", "log posterior density in the unbounded coordinates, not normalised"),
    "acceptance_rate": Quantity("1", "mean Metropolis probability of the trajectory"),
    "step_size": Quantity("1", "leapfrog step"),
    "n_steps": Quantity("1", "leapfrog steps of the trajectory"),
    "diverging": Quantity("1", "whether the energy error exceeded 1000"),
    "energy": Quantity("1", "Hamiltonian energy"),
}


def quantities() -> dict[str, Quantity]:
    """Every variable that a fit's file may have, but log likelihoods."""
    known = {**COSMOLOGY, **point_scalars({}), **_SAMPLER}
    for entry in kinds().values():
        known |= entry.numbers
        for name, stated in parameters_of(entry.model).items():
            known.setdefault(name, Quantity(stated.unit, stated.description, stated.symbol))
    return known


_GRIDS = ("posterior", "sample_stats", "log_likelihood", "unconstrained_posterior")
_DIMENSIONS = ("chain", "draw")


@dataclass(frozen=True)
class Fit:
    """A fit as it is in a file.

    Attributes
    ----------
    groups : group → variable → array, (chain, draw), or (coordinate, coordinate) of ``fisher``.
    coordinates : names of the axes of ``fisher``.
    summary : what the command line says.
    config_toml : the file it was made from.
    citation : what a user should cite, BibTeX.
    """

    groups: Mapping[str, Mapping[str, np.ndarray]]
    summary: dict
    config_toml: str = ""
    coordinates: tuple[str, ...] = ()
    citation: str = ""


def write(path: str | Path, fit: Fit) -> Path:
    """Write a fit, whole or not at all. Returns the path."""

    def fill(file):
        file.attrs.update(stamp(FORMAT_VERSION))
        file.attrs["kind"] = KIND
        file.attrs["config_toml"] = fit.config_toml
        file.attrs["citation"] = fit.citation
        file.attrs["summary"] = json.dumps(fit.summary)
        for name, variables in fit.groups.items():
            if name in _GRIDS:
                _fill_draws(file.create_group(name), variables)
            else:
                _fill_matrix(file.create_group(name), variables, fit.coordinates)

    return write_hdf5(path, fill)


def _fill_draws(group, variables) -> None:
    shape = next(iter(variables.values())).shape
    for name, length in zip(_DIMENSIONS, shape):
        scale = group.create_dataset(name, data=np.arange(length))
        scale.make_scale(name)
    known = quantities()
    for name, values in variables.items():
        table = group.create_dataset(name, data=values)
        unit, description, *_ = known.get(name, ("1", f"log likelihood of {name}"))
        describe(table, unit, description)
        for axis, dimension in enumerate(_DIMENSIONS):
            table.dims[axis].attach_scale(group[dimension])


def _fill_matrix(group, variables, coordinates) -> None:
    for axis in ("coordinate", "coordinate_2"):
        names = np.array(coordinates, dtype=object)
        scale = group.create_dataset(axis, data=names, dtype=h5py.string_dtype())
        scale.make_scale(axis)
    for name, values in variables.items():
        table = group.create_dataset(name, data=values)
        describe(table, "1", f"{name} in the coordinates named beside it")
        for axis in range(values.ndim):
            table.dims[axis].attach_scale(group[("coordinate", "coordinate_2")[axis]])


# what a file that is not whole raises when it is read
_DAMAGED = (LookupError, TypeError, AttributeError, RuntimeError, OSError, json.JSONDecodeError)


def is_fit(path) -> bool:
    """Whether a file is one of :func:`write`; False for anything that cannot be opened."""
    try:
        with opened(path) as file:
            return file.attrs.get("kind", "") == KIND
    except (OSError, RuntimeError, KeyError, Unsafe):
        return False


def load(path: str | Path) -> Fit:
    """Read the file of a fit at ``path``, finished or not.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is not the file of a fit, damaged, or of a newer format.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file; check the path of the fit's HDF5 file")
    if not is_fit(path):
        raise ValueError(f"{path}: not the file of a fit, or damaged; write it with `sterile fit`")
    try:
        return _loaded(path)
    except _DAMAGED as error:
        raise ValueError(
            f"{path}: not a readable fit, truncated or damaged ({reason(error)}); run the fit again"
        ) from None


def _loaded(path: Path) -> Fit:
    with opened(path) as file:
        check_format(path, int(attribute(file, "format_version")), FORMAT_VERSION)
        axes = (*_DIMENSIONS, "coordinate", "coordinate_2")
        groups = {
            name: {key: values[()] for key, values in group.items() if key not in axes}
            for name, group in file.items()
        }
        coordinates = ()
        if "fisher" in file:
            coordinates = tuple(dataset(file, "fisher/coordinate").asstr()[()])
        return Fit(
            groups,
            json.loads(attribute(file, "summary")),
            str(file.attrs["config_toml"]),
            coordinates,
            str(file.attrs["citation"]),
        )


def checkpoint_path(output) -> Path:
    """Where the state of a fit's chains is, beside its result."""
    output = Path(output)
    return output.with_name(f"{output.stem}.checkpoint{output.suffix}")


def write_checkpoint(output, identity: str, tables: dict[str, np.ndarray]) -> None:
    """Keep what a fit needs to go on, with a checksum, whole or not at all."""
    flat = {name.replace("/", "."): np.asarray(values) for name, values in tables.items()}
    write_tables(checkpoint_path(output), flat, {"identity": identity})


def read_checkpoint(output, identity: str) -> dict[str, np.ndarray]:
    """The tables of :func:`write_checkpoint`.

    Raises
    ------
    FileNotFoundError
        If there is none.
    ValueError
        If it is damaged, or another fit's.
    """
    path = checkpoint_path(output)
    if not path.exists():
        raise FileNotFoundError(f"{path}: no checkpoint to resume from; start without --resume")
    tables, attributes = read_tables(path)
    if attributes.get("identity") != identity:
        raise ValueError(
            f"{path}: is the checkpoint of another fit or version (only samples may change); "
            "start without --resume, into another file"
        )
    return {name.replace(".", "/"): values for name, values in tables.items()}
