"""Mixing on a spectrum that is there already: scalar decay, or any other (1512.05369).

The equation of non-resonant mixing is linear, so that exactly

    F = S(T_1) F_i + 2 f_mix,

f_mix what mixing makes by itself and S(T_1) the share of neutrinos of a momentum at T_1 that is
left at the end. What is made over a time, as by decays, is left with the mean of S over when it
came; decays of all momenta are taken to come alike.
"""

import dataclasses
from types import SimpleNamespace
from typing import NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax import Array

from spectra.numerics import interpolate
from spectra.programs import program
from spectra.spectrum import Spectrum
from sterile.bath import expansion
from sterile.contract import (
    Choices,
    Dataset,
    ErrorEstimate,
    Grid,
    History,
    Production,
    occupation_max,
    pauli_checked,
)
from sterile.mixing import grids, nonresonant, production
from sterile.mixing.background import HIGHEST_Q, LOWEST_Q, momenta
from sterile.mixing.models import DodelsonWidrow, ScalarDecayMixing
from sterile.mixing.resonant import YIELD_PER_NUMBER
from sterile.models import Plasma
from sterile.scalar import SCALAR_DECAY
from sterile.status import is_failure

# momenta of decays reach further than those of mixing; beyond, S is that of the last
_HIGHEST_Q = 2500.0
_NODES = 1200
_TIMES = 400
_MIXING_GRID = grids.Grid(grids.NON_RESONANT.steps, 560)
# ln F of nothing
_DARK = 1e-200


class Start(NamedTuple):
    """What is there before, or comes meanwhile: F (n,) at q (n,), and its yield (t,) in time."""

    q: Array
    f: Array
    temperature_gev: Array
    made: Array


class MixedDetails(eqx.Module):
    """What mixing after decays says beside the spectrum of N.

    Attributes
    ----------
    thermal_share : Y_N over that of N in equilibrium.
    mixing_share : share of Y_N made by mixing.
    survival : (n,) mean share of the earlier neutrinos left, at each momentum of the spectrum.
    f_mixing : (n,) F made by mixing.
    yield_s_max, density_ratio_max : of scalar decay, else 0.
    occupation_max : the larger of before and after.
    before : the production that was there, or None.
    """

    thermal_share: Array
    mixing_share: Array
    survival: Array
    f_mixing: Array
    yield_s_max: Array
    density_ratio_max: Array
    occupation_max: Array
    before: Production | None


class DecayHistory(History):
    """Yields in time with that of the scalar, ``yield_s`` (t,)."""

    yield_s: Array


def start_of(before: Production | Spectrum) -> Start:
    """What any mechanism made, or a spectrum of any temperature, made before all mixing."""
    if isinstance(before, Production):
        history = before.history
        times = history.temperature_gev, history.yield_n
        if history.temperature_gev.shape[0] > 1:
            return Start(before.q, before.f, *times)
        return Start(before.q, before.f, *_long_ago())
    return Start(before.q * before.temperature_ratio, before.f, *_long_ago())


def _long_ago():
    return jnp.array([2.0, 1.0]) * nonresonant.START_GEV, jnp.array([0.5, 1.0])


def on_spectrum(
    model: DodelsonWidrow, before: Production | Spectrum, plasma: Plasma | None = None
) -> Production:
    """Non-resonant mixing of neutrinos that are there already; works under jit, vmap and grad.

    Parameters
    ----------
    model : the mixing.
    before : a production of any mechanism, with its history; or a spectrum such as a file's, taken
        to be there before mixing begins, F summed over two helicities, as its abundance has it.
    plasma : as for :func:`sterile.solve`.

    Returns
    -------
    :class:`sterile.Production` with :class:`MixedDetails`; ``model`` is the mixing.
    """
    plasma = Plasma() if plasma is None else plasma
    return dataclasses.replace(_on_spectrum(model, before, plasma), plasma=plasma)


@program
def _on_spectrum(model, before, plasma) -> Production:
    kept = before if isinstance(before, Production) else None
    solved = expansion.tabulated(plasma)
    return _assemble(model, model, solved, _MIXING_GRID, start_of(before), kept, None)


