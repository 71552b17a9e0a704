"""The part of the collision operator that carries the Higgs resonance: windows in energy.

Its kernel has edges on the momentum lattice, so the integral over E_2 runs over the exact window
[E_-(s), E_+(s)] for each s across the peak. :mod:`sterile.scalar.collisions` has the equation and
the smooth rest.
"""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from spectra.constants import HIGGS_MASS_GEV, HIGGS_VEV_GEV
from spectra.numerics import lagrange
from sterile.scalar.collisions import (
    PEAK_REACH,
    energy,
    smearing_gev2,
    total_higgs_width_gev,
    visible_over_coupling_squared,
)

# Gauss-Legendre points of one window in E_2; many windows near each other need fewer
_WINDOW_NODES, _WINDOW_NODES_BROAD = 16, 10
# and of a cell of the lattice, across which phi falls by e^3 where f matters
_CELL_NODES = 5
# (row, first column) -> where six parts are added to a matrix
_SIX_IN_A_ROW = jax.lax.ScatterDimensionNumbers(
    update_window_dims=(2,), inserted_window_dims=(0,), scatter_dims_to_operand_dims=(0, 1)
)
# exponent beyond which phi falls as a power of the energy. An exponential would fall by e^100 from
# node to node where the lattice reaches p = 1e4 T, and f that does not, if only by rounding, would
# be read as e^100 times what it is
_TAIL = 30.0
# weight of the peak's windows near the threshold beside those at m_h, enough not to vary fast where
# the ones take over from the others: at T = 0.5 GeV and 61 GeV
_OFF_PEAK = 3e-3


class ResonancePeak(NamedTuple):
    """Quadrature over the peak: sum over k of weight_k times the E_2 window at s_k."""

    s_gev2: Array  # (n_s,)
    weight: Array  # (n_s,) [GeV^2]: L[f](p_1) = 1/(p_1 E_1) sum weight_k int_{E_-}^{E_+} f dE_2


def resonance_peak(
    scalar_mass_gev, portal_coupling, resonance: str, nodes: int = 20, widths: str = "tree"
):
    """The part of the Higgs resonance integrated over windows, as a :class:`ResonancePeak`.

    Parameters
    ----------
    scalar_mass_gev, portal_coupling : m_S [GeV] and lambda [1], scalars.
    resonance : static.
        "none": m_S well above m_h/2, the kernel is smooth; returns None.
        "narrow": m_S well below. One node at s = m_h^2 with the weight of the decay,
        C_h = 16 lambda^2 v^2/(16 pi E_1 p_1) integral dE_2 {...}.
        "broad": m_S near m_h/2. |D|^2 less its remainder, integrated over s with
        x = s - m_h^2 = eps sinh t, eps = m_h Gamma_h, which spreads the peak and its tail evenly,
        graded quadratically towards the threshold, where the windows close like a square root.
    nodes : Gauss-Legendre points of the broad form on either side of the peak.
    widths : "tree" or "running", see :func:`visible_over_coupling_squared`.
    """
    if resonance == "none":
        return None
    threshold = 4.0 * scalar_mass_gev**2
    if resonance == "narrow":
        weight = portal_coupling**2 * HIGGS_VEV_GEV**2 / math.pi
        return ResonancePeak(jnp.full(1, HIGGS_MASS_GEV**2), weight[None])
    width = HIGGS_MASS_GEV * total_higgs_width_gev(scalar_mass_gev, portal_coupling, widths)
    gamma = smearing_gev2(scalar_mass_gev, resonance)
    low = jnp.arcsinh((threshold - HIGGS_MASS_GEV**2) / width)
    top = jnp.maximum(low, 0.0)
    high = jnp.maximum(jnp.arcsinh(PEAK_REACH * gamma / width), top + 1.0)
    gauss, gauss_weight = np.polynomial.legendre.leggauss(nodes)
    u = 0.5 * (gauss + 1.0)
    # two panels meet at the peak; the first is empty above m_h/2
    t = jnp.concatenate([low + (top - low) * u**2, top + (high - top) * u**2])
    dt = jnp.concatenate([(top - low) * u * gauss_weight, (high - top) * u * gauss_weight])
    x = width * jnp.sinh(t)
    s = HIGGS_MASS_GEV**2 + x
    ds = width * jnp.cosh(t) * dt
    peak = peak_squared(x, width, gamma)
    visible = visible_over_coupling_squared(s, peak, widths)
    w_hat = visible["light"] if widths == "tree" else visible["light"] + visible["heavy"]
    w_hat = portal_coupling**2 * w_hat
    return ResonancePeak(s, w_hat * ds / (32.0 * math.pi**2))


