"""Curves on which a smooth function of two variables is zero: predictor and corrector.

A coarse lattice finds where the sign changes; from each such place that no curve has passed yet the
zero line is followed both ways, along the direction that its gradient leaves level. Steps adapt to
how much that direction turns. All curves that pass between two nodes of the lattice are found;
an island inside one cell is not.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

# turning per step that is aimed at, and above which a step is done again, in radians
_TURN, _TURN_LIMIT = 0.2, 0.4
_FIRST_STEP, _SMALLEST_STEP, _LARGEST_STEP = 0.05, 1e-5, 0.15
_CORRECTIONS = 4
_MAXIMUM_STEPS = 2000

Function = Callable[[np.ndarray], tuple[float, np.ndarray]]


@dataclass(frozen=True)
class Curve:
    """One connected zero line in the unit square.

    Attributes
    ----------
    points : (n, 2) along the curve; the first again at the end when it is closed.
    tangents : (n, 2) unit vectors along it.
    closed : whether it is a loop; otherwise it ends at the square's edges, or where the function
        stops existing.
    """

    points: np.ndarray
    tangents: np.ndarray
    closed: bool


@dataclass
class _Counted:
    function: Function
    calls: int = 0

    def __call__(self, x):
        self.calls += 1
        value, gradient = self.function(x)
        return float(value), np.asarray(gradient, dtype=float)


def zero_curves(function: Function, lattice: int, tolerance: float) -> tuple[list[Curve], int]:
    """All zero lines of ``function`` over the unit square, and how many evaluations they took.

    Parameters
    ----------
    function : x (2,) → value and gradient (2,); not finite where it does not exist.
    lattice : nodes a side on which signs are compared.
    tolerance : distance of the curve's points from the zero line, in units of the square.
    """
    counted = _Counted(function)
    nodes = np.linspace(0.0, 1.0, lattice)
    values = np.array([[counted(np.array([a, b]))[0] for b in nodes] for a in nodes])
    curves: list[Curve] = []
    for start, end in _changes(nodes, values):
        if any(_crosses(curve, start, end) for curve in curves):
            continue
        seed = _on_segment(counted, start, end, tolerance)
        if seed is not None:
            curves.append(_follow(counted, *seed, tolerance))
    return curves, counted.calls


def _changes(nodes, values):
    """Neighbouring nodes of different sign: edges of the square first, then the inside."""
    last = len(nodes) - 1
    found = []
    for i in range(len(nodes)):
        for j in range(len(nodes)):
            for di, dj in ((1, 0), (0, 1)):
                k, m = i + di, j + dj
                if k > last or m > last:
                    continue
                a, b = values[i, j], values[k, m]
                if np.isfinite(a) and np.isfinite(b) and (a > 0.0) != (b > 0.0):
                    outer = (di and j in (0, last)) or (dj and i in (0, last))
                    ends = np.array([nodes[i], nodes[j]]), np.array([nodes[k], nodes[m]])
                    found.append((not outer, ends))
    return [ends for _, ends in sorted(found, key=lambda each: each[0])]


def _on_segment(function, start, end, tolerance):
    """(x, gradient) where the function is zero between two points of different sign."""
    along = end - start
    low, high = 0.0, 1.0
    share, sign = 0.5, None
    for _ in range(40):
        x = start + share * along
        value, gradient = function(x)
        if not np.isfinite(value):
            return None
        size = np.linalg.norm(gradient)
        if size > 0.0 and abs(value) < tolerance * size:
            return x, gradient
        if sign is None:
            sign = 1.0 if function(start)[0] > 0.0 else -1.0
        low, high = (share, high) if value * sign > 0.0 else (low, share)
        slope = gradient @ along
        guess = share - value / slope if slope != 0.0 else math.nan
        share = guess if low < guess < high else 0.5 * (low + high)
    return x, gradient


def _follow(function, seed, gradient, tolerance) -> Curve:
    forward, closed = _walk(function, seed, gradient, 1.0, tolerance)
    if closed:
        points, tangents = zip(*forward)
        return Curve(np.array([*points, points[0]]), np.array([*tangents, tangents[0]]), True)
    backward, _ = _walk(function, seed, gradient, -1.0, tolerance)
    line = [(x, -t) for x, t in reversed(backward[1:])] + forward
    # a seed on the square's edge is followed by the edge's own point, a tolerance away
    if len(line) > 2 and np.linalg.norm(line[0][0] - line[1][0]) < 10.0 * tolerance:
        del line[1]
    if len(line) > 2 and np.linalg.norm(line[-1][0] - line[-2][0]) < 10.0 * tolerance:
        del line[-2]
    points, tangents = zip(*line)
    return Curve(np.array(points), np.array(tangents), False)


def _walk(function, seed, gradient, sense: float, tolerance):
    """(point, tangent) from the seed on, and whether the walk came back to it."""
    x, tangent = seed, sense * _level(gradient)
    walked = [(x, tangent)]
    step, length, bend = _FIRST_STEP, 0.0, np.zeros(2)
    for _ in range(_MAXIMUM_STEPS):
        # second order: the last step's turning goes on
        predicted = x + step * tangent + 0.5 * step**2 * bend
        outside = _leaves(x, predicted)
        if outside is not None:
            end = _at_edge(function, x, predicted, outside, tangent, tolerance)
            if end is not None:
                walked.append(end)
            break
        corrected = _correct(function, predicted, step, tolerance)
        if corrected is not None:
            new, new_gradient, effort = corrected
            new_tangent = _level(new_gradient)
            new_tangent = new_tangent if new_tangent @ tangent > 0.0 else -new_tangent
            turn = math.acos(min(1.0, max(-1.0, new_tangent @ tangent)))
        if corrected is None or turn > _TURN_LIMIT:
            step *= 0.4
            if step < _SMALLEST_STEP:
                break
            continue
        moved = np.linalg.norm(new - x)
        length += moved
        if length > 2.0 * step and _passes(seed, x, new, walked[0][1], new_tangent):
            return walked, True
        bend = (new_tangent - tangent) / max(moved, 1e-300)
        x, tangent = new, new_tangent
        walked.append((x, tangent))
        wanted = _TURN / max(turn, 0.25 * _TURN)
        step = float(np.clip(step * min(wanted, 2.0 if effort < 3 else 1.0), 1e-4, _LARGEST_STEP))
    return walked, False


def _correct(function, x, step, tolerance):
    """Newton's steps along the gradient: (point, gradient, evaluations), or None."""
    start = x
    for effort in range(1, _CORRECTIONS + 1):
        value, gradient = function(x)
        size = gradient @ gradient
        if not (np.isfinite(value) and np.isfinite(size) and size > 0.0):
            return None
        move = -value * gradient / size
        if np.linalg.norm(x + move - start) > 0.5 * step:
            return None
        x = x + move
        # what Newton's next step would change is the square of this one, in units of the bend
        if np.linalg.norm(move) < max(tolerance, 0.0) ** 0.5 * 0.3 * step:
            return x, gradient, effort
    return None


