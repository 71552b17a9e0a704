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

from spectra.constants import REDUCED_PLANCK_MASS_GEV
from sterile import plasma as bath
from sterile.amplitudes import scalar_decay_width_gev
from sterile.collisions import (
    ReferenceShape,
    annihilation_kernel,
    contact_kernel_factor,
    cross_section_table,
    energy,
    resonance_operator,
    resonance_peak,
)
from sterile.elastic import elastic_rate_gev, elastic_table
from sterile.free_decay import free_phase
from sterile.lattice import Grid, ScalarHistory, phases, yield_weights
from sterile.models import Plasma, ScalarDecay
from sterile.moments import first_population, moment_step
from sterile.rosenbrock import NODES
from sterile.scalar_step import (
    Particle,
    expansion,
    implicit_step,
    loss_operator,
    rates_of,
    thermal_at,
)

_START = 2000.0  # T/m_S at which contact freeze-in has made less than 3e-6 of its yield
_KINETIC = 1e3  # gamma/H above which elastic scattering is held
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


def _resonance(particle, clock, constant_g):
    """The resonance's part of L at one time, (n, n)."""
    thermal = thermal_at(clock, clock, constant_g)
    shape = ReferenceShape(
        jnp.maximum(thermal.temperature_gev, particle.star[0]),
        jnp.maximum(1.0, particle.star[1] / thermal.comoving_gev),
        particle.mass_gev,
    )
    p = jnp.exp(particle.log_q) * thermal.comoving_gev
    return resonance_operator(particle.peak, shape, p, particle.mass_gev, particle.log_step)


def _tables(model, particle, clock, units, steps, grid):
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
    table = cross_section_table(model.scalar_mass_gev, model.portal_coupling, s_max, grid.resonance)

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
        peak=resonance_peak(mass, model.portal_coupling, resonance),
        star=(star, bath.comoving_temperature_gev(star, plasma.constant_g)),
        gravitates=plasma.dark_sector_in_hubble,
        elastic=(
            elastic_table(mass, model.portal_coupling, plasma)
            if plasma.elastic_scattering
            else None
        ),
    )
    yields = yield_weights(grid)

    first = thermal_at(clock, clock, plasma.constant_g)
    operator = loss_operator(particle, first, None, False)
    rates = rates_of(particle, first, operator, jnp.zeros(grid.momenta))
    hubble, _, _ = expansion(particle, first, rates, rates.equilibrium, jnp.zeros(()))
    start = -rates.equilibrium * jnp.expm1(-rates.loss_equilibrium / hubble)
    carry = (start, jnp.zeros(()), jnp.zeros(()))
    if plasma.method != "momentum":
        carry = first_population(particle, yields, first, start)

    histories = [jax.tree.map(lambda leaf: leaf[None], carry)]
    clocks = [clock[None]]
    hot, coupled, late = phases(grid)
    free = grid.late_is_free and plasma.method == "momentum"
    for phase in (hot, coupled) if free else (hot, coupled, late):
        carry, history, times = _run_phase(
            model, plasma, grid, particle, yields, clock, phase, electroweak_unit, carry
        )
        histories.append(history)
        clocks.append(times)
    if free:
        step = grid.log_step / late.steps
        starts = clock + grid.log_step * late.first_unit + step * np.arange(late.units * late.steps)
        _, history = free_phase(particle, yields, starts, step, plasma.constant_g, carry)
        histories.append(history)
        clocks.append(starts + step)
    f, decayed, rest = (jnp.concatenate(parts) for parts in list(zip(*histories))[:3])
    clock = jnp.concatenate(clocks)
    return _history(particle, plasma, grid, clock, f, decayed, rest, electroweak_unit)


_WINDOW_NODES = 0.5 - 0.5 * np.cos(np.pi * np.arange(7) / 6)


def _polynomial(at, derivative=False):
    """Weights of the window nodes in the polynomial through them, or in its slope; (..., 7)."""
    powers = np.arange(_WINDOW_NODES.size)
    inverse = np.linalg.inv(_WINDOW_NODES[:, None] ** powers)
    at = np.asarray(at)[..., None]
    basis = powers * at ** np.maximum(powers - 1, 0) if derivative else at**powers
    return basis @ inverse


