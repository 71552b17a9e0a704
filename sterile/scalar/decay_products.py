"""From the history of f_S to the spectrum of its decay products, S -> N N.

With theta = ln(2p/m_S) as the clock of a neutrino of comoving momentum q, p = q a_T,

    F_N(q) = 2 m_S Gamma integral dtheta G(m_S |sinh theta|, x)/(H p^2),
    G(w, x) = integral_w^inf dp p f_S/E,    x = ln(2q/m_S) - theta,

F summed over helicities, m_N << m_S. A scalar at rest feeds theta = 0 alone, where the integrand is
a peak of width p_S/m_S: theta is graded on both sides of it. G is held as ln(G/H) on the solver's
clock and on a refined momentum lattice.
"""

import math
from typing import Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from spectra.numerics import lagrange
from sterile.scalar.amplitudes import scalar_decay_width_gev
from sterile.scalar.collisions import energy
from sterile.scalar.lattice import YIELD_PER_NUMBER, Grid, ScalarHistory, phases

_COMPUTED = 200  # momenta at which F is integrated
_TABULATED_PER_COMPUTED = 6  # ln F is then linear in ln q to 3e-4 of the peak of q^2 F
_TOGETHER = 100  # momenta whose quadrature is done at a time
_REFINE = 4
_BELOW = 15  # coarse steps by which the lattice is continued to small momenta
_TIME_STENCIL = 6
_MOMENTUM_STENCIL = 4
# (row, column) of a table -> the block of the table that begins there, as two last axes
_BLOCK = jax.lax.GatherDimensionNumbers(
    offset_dims=(2, 3), collapsed_slice_dims=(), start_index_map=(0, 1)
)
_OVERSHOOT = 0.3  # of ln f between two nodes; more is ringing
_Q_LOWEST = 1e-3
# decay momenta that matter, over the lowest of a scalar of thermal energy, m^2/(4 E), E = 3 T
_MARGIN = 0.1
_DARK = 1e-150  # its inverse square is finite: second derivatives of a logarithm need that


class Decaying(Protocol):
    """What the decay of a scalar into two massless neutrinos depends on."""

    @property
    def scalar_mass_gev(self) -> Array: ...
    @property
    def yukawa(self) -> Array: ...
    @property
    def neutrino(self) -> str: ...


def momentum_grid(history: ScalarHistory, model: Decaying) -> Array:
    """q at which F is integrated, (200,), log-uniform, to where S has decayed.

    It begins at 1e-3, or lower where S decays at T far above its mass: F q^2 of such decays is flat
    down to p = m_S^2/(4 E). Decay momenta run over nine decades, so the ends are chosen per model.
    They are a choice of nodes and carry no derivative: in whole steps, so that differences do not
    see it either.
    """
    history, mass = jax.lax.stop_gradient((history, model.scalar_mass_gev))
    number = history.f @ jnp.exp(3.0 * history.log_q)
    # the scalars left at 1e-12 of their largest number are the last to matter
    alive = number > 1e-12 * jnp.max(number)
    last = jnp.max(jnp.where(alive, history.clock, history.clock[0]))
    log_highest = _END_STEP * jnp.ceil((last + jnp.log(mass)) / _END_STEP)
    log_highest = jnp.maximum(math.log(60.0), log_highest)
    # when the first thousandth of S has decayed
    first = jnp.argmax(history.decayed > 1e-3 * history.decayed[-1])
    slowest = 2.0 * jnp.log(mass) - jnp.log(12.0 * history.temperature_gev[first] / _MARGIN)
    slowest = slowest + history.clock[first]
    fewer = jnp.floor(jnp.minimum(slowest - math.log(_Q_LOWEST), 0.0) / _END_STEP) * _END_STEP
    # an era of decaying matter leaves all that was made before it as cold as its lattice
    deepest = _DEEPEST + jnp.minimum(history.log_q[0] - math.log(Grid().q_min), 0.0)
    lowest = math.log(_Q_LOWEST) + jnp.maximum(fewer, deepest)
    return jnp.exp(jnp.linspace(lowest, log_highest, _COMPUTED))


