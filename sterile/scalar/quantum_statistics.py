"""Quantum statistics of the bath in S S <-> X and h <-> S S.

Where |M|^2 depends on s alone (contact and s channels), Bose-Einstein or Fermi-Dirac final states
multiply the Maxwell-Boltzmann gain exp(-q_0/T) of a pair of energy q_0 = E_1 + E_2 and momentum |q|
by

    c = [1 +- (2T/(beta |q|)) ln((1 -+ e^(-w_+/T))/(1 -+ e^(-w_-/T)))]/(1 - e^(-q_0/T)),
    w_+- = (q_0 +- beta |q|)/2,    beta the velocity of X in its rest frame,

upper signs for bosons; (1 +- n)(1 +- n') in the loss is the same c without exp(-q_0/T), so with S's
own factors the collision term is

    C(p_1) = 1/(32 pi^2 p_1 E_1) integral dE_2 integral ds W c
             [e^(-q_0/T) (1 + f_1)(1 + f_2) - f_1 f_2],

and f = 1/(e^(E/T) - 1) is its fixed point term by term. For h <-> S S, c = 1/(1 - e^(-q_0/T)).

The kernel K of :mod:`sterile.scalar.collisions` depends on momenta alone and is tabulated once; c
is smooth. This module gives its mean over a pair's window of s, K c-bar = integral ds W c/(32
pi^2), by a few Gauss points weighted with W.

The hh channel is not isotropic (t and u channels): it is weighted as if it were. W* W* and Z* Z*
below threshold count as pairs at rest, and gluons as 1/(1 - e^(-q_0/T)).
"""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array

from spectra.constants import (
    BOTTOM_MASS_GEV,
    HIGGS_MASS_GEV,
    TOP_MASS_GEV,
    W_MASS_GEV,
    Z_MASS_GEV,
)
from sterile.scalar.amplitudes import (
    breit_wigner,
    higgs_pair_over_coupling_squared,
    s_channel_over_coupling_squared,
)
from sterile.scalar.collisions import (
    energy,
    fermion_share,
    packed,
    smearing_gev2,
    total_higgs_width_gev,
)
from sterile.scalar.resonance import peak_squared

# beta |q|/T below which c is its limit; c is even in it
_AT_REST = 1e-4


def _points(count, power):
    """Gauss-Legendre nodes and weights of [0, 1] in u^power: graded towards 0."""
    node, weight = np.polynomial.legendre.leggauss(count)
    u = 0.5 * (node + 1.0)
    return u**power, 0.5 * weight * power * u ** (power - 1)


# near s = 0 massless pairs bring in ln s: cubed
_CONTACT_POINTS = _points(8, 3)
_HEAVY_POINTS = _points(4, 2)
_LIGHT_POINTS = _points(5, 1)


def decay_enhancement(energy_gev, temperature_gev):
    """c = 1/(1 - e^(-q_0/T)) [1] of h <-> S S; q_0 = E_1 + E_2 [GeV] and T [GeV], any shapes."""
    return -1.0 / jnp.expm1(-energy_gev / temperature_gev)


def final_state_factor(energy_gev, s_gev2, mass_gev, temperature_gev, sign):
    """Mean of 1 + n + n' (sign = 1) or 1 - n - n' (sign = -1) over the directions of a pair X.

    Parameters
    ----------
    energy_gev : q_0 [GeV], any shape.
    s_gev2 : s [GeV^2], broadcastable; |q|^2 = q_0^2 - s.
    mass_gev : mass of each particle of X [GeV]; below threshold the pair is at rest, n = n(q_0/2).
    temperature_gev : T [GeV].
    sign : static, 1 for Bose-Einstein, -1 for Fermi-Dirac.
    """
    heavy = jnp.minimum(4.0 * mass_gev**2 / s_gev2, 1.0)
    momentum2 = jnp.maximum(energy_gev**2 - s_gev2, 0.0)
    spread = jnp.maximum((1.0 - heavy) * momentum2, (_AT_REST * temperature_gev) ** 2)
    spread = jnp.sqrt(spread)
    # q_0 - beta |q| without cancellation
    low = 0.5 * (s_gev2 + heavy * momentum2) / ((energy_gev + spread) * temperature_gev)
    b = spread / temperature_gev
    # plain exp and log: b is never so small that they lose what expm1 and log1p would keep
    ratio = 1.0 + sign * (1.0 - jnp.exp(-b)) / (jnp.exp(low) - sign)
    return 1.0 + 2.0 * jnp.log(ratio) / b


