"""From the parameters of mixing to a :class:`sterile.Production`."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax import Array

from sterile.bath import expansion
from sterile.contract import Dataset, History, Production
from sterile.mixing import accuracy, expanding, grids, nonresonant, resonant
from sterile.mixing.background import HIGHEST_Q, background, in_expansion, momenta
from sterile.mixing.balance import UNBALANCED
from sterile.mixing.grids import Grid
from sterile.mixing.models import DodelsonWidrow, ShiFuller, has_scales
from sterile.models import Plasma, in_range
from sterile.status import Status

_ZETA_3 = 1.2020569031595942
# points whose asymmetry changes by more than this within a step are off by up to tens of percent,
# as their estimated error says; below it by less than 1 % (docs/mixing.md)
_JUMP = 0.3


class AsymmetryHistory(History):
    """Yields in time with n_L/T^3 of e, mu and tau, ``lepton_asymmetry`` (t, 3)."""

    lepton_asymmetry: Array


class Details(eqx.Module):
    """What mixing says beside the spectrum of N.

    Attributes
    ----------
    thermal_share : Y_N over that of N in equilibrium, 1 if it thermalises.
    survival : (n,) share S of what was there before that is left, at each momentum.
    """

    thermal_share: Array
    survival: Array


class ResonantDetails(eqx.Module):
    """What resonant mixing says beside the spectrum of N.

    Attributes
    ----------
    thermal_share : Y_N over that of N in equilibrium.
    f_n, f_nbar : (n,) occupation of the two helicities, made of neutrinos and antineutrinos.
    asymmetry_left : n_L/s at the end over that at the start, of the flavour that mixes.
    asymmetry_yield : n_L/s of that flavour at the start and at the end, (2,).
    asymmetry_jump : the largest change of that within one step, over the largest at the start.
    imbalance : sterile number made less the asymmetry lost, over the larger: rounding.
    """

    thermal_share: Array
    f_n: Array
    f_nbar: Array
    asymmetry_left: Array
    asymmetry_yield: Array
    asymmetry_jump: Array
    imbalance: Array


def thermal_yield(plasma: Plasma, gstar_table=None):
    """Y of two helicities in equilibrium with T when mixing ends, scalar."""
    end = np.array([nonresonant.END_GEV])
    if expansion.is_standard(plasma):
        ratio = background(end, gstar_table, plasma.constant_g).ratio[0]
    else:
        ratio = in_expansion(end, plasma).ratio[0]
    return resonant.YIELD_PER_NUMBER * 3.0 * _ZETA_3 / ratio**3


def _is_standard(model, plasma: Plasma) -> bool:
    """Whether the clock is the usual one; ``ValueError`` if nobody knows g of another."""
    if expansion.is_standard(plasma):
        return True
    if model.gstar_table is not None:
        raise ValueError(
            "model gstar_table must not stand beside an extra fluid or a reheating temperature in "
            "[plasma], which are solved for with the built-in degrees of freedom; remove one of "
            "them"
        )
    return False


def clock_of(
    model: DodelsonWidrow, plasma: Plasma, grid: Grid, highest: float = HIGHEST_Q
) -> nonresonant.Clock:
    """The clock of non-resonant mixing; ``highest`` of its momenta.

    Raises ``ValueError`` for a table of degrees of freedom beside another expansion.
    """
    clock = nonresonant.clock(
        grid.steps,
        grid.cells,
        model.flavour,
        model.rate_kind,
        model.rates_table,
        model.gstar_table,
        plasma.constant_g,
        highest,
        model.opacities,
        has_scales(model),
    )
    if _is_standard(model, plasma):
        return clock
    return expanding.non_resonant(model, plasma, clock)


def solve(
    model: DodelsonWidrow, plasma: Plasma, grid: Grid | None, error_estimate: bool
) -> Production:
    """Non-resonant production; works under jit, vmap and grad."""
    grid = grids.NON_RESONANT if grid is None else grid
    clock = clock_of(model, plasma, grid)
    mixed = nonresonant.mix(model, clock)
    q, step = momenta(grid.cells)
    weights = 2.0 * resonant.YIELD_PER_NUMBER * step * q**3
    f = 2.0 * mixed.f
    yields = mixed.made @ weights
    error = None
    if error_estimate:
        coarse = grids.coarser(grid)
        other = nonresonant.mix(model, clock_of(model, plasma, coarse))
        error = accuracy.difference(q, f, momenta(coarse.cells)[0], 2.0 * other.f)
    return assemble(
        model,
        plasma,
        grid,
        f=f,
        history=History(jnp.asarray(nonresonant.step_ends(grid.steps)[1:]), yields),
        details=Details(yields[-1] / thermal_yield(plasma, model.gstar_table), mixed.survival[0]),
        error=error,
    )


def solve_resonant(
    model: ShiFuller, plasma: Plasma, grid: Grid | None, error_estimate: bool
) -> Production:
    """Resonant production; works under jit, vmap and grad."""
    grid = grids.RESONANT if grid is None else grid
    found = _evolve(model, plasma, grid)
    f = jnp.sum(found.f, axis=0)
    yields = jnp.sum(found.yield_n, axis=1)
    error = None
    if error_estimate:
        coarse = grids.coarser(grid)
        other = _evolve(model, plasma, coarse)
        coarse_f = jnp.sum(other.f, axis=0)
        error = accuracy.resonant_difference(
            jnp.asarray(momenta(grid.cells)[0]),
            f,
            jnp.asarray(momenta(coarse.cells)[0]),
            coarse_f,
        )
    first, last = found.asymmetry_yield[0], found.asymmetry_yield[-1]
    made = found.yield_n[-1, 0] - found.yield_n[-1, 1]
    larger = jnp.maximum(jnp.maximum(jnp.abs(made), jnp.abs(first - last)), 1e-300)
    details = ResonantDetails(
        thermal_share=yields[-1] / thermal_yield(plasma, model.gstar_table),
        f_n=found.f[0],
        f_nbar=found.f[1],
        asymmetry_left=last / jnp.where(first == 0.0, jnp.inf, first),
        asymmetry_yield=jnp.stack([first, last]),
        asymmetry_jump=found.jump,
        imbalance=(made - (first - last)) / larger,
    )
    return assemble(
        model,
        plasma,
        grid,
        f=f,
        history=AsymmetryHistory(found.temperature_gev, yields, found.asymmetry),
        details=details,
        error=error,
        caveat=jnp.where(
            found.missed <= UNBALANCED,
            jnp.where(found.jump > _JUMP, Status.ASYMMETRY_JUMPS, Status.SUCCESS),
            Status.NOT_CONVERGED,
        ),
    )


def _evolve(model, plasma, grid):
    clock = resonant.clock(
        grid.cells,
        model.flavour,
        model.rate_kind,
        model.rates_table,
        model.gstar_table,
        model.redistribution_table,
        plasma.constant_g,
        model.opacities,
        has_scales(model),
    )
    if not _is_standard(model, plasma):
        clock = expanding.resonant_clock(model, plasma, clock, grid.cells)
    return resonant.evolve(model, clock, grid.steps, grid.cells)


def assemble(
    model, plasma, grid, *, f, history, details, error, q=None, caveat: Array | int = 0
) -> Production:
    """A production from F (n,) at ``q``, those of mixing's own grid when left out.

    ``caveat``: status where nothing else is wrong.
    """
    q = jnp.asarray(momenta(f.size)[0]) if q is None else q
    number = jnp.sum(q**3 * f)
    yield_n = resonant.YIELD_PER_NUMBER * number * jnp.log(q[-1] / q[0]) / (q.size - 1)
    finite = jnp.all(jnp.isfinite(f)) & (yield_n > 0.0)
    status = jnp.where(
        ~in_range(model),
        Status.OUT_OF_RANGE,
        jnp.where(
            finite,
            caveat,
            Status.NON_FINITE,
        ),
    )
    return Production(
        q=q,
        f=f,
        yield_n=yield_n,
        q_mean=jnp.sum(q**4 * f) / number,
        q_rms=jnp.sqrt(jnp.sum(q**5 * f) / number),
        history=history,
        status=status.astype(jnp.int32),
        model=model,
        plasma=plasma,
        grid=grid,
        details=details,
        error=error,
    )


def rate_dataset(production: Production) -> dict[str, Dataset]:
    """-dY_N/dln T in time."""
    log_t = np.log(np.asarray(production.history.temperature_gev))
    yields = np.asarray(production.history.yield_n)
    # steps that are left over at the end have no length
    moved = np.concatenate([[True], np.diff(log_t) < -1e-12])
    rate = np.zeros_like(yields)
    rate[moved] = -np.gradient(yields[moved], log_t[moved])
    return {"history/production_rate": Dataset(rate, "1", "-dY_N/dln T")}


def datasets(production: Production) -> dict[str, Dataset]:
    """What a result file keeps of non-resonant mixing."""
    survival = Dataset(production.survival, "1", "share of earlier neutrinos left, by momentum")
    return {**rate_dataset(production), "mixing/survival": survival}


def resonant_datasets(production: Production) -> dict[str, Dataset]:
    """What a result file keeps of resonant mixing."""
    history = production.history
    assert isinstance(history, AsymmetryHistory)
    return {
        **rate_dataset(production),
        "history/lepton_asymmetry": Dataset(history.lepton_asymmetry, "1", "n_L/T^3 of e, mu, tau"),
        "mixing/f_n": Dataset(production.f_n, "1", "occupation of N made of neutrinos"),
        "mixing/f_nbar": Dataset(production.f_nbar, "1", "occupation made of antineutrinos"),
    }