def decay_spectrum(
    history: ScalarHistory,
    model: Decaying,
    grid: Grid,
    q: Array,
    clock_end: Array,
    typical: ArrayLike = 1.0,
) -> Array:
    """F_N(q), summed over helicities, from the decays before ``clock_end``.

    Parameters
    ----------
    history : of f_S, from :func:`sterile.scalar.solve_scalar` on ``grid``.
    model : parameters.
    grid : the solver's resolution.
    q : comoving momenta p/a_T [1], shape (n,).
    clock_end : x at which to stop, scalar; ``history.clock[-1]`` for the whole spectrum.
    typical : comoving momentum of the scalars, scalar: the quadrature is graded for it.

    Returns
    -------
    F [1], shape (n,).
    """
    log_q, table = log_rate_table(history, model, grid)

    # S that is made out of equilibrium and decays late does not jump
    divided = not grid.late_is_free

    def side(q, sign):
        given = history, model, grid, q, clock_end, sign, grid.angles, typical
        return decay_angles(*given, divided)

    def both(q):
        sides = zip(side(q, 1.0), side(q, -1.0))
        theta, weight, log_w, x = (jnp.concatenate(pair, axis=1) for pair in sides)
        value = interpolate(history, model, grid, log_q, table, log_w + x, x)
        return jnp.sum(weight * jnp.exp(value - 2.0 * theta), axis=1)

    # a part at a time stays in the cache, and reverse mode keeps nothing of it: a third of the time
    @jax.checkpoint
    def at(q):
        return both(q[None])[0]

    return jax.lax.map(at, q, batch_size=_TOGETHER) * 4.0 / model.scalar_mass_gev**2


def decay_angles(
    history, model, grid, q, clock_end, sign, nodes, typical: ArrayLike = 1.0, divided=False
):
    """Quadrature on one side of theta = 0, each (n, nodes), graded away from it.

    ``sign``: 1.0 for theta > 0, decays before the scalar's rest frame would give q, or -1.0, after.
    ``divided``: at T_EW, where f_S jumps if S decays fast; two nodes more, before and after.
    Returns theta, the weights, ln w of w = m_S |sinh theta|, and x. Other arguments as for
    :func:`decay_spectrum`.
    """
    mass = model.scalar_mass_gev
    peak = jnp.log(2.0 * q / mass)  # x at theta = 0
    scale = jnp.minimum(0.5, typical / q)
    reach = math.exp(grid.log_q[-1] + 0.5 * grid.log_step) / q
    # edges of the support p_S < p_max, and of the solved interval of time
    late = jnp.minimum(0.5 * jnp.log1p(reach), clock_end - peak)
    inside = reach < 1.0 - 1e-12
    support = -0.5 * jnp.log1p(-jnp.where(inside, reach, 0.5))
    early = peak - history.clock[0]
    early = jnp.where(inside, jnp.minimum(support, early), early)
    # theta at clock_end: positive where the peak lies beyond it
    begin = jnp.maximum(peak - clock_end, 0.0)

    edge = jnp.maximum(early - begin if sign > 0 else late, 1e-12)
    top = _inverse_grading(jnp.log(edge / scale))
    fraction = np.linspace(0.0, 1.0, nodes)
    v = _GRADING_START + (top[:, None] - _GRADING_START) * fraction[None, :]
    cell = (top[:, None] - _GRADING_START) / (nodes - 1)
    share = np.where((fraction == 0.0) | (fraction == 1.0), 0.5, 1.0)[None, :]
    aside: ArrayLike = 0.0
    if divided:
        away = sign * (peak - history.clock[history.electroweak_index])
        away = away - begin if sign > 0 else away
        at = _inverse_grading(jnp.log(jnp.maximum(away, 1e-300) / scale))
        inside = (at > _GRADING_START + cell[:, 0]) & (at < top)
        at = jnp.clip(at, _GRADING_START, top)[:, None]
        place = (at - _GRADING_START) / cell
        # of Euler-Maclaurin the term in the jump: nothing where there is none
        more = jnp.where(inside[:, None], place - jnp.floor(place) - 0.5, 0.0)
        v = jnp.concatenate([v, at, at], axis=1)
        share = jnp.broadcast_to(share, (q.size, nodes))
        share = jnp.concatenate([share, more, -more], axis=1)
        aside = sign * _BESIDE * np.append(np.zeros(nodes), [1.0, -1.0])[None, :]
    distance = scale[:, None] * jnp.exp(v - jnp.exp(-v))
    weight = distance * (1.0 + jnp.exp(-v)) * cell * share
    theta = begin[:, None] + distance if sign > 0 else -distance
    log_w = jnp.log(mass * jnp.abs(jnp.sinh(theta)))
    return theta, weight, log_w, peak[:, None] - theta + aside


_GRADING_START = -3.0
_BESIDE = 1e-9  # of x, before and after T_EW
_END_STEP = 0.5  # of the ends of the spectrum's grid in ln q
_DEEPEST = -6.0  # of its beginning, from ln of _Q_LOWEST


