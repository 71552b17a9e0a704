"""One model of scalar decay to its sterile-neutrino spectrum: solve for S, decay it."""

import dataclasses
import functools
from typing import cast

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from spectra.batching import one_by_one
from spectra.build_up import DECOUPLED
from spectra.programs import program
from sterile.contract import Dataset, History, Production
from sterile.models import Plasma, in_range
from sterile.scalar import accuracy, grids
from sterile.scalar.decay_products import momentum_grid, spectrum_moments, tabulate
from sterile.scalar.distribution import solve_scalar
from sterile.scalar.inverse_spectrum import neutrino_spectrum
from sterile.scalar.lattice import Grid, ScalarHistory, yield_weights
from sterile.scalar.model import ScalarDecay
from sterile.status import Status

_SNAPSHOTS = 7


class ScalarYields(History):
    """Yields in time with that of the scalar, ``yield_s`` (t,)."""

    yield_s: Array


class Details(eqx.Module):
    """What scalar decay says beside the spectrum of N.

    Attributes
    ----------
    yield_n_spectrum : Y_N from the moment of F_N: a path independent of the decays as they happen.
    yield_s_max : largest Y_S.
    density_ratio_max : largest rho_S/rho_SM.
    radiation_ratio_max : largest rho_N/rho_SM: what S leaves of its energy in N, which the Standard
        Model's own entropy does not know of.
    scalar : :class:`sterile.scalar.lattice.ScalarHistory`, None where no grid was chosen.
    """

    yield_n_spectrum: Array
    yield_s_max: Array
    density_ratio_max: Array
    radiation_ratio_max: Array
    scalar: ScalarHistory | None


class Snapshots(eqx.Module):
    """f_S and F_N as they build up.

    Attributes
    ----------
    temperature_gev : (m,) falling, m at most 7; the last is the end.
    scalar_q, scalar_f : (n,) and (m, n).
    q, f : (1195,) and (m, 1195), F from the decays until then.
    """

    temperature_gev: np.ndarray
    scalar_q: np.ndarray
    scalar_f: np.ndarray
    q: Array
    f: np.ndarray


def solve(
    model: ScalarDecay, plasma: Plasma, grid: Grid | None, error_estimate: bool
) -> Production:
    """Solve one model; works under jit, vmap and grad.

    ``grid``: of :mod:`sterile.scalar.grids`; None where the parameters are traced: four grids are
    then compiled and the model's own runs, in a batch each model's own. The scalar's history is
    left out then, and yields in time are filled up at their ends to one length.
    """
    if grid is None:
        grids.require_standard_clock(plasma)
        return _solve_any(model, plasma, error_estimate)
    return _solve_on(grids.widened(grid, plasma), model, plasma, error_estimate)


def _solve_on(grid: Grid, model, plasma, error_estimate: bool) -> Production:
    return _assemble(model, plasma, grid, *_produce(model, plasma, error_estimate, grid))


def _solve_any(model, plasma, error_estimate: bool) -> Production:
    leaves, tree = jax.tree.flatten((model, plasma))
    run, structure = _each_its_own(tree, error_estimate)
    *numbers, status = run(*leaves)
    found = jax.tree.unflatten(structure[0], numbers)
    return Production(
        status=status.astype(jnp.int32), model=model, plasma=plasma, grid=None, **found
    )


@functools.lru_cache(maxsize=32)
def _each_its_own(tree, error_estimate: bool):
    """Leaves of (model, plasma) → numbers of a production, status last; and their structure."""
    structure: list = [None]

    def on(grid: Grid, length: int, *leaves):
        model, plasma = jax.tree.unflatten(tree, leaves)
        made = _solve_on(grid, model, plasma, error_estimate)
        history = jax.tree.map(
            lambda leaf: jnp.pad(leaf, (0, length - leaf.shape[0]), mode="edge"), made.history
        )
        kept = {
            "q": made.q,
            "f": made.f,
            "yield_n": made.yield_n,
            "q_mean": made.q_mean,
            "q_rms": made.q_rms,
            "history": history,
            "details": dataclasses.replace(made.details, scalar=None),
            "error": made.error,
        }
        numbers, structure[0] = jax.tree.flatten(kept)
        return (*numbers, made.status.astype(float))

    def function(*leaves):
        model, plasma = jax.tree.unflatten(tree, leaves)
        known = grids.choices(plasma)
        length = max(grid.times for grid in known)
        branches = [functools.partial(on, grid, length) for grid in known]
        return jax.lax.switch(grids.choice(model, plasma), branches, *leaves)

    return one_by_one(function), structure


def _produce(model, plasma, error_estimate, grid):
    scalar = solve_scalar(model, plasma, grid)
    q = momentum_grid(scalar, model)
    f = neutrino_spectrum(scalar, model, plasma, grid, q, scalar.clock[-1])
    coarser = accuracy.coarser_solution(model, plasma, grid, q) if error_estimate else None
    return scalar, (q, f), coarser


