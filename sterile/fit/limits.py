"""A Gaussian inside the ends of bounded priors: its covariance, whatever the data measure.

A flat prior has no curvature, so it adds nothing to a Fisher matrix; but it has a width. Where
data fix a parameter well inside its ends, they change nothing; where nothing else measures it, its
standard deviation is that of a flat distribution, (high - low)/sqrt(12); in between, and where a
combination of several is measured, the moments of the truncated Gaussian are needed. They are
integrals over the limited combinations only, by quasi-Monte Carlo in sequentially conditioned
coordinates (Genz 1992, J. Comput. Graph. Stat. 1, 141), the same points every time.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import ndtr, ndtri
from scipy.stats import qmc

# singular values below this share of the largest are rounding of the rows
_ROUNDING = 1e-12
# ends farther away than so many standard deviations change a variance by less than 1e-7
_FAR = 6.0
# precision, in units of 1/width^2, that makes flat directions proper; weighed out again
_WEAK = 1e-3
# 2^15 points: moments to 1e-3 of a standard deviation in the worst case tried, 1e-8 in the best
_LOG2_POINTS = 15
# share of a row that must be new for its ends to be imposed by sampling, not by rejection
_NEW = 1e-9


class Limit(NamedTuple):
    """Ends of one linear combination of coordinates, measured from the expansion's point.

    Attributes
    ----------
    row : (d,) coefficients of the combination u = row . x.
    low, high : ends of u; low < high, both finite.
    """

    row: np.ndarray
    low: float
    high: float


class Local(NamedTuple):
    """A density around a point.

    Attributes
    ----------
    root : (d, r) with covariance root root^T, in the directions that something measures.
    held : (d, k) directions that the ends measure, and hardly anything else.
    null : (d, n) directions that nothing measures, in units of the columns' norms.
    scale : (d,) these norms: a direction in the coordinates is null / scale.
    """

    root: np.ndarray
    held: np.ndarray
    null: np.ndarray
    scale: np.ndarray


def local(rows: np.ndarray, limits: Sequence[Limit], unmeasured: float) -> Local:
    """The density exp(-|rows x|^2/2) inside ``limits``, to second moments.

    Parameters
    ----------
    rows : (n, d), any n; it may be flat in any direction.
    limits : ends, with the point x = 0 inside.
    unmeasured : a direction is ``held`` by the ends if they reduce its variance to less than this
        share of what it is without them.

    Raises
    ------
    ValueError
        If the ends leave no room.
    """
    widths = np.array([limit.high - limit.low for limit in limits])
    ends = np.stack([limit.row for limit in limits]) if limits else np.zeros((0, rows.shape[1]))
    root, *_ = _inverse(np.concatenate([rows, np.sqrt(_WEAK) / widths[:, None] * ends]))
    near = np.array([min(high, -low) for _, low, high in limits])
    felt = near < _FAR * np.linalg.norm(ends @ root, axis=1)
    ends, widths = ends[felt], widths[felt]
    limits = [limit for limit, each in zip(limits, felt) if each]
    weak = _WEAK / widths**2
    root, null, scale = _inverse(np.concatenate([rows, np.sqrt(weak)[:, None] * ends]))
    if not limits:
        return Local(root, np.zeros((len(scale), 0)), null, scale)
    # the tightest first: what the points are drawn in before anything is rejected
    order = np.argsort(widths / np.linalg.norm(ends @ root, axis=1))
    limits = [limits[i] for i in order]
    basis, lower = np.linalg.qr((ends[order] @ root).T)
    covariance = _inside(lower.T, limits, weak[order])
    shrunk, rotation = np.linalg.eigh(covariance)
    across = basis @ rotation
    factor = np.eye(root.shape[1]) + (across * (np.sqrt(shrunk) - 1.0)) @ across.T
    return Local(root @ factor, root @ across[:, shrunk < unmeasured], null, scale)


def _inverse(rows) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The inverse of rows^T rows: its root (d, r), null space (d, n) by scaled coordinates, scale.

    Columns are scaled to unit length, so that the units of a coordinate do not matter; the product
    is not formed, so that small singular values are not lost in the rounding of large ones.
    """
    d = rows.shape[1]
    scale = np.linalg.norm(rows, axis=0)
    scale = np.where(scale > 0.0, scale, 1.0)
    padded = np.concatenate([rows / scale, np.zeros((d, d))])
    _, values, vectors = np.linalg.svd(padded, full_matrices=False)
    kept = values > _ROUNDING * max(values[0], 1e-300)
    return (vectors[kept].T / values[kept]) / scale[:, None], vectors[~kept].T, scale


def _inside(lower, limits, weak) -> np.ndarray:
    """Covariance (r, r) of standard normal z with every lower[i] . z between its limits.

    ``lower``: (m, r), lower triangular, a row a limit; ``weak``: (m,) precisions of the limited
    combinations, to be taken out of the density again.
    """
    r = lower.shape[1]
    points = qmc.Sobol(r, scramble=False).random_base2(_LOG2_POINTS) + 0.5 ** (_LOG2_POINTS + 1)
    z = ndtri(points)
    weights = np.ones(len(z))
    for i, (_, low, high) in enumerate(limits):
        before = z[:, :i] @ lower[i, :i]
        pivot = lower[i, i] if i < r else 0.0
        if abs(pivot) > _NEW * np.linalg.norm(lower[i]):
            a, b = (low - before) / pivot, (high - before) / pivot
            a, b = (b, a) if pivot < 0.0 else (a, b)
            flip = np.where(a > 0.0, -1.0, 1.0)  # ndtr has its digits in the lower tail
            a, b = np.where(a > 0.0, -b, a), np.where(a > 0.0, -a, b)
            start, share = ndtr(a), ndtr(b) - ndtr(a)
            z[:, i] = flip * np.clip(ndtri(start + points[:, i] * share), a, b)
            weights *= share
        else:
            weights *= (before >= low) & (before <= high)
        value = before + pivot * z[:, i] if i < r else before
        weights *= np.exp(0.5 * weak[i] * np.clip(value, low, high) ** 2)
    if not weights.sum() > 0.0:
        raise ValueError("the ends of the priors leave no room around the point; widen one")
    weights /= weights.sum()
    z = z - weights @ z
    return (weights[:, None] * z).T @ z
