"""The files of one GADGET HDF5 snapshot: which they are, and what each of them holds."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from spectra.files import dataset, number, reason
from spectra.safe_hdf5 import opened

# what a header says once thermal velocities are in
DONE = "ThermalVelocitiesAdded"
_FILES, _TOTAL = "NumFilesPerSnapshot", "NumPart_Total"
# NAME.3.hdf5 of GADGET and Arepo, NAME.hdf5.3 of monofonIC (its output_gadget_hdf5.cc)
_NUMBERED = re.compile(r"(.+)\.(\d+)((?:\.hdf5|\.h5)?)")
_MOST_FILES = 100_000


@dataclass(frozen=True)
class Part:
    """One file of a snapshot.

    Attributes
    ----------
    path : of the file.
    z : redshift.
    files : how many the set has.
    count : particles of the type that is asked for, in this file.
    total : those of the whole set; None where the file does not say. Of 32 bits without a high
        word it is only known modulo 2^32.
    exact : whether ``total`` is known exactly.
    factor : what a peculiar velocity of 1 km/s is in the file.
    """

    path: Path
    z: float
    files: int
    count: int
    total: int | None
    exact: bool
    factor: float


def parts_of(snapshot: str | Path, particle_type: int) -> list[Part]:
    """Every file of the set that ``snapshot`` belongs to, in order; itself where it is alone.

    ``particle_type``: whose velocities are wanted.
    Raises ``ValueError`` if a file is not what it should be, one is missing or two differ.
    """
    first = _part(Path(snapshot), particle_type)
    if first.files == 1:
        return [first]
    parts = [_part(path, particle_type) for path in _paths(first)]
    _require_one_set(parts, particle_type)
    return parts


def numbered(output: Path, parts: Sequence[Part]) -> list[Path]:
    """NAME.0.hdf5, NAME.1.hdf5, ... for an ``output`` NAME.hdf5, numbered as ``parts`` are."""
    if len(parts) == 1:
        return [output]
    found = _NUMBERED.fullmatch(parts[0].path.name)
    if found is not None and found[3]:
        names = [f"{output.stem}.{index}{output.suffix}" for index in range(len(parts))]
    else:
        names = [f"{output.name}.{index}" for index in range(len(parts))]
    return [output.with_name(name) for name in names]


def _paths(first: Part) -> list[Path]:
    found = _NUMBERED.fullmatch(first.path.name)
    if found is None or not 1 < first.files < _MOST_FILES:
        raise ValueError(
            f"{first.path}: is one of {first.files} files of a snapshot ({_FILES}), but its name "
            "does not end in .0.hdf5 or .hdf5.0; name the files NAME.0.hdf5, NAME.1.hdf5, ..."
        )
    before, _, after = found.groups()
    paths = [first.path.with_name(f"{before}.{index}{after}") for index in range(first.files)]
    missing = [path.name for path in paths if not path.is_file()]
    if missing:
        raise ValueError(
            f"{first.path}: is one of {first.files} files of a snapshot, of which {len(missing)} "
            f"are not there, such as {missing[0]}; put the whole set into one directory"
        )
    return paths


def _part(path: Path, particle_type: int) -> Part:
    if not path.is_file():
        raise ValueError(f"{path}: no such file; check the path")
    place = f"PartType{particle_type}/Velocities"
    try:
        with opened(path) as file:
            header: Any = file["Header"]
            done = DONE in header.attrs
            z = number(header, "Redshift")
            files = int(number(header, _FILES)) if _FILES in header.attrs else 1
            # a file of a set may have no such particles
            shape = dataset(file, place).shape if files == 1 or place in file else (0, 3)
            total, exact = _total(header, particle_type)
            factor = float(np.sqrt(1.0 + z) * 1e5 / _velocity_unit(file))
    except (OSError, KeyError, RuntimeError, IndexError) as error:
        raise ValueError(f"{path}: not a GADGET snapshot ({reason(error)})") from None
    if done:
        raise ValueError(f"{path}: thermal velocities were added to this snapshot before")
    if len(shape) != 2 or shape[1] != 3:
        raise ValueError(f"{path}: {place} has shape {shape}, not (n, 3); check the snapshot")
    if not (0.0 <= z < np.inf and 0.0 < factor < np.inf):
        raise ValueError(f"{path}: Redshift = {z:g}, or the unit of velocity, makes no sense")
    return Part(path, z, files, shape[0], total, exact, factor)


def _total(header: h5py.Group, particle_type: int) -> tuple[int | None, bool]:
    if _TOTAL not in header.attrs:
        return None, False
    low = np.ravel(np.asarray(header.attrs[_TOTAL]))
    if f"{_TOTAL}_HighWord" not in header.attrs:
        return int(low[particle_type]), low.dtype.itemsize == 8
    high = np.ravel(np.asarray(header.attrs[f"{_TOTAL}_HighWord"]))
    return int(low[particle_type]) + (int(high[particle_type]) << 32), True


def _velocity_unit(file: h5py.File) -> float:
    for name in ("Parameters", "Units", "Header"):
        if name in file and "UnitVelocity_in_cm_per_s" in file[name].attrs:
            return number(file[name], "UnitVelocity_in_cm_per_s")
    return 1e5


def _require_one_set(parts: list[Part], particle_type: int) -> None:
    first = parts[0]
    for part in parts:
        if (part.z, part.files, part.total) != (first.z, first.files, first.total):
            raise ValueError(
                f"{part.path}: its redshift, {_FILES} or {_TOTAL} differ from those of "
                f"{first.path.name}; they are not one snapshot"
            )
    count = sum(part.count for part in parts)
    if first.total is None or first.total == count:
        return
    if first.exact or (first.total - count) % 2**32:
        raise ValueError(
            f"{first.path}: the set says it has {first.total} particles of type {particle_type}, "
            f"its files have {count}; they are not one snapshot"
        )
