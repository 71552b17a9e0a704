"""One model to its sterile-neutrino spectrum: choose the grid, solve for S, decay it."""

import dataclasses
import functools
import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from spectra.constants import (
    CMB_TEMPERATURE_KELVIN,
    CRITICAL_DENSITY_OVER_H2_GEV4,
    ENTROPY_DEGREES_OF_FREEDOM_TODAY,
    HIGGS_MASS_GEV,
    KELVIN_GEV,
    REDUCED_PLANCK_MASS_GEV,
)
from spectra.precision import require_x64
from spectra.spectrum import Spectrum
from sterile.bath import thermodynamics as bath
from sterile.models import HELICITY_STATES, Plasma, ScalarDecay, in_range
from sterile.scalar import (
    CONTACT_OVER_COUPLING_SQUARED,
    Grid,
    ScalarHistory,
    accuracy,
    bath_widths_gev,
    higgs_decay_width_gev,
    momentum_grid,
    neutrino_spectrum,
    scalar_decay_width_gev,
    solve_scalar,
    spectrum_moments,
    tabulate,
    yield_weights,
)
from sterile.status import Status

# Regimes by mass: where the Higgs resonance is far, and where its width matters.
# Against the exact form the yield moves by 4e-5 at the first edge and 3e-6 at the second.
NARROW_BELOW_GEV = 61.0
SMOOTH_ABOVE_GEV = 63.5
# freeze-in yield over the equilibrium yield above which S is taken to thermalise
_THERMAL_FRACTION = 0.01
# change of Y_S + Y_N/2 by collisions below which S counts as decoupled, as the figures have it
DECOUPLED = 1e-2
# momenta to exp(-20) of a shape in kinetic equilibrium until T = m_S/300
_WIDEST_Q = 40.0

FREEZE_IN = Grid(coupled_units=35, coupled_steps=2, late_units=72, late_steps=2, late_is_free=True)
FREEZE_OUT = Grid(coupled_steps=6)
# inverse decays h <- S S shape f on scales that the coarser lattice misses
FREEZE_OUT_NARROW = Grid(
    log_step=0.15,
    momenta=59,
    hot_units=27,
    coupled_units=57,
    late_units=87,
    coupled_steps=4,
    resonance="narrow",
)


class History(eqx.Module):
    """Yields in time: temperature_gev, yield_s, yield_n, each (t,), temperature falling."""

    temperature_gev: Array
    yield_s: Array
    yield_n: Array


class Production(eqx.Module):
    """The spectrum of sterile neutrinos from one model.

    Attributes
    ----------
    q : (1198,) comoving momenta p/T_gamma today, log-uniform.
    f : (1198,) F_N(q), summed over helicities.
    yield_n : Y_N = n_N/s from the decays of S as they happen.
    yield_n_spectrum : the same from the moment of F_N: an independent path.
    yield_s_max : largest Y_S.
    q_mean, q_rms : <q> and sqrt<q^2>.
    f_n_max : largest F_N per helicity state where q^3 F exceeds 1e-6 of its peak (F diverges
        slowly as q -> 0); without ``plasma.inverse_decays`` it has to be small.
    density_ratio_max : largest rho_S/rho_SM.
    radiation_ratio_max : largest rho_N/rho_SM: what S leaves of its energy in N, which the Standard
        Model's own entropy does not know of.
    history : :class:`History`.
    scalar : :class:`sterile.lattice.ScalarHistory`.
    status : int32 :class:`sterile.status.Status`.
    model, plasma, grid : what was solved.
    error : :class:`sterile.accuracy.ErrorEstimate` where asked for.
    """

    q: Array
    f: Array
    yield_n: Array
    yield_n_spectrum: Array
    yield_s_max: Array
    q_mean: Array
    q_rms: Array
    f_n_max: Array
    density_ratio_max: Array
    radiation_ratio_max: Array
    history: History
    scalar: ScalarHistory
    status: Array
    model: ScalarDecay
    plasma: Plasma
    grid: Grid
    error: accuracy.ErrorEstimate | None = None

    def spectrum(self, mass_kev=None, omega_h2=0.12) -> Spectrum:
        """The :class:`spectra.Spectrum` of N, T_ref = T_gamma.

        ``mass_kev``: m_N [keV]; if left out it is fixed by the abundance ``omega_h2``.
        """
        mass = relic_mass_kev(self.yield_n, omega_h2) if mass_kev is None else mass_kev
        return Spectrum(self.q, self.f, mass, 1.0)


