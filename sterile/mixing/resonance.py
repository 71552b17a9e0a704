"""One step of a conversion near resonance, averaged over a cell of momentum, in closed form.

The rate has the shape w/(w^2 + x^2), x the distance from resonance and w its width, which may be
1e-4 of a cell or of a step. The rectangle of a cell and a step is cut into two triangles, on each
of which x is linear between its values at the corners: neighbours in momentum and in time agree on
the side that they share, so that a crossing that passes from one to the next is neither counted
twice nor left out. The mean over a triangle is a second divided difference,

    2 H[x_1, x_2, x_3],   H(x) = -Re(z ln z),   z = w + i x,   H'' = w/(w^2 + x^2)

(Hermite & Genocchi's formula). That is the arctangent of a crossing inside a step (1507.06655's
widths, Landau & Zener's limit where x changes by much more than w), averaged over the momenta of a
cell.
"""

import jax
import jax.numpy as jnp
from jax import Array

from sterile.mixing.angles import angle
from sterile.mixing.logarithms import log1p

# relative to |x| + w: changes below are taken to be that much, along a side and across the
# rectangle; the first then count for nothing
_SIDE, _ACROSS = 1e-9, 1e-6


@jax.jit  # traced once
def mean_lorentzian(x_00: Array, x_10: Array, x_01: Array, x_11: Array, width: Array) -> Array:
    """Mean of w/(w^2 + x^2) over a cell and a step; all arguments of one shape, ``width`` > 0.

    ``x_00`` ...: distances at the corners, x_10 at the next edge, x_01 at the next time.
    """
    # the diagonal along which x changes most: the other corners lie between its ends
    b = x_10 - x_00 + x_11 - x_01
    c = x_01 - x_00 + x_11 - x_10
    other = b * c < 0.0
    start, end = jnp.where(other, x_10, x_00), jnp.where(other, x_01, x_11)
    one, two = jnp.where(other, x_00, x_10), jnp.where(other, x_11, x_01)
    w2 = width**2
    size = jnp.abs(start) + width

    def turn(here, there):
        """ln of z there over z here: its real part and its angle."""
        change = there - here
        longer = log1p(change * (there + here) / (w2 + here**2))
        return 0.5 * longer, angle(width * change, w2 + here * there)

    to_one, to_two, one_to_end = turn(start, one), turn(start, two), turn(one, end)
    two_to_end = tuple(a + b - c for a, b, c in zip(to_one, one_to_end, to_two))

    def side(at, back, corner):
        """Re[z ln(z/z_corner)]/(x - x_corner) at one end of the diagonal."""
        change = at - corner
        floor = _SIDE * size
        log, turned = back
        part = width * log - at * turned
        return part / jnp.where(jnp.abs(change) < floor, floor, change)

    def reverse(pair):
        return -pair[0], -pair[1]

    total = (
        side(start, reverse(to_one), one)
        - side(end, one_to_end, one)
        + side(start, reverse(to_two), two)
        - side(end, two_to_end, two)
    )
    span = end - start
    flat = jnp.abs(span) < _ACROSS * size
    middle = 0.25 * (start + end + one + two)
    return jnp.where(flat, width / (w2 + middle**2), total / jnp.where(flat, 1.0, span))
