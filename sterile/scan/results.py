"""Reading a scan's results back: arrays; pandas and xarray on request."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from spectra.files import array, plain
from spectra.structure import VerdictStatus
from sterile.scan import store
from sterile.status import Status, is_failure, is_numerical, name_of

_ARRAYS = ("transfer/", "spectra/")


@dataclass(frozen=True)
class Results:
    """The points of a scan, in design order.

    Attributes
    ----------
    points : name → (n,), every scanned parameter, every scalar output and ``status``; NaN where
        an output does not apply or is not computed.
    verdicts : name → {"status", "value", "threshold", "margin"}, each (n,).
    arrays : path → (n, ...) of per-point spectra and T^2, when the scan kept them.
    shared : path → array that all points have in common, such as ``transfer/k_h_mpc``.
    parameters : names of the scanned parameters, in the order of the file.
    shape : levels of each parameter of a full grid without refinement, else ().
    damaged : number of rows whose checksum does not match; they count as not computed.
    attributes : of the file: config_toml, identity, package_version, created_utc, ...
    """

    points: Mapping[str, np.ndarray]
    verdicts: Mapping[str, Mapping[str, np.ndarray]]
    arrays: Mapping[str, np.ndarray]
    shared: Mapping[str, np.ndarray]
    parameters: tuple[str, ...]
    shape: tuple[int, ...]
    damaged: int
    attributes: Mapping[str, Any]

    @property
    def done(self) -> np.ndarray:
        """(n,) whether the point is computed, whatever its status."""
        return self.points["status"] != Status.NOT_COMPUTED


def load(path: str | Path, form: str = "arrays", arrays: bool = True) -> Any:
    """Read the results of a scan, finished or running.

    Parameters
    ----------
    path : HDF5 file of `sterile scan`.
    form : "arrays": :class:`Results`; "pandas": a DataFrame, see :func:`to_pandas`; "xarray": a
        Dataset, see :func:`to_xarray`.
    arrays : whether per-point spectra and T^2 are read too.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is no scan's, truncated or damaged, or of another format; or ``form`` is unknown.
    """
    forms = {"arrays": lambda results: results, "pandas": to_pandas, "xarray": to_xarray}
    if form not in forms:
        raise ValueError(f"form = {form!r} is unknown; use one of {', '.join(forms)}")
    return forms[form](_read(path, arrays))


def _read(path, arrays: bool) -> Results:
    with store.open_file(path) as file:
        columns = store.columns_of(file)
        count = store.check_layout(path, file, columns)
        kept = {
            name: np.empty((count, *column.shape), dtype=column.dtype)
            for name, column in columns.items()
            if name != store.CHECKSUM and (arrays or not name.startswith(_ARRAYS))
        }
        valid = store.valid_rows(file, columns, kept)
        written = array(file, store.CHECKSUM) != 0
        shared = {name: array(file, name) for name in ("transfer/k_h_mpc",) if name in file}
        attributes = {name: plain(value) for name, value in file.attrs.items()}
        shape = tuple(int(levels) for levels in attributes.get("shape", ()))
    is_parameter = {f"points/{name}" for name in attributes["parameters"]}
    for name, column in kept.items():
        if name not in is_parameter:
            column[~valid] = 0 if name == store.RETRIES else store.blank_rows(column.dtype, 1)[0]
    verdicts: dict[str, dict[str, np.ndarray]] = {}
    for name, column in kept.items():
        if name.startswith("verdicts/"):
            _, verdict, part = name.split("/")
            verdicts.setdefault(verdict, {})[part] = column
    return Results(
        points={
            name.removeprefix("points/"): column
            for name, column in kept.items()
            if name.startswith("points/")
        },
        verdicts=verdicts,
        arrays={n: a for n, a in kept.items() if n.startswith(_ARRAYS)},
        shared=shared,
        parameters=tuple(attributes["parameters"]),
        shape=shape,
        damaged=int((written & ~valid).sum()),
        attributes=attributes,
    )


def table(results: Results) -> dict[str, np.ndarray]:
    """All 1-D columns by one name each: the points', and "VERDICT/status" and so on."""
    columns = dict(results.points)
    for verdict, parts in results.verdicts.items():
        columns |= {f"{verdict}/{part}": column for part, column in parts.items()}
    return columns


def to_pandas(results: Results) -> Any:
    """``results`` as a pandas DataFrame, a row per point, names of statuses in ``status_name``.

    Raises ``ImportError`` saying what to install when pandas is missing.
    """
    pandas = _import("pandas")
    frame = pandas.DataFrame(table(results))
    names = {code: name_of(code) for code in np.unique(results.points["status"])}
    frame["status_name"] = frame["status"].map(names)
    return frame


def to_xarray(results: Results) -> Any:
    """``results`` as an xarray Dataset: on the axes of a full grid, else by ``point``.

    Raises ``ImportError`` saying what to install when xarray is missing.
    """
    xarray = _import("xarray")
    columns = table(results)
    attributes = {
        name: value if isinstance(value, (int, float, str)) else json.dumps(value)
        for name, value in results.attributes.items()
    }
    axes = [np.unique(results.points[name]) for name in results.parameters]
    shape = tuple(map(len, axes))
    if results.shape and results.shape == shape:
        # in design order the last parameter runs fastest, from low to high
        order = np.lexsort([results.points[name] for name in reversed(results.parameters)])
        dimensions: tuple[str, ...] = results.parameters
        coordinates = dict(zip(dimensions, axes))
        data = {
            name: (dimensions, column[order].reshape(shape))
            for name, column in columns.items()
            if name not in results.parameters
        }
    else:
        coordinates = {}
        data = {name: (("point",), column) for name, column in columns.items()}
        data |= {
            name: (("point", f"{name.replace('/', '_')}_node"), rows)
            for name, rows in results.arrays.items()
        }
    return xarray.Dataset(data, coords=coordinates, attrs=attributes)


def _import(package: str):
    import importlib

    try:
        return importlib.import_module(package)
    except ImportError:
        raise ImportError(
            f"{package} is not installed; pip install 'sterile-spectra[frames]', or use the arrays "
            "of load()"
        ) from None


def summary(results: Results) -> dict:
    """Counts of a scan: points, done, by status and by verdict; twenty failures in full.

    Failed points have no result to use; what has one with a caveat is counted by status only.
    ``numerical`` counts the statuses about how points were solved; others are about the model.
    """
    status = results.points["status"]
    codes, counts = np.unique(status, return_counts=True)
    failed = np.flatnonzero(is_failure(status))
    answer = {
        "points": int(status.size),
        "done": int(results.done.sum()),
        "failed": int(failed.size),
        "statuses": {name_of(code): int(n) for code, n in zip(codes, counts)},
        "numerical": int(np.sum(is_numerical(status))),
    }
    if results.verdicts:
        answer["verdicts"] = {
            name: _verdict_counts(parts["status"]) for name, parts in results.verdicts.items()
        }
    answer["failures"] = [
        {
            "row": int(row),
            **{name: float(results.points[name][row]) for name in results.parameters},
            "status": name_of(int(status[row])),
        }
        for row in failed[:20]
    ]
    if results.damaged:
        answer["damaged"] = results.damaged
    return answer


def _verdict_counts(status: np.ndarray) -> dict[str, int]:
    counts = {
        member.name.lower().replace("_", "-"): int((status == member).sum())
        for member in VerdictStatus
    }
    return {name: count for name, count in counts.items() if count}