def pair_enhancement(energy_gev, s_gev2, mass_gev, temperature_gev, sign):
    """c [1] of S S <-> X, X a pair; arguments as :func:`final_state_factor`."""
    factor = final_state_factor(energy_gev, s_gev2, mass_gev, temperature_gev, sign)
    return factor * decay_enhancement(energy_gev, temperature_gev)


def peak_enhancement(
    energy_gev, s_gev2, temperature_gev, resonance: str, width_gev2, gamma_gev2, share
):
    """Factor [1] on the resonance peak of S S -> h: the Bose factor of h, and its thermal width.

    Out of resonance the rate of S S -> h* -> f f is W c with Fermi-Dirac c; on it, it is that of
    h -> S S, c = 1/(1 - e^(-q_0/T)), whatever h decays to. Both hold if the width in |D|^2 is the
    thermal one, Gamma_h times the mean of 1 - n - n'.

    Parameters
    ----------
    energy_gev, s_gev2, temperature_gev : q_0 [GeV], s [GeV^2], T [GeV], broadcastable.
    resonance : static, "narrow" or "broad"; the first needs no width.
    width_gev2, gamma_gev2 : m_h Gamma_h in vacuum and the smearing g [GeV^2].
    share : of the width, to fermions with Fermi-Dirac statistics; None if there are none.
    """
    factor = decay_enhancement(energy_gev, temperature_gev)
    if resonance == "narrow" or share is None:
        return factor
    pauli = final_state_factor(energy_gev, s_gev2, BOTTOM_MASS_GEV, temperature_gev, -1)
    pauli = 1.0 + share * (pauli - 1.0)
    x = s_gev2 - HIGGS_MASS_GEV**2
    ratio = peak_squared(x, pauli * width_gev2, gamma_gev2)
    return factor * pauli * ratio / peak_squared(x, width_gev2, gamma_gev2)


class _Window(NamedTuple):
    """Pairs i <= j of the lattice, each (m, 1): q_0, and the ends of s."""

    energy_gev: Array
    low_gev2: Array
    high_gev2: Array

    def points(self, threshold_gev2, points):
        """s and ds at the Gauss points above a threshold, (m, k)."""
        low = jnp.maximum(self.low_gev2, threshold_gev2)
        width = jnp.maximum(self.high_gev2 - low, 1e-6 * low)
        node, weight = (part[None, :] for part in points)
        return low + width * node, width * weight


def _window(momentum_gev, scalar_mass_gev):
    mass2 = scalar_mass_gev**2
    first, second = np.triu_indices(momentum_gev.shape[0])
    p1, p2 = momentum_gev[first], momentum_gev[second]
    e = energy(momentum_gev, scalar_mass_gev)
    product = e[first] * e[second] + p1 * p2
    low = 2.0 * mass2 + 2.0 * mass2 * (p1**2 + p2**2 + mass2) / product
    window = _Window(e[first] + e[second], low, 2.0 * (mass2 + product))
    return _Window(*(part[:, None] for part in window)), p1 * p2


def contact_mean(momentum_gev, scalar_mass_gev, doublet_mass_gev, temperature_gev, quantum: bool):
    """Mean of beta c over the windows of contact pairs, (n, n): K/(p_1 p_2) = W/(8 pi^2) times it.

    Parameters
    ----------
    momentum_gev : lattice momenta p [GeV], shape (n,).
    scalar_mass_gev : m_S [GeV].
    doublet_mass_gev : mass of each of the doublet's four scalars [GeV]; beta their velocity.
    temperature_gev : T [GeV].
    quantum : static; whether they are Bose-Einstein, else c = 1.
    """
    window, product = _window(momentum_gev, scalar_mass_gev)
    threshold = 4.0 * doublet_mass_gev**2
    s, ds = window.points(threshold, _CONTACT_POINTS)
    gap = jnp.where(window.high_gev2 > threshold, (s - threshold) / s, 0.0)
    is_open = gap > 0.0
    value = jnp.where(is_open, jnp.sqrt(jnp.where(is_open, gap, 1.0)), 0.0)
    if quantum:
        value = value * pair_enhancement(window.energy_gev, s, doublet_mass_gev, temperature_gev, 1)
    mean = jnp.sum(value * ds, axis=1) / (4.0 * product)
    return _square(mean, momentum_gev.shape[0])


