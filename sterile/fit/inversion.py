"""Which mass or coupling gives an abundance, or any other number: every branch, differentiable.

The search runs on the host, on values and exact slopes; the derivative of what it finds is that of
the implicit function theorem, dx/dp = -(dg/dp)/(dg/dx) for g(x, p) = 0.
"""

import math
from collections.abc import Mapping
from types import SimpleNamespace

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from spectra.cosmology import Cosmology
from spectra.precision import require_x64
from spectra.units import plain_numbers
from sterile.contract import Mechanism, abundance_per_kev
from sterile.fit.observables import Pipeline, number_of, pipeline, require_parameter, scalars
from sterile.fit.root import Sampled, roots
from sterile.mechanisms import mechanism_of
from sterile.models import Model, Plasma, parameters_of
from sterile.production import choose_grid, solve

_MASS_RANGE_KEV = (1e-2, 1e6)


class Solution(eqx.Module):
    """One solution.

    Attributes
    ----------
    value : of the varied parameter, in its unit, scalar; differentiable in everything else.
    branch : of the mechanism's; for scalar decay "freeze-in" where Y_N rises with lambda,
        "freeze-out" where it falls.
    slope : dln Y_N/dln of what tells branches apart; NaN where a mechanism has one.
    model : with the value in place.
    mass_kev : m_N [keV] of the solution, None when the abundance fixes it.
    status : int32 code of what was solved there, as ``Point.status``; production's where the target
        needs no more.
    """

    value: Array
    branch: str = eqx.field(static=True)
    slope: float = eqx.field(static=True)
    model: Model
    mass_kev: Array | None
    status: Array


class Inversion(eqx.Module):
    """All solutions of one search.

    Attributes
    ----------
    solutions : in order of the value; several may share a branch.
    absent : branch → why there is none.
    evaluations : of the pipeline, with slope, that the search took.
    branches : those of the mechanism.
    """

    solutions: tuple[Solution, ...]
    absent: dict[str, str] = eqx.field(static=True)
    evaluations: int = eqx.field(static=True)
    branches: tuple[str, ...] = eqx.field(static=True)

    def __getitem__(self, branch: str) -> Solution:
        """The solution on a branch; ``ValueError`` saying why there is none, or that several."""
        if branch not in self.branches:
            raise ValueError(f"branch {branch!r} is unknown; use one of {', '.join(self.branches)}")
        found = [solution for solution in self.solutions if solution.branch == branch]
        if not found:
            raise ValueError(f"no {branch} solution: {self.absent[branch]}")
        if len(found) > 1:
            raise ValueError(f"{len(found)} {branch} solutions; choose one of .solutions")
        return found[0]


@plain_numbers
def solve_for(
    target: Mapping[str, float],
    vary: str,
    at: Model,
    *,
    cosmology: Cosmology | None = None,
    plasma: Plasma | None = None,
    mass_kev: ArrayLike | None = None,
    omega_h2: ArrayLike | None = 0.12,
    low: float | None = None,
    high: float | None = None,
    points: int = 13,
) -> Inversion:
    """Every value of one parameter at which one number of the pipeline takes a given value.

    Works under ``jax.grad``, ``jvp`` and ``vjp`` with respect to the target's value, the model, the
    mass, the abundance and the cosmology; not under ``jit`` or ``vmap``, as how many solutions
    there are depends on the values.

    Parameters
    ----------
    target : one entry: a scalar of :class:`sterile.Point` → its value, positive; or the name of a
        constraint → its margin, such as {"half-mode-3.3keV": 0.0}.
    vary : "mass_kev", or a parameter of the model.
    at : the model; its own value of what is varied is not used.
    cosmology, plasma, mass_kev, omega_h2 : as for :func:`sterile.evaluate`.
    low, high : where to look; the whole range of the parameter when left out (mass: 0.01 to
        1e6 keV).
    points : of the first, logarithmic scan. Extrema between them are looked for, so that a pair
        of solutions close to one is found.

    Returns
    -------
    :class:`Inversion`. A mass for an abundance is closed form, Omega h^2 = 275.9 (m_N/keV) Y_N.

    Raises
    ------
    ValueError
        If a name is unknown, the target is not one positive number, an abundance is asked for
        while it fixes the mass, the mechanism's method changes in the range, or the values are
        traced by jit or vmap.
    """
    require_x64()
    entry = mechanism_of(at)
    own_mass = hasattr(at, "mass_kev")
    name, wanted = _check(target, vary, mass_kev is not None or own_mass, entry)
    plasma = Plasma() if plasma is None else plasma
    cosmology = Cosmology() if cosmology is None else cosmology
    try:
        numbers = jax.tree.map(
            lambda x: np.asarray(jax.lax.stop_gradient(x), dtype=float)[()], (at, mass_kev, wanted)
        )
    except (jax.errors.ConcretizationTypeError, jax.errors.TracerArrayConversionError):
        raise ValueError(
            "solve_for was called under jit or vmap, where values are unknown; call it outside "
            "and differentiate with jax.grad, jvp or vjp"
        ) from None
    stated = parameters_of(entry.model)
    if name == "omega_h2" and vary == "mass_kev" and not own_mass:
        return _mass_for_abundance(wanted, at, plasma)
    if not math.isfinite(numbers[2]) or (name in scalars(entry) and numbers[2] <= 0.0):
        raise ValueError(f"target {name} = {numbers[2]:g} must be positive and finite")
    ends = (stated[vary].low, stated[vary].high) if vary in stated else _MASS_RANGE_KEV
    low, high = (ends[0] if low is None else low), (ends[1] if high is None else high)
    if not 0.0 < low < high:
        raise ValueError(f"low = {low:g} and high = {high:g} must be positive and increasing")

    model = numbers[0]
    if vary in stated:
        entry.shared_grid(SimpleNamespace(**vars(model) | {vary: np.array([low, high])}), plasma)
        model = _model_at(at, vary, math.sqrt(low * high))
    logarithmic = name in scalars(entry)
    whole = entry.smooth_grid(jax.lax.stop_gradient(model), plasma)

    def problem(grid):
        made = pipeline(
            at, cosmology, plasma, mass_kev, omega_h2, grid=grid, vary=(vary,), observe=(name,)
        )
        return _Equation(made, wanted, name, vary, logarithmic)

    fixed = jax.tree.map(jax.lax.stop_gradient, problem(whole))
    counted = [0]

    def sample(x: float, equation=fixed) -> Sampled:
        counted[0] += 1
        value, slope, _ = _value_and_slope(equation, jnp.asarray(x))
        return Sampled(x, float(value), float(slope))

    found, best = roots(sample, math.log(low), math.log(high), points)
    solutions = []
    for x in found:
        model = _model_at(jax.lax.stop_gradient(at), vary, math.exp(x))
        grid = choose_grid(model, plasma)
        equation = problem(grid)
        frozen = jax.tree.map(jax.lax.stop_gradient, equation)
        if grid != whole:
            # the grid a user's own evaluation would choose: it then gives the target exactly
            x = _polish(lambda x: sample(x, frozen), x)  # noqa: B023
        *_, status = _value_and_slope(frozen, jnp.asarray(x))
        ln_value = _implicit(jnp.asarray(x), equation)
        solutions.append(_solution(jnp.exp(ln_value), vary, at, plasma, grid, mass_kev, status))
    reached = math.exp(best.value) * numbers[2] if logarithmic else best.value + numbers[2]
    absent = {
        branch: f"{name} = {numbers[2]:.6g} is not crossed for {vary} from {low:.3g} to "
        f"{high:.3g}; closest {reached:.6g} at {math.exp(best.x):.4g}"
        for branch in entry.branches
        if not any(solution.branch == branch for solution in solutions)
    }
    return Inversion(tuple(solutions), absent, counted[0], entry.branches)


