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
thermalised (:mod:`sterile.free_decay`).
"""

import math

import jax
import jax.numpy as jnp
import numpy as np

from spectra.constants import HIGGS_MASS_GEV, REDUCED_PLANCK_MASS_GEV
from sterile import plasma as bath
from sterile.amplitudes import scalar_decay_width_gev
from sterile.bath_means import means_at, means_in_unit, means_of_phase, splits_kernel
from sterile.collisions import (
    ReferenceShape,
    annihilation_kernel,
    contact_kernel_factor,
    cross_section_table,
    energy,
    fermion_share_of_width,
    resonance_operator,
    resonance_peak,
    smearing_gev2,
    total_higgs_width_gev,
)
from sterile.free_decay import free_phase
from sterile.lattice import Grid, ScalarHistory, phases, yield_weights
from sterile.models import Plasma, ScalarDecay
from sterile.rosenbrock import NODES
from sterile.scalar_step import (
    Particle,
    expansion,
    implicit_step,
    loss_operator,
    occupation,
    rates_of,
    thermal_at,
)
from sterile.statistics import peak_enhancement

_START = 2000.0  # T/m_S at which contact freeze-in has made less than 3e-6 of its yield
_FLOOR = 40.0  # E/T beyond which the reference shape keeps its comoving form


def _clock_origin(model, plasma, grid):
    """x of the first node, and the unit index at which T = T_EW."""

    def clock_of(temperature):
        return -jnp.log(bath.comoving_temperature_gev(temperature, plasma.constant_g))

    electroweak = clock_of(plasma.electroweak_temperature_gev)
    start = clock_of(_START * model.scalar_mass_gev)
    # a whole number of units between start and T_EW: which one is a discrete choice
    units = jnp.ceil(jax.lax.stop_gradient(electroweak - start) / grid.log_step)
    return electroweak - grid.log_step * units, units.astype(jnp.int32)


def _resonance(model, plasma, grid, particle, clock, hot):
    """The resonance's part of L at one time, (n, n); ``hot``: whether statistics matter yet."""
    thermal = thermal_at(clock, clock, plasma.constant_g)
    enhancement = None
    if hot and "h" in plasma.quantum:
        total = total_higgs_width_gev(
            model.scalar_mass_gev, model.portal_coupling, plasma.higgs_width
        )
        share = None
        if "fermions" in plasma.quantum:
            share = fermion_share_of_width(plasma.higgs_width)
        gamma = smearing_gev2(model.scalar_mass_gev, grid.resonance)

        def enhancement(s, pair_energy):
            return peak_enhancement(
                pair_energy,
                s,
                thermal.temperature_gev,
                grid.resonance,
                HIGGS_MASS_GEV * total,
                gamma,
                share,
            )

    shape = ReferenceShape(
        jnp.maximum(thermal.temperature_gev, particle.star[0]),
        jnp.maximum(1.0, particle.star[1] / thermal.comoving_gev),
        particle.mass_gev,
    )
    p = jnp.exp(particle.log_q) * thermal.comoving_gev
    return resonance_operator(
        particle.peak, shape, p, particle.mass_gev, particle.log_step, enhancement
    )


