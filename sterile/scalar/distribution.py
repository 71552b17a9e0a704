"""The scalar's momentum distribution f_S(q, x) from T = 2000 m_S until it has decayed.

Clock x = -ln a_T, a_T = T (g_s/g_s0)^(1/3), so that dx = H dt and a comoving momentum q = p/a_T is
constant. On the lattice, uniform in ln q with the step of the clock, a unit of time only shifts
momenta by one node: the annihilation kernel is tabulated once per model and a step reads a slice.

    df/dx = [L[f_eq] f_eq - (L[f] + m_S Gamma/E) f]/H,

in f = psi g, where psi follows exp(-E/T) as far as production and loss balance, and the free decay
otherwise; g is nearly constant in either regime and is advanced by Rodas5P. The state carries the
decayed number and rho_N a^4 beside g: S and N gravitate through H(x, f, rho_N).

T_EW is a node. Time runs in three phases of uniform steps: unbroken and hot; from T = 40 m_S past
freeze-out, in fine steps; and late, until the decays are over, without collisions where S never
thermalised (:mod:`sterile.scalar.free_decay`). Where it never thermalised nothing is stiff but the
decays, and the first two phases are an integral (:mod:`sterile.scalar.freeze_in`).
"""

import math

import jax
import jax.numpy as jnp
import numpy as np

from spectra.constants import REDUCED_PLANCK_MASS_GEV
from sterile.bath import expansion as bath_expansion
from sterile.models import HELICITY_STATES, Plasma
from sterile.scalar.amplitudes import scalar_decay_width_gev
from sterile.scalar.bath_means import means_at
from sterile.scalar.collisions import contact_kernel_factor, energy
from sterile.scalar.elastic_scattering import elastic_table
from sterile.scalar.free_decay import free_phase
from sterile.scalar.freeze_in import is_linear, linear_phases
from sterile.scalar.higgs_mixing import bath_widths_gev
from sterile.scalar.inverse_decay import Daughters
from sterile.scalar.lattice import Grid, ScalarHistory, phases, yield_weights
from sterile.scalar.model import ScalarDecay
from sterile.scalar.moments import first_population
from sterile.scalar.phase import run_phase
from sterile.scalar.rates import (
    DEAD,
    Particle,
    expansion,
    loss_operator,
    occupation,
    rates_of,
    thermal_at,
)
from sterile.scalar.resonance import resonance_peak
from sterile.scalar.tables import bath_along, cross_sections

FLOOR = 40.0  # E/T beyond which the reference shape keeps its comoving form
_START_ROUNDS = 4


def _clock_origin(model, plasma, grid):
    """x of the first node, and the unit index at which T = T_EW."""

    def clock_of(temperature):
        return -jnp.log(bath_expansion.comoving_temperature_gev(temperature, plasma))

    electroweak = clock_of(plasma.electroweak_temperature_gev)
    start = clock_of(grid.start * model.scalar_mass_gev)
    # a whole number of units between start and T_EW: which one is a discrete choice
    units = jnp.ceil(jax.lax.stop_gradient(electroweak - start) / grid.log_step)
    return electroweak - grid.log_step * units, units.astype(jnp.int32)


def solve_scalar(model: ScalarDecay, plasma: Plasma, grid: Grid) -> ScalarHistory:
    """Integrate f_S(q, x); see the module's description.

    Parameters
    ----------
    model : parameters, scalar leaves.
    plasma : treatment of the bath.
    grid : resolution, static.

    Returns
    -------
    :class:`ScalarHistory` at every step, the start included.
    """
    mass = model.scalar_mass_gev
    star = mass / FLOOR
    resonance = "none" if plasma.contact_only else grid.resonance
    particle = Particle(
        mass_gev=mass,
        width_gev=scalar_decay_width_gev(mass, model.yukawa, model.neutrino),
        contact=contact_kernel_factor(model.portal_coupling),
        log_q=grid.log_q,
        log_step=grid.log_step,
        peak=resonance_peak(mass, model.portal_coupling, resonance, widths=plasma.higgs_width),
        star=(star, bath_expansion.comoving_temperature_gev(star, plasma)),
        gravitates=plasma.dark_sector_in_hubble,
        stimulated=plasma.stimulated,
        transition_gev=(
            plasma.electroweak_temperature_gev
            if plasma.electroweak_transition == "crossover"
            else None
        ),
        elastic=(
            elastic_table(mass, model.portal_coupling, plasma)
            if plasma.elastic_scattering
            else None
        ),
        bath_widths_gev=_bath_widths(model, plasma),
        daughters=_daughters(model, plasma),
    )
    return evolve(model, particle, plasma, grid)


