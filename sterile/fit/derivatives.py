"""Whether derivatives are right: forward, reverse and extrapolated differences side by side."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from spectra.precision import require_x64


class Compared(NamedTuple):
    """Jacobians (m, d) of one function at one point.

    Attributes
    ----------
    value : (m,).
    forward, difference : forward mode, and Richardson-extrapolated differences.
    reverse : reverse mode; None when it was not asked for.
    difference_error : (m, d) of ``difference``: what halving its steps changes, and rounding.
    """

    value: np.ndarray
    forward: np.ndarray
    reverse: np.ndarray | None
    difference: np.ndarray
    difference_error: np.ndarray

    def excess(self, bound: float = 1e-6) -> np.ndarray:
        """|forward - difference| over the larger of ``bound`` and ten times the difference's error.

        (m, d); above 1 is a failure, NaN where the value is not finite.
        """
        allowed = np.maximum(bound, 10.0 * self.difference_error)
        return np.abs(self.forward - self.difference) / allowed


# one function at a time: compiled programs of this size are not to be collected
@functools.lru_cache(maxsize=1)
def _compiled(function):
    """The value, a derivative along a direction and the reverse Jacobian, compiled when called."""
    return (
        jax.jit(function),
        jax.jit(lambda x, v: jax.jvp(function, (x,), (v,))[1]),
        jax.jit(jax.jacrev(function)),
    )


def compare(
    function: Callable,
    x: ArrayLike,
    step: float = 2e-4,
    reverse: bool = True,
    rounding: float = 1e-13,
) -> Compared:
    """Derivatives of ``function`` at ``x``, three ways.

    Parameters
    ----------
    function : (d,) → (m,), differentiable by JAX; compiled here, once for each way, and again
        only for another function.
    x : (d,), of order one: logarithms of parameters.
    step : of the differences; they are repeated with a half and a quarter of it.
    reverse : whether reverse mode is looked at, which compiles longest.
    rounding : relative error of a value, which a difference divides by its step.
    """
    require_x64()
    x = jnp.asarray(x, dtype=float)
    value, along, backward = _compiled(function)
    unit = np.eye(x.size)
    forward = np.stack([np.asarray(along(x, v)) for v in unit], axis=-1)
    found = np.asarray(backward(x)) if reverse else None
    centre = np.asarray(value(x))
    columns = []
    for v in unit:
        wide, near, close = (
            (np.asarray(value(x + h * v)) - np.asarray(value(x - h * v))) / (2.0 * h)
            for h in (step, 0.5 * step, 0.25 * step)
        )
        columns.append(((4.0 * near - wide) / 3.0, (4.0 * close - near) / 3.0))
    first, second = (np.stack([column[i] for column in columns], axis=-1) for i in (0, 1))
    noise = rounding * np.maximum(np.abs(centre), 1.0)[:, None] / (0.25 * step)
    return Compared(centre, forward, found, second, np.abs(second - first) + noise)


def second_derivatives(
    function: Callable, x: ArrayLike, direction: ArrayLike, step: float = 1e-3
) -> Any:
    """Second derivatives along a direction: nested forward mode, and differences of the first.

    ``function``: (d,) → (m,), at ``x`` (d,) along ``direction`` (d,); ``step``: of the differences.
    Returns two arrays (m,).
    """
    require_x64()
    x, v = jnp.asarray(x, dtype=float), jnp.asarray(direction, dtype=float)
    slope, twice = _compiled_twice(function)
    wide, near = (
        (np.asarray(slope(x, v, h)) - np.asarray(slope(x, v, -h))) / (2.0 * h)
        for h in (step, 0.5 * step)
    )
    return np.asarray(twice(x, v, 0.0)), (4.0 * near - wide) / 3.0


@functools.lru_cache(maxsize=1)
def _compiled_twice(function):
    """First and second derivative of ``function(x + t v)`` in t, compiled when called."""

    def slope(x, v, t):
        return jax.jvp(lambda t: function(x + t * v), (t,), (jnp.ones(()),))[1]

    def twice(x, v, t):
        return jax.jvp(lambda t: slope(x, v, t), (t,), (jnp.ones(()),))[1]

    return jax.jit(slope), jax.jit(twice)
