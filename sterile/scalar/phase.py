"""One phase of uniform steps of f_S: the operators on the momenta it visits, and the scan.

The annihilation kernel of a phase is tabulated on one ladder of momenta, since a unit of time only
shifts momenta by one node; a step reads a block of it. The Higgs resonance's windows and the bath's
statistics vary slowly and are interpolated inside a unit.
"""

import math

import jax
import jax.numpy as jnp
import numpy as np

from spectra.batching import anywhere
from spectra.constants import HIGGS_MASS_GEV
from sterile.scalar.bath_means import means_in_unit, means_of_phase, splits_kernel
from sterile.scalar.collisions import (
    annihilation_kernel,
    cross_section_table,
    energy,
    fermion_share_of_width,
    smearing_gev2,
    total_higgs_width_gev,
    user_cross_section_table,
)
from sterile.scalar.elastic_scattering import elastic_rate_gev
from sterile.scalar.inverse_decay import exchange_step
from sterile.scalar.lattice import phases, polynomial_weights
from sterile.scalar.moments import moment_step
from sterile.scalar.quantum_statistics import peak_enhancement
from sterile.scalar.rates import loss_operator, surroundings_of, thermal_at
from sterile.scalar.resonance import ReferenceShape, resonance_operator, window_scales
from sterile.scalar.rosenbrock import NODES
from sterile.scalar.step import implicit_step
from sterile.scalar.wall import graded_step


def _resonance(model, plasma, grid, particle, clock, hot):
    """The resonance's part of L at one time over its :func:`_scales`, (n, n).

    ``hot``: whether statistics matter yet.
    """
    thermal = thermal_at(clock, clock, plasma)
    enhancement = None
    if hot and "h" in plasma.quantum:
        total = total_higgs_width_gev(
            model.scalar_mass_gev, model.portal_coupling, plasma.higgs_width
        )
        share = None
        if "fermions" in plasma.quantum:
            share = fermion_share_of_width(plasma.higgs_width)
        gamma = smearing_gev2(model.scalar_mass_gev, grid.resonance)

        def at_pair(s, pair_energy):
            return peak_enhancement(
                pair_energy,
                s,
                thermal.temperature_gev,
                grid.resonance,
                HIGGS_MASS_GEV * total,
                gamma,
                share,
            )

        enhancement = at_pair

    p = jnp.exp(particle.log_q) * thermal.comoving_gev
    mass = particle.mass_gev
    shape = _reference_shape(particle, thermal)
    operator = resonance_operator(particle.peak, shape, p, mass, particle.log_step, enhancement)
    rows, columns = _scales(particle, thermal)
    return operator / rows[:, None] / columns[None, :]


def _reference_shape(particle, thermal):
    return ReferenceShape(
        jnp.maximum(thermal.temperature_gev, particle.star[0]),
        jnp.maximum(1.0, particle.star[1] / thermal.comoving_gev),
        particle.mass_gev,
    )


def _scales(particle, thermal):
    """Factors of rows and columns, (n,) each, without which the windows vary slowly in time."""
    p = jnp.exp(particle.log_q) * thermal.comoving_gev
    shape = _reference_shape(particle, thermal)
    return window_scales(particle.peak, shape, p, particle.mass_gev)


def _tables(model, particle, clock, units, steps, grid, part, widths):
    """Operators of the broken phase on the momenta that a phase visits.

    Returns (steps, nodes, P, P) operators with P = momenta + units - 1; unit u uses the block from
    P - momenta - u.
    """
    count = grid.momenta + units - 1
    step = grid.log_step / steps
    offsets = step * np.arange(steps)[:, None] + step * NODES[None, :]
    ladder = math.log(grid.q_min) + grid.log_step * (np.arange(count) - (units - 1))
    largest = jnp.exp(ladder[-1] - clock)
    s_max = 4.0 * (model.scalar_mass_gev**2 + largest**2) * 1.01
    if particle.w_hat is None:
        table = cross_section_table(
            model.scalar_mass_gev, model.portal_coupling, s_max, grid.resonance, part, widths
        )
        strength = model.portal_coupling**2
    else:
        table = user_cross_section_table(particle.w_hat, model.scalar_mass_gev, s_max)
        strength = particle.states

    def operator(offset):
        p = jnp.exp(ladder - clock - offset)
        e = energy(p, model.scalar_mass_gev)
        kernel = annihilation_kernel(table, p, model.scalar_mass_gev, grid.momenta)
        return strength * grid.log_step * kernel / (p * e)[:, None] * (p**2 / e)[None, :]

    values = jax.lax.map(operator, offsets.ravel())
    return values.reshape(steps, len(NODES), count, count)


# Chebyshev nodes of a unit at which the windows are made
_WINDOWS = 5


def _window_nodes(count: int) -> np.ndarray:
    return 0.5 - 0.5 * np.cos(np.pi * np.arange(count) / (count - 1))


