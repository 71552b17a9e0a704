"""What statistics and thermal masses do to the tabulated kernels, along one phase of steps.

The means of :mod:`sterile.scalar.quantum_statistics` are smooth in time at fixed comoving momenta:
they are computed once a unit of the clock and interpolated with six points, never across T_EW,
where the doublet's mass has a kink.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from sterile.bath import doublet_mass_gev
from sterile.models import Plasma
from sterile.scalar.lattice import Grid
from sterile.scalar.model import ScalarDecay
from sterile.scalar.quantum_statistics import contact_mean, heavy_mean, light_mean
from sterile.scalar.rates import thermal_at

_POINTS = 6
# units before and after a phase that the stencil may reach when T_EW is near its ends
_MARGIN = _POINTS - 1
# m_S/T beyond which c - 1 < 4 exp(-m_S/T) is nothing
_COLD = 20.0


class BathMeans(NamedTuple):
    """Factors on the contact, the light and the heavy kernel, (..., n, n) or None for 1."""

    contact: Array | None
    light: Array | None
    heavy: Array | None


def has_means(plasma: Plasma) -> bool:
    """Whether any kernel has a factor."""
    return plasma.electroweak_transition == "crossover" or bool(set(plasma.quantum) - {"h"})


def splits_kernel(plasma: Plasma) -> bool:
    """Whether light and heavy final states need kernels of their own."""
    return bool(set(plasma.quantum) - {"h", "contact"}) and not plasma.contact_only


def means_at(model: ScalarDecay, plasma: Plasma, grid: Grid, clock, broken: bool) -> BathMeans:
    """The factors at one time; ``broken``: whether light and heavy kernels are wanted."""
    thermal = thermal_at(clock, clock, plasma)
    temperature, mass = thermal.temperature_gev, model.scalar_mass_gev
    p = jnp.exp(grid.log_q) * thermal.comoving_gev
    crossover = plasma.electroweak_transition == "crossover"
    contact, light, heavy = None, None, None
    if crossover or "contact" in plasma.quantum:
        doublet = 0.0
        if crossover:
            doublet = doublet_mass_gev(temperature, plasma.electroweak_temperature_gev)
        contact = contact_mean(p, mass, doublet, temperature, "contact" in plasma.quantum)
    if broken and splits_kernel(plasma):
        coupling = model.portal_coupling
        heavy = heavy_mean(p, mass, coupling, temperature, plasma.quantum)
        if "fermions" in plasma.quantum:
            light = light_mean(p, mass, coupling, temperature, grid.resonance, plasma.higgs_width)
    return BathMeans(contact, light, heavy)


def means_of_phase(model, plasma, grid, begin, units: int, wall, broken: bool):
    """The factors at the units' edges of a phase, margins included: :class:`BathMeans` or None.

    Only those of the phase of matter that the edge is in, both at T_EW itself; the others are 1.
    ``begin``: x where the phase starts; ``wall`` as in :func:`means_in_unit`; ``broken``: whether
    light and heavy kernels are wanted.
    """
    if not has_means(plasma):
        return None
    edges = np.arange(-_MARGIN, units + _MARGIN + 1, dtype=np.int32)
    cold = -jnp.log(model.scalar_mass_gev / _COLD)

    def at_edge(edge):
        clock = begin + grid.log_step * edge.astype(float)

        def evaluated(broken):
            return lambda: means_at(model, plasma, grid, clock, broken)

        crossover = plasma.electroweak_transition == "crossover"
        ones = jax.tree.map(lambda leaf: jnp.ones(leaf.shape), jax.eval_shape(evaluated(broken)))
        contact = jax.lax.cond(
            (crossover | (edge <= wall)) & (crossover | (clock < cold)),
            lambda: evaluated(False)().contact,
            lambda: ones.contact,
        )
        if not broken:
            return ones._replace(contact=contact)
        below = jax.lax.cond((edge >= wall) & (clock < cold), evaluated(True), lambda: ones)
        return below._replace(contact=contact)

    return jax.lax.map(at_edge, edges)


def means_in_unit(means: BathMeans, unit, wall, positions) -> BathMeans:
    """The factors inside a unit of time, by interpolation on one side of T_EW.

    Parameters
    ----------
    means : from :func:`means_of_phase`.
    unit : index of the unit in its phase.
    wall : index of the unit that begins at T_EW.
    positions : static, fractions of the unit, shape (k,).

    Returns
    -------
    Factors (k, n, n).
    """
    first = jnp.where(
        unit >= wall,
        jnp.maximum(unit - _POINTS // 2 + 1, wall),
        jnp.minimum(unit - _POINTS // 2 + 1, wall - _POINTS + 1),
    )
    first = jnp.clip(first, unit - _MARGIN, unit)
    nodes = np.arange(_POINTS)
    inverse = np.linalg.inv(nodes[:, None] ** nodes)
    at = (unit - first).astype(float) + positions
    rows = jnp.stack([at**n for n in range(_POINTS)], axis=1) @ inverse

    def along(table):
        block = jax.lax.dynamic_slice_in_dim(table, first + _MARGIN, _POINTS)
        ends = jax.lax.dynamic_slice_in_dim(table, unit + _MARGIN, 2)
        inside = jnp.tensordot(rows, block, 1)
        # soft pairs below a massive doublet's threshold open by e^12 a unit: a polynomial rings
        # there, to factors below zero
        least, most = 0.5 * jnp.min(ends, axis=0), 2.0 * jnp.max(ends, axis=0)
        return jnp.clip(inside, least[None], most[None])

    return jax.tree.map(along, means)
