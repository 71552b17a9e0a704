"""The results file of a scan: one HDF5 file that no kill, full disk or reader can break.

HDF5 loses a file whose metadata is half written, so here the metadata is written once: the file is
made whole, every dataset contiguous and at its final size, under a temporary name. A chunk of
results is then a few ``pwrite`` into rows that already have their place on the disk; structure and
length never change, readers need no lock, and the disk cannot run full on the way. Every row ends
with a CRC-32 of all that it holds and of its index, written last: a row that a kill tore, or that
anything damaged since, does not match and counts as not computed. At most the rows of one chunk can
be lost. More rows (refinement) go into a new file that replaces the old one.
"""

import contextlib
import json
import os
import re
import shutil
import time
import zlib
from pathlib import Path

import h5py
import numpy as np

from spectra.files import (
    array,
    attribute,
    check_writable,
    dataset,
    describe,
    reason,
    require_room,
    stamp,
    write_atomically,
)
from spectra.safe_hdf5 import Unsafe, opened
from sterile.scan.evaluation import Column, blank_rows
from sterile.status import Status

FORMAT_VERSION = 1
KIND = "scan"
CHECKSUM, RETRIES, STATUS = "points/checksum", "points/retries", "points/status"
_OWN_COLUMNS = {
    RETRIES: Column((), "<i4", "1", "times the point was computed again on a finer grid"),
    CHECKSUM: Column((), "<u4", "1", "CRC-32 of the row and its index, 0 when not computed"),
}
BLOCK_BYTES = 32_000_000
# more than what HDF5 writes around the rows, and around each column
_HEADERS_BYTES, _HEADER_BYTES = 1_000_000, 4096
_SYNC_SECONDS = 5.0
# names and types that columns have
_NAME = re.compile(r"(points|transfer|spectra)/[^/]+|verdicts/[^/]+/[^/]+")
_TYPES = ("<f8", "<i4")


class Damaged(ValueError):
    """A results file whose structure cannot be read; its rows may be recoverable."""


def is_scan(path) -> bool:
    """Whether ``path`` is a readable results file of a scan."""
    try:
        with opened(path) as file:
            return file.attrs.get("kind") == KIND
    except (OSError, KeyError, RuntimeError, Unsafe):
        return False


def create(path, columns: dict, parameters: dict, unit, *, shared, attributes, root) -> None:
    """Write a whole file with a row per point, none computed yet.

    Parameters
    ----------
    path : replaced, whole or not at all.
    columns : path → Column, the parameters' and the status among them.
    parameters : name → (n,) values.
    unit : (n, d) coordinates of the design.
    shared : path → (array, unit, description).
    attributes : group → {name: text}; ``root``: attributes of the file.
    """
    _make(path, all_columns(columns), parameters, unit, shared, attributes, root, None)


def grow(path, parameters: dict, unit, root: dict) -> None:
    """Replace the file by one with more rows; those that it has are kept.

    ``parameters``, ``unit``: of all rows, as in :func:`create`; ``root``: attributes that change.
    """
    with open_file(path) as file:
        columns = columns_of(file)
        shared, attributes = {}, {}

        def collect(name, item):
            if isinstance(item, h5py.Group):
                attributes[name] = dict(item.attrs)
            elif name not in columns and name != "design/unit":
                shared[name] = (item[:], item.attrs["unit"], item.attrs["description"])

        file.visititems(collect)
        root = {**file.attrs, **root}
    _make(path, columns, parameters, unit, shared, attributes, root, path)


def _make(path, columns, parameters, unit, shared, attributes, root, old) -> None:
    path = check_writable(path)
    count = len(unit)
    needed = count * (row_bytes(columns) + 8 * np.shape(unit)[1])
    needed += sum(np.asarray(values).nbytes for values, *_ in shared.values())
    needed += _HEADERS_BYTES + _HEADER_BYTES * len(columns)
    _check_space(path, needed)

    def fill(temporary: Path) -> None:
        with h5py.File(temporary, "w") as file:
            # datasets first: where the rows lie depends on names, shapes and n alone
            for name, column in columns.items():
                _allocate(file, name, column, count)
            unit_cube = file.create_dataset("design/unit", data=np.asarray(unit, dtype="<f8"))
            describe(unit_cube, "1", "coordinates in the unit cube of the design")
            for name, values in parameters.items():
                dataset(file, f"points/{name}")[:] = values
            for name, (values, unit_name, description) in shared.items():
                describe(file.create_dataset(name, data=values), unit_name, description)
            for name, column in columns.items():
                describe(dataset(file, name), column.unit, column.description)
            for name, entries in attributes.items():
                file.require_group(name).attrs.update(entries)
            file[STATUS].attrs["names"] = json.dumps({str(s.value): s.name for s in Status})
            file.attrs.update(
                {**root, **stamp(FORMAT_VERSION), "kind": KIND, "columns": list(columns)}
            )
            if old is not None:
                _copy_rows(old, file, columns)

    def fill_or_fail(temporary: Path) -> None:
        require_room(temporary, needed)
        try:
            fill(temporary)
        except (RuntimeError, ValueError) as error:  # how h5py reports a full disk
            found = re.search("error message = '([^']*)'", str(error))
            if found is None:
                raise
            raise OSError(f"{found[1]}; free some space or choose another disk") from None

    write_atomically(path, fill_or_fail)


