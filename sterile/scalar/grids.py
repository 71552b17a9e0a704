"""Which grid a model of scalar decay needs: the static choice of its solver."""

import dataclasses
import functools
import math

import jax.numpy as jnp
import numpy as np

from spectra.constants import HIGGS_MASS_GEV, REDUCED_PLANCK_MASS_GEV
from spectra.programs import program
from spectra.tracing import is_traced
from sterile.bath import expansion
from sterile.contract import Choices
from sterile.models import Plasma
from sterile.scalar.amplitudes import (
    CONTACT_OVER_COUPLING_SQUARED,
    higgs_decay_width_gev,
    scalar_decay_width_gev,
)
from sterile.scalar.higgs_mixing import bath_widths_gev
from sterile.scalar.lattice import Grid
from sterile.scalar.model import ScalarDecay

# Regimes by mass: where the Higgs resonance is far, and where its width matters.
# Against the exact form the yield moves by 4e-5 at the first edge and 3e-6 at the second.
NARROW_BELOW_GEV = 61.0
SMOOTH_ABOVE_GEV = 63.5
# freeze-in yield over the equilibrium yield above which S is taken to thermalise
_THERMAL_FRACTION = 0.01
_EQUILIBRIUM_YIELD = 45.0 / (2.0 * np.pi**4 * 100.0)
# Gamma/H(m_S) beyond which decays, collisions and what couples all momenta pull harder than a step
# bears. T_S of "moments": at 1600 the default step fails, at 2400 it is off by 4e-5 in Y_N; with
# elastic scattering Y_N and the moment of F part by 4e-3, with statistics of S too f swings
_HEATED_BY_DECAY = 100.0
_MADE_UNTIL = 5.0  # m_S/T at which freeze-in, h -> SS included, is nearly over
# momenta to exp(-20) of a shape in kinetic equilibrium until T = m_S/300, and to exp(-12) until
# T = m_S/1000 as large lambda keeps it
_WIDEST_Q = 60.0

# S decays late, at rest: 64 angles would change F by less than 1e-6 of its peak
FREEZE_IN = Grid(
    coupled_units=35, coupled_steps=2, late_units=72, late_steps=2, late_is_free=True, angles=40
)
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
# freeze-out on the resonance leaves an edge in f of a third in p: 0.2 misses Y_N by 5e-3
FREEZE_OUT_BROAD = Grid(
    log_step=0.1,
    momenta=87,
    hot_units=40,
    coupled_units=84,
    late_units=130,
    coupled_steps=3,
    resonance="broad",
)
_FREEZE_OUT = {"none": FREEZE_OUT, "narrow": FREEZE_OUT_NARROW, "broad": FREEZE_OUT_BROAD}


def freeze_in_yield(scalar_mass_gev, portal_coupling, scalar_vev_gev=None):
    """Y_S of pure freeze-in, contact, h -> S S and X -> S, with constant g = 100: an estimate.

    Y = 135 W M_0/(1024 pi^4 g m_S), W = 4 lambda^2/pi, and 135 Gamma(h -> SS) M_0/(4 pi^3 g m_h^2),
    M_0 = M_pl sqrt(90/(pi^2 g)); with <S>, 135 Gamma(S -> X) M_0/(8 pi^3 g m_S^2).
    """
    g = 100.0
    m0 = REDUCED_PLANCK_MASS_GEV * np.sqrt(90.0 / (np.pi**2 * g))
    coupling2 = portal_coupling**2
    contact = 135.0 * CONTACT_OVER_COUPLING_SQUARED * coupling2 * m0
    contact = contact / (1024.0 * np.pi**4 * g * scalar_mass_gev)
    width = higgs_decay_width_gev(scalar_mass_gev, portal_coupling)
    total = contact + 135.0 * width * m0 / (4.0 * np.pi**3 * g * HIGGS_MASS_GEV**2)
    if scalar_vev_gev is None:
        return total
    widths = bath_widths_gev(scalar_mass_gev, portal_coupling, scalar_vev_gev)
    inverse = jnp.maximum(*widths) * m0 / (8.0 * np.pi**3 * g * scalar_mass_gev**2)
    return total + 135.0 * inverse


