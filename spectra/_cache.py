"""Tables kept between runs: where, how they are verified, how they are written."""

import hashlib
import os
from pathlib import Path

import h5py
import numpy as np

from spectra._hdf5 import hdf5_bytes
from spectra.store import write_atomically

CACHE_VARIABLE = "STERILE_CACHE_DIR"


def cache_directory(kind: str) -> Path:
    """``kind`` in ``STERILE_CACHE_DIR`` if set, else in ``sterile`` of the user's cache."""
    chosen = os.environ.get(CACHE_VARIABLE)
    if chosen:
        return Path(chosen) / kind
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "sterile" / kind


def checksum(tables: dict[str, np.ndarray]) -> str:
    """SHA-256 over names and values, in order of the names."""
    digest = hashlib.sha256()
    for name in sorted(tables):
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(tables[name]).tobytes())
    return digest.hexdigest()


def write_tables(path, tables: dict[str, np.ndarray], attributes: dict) -> None:
    """Write arrays, attributes and their checksum to HDF5, whole or not at all."""

    def fill(file):
        file.attrs.update(attributes)
        file.attrs["checksum"] = checksum(tables)
        for name, values in tables.items():
            file.create_dataset(name, data=values)

    content = hdf5_bytes(fill)
    write_atomically(path, lambda temporary: temporary.write_bytes(content))


def read_tables(path) -> tuple[dict[str, np.ndarray], dict]:
    """Arrays and attributes of a file of :func:`write_tables`.

    Raises ``ValueError`` if it is damaged: not HDF5, or the checksum is not that of its content.
    """
    try:
        with h5py.File(path, "r") as file:
            tables = {name: file[name][()] for name in file}
            attributes = dict(file.attrs)
    except (OSError, KeyError, RuntimeError) as error:
        raise ValueError(f"{path}: not a readable table ({error})") from None
    if attributes.get("checksum") != checksum(tables):
        raise ValueError(f"{path}: the checksum does not match the content; delete the file")
    return tables, attributes
