"""A user's table of f(q) as numbers of particles on a uniform grid in ln u, u = q T / m."""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from spectra.constants import KELVIN_GEV
from spectra.numerics import lagrange
from spectra.spectrum import Spectrum

_KEV_GEV = 1e-6
_QUADRATURE_TARGET = 1600  # points over the whole table


class VelocityGrid(eqx.Module):
    """``nodes`` values of ln u, ``dy`` apart from ``ln_u_first`` on, at a temperature T_CMB [K]."""

    t_cmb_kelvin: Array
    ln_u_first: Array
    dy: float = eqx.field(static=True)
    nodes: int = eqx.field(static=True)


def ln_u_of(grid: VelocityGrid) -> Array:
    """ln u of the nodes of a grid, (ny,)."""
    return grid.ln_u_first + grid.dy * np.arange(grid.nodes + 0.0)


def log_velocity_histogram(dm: Spectrum, grid: VelocityGrid) -> tuple[Array, Array]:
    """Number fractions (ny,) on a grid of ln u, and the fraction above it (scalar).

    f is a shape-preserving cubic of ln f in ln q between the nodes (linear in q next to a zero),
    each interval is integrated by Gauss-Legendre points, and each point's particles go to six
    nodes, with weights that change smoothly as a point moves over the grid: so do derivatives in
    masses and temperatures. Sums of the result against a smooth function of ln u are those of
    f itself whatever the table's spacing, lines narrower than the grid included; the number is
    conserved to rounding. Below the grid counts as its lowest velocity.
    """
    ln_u, share = velocity_points(dm, grid)
    place = (ln_u - grid.ln_u_first) / grid.dy
    above = place > grid.nodes - 4.0
    number, _ = spread(place, jnp.where(above, 0.0, share), grid.nodes)
    return number, jnp.sum(jnp.where(above, share, 0.0))


def velocity_points(dm: Spectrum, grid: VelocityGrid) -> tuple[Array, Array]:
    """Points in ln u of :func:`particle_quadrature`, and the share of the particles at each."""
    ln_q, weight = particle_quadrature(dm.q, dm.f)
    temperature = dm.temperature_ratio * (grid.t_cmb_kelvin * KELVIN_GEV)
    unit = temperature / (dm.mass_kev * _KEV_GEV)
    return ln_q + jnp.log(unit), weight / jnp.sum(weight)


def spread(place: Array, share: Array, count: int) -> tuple[Array, Array]:
    """``share`` (n,) at ``place`` (n,), in units of the spacing, on ``count`` nodes (count,).

    The second result is its derivative along the nodes: its sum against a smooth function is less
    that against the function's derivative. What is beyond the nodes is put at their ends.
    """
    place = jnp.clip(place, 2.0, count - 4.0)
    node = jnp.floor(place)
    part = place - node
    weights, slopes = jax.jvp(blended_six, (part,), (jnp.ones_like(part),))
    index = node.astype(jnp.int32)[:, None] + np.arange(-2, 4, dtype=np.int32)[None, :]

    def summed(each):
        values = share[:, None] * each
        return jnp.zeros(count).at[index].add(values, mode="promise_in_bounds")

    return summed(weights), summed(-slopes)


def blended_six(t: Array) -> Array:
    """Weights of nodes -2..3 for the point t in [0, 1), shape (..., 6); quartics are exact.

    The five-point interpolants around either end, blended by a step without slope or curvature at
    its ends: unlike Lagrange's, the weights' first two derivatives are continuous from cell to
    cell.
    """
    right = (t**3 * (10.0 - 15.0 * t + 6.0 * t**2))[..., None]
    around_left = jnp.stack([*lagrange(t + 2.0, 5), jnp.zeros_like(t)], axis=-1)
    around_right = jnp.stack([jnp.zeros_like(t), *lagrange(t + 1.0, 5)], axis=-1)
    return around_left + right * (around_right - around_left)


def lagrange_six(t: Array) -> Array:
    """Weights of nodes -2..3 for the point t in [0, 1); shape (..., 6)."""
    return jnp.stack(lagrange(t + 2.0, 6), axis=-1)


def particle_quadrature(q: Array, f: Array) -> tuple[Array, Array]:
    """Points ln q and weights, flattened, with sum(weight g) = integral of q^3 f g d ln q.

    ``q``, ``f``: (n,). The weights carry an arbitrary common factor (f over its maximum).
    """
    points = int(np.clip(math.ceil(_QUADRATURE_TARGET / (q.shape[0] - 1)), 2, 8))
    inner, inner_weight = np.polynomial.legendre.leggauss(points)
    s = jnp.asarray(0.5 * (1.0 + inner))[None, :]
    f = f / jnp.max(f)
    x = jnp.log(q)
    step = jnp.diff(x)
    positive = f > 0.0
    both = positive[1:] & positive[:-1]
    ln_f = jnp.log(jnp.where(positive, f, 1.0))
    chord = jnp.where(both, jnp.diff(ln_f) / step, 0.0)
    slope = _limited_slopes(step, chord, both)

    h, left, right = step[:, None], ln_f[:-1, None], ln_f[1:, None]
    cubic = (
        left * (1.0 + 2.0 * s) * (1.0 - s) ** 2
        + right * s**2 * (3.0 - 2.0 * s)
        + h * (slope[:-1, None] * s * (1.0 - s) ** 2 - slope[1:, None] * s**2 * (1.0 - s))
    )
    ln_q = x[:-1, None] + h * s
    at = jnp.exp(ln_q)
    linear = f[:-1, None] + (f[1:] - f[:-1])[:, None] * (
        (at - q[:-1, None]) / (q[1:] - q[:-1])[:, None]
    )
    value = jnp.where(both[:, None], jnp.exp(jnp.where(both[:, None], cubic, 0.0)), linear)
    weight = 0.5 * h * jnp.asarray(inner_weight)[None, :] * value * at**3
    return ln_q.ravel(), weight.ravel()


def _limited_slopes(step: Array, chord: Array, valid: Array) -> Array:
    """d ln f / d ln q at the nodes: parabola through three, at most three times the flatter chord.

    The limit (Fritsch & Carlson 1980) keeps a cliff from ringing. Next to an interval without a
    logarithm, and at the ends, the slope is that of the other side.
    """
    left, right = chord[:-1], chord[1:]
    parabola = (step[:-1] * right + step[1:] * left) / (step[:-1] + step[1:])
    bound = 3.0 * jnp.minimum(jnp.abs(left), jnp.abs(right))
    inner = jnp.where(
        valid[:-1] & valid[1:],
        jnp.clip(parabola, -bound, bound),
        jnp.where(valid[1:], right, left),
    )
    return jnp.concatenate([chord[:1], inner, chord[-1:]])
