"""Rows of a truncated or damaged results file, put into a new one."""

import os
from pathlib import Path

import h5py
import numpy as np

from spectra.files import dataset
from spectra.safe_hdf5 import Unsafe, opened
from sterile.scan.evaluation import Column
from sterile.scan.store import BLOCK_BYTES, CHECKSUM, all_columns, checksums, row_bytes, row_width

_HDF5_EOF_AT = 40  # where a superblock of version 0 keeps the length of the file


def recover(path, columns: dict, make) -> tuple[int, Path]:
    """Rebuild a truncated or damaged file from its intact rows.

    ``make(path)`` writes a fresh file of the scan's own design; rows of later refinement are left
    to be found again. The damaged file is kept beside the new one. Returns the number of rows
    recovered and the name of the damaged file.
    """
    path = Path(path)
    damaged = path.with_name(path.name + ".damaged")
    os.replace(path, damaged)
    columns = all_columns(columns)
    make(path)
    with h5py.File(path) as file:
        count = len(dataset(file, CHECKSUM))
        target = {name: dataset(file, name).id.get_offset() for name in columns}
    source = _offsets_of_damaged(damaged, columns) or target
    recovered = 0
    body = [name for name in columns if name != CHECKSUM]
    step = max(1, BLOCK_BYTES // row_bytes(columns))
    with damaged.open("rb") as old, path.open("r+b") as new:
        for start in range(0, count, step):
            rows = np.arange(start, min(start + step, count))
            blocks = {name: _raw(old, columns[name], source[name], rows) for name in columns}
            expected = blocks[CHECKSUM]
            good = checksums([blocks[name] for name in body], rows) == expected
            good &= expected != 0
            for name, column in columns.items():
                for index in np.flatnonzero(good):
                    new.seek(target[name] + int(rows[index]) * row_width(column))
                    new.write(blocks[name][index].tobytes())
            recovered += int(good.sum())
    return recovered, damaged


def _offsets_of_damaged(damaged: Path, columns) -> dict | None:
    """Where a file that is only too short has its rows; None if its structure is gone."""
    try:
        with damaged.open("r+b") as file:
            file.seek(_HDF5_EOF_AT)
            length = int.from_bytes(file.read(8), "little")
            size = damaged.stat().st_size
            # HDF5 opens no file that is too short; zeros fail their checksums
            if size < length < size + 2**40:
                file.truncate(length)
        with opened(damaged) as file:
            found = {name: dataset(file, name).id.get_offset() for name in columns}
            return None if None in found.values() else found
    except (OSError, RuntimeError, KeyError, Unsafe):
        return None


def _raw(file, column: Column, offset: int, rows) -> np.ndarray:
    width = row_width(column)
    file.seek(offset + int(rows[0]) * width)
    data = file.read(len(rows) * width).ljust(len(rows) * width, b"\0")
    return np.frombuffer(data, dtype=column.dtype).reshape(len(rows), *column.shape)
