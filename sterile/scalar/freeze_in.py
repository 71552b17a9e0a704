"""f_S where it stays far from equilibrium: an integral over what is made, mode by mode.

    df/dx = s - (d + l) f,    s = L[f_eq] f_eq/H,    d = m_S Gamma/(E H),    l = L[f]/H.

l, and S in H, are corrections: they follow from f of the round before, and the equation of every
mode is then linear and its own. All steps are prepared at once, without a matrix to invert: by
Radau IIA (three nodes, fifth order, L-stable: Hairer & Wanner 1996, Solving Ordinary Differential
Equations II, IV.5), whose equations are three a mode. A step of a mode is f -> R f + B.

f = psi g, psi the free decay as far as production does not balance it: g is nearly constant.
"""

import math

import jax
import jax.numpy as jnp
import numpy as np

from spectra.constants import REDUCED_PLANCK_MASS_GEV
from sterile.scalar.collisions import energy
from sterile.scalar.phase import below_the_wall
from sterile.scalar.rates import DEAD, thermal_at
from sterile.scalar.tables import has_tables, kernels

_ROOT = math.sqrt(6.0)
RADAU_NODES = np.array([0.4 - 0.1 * _ROOT, 0.4 + 0.1 * _ROOT, 1.0])
# integrals of the polynomial through the nodes from zero to each node; the last row to one
_RADAU = np.array(
    [
        [
            (88.0 - 7.0 * _ROOT) / 360.0,
            (296.0 - 169.0 * _ROOT) / 1800.0,
            (3.0 * _ROOT - 2.0) / 225.0,
        ],
        [
            (296.0 + 169.0 * _ROOT) / 1800.0,
            (88.0 + 7.0 * _ROOT) / 360.0,
            (-2.0 - 3.0 * _ROOT) / 225.0,
        ],
        [(16.0 - _ROOT) / 36.0, (16.0 + _ROOT) / 36.0, 1.0 / 9.0],
    ]
)
# of Y_N the first leaves up to 2.5e-4, the second 3e-8, where Y_S is 1 % of Y_eq
_ROUNDS = 2
_FASTEST = 30.0  # e-folds of free decay in one step that psi takes; the rest is the steps' own


def is_linear(plasma, grid, particle) -> bool:
    """Whether S stays so rare that what it does to itself is a correction."""
    plain = (
        particle.daughters,
        particle.elastic,
        particle.transition_gev,
        particle.bath_widths_gev,
        particle.gain,
        particle.w_hat,
    )
    own = particle.stimulated or particle.statistics or plasma.quantum
    return (
        grid.late_is_free
        and plasma.method == "momentum"
        and not own
        and all(effect is None for effect in plain)
    )