class Snapshots(eqx.Module):
    """f_S and F_N as they build up.

    Attributes
    ----------
    temperature_gev : (m,) falling; the last is the end.
    scalar_q, scalar_f : (n,) and (m, n).
    q, f : (1198,) and (m, 1198), F from the decays until then.
    """

    temperature_gev: Array
    scalar_q: Array
    scalar_f: Array
    q: Array
    f: Array


def abundance_per_kev():
    """Omega h^2/(m_N/keV)/Y_N = s_0/(rho_c/h^2), 275.9: entropy counting with g_s0 = 3.931."""
    entropy = 2.0 * np.pi**2 / 45.0 * ENTROPY_DEGREES_OF_FREEDOM_TODAY
    entropy = entropy * (CMB_TEMPERATURE_KELVIN * KELVIN_GEV) ** 3
    return 1e-6 * entropy / CRITICAL_DENSITY_OVER_H2_GEV4


def relic_mass_kev(yield_n, omega_h2):
    """m_N [keV] that gives ``omega_h2`` for the yield Y_N."""
    return omega_h2 / (abundance_per_kev() * yield_n)


def freeze_in_yield(model: ScalarDecay):
    """Y_S of pure freeze-in, contact, h -> S S and X -> S, with constant g = 100: an estimate.

    Y = 135 W M_0/(1024 pi^4 g m_S), W = 4 lambda^2/pi, and 135 Gamma(h -> SS) M_0/(4 pi^3 g m_h^2),
    M_0 = M_pl sqrt(90/(pi^2 g)); with <S>, 135 Gamma(S -> X) M_0/(8 pi^3 g m_S^2).
    """
    g = 100.0
    m0 = REDUCED_PLANCK_MASS_GEV * np.sqrt(90.0 / (np.pi**2 * g))
    coupling2 = model.portal_coupling**2
    contact = 135.0 * CONTACT_OVER_COUPLING_SQUARED * coupling2 * m0
    contact = contact / (1024.0 * np.pi**4 * g * model.scalar_mass_gev)
    width = higgs_decay_width_gev(model.scalar_mass_gev, model.portal_coupling)
    total = contact + 135.0 * width * m0 / (4.0 * np.pi**3 * g * HIGGS_MASS_GEV**2)
    if model.scalar_vev_gev is None:
        return total
    widths = bath_widths_gev(model.scalar_mass_gev, model.portal_coupling, model.scalar_vev_gev)
    inverse = jnp.maximum(*widths) * m0 / (8.0 * np.pi**3 * g * model.scalar_mass_gev**2)
    return total + 135.0 * inverse


def choose_grid(model: ScalarDecay, plasma: Plasma | None = None) -> Grid | None:
    """The grid for concrete parameters, decided on the host; None under jit or vmap.

    One of six: the Higgs resonance absent (m_S > 63.5 GeV), narrow (m_S < 61 GeV) or broad, and
    coarser steps where S neither thermalises nor decays while it is made.
    """
    plasma = Plasma() if plasma is None else plasma
    try:
        numbers = [float(jax.lax.stop_gradient(number)) for number in _regime(model, plasma)]
    except (jax.errors.ConcretizationTypeError, TypeError):
        return None
    return _grid_for(*numbers, plasma)


def choose_grids(models, plasma: Plasma) -> tuple[list[Grid], np.ndarray]:
    """The grids that many models need, and the index of each one's, shape (n,).

    ``models``: scalar_mass_gev, portal_coupling and yukawa, each scalar or (n,), as attributes.
    """
    columns = np.broadcast_arrays(*(np.asarray(number) for number in _regime(models, plasma)))
    found: dict[Grid, int] = {}
    chosen = [
        found.setdefault(_grid_for(*numbers, plasma), len(found))
        for numbers in zip(*(column.ravel().tolist() for column in columns))
    ]
    return list(found), np.array(chosen)


