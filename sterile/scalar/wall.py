"""Steps in parts: the first below T_EW, and those in which a stiff rate changes by factors.

At T_EW f_S may be far from what the broken phase makes of it, and S may be made, annihilate or
decay a thousand times faster than H. f then moves by factors in a small part of a step, and rates
that grow with f are not in the Jacobian of its start. Parts of the step that grow by a constant
factor follow f all the way, whatever the rates.

Fast S meet the Higgs resonance with the few that are fast enough, and their rate, L/H ~ 1e4, falls
by exp(-E_2/T), by e^1.5 in 0.075 of the clock. A step whose matrix is that of its start multiplies
what such a mode is off its balance by 2 then, and by 0.4 where the rate falls by e^0.75; where one
grows by e^0.3 and e^0.75, by -0.3 and -24. Even parts keep it on its balance.
"""

import jax
import jax.numpy as jnp
import numpy as np

from sterile.scalar.rates import blocking_of, expansion, rates_at, surroundings_of
from sterile.scalar.rosenbrock import NODES, polynomial_weights

# growth and number of parts; the first is 5e-5 of the step: it resolves rates of 5e5 H
_GROWING = 3.0, 10
# with stimulated emission f grows by exponentials: parts that grow by 2 do not follow it to 10 as
# 500 decays a Hubble time pull, those that grow by 1.25 move f by less than 1e-4
_STIMULATED = 1.5, 25
# a mode is stiff above that many collisions a step; how far off its balance it matters; ln of the
# change of its rate in a step, falling and rising
_STIFF, _OFF, _FALL, _RISE = 10.0, 1e-2, 0.9, 0.3

_NOTHING = 1e-150  # rate [GeV]; its inverse square is finite


def changes_fast(particle, around, step, f, rest):
    """Whether the rate of a stiff mode that is not in balance changes by factors in a step, scalar.

    Arguments as for :func:`sterile.scalar.step.implicit_step`.
    """
    first, last = (jax.tree.map(lambda leaf, i=i: leaf[i], around) for i in (0, -1))
    rates = rates_at(particle, first, f)
    hubble, _, _ = expansion(particle, first.thermal, rates, f, rest)
    # as equilibrium falls; what no longer does is not stiff
    exponents = (at.energy_gev / at.thermal.temperature_gev for at in (first, last))
    later = rates_at(particle, last, f * jnp.exp(next(exponents) - next(exponents)))
    bath = jnp.sqrt(last.thermal.density_gev4 / first.thermal.density_gev4)
    change = jnp.log(jnp.maximum(later.loss, _NOTHING) / jnp.maximum(rates.loss * bath, _NOTHING))
    stiff = blocking_of(particle, f) * rates.loss * step > _STIFF * hubble
    off = jnp.abs(rates.source - rates.loss * f) > _OFF * rates.loss * f
    return jnp.any(stiff & off & ((change < -_FALL) | (change > _RISE)))


def step_in_parts(advance, particle, yields, around, step, carry, wall):
    """The end of a step that is taken in parts.

    Parameters
    ----------
    advance : a step as :func:`sterile.scalar.step.implicit_step`.
    particle, yields, carry : as there.
    around : at the nodes of the whole step; bath and operator are smooth in it, but for the
        crossover's at the first.
    step : its length.
    wall : whether it is the first below T_EW, whose parts grow.
    """
    growth, count = _STIMULATED if particle.stimulated else _GROWING
    even = np.arange(1.0, count + 1.0) / count
    graded, even = (_parts(ends) for ends in (growth ** np.arange(1.0 - count, 1.0), even))
    starts, lengths, values, slopes = (jnp.where(wall, *pair) for pair in zip(graded, even))
    thermal, operator = around.thermal, around.operator
    if particle.transition_gev is not None:
        operator = jnp.where(wall, _from_later(operator), operator)
        if thermal.windows is not None:
            windows = jnp.where(wall, _from_later(thermal.windows), thermal.windows)
            thermal = thermal._replace(windows=windows)
    # rows over the rate of thermal pairs vary slowly, however fast that falls; without the windows
    # they do as they are, and may have either sign
    log_size = jnp.zeros(operator.shape[:2])
    if thermal.windows is None:
        size = jnp.maximum(jnp.einsum("npq,nq->np", operator, around.equilibrium), _NOTHING)
        log_size = jnp.where(wall, 0.0, jnp.log(size))
    shape = operator * jnp.exp(-log_size)[..., None]

    def between(weights):
        bath = jax.tree.map(lambda leaf: jnp.tensordot(weights, leaf, 1), thermal)
        rows = jnp.exp(jnp.tensordot(weights, log_size, 1))
        return bath, rows[..., None] * jnp.tensordot(weights, shape, 1)

    def part(carry, inputs):
        start, length, value, slope = inputs
        bath, operators = between(value)
        at_nodes = (bath._replace(shift=bath.shift - start * step), operators)
        _, along = jax.jvp(between, (value[0],), (slope / step,))

        def surroundings(thermal, operator):
            return surroundings_of(particle, thermal, operator)

        nodes = jax.vmap(surroundings)(*at_nodes)
        first = jax.tree.map(lambda leaf: leaf[0], at_nodes)
        _, slopes = jax.jvp(surroundings, first, along)
        return advance(particle, yields, nodes, slopes, length * step, carry), None

    return jax.lax.scan(part, carry, (starts, lengths, values, slopes))[0]


def _parts(ends):
    """Starts, lengths, and weights of the step's nodes for values and slopes, of every part."""
    starts = np.concatenate([[0.0], ends[:-1]])
    lengths = ends - starts
    values = polynomial_weights(NODES, starts[:, None] + lengths[:, None] * NODES)
    return starts, lengths, values, polynomial_weights(NODES, starts, derivative=True)


def _from_later(rates):
    """Rates at the nodes that begin at zero, and may be at their bound before the second."""
    later = jnp.tensordot(polynomial_weights(NODES[1:], 0.0), rates[1:], 1)
    return rates.at[0].set(jnp.clip(later, 0.0, 2.0 * rates[-1]))
