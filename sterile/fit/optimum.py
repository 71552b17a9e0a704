"""Best fits: the maximum of a posterior, found from several starts by optimistix's BFGS."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax import Array

from spectra.precision import require_x64
from sterile.fit import priors
from sterile.fit.extra import require
from sterile.fit.target import (
    WALL,
    Target,
    coordinates_of,
    evaluated,
    potential,
    value_and_gradient,
)

_STEPS = 80
# draws from the priors that are looked at for each start
LOOKED = 12
# change of the potential and of z at which a search ends: 1e-3 of a standard deviation and below
_TOLERANCE = 1e-6
# nearer than this to an end of a bounded prior, in units of its width, is at the end
_AT_BOUND = 1e-3
# a start this much worse than the best is none; too hot for any satellite is 55 worse
_HOPELESS = 100.0


class Maximum(eqx.Module):
    """The best point of one search.

    Attributes
    ----------
    z : (d,) unbounded coordinates.
    values : parameter → value, the derived mass included.
    potential : minus the log density there, scalar.
    chi_square : -2 log likelihood, scalar.
    residuals : (m,) of the likelihood terms.
    gradient : (d,) of the potential in z: zero at a converged maximum.
    at_bound : parameters that the search left at an end of their prior.
    converged : whether the gradient is small against the curvature of one standard deviation.
    """

    z: Array
    values: dict[str, float] = eqx.field(static=True)
    potential: float = eqx.field(static=True)
    chi_square: float = eqx.field(static=True)
    residuals: Array
    gradient: Array
    at_bound: tuple[str, ...] = eqx.field(static=True)
    converged: bool = eqx.field(static=True)


def maximum(target: Target, start: Array, stretch: bool = False) -> Maximum:
    """Climb from ``start`` (d,), unbounded coordinates, to the nearest maximum of ``target``.

    The density is one in the priors' natural coordinates (the logarithm for log_uniform and
    log_normal), or with ``stretch`` in z: the mode that a sampler starts from. A bounded prior is a
    bound: z is its logit, and a maximum at an end is reported in ``at_bound``.
    """
    require_x64()
    require("optimistix")
    z = jnp.asarray(_climb(target, jnp.asarray(start, dtype=float), stretch))
    value, gradient = value_and_gradient(target, z, stretch)
    found = evaluated(target, z)
    values = {name: float(number) for name, number in found.values.items()}
    at_bound = tuple(
        name for name, prior in target.priors.items() if _near_end(prior, values[name])
    )
    inside = np.array([name not in at_bound for name in target.names])
    small = np.abs(np.asarray(gradient))[inside] < 1e-2
    return Maximum(
        z=z,
        values=values,
        potential=float(value),
        chi_square=-2.0 * float(found.log_likelihood),
        residuals=found.residuals,
        gradient=gradient,
        at_bound=at_bound,
        converged=bool(np.all(small)) and float(value) < WALL,
    )


@eqx.filter_jit
def _climb(target: Target, start: Array, stretch: bool) -> Array:
    import optimistix

    found = optimistix.minimise(
        lambda z, target: potential(target, z, stretch),
        optimistix.BFGS(rtol=_TOLERANCE, atol=_TOLERANCE),
        start,
        args=target,
        max_steps=_STEPS,
        throw=False,
    )
    return found.value


def starts(
    target: Target, looked: int, seed: int, also: tuple[str, ...] = ()
) -> list[tuple[float, Array]]:
    """Draws from the priors that a search may start from: (potential, z), best first.

    ``looked``: how many are drawn; those where the density is zero, or e^-100 of the best one's,
    are dropped. A derived mass starts from its likelihood's centre. ``also``: scalars that whoever
    goes on asks for beside, so that one program serves both.
    """
    random = np.random.default_rng(seed)
    tried = []
    for _ in range(looked):
        values = {name: priors.draw(prior, random, 1)[0] for name, prior in target.priors.items()}
        abundance = target.measured_abundance
        if abundance is not None:
            values["omega_h2"] = float(abundance.mean)
        z = coordinates_of(target, values)
        tried.append((-float(evaluated(target, z, also).log_density), z))
    tried.sort(key=lambda each: each[0])
    limit = min(WALL, tried[0][0] + _HOPELESS)
    return [each for each in tried if each[0] < limit]


def _near_end(prior, value: float) -> bool:
    if not prior.bounded:
        return False
    low, high = prior.edges
    s = np.log(value) if prior.logarithmic else value
    return not _AT_BOUND < (s - low) / (high - low) < 1.0 - _AT_BOUND