def _level(gradient: np.ndarray) -> np.ndarray:
    return np.array([-gradient[1], gradient[0]]) / np.linalg.norm(gradient)


def _leaves(x, new):
    """Share of the way from x to new at which the square's edge is met, and (axis, edge)."""
    first = None
    for axis in (0, 1):
        for edge in (0.0, 1.0):
            beyond = (new[axis] - edge) * (1.0 if edge else -1.0)
            if beyond > 1e-12:
                share = (edge - x[axis]) / (new[axis] - x[axis])
                if first is None or share < first[0]:
                    first = max(share, 0.0), axis, edge
    return first


def _at_edge(function, x, predicted, outside, tangent, tolerance):
    share, axis, edge = outside
    point = x + share * (predicted - x)
    point[axis] = edge
    other = 1 - axis
    for _ in range(2 * _CORRECTIONS):
        value, gradient = function(point)
        if not np.isfinite(value) or gradient[other] == 0.0:
            return None
        move = -value / gradient[other]
        if abs(move) > 0.3:
            return None
        point = point.copy()
        point[other] = point[other] + move
        if abs(move) < tolerance:
            level = _level(gradient)
            if not 0.0 <= point[other] <= 1.0:
                return None
            return point, level if level @ tangent > 0.0 else -level
    return None


def _passes(seed, x, new, first_tangent, tangent) -> bool:
    """Whether the step from x to new goes by the seed, in the direction it was left in."""
    along = new - x
    size = along @ along
    share = (seed - x) @ along / size
    away = np.linalg.norm(seed - x - share * along)
    near = -1e-9 <= share <= 1.0 and away < 0.25 * math.sqrt(size)
    return bool(near and first_tangent @ tangent > 0.5)


def _crosses(curve: Curve, start, end) -> bool:
    """Whether the curve's polygon, bulges included, meets the segment from start to end."""
    a, b = curve.points[:-1], curve.points[1:]
    along = end - start
    normal = np.array([-along[1], along[0]]) / np.linalg.norm(along)
    side_a, side_b = (a - start) @ normal, (b - start) @ normal
    sizes = np.linalg.norm(b - a, axis=1)
    near = side_a * side_b <= 0.0
    reach = side_a / np.where(side_a == side_b, 1.0, side_a - side_b)
    meet = a + np.clip(reach, 0.0, 1.0)[:, None] * (b - a)
    share = (meet - start) @ along / (along @ along)
    slack = 0.1 * sizes / np.linalg.norm(along)
    return bool(np.any(near & (share > -slack) & (share < 1.0 + slack)))


def refined(curve: Curve, each: int) -> np.ndarray:
    """The curve with ``each`` points to a step, by cubic Hermite pieces, shape (m, 2)."""
    a, b = curve.points[:-1], curve.points[1:]
    size = np.linalg.norm(b - a, axis=1)[:, None]
    ta, tb = curve.tangents[:-1] * size, curve.tangents[1:] * size
    pieces = []
    for s in np.arange(each) / each:
        weights = (2 * s**3 - 3 * s**2 + 1, s**3 - 2 * s**2 + s, 3 * s**2 - 2 * s**3, s**3 - s**2)
        pieces.append(weights[0] * a + weights[1] * ta + weights[2] * b + weights[3] * tb)
    line = np.stack(pieces, axis=1).reshape(-1, 2)
    return np.concatenate([line, curve.points[-1:]])