def _tables(model, clock, units, steps, grid, part, widths):
    """Operators of the broken phase on the momenta that a phase visits.

    Returns (steps, nodes, P, P) operators and (steps, P, P) derivatives at the step starts, with
    P = momenta + units - 1; unit u uses the block from P - momenta - u.
    """
    count = grid.momenta + units - 1
    step = grid.log_step / steps
    offsets = step * np.arange(steps)[:, None] + step * NODES[None, :]
    ladder = math.log(grid.q_min) + grid.log_step * (np.arange(count) - (units - 1))
    largest = jnp.exp(ladder[-1] - clock)
    s_max = 4.0 * (model.scalar_mass_gev**2 + largest**2) * 1.01
    table = cross_section_table(
        model.scalar_mass_gev, model.portal_coupling, s_max, grid.resonance, part, widths
    )

    def operator(offset):
        p = jnp.exp(ladder - clock - offset)
        e = energy(p, model.scalar_mass_gev)
        kernel = annihilation_kernel(table, p, model.scalar_mass_gev)
        return (
            model.portal_coupling**2
            * grid.log_step
            * kernel
            / (p * e)[:, None]
            * (p**2 / e)[None, :]
        )

    values = jax.lax.map(operator, offsets.ravel())
    _, slopes = jax.lax.map(
        lambda offset: jax.jvp(operator, (offset,), (jnp.ones_like(offset),)), offsets[:, 0]
    )
    return values.reshape(steps, len(NODES), count, count), slopes


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
    clock, electroweak_unit = _clock_origin(model, plasma, grid)
    mass = model.scalar_mass_gev
    star = mass / _FLOOR
    resonance = "none" if plasma.contact_only else grid.resonance
    particle = Particle(
        mass_gev=mass,
        width_gev=scalar_decay_width_gev(mass, model.yukawa),
        contact=contact_kernel_factor(model.portal_coupling),
        log_q=grid.log_q,
        log_step=grid.log_step,
        peak=resonance_peak(mass, model.portal_coupling, resonance, widths=plasma.higgs_width),
        star=(star, bath.comoving_temperature_gev(star, plasma.constant_g)),
        gravitates=plasma.dark_sector_in_hubble,
        stimulated=plasma.stimulated,
        transition_gev=(
            plasma.electroweak_temperature_gev
            if plasma.electroweak_transition == "crossover"
            else None
        ),
    )
    yields = yield_weights(grid)

    first = thermal_at(clock, clock, plasma.constant_g)
    means = means_at(model, plasma, grid, clock, False)
    operator = loss_operator(particle, first, None, False, means.contact)
    rates = rates_of(particle, first, operator, jnp.zeros(grid.momenta))
    hubble, _, _ = expansion(particle, first, rates, rates.equilibrium, jnp.zeros(()))
    start = -rates.equilibrium * jnp.expm1(-rates.loss_equilibrium / hubble)
    if particle.stimulated:
        start = _stimulated_start(particle, first, operator, hubble)
    carry = (occupation(particle, first, start), jnp.zeros(()), jnp.zeros(()))

    histories = [jax.tree.map(lambda leaf: leaf[None], carry)]
    clocks = [clock[None]]
    hot, coupled, late = phases(grid)
    for phase in (hot, coupled) if grid.late_is_free else (hot, coupled, late):
        carry, history, times = _run_phase(
            model, plasma, grid, particle, yields, clock, phase, electroweak_unit, carry
        )
        histories.append(history)
        clocks.append(times)
    if grid.late_is_free:
        step = grid.log_step / late.steps
        starts = clock + grid.log_step * late.first_unit + step * np.arange(late.units * late.steps)
        _, history = free_phase(particle, yields, starts, step, plasma.constant_g, carry)
        histories.append(history)
        clocks.append(starts + step)
    f, decayed, rest = (jnp.concatenate(parts) for parts in zip(*histories))
    clock = jnp.concatenate(clocks)
    return _history(particle, plasma, grid, clock, f, decayed, rest, electroweak_unit)


def _stimulated_start(particle, thermal, operator, hubble):
    """u = f/(1 + f) at the start: a Hubble time of gain, up to equilibrium.

    The gain of a mode rises with the occupation of the others: a few rounds fill all that fill.
    """
    u = jnp.zeros(operator.shape[0])
    for _ in range(_START_ROUNDS):
        rates = rates_of(particle, thermal, operator, occupation(particle, thermal, u))
        u = -rates.equilibrium * jnp.expm1(-rates.loss_equilibrium / hubble)
    return u


_START_ROUNDS = 4
_WINDOW_NODES = 0.5 - 0.5 * np.cos(np.pi * np.arange(7) / 6)


def _polynomial(at, derivative=False):
    """Weights of the window nodes in the polynomial through them, or in its slope; (..., 7)."""
    powers = np.arange(_WINDOW_NODES.size)
    inverse = np.linalg.inv(_WINDOW_NODES[:, None] ** powers)
    at = np.asarray(at)[..., None]
    basis = powers * at ** np.maximum(powers - 1, 0) if derivative else at**powers
    return basis @ inverse


def _times(block, factor, factor_slope):
    """A kernel at the stages and its slope at the starts of steps, times a factor or None."""
    if factor is None:
        return block
    value, slope = block
    return value * factor, slope * factor[:, 0] + value[:, 0] * factor_slope