def prepare(models, plasma: Plasma) -> Choices:
    """The grids that many models need, one of six each.

    The Higgs resonance absent (m_S > 63.5 GeV), narrow (m_S < 61 GeV) or broad, and coarser steps
    where S neither thermalises nor decays while it is made.
    """
    grids, chosen = _grids(models, plasma)
    return Choices([*grids], chosen)


def _grids(models, plasma: Plasma) -> tuple[list[Grid], np.ndarray]:
    given = (models.scalar_mass_gev, models.portal_coupling, models.yukawa, models.scalar_vev_gev)
    numbers = (None if number is None else np.asarray(number, dtype=float) for number in given)
    decisive = _regime(*numbers, models.neutrino, expansion.tabulated(plasma))
    columns = np.broadcast_arrays(*(np.asarray(number) for number in decisive))
    found: dict[Grid, int] = {}
    chosen = [
        found.setdefault(_grid_for(*numbers, plasma=plasma), len(found))
        for numbers in zip(*(column.ravel().tolist() for column in columns))
    ]
    return list(found), np.array(chosen)


def shared_grid(models, plasma: Plasma) -> Grid:
    """One grid for all ``models``: their own if they agree, else that of freeze-out.

    Raises ``ValueError`` where they lie on both sides of an edge of the resonance regime.
    """
    masses = np.asarray(models.scalar_mass_gev)
    low, high = float(np.min(masses)), float(np.max(masses))
    if resonance_of(low, plasma) != resonance_of(high, plasma):
        raise ValueError(
            f"scalar_mass_gev from {low:g} to {high:g} crosses an edge of the resonance regime "
            f"({NARROW_BELOW_GEV:g} and {SMOOTH_ABOVE_GEV:g} GeV), where the solver's method "
            "changes; treat each side by itself"
        )
    grids, _ = _grids(models, plasma)
    return grids[0] if len(grids) == 1 else _freeze_out_of(plasma, resonance_of(low, plasma))


def smooth_grid(model: ScalarDecay, plasma: Plasma) -> Grid:
    """The grid of freeze-out at the model's mass: it serves freeze-in too, at a higher cost.

    For searches through the turn-over, where one grid makes one smooth function.
    """
    mass = float(model.scalar_mass_gev)
    return stretched(_freeze_out_of(plasma, resonance_of(mass, plasma)), mass, plasma)


def robust(grid: Grid) -> Grid:
    """A grid for points that did not converge: that of freeze-out, every step halved."""
    fine = _FREEZE_OUT[grid.resonance]
    return dataclasses.replace(
        fine,
        hot_steps=2 * max(fine.hot_steps, grid.hot_steps),
        coupled_steps=2 * fine.coupled_steps,
        late_steps=2 * fine.late_steps,
    )


@program
def _regime(mass, coupling, yukawa, vev, neutrino: str, plasma: Plasma):
    """What decides the grid: m_S, freeze-in yield, decay width, H at T = m_S."""
    width = scalar_decay_width_gev(mass, yukawa, neutrino)
    hubble = expansion.hubble_gev(mass, plasma)
    if plasma.fluid_density_ratio is not None:
        # H of a fluid may fall faster than T^2 while S is made
        later = expansion.hubble_gev(mass / _MADE_UNTIL, plasma)
        hubble = jnp.minimum(hubble, _MADE_UNTIL**2 * later)
    return mass, freeze_in_yield(mass, coupling, vev), width, hubble


def _grid_for(mass: float, thermal: float, width: float, hubble: float, plasma: Plasma) -> Grid:
    resonance = resonance_of(mass, plasma)
    if expansion.releases_entropy(plasma):
        return stretched(_freeze_out_of(plasma, resonance), mass, plasma)
    if width < hubble and thermal < _THERMAL_FRACTION * _EQUILIBRIUM_YIELD:
        return stretched(_with_resonance(FREEZE_IN, resonance), mass, plasma)
    fast = width > _HEATED_BY_DECAY * hubble
    return stretched(_freeze_out_of(plasma, resonance, fast), mass, plasma)


