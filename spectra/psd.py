"""Reading phase-space distributions in the two-column format of CLASS."""

import io
import math
import re
import warnings
from pathlib import Path

import numpy as np
from jax.typing import ArrayLike

from spectra.files import MOST_TABLE_BYTES, read_text
from spectra.precision import require_x64
from spectra.spectrum import MINIMUM_NODES, Spectrum, first_bad_distribution, first_bad_momentum
from spectra.units import plain_numbers

_EXPECTED = "expected two numbers per line, q and f"
# f of CLASS is the occupation number over (2 pi)^3 (background_ncdm_distribution of v3.4.1, whose
# psd_FD_single.dat begins with 2/(e^0 + 1)/(2 pi)^3 = 4.0314e-3)
CLASS_FACTOR = (2.0 * math.pi) ** 3
# what the column f may be → the factor that makes it F, the occupation number of all helicities
NORMALISATIONS = {"occupation": 1.0, "class": CLASS_FACTOR, "free": 1.0}
# shares of omega_dm that the other convention would make plausible ones: a percent to all of it
_PLAUSIBLE = (0.01, 1.1)
# q^2 f of a flat head rises as q^2, of a head q^-1/2 as q^3/2; nothing that falls in q does
_STEEP_HEAD, _HEAD_SCATTER = (1.4, 3.2), 0.1
_FORTRAN = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([dDqQ][+-]?\d+|[+-]\d{3})")


@plain_numbers
def read_psd(
    path: str | Path,
    mass_kev: ArrayLike,
    temperature_ratio: ArrayLike,
    normalisation: str = "occupation",
) -> Spectrum:
    """Read a phase-space file: two columns, q = p/T and f(q), `#` starts a comment.

    A leading row with q = 0 is dropped: it holds no particles. Warns (``UserWarning``) where f
    rises at its last row, where the column looks like q^2 f, and of a byte-order mark.

    Parameters
    ----------
    path : file to read.
    mass_kev : particle mass [keV].
    temperature_ratio : T_ref/T_gamma today, the T of q = p/T.
    normalisation : what the second column is. "occupation": F, the occupation number summed over
        helicities, n = T^3/(2 pi^2) int q^2 F dq. "class": f of CLASS, F/(2 pi)^3; multiplied by
        (2 pi)^3 here. "free": any multiple of F, only its shape means something; kept as it is.

    Returns
    -------
    Spectrum with the file's nodes and, but for "class", its numbers.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the content is not a distribution (one line that names the file and the line), the
        normalisation is unknown, or JAX is not in 64-bit mode.
    """
    require_x64()
    factor = normalisation_factor(normalisation)
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
    for doubt in (rising_end(q, f), moment_taken_for_f(q, f)):
        if doubt is not None:
            warnings.warn(f"{path}: {doubt}", stacklevel=2)
    return Spectrum(q, factor * f, mass_kev, temperature_ratio)


def normalisation_factor(normalisation: str) -> float:
    """What makes F of the column f; ``ValueError`` naming the choices where it is unknown."""
    if normalisation not in NORMALISATIONS:
        raise ValueError(
            f"normalisation = {normalisation!r} is unknown; use one of {', '.join(NORMALISATIONS)}"
        )
    return NORMALISATIONS[normalisation]


def rising_end(q: np.ndarray, f: np.ndarray) -> str | None:
    """A sentence where f (n,) rises at its last row, else None: the end of a number is missing."""
    if not f[-1] > f[-2]:
        return None
    return (
        f"f rises at its last row, from {f[-2]:.4g} to {f[-1]:.4g} at q = {q[-1]:.4g}: the number "
        "may have lost its exponent, or the table its end; T^2 of it means nothing"
    )


