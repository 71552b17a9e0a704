"""One model to its sterile-neutrino spectrum, whatever the mechanism."""

import dataclasses

import jax
import jax.numpy as jnp

from spectra.precision import require_x64
from spectra.programs import program
from sterile.bath import expansion
from sterile.contract import Grid, Production, error_checked, pauli_checked
from sterile.mechanisms import mechanism_of
from sterile.models import Model, Plasma
from sterile.status import Status, is_failure

_REFINEMENTS = 3


def choose_grid(model: Model, plasma: Plasma | None = None) -> Grid | None:
    """The static choice that a model needs, decided on the host from its parameters' values.

    None under jit or vmap, where values are unknown, and for mechanisms that have no choice.
    ``model``: parameters, scalar leaves; ``plasma``: treatment of the bath, the published one when
    left out.
    """
    plasma = Plasma() if plasma is None else plasma
    with jax.ensure_compile_time_eval():
        try:
            concrete = jax.tree.map(lambda leaf: float(jax.lax.stop_gradient(leaf)), model)
        except (jax.errors.ConcretizationTypeError, TypeError):
            return None
        return mechanism_of(model).prepare(concrete, plasma).grids[0]


def solve(
    model: Model,
    plasma: Plasma | None = None,
    grid: Grid | None = None,
    error_estimate: bool = False,
    tolerance: float | None = None,
) -> Production:
    """Produce sterile neutrinos from one model.

    Works under jit, vmap and grad; with a tolerance, on concrete parameters alone.

    Parameters
    ----------
    model : parameters, scalar leaves.
    plasma : treatment of the bath; the published one when left out.
    grid : the mechanism's static choice, such as its resolution. When left out it is chosen from
        the values of the parameters; under jit and vmap, where they are unknown, everything that
        may be needed is compiled. Give ``choose_grid`` of a representative model there.
    error_estimate : static; whether to estimate the numerical error, as ``Production.error``. For
        scalar decay it costs a tenth to a fifth of the solution.
    tolerance : largest error of Y_N, <q> and q^2 F_N (over its peak) to accept, up to 0.1. The
        grid is refined, up to three times, until the estimate is below it; if it never is, the
        status is TOLERANCE_NOT_MET.

    Returns
    -------
    :class:`Production`

    Raises
    ------
    ValueError
        If JAX is not in 64-bit mode, the model is of no registered kind, the tolerance is out of
        range, or given for traced parameters.
    """
    require_x64()
    plasma = Plasma() if plasma is None else plasma
    mechanism = mechanism_of(model)
    grid = choose_grid(model, plasma) if grid is None else grid
    if tolerance is None:
        return solve_compiled(model, plasma, grid, error_estimate)
    refinement = mechanism.refinement
    if refinement is None:
        raise ValueError(f'tolerance is not available for kind = "{mechanism.kind}"; leave it out')
    lowest = 2.5 * refinement.floor
    if not lowest <= tolerance <= 0.1:
        raise ValueError(
            f"tolerance = {tolerance:g} is outside the allowed range [{lowest:g}, 0.1]; the "
            f"estimate itself is no better than {refinement.floor:g}"
        )
    if grid is None:
        raise ValueError(
            "tolerance needs concrete scalar parameters, to decide on refinements; leave it out "
            "under jit and vmap and use error_estimate"
        )
    return _refine(model, plasma, grid, tolerance, refinement)


def _refine(model, plasma, grid, tolerance, refinement) -> Production:
    """Refine the grid until the estimate of the error is below the tolerance."""

    def accepted(production):
        failed = is_failure(int(production.status))
        return not failed and float(production.error.largest()) <= tolerance

    production = solve_compiled(model, plasma, grid, True)
    for _ in range(_REFINEMENTS):
        if accepted(production) or int(production.status) == Status.OUT_OF_RANGE:
            return production
        grid = refinement.finer(grid)
        finer = solve_compiled(model, plasma, grid)
        production = dataclasses.replace(finer, error=refinement.error(finer, production))
    if accepted(production) or is_failure(int(production.status)):
        return production
    return dataclasses.replace(production, status=jnp.int32(Status.TOLERANCE_NOT_MET))


@program
def solve_compiled(model, plasma, grid, error_estimate=False) -> Production:
    """:func:`solve` without its checks, compiled once per grid."""
    made = mechanism_of(model).solve(model, expansion.tabulated(plasma), grid, error_estimate)
    return error_checked(pauli_checked(dataclasses.replace(made, plasma=plasma)))
