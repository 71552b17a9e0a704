"""Files written whole or not at all, locks beside them, and what every HDF5 file of ours says."""

import contextlib
import datetime
import importlib.metadata
import io
import os
import socket
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

DISTRIBUTION = "sterile-spectra"


# what a text file may hold: a table of some ten million rows, or a configuration
MOST_TABLE_BYTES, MOST_DOCUMENT_BYTES = 500_000_000, 1_000_000


class Locked(ValueError):
    """Another process holds the lock; the message says which."""


def package_version() -> str:
    """Version of the installed distribution, or "unknown" when run from a bare checkout."""
    try:
        return importlib.metadata.version(DISTRIBUTION)
    except importlib.metadata.PackageNotFoundError:
        return "unknown"


def check_writable(path: str | Path) -> Path:
    """``path`` as a Path, or a ``ValueError`` saying why a file cannot be written there."""
    path = Path(path)
    if path.is_dir():
        raise ValueError(f"{path} is a directory; give the name of a file")
    folder = path.parent
    if not folder.is_dir():
        raise ValueError(f"{path}: the directory {folder} does not exist; create it first")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ValueError(f"{path}: the directory {folder} is not writable; choose another one")
    return path


def write_atomically(path: str | Path, write: Callable[[Path], object]) -> Path:
    """Call ``write(temporary_path)`` and rename the result to ``path``.

    The temporary file lives in the same directory, keeps the suffix, and is removed
    when ``write`` raises: ``path`` either holds the whole result or is left as it was.

    Raises
    ------
    ValueError
        If the directory is missing or not writable, or the disk is full; names the file.
    """
    return write_together({Path(path): write})[0]


def write_together(writers: Mapping[Path, Callable[[Path], object]]) -> list[Path]:
    """Write several files or, when one cannot be written, none of them.

    ``writers``: path → function of the temporary path to write to. All files are renamed once all
    are complete. Raises as :func:`write_atomically`.
    """
    for path in writers:
        check_writable(path)
    temporary: dict[Path, Path] = {}
    path = next(iter(writers))
    try:
        for path, write in writers.items():
            handle, name = tempfile.mkstemp(
                prefix=f".{path.stem}-", suffix=path.suffix, dir=path.parent
            )
            os.close(handle)
            temporary[path] = Path(name)
            write(Path(name))
        umask = os.umask(0)
        os.umask(umask)
        for path, name in temporary.items():
            os.chmod(name, 0o666 & ~umask)  # mkstemp files are private
            os.replace(name, path)
    except OSError as error:
        raise ValueError(f"{path}: could not be written ({error.strerror or error})") from None
    finally:
        for name in temporary.values():
            name.unlink(missing_ok=True)
    return list(writers)


def require_room(path: str | Path, size: int) -> None:
    """``OSError`` unless the disk has ``size`` bytes for the file ``path``, which is emptied.

    For what the HDF5 library writes itself: it crashes the process when a disk is full.
    """
    if not hasattr(os, "posix_fallocate"):  # not on macOS, not on Windows
        return
    with open(path, "wb") as file:
        os.posix_fallocate(file.fileno(), 0, size)
        file.truncate(0)


def write_hdf5(path: str | Path, fill: Callable[[h5py.File], None]) -> Path:
    """Write the HDF5 file that ``fill`` makes, whole or not at all; raises ``ValueError``."""
    content = hdf5_bytes(fill)
    return write_atomically(path, lambda temporary: temporary.write_bytes(content))


def hdf5_bytes(fill: Callable[[h5py.File], None]) -> bytes:
    """The HDF5 file that ``fill`` makes, to be written like any other bytes.

    It is made in memory: the library itself crashes the process when a disk is full.
    """
    memory = io.BytesIO()
    with h5py.File(memory, "w") as file:
        fill(file)
    return memory.getvalue()