def _square(pairs, count):
    """Values of pairs i <= j as a symmetric matrix."""
    return pairs[packed(count, count)[-1]]


def light_mean(
    momentum_gev, scalar_mass_gev, portal_coupling, temperature_gev, resonance: str, widths="tree"
):
    """c-bar of S S <-> h* <-> light fermions, (n, n); arguments as :func:`heavy_mean`.

    The resonance weighs as a smooth peak of the width that the lattice resolves.
    """
    window, _ = _window(momentum_gev, scalar_mass_gev)
    width = HIGGS_MASS_GEV * total_higgs_width_gev(scalar_mass_gev, portal_coupling)
    if resonance != "none":
        width = smearing_gev2(scalar_mass_gev, resonance)
    # even in ln |s - m_h^2| away from the resonance, on which |D|^2 crowds
    ends = (window.low_gev2, window.high_gev2)
    low, high = (jnp.arcsinh((s - HIGGS_MASS_GEV**2) / width) for s in ends)
    t = low + (high - low) * _LIGHT_POINTS[0][None, :]
    s = HIGGS_MASS_GEV**2 + width * jnp.sinh(t)
    weight = s / jnp.cosh(t) * _LIGHT_POINTS[1][None, :]
    pauli = final_state_factor(window.energy_gev, s, BOTTOM_MASS_GEV, temperature_gev, -1)
    c = decay_enhancement(window.energy_gev, temperature_gev)
    c = c * (1.0 + fermion_share(s, widths) * (pauli - 1.0))
    mean = jnp.sum(weight * c, axis=1) / jnp.sum(weight, axis=1)
    return _square(mean, momentum_gev.shape[0])


def heavy_mean(
    momentum_gev, scalar_mass_gev, portal_coupling, temperature_gev, channels: tuple[str, ...]
):
    """c-bar of S S <-> WW, ZZ, hh, tt, (n, n).

    Parameters
    ----------
    momentum_gev : lattice momenta p [GeV], shape (n,).
    scalar_mass_gev, portal_coupling : m_S [GeV] and lambda [1].
    temperature_gev : T [GeV].
    channels : static; those of ``CHANNELS`` with quantum statistics, c = 1 in the others.
    """
    window, _ = _window(momentum_gev, scalar_mass_gev)
    s, ds = window.points(4.0 * W_MASS_GEV**2, _HEAVY_POINTS)
    propagator = breit_wigner(s, total_higgs_width_gev(scalar_mass_gev, portal_coupling))
    parts = s_channel_over_coupling_squared(s, propagator)
    c0, c1, c2 = higgs_pair_over_coupling_squared(s, scalar_mass_gev, propagator)
    parts["hh"] = c0 + portal_coupling * (c1 + portal_coupling * c2)
    # where WW is closed its limit is as good, and keeps the mean smooth
    parts["WW"] = jnp.maximum(parts["WW"], 1e-6)
    total, weighted = 0.0, 0.0
    for name, mass, sign, channel in (
        ("WW", W_MASS_GEV, 1, "vectors"),
        ("ZZ", Z_MASS_GEV, 1, "vectors"),
        ("hh", HIGGS_MASS_GEV, 1, "hh"),
        ("tt", TOP_MASS_GEV, -1, "fermions"),
    ):
        weight = parts[name] * ds
        total = total + weight
        if channel in channels:
            weight = weight * pair_enhancement(window.energy_gev, s, mass, temperature_gev, sign)
        weighted = weighted + weight
    mean = jnp.sum(weighted, axis=1) / jnp.sum(total, axis=1)
    return _square(mean, momentum_gev.shape[0])