# of an era of decaying matter: T/m_S from which what is made is not diluted away
_MATTER_START, _MATTER_HOT, _MATTER_FROM, _MATTER_UNTIL = 20.0, 10.0, 2.0, 1.0 / 20.0
_ABOVE_ELECTROWEAK_GEV = 170.0  # a hot phase has no broken phase


def stretched(grid: Grid, mass_gev: float, plasma: Plasma) -> Grid:
    """The grid for an expansion with a fluid, or in which entropy is released; else itself.

    While matter decays T falls as a^(-3/8) only: phases that end at the same temperatures last
    longer, and momenta of the plasma spread over more of the lattice. What is made at T above 20
    m_S, or above five times the reheating temperature, is diluted away. Decided on the host.
    """
    if not expansion.releases_entropy(plasma):
        if not _has_fluid(plasma):
            return grid
        return _slower(grid)
    solved = expansion.tabulated(plasma)
    reheated = float(expansion.end_of_release_gev(plasma))

    def clock(temperature):
        return -math.log(float(expansion.comoving_temperature_gev(temperature, solved)))

    start = min(grid.start, max(_MATTER_START, 5.0 * reheated / mass_gev))
    start = max(start, 2.0 * _ABOVE_ELECTROWEAK_GEV / mass_gev)
    # temperatures at the ends of the phases, with T ~ 1/a
    ends = np.cumsum([grid.hot_units, grid.coupled_units, grid.late_units]) * grid.log_step
    hot, coupled, late = grid.start * mass_gev * np.exp(-ends)
    hot = max(min(hot, _MATTER_HOT * mass_gev), _ABOVE_ELECTROWEAK_GEV)
    hot = min(hot, 0.8 * start * mass_gev)
    times = [clock(temperature) for temperature in (start * mass_gev, hot, coupled, late)]
    units = [
        math.ceil((after - before) / (_UNITS * grid.log_step)) * _UNITS
        for before, after in zip(times, times[1:])
    ]

    def shift(relative):
        """ln of q of a thermal momentum over that with T = a_T."""
        temperature = relative * mass_gev
        return math.log(temperature) + clock(temperature)

    first = min(shift(_MATTER_FROM), shift(_MATTER_UNTIL))
    spread = max(shift(_MATTER_FROM), shift(_MATTER_UNTIL)) - first
    momenta = grid.momenta + math.ceil(spread / (_UNITS * grid.log_step)) * _UNITS
    q_min = grid.q_min * math.exp(round(min(first, 0.0) / grid.log_step) * grid.log_step)
    return dataclasses.replace(
        grid,
        start=start,
        # a hot phase has to end above T_EW
        hot_units=max(1, math.floor((times[1] - times[0]) / grid.log_step)),
        coupled_units=units[1] + _UNITS,
        late_units=units[2],
        momenta=momenta,
        q_min=q_min,
        late_is_free=False,
    )


def _slower(grid: Grid) -> Grid:
    """For a fluid, where Gamma/H may grow faster than (1/T)^2."""
    return dataclasses.replace(grid, late_steps=2 * grid.late_steps)


def require_standard_clock(plasma: Plasma) -> None:
    """Raise ``ValueError`` where a grid has to be chosen, but values are not known."""
    if expansion.releases_entropy(plasma):
        raise ValueError(
            "a plasma that releases entropy needs a grid made for it, which cannot be chosen under "
            "jit or vmap; give grid=sterile.choose_grid(model, plasma)"
        )


def _has_fluid(plasma: Plasma) -> bool:
    """Whether there is an extra fluid, of more than zero density where that is known."""
    ratio = plasma.fluid_density_ratio
    return ratio is not None and (is_traced(ratio) or float(ratio) > 0.0)


_UNITS = 4  # to which lengths are rounded: fewer programs


def resonance_of(scalar_mass_gev: float, plasma: Plasma) -> str:
    """How the Higgs resonance is integrated at a mass: "none", "narrow" or "broad"."""
    if plasma.contact_only or scalar_mass_gev >= SMOOTH_ABOVE_GEV:
        return "none"
    return "narrow" if scalar_mass_gev < NARROW_BELOW_GEV else "broad"