def _assemble(model, mixing, plasma, mixing_grid, start, before, error, grid=None):
    clock = production.clock_of(mixing, plasma, mixing_grid, _HIGHEST_Q)
    mixed = nonresonant.mix(mixing, clock)
    ends = jnp.log(jnp.asarray(nonresonant.step_ends(mixing_grid.steps)))
    made = jnp.interp(-ends, -jnp.log(start.temperature_gev), start.made / start.made[-1])
    share = jnp.diff(made, prepend=0.0, append=1.0)
    # neutrinos of a step are left with the mean of S over it
    meanwhile = 0.5 * (mixed.survival[1:] + mixed.survival[:-1])
    left = jnp.concatenate([mixed.survival[:1], meanwhile, jnp.ones((1, clock.q.size))])
    survival = share @ left

    log_q = jnp.linspace(
        jnp.log(jnp.minimum(LOWEST_Q, start.q[0])),
        jnp.log(jnp.maximum(HIGHEST_Q, start.q[-1])),
        _NODES,
    )
    q = jnp.exp(log_q)
    own = jnp.log(clock.q)
    clipped = jnp.clip(log_q, own[0], own[-1])
    # a spline rings about nothing, where all have been absorbed
    survival = jnp.maximum(interpolate(clipped, own, survival), 0.0)
    f_mixing = 2.0 * jnp.maximum(interpolate(clipped, own, mixed.f), 0.0)
    f_mixing = jnp.where(log_q > own[-1], 0.0, f_mixing)
    f_before = _resampled(log_q, start)
    f = survival * f_before + f_mixing

    step = (log_q[-1] - log_q[0]) / (_NODES - 1)
    from_mixing = YIELD_PER_NUMBER * step * jnp.sum(q**3 * f_mixing)
    from_before = YIELD_PER_NUMBER * step * jnp.sum(q**3 * survival * f_before)
    yield_n = from_mixing + from_before
    weights = 2.0 * YIELD_PER_NUMBER * momenta(clock.q.size, _HIGHEST_Q)[1] * clock.q**3
    log_t = jnp.linspace(
        jnp.log(jnp.maximum(start.temperature_gev[0], nonresonant.START_GEV)), ends[-1], _TIMES
    )
    by_mixing = jnp.interp(-log_t, -ends[1:], mixed.made @ weights)
    by_mixing = jnp.where(log_t > ends[1], 0.0, by_mixing)
    earlier = jnp.interp(-log_t, -jnp.log(start.temperature_gev), start.made / start.made[-1])
    yields = by_mixing + from_before * earlier
    history = History(jnp.exp(log_t), yields)
    yield_s_max = density_ratio_max = jnp.zeros(())
    if before is not None and hasattr(before.history, "yield_s"):
        then = jnp.log(before.history.temperature_gev)
        history = DecayHistory(
            history.temperature_gev,
            history.yield_n,
            jnp.interp(-log_t, -then, before.history.yield_s),
        )
        yield_s_max, density_ratio_max = before.yield_s_max, before.density_ratio_max
    details = MixedDetails(
        thermal_share=yield_n / production.thermal_yield(plasma, mixing.gstar_table),
        mixing_share=from_mixing / yield_n,
        survival=survival,
        f_mixing=f_mixing,
        yield_s_max=yield_s_max,
        density_ratio_max=density_ratio_max,
        occupation_max=jnp.maximum(
            occupation_max(start.q, start.f, "majorana"), occupation_max(q, f, "majorana")
        ),
        before=before,
    )
    return production.assemble(
        model,
        plasma,
        mixing_grid if grid is None else grid,
        f=f,
        history=history,
        details=details,
        error=error,
        q=q,
    )


def _resampled(log_q, start):
    """F_i at new momenta, zero beyond its table."""
    own = jnp.log(start.q)
    inside = (log_q >= own[0]) & (log_q <= own[-1])
    log_f = interpolate(jnp.clip(log_q, own[0], own[-1]), own, jnp.log(start.f + _DARK))
    return jnp.where(inside, jnp.exp(log_f), 0.0)


class DecayGrid(NamedTuple):
    """Grids of the scalar and of mixing."""

    scalar: Grid
    mixing: grids.Grid = _MIXING_GRID


