"""Every root of a smooth function of one variable, from values and slopes at few points."""

import math
from collections.abc import Callable
from typing import NamedTuple

# in the function's own value: rounding of the pipeline, which amplifies it in stiff steps
_CONVERGED = 1e-12
_NARROW = 1e-13
_STEPS = 40
# extrema are located this well, relative to the scan's spacing
_EXTREMUM = 1e-3


class Sampled(NamedTuple):
    """A function's value and slope at x."""

    x: float
    value: float
    slope: float


def roots(
    sample: Callable[[float], Sampled], low: float, high: float, points: int
) -> tuple[list[float], Sampled]:
    """Roots between ``low`` and ``high``, increasing, and the sample nearest to zero.

    Parameters
    ----------
    sample : x → :class:`Sampled`; not finite where the function does not exist.
    points : of the scan. Where slopes say that an extremum lies between two of them, it is looked
        for, so pairs of roots around it are found.
    """
    count = max(points, 2)
    scan = [sample(low + (high - low) * i / (count - 1)) for i in range(count)]
    chain = [scan[0]]
    for right in scan[1:]:
        left = chain[-1]
        if _usable(left) and _usable(right) and _turns(left, right):
            chain += _extremum(sample, left, right)
        chain.append(right)
    found = []
    for left, right in zip(chain, chain[1:]):
        if not (_usable(left) and _usable(right)):
            continue
        if left.value == 0.0:
            found.append(left.x)
        elif left.value * right.value < 0.0:
            found.append(root_between(sample, left, right).x)
    if _usable(chain[-1]) and chain[-1].value == 0.0:
        found.append(chain[-1].x)
    finite = [each for each in chain if _usable(each)]
    if not finite:
        raise ValueError("the observable does not exist anywhere in the range; change the range")
    return found, min(finite, key=lambda each: abs(each.value))


def root_between(sample: Callable[[float], Sampled], left: Sampled, right: Sampled) -> Sampled:
    """The root in a bracket: Newton's steps from its better end, bisection where they leave it."""
    rising = right.value > left.value
    now = min(left, right, key=lambda each: abs(each.value))
    low, high = left.x, right.x
    for _ in range(_STEPS):
        if abs(now.value) <= _CONVERGED or high - low <= _NARROW * max(abs(low), abs(high), 1.0):
            break
        step = now.x - now.value / now.slope if now.slope != 0.0 else math.nan
        if not low < step < high:
            step = 0.5 * (low + high)
        now = sample(step)
        if not _usable(now):
            break
        if (now.value > 0.0) == rising:
            high = now.x
        else:
            low = now.x
    return now


def _usable(point: Sampled) -> bool:
    return math.isfinite(point.value) and math.isfinite(point.slope)


def _turns(left: Sampled, right: Sampled) -> bool:
    """Whether an extremum between two points of one sign could reach zero."""
    if left.value * right.value <= 0.0:
        return False
    towards = -1.0 if left.value > 0.0 else 1.0
    return left.slope * towards > 0.0 and right.slope * towards < 0.0


def _extremum(sample, left: Sampled, right: Sampled) -> list[Sampled]:
    """Samples towards an extremum, by regula falsi on the slope; stops once zero is passed."""
    taken, width = [], right.x - left.x
    sign = 1.0 if left.value > 0.0 else -1.0
    for attempt in range(12):
        share = left.slope / (left.slope - right.slope)
        # halves now and then: one end of the false position may stay for ever
        share = 0.5 if attempt % 3 == 2 else min(max(share, 0.05), 0.95)
        middle = sample(left.x + share * (right.x - left.x))
        if not _usable(middle):
            break
        taken.append(middle)
        if middle.value * sign <= 0.0:
            break
        if middle.slope * left.slope > 0.0:
            left = middle
        else:
            right = middle
        if right.x - left.x < _EXTREMUM * width:
            break
    return sorted(taken)
