"""Collision operators of the scalar's momentum distribution f(p).

The Boltzmann equation df/dt - H p df/dp = C has, for S S <-> bath and h <-> S S,

    C(p_1) = L[f_eq](p_1) f_eq(p_1) - L[f](p_1) f(p_1),    f_eq = exp(-E/T),

with one linear operator L, so that f_eq is its fixed point exactly (Maxwell-Boltzmann bath; see
:mod:`sterile.scalar.quantum_statistics` for the other). With
Omega(s) = integral of W from 4 m^2 to s, and s_-, s_+ the ends of s at fixed energies,

    L[f](p_1) = 1/(32 pi^2 p_1 E_1) integral dE_2 [Omega(s_+) - Omega(s_-)] f(p_2).

Two parts of L. ``annihilation_kernel`` tabulates everything that is smooth on the momentum lattice.
:mod:`sterile.scalar.resonance` carries the Higgs resonance, whose kernel has edges.

The resonance is split as |D|^2 = peak + remainder, the remainder smooth on a scale g in s: it,
for the fermion channels open at the resonance, is tabulated, and the peak is integrated over
windows. Near the threshold m_S = m_h/2 the sum is the Breit-Wigner whatever g is. Far from it the
peak is a delta function, whose window integral is the explicit decay h <-> S S.
"""

import math
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from spectra.constants import (
    HIGGS_MASS_GEV,
    HIGGS_VEV_GEV,
    TOP_MASS_GEV,
    W_MASS_GEV,
    Z_MASS_GEV,
)
from sterile.scalar.amplitudes import (
    CONTACT_OVER_COUPLING_SQUARED,
    Propagator,
    breit_wigner,
    higgs_decay_width_gev,
    higgs_pair_over_coupling_squared,
    higgs_width_included_gev,
    off_shell_squared,
    principal_part_squared,
    s_channel_over_coupling_squared,
)
from sterile.scalar.higgs_width import PARTS, higgs_width_part_gev

_LIGHT_FERMIONS = ("bb", "cc", "ss", "tautau", "mumu")
PEAK_REACH = 6.0  # how far the broad peak is followed above m_h^2, in units of g
_CELLS = 64  # per panel of Omega, which is then good to 2e-7
_GAUSS_NODES, _GAUSS_WEIGHTS = np.polynomial.legendre.leggauss(4)


def visible_over_coupling_squared(s_gev2, propagator_squared, widths: str) -> dict:
    """W_X(s)/lambda^2 [1] of S S -> h* -> light fermions, "light", and vector bosons, "heavy".

    ``widths``: "tree", or "running" (:mod:`sterile.scalar.higgs_width`; gluons count as light,
    virtual vector bosons as heavy). ``propagator_squared``: |D|^2 at the same s [GeV^-4].
    """
    if widths == "running":
        unit = 32.0 * HIGGS_VEV_GEV**2 * jnp.sqrt(s_gev2) * propagator_squared
        gamma = {part: higgs_width_part_gev(s_gev2, part) for part in PARTS}
        light = gamma["fermions"] + gamma["gluons"]
        return {"light": unit * light, "heavy": unit * gamma["vectors"]}
    flat = Propagator(propagator_squared, jnp.zeros_like(propagator_squared))
    channels = s_channel_over_coupling_squared(s_gev2, flat)
    return {
        "light": sum(channels[name] for name in _LIGHT_FERMIONS),
        "heavy": channels["WW"] + channels["ZZ"],
    }


def fermion_share(s_gev2, widths: str):
    """Share [1] of fermion pairs in the light final states of h* at s [GeV^2], any shape."""
    if widths == "tree":
        return 1.0
    fermions, gluons = (higgs_width_part_gev(s_gev2, part) for part in ("fermions", "gluons"))
    return fermions / (fermions + gluons)


def fermion_share_of_width(widths: str):
    """Share [1] of fermion pairs in the visible width of h."""
    if widths == "tree":
        return 1.0
    s = jnp.asarray(HIGGS_MASS_GEV**2)
    parts = [higgs_width_part_gev(s, part) for part in PARTS]
    return parts[PARTS.index("fermions")] / sum(parts)


def total_higgs_width_gev(scalar_mass_gev, portal_coupling, widths: str = "tree"):
    """Gamma_h [GeV] of the channels included here, with h -> S S where it is open.

    ``widths``: "tree" or "running". Only this sum makes the Breit-Wigner of S S -> h -> X agree
    with explicit h <-> S S, and the yield continuous across m_S = m_h/2.
    """
    visible = higgs_width_included_gev()
    if widths == "running":
        s = jnp.asarray(HIGGS_MASS_GEV**2)
        visible = sum(higgs_width_part_gev(s, part) for part in PARTS)
    return visible + higgs_decay_width_gev(scalar_mass_gev, portal_coupling)