def all_columns(columns: dict) -> dict[str, Column]:
    """``columns`` with those of the store itself."""
    return {**columns, **_OWN_COLUMNS}


def row_bytes(columns: dict) -> int:
    """Bytes of one row."""
    return sum(row_width(column) for column in columns.values())


def row_width(column: Column) -> int:
    """Bytes of one row of a column."""
    return int(np.prod(column.shape, dtype=int)) * np.dtype(column.dtype).itemsize


def _check_space(path: Path, needed: int) -> None:
    free = shutil.disk_usage(path.parent).free
    if needed > free:
        raise ValueError(
            f"{path}: the results need {needed / 1e9:.3g} GB and the disk has {free / 1e9:.3g} GB "
            "left; free some, choose another disk, or keep fewer [scan] outputs"
        )


def _allocate(file, name: str, column: Column, count: int) -> None:
    """A contiguous dataset of blank rows that has all its bytes on the disk."""
    blank = 0 if name in _OWN_COLUMNS else blank_rows(column.dtype, 1).item()
    layout = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    layout.set_layout(h5py.h5d.CONTIGUOUS)
    layout.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    layout.set_fill_time(h5py.h5d.FILL_TIME_ALLOC)
    layout.set_fill_value(np.array(blank, dtype=column.dtype))
    space = h5py.h5s.create_simple((count, *column.shape))
    group = file.require_group(name.rsplit("/", 1)[0])
    kind = h5py.h5t.py_create(np.dtype(column.dtype))
    h5py.h5d.create(group.id, name.rsplit("/", 1)[1].encode(), kind, space, layout)


