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
from spectra.files import check_format, describe, stamp, write_hdf5
from spectra.store import FORMAT_VERSION
from sterile.citation import CITATION

KIND = "fit"
UNITS = {
    "scalar_mass_gev": ("GeV", "mass of the scalar S"),
    "portal_coupling": ("1", "lambda of 2 lambda |Phi|^2 S^2"),
    "yukawa": ("1", "y of (y/2) S N^c N"),
    "mass_kev": ("keV", "mass m_N"),
    "omega_h2": ("1", "abundance Omega h^2"),
    "h": ("100 km/s/Mpc", "Hubble constant"),
    "omega_b": ("1", "baryons, Omega h^2"),
    "omega_dm": ("1", "dark matter, Omega h^2"),
    "n_s": ("1", "slope of the primordial spectrum"),
    "a_s": ("1", "amplitude of the primordial spectrum at 0.05/Mpc"),
    "n_eff": ("1", "effective number of neutrinos"),
    "yield_n": ("1", "sterile neutrinos per entropy, n_N/s"),
    "yield_s_max": ("1", "largest scalars per entropy, n_S/s"),
    "q_mean": ("1", "mean comoving momentum <q>"),
    "q_rms": ("1", "root mean square comoving momentum"),
    "k_t2_half_h_mpc": ("h/Mpc", "wavenumber of T^2 = 1/2; NaN where not crossed"),
    "k_t_half_h_mpc": ("h/Mpc", "wavenumber of T = 1/2; NaN where not crossed"),
    "m_hm_t_half_msun_h": ("Msun/h", "half-mode mass of T = 1/2; NaN where not crossed"),
    "lambda_fs_mpc": ("Mpc", "comoving free-streaming horizon"),
    "delta_a": ("1", "Lyman-alpha area deficit"),
    "n_satellites": ("1", "Milky Way satellites"),
    "n_galaxies_z6_mpc3": ("1/Mpc^3", "galaxies at z = 6, comoving, no h"),
    "status": ("1", "0 is success, else a code of sterile.Status or spectra.Status"),
    "branch": ("1", "0 freeze-in, 1 freeze-out"),
    "chi_square": ("1", "-2 log likelihood"),
    "lp": ("1", "log posterior density in the unbounded coordinates, not normalised"),
    "acceptance_rate": ("1", "mean Metropolis probability of the trajectory"),
    "step_size": ("1", "leapfrog step"),
    "n_steps": ("1", "leapfrog steps of the trajectory"),
    "diverging": ("1", "whether the energy error exceeded 1000"),
    "energy": ("1", "Hamiltonian energy"),
}
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
    """

    groups: Mapping[str, Mapping[str, np.ndarray]]
    summary: dict
    config_toml: str = ""
    coordinates: tuple[str, ...] = ()


def write(path, fit: Fit) -> Path:
    """Write a fit, whole or not at all. Returns the path."""

    def fill(file):
        file.attrs.update(stamp(FORMAT_VERSION))
        file.attrs["kind"] = KIND
        file.attrs["config_toml"] = fit.config_toml
        file.attrs["citation"] = CITATION
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
    for name, values in variables.items():
        dataset = group.create_dataset(name, data=values)
        describe(dataset, *UNITS.get(name, ("1", f"log likelihood of {name}")))
        for axis, dimension in enumerate(_DIMENSIONS):
            dataset.dims[axis].attach_scale(group[dimension])


def _fill_matrix(group, variables, coordinates) -> None:
    for axis in ("coordinate", "coordinate_2"):
        names = np.array(coordinates, dtype=object)
        scale = group.create_dataset(axis, data=names, dtype=h5py.string_dtype())
        scale.make_scale(axis)
    for name, values in variables.items():
        dataset = group.create_dataset(name, data=values)
        describe(dataset, "1", f"{name} in the coordinates named beside it")
        for axis in range(values.ndim):
            dataset.dims[axis].attach_scale(group[("coordinate", "coordinate_2")[axis]])


def is_fit(path) -> bool:
    """Whether a file is one of :func:`write`; False for anything that cannot be opened."""
    try:
        with h5py.File(path, "r") as file:
            return file.attrs.get("kind", "") == KIND
    except (OSError, RuntimeError):
        return False


def load(path) -> Fit:
    """Read the file of a fit, finished or not.

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
    with h5py.File(path, "r") as file:
        check_format(path, int(file.attrs["format_version"]), FORMAT_VERSION)
        axes = (*_DIMENSIONS, "coordinate", "coordinate_2")
        groups = {
            name: {key: values[()] for key, values in group.items() if key not in axes}
            for name, group in file.items()
        }
        coordinates = ()
        if "fisher" in file:
            coordinates = tuple(file["fisher/coordinate"].asstr()[()])
        return Fit(
            groups, json.loads(file.attrs["summary"]), str(file.attrs["config_toml"]), coordinates
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
