"""Integrals over uniform grids by Gregory's rule of sixth order, without its matrix.

A matrix of weights is a constant of the program that uses it: 1.3 MB for 401 nodes, most of what
the program weighs.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from spectra.linear import integration_weights

# nodes at either end whose weight is not one
_ENDS = 6
_SMALL = integration_weights(2 * _ENDS)
_HEAD, _TAIL = _SMALL[-1, :_ENDS], _SMALL[-1, _ENDS:]


def whole_weights(n: int) -> np.ndarray:
    """Weights (n,), n >= 12, of the integral over a uniform grid of unit spacing.

    The last row of :func:`spectra.linear.integration_weights`.
    """
    return np.concatenate([_HEAD, np.ones(n - 2 * _ENDS), _TAIL])


@jax.jit
def running_integral(values: Array) -> Array:
    """Integral over nodes 0..i of a uniform grid of unit spacing, for every i, shape (n,).

    The product of :func:`spectra.linear.integration_weights` with ``values`` (n,), n >= 12: a
    running sum, corrected at both of its ends.
    """
    begun = 2 * _ENDS  # from this node on the ends do not overlap
    count = values.shape[0] - begun
    last = [
        (weight - 1.0) * values[begun - _ENDS + 1 + j :][:count] for j, weight in enumerate(_TAIL)
    ]
    later = jnp.cumsum(values)[begun:] + (_HEAD - 1.0) @ values[:_ENDS] + sum(last)
    return jnp.concatenate([_SMALL @ values[:begun], later])