def tightened(grid: Grid) -> Grid:
    """A grid for points that did not converge: that of freeze-out, every step halved."""
    fine = _freeze_out(grid.resonance, False)
    return dataclasses.replace(
        fine,
        hot_steps=2 * max(fine.hot_steps, grid.hot_steps),
        coupled_steps=2 * fine.coupled_steps,
        late_steps=2 * fine.late_steps,
    )


def _regime(model, plasma: Plasma):
    """What decides the grid: m_S, freeze-in yield, decay width, H at T = m_S."""
    mass = jnp.asarray(model.scalar_mass_gev)
    width = scalar_decay_width_gev(mass, model.yukawa, model.neutrino)
    return mass, freeze_in_yield(model), width, bath.hubble_gev(mass, plasma.constant_g)


def _grid_for(mass: float, thermal: float, width: float, hubble: float, plasma: Plasma) -> Grid:
    resonance = resonance_of(mass, plasma)
    equilibrium = 45.0 / (2.0 * np.pi**4 * 100.0)
    if width < hubble and thermal < _THERMAL_FRACTION * equilibrium:
        return _with_resonance(FREEZE_IN, resonance)
    return _freeze_out(resonance, plasma.stimulated)


def resonance_of(scalar_mass_gev: float, plasma: Plasma) -> str:
    """How the Higgs resonance is integrated at a mass: "none", "narrow" or "broad"."""
    if plasma.contact_only or scalar_mass_gev >= SMOOTH_ABOVE_GEV:
        return "none"
    return "narrow" if scalar_mass_gev < NARROW_BELOW_GEV else "broad"


def freeze_out_grid(scalar_mass_gev: float, plasma: Plasma | None = None) -> Grid:
    """The grid of freeze-out at a mass: it serves freeze-in too, at a higher cost.

    For searches through the turn-over, where one grid makes one smooth function.
    """
    plasma = Plasma() if plasma is None else plasma
    return _freeze_out(resonance_of(scalar_mass_gev, plasma), plasma.stimulated)


@functools.cache
def _freeze_out(resonance: str, stimulated: bool) -> Grid:
    grid = FREEZE_OUT_NARROW if resonance == "narrow" else _with_resonance(FREEZE_OUT, resonance)
    # soft modes fill within the first steps
    return dataclasses.replace(grid, hot_steps=4) if stimulated else grid


@functools.cache
def _with_resonance(grid: Grid, resonance: str) -> Grid:
    # near m_S = m_h/2 slow pairs meet the resonance long after the production
    free = grid.late_is_free and resonance != "broad"
    return dataclasses.replace(grid, resonance=resonance, late_is_free=free)