def smearing_gev2(scalar_mass_gev, resonance: str):
    """Width g [GeV^2] of the tabulated part of the resonance.

    Wide enough for the momentum lattice: below some 1000 GeV^2 pairs step over the resonance, and
    what they miss scatters yields by 1e-5 to 1e-4. Narrow enough for rates that vary like
    e^(-sqrt(s)/T): a fifteenth of m_h^2 - 4 m_S^2 leaves 2e-6 in a freeze-out. The broad form is
    exact for every g.
    """
    if resonance == "broad":
        return jnp.asarray(1000.0)
    return jnp.minimum(1200.0, jnp.abs(HIGGS_MASS_GEV**2 - 4.0 * scalar_mass_gev**2) / 15.0)


class CrossSectionTable(NamedTuple):
    """Omega(s) 4m^2/(s lambda^2) in panels of tau = ln(s/4m^2), cubic Hermite in sqrt(tau - edge).

    Omega itself grows like s: across cells of 0.4 in ln s a cubic is off by 5e-5.
    """

    edges: Array  # (panels + 1,) in tau
    share: Array  # (panels, cells + 1) Omega exp(-tau)/lambda^2 [GeV^2]
    slope: Array  # (panels, cells + 1) its derivative in the cell coordinate


@partial(jax.jit, static_argnames=("resonance", "part", "widths"))
def w_hat_smooth(
    s_gev2, scalar_mass_gev, portal_coupling, resonance: str, part: str = "all", widths="tree"
):
    """W(s)/lambda^2 [1] of the broken phase without the part that ``resonance_operator`` carries.

    Parameters
    ----------
    s_gev2 : s [GeV^2], any shape.
    scalar_mass_gev, portal_coupling : m_S [GeV] and lambda [1], scalars.
    resonance : "none", "narrow" or "broad"; see :func:`sterile.scalar.resonance.resonance_peak`.
    part : "all", or its two summands: "light" (pairs of light fermions) and "heavy" (the rest).
    widths : "tree" or "running", see :func:`visible_over_coupling_squared`.
    """
    width = total_higgs_width_gev(scalar_mass_gev, portal_coupling, widths)
    full = breit_wigner(s_gev2, width)
    remainder = full.squared
    if resonance == "broad":
        remainder = off_shell_squared(s_gev2, smearing_gev2(scalar_mass_gev, resonance))
    elif resonance == "narrow":
        remainder = principal_part_squared(s_gev2, smearing_gev2(scalar_mass_gev, resonance))
    c0, c1, c2 = higgs_pair_over_coupling_squared(s_gev2, scalar_mass_gev, full)
    total = c0 + portal_coupling * (c1 + portal_coupling * c2)
    unit = Propagator(jnp.ones_like(full.squared), full.real)
    channels = s_channel_over_coupling_squared(s_gev2, unit)
    fermions = sum(channels.pop(name) for name in _LIGHT_FERMIONS)
    if widths == "running":
        # beyond the peak's quadrature the remainder is all there is
        reach = PEAK_REACH * smearing_gev2(scalar_mass_gev, resonance)
        remainder = jnp.where(s_gev2 - HIGGS_MASS_GEV**2 < reach, remainder, full.squared)
        visible = visible_over_coupling_squared(s_gev2, remainder, widths)
        light, heavy = visible["light"], channels["tt"] * full.squared + visible["heavy"]
    else:
        light, heavy = fermions * remainder, sum(channels.values()) * full.squared
    return {"light": light, "heavy": total + heavy, "all": total + heavy + light}[part]


@partial(jax.jit, static_argnames=("resonance", "part", "widths"))
def cross_section_table(
    scalar_mass_gev, portal_coupling, s_max_gev2, resonance: str, part: str = "all", widths="tree"
):
    """Tabulate Omega(s)/lambda^2 from 4 m_S^2 to ``s_max_gev2`` as a :class:`CrossSectionTable`.

    Panels end at every threshold and around the resonance; each is graded towards its lower end,
    where a channel opens like a square root. Gauss-Legendre with four points a cell.
    """
    threshold = 4.0 * scalar_mass_gev**2
    peak = 4.0 * smearing_gev2(scalar_mass_gev, resonance)
    heavy = 4.0 * np.array([W_MASS_GEV, Z_MASS_GEV, HIGGS_MASS_GEV, TOP_MASS_GEV]) ** 2
    around = jnp.clip(
        jnp.stack([HIGGS_MASS_GEV**2 - peak, HIGGS_MASS_GEV**2 + peak]), 0.0, heavy[0]
    )
    edges_s = jnp.concatenate([threshold[None], around, heavy, s_max_gev2[None]])
    edges = jnp.log(jnp.maximum(edges_s, threshold) / threshold)
    return _tabulate(
        lambda s: w_hat_smooth(s, scalar_mass_gev, portal_coupling, resonance, part, widths),
        threshold,
        edges,
    )


def user_cross_section_table(w_hat, mass_gev, s_max_gev2):
    """The table of any W(s), a function of s [GeV^2] without sharp features; see above."""
    threshold = 4.0 * mass_gev**2
    return _tabulate(w_hat, threshold, jnp.log(s_max_gev2 / threshold) * np.linspace(0.0, 1.0, 7))