def peak_squared(x_gev2, width_gev2, gamma_gev2):
    """|D|^2 less ``amplitudes.off_shell_squared`` [GeV^-4], at x = s - m_h^2.

    For m_h Gamma_h and g, [GeV^2].
    """
    x2, g2 = x_gev2**2, gamma_gev2**2
    peak = g2**2 * (5.0 * x2 + g2) - width_gev2**2 * (x2**2 + 3.0 * x2 * g2 - 2.0 * g2**2)
    return peak / ((x2 + width_gev2**2) * (x2 + g2) ** 3)


class ReferenceShape(NamedTuple):
    """phi(p) = exp(-(E_* - m)/T_*), E_* = sqrt((p scale)^2 + m^2): f/phi is smooth on the lattice.

    While S is coupled, T_* = T and scale = 1. Once it is not, phi keeps its comoving shape. Below
    e^-30, where nothing depends on it any more, phi is a power of E_* - m.
    """

    temperature_gev: Array
    scale: Array
    mass_gev: Array

    def kinetic(self, momentum):
        """(E_* - m)/T_* at physical momenta p [GeV], any shape."""
        shifted = momentum * self.scale
        above = energy(shifted, self.mass_gev) + self.mass_gev
        return shifted**2 / (above * self.temperature_gev)

    def exponent(self, momentum):
        """-ln phi at physical momenta p [GeV], any shape."""
        kinetic = self.kinetic(momentum)
        return jnp.minimum(kinetic, _TAIL) + _TAIL * jnp.log(jnp.maximum(kinetic / _TAIL, 1.0))

    def fold_gev(self, momentum):
        """Energy E [GeV] over which phi falls by e, at physical momenta p [GeV], any shape."""
        slope = self.scale**2 * energy(momentum, self.mass_gev)
        fold = self.temperature_gev * energy(momentum * self.scale, self.mass_gev) / slope
        return fold * jnp.maximum(self.kinetic(momentum) / _TAIL, 1.0)


def window_scales(peak, shape, momentum_gev, scalar_mass_gev):
    """Factors (n,) of the operator's rows and columns, about phi(E_-) and 1/phi(p_2).

    Over them the operator varies slowly in time: what grows and falls by exponentials is the
    number of partners above a window's lower edge. That of the peak is followed as long as the
    windows at the threshold, whose partners are as fast as S itself, do not outweigh it.
    """
    mass2 = scalar_mass_gev**2
    s = jnp.maximum(HIGGS_MASS_GEV**2, 4.0 * mass2)
    _, root, _ = _opened(s, scalar_mass_gev)
    e1 = energy(momentum_gev, scalar_mass_gev)
    partner = ((s - 2.0 * mass2) * momentum_gev - root * e1) / (2.0 * mass2)
    own = shape.exponent(momentum_gev)
    rows = jnp.exp(-shape.exponent(partner))
    if peak.s_gev2.size > 1:
        rows = rows + _OFF_PEAK * jnp.exp(-own)
    return rows, jnp.exp(own)


