"""Reading phase-space distributions in the two-column format of CLASS."""

import io
import warnings
from pathlib import Path

import numpy as np
from jax.typing import ArrayLike

from spectra.files import MOST_TABLE_BYTES, read_text
from spectra.spectrum import MINIMUM_NODES, Spectrum, first_bad_distribution, first_bad_momentum

_EXPECTED = "expected two numbers per line, q and f"


def read_psd(path: str | Path, mass_kev: ArrayLike, temperature_ratio: ArrayLike) -> Spectrum:
    """Read a CLASS phase-space file: two columns, q = p/T and f(q), `#` starts a comment.

    A leading row with q = 0 is dropped: it holds no particles.

    Parameters
    ----------
    path : file to read.
    mass_kev : particle mass [keV].
    temperature_ratio : T_ref/T_gamma today, the T of q = p/T.

    Returns
    -------
    Spectrum with the file's nodes and normalisation.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the content is not a distribution; one line that names the file and the line.
    """
    path = Path(path)
    table = read_table(path)
    q, f = table[:, 0], table[:, 1]
    if q[0] == 0.0:
        skipped, q, f = 1, q[1:], f[1:]
    else:
        skipped = 0
    for bad in (first_bad_momentum(q), first_bad_distribution(f)):
        if bad is not None:
            raise ValueError(f"{path}, line {_line_of_row(path, bad[0] + skipped)}: {bad[1]}")
    if q.size < MINIMUM_NODES:
        raise ValueError(
            f"{path}: {q.size} usable line(s), fewer than {MINIMUM_NODES}; tabulate f(q) on a "
            "finer grid (400 nodes or more are recommended)"
        )
    if not (f > 0.0).any():
        raise ValueError(
            f"{path}: f is zero on every line; give a distribution with particles in it"
        )
    return Spectrum(q, f, mass_kev, temperature_ratio)


def read_table(path: Path) -> np.ndarray:
    """The two columns of ``path`` as an array of shape (n, 2); errors as in :func:`read_psd`."""
    if path.is_dir():
        raise ValueError(f"{path}: is a directory; give the path of a two-column file (q, f)")
    if not path.exists():
        raise FileNotFoundError(
            f"{path}: no such file; check the path of the two-column file (q, f)"
        )
    text = read_text(path, MOST_TABLE_BYTES, errors="replace")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # an empty file is reported below
            table = np.loadtxt(io.StringIO(text), comments="#", ndmin=2)
    except ValueError:
        raise ValueError(_first_unreadable(path, text)) from None
    if table.size == 0:
        raise ValueError(f"{path}: no data; {_EXPECTED}")
    if table.shape[1] != 2:
        raise ValueError(_first_unreadable(path, text))
    return table


def _data_lines(text: str):
    for number, line in enumerate(text.splitlines(), start=1):
        words = line.split("#", 1)[0].split()
        if words:
            yield number, words


def _first_unreadable(path: Path, text: str) -> str:
    for number, words in _data_lines(text):
        for word in words:
            try:
                float(word)
            except ValueError:
                return (
                    f"{path}, line {number}: '{word[:40]}' is not a number; {_EXPECTED} "
                    "(separated by blanks; comments start with #)"
                )
        if len(words) != 2:
            return f"{path}, line {number}: {len(words)} column(s); {_EXPECTED}"
    return f"{path}: not readable as a table; {_EXPECTED}"


def _line_of_row(path: Path, row: int) -> int:
    text = read_text(path, MOST_TABLE_BYTES, errors="replace")
    for index, (number, _) in enumerate(_data_lines(text)):
        if index == row:
            return number
    return 0
