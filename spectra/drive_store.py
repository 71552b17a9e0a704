"""Drive files: written whole or not at all, checked when read, kept in the user's cache."""

import hashlib
import os
import tempfile
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np

from spectra._cache import cache_directory
from spectra._hdf5 import hdf5_bytes

# raise when the tables or their meaning change: older files are then made anew
FORMAT_VERSION = 2


class DamagedFile(Exception):
    """A drive file is not what was written; the message says how."""


def cache_file(fields: dict, derivatives: bool) -> Path:
    """The cache's file for a cosmology, ``fields`` by name."""
    key = repr((FORMAT_VERSION, sorted((name, float(value)) for name, value in fields.items())))
    kind = "drive-tangents" if derivatives else "drive"
    return cache_directory("drives") / f"{kind}-{hashlib.sha256(key.encode()).hexdigest()[:16]}.h5"


def write_drive(path, tables: dict, attributes: dict) -> None:
    """Write a drive file (HDF5): one dataset per table, and a checksum over all of them."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    tables = {name: np.asarray(value) for name, value in tables.items()}

    def fill(file: h5py.File) -> None:
        file.attrs.update(attributes)
        file.attrs["format_version"] = FORMAT_VERSION
        file.attrs["sha256"] = _checksum(tables)
        for name, value in tables.items():
            packing = {"compression": "gzip", "shuffle": True} if value.size > 1000 else {}
            file.create_dataset(name, data=value, **packing)

    content = hdf5_bytes(fill)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(handle)
    try:
        Path(temporary).write_bytes(content)
        os.chmod(temporary, 0o644)
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def read_drive(path) -> tuple[dict, dict]:
    """Tables and attributes of a drive file.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    DamagedFile
        If it is no HDF5 file, of another format, or its checksum does not fit.
    """
    if not os.path.exists(path):
        raise FileNotFoundError(path)
    try:
        with h5py.File(path, "r") as data:
            tables = {name: data[name][()] for name in data}
            attributes = dict(data.attrs)
    except (OSError, RuntimeError, KeyError) as error:
        raise DamagedFile(f"{path} cannot be read ({error})") from None
    if attributes.get("format_version") != FORMAT_VERSION:
        raise DamagedFile(f"{path} is not of format {FORMAT_VERSION}")
    if attributes.get("sha256") != _checksum(tables):
        raise DamagedFile(f"{path}: the checksum does not fit its tables")
    return tables, attributes


def _checksum(tables: dict) -> str:
    digest = hashlib.sha256()
    for name in sorted(tables):
        value = np.ascontiguousarray(tables[name])
        digest.update(f"{name} {value.dtype.str} {value.shape}".encode())
        digest.update(value.tobytes())
    return digest.hexdigest()


@contextmanager
def exclusively(path):
    """Hold the lock that goes with ``path``; other processes wait for it here.

    Where the system has no file locks two processes may both make the file; the result is the same.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        import fcntl
    except ImportError:
        yield
        return
    # never removed: a lock on a file that another process has unlinked protects nothing
    with open(path.with_suffix(".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
