"""One phase of uniform steps of f_S: the operators on the momenta it visits, and the scan.

The annihilation kernel of a phase is tabulated on one ladder of momenta, since a unit of time only
shifts momenta by one node; a step reads a block of it. The Higgs resonance's windows and the bath's
statistics vary slowly and are interpolated inside a unit.
"""

import jax
import jax.numpy as jnp
import numpy as np

from spectra.batching import anywhere
from spectra.constants import HIGGS_MASS_GEV
from sterile.scalar.bath_means import means_in_unit, means_of_phase
from sterile.scalar.collisions import (
    fermion_share_of_width,
    smearing_gev2,
    total_higgs_width_gev,
)
from sterile.scalar.inverse_decay import daughters_escape, exchange_step
from sterile.scalar.moments import heats_fast, moment_step, windows_of_bath
from sterile.scalar.quantum_statistics import peak_enhancement
from sterile.scalar.rates import loss_operator, operator_of_shape, surroundings_of, thermal_at
from sterile.scalar.resonance import (
    ReferenceShape,
    resonance_operator,
    thermal_windows,
    window_scales,
)
from sterile.scalar.rosenbrock import NODES, polynomial_weights
from sterile.scalar.step import implicit_step
from sterile.scalar.tables import has_tables, is_late, kernels, parts_of
from sterile.scalar.wall import changes_fast, step_in_parts


def _enhancement(model, plasma, grid, temperature_gev):
    """The bath's statistics on the resonance, a function (s, E_1 + E_2); None for 1."""
    if "h" not in plasma.quantum:
        return None
    total = total_higgs_width_gev(model.scalar_mass_gev, model.portal_coupling, plasma.higgs_width)
    share = None
    if "fermions" in plasma.quantum:
        share = fermion_share_of_width(plasma.higgs_width)
    gamma = smearing_gev2(model.scalar_mass_gev, grid.resonance)

    def at_pair(s, pair_energy):
        return peak_enhancement(
            pair_energy, s, temperature_gev, grid.resonance, HIGGS_MASS_GEV * total, gamma, share
        )

    return at_pair


def _resonance(model, plasma, grid, particle, clock, hot):
    """The resonance's part of L at one time over its :func:`_scales`, (n, n).

    ``hot``: whether statistics matter yet.
    """
    thermal = thermal_at(clock, clock, plasma)
    enhancement = _enhancement(model, plasma, grid, thermal.temperature_gev) if hot else None
    p = jnp.exp(particle.log_q) * thermal.comoving_gev
    mass = particle.mass_gev
    shape = _reference_shape(particle, thermal)
    operator = resonance_operator(particle.peak, shape, p, mass, particle.log_step, enhancement)
    rows, columns = _scales(particle, thermal)
    return operator / rows[:, None] / columns[None, :]


def _thermal_resonance(model, plasma, grid, particle, hot):
    """The resonance's part of L[exp(-(E - E_0)/T_S)], a function (thermal, T_S) -> (n,) [GeV]."""

    def loss(thermal, temperature_gev):
        enhancement = _enhancement(model, plasma, grid, thermal.temperature_gev) if hot else None
        p = jnp.exp(particle.log_q) * thermal.comoving_gev
        return thermal_windows(particle.peak, temperature_gev, p, particle.mass_gev, enhancement)

    return loss


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


# Chebyshev nodes of a unit at which the windows are made
_WINDOWS = 5


def _window_nodes(count: int) -> np.ndarray:
    return 0.5 - 0.5 * np.cos(np.pi * np.arange(count) / (count - 1))


def _meets_resonance(grid, particle, late: bool) -> bool:
    """Whether pairs reach the peak: slow ones never a narrow one far above their threshold."""
    return particle.peak is not None and not (grid.resonance == "narrow" and late)


def below_the_wall(model, plasma, grid, particle, begin, phase, tables, nodes=NODES):
    """L below T_EW in a phase: (unit, bath, whether it is below, factors) -> (steps, nodes, n, n).

    ``begin``: x at the start of the phase; ``tables``: of :func:`sterile.scalar.tables.kernels` at
    the same ``nodes``; factors of :mod:`sterile.scalar.bath_means`, or None.
    """
    _, units, steps = phase
    late = is_late(grid, phase)
    parts = parts_of(plasma, grid, phase)
    # of the shape exp(-E/T_S) moments take the windows as they are
    has_windows = plasma.method == "momentum" and _meets_resonance(grid, particle, late)
    # the windows vary little over a unit: a few nodes serve all its steps and stages
    windows_at = _window_nodes(_WINDOWS)
    at_stages = polynomial_weights(windows_at, (np.arange(steps)[:, None] + nodes) / steps)

    def scaled(thermal, window):
        rows, columns = _scales(particle, thermal)
        return rows[:, None] * window * columns[None, :]

    def in_unit(unit, thermals, broken, factors):
        corner, size = units - 1 - unit, grid.momenta
        zero = jnp.zeros_like(corner)
        blocks = [
            jax.lax.dynamic_slice(
                table, (zero, zero, corner, corner), (steps, len(nodes), size, size)
            )
            for table in tables
        ]
        if len(blocks) > 1:
            given = [getattr(factors, part) for part in parts]
            blocks = [
                block if factor is None else block * factor for block, factor in zip(blocks, given)
            ]
        values = sum(blocks[1:], blocks[0])
        if not has_windows:
            return values
        clocks = begin + grid.log_step * (unit.astype(float) + windows_at)
        # of the quadrature inside, reverse mode would keep gigabytes
        window = jax.checkpoint(
            lambda clock: _resonance(model, plasma, grid, particle, clock, not late)
        )
        windows = jax.lax.cond(
            anywhere(broken),
            jax.vmap(window),
            lambda clocks: jnp.zeros((windows_at.size, grid.momenta, grid.momenta)),
            clocks,
        )
        windows = jnp.tensordot(at_stages, windows, 1)
        return values + jax.vmap(jax.vmap(scaled))(thermals, windows)

    return in_unit


