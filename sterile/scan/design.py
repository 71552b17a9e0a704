"""Which points: a design in the unit cube, mapped to parameters; or a list from a file."""

import csv
import itertools
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from spectra.files import array, attribute
from sterile.scan import expressions
from sterile.scan.settings import RangeSection, Settings, check_parameters, scannable

MAX_POINTS = 20_000_000


@dataclass(frozen=True)
class Points:
    """n points of a design.

    Attributes
    ----------
    values : parameter → (n,) float64, in design order: of a grid the last parameter runs fastest.
    unit : (n, d) coordinates in the unit cube; NaN for a list.
    """

    values: dict[str, np.ndarray]
    unit: np.ndarray

    @property
    def count(self) -> int:
        return len(self.unit)


def points(settings: Settings) -> Points:
    """The points of a scan's design.

    Raises
    ------
    ValueError
        If there is no point, more than 2e7, or the list cannot be read.
    """
    scan = settings.scan
    if scan.file is not None:
        values = read_list(settings.folder / scan.file, scannable(settings))
        check_parameters(settings, values)
        count = len(next(iter(values.values())))
        found = Points(values, np.full((count, len(values)), np.nan))
    else:
        _check_size(settings)
        found = at(settings, _unit_cube(settings))
    if scan.where is not None:
        keep = np.broadcast_to(expressions.evaluate(scan.where, found.values), found.count)
        keep = keep.astype(bool)
        found = Points({name: v[keep] for name, v in found.values.items()}, found.unit[keep])
    if found.count == 0:
        raise ValueError(
            "the design has no points; "
            + (f"nothing passes where = '{scan.where}'" if scan.where else "give at least one")
        )
    return found


def at(settings: Settings, unit: np.ndarray) -> Points:
    """The points at coordinates ``unit`` (n, d) of the unit cube, in the order of the file."""
    values: dict[str, np.ndarray] = {}
    for column, (name, section) in enumerate(settings.scan.parameters.items()):
        values[name] = _map(section, unit[:, column], values)
    return Points(values, unit)


def _map(section: RangeSection, unit: np.ndarray, earlier: dict) -> np.ndarray:
    if section.values is not None:
        listed = np.asarray(section.values, dtype=float)
        return listed[np.rint(unit * (len(listed) - 1)).astype(int)]
    low, high = (
        expressions.evaluate(limit, earlier) if isinstance(limit, str) else limit
        for limit in section.limits()
    )
    with np.errstate(all="ignore"):
        if section.spacing == "log":
            inside = np.exp(np.log(low) + unit * (np.log(high) - np.log(low)))
        else:
            inside = low + unit * (high - low)
    # the ends as typed, to the last digit
    ends = np.where(unit == 0.0, low, np.where(unit == 1.0, high, inside))
    return np.asarray(ends, dtype=float)


def _check_size(settings: Settings) -> None:
    scan = settings.scan
    if scan.design == "grid":
        count = math.prod(section.levels() for section in scan.parameters.values())
    else:
        count = scan.count()
    if count > MAX_POINTS:
        size = float(count) if count < 1e300 else math.inf
        years = size / 10.0 / 3.15e7
        raise ValueError(
            f"the design has {size:.3g} points, above the limit of {MAX_POINTS:.0e} (it would "
            f"take some {years:.1g} core-years); give fewer points, or use [scan.refine]"
        )


def _unit_cube(settings: Settings) -> np.ndarray:
    scan, dimensions = settings.scan, len(settings.parameters)
    if scan.design == "grid":
        axes = [
            np.linspace(0.0, 1.0, levels) if levels > 1 else np.zeros(1)
            for levels in (section.levels() for section in scan.parameters.values())
        ]
        return np.stack([axis.ravel() for axis in np.meshgrid(*axes, indexing="ij")], axis=1)
    from scipy.stats import qmc

    if scan.design == "sobol":
        sampler = qmc.Sobol(dimensions, scramble=True, rng=scan.seed)
        # whole powers of two keep the sequence balanced
        return sampler.random_base2((scan.count() - 1).bit_length())[: scan.count()]
    return qmc.LatinHypercube(dimensions, rng=scan.seed).random(scan.count())


def read_list(path, known) -> dict[str, np.ndarray]:
    """Parameters of a CSV file with a header, or 1-D datasets of an HDF5 file or of a scan's file.

    ``known``: names that may be scanned.
    Raises ``FileNotFoundError``, or ``ValueError`` naming the file, the line and the fix.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file; check [scan] file")
    with path.open("rb") as file:
        is_hdf5 = file.read(8) == b"\x89HDF\r\n\x1a\n"
    values = _read_hdf5(path, known) if is_hdf5 else _read_csv(path)
    if not values:
        raise ValueError(f"{path}: holds no parameter")
    lengths = {name: len(column) for name, column in values.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"{path}: columns of different lengths, {lengths}")
    if min(lengths.values()) == 0:
        raise ValueError(f"{path}: holds no points; the design is empty")
    if max(lengths.values()) > MAX_POINTS:
        raise ValueError(f"{path}: more than {MAX_POINTS:.0e} points; split it")
    for name, column in values.items():
        bad = np.flatnonzero(~np.isfinite(column))
        if bad.size:
            raise ValueError(f"{path}: {name} of point {bad[0] + 1} is not a finite number")
    return values


def _shown(text: str) -> str:
    """What a message quotes of a file: one line, not all of it."""
    return " ".join(text.split())[:60]


def _read_csv(path: Path) -> dict[str, np.ndarray]:
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = csv.reader(line for line in file if line.strip() and not line.startswith("#"))
            header = [name.strip() for name in next(rows, [])]
            columns: list[list[float]] = [[] for _ in header]
            for number, row in enumerate(itertools.islice(rows, MAX_POINTS + 1), start=1):
                if len(row) != len(header):
                    raise ValueError(
                        f"{path}: point {number} has {len(row)} columns, the header {len(header)}"
                    )
                for column, word, name in zip(columns, row, header):
                    try:
                        column.append(float(word))
                    except ValueError:
                        raise ValueError(
                            f"{path}: {_shown(name)} of point {number} is '{_shown(word)}', "
                            "not a number"
                        ) from None
    except (UnicodeDecodeError, csv.Error):
        raise ValueError(f"{path}: neither CSV nor HDF5") from None
    if len(set(header)) < len(header):
        raise ValueError(f"{path}: a column name occurs twice: {_shown(', '.join(header))}")
    return {name: np.asarray(column) for name, column in zip(header, columns)}


def _read_hdf5(path: Path, known) -> dict[str, np.ndarray]:
    import h5py

    from spectra.safe_hdf5 import opened

    try:
        with opened(path) as file:
            group = file["points"] if "points" in file else file
            if not isinstance(group, h5py.Group):
                raise KeyError("points is not a group")
            # of a scan's results only what was scanned is a parameter again
            scanned = "parameters" in file.attrs
            names = attribute(file, "parameters") if scanned else list(group)
            unknown = [name for name in names if name not in known]
            if unknown:
                raise ValueError(f"{path}: unknown parameter '{_shown(unknown[0])}'")
            return {str(name): array(group, name).astype(float) for name in names}
    except (OSError, KeyError, RuntimeError) as error:
        raise ValueError(f"{path}: cannot be read as a list of points ({error})") from None
