"""Several files, written all or none; the two small ones beside every data file."""

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from spectra.store import check_writable

MARK = "# sterile-spectra export:"


def write_together(contents: Mapping[Path, str | bytes], force: bool) -> list[Path]:
    """Write all these files or, when one cannot be written, none of them.

    ``contents``: path → ASCII text, or bytes. Each file is written under another name beside its
    own; all are renamed once all are complete.

    Raises
    ------
    ValueError
        If a file exists and ``force`` is off, a directory is missing or not writable, or the disk
        is full; the message names the file.
    """
    for path in contents:
        check_writable(path)
        if path.exists() and not force:
            raise ValueError(f"{path} exists; remove it or use force (--force) to replace it")
    temporary: dict[Path, Path] = {}
    path = next(iter(contents))
    try:
        for path, content in contents.items():
            handle, name = tempfile.mkstemp(
                prefix=f".{path.name}-", suffix=path.suffix, dir=path.parent
            )
            os.close(handle)
            temporary[path] = Path(name)
            data = content.encode("ascii") if isinstance(content, str) else content
            Path(name).write_bytes(data)
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
    return list(contents)


def with_companions(
    path: Path, content, *, format: str, z: float, parameters: str, note: str
) -> dict[Path, str | bytes]:
    """The data file, ``PATH.params.txt`` for the target code and ``PATH.note.txt`` for its user."""
    mark = f"{MARK} format={format} z={z:.10g}"
    return {
        path: content,
        companion(path, "params"): f"{mark}\n{parameters.strip()}\n",
        companion(path, "note"): f"{note.strip()}\n",
    }


def companion(path: Path, kind: str) -> Path:
    """``PATH.params.txt`` or ``PATH.note.txt``."""
    return path.with_name(f"{path.name}.{kind}.txt")


def declared_redshift(path: Path) -> float | None:
    """The redshift that the parameter file beside ``path`` says it was written for, or None."""
    try:
        return float(_declared(path)["z"])
    except (KeyError, ValueError):
        return None


def declared_format(path: Path) -> str | None:
    """The format that the parameter file beside ``path`` says it has, or None."""
    return _declared(Path(path)).get("format")


def _declared(path: Path) -> dict[str, str]:
    try:
        text = companion(path, "params").read_text(encoding="ascii", errors="replace")
    except OSError:
        return {}
    line = text.partition("\n")[0]
    if not line.startswith(MARK):
        return {}
    return dict(word.split("=", 1) for word in line[len(MARK) :].split() if "=" in word)


def table_text(*columns: np.ndarray, header: str = "") -> str:
    """Rows of numbers in scientific notation, each line ended, below ``header`` if there is one."""
    rows = np.column_stack(columns)
    lines = [" ".join(f"{value: .10e}" for value in row) for row in rows]
    return header + "\n".join(lines) + "\n"
