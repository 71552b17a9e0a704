"""Several files, written all or none; the two small ones beside every data file."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from spectra.files import check_writable, write_together

MARK = "# sterile-spectra export:"
WARNING = "WARNING: "  # begins the lines of a note that a check reads


def write_exports(contents: Mapping[Path, str | bytes], force: bool) -> list[Path]:
    """Write all these files or, when one cannot be written, none of them.

    ``contents``: path → ASCII text, or bytes.

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

    def writer(content: str | bytes):
        data = content.encode("ascii") if isinstance(content, str) else content
        return lambda temporary: temporary.write_bytes(data)

    return write_together({path: writer(content) for path, content in contents.items()})


def with_companions(
    path: Path,
    content,
    *,
    format: str,
    z: float,
    parameters: str,
    note: str,
    caveats: Sequence[str] = (),
) -> dict[Path, str | bytes]:
    """The data file, ``PATH.params.txt`` for the target code and ``PATH.note.txt`` for its user.

    Parameters
    ----------
    path, content : of the data file; ASCII text, or bytes.
    format, z : what it is, so that a check can tell.
    parameters : lines for the target's parameter file.
    note : what to switch off there.
    caveats : what is known to be wrong with the spectrum, of :func:`spectra.export.write`; they
        stand above the note, where a check finds them.

    Returns
    -------
    path → content, for :func:`write_exports`.
    """
    note = note_text(note, caveats)
    return {
        path: content,
        companion(path, "params"): f"{mark_of(format, z, content, note)}\n{parameters.strip()}\n",
        companion(path, "note"): note,
    }


def mark_of(format: str, z: float, content: str | bytes, note: str) -> str:
    """The lines of a parameter file that say the format and z, and which files are its own.

    A killed export can leave files of two: checksums tell.
    """
    sums = f"data={_checksum(content)} note={_checksum(note)}"
    return f"{MARK} format={format} z={z:.10g}\n{MARK} {sums}"


def _checksum(content: str | bytes) -> str:
    data = content.encode("ascii") if isinstance(content, str) else content
    return hashlib.sha256(data).hexdigest()[:16]


def foreign(path: Path, parameters: Path) -> str | None:
    """What to say where the data file ``path`` or its note is not the one that ``parameters`` was
    written with; None where they belong together, or nothing tells."""
    declared = _declared_in(parameters)
    for name, file in (("data", path), ("note", companion(path, "note"))):
        if name in declared and file.exists() and _checksum(file.read_bytes()) != declared[name]:
            return (
                f"{file.name} is not the file that {parameters.name} was written with: changed "
                "since, or of another export; export again"
            )
    return None


def note_text(note: str, caveats: Sequence[str]) -> str:
    """The note for the target's user, below what is known to be wrong."""
    return "".join(f"{WARNING}{caveat}\n" for caveat in caveats) + f"{note.strip()}\n"


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
    return _declared_in(companion(path, "params"))


def _declared_in(parameters: Path) -> dict[str, str]:
    try:
        text = parameters.read_text(encoding="ascii", errors="replace")
    except OSError:
        return {}
    marked = (line[len(MARK) :] for line in text.splitlines() if line.startswith(MARK))
    return dict(word.split("=", 1) for line in marked for word in line.split() if "=" in word)


def table_text(*columns: np.ndarray, header: str = "") -> str:
    """Rows of numbers in scientific notation, each line ended, below ``header`` if there is one."""
    rows = np.column_stack(columns)
    lines = [" ".join(f"{value: .10e}" for value in row) for row in rows]
    return header + "\n".join(lines) + "\n"
