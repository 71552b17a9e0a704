"""Observables tabulated over the priors: Chebyshev polynomials in a few parameters.

For problems that need very many evaluations, such as calibration, where the pipeline itself would
take days: the table is made by the pipeline, and says how well it does on points of its own choice.
"""

import itertools
from collections.abc import Callable, Mapping

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from spectra.precision import require_x64
from sterile.fit import priors as prior_module
from sterile.fit.priors import Prior


class Tabulated(eqx.Module):
    """Observables as polynomials; called like the function it was made of.

    Attributes
    ----------
    priors : parameter → :class:`Prior`, whose edges are the table's.
    names : observables, all positive scalars.
    coefficients : (len(names), n, n, ...) Chebyshev coefficients of ln observable.
    error : (len(names),) largest deviation of ln observable on the points looked at.
    """

    priors: dict[str, Prior] = eqx.field(converter=prior_module.in_order)
    names: tuple[str, ...] = eqx.field(static=True)
    coefficients: Array
    error: Array

    def __call__(self, values: Mapping[str, Array], names: tuple[str, ...]) -> dict[str, Array]:
        """Observable → number at ``values``; a multiplication by m_N for abundances from yields."""
        table = self.coefficients
        for name, prior in self.priors.items():
            # contracts the first parameter's axis, then the next has become the first
            table = jnp.tensordot(
                table, _polynomials(prior, values[name], table.shape[1]), ((1,), (0,))
            )
        found = dict(zip(self.names, jnp.exp(table)))
        return {name: found[name] for name in names}


def tabulate(
    observe: Callable,
    priors: dict[str, Prior],
    names: tuple[str, ...],
    nodes: int = 8,
    checks: int = 12,
    seed: int = 0,
) -> Tabulated:
    """A table of positive scalars over the box of the priors' edges.

    Parameters
    ----------
    observe : (values, names) → {name: number}, such as the pipeline.
    priors : the parameters of the table.
    nodes : Chebyshev nodes a parameter; nodes^d evaluations.
    checks : random points at which the table is compared with ``observe``; ``seed``: theirs.
    """
    require_x64()
    priors = prior_module.in_order(priors)
    compiled = eqx.filter_jit(lambda o, v: [o(v, names)[name] for name in names])

    def at(shares) -> np.ndarray:
        values = {
            name: prior_module.value_of(prior, jnp.asarray(_at_share(prior, share)))
            for (name, prior), share in zip(priors.items(), shares)
        }
        return np.log(np.array([float(number) for number in compiled(observe, values)]))

    angles = np.pi * (np.arange(nodes) + 0.5) / nodes
    places = 0.5 * (1.0 - np.cos(angles))
    d = len(priors)
    values = np.array([at(shares) for shares in itertools.product(places, repeat=d)])
    values = values.T.reshape(len(names), *[nodes] * d)
    # values at the nodes to coefficients: T_k(-cos a) = (-1)^k cos k a
    orders = np.arange(nodes)
    transform = 2.0 / nodes * (-1.0) ** orders[:, None] * np.cos(orders[:, None] * angles)
    transform[0] *= 0.5
    for axis in range(1, d + 1):
        values = np.moveaxis(np.tensordot(transform, values, ((1,), (axis,))), 0, axis)
    table = Tabulated(priors, names, jnp.asarray(values), jnp.zeros(len(names)))
    random = np.random.default_rng(seed)
    worst = np.zeros(len(names))
    for shares in random.uniform(size=(checks, d)):
        point = {
            name: prior_module.value_of(prior, jnp.asarray(_at_share(prior, share)))
            for (name, prior), share in zip(priors.items(), shares)
        }
        found = table(point, names)
        off = np.abs(np.log([float(found[name]) for name in names]) - at(shares))
        worst = np.maximum(worst, off)
    return eqx.tree_at(lambda t: t.error, table, jnp.asarray(worst))


def _at_share(prior: Prior, share: float) -> float:
    low, high = prior.edges
    return low + (high - low) * share


def _polynomials(prior: Prior, value, count: int) -> Array:
    """T_0 .. T_(count-1) at the parameter's place between the prior's edges."""
    low, high = prior.edges
    s = jnp.log(value) if prior.logarithmic else value
    x = (2.0 * s - low - high) / (high - low)

    def next_one(pair, _):
        before, now = pair
        return (now, 2.0 * x * now - before), before

    return jax.lax.scan(next_one, (jnp.ones_like(x), x), None, length=count)[1]
