"""HDF5 files made in memory: the library itself crashes the process when a disk is full."""

import io
from collections.abc import Callable

import h5py


def hdf5_bytes(fill: Callable[[h5py.File], None]) -> bytes:
    """The HDF5 file that ``fill`` makes, to be written like any other bytes."""
    memory = io.BytesIO()
    with h5py.File(memory, "w") as file:
        fill(file)
    return memory.getvalue()
