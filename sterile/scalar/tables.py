"""What is tabulated before the steps of f_S are taken: the bath, Omega(s), and the kernels.

The bath is a function of the clock alone and Omega of s alone: both are made once for all phases.
"""

import math

import jax
import jax.numpy as jnp
import numpy as np

from sterile.scalar.bath_means import splits_kernel
from sterile.scalar.collisions import (
    annihilation_kernel,
    cross_section_table,
    energy,
    user_cross_section_table,
)
from sterile.scalar.elastic_scattering import elastic_rate_gev
from sterile.scalar.lattice import phases
from sterile.scalar.rates import thermal_at
from sterile.scalar.rosenbrock import NODES


def is_late(grid, phase) -> bool:
    """Whether a phase is the last one, in which neither statistics nor the crossover matter."""
    return phase == phases(grid)[-1]


def has_tables(plasma, grid, particle, phase) -> bool:
    """Whether S meets a tabulated cross-section in a phase."""
    if grid.late_is_free and is_late(grid, phase):
        return False
    return particle.w_hat is not None or (not plasma.contact_only and phase.first_unit > 0)


def parts_of(plasma, grid, phase) -> tuple[str, ...]:
    """Final states that need kernels of their own in a phase."""
    split = splits_kernel(plasma) and not is_late(grid, phase)
    return ("light", "heavy") if split else ("all",)


def cross_sections(model, plasma, grid, particle, clock, visited) -> dict:
    """Omega(s) by final states for the phases that are visited; ``clock``: x of the first node."""
    tabulated = [phase for phase in visited if has_tables(plasma, grid, particle, phase)]
    if not tabulated:
        return {}
    mass = model.scalar_mass_gev
    # the first of them has the fastest pairs
    largest = jnp.exp(grid.log_q[-1] - clock - grid.log_step * tabulated[0].first_unit)
    s_max = 4.0 * (mass**2 + largest**2) * 1.01
    if particle.w_hat is not None:
        return {"all": user_cross_section_table(particle.w_hat, mass, s_max)}
    coupling, widths = model.portal_coupling, plasma.higgs_width
    return {
        part: cross_section_table(mass, coupling, s_max, grid.resonance, part, widths)
        for part in sorted({part for phase in tabulated for part in parts_of(plasma, grid, phase)})
    }


def kernels(model, grid, particle, clock, phase, table, nodes=NODES):
    """Operators of the broken phase on the momenta that a phase visits; ``clock``: at its start.

    ``nodes``: of a step, as its fractions. Returns (steps, nodes, P, P), with P = momenta + units
    - 1; unit u uses the block from P - momenta - u.
    """
    _, units, steps = phase
    count = grid.momenta + units - 1
    step = grid.log_step / steps
    offsets = step * np.arange(steps)[:, None] + step * nodes[None, :]
    ladder = math.log(grid.q_min) + grid.log_step * (np.arange(count) - (units - 1))
    strength = model.portal_coupling**2 if particle.w_hat is None else particle.states

    def operator(offset):
        p = jnp.exp(ladder - clock - offset)
        e = energy(p, model.scalar_mass_gev)
        kernel = annihilation_kernel(table, p, model.scalar_mass_gev, grid.momenta)
        return strength * grid.log_step * kernel / (p * e)[:, None] * (p**2 / e)[None, :]

    return jax.lax.map(operator, offsets.ravel()).reshape(steps, len(nodes), count, count)


def bath_along(plasma, grid, particle, clock, visited, electroweak_unit) -> list:
    """The bath along phases, for each at the nodes of its steps, and d/dx of it at their starts.

    Pairs of :class:`sterile.scalar.rates.Thermal`, (units, steps, nodes) and (units, steps).
    ``clock``: x of the first node.
    """
    offsets, lengths, units_of = [], [], []
    for first_unit, units, steps in visited:
        step = grid.log_step / steps
        offsets.append(grid.log_step * first_unit + step * np.arange(units * steps))
        lengths.append(np.full(units * steps, step))
        units_of.append(first_unit + np.arange(units * steps, dtype=np.int32) // steps)
    starts = clock + np.concatenate(offsets)
    # T_EW is a node: the unit decides the phase of matter, as T would only up to rounding
    broken = np.concatenate(units_of) >= electroweak_unit

    def thermal(shift, start, broken):
        found = thermal_at(start + shift, start, plasma)
        if particle.elastic is None:
            return found
        rate = elastic_rate_gev(particle.elastic, found.temperature_gev, broken)
        return found._replace(elastic_gev=rate)

    def with_change(shift, start, broken):
        return jax.jvp(lambda at: thermal(at, start, broken), (shift,), (jnp.ones_like(shift),))

    over_nodes = jax.vmap(with_change, (0, None, None))
    shifts = jnp.asarray(np.concatenate(lengths)[:, None] * NODES)
    values, changes = jax.vmap(over_nodes)(shifts, starts, broken)
    changes = jax.tree.map(lambda leaf: leaf[:, 0], changes)
    ends = np.cumsum([phase.units * phase.steps for phase in visited])

    def own(phase, end):
        size = phase.units * phase.steps
        shape = phase.units, phase.steps
        return jax.tree.map(
            lambda leaf: leaf[end - size : end].reshape(*shape, *leaf.shape[1:]), (values, changes)
        )

    return [own(phase, end) for phase, end in zip(visited, ends)]