def _copy_rows(old, file, columns) -> None:
    with h5py.File(old) as source:
        for name in columns:
            have = len(dataset(source, name))
            step = max(1, BLOCK_BYTES // max(1, row_width(columns[name])))
            for start in range(0, have, step):
                stop = min(start + step, have)
                dataset(file, name)[start:stop] = dataset(source, name)[start:stop]


def checksums(columns: list[np.ndarray], rows: np.ndarray) -> np.ndarray:
    """CRC-32 of every row, never 0: columns (n, ...) in file order, and the rows' indices (n,)."""
    parts = [np.asarray(rows, dtype="<i8"), *columns]
    packed = np.concatenate(
        [np.ascontiguousarray(part).reshape(len(rows), -1).view(np.uint8) for part in parts], axis=1
    )
    width, data = packed.shape[1], np.ascontiguousarray(packed).data.cast("B")
    found = [zlib.crc32(data[i : i + width]) for i in range(0, len(data), width)]
    return np.maximum(np.array(found, dtype="<u4"), 1)


class Writer:
    """Open results file of one scan: read its columns, write rows. Used as a context manager."""

    def __init__(self, path, columns: dict):
        self.path = Path(path)
        self.columns = all_columns(columns)
        with open_file(path) as file:
            self.count = check_layout(path, file, self.columns)
            self._offsets = {name: dataset(file, name).id.get_offset() for name in self.columns}
        self._handle = os.open(path, os.O_RDWR)
        self._synced = time.monotonic()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with contextlib.suppress(OSError):
            os.fdatasync(self._handle)
        os.close(self._handle)

    def write(self, rows: np.ndarray, values: dict[str, np.ndarray]) -> None:
        """Write results, path → (n, ...), of the points ``rows`` (n,), increasing.

        Every column but the store's own has to be there. Raises ``OSError``.
        """
        values = {RETRIES: np.zeros(len(rows)), **values}
        body = [name for name in self.columns if name != CHECKSUM]
        given = {
            name: np.ascontiguousarray(values[name], dtype=self.columns[name].dtype)
            for name in body
        }
        columns = [given[name] for name in body]
        given[CHECKSUM] = checksums(columns, rows)
        runs = np.split(np.arange(len(rows)), np.flatnonzero(np.diff(rows) != 1) + 1)
        for name in [*body, CHECKSUM]:
            width = row_width(self.columns[name])
            data = given[name].data.cast("B")
            for run in runs:
                block = data[run[0] * width : (run[-1] + 1) * width]
                self._put(block, self._offsets[name] + int(rows[run[0]]) * width)
        if time.monotonic() - self._synced > _SYNC_SECONDS:
            os.fdatasync(self._handle)
            self._synced = time.monotonic()

    def _put(self, block, offset: int) -> None:
        while block:
            done = os.pwrite(self._handle, block, offset)
            block, offset = block[done:], offset + done

    def read(self, name: str) -> np.ndarray:
        """The column ``name`` as it is in the file."""
        with h5py.File(self.path) as file:
            return array(file, name)

    def valid(self) -> np.ndarray:
        """(n,) whether the row is computed and intact."""
        with open_file(self.path) as file:
            return valid_rows(file, self.columns)


def valid_rows(file, columns, keep=None) -> np.ndarray:
    """(n,) whether rows match their checksum; reads every column once, in blocks.

    ``keep``: optional, path → (n, ...) array that is filled with the column on the way.
    """
    body = [name for name in columns if name != CHECKSUM]
    count = len(dataset(file, CHECKSUM))
    valid = np.zeros(count, dtype=bool)
    step = max(1, BLOCK_BYTES // row_bytes(columns))
    for start in range(0, count, step):
        stop = min(start + step, count)
        # the checksum first: a row written meanwhile is then merely not seen yet
        expected = dataset(file, CHECKSUM)[start:stop]
        blocks = {name: dataset(file, name)[start:stop] for name in body}
        found = checksums(list(blocks.values()), np.arange(start, stop))
        valid[start:stop] = (found == expected) & (expected != 0)
        for name, whole in (keep or {}).items():
            if name in blocks:
                whole[start:stop] = blocks[name]
    return valid


def result_columns(path) -> dict[str, Column]:
    """The columns of a results file without the store's own: what :func:`create` was given."""
    with open_file(path) as file:
        columns = columns_of(file)
        check_layout(path, file, columns)
    return {name: column for name, column in columns.items() if name not in _OWN_COLUMNS}


def columns_of(file) -> dict[str, Column]:
    """The columns of an open results file, in the order that the checksums have them."""
    found = {}
    for name in attribute(file, "columns"):
        column = dataset(file, name)
        shape = column.shape
        if not shape:
            raise KeyError(f"{name} is not a column")
        words = (str(column.attrs.get(key, "")) for key in ("unit", "description"))
        found[name] = Column(tuple(shape[1:]), column.dtype.str, *words)
        own = _OWN_COLUMNS.get(name)
        as_ours = found[name].dtype in _TYPES if own is None else found[name][:2] == own[:2]
        if not (as_ours and _NAME.fullmatch(name)):
            raise KeyError(f"{name} is not a column of a scan")
    missing = {STATUS, *_OWN_COLUMNS, *(f"points/{n}" for n in attribute(file, "parameters"))}
    missing -= found.keys()
    if missing:
        raise KeyError(f"{', '.join(sorted(missing))} is missing")
    return found


@contextlib.contextmanager
def open_file(path):
    """The results file, opened for reading; raises as :func:`sterile.scan.load` does."""
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file; check the path of the results")
    if path.is_dir():
        raise ValueError(f"{path} is a directory; give the name of a results file")
    try:
        # rows are written past HDF5, so its lock would only keep readers out
        with opened(path) as file:
            _check_version(path, file)
            yield file
    except (OSError, RuntimeError, KeyError) as error:
        raise Damaged(
            f"{path}: not a readable results file, truncated or damaged ({reason(error)}); run the "
            "same `sterile scan` with --resume: rows that are intact are recovered"
        ) from None


def _check_version(path, file) -> None:
    if file.attrs.get("kind") != KIND:
        raise ValueError(
            f"{path}: not the results of a scan; give a file written by `sterile scan`"
        )
    version = int(attribute(file, "format_version"))
    if version != FORMAT_VERSION:
        age = "newer" if version > FORMAT_VERSION else "older"
        fix = "update the package" if version > FORMAT_VERSION else (
            "read it with the version that wrote it "
            f"({file.attrs.get('package_version', 'unknown')}), or scan into a new file"
        )  # fmt: skip
        raise ValueError(
            f"{path}: has format_version {version}, {age} than {FORMAT_VERSION} that this version "
            f"reads; {fix}"
        )


def check_layout(path, file, columns) -> int:
    """Number of rows; :class:`Damaged` unless the file has these columns, contiguous."""
    lengths = set()
    for name, column in columns.items():
        found = dataset(file, name)
        same = found.shape[1:] == tuple(column.shape) and found.dtype == np.dtype(column.dtype)
        if not same or found.id.get_offset() is None:
            raise Damaged(f"{path}: {name} is not as this scan writes it; scan into a new file")
        lengths.add(len(found))
    if len(lengths) != 1:
        raise Damaged(f"{path}: columns of different lengths; scan into a new file")
    return lengths.pop()