def _assemble(model, plasma, grid, scalar, computed, coarser):
    q, f = tabulate(*computed)
    spectrum_yield, mean, root = spectrum_moments(q, f)
    yield_s = scalar.f @ yield_weights(grid)
    yield_n = 2.0 * scalar.decayed[-1]
    finite = jnp.all(jnp.isfinite(f)) & jnp.isfinite(yield_n) & (yield_n > 0.0)
    error = None
    if coarser is not None:
        means = mean, accuracy.energy_q_mean(scalar)
        yields = yield_n, spectrum_yield
        error = accuracy.difference(*computed, yields=yields, means=means, coarser=coarser)
    # n on the lattice is shared between nodes 0.2 apart: 2e-3 where it matters
    tolerance = 1e-2 if plasma.inverse_decays else 1e-3
    mismatch = jnp.abs(spectrum_yield / yield_n - 1.0) > tolerance
    status = jnp.where(
        ~in_range(model),
        Status.OUT_OF_RANGE,
        jnp.where(
            ~finite,
            Status.NON_FINITE,
            jnp.where(mismatch, Status.NOT_CONVERGED, Status.SUCCESS),
        ),
    )
    details = Details(
        yield_n_spectrum=spectrum_yield,
        yield_s_max=jnp.max(yield_s),
        density_ratio_max=jnp.max(scalar.density_ratio),
        radiation_ratio_max=jnp.max(scalar.radiation_ratio),
        scalar=scalar,
    )
    return Production(
        q=q,
        f=f,
        yield_n=yield_n,
        q_mean=mean,
        q_rms=root,
        history=ScalarYields(scalar.temperature_gev, 2.0 * scalar.decayed, yield_s),
        status=status.astype(jnp.int32),
        model=model,
        plasma=plasma,
        grid=grid,
        details=details,
        error=error,
    )


def snapshots(production: Production) -> Snapshots:
    """f_S and F_N at seven times, for figures and files: not part of :func:`solve`.

    ``production``: of a scalar decay.

    From the first ten-thousandth of the neutrinos to the last decays, evenly in ln T, with the
    time after which collisions change the number of scalars and their products by less than 1 %.
    """
    scalar, grid, history = production.scalar, production.grid, _yields(production)
    made = np.asarray(history.yield_n) / float(history.yield_n[-1])
    total = np.asarray(history.yield_s) + 0.5 * np.asarray(history.yield_n)
    moving = np.flatnonzero(np.abs(total / total[-1] - 1.0) > DECOUPLED)
    first, last = np.searchsorted(made, [1e-4, 1.0 - 1e-9])
    clock = np.asarray(scalar.clock)
    even = np.linspace(clock[first], clock[last], _SNAPSHOTS - 1)
    rows = np.unique([*np.searchsorted(clock, even), min(moving[-1] + 1, last)])
    # one shape, one program, however many times coincide
    padded = np.concatenate([rows, np.full(_SNAPSHOTS - rows.size, rows[-1])])
    f = _until(production.plasma, grid, scalar, production.model, production.q, clock[padded])
    return Snapshots(
        temperature_gev=np.asarray(scalar.temperature_gev)[rows],
        scalar_q=np.exp(np.asarray(scalar.log_q)),
        scalar_f=np.asarray(scalar.f)[rows],
        q=production.q,
        f=np.asarray(f)[: rows.size],
    )


@program
def _until(plasma, grid, scalar, model, q, ends):
    """F_N from the decays until each of ``ends`` (m,), the clock's, shape (m, n)."""
    return jax.vmap(lambda end: neutrino_spectrum(scalar, model, plasma, grid, q, end))(ends)


def heaviest_mass_kev(model: ScalarDecay) -> Array:
    """m_S/2 [keV], above which S cannot decay to N N."""
    return 0.5e6 * model.scalar_mass_gev


def _yields(production: Production) -> ScalarYields:
    return cast(ScalarYields, production.history)


def datasets(production: Production) -> dict[str, Dataset]:
    """What a result file keeps of a production: Y_S in time, f_S and F_N as they build up."""
    taken = snapshots(production)
    when = Dataset(taken.temperature_gev, "GeV", "plasma temperature of the snapshots")
    comoving = "comoving momentum of the {}, (p/T)(g_s0/g_s)^(1/3)"
    return {
        "history/yield_s": Dataset(_yields(production).yield_s, "1", "scalars per entropy, n_S/s"),
        "scalar/temperature_gev": when,
        "scalar/q": Dataset(taken.scalar_q, "1", comoving.format("scalar")),
        "scalar/f": Dataset(taken.scalar_f, "1", "scalar distribution, one row per snapshot"),
        "neutrino/temperature_gev": when,
        "neutrino/q": Dataset(taken.q, "1", comoving.format("neutrino")),
        "neutrino/f": Dataset(
            taken.f,
            "1",
            "sterile-neutrino distribution summed over helicities, one row per snapshot",
        ),
    }