def run_phase(
    model, plasma, grid, particle, yields, clock, phase, electroweak_unit, bath, sections, carry
):
    """Scan one phase of uniform steps; returns the end state, the states after each step, times.

    ``clock``: x of the first node; ``bath``, ``sections``: from :mod:`sterile.scalar.tables`.
    """
    first_unit, units, steps = phase
    begin = clock + grid.log_step * first_unit
    step = grid.log_step / steps
    advance = implicit_step
    late = is_late(grid, phase)
    if particle.daughters is not None:
        advance = daughters_escape if late else exchange_step
    collisionless = grid.late_is_free and late
    if late:
        particle = particle._replace(transition_gev=None)
    wall = electroweak_unit - first_unit
    below, means = None, None
    has_broken_phase = not plasma.contact_only and first_unit > 0
    jumps = has_broken_phase and particle.w_hat is None
    # E_1 + E_2 > 240 T where it is late: no statistics
    if not late:
        means = means_of_phase(model, plasma, grid, begin, units, wall, has_broken_phase)
    if has_tables(plasma, grid, particle, phase):
        parts = parts_of(plasma, grid, phase)
        tables = [kernels(model, grid, particle, begin, phase, sections[part]) for part in parts]
        below = below_the_wall(model, plasma, grid, particle, begin, phase, tables)

    by_moments = plasma.method != "momentum"
    if by_moments:
        of_shape = None
        if below is not None and _meets_resonance(grid, particle, late):
            of_shape = _thermal_resonance(model, plasma, grid, particle, not late)
        advance = moment_step(plasma, of_shape)
    stages = (np.arange(steps)[:, None] / steps + NODES / steps).ravel()
    # operators are smooth in a step, powers of p nearly: the polynomial through the nodes has their
    # slope. On the resonance, where windows vary most, twice the steps change Y_N by 4e-10
    slope_at_start = polynomial_weights(NODES, 0.0, derivative=True) / step

    def one_unit(carry, inputs):
        unit, thermals, slopes = inputs
        broken = (unit + first_unit >= electroweak_unit) | (particle.w_hat is not None)
        if particle.bath_widths_gev is not None:
            width = jnp.where(broken, *particle.bath_widths_gev)
            thermals = thermals._replace(bath_width_gev=jnp.full_like(thermals.shift, width))
            slopes = slopes._replace(bath_width_gev=jnp.zeros_like(slopes.shift))
        values, contact, factors = None, None, None
        if means is not None:
            factors = means_in_unit(means, unit, wall, stages)
            factors = jax.tree.map(
                lambda leaf: leaf.reshape(steps, len(NODES), *leaf.shape[1:]), factors
            )
            contact = factors.contact
        if below is not None:
            values = below(unit, thermals, broken, factors)

        def operator(thermal, value, mean):
            if collisionless:
                return jnp.zeros((grid.momenta, grid.momenta)), jnp.zeros(())
            given = particle, thermal, value, broken, mean
            if not by_moments:
                return loss_operator(*given), jnp.zeros(())
            own = 0.0 if of_shape is None else windows_of_bath(particle, thermal, of_shape)
            return operator_of_shape(*given, own)

        def surroundings(thermal, operator):
            return surroundings_of(particle, thermal, operator)

        operators, weights = jax.vmap(jax.vmap(operator))(thermals, values, contact)
        if by_moments:
            thermals = thermals._replace(windows=weights)
            slopes = slopes._replace(windows=jnp.einsum("n,sn->s", slope_at_start, weights))
        around = jax.vmap(jax.vmap(surroundings))(thermals, operators)
        at_start = jax.tree.map(lambda leaf: leaf[:, 0], (thermals, operators))
        along = (slopes, jnp.einsum("n,snpq->spq", slope_at_start, operators))
        _, around_slopes = jax.vmap(lambda at, to: jax.jvp(surroundings, at, to))(at_start, along)

        at_wall = (unit == wall) & (np.arange(steps) == 0)

        @jax.checkpoint
        def one_step(carry, inputs):
            around, slope, first_broken = inputs

            def in_parts(carry):
                return step_in_parts(advance, particle, yields, around, step, carry, first_broken)

            whole = advance(particle, yields, around, slope, step, carry)
            if jumps and not late:
                divided = first_broken
                if by_moments and of_shape is not None and plasma.method == "moments":
                    fast = heats_fast(particle, yields, around, step, carry, of_shape)
                    divided = divided | jax.lax.stop_gradient(fast)
                if not by_moments and particle.peak is not None:
                    fast = changes_fast(particle, around, step, carry[0], carry[2])
                    divided = divided | jax.lax.stop_gradient(fast)
                parts = jax.lax.cond(anywhere(divided), in_parts, lambda _: whole, carry)
                whole = jax.tree.map(lambda *one: jnp.where(divided, *one), parts, whole)
            carry = whole
            return carry, carry

        return jax.lax.scan(one_step, carry, (around, around_slopes, at_wall))

    carry, history = jax.lax.scan(one_unit, carry, (jnp.arange(units, dtype=jnp.int32), *bath))
    history = jax.tree.map(lambda leaf: leaf.reshape(units * steps, *leaf.shape[2:]), history)
    return carry, history, begin + step * np.arange(1, units * steps + 1)
