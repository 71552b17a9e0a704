"""How far off a solution is: beside it, the same model with fewer steps and cells."""

import jax.numpy as jnp
import numpy as np
from jax import Array

from spectra.numerics import interpolate
from sterile.contract import ErrorEstimate, Production

# what no refinement shows, relative: the ends of the clock and of the momenta, splines in ln T
FLOOR = 1e-5
# where resonances sweep, differences come out small by chance
RESONANT_FLOOR = 3e-4
# there the moments of two grids agree better than either does with finer ones: at least so much of
# the largest difference of the spectra, which many momenta share
_RESONANT_SHARE = 0.02


def difference(
    q: Array | np.ndarray,
    f: Array,
    coarse_q: Array | np.ndarray,
    coarse_f: Array,
    floor: float = FLOOR,
    share: float = 0.0,
) -> ErrorEstimate:
    """Error of F (n,) at ``q`` from a coarser solution: the whole difference, a bound.

    ``floor`` of all errors; ``share`` of the spectrum's that those of moments have beside.
    """
    number, mean = _moments(q, f)
    coarse_number, coarse_mean = _moments(coarse_q, coarse_f)
    inside = jnp.clip(jnp.log(q), jnp.log(coarse_q[0]), jnp.log(coarse_q[-1]))
    other = interpolate(inside, jnp.log(coarse_q), coarse_f)
    shape = q**2 * f
    gap = jnp.max(jnp.abs(q**2 * other - shape)) / jnp.max(shape)
    least = floor + share * gap
    return ErrorEstimate(
        jnp.abs(coarse_number / number - 1.0) + least,
        jnp.abs(coarse_mean / mean - 1.0) + least,
        gap + floor,
    )


def resonant_difference(
    q: Array | np.ndarray, f: Array, coarse_q: Array | np.ndarray, coarse_f: Array
) -> ErrorEstimate:
    """:func:`difference` of resonant mixing."""
    return difference(q, f, coarse_q, coarse_f, RESONANT_FLOOR, _RESONANT_SHARE)


def between(finer: Production, coarser: Production) -> ErrorEstimate:
    """Error of the finer of two productions of one model."""
    return difference(finer.q, finer.f, coarser.q, coarser.f)


def between_resonant(finer: Production, coarser: Production) -> ErrorEstimate:
    """The same of resonant mixing."""
    return resonant_difference(finer.q, finer.f, coarser.q, coarser.f)


def _moments(q, f):
    step = jnp.log(q[-1] / q[0]) / (q.size - 1)
    number = jnp.sum(q**3 * f)
    return number * step, jnp.sum(q**4 * f) / number