def solve(
    model: ScalarDecay,
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
    grid : resolution, static. When left out it is chosen from the values of the parameters; under
        jit and vmap, where they are unknown, every resonance regime is compiled and the right one
        runs (all three, under vmap). Give ``choose_grid`` of a representative model there.
    error_estimate : static; whether to solve on a coarser grid, too, and report the difference as
        ``Production.error``. Costs a tenth to a fifth of the solution.
    tolerance : largest error of Y_N, <q> and q^2 F_N (over its peak) to accept, 5e-5 to 0.1.
        The grid is refined, up to three times, until the estimate is below it; if it never is, the
        status is TOLERANCE_NOT_MET.

    Returns
    -------
    :class:`Production`

    Raises
    ------
    ValueError
        If JAX is not in 64-bit mode, the tolerance is out of range, or given for traced parameters.
    """
    require_x64()
    plasma = Plasma() if plasma is None else plasma
    grid = choose_grid(model, plasma) if grid is None else grid
    if tolerance is None:
        return _solve(model, plasma, grid, error_estimate)
    if not 5e-5 <= tolerance <= 0.1:
        raise ValueError(
            f"tolerance = {tolerance:g} is outside the allowed range [5e-05, 0.1]; the estimate "
            f"itself is no better than {accuracy.FLOOR:g}"
        )
    if grid is None:
        raise ValueError(
            "tolerance needs concrete scalar parameters, to decide on refinements; leave it out "
            "under jit and vmap and use error_estimate"
        )
    return _refine(model, plasma, grid, tolerance)


def _refine(model, plasma, grid, tolerance):
    """Refine the grid until the estimate of the error is below the tolerance."""

    def accepted(production):
        return int(production.status) == 0 and float(production.error.largest()) <= tolerance

    production = _solve(model, plasma, grid, True)
    for _ in range(accuracy.REFINEMENTS):
        if accepted(production) or int(production.status) == Status.OUT_OF_RANGE:
            return production
        grid = accuracy.refined(grid)
        finer = _solve(model, plasma, grid)
        error = accuracy.between(finer, production)
        production = dataclasses.replace(finer, error=error)
    if accepted(production) or int(production.status) != 0:
        return production
    return dataclasses.replace(production, status=jnp.int32(Status.TOLERANCE_NOT_MET))


@eqx.filter_jit
def _solve(model, plasma, grid, error_estimate=False):
    if grid is None and plasma.contact_only:
        grid = FREEZE_OUT
    if grid is not None:
        grid = _widened(grid, plasma)
        return _assemble(model, plasma, grid, *_produce(model, plasma, error_estimate, grid))
    # one lattice for all, so that the branches return one shape
    widest = _freeze_out("narrow", plasma.stimulated)
    branches = [
        functools.partial(
            _produce,
            error_estimate=error_estimate,
            grid=_widened(_with_resonance(widest, resonance), plasma),
        )
        for resonance in ("narrow", "broad", "none")
    ]
    edges = jnp.array([NARROW_BELOW_GEV, SMOOTH_ABOVE_GEV])
    index = jnp.searchsorted(edges, model.scalar_mass_gev, side="right")
    solved = jax.lax.switch(index, branches, model, plasma)
    return _assemble(model, plasma, _widened(widest, plasma), *solved)


def _widened(grid, plasma):
    """The grid with room for a shape that is kept in kinetic equilibrium, q ~ (m_S/T)^(1/2)."""
    if plasma.method == "momentum" or grid.log_q[-1] > math.log(_WIDEST_Q):
        return grid
    more = math.ceil((math.log(_WIDEST_Q) - grid.log_q[-1]) / grid.log_step)
    return dataclasses.replace(grid, momenta=grid.momenta + more)


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
        error = accuracy.difference(*computed, (yield_n, spectrum_yield), means, coarser)
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
    return Production(
        q=q,
        f=f,
        yield_n=yield_n,
        yield_n_spectrum=spectrum_yield,
        yield_s_max=jnp.max(yield_s),
        q_mean=mean,
        q_rms=root,
        f_n_max=jnp.max(jnp.where(q**3 * f > 1e-6 * jnp.max(q**3 * f), f, 0.0))
        / HELICITY_STATES[model.neutrino],
        density_ratio_max=jnp.max(scalar.density_ratio),
        radiation_ratio_max=jnp.max(scalar.radiation_ratio),
        history=History(scalar.temperature_gev, yield_s, 2.0 * scalar.decayed),
        scalar=scalar,
        status=status.astype(jnp.int32),
        model=model,
        plasma=plasma,
        grid=grid,
        error=error,
    )


def snapshots(production: Production) -> Snapshots:
    """f_S and F_N at seven times, for figures and files: not part of :func:`solve`.

    From the first ten-thousandth of the neutrinos to the last decays, evenly in ln T, with the
    time after which collisions change the number of scalars and their products by less than 1 %.
    """
    scalar, grid, history = production.scalar, production.grid, production.history
    made = np.asarray(history.yield_n) / float(history.yield_n[-1])
    total = np.asarray(history.yield_s + 0.5 * history.yield_n)
    moving = np.flatnonzero(np.abs(total / total[-1] - 1.0) > DECOUPLED)
    first, last = np.searchsorted(made, [1e-4, 1.0 - 1e-9])
    clock = np.asarray(scalar.clock)
    even = np.linspace(clock[first], clock[last], 6)
    rows = np.unique([*np.searchsorted(clock, even), min(moving[-1] + 1, last)])
    ends = scalar.clock[rows]

    @eqx.filter_jit
    def until(ends, scalar, model, q):
        return jax.vmap(
            lambda end: neutrino_spectrum(scalar, model, production.plasma, grid, q, end)
        )(ends)

    return Snapshots(
        temperature_gev=scalar.temperature_gev[rows],
        scalar_q=jnp.exp(scalar.log_q),
        scalar_f=scalar.f[rows],
        q=production.q,
        f=until(ends, scalar, production.model, production.q),
    )
