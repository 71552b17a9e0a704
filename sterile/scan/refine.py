"""New points where the answer changes: halves of the edges between points that disagree."""

import itertools

import numpy as np

# edges shorter than this in the unit cube are fine enough
SHORTEST = 1e-4


def boundary_points(
    unit: np.ndarray, classes: np.ndarray, fixed: np.ndarray, wanted: int
) -> np.ndarray:
    """Midpoints of the longest edges between neighbours of different class.

    Neighbours are those of the Delaunay triangulation of the points in the unit cube (of their
    order, in one dimension), separately for every combination of values in ``fixed`` columns.

    Parameters
    ----------
    unit : (n, d) coordinates.
    classes : (n,) integers, what the answer is.
    fixed : (d,) whether a column takes listed values only.
    wanted : how many points at most.

    Returns
    -------
    (m, d) new coordinates, m <= ``wanted``, longest edge first; the same for the same input.
    """
    free = np.flatnonzero(~fixed)
    if free.size == 0:
        return np.empty((0, unit.shape[1]))
    combinations, member = np.unique(unit[:, fixed], axis=0, return_inverse=True)
    middles, lengths = [], []
    for index in range(len(combinations)):
        rows = np.flatnonzero(member.ravel() == index)
        pairs = rows[_edges(unit[np.ix_(rows, free)])]
        pairs = pairs[classes[pairs[:, 0]] != classes[pairs[:, 1]]]
        first, second = unit[pairs[:, 0]], unit[pairs[:, 1]]
        middles.append(0.5 * (first + second))
        lengths.append(np.linalg.norm(first - second, axis=1))
    middle, length = np.concatenate(middles), np.concatenate(lengths)
    keep = length > SHORTEST
    middle, length = middle[keep], length[keep]
    # the diagonals of a grid's cell share a midpoint
    _, once = np.unique(middle.round(12), axis=0, return_index=True)
    middle, length = middle[once], length[once]
    keys = [*middle.T[::-1], -length.round(12)]
    return middle[np.lexsort(keys)[:wanted]]


def _edges(points: np.ndarray) -> np.ndarray:
    """(m, 2) pairs of neighbours among ``points`` (n, d)."""
    if len(points) < 2:
        return np.empty((0, 2), dtype=int)
    # a column without extent would make the triangulation degenerate
    points = points[:, np.ptp(points, axis=0) > 0.0]
    if points.shape[1] == 0:
        return np.empty((0, 2), dtype=int)
    if points.shape[1] == 1:
        order = np.argsort(points[:, 0], kind="stable")
        return np.stack([order[:-1], order[1:]], axis=1)
    from scipy.spatial import Delaunay, QhullError

    try:
        simplices = Delaunay(points).simplices
    except QhullError:
        return np.empty((0, 2), dtype=int)  # all on one line, or too few
    corners = itertools.combinations(range(simplices.shape[1]), 2)
    pairs = np.concatenate([simplices[:, list(pair)] for pair in corners])
    return np.unique(np.sort(pairs, axis=1), axis=0)