class _Equation(eqx.Module):
    """g(ln x): logarithm of the observable over its target, or the margin less its target."""

    pipeline: Pipeline
    wanted: Array
    name: str = eqx.field(static=True)
    vary: str = eqx.field(static=True)
    logarithmic: bool = eqx.field(static=True)

    def __call__(self, ln_x):
        """g and the status."""
        seen = self.pipeline({self.vary: jnp.exp(ln_x)}, (self.name, "status"))
        number = number_of(seen[self.name])
        if self.logarithmic:
            return jnp.log(number) - jnp.log(self.wanted), seen["status"]
        return number - self.wanted, seen["status"]


@eqx.filter_jit
def _value_and_slope(equation, ln_x):
    """g, dg/dln x, the status."""
    return jax.jvp(equation, (ln_x,), (jnp.ones(()),), has_aux=True)


@eqx.filter_custom_jvp
def _implicit(ln_x, equation):
    """``ln_x``, the root of ``equation``, with the derivatives of the implicit function."""
    return ln_x


@_implicit.def_jvp
def _implicit_jvp(primals, tangents):
    ln_x, equation = primals
    moved = eqx.filter_jvp(lambda e: _call(e, ln_x), (equation,), (tangents[1],))[1]
    slope = _value_and_slope(equation, ln_x)[1]
    return ln_x, -moved / slope


@eqx.filter_jit
def _call(equation, ln_x):
    return equation(ln_x)[0]


def _polish(sample, x: float) -> float:
    for _ in range(4):
        at = sample(x)
        x -= at.value / at.slope
        if abs(at.value) < 1e-12:
            break
    return x


def _check(target, vary: str, given: bool, entry: Mechanism):
    """Name and value of the target; ``given``: whether the mass is, or is the model's own."""
    require_parameter(vary, ("mass_kev", *parameters_of(entry.model)))
    if len(target) != 1:
        raise ValueError(f"target {dict(target)} must have one entry, for example omega_h2: 0.12")
    ((name, wanted),) = target.items()
    if name in ("mass_kev", "omega_h2") and vary != "mass_kev":
        if name == "omega_h2" and not given:
            raise ValueError("without mass_kev the abundance fixes the mass; give mass_kev")
        if name == "mass_kev" and given:
            raise ValueError("mass_kev is the target and given; leave it out, give omega_h2")
    return name, jnp.asarray(wanted, dtype=float)


def _model_at(model, vary, value) -> Model:
    if vary not in parameters_of(type(model)):
        return model
    return eqx.tree_at(lambda m: getattr(m, vary), model, jnp.asarray(value, dtype=float))


def _solution(value, vary, at, plasma, grid, mass_kev, status) -> Solution:
    model = _model_at(at, vary, value)
    branch, slope = mechanism_of(model).branch(jax.lax.stop_gradient(model), plasma, grid)
    mass = value if vary == "mass_kev" else mass_kev
    return Solution(value, branch, slope, model, mass, status)


def _mass_for_abundance(wanted, at, plasma) -> Inversion:
    grid = choose_grid(jax.lax.stop_gradient(at), plasma)
    production = solve(at, plasma, grid)
    mass = wanted / (abundance_per_kev() * production.yield_n)
    solution = _solution(mass, "mass_kev", at, plasma, grid, None, production.status)
    branches = mechanism_of(at).branches
    why = f"the model lies on the {solution.branch} branch"
    absent = {branch: why for branch in branches if branch != solution.branch}
    return Inversion((solution,), absent, 1, branches)