def tabulate(q: Array, f: Array) -> tuple[Array, Array]:
    """F on a grid six times as fine, (1195,), by six-point interpolation of ln F in ln q."""
    parts = _TABULATED_PER_COMPUTED
    size = parts * (q.size - 1) + 1
    log_q, log_f = jnp.linspace(jnp.log(q[0]), jnp.log(q[-1]), size), jnp.log(jnp.maximum(f, _DARK))
    # no matrix: its 4 MB would be a constant of every program that makes a spectrum
    position = np.arange(size) / parts
    first = np.clip(np.floor(position).astype(int) - 2, 0, q.size - 6)
    line = sum(c * log_f[first + j] for j, c in enumerate(lagrange(position - first, 6)))
    # beside the end of F the interpolation must not ring
    left = np.minimum(np.arange(size) // parts, q.size - 2)
    return jnp.exp(log_q), jnp.exp(_between(line, log_f[left], log_f[left + 1]))


def _between(value, left, right):
    """Interpolated logarithms, held to those of the nodes on either side."""
    low, high = jnp.minimum(left, right), jnp.maximum(left, right)
    return jnp.clip(value, low - _OVERSHOOT, high + _OVERSHOOT)


def _inverse_grading(value):
    """v with v - e^-v = value, above the start of the grading."""
    v = jnp.where(value > 0.0, value, -jnp.log1p(jnp.maximum(-value, 0.0)))
    for _ in range(6):
        v = v - (v - jnp.exp(-v) - value) / (1.0 + jnp.exp(-v))
    return jnp.maximum(v, _GRADING_START + 1e-3)


def _interpolation_matrix(nodes: int, parts: int, below: int = 0) -> np.ndarray:
    """From a uniform lattice to one ``parts`` times as fine, ``below`` steps longer at its start.

    Six-point Lagrange interpolation; linear extrapolation below the first node.
    """
    fine = np.arange(-below * parts, (nodes - 1) * parts + 1) / parts
    matrix = np.zeros((fine.size, nodes))
    for row, position in enumerate(fine):
        if position < 0.0:
            matrix[row, :2] = 1.0 - position, position
            continue
        first = int(np.clip(np.floor(position) - 2, 0, nodes - 6))
        matrix[row, first : first + 6] = lagrange(position - first, 6)
    return matrix


def refinement(grid) -> np.ndarray:
    """From the scalar's lattice to that of the rate table, as a matrix."""
    return _interpolation_matrix(grid.momenta, _REFINE, _BELOW)


def log_rate_table(history, model, grid):
    """Refined ln q, (m,), and ln(2 m Gamma G/H), (t, m)."""
    refine = refinement(grid)
    step = grid.log_step / _REFINE
    log_q = grid.log_q[0] + step * (np.arange(refine.shape[0]) - _BELOW * _REFINE)
    # a mode that has died to zero beside a living one must not make ln f ring
    occupied = jnp.maximum(history.f, 1e-40 * jnp.max(history.f, axis=1, keepdims=True))
    log_f = jnp.log(jnp.maximum(occupied, _DARK))
    # nor a cliff, where the resonance has emptied the fast modes beside full slow ones
    left = np.clip(np.arange(refine.shape[0]) // _REFINE - _BELOW, 0, grid.momenta - 2)
    within = _between(log_f @ refine.T, log_f[:, left], log_f[:, left + 1])
    below = np.arange(refine.shape[0]) < _BELOW * _REFINE
    # below the lattice f rises as 1/q at most, as a Bose gas does; dead modes have any slope
    highest = log_f[:, :1] + (grid.log_q[0] - log_q)[None, :]
    f = jnp.exp(jnp.where(below, jnp.minimum(log_f @ refine.T, highest), within))
    p = jnp.exp(log_q[None, :] - history.clock[:, None])
    g = f * p**2 / energy(p, model.scalar_mass_gev)
    # cubic cells; the tail, which falls by more than e a cell, must not turn negative
    padded = jnp.pad(g, ((0, 0), (1, 1)))
    cells = 13.0 * (g[:, :-1] + g[:, 1:]) - padded[:, :-3] - padded[:, 3:]
    cells = jnp.maximum(cells * step / 24.0, 0.0)
    above = jnp.cumsum(cells[:, ::-1], axis=1)[:, ::-1]
    tail = g[:, -1:] * step
    integral = jnp.concatenate([above + tail, tail], axis=1)
    width = scalar_decay_width_gev(model.scalar_mass_gev, model.yukawa, model.neutrino)
    rate = 2.0 * model.scalar_mass_gev * width * integral / history.hubble_gev[:, None]
    return jnp.asarray(log_q), jnp.log(jnp.maximum(rate, _DARK))


def interpolate(history, model, grid, log_q, table, at_log_q, at_clock):
    """The table at (ln q, x), (n, nodes) each: four points in ln q, six in x beside T_EW."""
    step_q = grid.log_step / _REFINE
    position = jnp.clip((at_log_q - log_q[0]) / step_q, 0.0, log_q.size - 1.0)
    column = jnp.floor(position).astype(jnp.int32) - _MOMENTUM_STENCIL // 2 + 1
    column = jnp.clip(column, 0, log_q.size - _MOMENTUM_STENCIL)
    across = jnp.stack(lagrange(position - column.astype(float), _MOMENTUM_STENCIL), axis=-1)

    unit = (at_clock - history.clock[0]) / grid.log_step
    row, offset = jnp.zeros(unit.shape, jnp.int32), jnp.zeros_like(unit)
    length = jnp.zeros_like(unit)
    node = 0
    for first_unit, units, steps in phases(grid):
        here = unit >= first_unit
        local = jnp.clip((unit - first_unit) * steps, 0.0, units * steps * 1.0)
        electroweak = history.electroweak_index - node
        first = jnp.floor(local).astype(jnp.int32) - _TIME_STENCIL // 2 + 1
        first = jnp.where(
            local >= electroweak.astype(float),
            jnp.maximum(first, electroweak),
            jnp.minimum(first, electroweak - _TIME_STENCIL + 1),
        )
        first = jnp.clip(first, 0, units * steps + 1 - _TIME_STENCIL)
        row = jnp.where(here, node + first, row)
        offset = jnp.where(here, local - first.astype(float), offset)
        length = jnp.where(here, grid.log_step / steps, length)
        node += units * steps
    along = jnp.stack(lagrange(offset, _TIME_STENCIL), axis=-1)

    block = jax.lax.gather(
        table,
        jnp.stack([row, column], axis=-1),
        _BLOCK,
        slice_sizes=(_TIME_STENCIL, _MOMENTUM_STENCIL),
        mode="promise_in_bounds",
    )
    lines = jnp.sum(block * across[..., None, :], axis=-1)
    energies = jnp.sqrt(jnp.exp(2.0 * (at_log_q - at_clock)) + model.scalar_mass_gev**2)
    start = _behind_the_wall(history, model, energies, length, lines)
    first_point = (np.arange(_TIME_STENCIL) == 0).reshape((1,) * row.ndim + (-1,))
    beside = (row == history.electroweak_index)[..., None] & first_point
    lines = jnp.where(beside, start[..., None], lines)
    # nor may it where the last scalars vanish between two nodes
    return jnp.minimum(jnp.sum(lines * along, axis=-1), jnp.max(lines, axis=-1) + 0.1)


def _behind_the_wall(history, model, energy_gev, step, lines):
    """What stands for the table at T_EW in the six points below it, (n, nodes).

    Where S decays within the first step f_S settles there, from what it was to what the broken
    phase makes of it. No polynomial follows that; this one keeps its integral over the step: the
    deficit that dies as exp(-kappa x), kappa = m_S Gamma/(E H), is worth a deficit of 3/(kappa h)
    of the node, whose share in that integral is 95/288.
    """
    width = scalar_decay_width_gev(model.scalar_mass_gev, model.yukawa, model.neutrino)
    hubble = history.hubble_gev[history.electroweak_index]
    fast = model.scalar_mass_gev * width * step * (95.0 / 288.0) / (energy_gev * hubble)
    settled = 1.0 - (1.0 + fast**4) ** -0.25
    smooth = lines[..., 1:] @ np.array([5.0, -10.0, 10.0, -5.0, 1.0])
    jump = jnp.clip(smooth - lines[..., 0], -50.0, 50.0)
    return lines[..., 0] + jnp.log1p(settled * jnp.expm1(jump))


def spectrum_moments(q: Array, f: Array):
    """Yield, <q> and sqrt<q^2> of F on a log-uniform grid; trapezoid in ln q, spectrally exact.

    Y = 45/(4 pi^4 g_s0) integral q^2 F dq. Returns three scalars.
    """
    step = jnp.log(q[-1] / q[0]) / (q.size - 1)
    number = jnp.sum(q**3 * f)
    mean = jnp.sum(q**4 * f) / number
    root = jnp.sqrt(jnp.sum(q**5 * f) / number)
    return YIELD_PER_NUMBER * step * number, mean, root