def _run_phase(model, plasma, grid, particle, yields, clock, phase, electroweak_unit, carry):
    """Scan one phase of uniform steps; returns the end state, the states after each step, times."""
    first_unit, units, steps = phase
    begin = clock + grid.log_step * first_unit
    step = grid.log_step / steps
    starts = begin + step * np.arange(units * steps).reshape(units, steps)

    # T_EW is a node: the unit decides the phase, as T would only up to rounding
    all_broken = np.arange(units) + first_unit >= electroweak_unit

    def thermal(shift, start, broken):
        found = thermal_at(start + shift, start, plasma.constant_g)
        if particle.elastic is None:
            return found
        rate = elastic_rate_gev(particle.elastic, found.temperature_gev, broken)
        hubble = jnp.sqrt(found.density_gev4 / 3.0) / REDUCED_PLANCK_MASS_GEV
        # S is then in kinetic equilibrium to 1e-3; faster only costs digits
        return found._replace(elastic_gev=rate / (1.0 + rate / (_KINETIC * hubble)))

    over_steps = jax.vmap(jax.vmap(thermal, (0, None, None)), (None, 0, None))
    thermals = jax.vmap(over_steps, (None, 0, 0))(jnp.asarray(step * NODES), starts, all_broken)
    zero = jnp.zeros(())

    def tangent(start, broken):
        return jax.jvp(lambda shift: thermal(shift, start, broken), (zero,), (zero + 1.0,))[1]

    tangents = jax.vmap(jax.vmap(tangent, (0, None)))(starts, all_broken)
    advance = implicit_step
    if plasma.method != "momentum":
        advance = moment_step(plasma.method, plasma.constant_g)
    collisionless = grid.late_is_free and phase == phases(grid)[-1]
    tables = None
    if not plasma.contact_only and first_unit > 0 and not collisionless:
        tables = _tables(model, particle, begin, units, steps, grid)

    # slow pairs never reach a narrow resonance that lies far above their threshold
    cold = grid.resonance == "narrow" and phase == phases(grid)[-1]
    has_windows = particle.peak is not None and tables is not None and not cold
    # the windows vary little over a unit: seven Chebyshev nodes serve all its steps and stages
    starts_in_unit = np.arange(steps) / steps
    at_stages = _polynomial(starts_in_unit[:, None] + NODES / steps)
    slopes_at_starts = _polynomial(starts_in_unit, derivative=True) / grid.log_step

    def one_unit(carry, inputs):
        unit, thermals, slopes = inputs
        broken = unit + first_unit >= electroweak_unit
        values, value_slopes = None, None
        if tables is not None:
            corner, size = units - 1 - unit, grid.momenta
            values = jax.lax.dynamic_slice(
                tables[0], (0, 0, corner, corner), (steps, len(NODES), size, size)
            )
            value_slopes = jax.lax.dynamic_slice(
                tables[1], (0, corner, corner), (steps, size, size)
            )

        if has_windows:
            clocks = begin + grid.log_step * (unit + _WINDOW_NODES)
            windows = jax.vmap(lambda clock: _resonance(particle, clock, plasma.constant_g))(clocks)
            values = values + jnp.tensordot(at_stages, windows, 1)
            value_slopes = value_slopes + jnp.tensordot(slopes_at_starts, windows, 1)

        def operator(thermal, value):
            if collisionless:
                return jnp.zeros((grid.momenta, grid.momenta))
            return loss_operator(particle, thermal, value, broken)

        def slope(thermal, value, thermal_slope, value_slope):
            if value is None:
                return jax.jvp(lambda t: operator(t, None), (thermal,), (thermal_slope,))[1]
            return jax.jvp(operator, (thermal, value), (thermal_slope, value_slope))[1]

        first = jax.tree.map(lambda leaf: leaf[:, 0], (thermals, values))
        operators = jax.vmap(jax.vmap(operator))(thermals, values)
        operator_slopes = jax.vmap(slope)(*first, slopes, value_slopes)

        @jax.checkpoint
        def one_step(carry, inputs):
            carry = advance(particle, yields, *inputs, step, carry)
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
        jnp.asarray(grid.log_q), clock, temperature, hubble, f, decayed, index, ratio, rest
    )