def solve(
    model: ScalarDecayMixing, plasma: Plasma, grid: DecayGrid | None, error_estimate: bool
) -> Production:
    """Scalar decay, then mixing; works under jit, vmap and grad."""
    grid = DecayGrid(None) if grid is None else grid
    scalar = pauli_checked(SCALAR_DECAY.solve(model.scalar(), plasma, grid.scalar, error_estimate))
    start, mixing = start_of(scalar), model.mixing()
    error = None
    if error_estimate:
        coarse = grids.coarser(grid.mixing)
        fine, rough = (
            _assemble(model, mixing, plasma, choice, start, scalar, None)
            for choice in (grid.mixing, coarse)
        )
        own = _sum_of_errors(fine, rough)
        error = ErrorEstimate(
            *(a + b for a, b in zip(vars(own).values(), vars(scalar.error).values()))
        )
    found = _assemble(model, mixing, plasma, grid.mixing, start, scalar, error, grid)
    # the scalar's first, but for what is only a caveat beside a failure
    first = (scalar.status != 0) & (is_failure(scalar.status) | ~is_failure(found.status))
    status = jnp.where(first, scalar.status, found.status)
    return eqx.tree_at(lambda p: p.status, found, status)


def _sum_of_errors(fine, rough):
    # both are on one table of momenta
    shape = fine.q**2 * fine.f
    gap = jnp.max(jnp.abs(fine.q**2 * rough.f - shape)) / jnp.max(shape)
    return ErrorEstimate(
        jnp.abs(rough.yield_n / fine.yield_n - 1.0),
        jnp.abs(rough.q_mean / fine.q_mean - 1.0),
        gap,
    )


def _scalars_of(models) -> SimpleNamespace:
    """What scalar decay asks of many models."""
    return SimpleNamespace(
        scalar_mass_gev=models.scalar_mass_gev,
        portal_coupling=models.portal_coupling,
        yukawa=models.yukawa,
        scalar_vev_gev=None,
        neutrino="majorana",
    )


def prepare(models, plasma: Plasma) -> Choices:
    """The scalar's grids."""
    sizes = [np.size(number) for number in vars(_scalars_of(models)).values() if number is not None]
    count = max(*sizes, np.size(models.mass_kev), np.size(models.sin2_2theta))
    grids_found, index = SCALAR_DECAY.prepare(_scalars_of(models), plasma)
    return Choices([DecayGrid(one) for one in grids_found], np.broadcast_to(index, (count,)))


def smooth_grid(model: ScalarDecayMixing, plasma: Plasma) -> DecayGrid:
    """The scalar's."""
    return DecayGrid(SCALAR_DECAY.smooth_grid(model.scalar(), plasma))


def shared_grid(models, plasma: Plasma) -> DecayGrid:
    """The scalar's."""
    return DecayGrid(SCALAR_DECAY.shared_grid(_scalars_of(models), plasma))


def finer(grid: DecayGrid) -> DecayGrid:
    """Both finer."""
    assert SCALAR_DECAY.refinement is not None
    return DecayGrid(SCALAR_DECAY.refinement.finer(grid.scalar), grids.finer(grid.mixing))


def robust(grid: DecayGrid) -> DecayGrid:
    """The scalar's."""
    return DecayGrid(SCALAR_DECAY.robust(grid.scalar), grid.mixing)


def branch(model: ScalarDecayMixing, plasma: Plasma, grid: DecayGrid) -> tuple[str, float]:
    """The scalar's branch: freeze-in or freeze-out."""
    return SCALAR_DECAY.branch(model.scalar(), plasma, grid.scalar)


def bounds(model: ScalarDecayMixing, point, cosmology) -> dict:
    """Those on the scalar."""
    return SCALAR_DECAY.bounds(model.scalar(), point, cosmology)


def warnings(model: ScalarDecayMixing, point, cosmology) -> list[str]:
    """Those of the scalar's production."""
    seen = SimpleNamespace(production=point.production.before, mass_kev=point.mass_kev)
    return list(SCALAR_DECAY.warnings(model.scalar(), seen, cosmology))


def datasets(found: Production) -> dict[str, Dataset]:
    """What a result file keeps: the scalar as it decays, and what mixing did."""
    assert isinstance(found.history, DecayHistory)
    kept = dict(SCALAR_DECAY.datasets(found.before))
    kept["history/yield_s"] = Dataset(found.history.yield_s, "1", "scalars per entropy, n_S/s")
    return {
        **kept,
        **production.rate_dataset(found),
        "mixing/survival": Dataset(found.survival, "1", "share of earlier neutrinos left"),
        "mixing/f": Dataset(found.f_mixing, "1", "distribution made by mixing"),
    }