def moment_taken_for_f(q: np.ndarray, f: np.ndarray) -> str | None:
    """A sentence where f (n,) rises like q^2 up to its peak, as q^2 f does and f does not."""
    peak = int(np.argmax(f))
    head = (q < 0.3 * q[peak]) & (f > 0.0)
    if np.count_nonzero(head) < MINIMUM_NODES - 1:
        return None
    ln_q, ln_f = np.log(q[head]), np.log(f[head])
    slope, offset = np.polyfit(ln_q, ln_f, 1)
    scatter = float(np.sqrt(np.mean((ln_f - slope * ln_q - offset) ** 2)))
    if not (_STEEP_HEAD[0] < slope < _STEEP_HEAD[1] and scatter < _HEAD_SCATTER):
        return None
    power = "q^3 f" if slope > 2.5 else "q^2 f"
    return (
        f"f rises as q^{slope:.2g} up to its peak at q = {q[peak]:.3g}: the second column looks "
        f"like {power}; give f itself"
    )


def abundance_doubt(omega_h2: float, omega_dm: float) -> str | None:
    """What an abundance says about the normalisation it was read with; None if nothing.

    Parameters
    ----------
    omega_h2 : of the species, from its own normalisation.
    omega_dm : of all dark matter.

    Returns
    -------
    A sentence where the species is more than all dark matter, or where it is so little that in
    the other convention, (2 pi)^3 = 248 more, it would be one per cent to all of it.
    """
    share = omega_h2 / omega_dm
    found = f"Omega h^2 = {omega_h2:.4g} by the file's own normalisation is"
    if share > 1.001:
        other = ""
        if share <= _PLAUSIBLE[1] * CLASS_FACTOR:
            other = (
                f"; without the (2 pi)^3 of CLASS's convention it would be "
                f"{omega_h2 / CLASS_FACTOR:.4g}"
            )
        return (
            f"{found} {share:.3g} times omega_dm = {omega_dm:.4g}: so many particles over-close "
            f"the universe{other}; if the file gives a shape only, say normalisation = free"
        )
    if _PLAUSIBLE[0] <= share * CLASS_FACTOR <= _PLAUSIBLE[1]:
        return (
            f"{found} {share:.3g} of omega_dm = {omega_dm:.4g}; with the (2 pi)^3 of CLASS's "
            f"convention it would be {omega_h2 * CLASS_FACTOR:.4g}: if the file was made for "
            "CLASS, say normalisation = class"
        )
    return None


def read_table(path: Path) -> np.ndarray:
    """The two columns of ``path`` as an array of shape (n, 2); errors as in :func:`read_psd`."""
    if path.is_dir():
        raise ValueError(f"{path}: is a directory; give the path of a two-column file (q, f)")
    if not path.exists():
        raise FileNotFoundError(
            f"{path}: no such file; check the path of the two-column file (q, f)"
        )
    with path.open("rb") as file:
        begins = file.read(2)
    if begins in (b"\xff\xfe", b"\xfe\xff"):
        raise ValueError(
            f"{path}: starts with a byte-order mark of UTF-16, which is not a number; save it as "
            "plain text (ASCII or UTF-8)"
        )
    text = read_text(path, MOST_TABLE_BYTES, errors="replace")
    if text.startswith("\ufeff"):
        warnings.warn(
            f"{path}: starts with a byte-order mark, which is skipped here but not by CLASS; save "
            "it as plain text",
            stacklevel=3,
        )
        text = text[1:]
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
                return f"{path}, line {number}: '{word[:40]}' is not a number{_why(word)}"
        if len(words) != 2:
            return f"{path}, line {number}: {len(words)} column(s); {_EXPECTED}"
    return f"{path}: not readable as a table; {_EXPECTED}"


def _why(word: str) -> str:
    """How a word that is no number came about, as far as it tells."""
    if _FORTRAN.fullmatch(word):
        return ": it has a Fortran exponent; write 1.0E-03 for 1.0D-03 or 1.0-003"
    if "," in word or ";" in word:
        mark = "commas" if "," in word else "semicolons"
        return f": the columns are separated by {mark}; {_EXPECTED}, separated by blanks"
    return f"; {_EXPECTED} (separated by blanks; comments start with #)"


def _line_of_row(path: Path, row: int) -> int:
    text = read_text(path, MOST_TABLE_BYTES, errors="replace")
    for index, (number, _) in enumerate(_data_lines(text)):
        if index == row:
            return number
    return 0
