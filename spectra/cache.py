"""Tables kept between runs: where, how they are verified, how they are made once."""

import contextlib
import hashlib
import json
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import h5py
import numpy as np

from spectra.directories import cache_root, is_trusted, make_private
from spectra.files import array, locked, plain, reason, write_hdf5
from spectra.safe_hdf5 import Unsafe, opened

Tables = tuple[dict[str, np.ndarray], dict[str, object]]


class DamagedTables(ValueError):
    """A file of tables is not what was written; the message says how."""


def file_name(kind: str, *key: object) -> str:
    """A file name for tables of a ``kind`` that depend on ``key`` alone, plain values."""
    text = json.dumps(key, sort_keys=True)
    return f"{kind}-{hashlib.sha256(text.encode()).hexdigest()[:24]}.h5"


def kept_tables(names: Sequence[str], make: Callable[[], Tables]) -> Tables:
    """Tables and attributes from the cache, or made and put there.

    A cache is a convenience: where it cannot be written the tables are made every time. Another
    process that makes the same tables is waited for. Damaged files are made anew, with a warning.

    Parameters
    ----------
    names : file names, of :func:`file_name`, that may hold them; they are written to the last.
    make : called without arguments when none of them is there.
    """
    folder = cache_root() / "tables"
    if not is_trusted(folder):
        return make()
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):
            make_private(folder)
            stack.enter_context(locked(folder / names[-1], wait=True))
        found = _first_whole(folder, names)
        if found is None:
            found = make()
            try:
                tables, attributes = found
                kept = {**attributes, "kept_as": names[-1]}
                write_tables(folder / names[-1], tables, kept)
            except ValueError as error:
                warnings.warn(f"{error}; the tables are made again next time", stacklevel=3)
        return found


def _first_whole(folder: Path, names: Sequence[str]) -> Tables | None:
    for name in names:
        try:
            tables, attributes = read_tables(folder / name)
            if attributes.get("kept_as", name) != name:
                raise DamagedTables(f"{folder / name}: is {attributes['kept_as']} under this name")
            return tables, attributes
        except FileNotFoundError:
            pass
        except DamagedTables as error:
            warnings.warn(f"{error}; it is made anew", stacklevel=4)
    return None


def checksum(tables: dict[str, np.ndarray]) -> str:
    """SHA-256 over names, types, shapes and values, in order of the names."""
    digest = hashlib.sha256()
    for name in sorted(tables):
        values = np.ascontiguousarray(tables[name])
        digest.update(f"{name} {values.dtype.str} {values.shape}".encode())
        digest.update(values.tobytes())
    return digest.hexdigest()


def write_tables(path: str | Path, tables: dict, attributes: dict) -> None:
    """Write arrays, attributes and their checksum to HDF5, whole or not at all."""
    tables = {name: np.asarray(values) for name, values in tables.items()}

    def fill(file: h5py.File) -> None:
        file.attrs.update(attributes)
        file.attrs["sha256"] = checksum(tables)
        file.attrs["attributes_sha256"] = _checksum_of(file.attrs)
        for name, values in tables.items():
            packing = {"compression": "gzip", "shuffle": True} if values.size > 1000 else {}
            file.create_dataset(name, data=values, **packing)

    write_hdf5(path, fill)


def _checksum_of(attributes: Mapping[str, object]) -> str:
    """SHA-256 over attributes, but the checksums themselves."""
    own = {name: plain(value) for name, value in attributes.items() if "sha256" not in name}
    return hashlib.sha256(json.dumps(own, sort_keys=True, default=str).encode()).hexdigest()


def read_tables(path: str | Path) -> Tables:
    """Arrays and attributes of a file of :func:`write_tables`.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    DamagedTables
        If it is not HDF5, or the checksum is not that of its content.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file")
    try:
        with opened(path) as file:
            tables = {name: array(file, name) for name in map(str, file)}
            attributes = {name: plain(value) for name, value in file.attrs.items()}
    except (OSError, KeyError, RuntimeError, Unsafe) as error:
        raise DamagedTables(f"{path}: not a readable table ({reason(error)})") from None
    # files of version 0.1.0 have none of the attributes
    stated = attributes.get("attributes_sha256", _checksum_of(attributes))
    if attributes.get("sha256") != checksum(tables) or stated != _checksum_of(attributes):
        raise DamagedTables(f"{path}: the checksum does not match the content")
    return tables, attributes
