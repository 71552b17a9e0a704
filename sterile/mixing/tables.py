"""A user's own tables: read once, checked row by row, and known by their content.

A model holds a :class:`Table` in place of a file's name. It is a static choice: compiled programs
are shared between equal contents, and a file that changes makes another one.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jax.typing import ArrayLike

from spectra.files import MOST_TABLE_BYTES, read_text, write_atomically
from sterile.mixing.potentials import FERMI_GEV2
from sterile.names import hint

RATE_COLUMNS = ("temperature_mev", "q", "gamma_over_gf2_t5")
GSTAR_COLUMNS = ("temperature_mev", "g_rho", "g_s")
REDISTRIBUTION_COLUMNS = (
    "temperature_mev",
    *(f"mu_{name}" for name in ("e", "mu", "tau", "nu_e", "nu_mu", "nu_tau", "q", "b")),
)
# what a table has to reach, [MeV] and p/T: nearly all production is inside
RATE_TEMPERATURES_MEV = GSTAR_TEMPERATURES_MEV = REDISTRIBUTION_TEMPERATURES_MEV = (20.0, 4000.0)
RATE_MOMENTA = (0.01, 10.0)


@dataclass(frozen=True, eq=False)
class Table:
    """Numbers of a file: temperatures in GeV, rising, and what belongs to each.

    Attributes
    ----------
    path : the file, for messages.
    digest : of its content; two tables are equal if it is.
    temperature_gev : (n,).
    q : (m,) momenta p/T of a table of rates, else None.
    values : (n, m) of a table of rates; else (n, columns).
    """

    path: str
    digest: str
    temperature_gev: np.ndarray
    q: np.ndarray | None
    values: np.ndarray

    def __eq__(self, other):
        return isinstance(other, Table) and self.digest == other.digest

    def __hash__(self):
        return hash(self.digest)


def read_rates(path) -> Table:
    """Rates of active neutrinos: a CSV file temperature_mev,q,gamma_over_gf2_t5.

    Gamma/(G_F^2 T^5) [1] for every momentum q = p/T at every T; whether it is the loss rate or the
    total width is said beside it, as ``rate_kind``.

    Raises ``ValueError`` naming the file and the row if a row is not three positive numbers, a
    momentum is missing at a temperature, or the table does not reach far enough.
    """
    rows, lines, digest = _read(path, RATE_COLUMNS, header_needed=True)
    _require(path, lines, rows > 0.0, rows, RATE_COLUMNS, "must be positive")
    steps = np.diff(rows[:, 0])
    if (steps < 0.0).any():
        _falling(path, lines, rows[:, 0], int(np.argmax(steps < 0.0)) + 1)
    temperatures, counts = np.unique(rows[:, 0], return_counts=True)
    momenta = rows[: counts[0], 1]
    first = 0
    for temperature, count in zip(temperatures, counts):
        here = rows[first : first + count, 1]
        if count != counts[0] or not np.allclose(here, momenta, rtol=1e-6):
            raise ValueError(
                f"{path}: line {lines[first]}: temperature_mev = {temperature:g} has {count} "
                f"momenta, not the {counts[0]} of the first temperature; give every T the same q"
            )
        first += count
    if (np.diff(momenta) <= 0.0).any():
        _falling(path, lines, momenta, int(np.argmax(np.diff(momenta) <= 0.0)) + 1, "q")
    _reaches(path, "temperature_mev", temperatures, RATE_TEMPERATURES_MEV)
    _reaches(path, "q", momenta, RATE_MOMENTA)
    shape = (temperatures.size, momenta.size)
    return Table(str(path), digest, 1e-3 * temperatures, momenta, rows[:, 2].reshape(shape))


def write_rates(
    path: str | Path, temperature_gev: ArrayLike, q: ArrayLike, rate: ArrayLike
) -> Path:
    """Write rates as a table that ``rates_table`` of a model takes; returns the path.

    Parameters
    ----------
    path : of the CSV file.
    temperature_gev : T [GeV] (n,), rising.
    q : p/T (m,), rising.
    rate : Gamma/T [1] (n, m), as :func:`sterile.mixing.opacity` gives it in two parts.

    Raises
    ------
    ValueError
        If the shapes do not fit.
    """
    temperature, momenta = (np.asarray(values, dtype=float) for values in (temperature_gev, q))
    values = np.asarray(rate, dtype=float)
    if values.shape != (temperature.size, momenta.size):
        raise ValueError(
            f"rate has shape {values.shape}, not {(temperature.size, momenta.size)} of "
            "temperature_gev and q; give Gamma/T of every q at every T"
        )
    values = values / (FERMI_GEV2**2 * temperature[:, None] ** 4)
    lines = [",".join(RATE_COLUMNS)]
    for hot, row in zip(1e3 * temperature, values):
        lines += [f"{hot:.12g},{y:.12g},{rate:.12g}" for y, rate in zip(momenta, row)]
    return write_atomically(Path(path), lambda new: Path(new).write_text("\n".join(lines) + "\n"))


def read_gstar(path) -> Table:
    """Degrees of freedom: three columns, T [MeV], g_rho and g_s; commas or blanks between them."""
    rows, lines, digest = _read(path, GSTAR_COLUMNS)
    _require(path, lines, rows > 0.0, rows, GSTAR_COLUMNS, "must be positive")
    _rising(path, lines, rows[:, 0])
    _reaches(path, "temperature_mev", rows[:, 0], GSTAR_TEMPERATURES_MEV)
    return Table(str(path), digest, 1e-3 * rows[:, 0], None, rows[:, 1:])


def read_redistribution(path) -> Table:
    """Chemical potentials per lepton asymmetry of the flavour that mixes, dmu_X/dL [T^-2].

    Nine columns: T [MeV], then X = e, mu, tau, nu_e, nu_mu, nu_tau, Q and B.
    """
    rows, lines, digest = _read(path, REDISTRIBUTION_COLUMNS)
    _require(path, lines, rows[:, :1] > 0.0, rows, REDISTRIBUTION_COLUMNS, "must be positive")
    _rising(path, lines, rows[:, 0])
    _reaches(path, "temperature_mev", rows[:, 0], REDISTRIBUTION_TEMPERATURES_MEV)
    return Table(str(path), digest, 1e-3 * rows[:, 0], None, rows[:, 1:])


def _read(path, columns, header_needed: bool = False):
    """Numbers (n, columns), their line numbers, and a digest of the file."""
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"{path}: no such file; check the path of the table")
    try:
        content = read_text(path, MOST_TABLE_BYTES)
    except UnicodeDecodeError:
        raise ValueError(f"{path}: not a text file; give {', '.join(columns)}") from None
    rows, lines, header = [], [], None
    for number, text in enumerate(content.splitlines(), start=1):
        words = text.split("#")[0].replace(",", " ").split()
        if not words:
            continue
        try:
            values = [float(word) for word in words]
        except ValueError:
            if rows or header is not None:
                raise ValueError(
                    f"{path}: line {number}: {text.strip()[:60]!r} is not numbers"
                ) from None
            header = words
            _check_header(path, number, words, columns)
            continue
        if len(values) != len(columns):
            raise ValueError(
                f"{path}: line {number}: {len(values)} numbers, not {len(columns)}: "
                f"{', '.join(columns)}"
            )
        rows.append(values)
        lines.append(number)
    if header_needed and header is None:
        raise ValueError(f"{path}: no header; the first line must be {','.join(columns)}")
    if len({row[0] for row in rows}) < 4:
        raise ValueError(f"{path}: fewer than 4 temperatures; give a table that covers production")
    table = np.array(rows)
    _require(path, lines, np.isfinite(table), table, columns, "must be finite")
    return table, lines, hashlib.sha256(content.encode()).hexdigest()


def _check_header(path, number, words, columns) -> None:
    for position, word in enumerate(words):
        if position >= len(columns) or word != columns[position]:
            raise ValueError(
                f"{path}: line {number}: column {word[:40]!r} is unknown; {hint(word, columns)}; "
                f"the columns are {','.join(columns)}"
            )
    if len(words) < len(columns):
        raise ValueError(
            f"{path}: line {number}: column {columns[len(words)]!r} is missing; the columns are "
            f"{','.join(columns)}"
        )


def _require(path, lines, fine, rows, columns, what) -> None:
    if not fine.all():
        row, column = np.argwhere(~fine)[0]
        raise ValueError(
            f"{path}: line {lines[row]}: {columns[column]} = {rows[row, column]:g} {what}; "
            "correct the row"
        )


def _rising(path, lines, temperatures) -> None:
    steps = np.diff(temperatures)
    if (steps <= 0.0).any():
        _falling(path, lines, temperatures, int(np.argmax(steps <= 0.0)) + 1)


def _falling(path, lines, values, row, name="temperature_mev") -> None:
    raise ValueError(
        f"{path}: line {lines[row]}: {name} = {values[row]:g} follows {values[row - 1]:g}, but "
        f"must rise; sort the rows by {name}"
    )


def _reaches(path, name, values, needed) -> None:
    low, high = float(values[0]), float(values[-1])
    if low > needed[0] or high < needed[1]:
        raise ValueError(
            f"{path}: {name} runs from {low:g} to {high:g}, but has to cover [{needed[0]:g}, "
            f"{needed[1]:g}]; extend the table"
        )