def resonance_operator(peak, shape, momentum_gev, scalar_mass_gev, log_step, enhancement=None):
    """The resonance part of L as a matrix acting on f [GeV], shape (n, n).

    f = phi g, with g read off the lattice by six-point Lagrange interpolation in ln p, constant
    beyond its ends. Every window is a difference of two integrals of f to infinity, which are
    summed over the cells of the lattice and interpolated to the window's edges, divided by phi.
    The weight of a constant g is positive, so the operator keeps its relative accuracy down to
    phi = e^-30.

    Parameters
    ----------
    peak : :class:`ResonancePeak`.
    shape : :class:`ReferenceShape`.
    momentum_gev : lattice momenta [GeV], shape (n,), ln p uniform with step ``log_step``.
    scalar_mass_gev : m_S [GeV], scalar.
    enhancement : function (s, q_0 = E_1 + E_2) -> factor on the rate, or None for 1.
    """
    if enhancement is not None:
        return _weighted_windows(peak, shape, momentum_gev, scalar_mass_gev, log_step, enhancement)
    count = momentum_gev.shape[0]
    s, root, is_open = _opened(peak.s_gev2[None, :], scalar_mass_gev)
    p1 = momentum_gev[:, None]
    e1 = energy(p1, scalar_mass_gev)
    straight, bent = (s - 2.0 * scalar_mass_gev**2) * p1, root * e1
    p2 = jnp.concatenate([jnp.abs(straight - bent), straight + bent], axis=1)
    p2 = p2 / (2.0 * scalar_mass_gev**2)
    weight = jnp.where(is_open, peak.weight[None, :], 0.0) / (p1 * e1)
    weight = jnp.concatenate([weight, -weight], axis=1)
    position = (jnp.log(p2) - jnp.log(momentum_gev[0])) / log_step
    first, offset = _stencil(position, count)
    exponent = shape.exponent(momentum_gev)
    reached = np.arange(count - 5)[:, None] + np.arange(6)
    rising = jnp.exp(exponent[reached] - exponent[: count - 5, None])
    falling = jnp.exp(exponent[first] - shape.exponent(p2))
    parts = jnp.stack(lagrange(offset, 6), axis=-1) * rising[first]
    parts = parts * (weight * falling)[..., None]
    edges = _deposited(parts, first)
    # an integral from node a on has all cells from a on
    edges = edges @ np.triu(np.ones((count, count)))
    cells = _cell_integrals(shape, momentum_gev, scalar_mass_gev, log_step)
    edges, cells = jnp.pad(edges, ((0, 0), (3, 2))), jnp.pad(cells, ((3, 2), (0, 0)))
    # cell c reaches the nodes c - 2 ... c + 3
    to = [slice(5 - j, 5 - j + count) for j in range(6)]
    return sum(edges[:, to[j]] * cells[None, to[j], j] for j in range(6))


def thermal_windows(peak, temperature_gev, momentum_gev, scalar_mass_gev, enhancement=None):
    """The same for one f = exp(-(E - E_0)/T_S), whatever T_S: L[f] [GeV], shape (n,).

    E_0 is the energy at the first momentum, below which f = 1. No interpolation: one of f over
    exp(-E/T) would rise by e^13 from one momentum to the next where T_S is a few times T.

    Parameters
    ----------
    temperature_gev : T_S [GeV], scalar.
    peak, momentum_gev, scalar_mass_gev, enhancement : as :func:`resonance_operator`.
    """
    mass2 = scalar_mass_gev**2
    s, root, is_open = _opened(peak.s_gev2[None, :], scalar_mass_gev)
    p1 = momentum_gev[:, None]
    e1 = energy(p1, scalar_mass_gev)
    p_low = ((s - 2.0 * mass2) * p1 - root * e1) / (2.0 * mass2)
    p_first = momentum_gev[0]
    e_low, e_first = energy(p_low, scalar_mass_gev), energy(p_first, scalar_mass_gev)
    above = (p_low**2 - p_first**2) / (e_low + e_first)
    flat, bottom = jnp.maximum(-above, 0.0), jnp.maximum(above, 0.0)
    # what is left of the window above E_0
    length = jnp.maximum(p1 * root / mass2 - flat, 0.0)
    drop = -jnp.expm1(-length / temperature_gev)
    if enhancement is None:
        inside = temperature_gev * drop
    else:
        nodes = _WINDOW_NODES if peak.s_gev2.size == 1 else _WINDOW_NODES_BROAD
        gauss, gauss_weight = np.polynomial.legendre.leggauss(nodes)
        z = (0.5 * (gauss + 1.0))[None, None, :]
        share = drop[..., None] * (1.0 - z**3)
        higher = -temperature_gev * jnp.log1p(-share)
        pair = (e1 + e_first + bottom)[..., None] + higher
        factor = enhancement(s[..., None], pair)
        dz = (0.5 * gauss_weight)[None, None, :] * 3.0 * z**2
        inside = temperature_gev * drop * jnp.sum(factor * dz, axis=-1)
        flat = flat * enhancement(s, e1 + e_low)
    window = flat + jnp.exp(-bottom / temperature_gev) * inside
    weight = jnp.where(is_open, peak.weight[None, :], 0.0)
    return jnp.sum(weight * window, axis=1) / (p1 * e1)[:, 0]