def read_text(path: str | Path, most_bytes: int, errors: str = "strict") -> str:
    """A text file in UTF-8, read once and not beyond ``most_bytes``, wherever it ends.

    ``errors``: what to do with bytes that are no text, as in ``bytes.decode``.
    Raises ``OSError``, ``UnicodeDecodeError``, or ``ValueError`` naming a file that is longer.
    """
    with open(path, "rb") as file:
        content = file.read(most_bytes + 1)
    if len(content) > most_bytes:
        raise ValueError(
            f"{path}: longer than {most_bytes / 1e6:g} MB, the most that is read; check that it is "
            "the right file, and shorten it"
        )
    return io.TextIOWrapper(io.BytesIO(content), encoding="utf-8", errors=errors).read()


def dataset(group: h5py.Group, path: str) -> h5py.Dataset:
    """The dataset at ``path`` of an open file or group; ``KeyError`` where there is none."""
    found = group[path]
    if not isinstance(found, h5py.Dataset):
        raise KeyError(f"{path} is not a dataset")
    return found


def array(group: h5py.Group, path: str) -> np.ndarray:
    """The whole dataset at ``path``; ``KeyError`` where there is none."""
    return dataset(group, path)[()]


def attribute(item: h5py.HLObject, name: str) -> Any:
    """An attribute as a plain Python value; ``KeyError`` where there is none."""
    return plain(item.attrs[name])


def number(item: h5py.HLObject, name: str) -> float:
    """An attribute that is one number; ``KeyError``, ``TypeError`` or ``ValueError`` if not."""
    return float(np.squeeze(np.asarray(item.attrs[name])))


def stamp(format_version: int) -> dict[str, object]:
    """The root attributes of every HDF5 file of ours: format, time, version of the package."""
    return {
        "format_version": format_version,
        "created_utc": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "package_version": package_version(),
    }


def describe(item: h5py.Dataset, unit: str, description: str) -> None:
    """Say what a dataset holds: the attributes that every dataset of ours has."""
    item.attrs["unit"] = unit
    item.attrs["description"] = description


def check_format(path: str | Path, found: int, reads: int) -> None:
    """``ValueError`` when a file's ``format_version`` is newer than the one this version reads."""
    if found > reads:
        raise ValueError(
            f"{path}: has format_version {found}, newer than {reads} that this version reads; "
            "update the package"
        )


def plain(value: object) -> Any:
    """An attribute as HDF5 gives it, as a plain Python value."""
    if isinstance(value, np.ndarray):
        return [plain(entry) for entry in value]
    return value.item() if isinstance(value, np.generic) else value


def shortened(message: str, most: int = 600) -> str:
    """``message`` with its middle left out where it quotes more than a line can hold."""
    if len(message) <= most:
        return message
    return f"{message[: most // 2]} ... {message[-most // 2 :]}"


def reason(error: BaseException) -> str:
    """The first line of an error's message, or its type's name."""
    return str(error).splitlines()[0] if str(error) else type(error).__name__


@contextlib.contextmanager
def locked(path: str | Path, wait: bool = False, what: str = "process") -> Iterator[None]:
    """Hold the lock that goes with ``path``.

    ``wait``: whether to wait for whoever holds it, or to raise :class:`Locked`, which names the
    other ``what``. Where the system has no file locks nobody is kept out.
    """
    try:
        import fcntl
    except ImportError:
        yield
        return
    path = Path(path)
    name = path.with_name(f".{path.name}.lock")
    while True:
        with open(name, "a+", encoding="utf-8") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            except BlockingIOError:
                file.seek(0)
                holder = file.read().strip() or "it does not say which"
                raise Locked(
                    f"{path} is being written by another {what} ({holder}); wait for it, stop it, "
                    "or give another output"
                ) from None
            # a lock on a file that its last holder has removed protects nothing
            if not (name.exists() and os.path.samestat(name.stat(), os.fstat(file.fileno()))):
                continue
            file.seek(0)
            file.truncate()
            file.write(f"process {os.getpid()} on {socket.gethostname()}")
            file.flush()
            try:
                yield
            finally:
                # while still locked: whoever opens it next makes a new one
                name.unlink(missing_ok=True)
            return