def fills_suddenly(plasma: Plasma) -> bool:
    """Whether soft modes fill within a step of the hot phase.

    By stimulated emission, or as soon as a doublet that loses its thermal mass is light enough.
    """
    return plasma.stimulated or plasma.electroweak_transition == "crossover"


def is_driven(plasma: Plasma) -> bool:
    """Whether something couples all momenta at once: a temperature of S, hops, stimulated pairs."""
    return plasma.method == "moments" or plasma.elastic_scattering or plasma.stimulated


def _freeze_out_of(plasma: Plasma, resonance: str, fast_decay: bool = True) -> Grid:
    """The grid of freeze-out with the treatment of a plasma.

    ``fast_decay``: whether S may decay while it is in equilibrium.
    """
    lasing = plasma.elastic_scattering and plasma.stimulated
    hot_steps = 1
    if fills_suddenly(plasma):
        # hops carry S into soft modes, whose pairs are made by stimulated emission
        hot_steps = 6 if lasing else 4
    finer = is_driven(plasma) and (fast_decay or (lasing and resonance == "narrow"))
    return _with_steps(resonance, hot_steps, 2 if finer else 1)


@functools.cache
def _with_steps(resonance: str, hot_steps: int, finer: int) -> Grid:
    grid = _FREEZE_OUT[resonance]
    return dataclasses.replace(grid, hot_steps=hot_steps, coupled_steps=finer * grid.coupled_steps)


@functools.cache
def _with_resonance(grid: Grid, resonance: str) -> Grid:
    # near m_S = m_h/2 slow pairs meet the resonance long after the production
    free = grid.late_is_free and resonance != "broad"
    return dataclasses.replace(grid, resonance=resonance, late_is_free=free)


def choices(plasma: Plasma) -> tuple[Grid, ...]:
    """The grids that serve every model where parameters are traced, see :func:`choice`."""
    resonances = ("none",) if plasma.contact_only else ("none", "broad", "narrow")
    freeze_out = (_freeze_out_of(plasma, resonance) for resonance in resonances)
    every = (_with_resonance(FREEZE_IN, "none"), *freeze_out)
    if expansion.releases_entropy(plasma):
        raise ValueError(
            "plasma releases entropy: the grid follows from the parameters' values; under jit and "
            "vmap give grid = sterile.choose_grid(model, plasma) of a representative model"
        )
    if _has_fluid(plasma):
        every = tuple(_slower(grid) for grid in every)
    return tuple(widened(grid, plasma) for grid in every)


def choice(model: ScalarDecay, plasma: Plasma):
    """Index of a traced model's grid among :func:`choices`: its own, or freeze-out's for freeze-in
    where the Higgs resonance matters.
    """
    mass, thermal, width, hubble = _regime(
        model.scalar_mass_gev,
        model.portal_coupling,
        model.yukawa,
        model.scalar_vev_gev,
        model.neutrino,
        plasma,
    )
    freezes_out = ~((width < hubble) & (thermal < _THERMAL_FRACTION * _EQUILIBRIUM_YIELD))
    if plasma.contact_only:
        return freezes_out.astype(jnp.int32)
    resonance = 1 + (mass < SMOOTH_ABOVE_GEV) + (mass < NARROW_BELOW_GEV)
    return jnp.where(freezes_out | (resonance > 1), resonance, 0)


def widened(grid, plasma):
    """The grid with room for a shape that is kept in kinetic equilibrium, q ~ (m_S/T)^(1/2).

    By the method, or by elastic scattering for as long as lambda has it.
    """
    kept = plasma.method != "momentum" or (plasma.elastic_scattering and not grid.late_is_free)
    if not kept or grid.log_q[-1] > math.log(_WIDEST_Q):
        return grid
    more = math.ceil((math.log(_WIDEST_Q) - grid.log_q[-1]) / grid.log_step)
    return dataclasses.replace(grid, momenta=grid.momenta + more)