def linear_phases(model, plasma, grid, particle, yields, clock, visited, wall, sections, start):
    """f (t, n), decayed yield and rho_N/a_T^4 (t,) after each step of the phases ``visited``.

    ``clock``: x of the first node; ``wall``: the unit at which T = T_EW; ``sections``: from
    :mod:`sterile.scalar.tables`; ``start``: f at the first node, (n,).
    """
    lengths = np.concatenate(
        [np.full(units * steps, grid.log_step / steps) for _, units, steps in visited]
    )
    begins = np.concatenate(
        [
            grid.log_step * (first + np.arange(units * steps) / steps)
            for first, units, steps in visited
        ]
    )
    clocks = clock + begins[:, None] + lengths[:, None] * RADAU_NODES
    thermal = jax.vmap(jax.vmap(lambda at: thermal_at(at, at, plasma)))(clocks)
    comoving = thermal.comoving_gev[..., None]
    p = jnp.exp(particle.log_q)[None, None] * comoving
    e = energy(p, particle.mass_gev)
    equilibrium = jnp.exp(-e / thermal.temperature_gev[..., None])
    decay = particle.mass_gev * particle.width_gev / e
    density = particle.states * particle.log_step * p**3 / (2.0 * math.pi**2) * e
    heat = density / comoving**4
    contact = particle.contact * particle.log_step
    edges = np.cumsum([0, *(phase.units * phase.steps for phase in visited)])
    below = [
        _below(model, plasma, grid, particle, clock, phase, wall, sections, part)
        for phase, part in zip(
            visited,
            (
                jax.tree.map(lambda leaf: leaf[a:b], thermal)  # noqa: B023
                for a, b in zip(edges, edges[1:])
            ),
        )
    ]

    def loss(f):
        """L[f] [GeV] at the nodes, (t, 3, n)."""
        found = contact / e * jnp.sum(p**3 / e * f, axis=-1, keepdims=True)
        parts = [found[a:b] for a, b in zip(edges, edges[1:])]
        for place, own in enumerate(below):
            if own is not None:
                operator, broken = own
                values = jnp.einsum("tjpq,tjq->tjp", operator, f[edges[place] : edges[place + 1]])
                parts[place] = jnp.where(broken[:, None, None], values, parts[place])
        return jnp.concatenate(parts)

    source = loss(equilibrium) * equilibrium

    def along(values):
        """Integrals from the start of every step to its nodes, of values (t, 3, n) there."""
        return lengths[:, None, None] * jnp.einsum("ij,tjn->tin", _RADAU, values)

    def one_round(before, _):
        f, rest = before
        total = thermal.density_gev4
        if particle.gravitates:
            total = total + jnp.sum(density * f, axis=-1) + rest * thermal.comoving_gev**4
        hubble = jnp.sqrt(total / 3.0)[..., None] / REDUCED_PLANCK_MASS_GEV
        s, d, lost = source / hubble, decay / hubble, loss(f) / hubble
        unbalanced = 1.0 - s[:, 0] / jnp.maximum((d[:, 0] + lost[:, 0]) * f[:, 0], DEAD)
        unbalanced = jnp.clip(unbalanced, 0.0, 1.0)[:, None]
        free = unbalanced * jnp.minimum(d, _FASTEST / lengths[:, None, None])
        psi = jnp.exp(-along(free))
        from_start, made = _collocated(lengths, d - free + lost, s / psi)
        from_start, made = psi * from_start, psi * made
        last = from_start[:, -1], made[:, -1]

        def one_step(f, given):
            kept, more = given
            return kept * f + more, f

        end, starts = jax.lax.scan(one_step, start, last)
        f = jnp.maximum(from_start * starts[:, None] + made, 0.0)
        ends = jnp.concatenate([starts[1:], end[None]])
        # what is made and neither stays nor annihilates has decayed
        decayed = starts - ends + along(s - lost * f)[:, -1]
        weights = _RADAU[-1][None, :, None] * d * f
        mean_heat = jnp.sum(weights * heat, axis=1) / jnp.maximum(jnp.sum(weights, axis=1), DEAD)
        rest_made = jnp.sum(mean_heat * decayed, axis=-1)
        rest_end = jnp.cumsum(rest_made)
        rest = (rest_end - rest_made)[:, None] + rest_made[:, None] * RADAU_NODES[None]
        return (f, rest), (ends, jnp.cumsum(decayed @ yields), rest_end)

    nothing = jnp.zeros_like(e), jnp.zeros_like(thermal.comoving_gev)
    _, found = jax.lax.scan(one_round, nothing, length=_ROUNDS)
    ends = clock + begins + lengths
    return jax.tree.map(lambda leaf: leaf[-1], found), ends


def _below(model, plasma, grid, particle, clock, phase, wall, sections, thermal):
    """L below T_EW at the nodes of all steps, (t, 3, n, n), and at which steps it is (t,)."""
    if not has_tables(plasma, grid, particle, phase):
        return None
    first, units, steps = phase
    begin = clock + grid.log_step * first
    tables = [kernels(model, grid, particle, begin, phase, sections["all"], RADAU_NODES)]
    made = below_the_wall(model, plasma, grid, particle, begin, phase, tables, RADAU_NODES)
    bath = jax.tree.map(lambda leaf: leaf.reshape(units, steps, -1), thermal)
    index = jnp.arange(units, dtype=jnp.int32)
    broken = index + first >= wall
    operators = jax.lax.map(
        lambda given: made(given[0], given[1], given[2], None), (index, bath, broken)
    )
    return operators.reshape(units * steps, *operators.shape[2:]), jnp.repeat(broken, steps)


def _collocated(lengths, rate, source):
    """R and B at the nodes of every step, each (t, 3, n), of dg/dx = source - rate g.

    ``lengths``: of the steps, (t,); ``rate``, ``source``: (t, 3, n).
    """
    weights = lengths[:, None, None, None] * _RADAU[None, :, :, None]
    matrix = np.eye(3)[None, :, :, None] + weights * rate[:, None]
    driven = jnp.sum(weights * source[:, None], axis=2)
    m = [[matrix[:, i, j] for j in range(3)] for i in range(3)]

    def minor(i, j):
        (a, b), (c, d) = ([m[x][y] for y in range(3) if y != j] for x in range(3) if x != i)
        return (a * d - b * c) * (-1) ** (i + j)

    cofactors = [[minor(i, j) for j in range(3)] for i in range(3)]
    inverse = 1.0 / sum(m[0][j] * cofactors[0][j] for j in range(3))
    solutions = (
        jnp.stack(
            [inverse * sum(cofactors[j][i] * right[:, j] for j in range(3)) for i in range(3)],
            axis=1,
        )
        for right in (jnp.ones_like(driven), driven)
    )
    return tuple(solutions)
