"""Priors, and the coordinate in which each parameter is unbounded."""

import math
from collections.abc import Mapping

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

KINDS = ("log_uniform", "uniform", "log_normal", "normal")


class Prior(eqx.Module):
    """A prior on one parameter.

    Attributes
    ----------
    kind : "log_uniform" or "uniform" between ``first`` and ``second``; "log_normal" with median
        ``first`` and standard deviation ``second`` of the natural logarithm; "normal" with mean
        ``first`` and standard deviation ``second``.
    first, second : floats, in the parameter's unit (``second`` of "log_normal" has none).

    Its natural coordinate s is the logarithm for the kinds that say so, else the value; densities
    are densities in s. The unbounded coordinate z is logit((s - low)/(high - low)), or (s - mean)/
    sigma.

    Raises
    ------
    ValueError
        If the kind is unknown, the numbers are not finite, a logarithm is asked of what is not
        positive, low is not below high, or sigma is not positive.
    """

    kind: str = eqx.field(static=True)
    first: float = eqx.field(static=True)
    second: float = eqx.field(static=True)

    def __check_init__(self):
        if self.kind not in KINDS:
            raise ValueError(f"prior {self.kind!r} is unknown; use one of {', '.join(KINDS)}")
        numbers = (self.first, self.second)
        if not all(math.isfinite(number) for number in numbers):
            raise ValueError(f"prior {self.kind} = {list(numbers)} must be two finite numbers")
        if self.logarithmic and self.first <= 0.0:
            raise ValueError(
                f"prior {self.kind} = {list(numbers)}: {self.first:g} must be positive; a "
                f"logarithm is taken"
            )
        if self.bounded and not self.first < self.second:
            raise ValueError(
                f"prior {self.kind} = {list(numbers)}: the first must be below the second; give "
                "[low, high]"
            )
        if not self.bounded and self.second <= 0.0:
            raise ValueError(
                f"prior {self.kind} = {list(numbers)}: the second is a standard deviation and must "
                "be positive"
            )

    @property
    def logarithmic(self) -> bool:
        """Whether the natural coordinate is the logarithm."""
        return self.kind.startswith("log_")

    @property
    def bounded(self) -> bool:
        """Whether the prior is zero outside [first, second]."""
        return self.kind.endswith("uniform")

    @property
    def edges(self) -> tuple[float, float]:
        """Natural coordinate at the bounds, or at five standard deviations."""
        centre = math.log(self.first) if self.logarithmic else self.first
        if not self.bounded:
            return centre - 5.0 * self.second, centre + 5.0 * self.second
        return centre, math.log(self.second) if self.logarithmic else self.second


def natural(prior: Prior, z: Array) -> Array:
    """The natural coordinate s at the unbounded coordinate ``z``, any shape."""
    if prior.bounded:
        low, high = prior.edges
        return low + (high - low) * jax.nn.sigmoid(z)
    centre = math.log(prior.first) if prior.logarithmic else prior.first
    return centre + prior.second * z


def value_of(prior: Prior, s: Array) -> Array:
    """The parameter at its natural coordinate ``s``."""
    return jnp.exp(s) if prior.logarithmic else s


def unbounded(prior: Prior, value) -> Array:
    """The unbounded coordinate of a parameter's value; infinite at a bound."""
    s = jnp.log(value) if prior.logarithmic else jnp.asarray(value, dtype=float)
    if prior.bounded:
        low, high = prior.edges
        return jnp.log(s - low) - jnp.log(high - s)
    centre = math.log(prior.first) if prior.logarithmic else prior.first
    return (s - centre) / prior.second


def log_density(prior: Prior, s: Array) -> Array:
    """Log of the normalised density in s; minus infinity beyond a bound."""
    low, high = prior.edges
    if prior.bounded:
        inside = (s >= low) & (s <= high)
        return jnp.where(inside, -math.log(high - low), -jnp.inf)
    centre = 0.5 * (low + high)
    return -0.5 * ((s - centre) / prior.second) ** 2 - math.log(
        math.sqrt(2.0 * math.pi) * prior.second
    )


def log_stretch(prior: Prior, z: Array) -> Array:
    """log ds/dz: density in z = density in s times its exponential."""
    if prior.bounded:
        low, high = prior.edges
        return math.log(high - low) + jax.nn.log_sigmoid(z) + jax.nn.log_sigmoid(-z)
    return jnp.full_like(z, math.log(prior.second))


def draw(prior: Prior, random: np.random.Generator, size: int) -> np.ndarray:
    """``size`` parameter values drawn from the prior."""
    low, high = prior.edges
    if prior.bounded:
        s = random.uniform(low, high, size)
    else:
        s = random.normal(0.5 * (low + high), prior.second, size)
    return np.exp(s) if prior.logarithmic else s


def in_order(priors: Mapping[str, Prior]) -> dict[str, Prior]:
    """The priors by name: jit sorts a dict's keys, so that inside and outside are one order."""
    return dict(sorted(priors.items()))
