"""One step of a conversion near resonance, averaged over a cell of momentum, in closed form.

The rate has the shape w/(w^2 + x^2), x the distance from resonance and w its width, which may be
1e-4 of a cell or of a step. With x bilinear in time and ln q over the step and the cell, x_00, x_10
(next edge), x_01 (next time) and x_11 at the corners,

    mean of w/(w^2 + x^2) = -Re{[z ln z]_11 - [z ln z]_10 - [z ln z]_01 + [z ln z]_00}/(b c),

z = w + i x, b and c the changes of x over the cell and over the step. That is the arctangent of
a crossing inside a step (1507.06655's widths, Landau & Zener's limit where x changes by much more
than w), averaged over the momenta of a cell; it knows no place where the cells lie.
"""

import jax
import jax.numpy as jnp
from jax import Array

from sterile.mixing.angles import angle

# relative to |x| + w: below, a change is taken to be that much
_SMALLEST = 1e-7


@jax.jit  # traced once
def mean_lorentzian(x_00: Array, x_10: Array, x_01: Array, x_11: Array, width: Array) -> Array:
    """Mean of w/(w^2 + x^2) over a cell and a step; all arguments of one shape, ``width`` > 0."""
    # the plane through the corners
    b = 0.5 * (x_10 - x_00 + x_11 - x_01)
    c = 0.5 * (x_01 - x_00 + x_11 - x_10)
    middle = 0.25 * (x_00 + x_10 + x_01 + x_11)
    floor = _SMALLEST * (jnp.abs(middle) + width)
    b, c = _away_from_zero(b, floor), _away_from_zero(c, floor)
    x0 = middle - 0.5 * (b + c)
    x2, x3 = x0 + b, x0 + c
    x1 = x2 + c
    w2 = width**2
    # angles between z_2 and z_1, z_3 and z_1, and their second difference: each is proportional to
    # what it is divided by, so nothing cancels far from resonance
    across = w2 + x1 * x2
    along = angle(width * c, across)
    aside = angle(width * b, w2 + x1 * x3)
    opposite = w2 + x0 * x3
    twist = angle(-width * b * c * (2.0 * x0 + b + c), across * opposite + w2 * c**2)
    size = (w2 + x2**2) * (w2 + x3**2)
    stretch = 0.5 * jnp.log1p(b * c * (2.0 * (w2 - x2 * x3) + b * c) / size)
    return (b * along + c * aside + x0 * twist - width * stretch) / (b * c)


def _away_from_zero(change, floor):
    return jnp.where(jnp.abs(change) < floor, jnp.where(change < 0.0, -floor, floor), change)
