"""Published bounds as data: the table ``spectra/data/bounds.csv``, sets of it, and its thresholds.

A row is a bound; adding one needs no code. Its columns:

name, year, probe, source: what it is called, of what, by whom.
test: what is compared. "half-mode-mass": M_hm of T = 1/2; "area": delta_A; "satellites": subhaloes
    of the Milky Way; "galaxies": haloes at z = 6; "excess-mass": the phase-space density.
value, unit: "kev" of a thermal relic, "msun" or "log10-msun" of M_hm, or "kev:share", pairs of a
    relic's mass and its share of dark matter, the rest cold, that lie on one contour.
relic: which T(k) a thermal relic of that mass has: "solver", or the fit of the paper.
confidence, read: as the paper says; what of it was read for the row, or that it is recalled.
failed: "forbidden" for conservative analyses, else "constrained"; "family" of a contour: forbidden
    beyond all its models, constrained beyond the first; "forecast": not a verdict.
likelihood: a file of ``spectra/data`` as :func:`spectra.structure.read_likelihood` reads it.
"""

import csv
import difflib
import io
import math
from collections.abc import Iterable, Sequence
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import NamedTuple

from spectra.files import MOST_DOCUMENT_BYTES, read_text
from spectra.structure.references import KINDS

DEFAULT_SET = "2026"
TESTS = ("half-mode-mass", "area", "satellites", "galaxies", "excess-mass")
_UNITS = ("kev", "msun", "log10-msun", "kev:share")
_FAILED = ("forbidden", "constrained", "family", "forecast")


class Bound(NamedTuple):
    """One row of the table; the columns are explained above."""

    name: str
    year: int
    probe: str
    test: str
    value: str
    unit: str
    relic: str
    confidence: str
    failed: str
    likelihood: str
    read: str
    source: str


class Model(NamedTuple):
    """Dark matter that a bound is about: a thermal relic of a kind, and its share of the matter."""

    relic: str
    mass_kev: float
    share: float


def models_of(bound: Bound) -> tuple[Model, ...]:
    """The models that lie on the bound's contour; none where it is given as a mass M_hm."""
    if bound.unit == "kev":
        return (Model(bound.relic, float(bound.value), 1.0),) if bound.relic else ()
    if bound.unit == "kev:share":
        pairs = (pair.split(":") for pair in bound.value.split())
        return tuple(Model(bound.relic, float(mass), float(share)) for mass, share in pairs)
    return ()


def half_mode_mass_msun(bound: Bound) -> float:
    """M_hm [Msun, no h] of a bound that is quoted so."""
    value = float(bound.value)
    return 10.0**value if bound.unit == "log10-msun" else value


@lru_cache(maxsize=1)
def bounds_table() -> tuple[Bound, ...]:
    """All rows of the package's table."""
    text = (resources.files("spectra") / "data" / "bounds.csv").read_text(encoding="utf-8")
    return _rows(text, "bounds.csv")


