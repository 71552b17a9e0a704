"""The part of the collision operator that carries the Higgs resonance: windows in energy.

Its kernel has edges on the momentum lattice, so the integral over E_2 runs over the exact window
[E_-(s), E_+(s)] for each s across the peak. :mod:`sterile.scalar.collisions` has the equation and
the smooth rest.
"""

import math
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array

from spectra.constants import HIGGS_MASS_GEV, HIGGS_VEV_GEV
from sterile.scalar.collisions import (
    PEAK_REACH,
    energy,
    smearing_gev2,
    total_higgs_width_gev,
    visible_over_coupling_squared,
)

# Gauss-Legendre points of one window in E_2; many windows near each other need fewer
_WINDOW_NODES, _WINDOW_NODES_BROAD = 16, 10
# E/T beyond which phi stays as it is: its inverse must not overflow where entropy is released and
# the lattice reaches p = 1e4 T
_NOTHING = 600.0


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
    """phi(p) = exp(-E_*/T_*), E_* = sqrt((p scale)^2 + m^2): f/phi is smooth on the lattice.

    While S is coupled, T_* = T and scale = 1. Once it is not, phi keeps its comoving shape.
    """

    temperature_gev: Array
    scale: Array
    mass_gev: Array

    def exponent(self, momentum):
        """E_*/T_* at physical momenta p [GeV], any shape; held where there is no f."""
        exponent = energy(momentum * self.scale, self.mass_gev) / self.temperature_gev
        return jnp.minimum(exponent, _NOTHING)


def resonance_operator(peak, shape, momentum_gev, scalar_mass_gev, log_step, enhancement=None):
    """The resonance part of L as a matrix acting on f [GeV], shape (n, n).

    In each window the integral of f = phi g over E_2 runs in the variable
    1 - exp(-(E_2 - E_-)/T_local), in which phi is nearly flat, with Gauss-Legendre points; g is
    read off the lattice by six-point Lagrange interpolation in ln p, constant beyond its ends.
    The weight of a constant g is positive, so the operator keeps its relative accuracy over
    e^-100 of dynamic range.

    Parameters
    ----------
    peak : :class:`ResonancePeak`.
    shape : :class:`ReferenceShape`.
    momentum_gev : lattice momenta [GeV], shape (n,), ln p uniform with step ``log_step``.
    scalar_mass_gev : m_S [GeV], scalar.
    enhancement : function (s, q_0 = E_1 + E_2) -> factor on the rate, or None for 1.
    """
    count = momentum_gev.shape[0]
    mass2 = scalar_mass_gev**2
    s = peak.s_gev2[None, :, None]
    gap = s - 4.0 * mass2
    is_open = gap > 0.0
    root = jnp.sqrt(s * jnp.where(is_open, gap, 1.0))
    p1 = momentum_gev[:, None, None]
    e1 = energy(p1, scalar_mass_gev)
    # lower edge from its momentum, which vanishes smoothly where the window starts at rest
    p_low2 = (((s - 2.0 * mass2) * p1 - root * e1) / (2.0 * mass2)) ** 2
    e_low = jnp.sqrt(p_low2 + mass2)
    width = p1 * root / mass2
    star_low = jnp.sqrt(p_low2 * shape.scale**2 + mass2)
    local = shape.temperature_gev * star_low / (shape.scale**2 * e_low)
    drop = -jnp.expm1(-width / local)
    nodes = _WINDOW_NODES if peak.s_gev2.size == 1 else _WINDOW_NODES_BROAD
    gauss, gauss_weight = np.polynomial.legendre.leggauss(nodes)
    # cubed: g(E_2) grows towards the far end like a power of v
    z, dz = (0.5 * (gauss + 1.0))[None, None, :], gauss_weight[None, None, :]
    v = 1.0 - drop * (1.0 - z**3)
    above = -local * jnp.log(v)
    p2 = jnp.sqrt(p_low2 + above * (2.0 * e_low + above))
    position = (jnp.log(p2) - jnp.log(momentum_gev[0])) / log_step
    position = jnp.clip(position, 2.0, count - 3.0).reshape(count, -1, 1)
    first = jnp.minimum(jnp.floor(position).astype(jnp.int32) - 2, count - 6)
    columns = first + np.arange(6, dtype=np.int32)[None, None, :]
    cardinal = _lagrange_cardinal(jnp.abs(position - columns.astype(float)))
    measure = jnp.exp(above / local - shape.exponent(p2)) * local * drop * (1.5 * z**2 * dz)
    if enhancement is not None:
        measure = measure * enhancement(s, e1 + e_low + above)
    weight = jnp.where(is_open, peak.weight[None, :, None], 0.0) * measure / (p1 * e1)
    rows = np.arange(count)[:, None, None]
    matrix = jnp.zeros((count, count))
    matrix = matrix.at[rows, columns].add(weight.reshape(count, -1, 1) * cardinal)
    return matrix * jnp.exp(shape.exponent(momentum_gev))[None, :]


def _lagrange_cardinal(t):
    """Weight of a node at distance t >= 0, in steps, in six-point Lagrange interpolation."""
    near = (1.0 - t**2) * (4.0 - t**2) * (3.0 - t) / 12.0
    middle = (t**2 - 1.0) * (t - 2.0) * (t - 3.0) * (t - 4.0) / 24.0
    far = (1.0 - t) * (t - 2.0) * (t - 3.0) * (t - 4.0) * (t - 5.0) / 120.0
    return jnp.where(t < 1.0, near, jnp.where(t < 2.0, middle, jnp.where(t < 3.0, far, 0.0)))