def _cell_integrals(shape, momentum_gev, scalar_mass_gev, log_step):
    """Integral over E of phi l_j/phi_j from node c to the next, j = c - 2 ... c + 3, (n, 6) [GeV].

    l_j: the cardinal functions of g. The last row goes to infinity.
    """
    count = momentum_gev.shape[0]
    gauss, gauss_weight = np.polynomial.legendre.leggauss(_CELL_NODES)
    inside = 0.5 * (gauss + 1.0)
    nodes = np.arange(count - 1)[:, None]
    offset = np.clip(nodes + inside, 2.0, count - 3.0) - nodes + 2.0
    cardinal = np.stack(lagrange(offset, 6), axis=-1)
    p = momentum_gev[:-1, None] * np.exp(log_step * inside)[None, :]
    e = energy(p, scalar_mass_gev)
    exponent = shape.exponent(momentum_gev)
    measure = jnp.exp(exponent[:-1, None] - shape.exponent(p))
    measure = measure * p**2 / e * (0.5 * log_step * gauss_weight)[None, :]
    inner = jnp.sum(measure[..., None] * cardinal, axis=1)
    beyond = shape.fold_gev(momentum_gev[-1])
    cells = jnp.concatenate([inner, beyond * np.eye(1, 6)])
    reached = np.clip(np.arange(count)[:, None] + np.arange(-2, 4), 0, count - 1)
    return cells * jnp.exp(exponent[reached] - exponent[:, None])


def _opened(s_gev2, scalar_mass_gev):
    """s, sqrt(s (s - 4 m^2)) where that is real, and whether it is."""
    gap = s_gev2 - 4.0 * scalar_mass_gev**2
    is_open = gap > 0.0
    return s_gev2, jnp.sqrt(s_gev2 * jnp.where(is_open, gap, 1.0)), is_open


def _stencil(position, count):
    """First of six nodes about a position on the lattice, and its distance from there."""
    position = jnp.clip(position, 2.0, count - 3.0)
    first = jnp.minimum(jnp.floor(position).astype(jnp.int32) - 2, count - 6)
    return first, position - first.astype(float)


def _deposited(parts, first):
    """Sums (n, n) of ``parts`` (n, k, 6), each six from column ``first`` (n, k) of its row on."""
    count = parts.shape[0]
    rows = jnp.broadcast_to(np.arange(count, dtype=np.int32)[:, None], first.shape)
    where = jnp.stack([rows, first], axis=-1)
    return jax.lax.scatter_add(
        jnp.zeros((count, count)), where, parts, _SIX_IN_A_ROW, mode="promise_in_bounds"
    )


def _weighted_windows(peak, shape, momentum_gev, scalar_mass_gev, log_step, enhancement):
    """The same where a factor ties s and E_2 together: a quadrature in every window.

    In the variable 1 - exp(-(E_2 - E_-)/T_local) phi is nearly flat.
    """
    count = momentum_gev.shape[0]
    mass2 = scalar_mass_gev**2
    s, root, is_open = _opened(peak.s_gev2[None, :, None], scalar_mass_gev)
    p1 = momentum_gev[:, None, None]
    e1 = energy(p1, scalar_mass_gev)
    # lower edge from its momentum, which vanishes smoothly where the window starts at rest
    p_low = ((s - 2.0 * mass2) * p1 - root * e1) / (2.0 * mass2)
    e_low = energy(p_low, scalar_mass_gev)
    width = p1 * root / mass2
    local = shape.fold_gev(p_low)
    drop = -jnp.expm1(-width / local)
    nodes = _WINDOW_NODES if peak.s_gev2.size == 1 else _WINDOW_NODES_BROAD
    gauss, gauss_weight = np.polynomial.legendre.leggauss(nodes)
    # cubed: g(E_2) grows towards the far end like a power of v
    z, dz = (0.5 * (gauss + 1.0))[None, None, :], gauss_weight[None, None, :]
    v = 1.0 - drop * (1.0 - z**3)
    above = -local * jnp.log(v)
    p2 = jnp.sqrt(p_low**2 + above * (2.0 * e_low + above))
    position = (jnp.log(p2) - jnp.log(momentum_gev[0])) / log_step
    first, offset = _stencil(position.reshape(count, -1), count)
    cardinal = jnp.stack(lagrange(offset, 6), axis=-1)
    measure = jnp.exp(above / local - shape.exponent(p2)) * local * drop * (1.5 * z**2 * dz)
    measure = measure * enhancement(s, e1 + e_low + above)
    weight = jnp.where(is_open, peak.weight[None, :, None], 0.0) * measure / (p1 * e1)
    matrix = _deposited(weight.reshape(count, -1, 1) * cardinal, first)
    return matrix * jnp.exp(shape.exponent(momentum_gev))[None, :]
