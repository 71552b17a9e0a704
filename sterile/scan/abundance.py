"""What a parameter has to be for a given abundance, between the points of a scan."""

from dataclasses import dataclass

import numpy as np

from sterile.scan.raster import is_log

# halvings of the interval of a root: below rounding
_HALVINGS = 50


@dataclass(frozen=True)
class Crossing:
    """Where an abundance that depends on one parameter passes a target, at n places.

    Attributes
    ----------
    nodes : (k,) values of the parameter, in its logarithm where ``logarithmic``.
    logarithmic : whether they are.
    found : (n,) whether it passes.
    interval : (m,) index of the nodes below, at the m places where it does.
    offset : (m,) of the place between the nodes.
    """

    nodes: np.ndarray
    logarithmic: bool
    found: np.ndarray
    interval: np.ndarray
    offset: np.ndarray

    @property
    def value(self) -> np.ndarray:
        """(n,) the parameter where it passes; NaN where it does not."""
        at = self.nodes[self.interval] + self.offset
        return self._everywhere(np.exp(at) if self.logarithmic else at)

    def of(self, table: np.ndarray) -> np.ndarray:
        """(n,) what another quantity (k, n) is there; NaN where it has no values."""
        there = table[:, self.found]
        usable = np.isfinite(there).all(axis=0)
        values = np.full(usable.size, np.nan)
        if usable.any():
            cubics = _cubics(self.nodes, there[:, usable], self.interval[usable])
            values[usable] = _at(cubics, self.offset[usable])
        return self._everywhere(values)

    def _everywhere(self, values):
        spread = np.full(self.found.size, np.nan)
        spread[self.found] = values
        return spread


def crossing(values: np.ndarray, omega_h2: np.ndarray, target: float) -> Crossing:
    """Where Omega h^2 passes ``target``: monotone cubics in the parameter, the first if several.

    Parameters
    ----------
    values : (k,) of the parameter, rising, k >= 2; logarithms are taken where they span much.
    omega_h2 : (k, n) at n places; a place with one that is not positive is left out.
    target : Omega h^2.
    """
    logarithmic = is_log(values)
    nodes = np.log(values) if logarithmic else np.asarray(values, dtype=float)
    with np.errstate(all="ignore"):
        above = np.log(omega_h2 / target)
    finite = np.isfinite(above).all(axis=0)
    passes = (above[:-1] < 0.0) != (above[1:] < 0.0)
    found = finite & passes.any(axis=0)
    interval = passes[:, found].argmax(axis=0)
    cubics = _cubics(nodes, above[:, found], interval)
    low, high = np.zeros(interval.size), np.diff(nodes)[interval]
    rises = above[:, found][interval, np.arange(interval.size)] < 0.0
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        before = (_at(cubics, middle) < 0.0) == rises
        low, high = np.where(before, middle, low), np.where(before, high, middle)
    return Crossing(nodes, logarithmic, found, interval, 0.5 * (low + high))


def _cubics(nodes, table, interval):
    """(4, m) coefficients of the monotone cubic in one interval of each column."""
    from scipy.interpolate import PchipInterpolator

    if interval.size == 0:
        return np.zeros((4, 0))
    return PchipInterpolator(nodes, table, axis=0).c[:, interval, np.arange(interval.size)]


def _at(cubics, offset):
    return ((cubics[0] * offset + cubics[1]) * offset + cubics[2]) * offset + cubics[3]