def evolve(model, particle: Particle, plasma: Plasma, grid: Grid, start=None) -> ScalarHistory:
    """Integrate f(q, x) of any :class:`sterile.scalar.rates.Particle`.

    ``model``: its scalar_mass_gev fixes the clock, its couplings the tables below T_EW.
    ``start``: f at the first node, (n,); else what the collisions have made by then.
    """
    clock, electroweak_unit = _clock_origin(model, plasma, grid)
    yields = yield_weights(grid)

    linear = start is None and is_linear(plasma, grid, particle)
    first = thermal_at(clock, clock, plasma)
    means = means_at(model, plasma, grid, clock, False)
    operator = loss_operator(particle, first, None, False, means.contact)
    rates = rates_of(particle, first, operator, jnp.zeros(grid.momenta))
    hubble, _, _ = expansion(particle, first, rates, rates.equilibrium, jnp.zeros(()))
    if start is None and particle.stimulated:
        start = _stimulated_start(particle, first, operator, hubble)
    elif start is None and plasma.release is not None:
        # momenta that only an early era of matter leaves so cold are empty
        full = jnp.maximum(rates.equilibrium, DEAD)
        start = -full * jnp.expm1(-rates.source / (full * hubble))
    elif start is None:
        # a Hubble time of gain, up to where losses and decays balance it
        removal = rates.source / rates.equilibrium + rates.decay
        start = -rates.source / removal * jnp.expm1(-removal / hubble)
    carry = (occupation(particle, first, start), jnp.zeros(()), jnp.zeros(()))
    if plasma.method != "momentum":
        carry = first_population(particle, yields, first, start)
    if plasma.inverse_decays:
        carry = (*carry, jnp.zeros(grid.momenta))
    free = grid.late_is_free and plasma.method == "momentum"

    histories = [jax.tree.map(lambda leaf: leaf[None], carry)]
    clocks = [clock[None]]
    hot, coupled, late = phases(grid)
    visited = (hot, coupled) if free else (hot, coupled, late)
    sections = cross_sections(model, plasma, grid, particle, clock, visited)
    given = model, plasma, grid, particle, yields, clock
    if linear:
        history, times = linear_phases(*given, visited, electroweak_unit, sections, start)
        histories.append(history)
        clocks.append(times)
        carry = tuple(leaf[-1] for leaf in history)
    else:
        baths = bath_along(plasma, grid, particle, clock, visited, electroweak_unit)
        for phase, bath in zip(visited, baths):
            carry, history, times = run_phase(
                *given, phase, electroweak_unit, bath, sections, carry
            )
            histories.append(history)
            clocks.append(times)
    if free:
        step = grid.log_step / late.steps
        starts = clock + grid.log_step * late.first_unit + step * np.arange(late.units * late.steps)
        (f, decayed, rest), more = carry[:3], carry[3:]
        _, history = free_phase(particle, yields, starts, step, plasma, (f, decayed, rest))
        kept = (jnp.broadcast_to(leaf, (starts.size, *leaf.shape)) for leaf in more)
        histories.append((*history, *kept))
        clocks.append(starts + step)
    f, decayed, rest, *more = (jnp.concatenate(parts) for parts in zip(*histories))
    clock = jnp.concatenate(clocks)
    history = _history(particle, plasma, grid, clock, f, decayed, rest, electroweak_unit)
    return history._replace(occupation=more[0]) if plasma.inverse_decays else history


def _daughters(model, plasma):
    """What N N -> S needs, or None where it is left out."""
    if not plasma.inverse_decays:
        return None
    return Daughters(HELICITY_STATES[model.neutrino], plasma.stimulated)


def _bath_widths(model, plasma):
    """Of S -> Standard Model below and above T_EW, or None without <S>.

    The free phase uses the first also where it begins above T_EW: for m_S > 30 T_EW the two agree
    to (m_h/m_S)^2.
    """
    if model.scalar_vev_gev is None:
        return None
    broken, unbroken = bath_widths_gev(
        model.scalar_mass_gev, model.portal_coupling, model.scalar_vev_gev
    )
    return (unbroken if plasma.contact_only else broken), unbroken


def _stimulated_start(particle, thermal, operator, hubble):
    """u = f/(1 + f) at the start: a Hubble time of gain, up to equilibrium.

    The gain of a mode rises with the occupation of the others: a few rounds fill all that fill.
    """
    u = jnp.zeros(operator.shape[0])
    for _ in range(_START_ROUNDS):
        rates = rates_of(particle, thermal, operator, occupation(particle, thermal, u))
        u = -rates.equilibrium * jnp.expm1(-rates.source / (rates.equilibrium * hubble))
    return u


def _history(particle, plasma, grid, clock, f, decayed, rest, electroweak_unit):
    """Assemble what the decay spectrum and the user need from the raw states."""
    hot, coupled, late = phases(grid)
    unit_starts = np.concatenate(
        [
            [0],
            *(np.full(units, steps) for _, units, steps in (hot, coupled, late)),
        ]
    ).cumsum()
    index = jnp.asarray(unit_starts, dtype=jnp.int32)[
        jnp.clip(electroweak_unit, 0, len(unit_starts) - 1)
    ]

    def at(clock, f, rest):
        thermal = thermal_at(clock, clock, plasma)
        p = jnp.exp(particle.log_q) * thermal.comoving_gev
        e = energy(p, particle.mass_gev)
        number = particle.states * particle.log_step * p**3 / (2.0 * math.pi**2)
        scalar = jnp.sum(number * e * f)
        density = thermal.density_gev4
        neutrinos = rest * thermal.comoving_gev**4
        if particle.gravitates:
            density = density + scalar + neutrinos
        hubble = jnp.sqrt(density / 3.0) / REDUCED_PLANCK_MASS_GEV
        ratios = scalar / thermal.density_gev4, neutrinos / thermal.density_gev4
        return thermal.temperature_gev, hubble, *ratios

    temperature, hubble, ratio, radiation = jax.vmap(at)(clock, f, rest)
    return ScalarHistory(
        jnp.asarray(grid.log_q),
        clock,
        temperature,
        hubble,
        f,
        decayed,
        index,
        ratio,
        rest,
        radiation,
    )
