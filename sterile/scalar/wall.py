"""The first step below T_EW, in parts that begin small.

At T_EW f_S may be far from what the broken phase makes of it, and S may be made, annihilate or
decay a thousand times faster than H. f then moves by factors in a small part of a step, and rates
that grow with f are not in the Jacobian of its start. Parts of the step that grow by a constant
factor follow f all the way, whatever the rates.
"""

import jax
import jax.numpy as jnp
import numpy as np

from sterile.scalar.rates import surroundings_of
from sterile.scalar.rosenbrock import NODES, polynomial_weights

# the first part is 5e-5 of the step: it resolves rates of 5e5 H
_GROWTH, _PARTS = 3.0, 10


def graded_step(advance, particle, yields, around, step, carry):
    """The end of a step that is taken in parts.

    Parameters
    ----------
    advance : a step as :func:`sterile.scalar.step.implicit_step`.
    particle, yields, carry : as there.
    around : at the nodes of the whole step; bath and operator are smooth in it, but for the
        crossover's at the first.
    step : its length.
    """
    ends = _GROWTH ** np.arange(1.0 - _PARTS, 1.0)
    starts = np.concatenate([[0.0], ends[:-1]])
    lengths = ends - starts
    values = polynomial_weights(NODES, starts[:, None] + lengths[:, None] * NODES)
    slopes = polynomial_weights(NODES, starts, derivative=True)
    thermal, operator = around.thermal, around.operator
    if particle.transition_gev is not None:
        operator = _from_later(operator)
        if thermal.windows is not None:
            thermal = thermal._replace(windows=_from_later(thermal.windows))

    def part(carry, inputs):
        start, length, value, slope = inputs
        given = (thermal, operator)
        at_nodes = jax.tree.map(lambda leaf: jnp.tensordot(value, leaf, 1), given)
        along = jax.tree.map(lambda leaf: jnp.tensordot(slope, leaf, 1) / step, given)
        here = at_nodes[0]._replace(shift=at_nodes[0].shift - start * step)
        at_nodes = (here, at_nodes[1])

        def surroundings(thermal, operator):
            return surroundings_of(particle, thermal, operator)

        nodes = jax.vmap(surroundings)(*at_nodes)
        first = jax.tree.map(lambda leaf: leaf[0], at_nodes)
        _, slopes = jax.jvp(surroundings, first, along)
        return advance(particle, yields, nodes, slopes, length * step, carry), None

    return jax.lax.scan(part, carry, (starts, lengths, values, slopes))[0]


def _from_later(rates):
    """Rates at the nodes that begin at zero, and may be at their bound before the second."""
    later = jnp.tensordot(polynomial_weights(NODES[1:], 0.0), rates[1:], 1)
    return rates.at[0].set(jnp.clip(later, 0.0, 2.0 * rates[-1]))