def read_bounds(path: str | Path) -> tuple[Bound, ...]:
    """Bounds of one's own: a CSV file with the columns of :class:`Bound` in any order.

    "relic", "confidence", "failed", "likelihood", "read" and "probe" may be left out. Raises
    ``FileNotFoundError``, or ``ValueError`` naming the line, the column and the fix.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file; check the path of the table of bounds")
    return _rows(read_text(path, MOST_DOCUMENT_BYTES), str(path))


_OPTIONAL = {
    "relic": "solver",
    "confidence": "not stated",
    "failed": "constrained",
    "likelihood": "",
    "read": "one's own",
    "probe": "one's own",
}


def _rows(text: str, where: str) -> tuple[Bound, ...]:
    reader = csv.DictReader(io.StringIO(text), strict=True)
    try:
        rows = list(reader)
    except csv.Error as error:
        raise ValueError(f"{where}: not a CSV table: {error}") from None
    header = list(reader.fieldnames or ())
    missing = [name for name in Bound._fields if name not in (*header, *_OPTIONAL)]
    unknown = [name for name in header if name not in Bound._fields]
    if missing or unknown:
        what = f"lacks column {missing[0]}" if missing else f"has an unknown column {unknown[0]}"
        raise ValueError(f"{where}: {what}; the columns are {', '.join(Bound._fields)}")
    found = []
    for line, row in enumerate(rows, start=2):
        if None in row or None in row.values():
            raise ValueError(f"{where}, line {line}: must have {len(header)} cells; quote commas")
        try:
            found.append(_row({**_OPTIONAL, **{key: cell.strip() for key, cell in row.items()}}))
        except ValueError as error:
            raise ValueError(f"{where}, line {line}: {error}") from None
    names = [bound.name for bound in found]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise ValueError(f"{where}: {twice[0]} is there twice; give each bound its own name")
    return tuple(found)


def _row(cells: dict[str, str]) -> Bound:
    if not cells["name"]:
        raise ValueError("name is empty; give the bound a name")
    for name, known in (("test", TESTS), ("unit", _UNITS), ("failed", _FAILED)):
        if cells[name] not in known:
            raise ValueError(f"{name} = {cells[name]!r} is not one of {', '.join(known)}")
    try:
        bound = Bound(**{**cells, "year": int(cells["year"])})
    except ValueError:
        raise ValueError(f"year = {cells['year']!r} must be a whole number") from None
    quoted = bound.unit in ("msun", "log10-msun")
    if quoted and bound.test != "half-mode-mass":
        raise ValueError(f"unit = {bound.unit} is of M_hm; use it with test = half-mode-mass")
    if (bound.failed == "family") != (bound.unit == "kev:share"):
        raise ValueError("failed = family goes with unit = kev:share, and the other way round")
    if not quoted and bound.test != "excess-mass" and bound.relic not in KINDS:
        raise ValueError(f"relic = {bound.relic!r} is not one of {', '.join(KINDS)}")
    if bound.test == "excess-mass":
        bound = bound._replace(relic="")
    try:
        numbers = [float(word) for word in bound.value.replace(":", " ").split()]
        usable = bool(numbers) and all(math.isfinite(x) and x > 0.0 for x in numbers)
        usable = usable and all(0.0 < model.share <= 1.0 for model in models_of(bound))
    except ValueError:
        usable = False
    if not usable:
        raise ValueError(f"value = {bound.value!r} must be positive, as its unit {bound.unit} says")
    return bound


class Chosen(NamedTuple):
    """What a choice of bounds names: rows, and paths of likelihoods of one's own."""

    bounds: tuple[Bound, ...]
    likelihoods: tuple[str, ...]


def choose_bounds(chosen: str | Iterable[str] = DEFAULT_SET) -> Chosen:
    """The bounds that a word or a list of words names, in the table's order, each once.

    Parameters
    ----------
    chosen : words: a year, such as "2017" (all bounds published by its end, without forecasts),
        "all", "forecasts", "none", a bound's name, the path of a table of one's own (``.csv``) or
        of a likelihood (``.toml``). A text may hold several, separated by commas.

    Raises
    ------
    FileNotFoundError
        If a file is not there.
    ValueError
        If a word is nothing of these, naming the nearest; or a file is wrong.
    """
    words = chosen.split(",") if isinstance(chosen, str) else list(chosen)
    table = bounds_table()
    wanted: dict[str, Bound] = {}
    likelihoods: dict[str, None] = {}
    for word in (str(word).strip() for word in words):
        if word.endswith(".toml"):
            likelihoods[word] = None
            continue
        rows = read_bounds(word) if word.endswith(".csv") else _named(word, table)
        for bound in rows:
            if wanted.setdefault(bound.name, bound) != bound:
                raise ValueError(f"{word}: {bound.name} is in the table already; rename yours")
    order = {bound.name: place for place, bound in enumerate(table)}
    names = sorted(wanted, key=lambda name: order.get(name, len(order)))
    return Chosen(tuple(wanted[name] for name in names), tuple(likelihoods))


def _named(word: str, table: Sequence[Bound]) -> list[Bound]:
    forecasts = [bound for bound in table if bound.failed == "forecast"]
    if word == "all":
        return list(table)
    if word == "none":
        return []
    if word == "forecasts":
        return forecasts
    if word.isdigit():
        found = [b for b in table if b.year <= int(word) and b not in forecasts]
        if found:
            return found
        first = min(bound.year for bound in table)
        raise ValueError(f"bounds = {word!r}: the table begins with {first}; give a later year")
    found = [bound for bound in table if bound.name == word]
    if found:
        return found
    near = difflib.get_close_matches(word, [bound.name for bound in table], n=1, cutoff=0.5)
    fix = f"did you mean {near[0]!r}?" if near else "see docs/verdicts.md for the names"
    raise ValueError(
        f"bounds = {word!r} is no set, no bound and no .csv or .toml file; sets are years, "
        f"such as {DEFAULT_SET!r}, 'all', 'forecasts' and 'none'; {fix}"
    )