def run_phase(model, plasma, grid, particle, yields, clock, phase, electroweak_unit, carry):
    """Scan one phase of uniform steps; returns the end state, the states after each step, times."""
    first_unit, units, steps = phase
    begin = clock + grid.log_step * first_unit
    step = grid.log_step / steps
    starts = begin + step * np.arange(units * steps).reshape(units, steps)

    # T_EW is a node: the unit decides the phase, as T would only up to rounding
    all_broken = np.arange(first_unit, first_unit + units, dtype=np.int32) >= electroweak_unit

    def thermal(shift, start, broken):
        found = thermal_at(start + shift, start, plasma)
        if particle.elastic is None:
            return found
        rate = elastic_rate_gev(particle.elastic, found.temperature_gev, broken)
        return found._replace(elastic_gev=rate)

    over_steps = jax.vmap(jax.vmap(thermal, (0, None, None)), (None, 0, None))
    thermals = jax.vmap(over_steps, (None, 0, 0))(jnp.asarray(step * NODES), starts, all_broken)
    zero = jnp.zeros(())

    def tangent(start, broken):
        return jax.jvp(lambda shift: thermal(shift, start, broken), (zero,), (zero + 1.0,))[1]

    tangents = jax.vmap(jax.vmap(tangent, (0, None)))(starts, all_broken)
    advance = implicit_step
    if plasma.method != "momentum":
        advance = moment_step(plasma)
    if particle.daughters is not None:
        advance = exchange_step
    # no statistics in the late phase, E_1 + E_2 > 240 T, and no crossover
    late = phase == phases(grid)[-1]
    collisionless = grid.late_is_free and late
    if late:
        particle = particle._replace(transition_gev=None)
    wall = electroweak_unit - first_unit
    tables, means = None, None
    has_broken_phase = not plasma.contact_only and first_unit > 0
    jumps = has_broken_phase and particle.w_hat is None and particle.transition_gev is None
    if not late:
        means = means_of_phase(model, plasma, grid, begin, units, wall, has_broken_phase)
    if (has_broken_phase or particle.w_hat is not None) and not collisionless:
        split = means is not None and splits_kernel(plasma)
        parts = ("light", "heavy") if split else ("all",)
        tables = [
            _tables(model, particle, begin, units, steps, grid, part, plasma.higgs_width)
            for part in parts
        ]

    # slow pairs never reach a narrow resonance that lies far above their threshold
    cold = grid.resonance == "narrow" and late
    has_windows = particle.peak is not None and not cold
    # the windows vary little over a unit: a few nodes serve all its steps and stages
    nodes = _window_nodes(_WINDOWS)
    stages = np.arange(steps)[:, None] / steps + NODES / steps
    at_stages = polynomial_weights(nodes, stages)
    slope_weights = polynomial_weights(NODES, 0.0, derivative=True) / step

    def slope_at_starts(values):
        """d/dx (steps, ...) of what varies smoothly in a step, (steps, nodes, ...)."""
        return jnp.tensordot(slope_weights, values, (0, 1))

    def scaled(thermal, window):
        rows, columns = _scales(particle, thermal)
        return rows[:, None] * window * columns[None, :]

    scaled_at_stages = jax.vmap(jax.vmap(scaled))

    def one_unit(carry, inputs):
        unit, thermals, slopes = inputs
        broken = (unit + first_unit >= electroweak_unit) | (particle.w_hat is not None)
        if particle.bath_widths_gev is not None:
            width = jnp.where(broken, *particle.bath_widths_gev)
            thermals = thermals._replace(bath_width_gev=jnp.full_like(thermals.shift, width))
            slopes = slopes._replace(bath_width_gev=jnp.zeros_like(slopes.shift))
        values, contact = None, None
        if means is not None:
            factors = jax.tree.map(
                lambda leaf: leaf.reshape(steps, len(NODES), *leaf.shape[1:]),
                means_in_unit(means, unit, wall, stages.ravel()),
            )
            contact = factors.contact
        if tables is not None:
            corner, size = units - 1 - unit, grid.momenta
            zero = jnp.zeros_like(corner)
            values, *heavy = [
                jax.lax.dynamic_slice(
                    table, (zero, zero, corner, corner), (steps, len(NODES), size, size)
                )
                for table in tables
            ]
            if heavy:
                light = values if factors.light is None else values * factors.light
                values = light + heavy[0] * factors.heavy
            if has_windows:
                clocks = begin + grid.log_step * (unit.astype(float) + nodes)
                # of the quadrature inside, reverse mode would keep gigabytes
                window = jax.checkpoint(
                    lambda clock: _resonance(model, plasma, grid, particle, clock, not late)
                )
                windows = jax.lax.cond(
                    anywhere(broken),
                    jax.vmap(window),
                    lambda clocks: jnp.zeros((nodes.size, grid.momenta, grid.momenta)),
                    clocks,
                )
                values = values + scaled_at_stages(thermals, jnp.tensordot(at_stages, windows, 1))

        def surroundings(thermal, value, mean):
            operator = jnp.zeros((grid.momenta, grid.momenta))
            if not collisionless:
                operator = loss_operator(particle, thermal, value, broken, mean)
            return surroundings_of(particle, thermal, operator)

        def slope(at_start, derivatives):
            return jax.jvp(surroundings, at_start, derivatives)[1]

        stage_values = (thermals, values, contact)
        first = jax.tree.map(lambda leaf: leaf[:, 0], stage_values)
        around = jax.vmap(jax.vmap(surroundings))(*stage_values)
        along = (slopes, *jax.tree.map(slope_at_starts, (values, contact)))
        around_slopes = jax.vmap(slope)(first, along)

        at_wall = (unit == wall) & (np.arange(steps) == 0)

        @jax.checkpoint
        def one_step(carry, inputs):
            around, slope, first_broken = inputs

            after = advance(particle, yields, around, slope, step, carry)

            def graded():
                parts = graded_step(advance, particle, yields, around, step, carry)
                return jax.tree.map(lambda *one: jnp.where(first_broken, *one), parts, after)

            if jumps and not late:
                after = jax.lax.cond(anywhere(first_broken), graded, lambda: after)
            return after, after

        return jax.lax.scan(one_step, carry, (around, around_slopes, at_wall))

    carry, history = jax.lax.scan(
        one_unit, carry, (jnp.arange(units, dtype=jnp.int32), thermals, tangents)
    )
    history = jax.tree.map(lambda leaf: leaf.reshape(units * steps, *leaf.shape[2:]), history)
    return carry, history, (starts + step).ravel()
