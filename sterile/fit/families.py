"""Families of momentum spectra with a few parameters, as a fit varies them.

Only the shape of f and the scale of the velocities p/m shape T^2(k): a family's momenta are in
units of its own scale, and what is fitted beside its shape is one velocity scale.
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array

# momenta in units of the family's scale; q^3 f is below 1e-9 of its peak at either end for the
# whole range of the shapes
_MOMENTA = np.geomspace(1e-5, 200.0, 600)


class Family(NamedTuple):
    """A parametric spectrum.

    Attributes
    ----------
    shape : (x (n,), parameters) -> f(x), not normalised.
    starts : parameter → value, points that a fit starts from.
    ranges : parameter → (low, high), inside which it stays.
    formula : of f.
    """

    shape: Callable[[Array, Mapping[str, Array]], Array]
    starts: tuple[dict[str, float], ...]
    ranges: dict[str, tuple[float, float]]
    formula: str


def _power_cutoff(x, p):
    return x ** p["slope"] * jnp.exp(-(x ** p["cutoff"]))


def _thermal(x, p):
    return 1.0 / (jnp.exp(x) + 1.0)


def _two_bumps(x, p):
    # each bump is that of decay at rest in equilibrium, number in the second: share
    second = x / p["ratio"]
    first = jnp.exp(-x) / jnp.sqrt(x)
    return (1.0 - p["share"]) * first + p["share"] * jnp.exp(-second) / jnp.sqrt(second) / p[
        "ratio"
    ] ** 3


FAMILIES = {
    "thermal": Family(_thermal, ({},), {}, "1/(e^x + 1)"),
    "power-cutoff": Family(
        _power_cutoff,
        (
            {"slope": -0.5, "cutoff": 1.0},
            {"slope": 0.5, "cutoff": 1.5},
            {"slope": -1.0, "cutoff": 2.0},
        ),
        {"slope": (-1.8, 3.0), "cutoff": (0.6, 4.0)},
        "x^slope exp(-x^cutoff)",
    ),
    "two-bumps": Family(
        _two_bumps,
        ({"share": 0.4, "ratio": 0.2}, {"share": 0.8, "ratio": 0.5}),
        {"share": (0.0, 1.0), "ratio": (0.01, 0.9)},
        "(1 - share) x^-1/2 e^-x + share ratio^-3 (x/ratio)^-1/2 e^(-x/ratio)",
    ),
}


def tabulated(name: str, parameters: Mapping[str, Array]) -> tuple[Array, Array]:
    """Momenta x (600,) and f(x) of a family's member; x^3 f falls to 1e-9 of its peak inside."""
    x = jnp.asarray(_MOMENTA)
    f = FAMILIES[name].shape(x, parameters)
    # far in the tail f underflows: a positive floor keeps its derivative finite
    return x, jnp.maximum(f, 1e-290)
