"""Where a margin is zero, or a number takes a value, in a plane of two parameters."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import ArrayLike

from spectra.cosmology import Cosmology
from spectra.precision import require_x64
from spectra.units import plain_numbers
from sterile.fit.curve import Curve, refined, zero_curves
from sterile.fit.observables import (
    fitted_parameters,
    number_of,
    pipeline,
    require_parameter,
    scalars,
)
from sterile.mechanisms import mechanism_of
from sterile.models import Model, Plasma, parameters_of


@dataclass(frozen=True)
class Boundary:
    """The lines on which a margin is zero.

    Attributes
    ----------
    plane : the two parameters.
    curves : one array (n, 2) of their values a connected line, in order along it.
    closed : whether each is a loop.
    evaluations : of value and gradient; a dense scan of as many points a side as the shortest
        curve has takes their square.
    """

    plane: tuple[str, str]
    curves: tuple[np.ndarray, ...]
    closed: tuple[bool, ...]
    evaluations: int
    _unit: tuple[Curve, ...] = ()
    _box: tuple[tuple[float, float], tuple[float, float]] = ((0.0, 1.0), (0.0, 1.0))

    def refined(self, each: int = 8) -> tuple[np.ndarray, ...]:
        """The curves with ``each`` points to a step, by their exact tangents, for drawing."""
        return tuple(_physical(refined(curve, each), self._box) for curve in self._unit)


@plain_numbers
def trace(
    of: str | Callable,
    plane: tuple[str, str],
    at: Model,
    *,
    low: tuple[float, float] | None = None,
    high: tuple[float, float] | None = None,
    level: float = 0.0,
    cosmology: Cosmology | None = None,
    plasma: Plasma | None = None,
    mass_kev: ArrayLike | None = None,
    omega_h2: ArrayLike | None = 0.12,
    lattice: int = 6,
    tolerance: float = 1e-5,
) -> Boundary:
    """Follow the lines on which a number takes the value ``level``.

    Parameters
    ----------
    of : a constraint's name (its margin), a scalar of :class:`sterile.Point`, or a function of
        (first, second) parameter → scalar, differentiable by JAX.
    plane : two parameters; both run logarithmically.
    at : the model; its own values of the plane's parameters are not used.
    low, high : the rectangle; the whole ranges of the model's parameters when left out. A plane
        has to lie where the mechanism's method does not change: for scalar decay on one side of
        61 and 63.5 GeV in ``scalar_mass_gev``.
    cosmology, plasma, mass_kev, omega_h2 : as for :func:`sterile.evaluate`.
    lattice : nodes a side on which signs are compared to find the curves.
    tolerance : of the points, in units of the rectangle's sides in the logarithm.

    Returns
    -------
    :class:`Boundary`

    Raises
    ------
    ValueError
        If a name is unknown, the rectangle is not one, or it crosses an edge of the resonance
        regime, where the solver's method changes.
    """
    require_x64()
    function, box = _function(
        of, plane, at, low, high, level, cosmology, plasma, mass_kev, omega_h2
    )
    found, evaluations = zero_curves(function, lattice, tolerance)
    return Boundary(
        plane=plane,
        curves=tuple(_physical(curve.points, box) for curve in found),
        closed=tuple(curve.closed for curve in found),
        evaluations=evaluations,
        _unit=tuple(found),
        _box=box,
    )


def _function(of, plane, at, low, high, level, cosmology, plasma, mass_kev, omega_h2):
    """The function over the unit square, compiled, and the rectangle in logarithms."""
    entry = mechanism_of(at)
    named = isinstance(of, str)
    box = _rectangle(plane, low, high, parameters_of(entry.model), fitted_parameters(entry), named)
    positive = named and of in scalars(entry)
    lows = jnp.array([side[0] for side in box])
    widths = jnp.array([side[1] - side[0] for side in box])
    if isinstance(of, str):
        plasma = Plasma() if plasma is None else plasma
        middle = _model_at(at, plane, box, plasma)
        made = pipeline(
            middle, cosmology, plasma, mass_kev, omega_h2, vary=tuple(plane), observe=(of,)
        )
    else:
        made = None

    def number(x, made):
        first, second = jnp.exp(lows + widths * x)
        if not isinstance(of, str):
            return of(first, second) - level
        seen = number_of(made({plane[0]: first, plane[1]: second}, (of,))[of])
        # a positive number's logarithm is nearer to a straight line
        return jnp.log(seen / level) if positive else seen - level

    compiled = eqx.filter_jit(jax.value_and_grad(number))

    def function(x):
        value, gradient = compiled(jnp.asarray(x), made)
        return float(value), np.asarray(gradient)

    if positive and not level > 0.0:
        raise ValueError(f"level = {level:g} of {of} must be positive")
    return function, box


def _rectangle(plane, low, high, stated, known, named: bool):
    if len(plane) != 2 or plane[0] == plane[1]:
        raise ValueError(f"plane = {plane} must name two different parameters")
    sides = []
    for i, name in enumerate(plane):
        if named:
            require_parameter(name, known)
        if (low is None or high is None) and name not in stated:
            raise ValueError(f"{name} has no natural range; give low and high")
        first = stated[name].low if low is None else float(low[i])
        last = stated[name].high if high is None else float(high[i])
        if not 0.0 < first < last:
            raise ValueError(
                f"{name} from {first:g} to {last:g}: low and high must be positive and increasing"
            )
        sides.append((float(np.log(first)), float(np.log(last))))
    return tuple(sides)


def _model_at(at, plane, box, plasma) -> Model:
    """The model in the middle of the rectangle, once one method serves all of it."""
    entry = mechanism_of(at)
    own = {name: side for name, side in zip(plane, box) if name in parameters_of(entry.model)}
    corners = np.exp(np.array(list(itertools.product(*own.values())))).T
    if own:
        entry.shared_grid(SimpleNamespace(**vars(at) | dict(zip(own, corners))), plasma)
    for name, (low, high) in own.items():
        middle = jnp.exp(0.5 * (low + high))
        at = eqx.tree_at(lambda m: getattr(m, name), at, middle)  # noqa: B023
    return at


def _physical(points: np.ndarray, box) -> np.ndarray:
    lows = np.array([side[0] for side in box])
    widths = np.array([side[1] - side[0] for side in box])
    return np.exp(lows + widths * points)
