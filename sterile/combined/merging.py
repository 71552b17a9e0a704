"""Spectra of several productions on one table of momenta, and what adds up besides.

Species of different masses are, for gravity, exactly one species: particles follow p/m alone, and a
spectrum F_i of mass m_i has the stress-energy, at all times, of

    F(q) = (m_i/m)^4 F_i(q m_i/m)

of mass m. Its yield, (m_i/m) Y_i, gives the same Omega h^2, and m^4 F, which phase-space bounds
limit, is the sum of those of the species.
"""

from collections.abc import Sequence

import jax.numpy as jnp
import numpy as np
from jax import Array

from spectra.numerics import lagrange_stencil
from sterile.contract import ErrorEstimate, History, Production
from sterile.status import is_failure

NODES = 1600
_DARK = 1e-280
_FIRST = 1000  # above every code
_OVERSHOOT = 0.3  # of ln F between two nodes; more is ringing


def merged_spectrum(tables: Sequence[tuple[Array, Array]]) -> tuple[Array, Array]:
    """(q, F) of the sum of tables (q_i, F_i), log-uniform in q; one table stays as it is."""
    if len(tables) == 1:
        return tables[0]
    low = jnp.min(jnp.stack([q[0] for q, _ in tables]))
    high = jnp.max(jnp.stack([q[-1] for q, _ in tables]))
    log_q = jnp.linspace(jnp.log(low), jnp.log(high), NODES)
    parts = [_on_table(log_q, *table) for table in tables]
    return jnp.exp(log_q), jnp.sum(jnp.stack(parts), axis=0)


def _on_table(log_q, q, f):
    """F at ln q (m,): six points in ln F, a power law below the table and nothing above it."""
    x, y = jnp.log(q), jnp.log(jnp.maximum(f, _DARK))
    inside = jnp.clip(log_q, x[0], x[-1])
    nodes, weights = lagrange_stencil(inside, x)
    smooth = jnp.sum(weights * y[nodes], axis=1)
    left = jnp.clip(jnp.searchsorted(x, inside, side="right") - 1, 0, x.size - 2)
    lower = jnp.minimum(y[left], y[left + 1]) - _OVERSHOOT
    upper = jnp.maximum(y[left], y[left + 1]) + _OVERSHOOT
    below = jnp.minimum(log_q - x[0], 0.0) * (y[1] - y[0]) / (x[1] - x[0])
    value = jnp.exp(jnp.clip(smooth, lower, upper) + below)
    # the last node itself may be met up to rounding
    return jnp.where(log_q > x[-1] + 1e-12, 0.0, value)


def merged_history(productions: Sequence[Production], weights: Sequence[Array]) -> History:
    """Yields in time of the weighted sum: at the times of all parts, in order."""
    if len(productions) == 1:
        return productions[0].history
    histories = [production.history for production in productions]
    temperature = jnp.sort(jnp.concatenate([h.temperature_gev for h in histories]))
    total = jnp.zeros_like(temperature)
    for history, weight in zip(histories, weights):
        when = jnp.log(history.temperature_gev[::-1])
        total = total + weight * jnp.interp(jnp.log(temperature), when, history.yield_n[::-1])
    return History(temperature[::-1], total[::-1])


def merged_error(
    productions: Sequence[Production], shares: Array, peaks: Array
) -> ErrorEstimate | None:
    """Bounds on the errors of a sum, where every part has one.

    ``shares``: (n,) of the yield; ``peaks``: (n,) peaks of q^2 F over that of the sum.
    """
    errors = [production.error for production in productions if production.error is not None]
    if len(errors) < len(productions):
        return None
    yields = jnp.stack([error.yield_n for error in errors])
    means = jnp.stack([error.q_mean for error in errors])
    spectra = jnp.stack([error.spectrum for error in errors])
    return ErrorEstimate(
        jnp.sum(shares * yields), jnp.sum(shares * (means + yields)), jnp.sum(peaks * spectra)
    )


def worst(statuses: Sequence[Array]) -> Array:
    """A failure where there is one, else a caveat, else success; of several the largest code."""
    codes = jnp.stack(statuses)
    return codes[jnp.argmax(jnp.where(is_failure(codes), codes + _FIRST, codes))]


def distinct(choices: Sequence) -> tuple[list, np.ndarray]:
    """Tuples of the static choices of all parts, and the index of each model's, (n,)."""
    count = max(choice.index.size for choice in choices)
    columns = [np.broadcast_to(choice.index, count) for choice in choices]
    found: dict[tuple, int] = {}
    index = [
        found.setdefault(tuple(choice.grids[i] for choice, i in zip(choices, row)), len(found))
        for row in zip(*(column.tolist() for column in columns))
    ]
    return list(found), np.array(index)