def _run_phase(model, plasma, grid, particle, yields, clock, phase, electroweak_unit, carry):
    """Scan one phase of uniform steps; returns the end state, the states after each step, times."""
    first_unit, units, steps = phase
    begin = clock + grid.log_step * first_unit
    step = grid.log_step / steps
    starts = begin + step * np.arange(units * steps).reshape(units, steps)

    def thermal(shift, start):
        return thermal_at(start + shift, start, plasma.constant_g)

    thermals = jax.vmap(jax.vmap(jax.vmap(thermal, (0, None)), (None, 0)), (None, 0))(
        jnp.asarray(step * NODES), starts
    )
    zero = jnp.zeros(())
    _, tangents = jax.vmap(
        jax.vmap(lambda start: jax.jvp(lambda d: thermal(d, start), (zero,), (zero + 1.0,)))
    )(starts)
    # no statistics in the late phase, E_1 + E_2 > 240 T, and no crossover
    late = phase == phases(grid)[-1]
    if late:
        particle = particle._replace(transition_gev=None)
    wall = electroweak_unit - first_unit
    tables, means = None, None
    has_tables = not plasma.contact_only and first_unit > 0
    if not late:
        means = means_of_phase(model, plasma, grid, begin, units, wall, has_tables)
    if has_tables:
        split = means is not None and splits_kernel(plasma)
        parts = ("light", "heavy") if split else ("all",)
        tables = [
            _tables(model, begin, units, steps, grid, part, plasma.higgs_width) for part in parts
        ]

    # slow pairs never reach a narrow resonance that lies far above their threshold
    cold = grid.resonance == "narrow" and late
    has_windows = particle.peak is not None and tables is not None and not cold
    # the windows vary little over a unit: seven Chebyshev nodes serve all its steps and stages
    starts_in_unit = np.arange(steps) / steps
    at_stages = _polynomial(starts_in_unit[:, None] + NODES / steps)
    stages = (starts_in_unit[:, None] + NODES / steps).ravel()
    slopes_at_starts = _polynomial(starts_in_unit, derivative=True) / grid.log_step

    def one_unit(carry, inputs):
        unit, thermals, slopes = inputs
        broken = unit + first_unit >= electroweak_unit
        values, value_slopes, contact, contact_slopes = None, None, None, None
        if means is not None:
            factors, factor_slopes = means_in_unit(means, unit, wall, stages, grid.log_step)
            factors, factor_slopes = jax.tree.map(
                lambda leaf: leaf.reshape(steps, len(NODES), *leaf.shape[1:]),
                (factors, factor_slopes),
            )
            factor_slopes = jax.tree.map(lambda leaf: leaf[:, 0], factor_slopes)
            contact, contact_slopes = factors.contact, factor_slopes.contact
        if tables is not None:
            corner, size = units - 1 - unit, grid.momenta
            blocks = [
                (
                    jax.lax.dynamic_slice(
                        table, (0, 0, corner, corner), (steps, len(NODES), size, size)
                    ),
                    jax.lax.dynamic_slice(slope, (0, corner, corner), (steps, size, size)),
                )
                for table, slope in tables
            ]
            if len(blocks) > 1:
                blocks = [
                    _times(block, getattr(factors, part), getattr(factor_slopes, part))
                    for block, part in zip(blocks, parts)
                ]
            values, value_slopes = (sum(pair[1:], pair[0]) for pair in zip(*blocks))

        if has_windows:
            clocks = begin + grid.log_step * (unit + _WINDOW_NODES)
            windows = jax.vmap(
                lambda clock: _resonance(model, plasma, grid, particle, clock, not late)
            )(clocks)
            values = values + jnp.tensordot(at_stages, windows, 1)
            value_slopes = value_slopes + jnp.tensordot(slopes_at_starts, windows, 1)

        def operator(thermal, value, mean):
            return loss_operator(particle, thermal, value, broken, mean)

        def slope(at_start, derivatives):
            return jax.jvp(operator, at_start, derivatives)[1]

        stage_values = (thermals, values, contact)
        first = jax.tree.map(lambda leaf: leaf[:, 0], stage_values)
        operators = jax.vmap(jax.vmap(operator))(*stage_values)
        operator_slopes = jax.vmap(slope)(first, (slopes, value_slopes, contact_slopes))

        @jax.checkpoint
        def one_step(carry, inputs):
            carry = implicit_step(particle, yields, *inputs, step, carry)
            return carry, carry

        return jax.lax.scan(one_step, carry, (thermals, slopes, operators, operator_slopes))

    carry, history = jax.lax.scan(one_unit, carry, (jnp.arange(units), thermals, tangents))
    history = jax.tree.map(lambda leaf: leaf.reshape(units * steps, *leaf.shape[2:]), history)
    return carry, history, (starts + step).ravel()


def _history(particle, plasma, grid, clock, f, decayed, rest, electroweak_unit):
    """Assemble what the decay spectrum and the user need from the raw states."""
    hot, coupled, late = phases(grid)
    unit_starts = np.concatenate(
        [
            [0],
            *(np.full(units, steps) for _, units, steps in (hot, coupled, late)),
        ]
    ).cumsum()
    index = jnp.asarray(unit_starts)[jnp.clip(electroweak_unit, 0, len(unit_starts) - 1)]

    def at(clock, f, rest):
        thermal = thermal_at(clock, clock, plasma.constant_g)
        p = jnp.exp(particle.log_q) * thermal.comoving_gev
        e = energy(p, particle.mass_gev)
        number = particle.log_step * p**3 / (2.0 * math.pi**2)
        scalar = jnp.sum(number * e * f)
        density = thermal.density_gev4
        if particle.gravitates:
            density = density + scalar + rest * thermal.comoving_gev**4
        hubble = jnp.sqrt(density / 3.0) / REDUCED_PLANCK_MASS_GEV
        return thermal.temperature_gev, hubble, scalar / thermal.density_gev4

    temperature, hubble, ratio = jax.vmap(at)(clock, f, rest)
    return ScalarHistory(
        jnp.asarray(grid.log_q), clock, temperature, hubble, f, decayed, index, ratio
    )
