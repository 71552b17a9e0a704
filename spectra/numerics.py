"""High-order rules on the non-uniform grids that tables come on.

They are jitted: outside of a program each would be a dozen of them, compiled for every length.
"""

import math

import jax
import jax.numpy as jnp
from jax import Array


@jax.jit
def integral_weights(x: Array) -> Array:
    """Weights w with sum(w y) = integral of y over x, fourth order in the spacing.

    Trapezoid rule with the Euler-Maclaurin end correction of every cell, the slope at a
    node being that of the parabola through it and its neighbours; on a uniform grid the corrections
    telescope, so a smooth y that dies at both ends is integrated to spectral accuracy.

    ``x``: shape (n,), n >= 3, strictly increasing. Returns shape (n,).
    """
    step = jnp.diff(x)
    total = step[1:] + step[:-1]
    half = 0.5 * step
    trapezoid = jnp.concatenate([half, jnp.zeros(1)]) + jnp.concatenate([jnp.zeros(1), half])
    # sum over cells of h^2/12 (y'_left - y'_right) = sum over nodes of c_j y'_j
    squares = step**2 / 12.0
    c = jnp.concatenate([squares, jnp.zeros(1)]) - jnp.concatenate([jnp.zeros(1), squares])
    # the parabola's slope is linear in y: spread c_j over the chords, then over the nodes
    on_chord_right = c[1:-1] * step[:-1] / total
    on_chord_left = c[1:-1] * step[1:] / total
    first = c[0] * step[0] / total[0]
    last = c[-1] * step[-1] / total[-1]
    chord = jnp.zeros_like(step)
    chord = chord.at[1:].add(on_chord_right).at[:-1].add(on_chord_left)
    chord = chord.at[0].add(c[0] + first).at[1].add(-first)
    chord = chord.at[-1].add(c[-1] + last).at[-2].add(-last)
    chord = chord / step
    slopes = jnp.concatenate([jnp.zeros(1), chord]) - jnp.concatenate([chord, jnp.zeros(1)])
    return trapezoid + slopes


_STENCIL = 6


@jax.jit
def interpolate(x_new: Array, x: Array, y: Array) -> Array:
    """Lagrange interpolation of y(x) by the polynomial through the six nearest nodes.

    ``x_new``: shape (m,), inside [x[0], x[-1]] (outside, the end polynomials continue).
    ``x``, ``y``: shape (n,), x strictly increasing; n < 6 takes all nodes. Returns shape (m,).
    """
    nodes, weights = lagrange_stencil(x_new, x)
    return jnp.sum(weights * y[nodes], axis=1)


def lagrange_stencil(x_new: Array, x: Array) -> tuple[Array, Array]:
    """Indices (m, p) of the nodes that :func:`interpolate` takes, and their weights (m, p)."""
    size = min(_STENCIL, x.shape[0])
    cell = jnp.searchsorted(x, x_new, side="right") - 1
    first = jnp.clip(cell - (size // 2 - 1), 0, x.shape[0] - size)
    nodes = first[:, None] + jnp.arange(size, dtype=first.dtype)[None, :]
    return nodes, _lagrange_weights(x_new, x[nodes])


def _lagrange_weights(x_new: Array, nodes: Array) -> Array:
    """Shapes (m,) and (m, p) to (m, p)."""
    own = jnp.eye(nodes.shape[1], dtype=bool)
    numerator = jnp.where(own, 1.0, (x_new[:, None] - nodes)[:, None, :])
    denominator = jnp.where(own, 1.0, nodes[:, :, None] - nodes[:, None, :])
    return jnp.prod(numerator / denominator, axis=2)


def lagrange(offset, count: int) -> list:
    """Weights of the nodes 0 ... count - 1 at ``offset``, any shape: a list of arrays of it.

    Products from the left and from the right are shared: with many calls in a program it counts.
    """
    distances = [offset - node for node in range(count)]
    below, above = [1.0], [1.0]
    for left, right in zip(distances[:-1], distances[:0:-1]):
        below.append(below[-1] * left)
        above.append(above[-1] * right)
    return [
        low * high * ((-1.0) ** after / (math.factorial(count - 1 - after) * math.factorial(after)))
        for low, high, after in zip(below, above[::-1], reversed(range(count)))
    ]


@jax.jit
def monotone_cubic(x_new: Array, x: Array, y: Array) -> Array:
    """y(x) by cubics with a continuous slope that rise and fall only where the data do.

    Slopes at the nodes are weighted harmonic means of those of the cells beside them, zero at an
    extremum (Fritsch & Butland 1984, SIAM J. Sci. Stat. Comput. 5, 300); at the ends that of the
    cell. ``x_new``: any shape, inside [x[0], x[-1]]; ``x``, ``y``: (n,), x increasing, n >= 2.
    """
    step = jnp.diff(x)
    chord = jnp.diff(y) / step
    before, after, left, right = chord[:-1], chord[1:], step[:-1], step[1:]
    same = before * after > 0.0
    whole = (2.0 * right + left) / jnp.where(same, before, 1.0)
    whole = whole + (right + 2.0 * left) / jnp.where(same, after, 1.0)
    inner = jnp.where(same, 3.0 * (left + right) / whole, 0.0)
    slope = jnp.concatenate([chord[:1], inner, chord[-1:]])
    cell = jnp.clip(jnp.searchsorted(x, x_new, side="right") - 1, 0, x.shape[0] - 2)
    u = (x_new - x[cell]) / step[cell]
    low, high = slope[cell] * step[cell], slope[cell + 1] * step[cell]
    rise = y[cell + 1] - y[cell]
    return y[cell] + u * (low + u * (3.0 * rise - 2.0 * low - high + u * (low + high - 2.0 * rise)))
