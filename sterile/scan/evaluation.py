"""What a worker does with a few points: the pipeline, vmapped, as plain arrays.

Anything with the methods of :class:`Evaluation` can be scanned.
"""

import dataclasses
import functools
import importlib
import json
import math
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np

from spectra.linear import default_wavenumbers
from sterile import config as configuration
from sterile.mechanisms import mechanism_of, modules_of
from sterile.models import parameters_of
from sterile.names import require_name
from sterile.quantities import Quantity, point_scalars
from sterile.scan import kernel
from sterile.scan.settings import OUTPUT_PARTS, Settings, corners, run_content
from sterile.status import Status, is_failure

# of a finished point these have a finite value; the others may not apply
_ALWAYS_FINITE = ("yield_n", "mass_kev", "omega_h2", "q_mean")
_VERDICT_PARTS = {
    "status": ("<i4", "1", "0 allowed, 1 constrained, 2 forbidden, 3 undecided, -1 not computed"),
    "value": ("<f8", "1", "the tested number"),
    "threshold": ("<f8", "1", "the value at which the test is just passed"),
    "margin": ("<f8", "1", "smooth distance from the threshold, positive when passed"),
}


class Column(NamedTuple):
    """One dataset of a results file: a row per point, of shape ``shape``."""

    shape: tuple[int, ...]
    dtype: str
    unit: str
    description: str


class Description(NamedTuple):
    """What an evaluation will give.

    Attributes
    ----------
    columns : path in the results file → :class:`Column`; ``points/status`` is among them.
    shared : path → (array, unit, description) that all points have in common.
    attributes : path of a group or dataset → {name: text}.
    """

    columns: dict[str, Column]
    shared: dict
    attributes: dict


class Evaluation(Protocol):
    """What can be scanned; picklable. The methods are those of :class:`Pipeline`."""

    def describe(self, values: dict[str, np.ndarray]) -> Description: ...
    def groups(self, values: dict[str, np.ndarray]) -> np.ndarray: ...
    def compute(self, values: dict[str, np.ndarray], tight: bool = False) -> dict: ...


@dataclass(frozen=True)
class Pipeline:
    """The whole pipeline of a configuration, for scans.

    Attributes
    ----------
    content : JSON of a run's configuration with a placeholder for each scanned parameter.
    modules : to import first, where mechanisms of one's own are registered.
    parameters : names of the scanned parameters.
    outputs : scalar JSON keys, and "verdicts", "transfer", "spectra".
    batch : points that are vmapped together.
    """

    content: str
    modules: tuple[str, ...]
    parameters: tuple[str, ...]
    outputs: tuple[str, ...]
    batch: int
    corners: str = "[]"

    def describe(self, values: dict[str, np.ndarray]) -> Description:
        """What the results look like; ``values``: parameter → (n,).

        Raises ``ValueError`` for a parameter's range that leaves the model's.
        """
        setup = self._setup()
        for corner in json.loads(self.corners):
            own = {name: value for name, value in corner.items() if name in vars(setup.model)}
            dataclasses.replace(setup.model, **own)  # names what is out of range
        shapes, sources = kernel.shapes(setup, values)
        entry = mechanism_of(setup.model)
        units = {name: stated.unit for name, stated in parameters_of(entry.model).items()}
        scalars = point_scalars(entry.numbers)
        columns = {
            f"points/{name}": Column((), "<f8", units.get(name, "keV"), "scanned parameter")
            for name in self.parameters
        }
        columns["points/status"] = Column((), "<i4", "1", "0 is success, -1 not computed")
        columns |= {
            path: _column(path, shape, scalars)
            for path, shape in shapes.items()
            if self._wanted(path)
        }
        shared = {}
        if "transfer" in self.outputs:
            k = default_wavenumbers(np.asarray(setup.drive.k_h_mpc))
            shared["transfer/k_h_mpc"] = (k, "h/Mpc", "wavenumber")
        attributes = {f"verdicts/{name}": {"source": text} for name, text in sources.items()}
        return Description(columns, shared, attributes)

    def groups(self, values: dict[str, np.ndarray]) -> np.ndarray:
        """(n,) integers; points of one group run in one compiled program."""
        setup = self._setup()
        # a choice that no scanned parameter decides may be one for all
        count = len(next(iter(values.values())))
        return np.broadcast_to(kernel.grids_of(setup, values).index, count)

    def compute(self, values: dict[str, np.ndarray], tight: bool = False) -> dict[str, np.ndarray]:
        """Results of n points of one group: path → (n, ...); never raises for a bad point.

        ``tight``: one by one on a finer grid, for points that failed.
        """
        setup = self._setup()
        solve = functools.partial(kernel.solve, setup, tight=tight)
        count = len(next(iter(values.values())))
        size = 1 if tight else self.batch
        parts = [
            _guarded(solve, values, np.arange(start, min(start + size, count)), size)
            for start in range(0, count, size)
        ]
        return {
            path: array
            for path, array in _join(parts).items()
            if path == "points/status" or self._wanted(path)
        }

    def _setup(self) -> kernel.Setup:
        for module in self.modules:
            importlib.import_module(module)
        return kernel.prepare(self.content, "verdicts" in self.outputs)

    def _wanted(self, path: str) -> bool:
        folder, name = path.split("/", 1)
        return (name if folder == "points" else folder) in self.outputs


