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


def difference(
    q: Array | np.ndarray,
    f: Array,
    coarse_q: Array | np.ndarray,
    coarse_f: Array,
    floor: float = FLOOR,
) -> ErrorEstimate:
    """Error of F (n,) at ``q`` from a coarser solution: the whole difference, a bound."""
    number, mean = _moments(q, f)
    coarse_number, coarse_mean = _moments(coarse_q, coarse_f)
    inside = jnp.clip(jnp.log(q), jnp.log(coarse_q[0]), jnp.log(coarse_q[-1]))
    other = interpolate(inside, jnp.log(coarse_q), coarse_f)
    shape = q**2 * f
    gap = jnp.max(jnp.abs(q**2 * other - shape)) / jnp.max(shape)
    return ErrorEstimate(
        jnp.abs(coarse_number / number - 1.0) + floor,
        jnp.abs(coarse_mean / mean - 1.0) + floor,
        gap + floor,
    )


def between(finer: Production, coarser: Production) -> ErrorEstimate:
    """Error of the finer of two productions of one model."""
    return difference(finer.q, finer.f, coarser.q, coarser.f)


def between_resonant(finer: Production, coarser: Production) -> ErrorEstimate:
    """The same of resonant mixing."""
    return difference(finer.q, finer.f, coarser.q, coarser.f, RESONANT_FLOOR)


def _moments(q, f):
    step = jnp.log(q[-1] / q[0]) / (q.size - 1)
    number = jnp.sum(q**3 * f)
    return number * step, jnp.sum(q**4 * f) / number