def _tabulate(w_hat, threshold, edges):
    width = jnp.diff(edges)[:, None]
    cell = np.arange(_CELLS)[:, None] + 0.5 * (_GAUSS_NODES + 1.0)

    def density(xi):
        """dOmega/dxi with tau = edge + width xi^2."""
        tau = edges[:-1, None] + width * xi**2
        s = threshold * jnp.exp(tau)
        return w_hat(s) * s * 2.0 * xi * width

    edge = np.linspace(0.0, 1.0, _CELLS + 1)[None, :]
    values, at_edges = jnp.split(
        density(np.concatenate([(cell / _CELLS).reshape(1, -1), edge], axis=1)), [cell.size], axis=1
    )
    values = values.reshape(-1, *cell.shape)
    integrals = jnp.sum(values * (0.5 * _GAUSS_WEIGHTS / _CELLS)[None, None, :], axis=-1)
    inner = jnp.cumsum(integrals, axis=1)
    start = jnp.concatenate([jnp.zeros(1), jnp.cumsum(inner[:, -1])[:-1]])[:, None]
    omega = jnp.concatenate([start, start + inner], axis=1)
    falling = jnp.exp(-edges[:-1, None] - width * edge**2)
    slope = falling * (at_edges - omega * 2.0 * edge * width) / _CELLS
    return CrossSectionTable(edges, falling * omega, slope)


@jax.jit
def omega_above(table: CrossSectionTable, excess):
    """Omega/lambda^2 [GeV^2] at s = 4m^2 (1 + excess), excess >= 0, any shape."""
    tau = jnp.log1p(excess)
    inner = jnp.expand_dims(table.edges[1:-1], tuple(range(tau.ndim)))
    panel = jnp.sum(jnp.expand_dims(tau, -1) >= inner, axis=-1, dtype=jnp.int32)
    low, high = table.edges[panel], table.edges[panel + 1]
    width = high - low
    fraction = (tau - low) / jnp.where(width > 0.0, width, 1.0)
    positive = fraction > 0.0
    xi = jnp.where(positive, jnp.sqrt(jnp.where(positive, fraction, 1.0)), 0.0)
    position = jnp.minimum(xi, 1.0) * _CELLS
    index = jnp.clip(position.astype(jnp.int32), 0, _CELLS - 1)
    u = position - index.astype(float)
    flat = panel * (_CELLS + 1) + index
    share, slope = table.share.ravel(), table.slope.ravel()
    y0, y1, d0, d1 = share[flat], share[flat + 1], slope[flat], slope[flat + 1]
    rise = y1 - y0
    found = y0 + u * (d0 + u * ((3.0 * rise - 2.0 * d0 - d1) + u * (d0 + d1 - 2.0 * rise)))
    return (1.0 + excess) * found


def energy(momentum, mass):
    """sqrt(p^2 + m^2)."""
    return jnp.sqrt(momentum**2 + mass**2)


def annihilation_kernel(table: CrossSectionTable, momentum_gev, scalar_mass_gev, reach: int):
    """K(p_1, p_2)/lambda^2 = [Omega(s_+) - Omega(s_-)]/(32 pi^2) [GeV^2], shape (n, n).

    L[f](p_1) = 1/(p_1 E_1) integral dE_2 K f(p_2). Symmetric. s - 4m^2 is formed without
    cancellation: with A = E_1 E_2 + p_1 p_2,
    s_- - 4m^2 = 2 m^2 (p_1 - p_2)^2/(A + m^2) and
    s_+ - 4m^2 = 2 m^2 (p_1 + p_2)^2/(m^2 + m^2 (p_1^2 + p_2^2 + m^2)/A).

    Parameters
    ----------
    table : from :func:`cross_section_table`.
    momentum_gev : physical momenta p [GeV], shape (n,).
    scalar_mass_gev : m_S [GeV], scalar.
    reach : pairs of momenta as many nodes apart or more are left out: any number stands there.
    """
    mass2 = scalar_mass_gev**2
    first, second, place = packed(momentum_gev.shape[0], reach)
    p1, p2 = momentum_gev[first], momentum_gev[second]
    e = energy(momentum_gev, scalar_mass_gev)
    product = e[first] * e[second] + p1 * p2
    low = 0.5 * (p1 - p2) ** 2 / (product + mass2)
    high = 0.5 * (p1 + p2) ** 2 / (mass2 + mass2 * (p1**2 + p2**2 + mass2) / product)
    upper, lower = omega_above(table, jnp.stack([high, low]))
    return ((upper - lower) / (32.0 * math.pi**2))[place]


def packed(count: int, reach: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pairs i <= j < i + ``reach``, and where (i, j) and (j, i) lie among them."""
    place = np.zeros((count, count), dtype=int)
    first, second = np.triu_indices(count)
    near = second - first < reach
    first, second = first[near], second[near]
    place[first, second] = np.arange(first.size)
    return first, second, np.maximum(place, place.T)


def contact_kernel_factor(portal_coupling):
    """K/(p_1 p_2) [1] above T_EW, where W = 4 lambda^2/pi is constant: W/(8 pi^2)."""
    return CONTACT_OVER_COUPLING_SQUARED * portal_coupling**2 / (8.0 * math.pi**2)