def _guarded(solve, values, rows, size) -> dict[str, np.ndarray]:
    """Solve the points ``rows``; when that raises, each alone, so that the others are kept.

    The programs are those of ``size`` points, however few there are.
    """
    try:
        return _settle(solve({name: column[rows] for name, column in values.items()}, size))
    except Exception:
        if rows.size > 1:
            return _join([_guarded(solve, values, row, size) for row in np.split(rows, rows.size)])
        return {"points/status": np.full(1, Status.EVALUATION_FAILED, dtype="<i4")}


def _join(parts: list[dict]) -> dict[str, np.ndarray]:
    """Concatenate results; a failed part has a status only and gets blank columns."""
    template = max(parts, key=len)
    filled = []
    for part in parts:
        count = len(part["points/status"])
        blank = {
            path: blank_rows(array.dtype, count, array.shape[1:])
            for path, array in template.items()
        }
        filled.append({**blank, **part})
    return {path: np.concatenate([part[path] for part in filled]) for path in template}


def blank_rows(dtype, count: int, shape=()) -> np.ndarray:
    """Rows of a column that hold nothing: NaN, or -1 for integers."""
    dtype = np.dtype(dtype)
    return np.full((count, *shape), np.nan if dtype.kind == "f" else -1, dtype=dtype)


def _settle(found: dict) -> dict:
    """A result without finite numbers is none, whatever caveat it came with."""
    status = np.array(found["points/status"], dtype="<i4")
    for name in _ALWAYS_FINITE:
        lost = ~is_failure(status) & ~np.isfinite(found[f"points/{name}"])
        status[lost] = Status.NON_FINITE
    return {**found, "points/status": status}


def _column(path: str, shape: tuple[int, ...], scalars: dict[str, Quantity]) -> Column:
    folder, name = path.rsplit("/", 1)
    if folder == "points":
        return Column(shape, "<f8", *scalars[name][:2])
    if folder.startswith("verdicts/"):
        dtype, unit, description = _VERDICT_PARTS[name]
        return Column(shape, dtype, unit, description)
    described = {
        "transfer/t2": ("1", "ratio of total-matter power spectra to cold dark matter, z = 0"),
        "spectra/q": ("1", "comoving momentum over temperature, p a / T_ref"),
        "spectra/f": ("1", "phase-space distribution today, summed over helicities"),
    }
    return Column(shape, "<f8", *described[path])


def check_outputs(outputs, own: dict[str, Quantity]) -> tuple[str, ...]:
    """Names in [scan] outputs, or all scalars and the verdicts; ``ValueError`` on others.

    ``own``: the numbers of the mechanism.
    """
    scalars = tuple(point_scalars(own))
    if outputs is None:
        return (*scalars, "verdicts")
    known = (*scalars, *OUTPUT_PARTS)
    for name in outputs:
        require_name(name, known, "[scan] outputs: unknown output '{}'")
    return tuple(dict.fromkeys(outputs))


def pipeline_of(settings: Settings, parameters) -> Pipeline:
    """The evaluation of a scan's settings; ``parameters``: names, in order."""
    content = run_content(settings, dict.fromkeys(parameters, math.nan))
    entry = configuration.mechanism_in(content)
    return Pipeline(
        content=json.dumps(content, default=str),
        modules=modules_of(entry),
        parameters=tuple(parameters),
        outputs=check_outputs(settings.scan.outputs, dict(entry.numbers)),
        batch=settings.scan.batch,
        corners=json.dumps(corners(settings)),
    )
