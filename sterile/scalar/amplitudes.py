"""Vertices, widths and reduced cross sections of the Higgs portal 2 lambda (Phi^dagger Phi) S^2.

The coupling: ``portal_coupling`` is lambda of the Lagrangian above. The literature's
(1/2) lambda_hS S^2 |H|^2 has lambda_hS = 4 lambda, so rates differ by 16 between the two.

Vertices (broken phase): hSS -4i lambda v, hhSS -4i lambda, hhh -3i m_h^2/v, hVV 2i m_V^2/v,
hff -i m_f/v, SNN -i y. Unbroken: phi_i phi_i SS -4i lambda for each of four real phi_i.

The reduced cross section of S S -> X is

    W_X(s) = (1/S_X) sum over spins and colours of the integral of |M|^2 over two-body phase space,

so that sigma = W/(2 s beta_S) and sigma v_Moller = W/(4 E_1 E_2); S_X = 2 for identical X.
W is zero at and below its threshold, with finite derivatives everywhere.
"""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp

from spectra.constants import (
    BOTTOM_MASS_GEV,
    CHARM_MASS_GEV,
    HIGGS_MASS_GEV,
    HIGGS_VEV_GEV,
    MUON_MASS_GEV,
    STRANGE_MASS_GEV,
    TAU_MASS_GEV,
    TOP_MASS_GEV,
    W_MASS_GEV,
    Z_MASS_GEV,
)

# channel -> (mass of each final particle in GeV, colours)
FERMIONS = {
    "tt": (TOP_MASS_GEV, 3.0),
    "bb": (BOTTOM_MASS_GEV, 3.0),
    "cc": (CHARM_MASS_GEV, 3.0),
    "ss": (STRANGE_MASS_GEV, 3.0),
    "tautau": (TAU_MASS_GEV, 1.0),
    "mumu": (MUON_MASS_GEV, 1.0),
}
# channel -> (mass of each final particle in GeV, 1 / symmetry factor)
VECTORS = {"WW": (W_MASS_GEV, 1.0), "ZZ": (Z_MASS_GEV, 0.5)}
# every channel of the broken phase with the centre-of-mass energy where it opens
THRESHOLDS_GEV = {
    "hh": 2.0 * HIGGS_MASS_GEV,
    **{name: 2.0 * mass for name, (mass, _) in VECTORS.items()},
    **{name: 2.0 * mass for name, (mass, _) in FERMIONS.items()},
}
# contact annihilation above the electroweak transition: four real massless scalars
CONTACT_OVER_COUPLING_SQUARED = 4.0 / math.pi

_SERIES = tuple(1.0 / (2.0 * k + 1.0) for k in range(9))


class Propagator(NamedTuple):
    """Higgs propagator D at s: |D|^2 [GeV^-4] and Re D [GeV^-2], each of the shape of s."""

    squared: jax.Array
    real: jax.Array


def breit_wigner(s_gev2, higgs_width_gev) -> Propagator:
    """D = 1/(s - m_h^2 + i m_h Gamma_h).

    Parameters
    ----------
    s_gev2 : invariant mass squared s [GeV^2], any shape.
    higgs_width_gev : total width Gamma_h [GeV], broadcastable.
    """
    x = s_gev2 - HIGGS_MASS_GEV**2
    squared = 1.0 / (x**2 + (HIGGS_MASS_GEV * higgs_width_gev) ** 2)
    return Propagator(squared, x * squared)


def off_shell_squared(s_gev2, gamma_gev2):
    """|D|^2 [GeV^-4] with its on-shell part removed, smeared over g.

    (x^4 + 3 x^2 g^2 - 2 g^4)/(x^2 + g^2)^3 with x = s - m_h^2. Its integral across the resonance
    vanishes, so that adding the explicit decay h <-> SS counts the resonance once, and it is
    1/x^2 up to 5 g^4/x^6 away from it. (The simpler (x^2 - g^2)/(x^2 + g^2)^2 is off by
    3 g^2/x^4: per cents in the annihilation of slow pairs when g is wide enough for a grid.)

    Parameters
    ----------
    s_gev2 : invariant mass squared s [GeV^2], any shape.
    gamma_gev2 : smearing g [GeV^2], broadcastable.
    """
    x2 = (s_gev2 - HIGGS_MASS_GEV**2) ** 2
    g2 = jnp.asarray(gamma_gev2, dtype=float) ** 2
    return (x2**2 + 3.0 * x2 * g2 - 2.0 * g2**2) / (x2 + g2) ** 3


def principal_part_squared(s_gev2, gamma_gev2):
    """|D|^2 [GeV^-4] less a delta function at m_h^2, smeared over g: 1/x^2 up to e^(-x^2/g^2).

    -d/dx of (1 - (1 - 2u^2) e^(-u^2))/x with u = x/g, x = s - m_h^2. What it leaves out of 1/x has
    no moments up to the second: beside the delta function of the decay, the integral of a rate t(s)
    that is smooth on the scale L is right to (g/L)^4, and slow pairs do not see g at all. A lattice
    in momentum resolves it if g is wide.

    Parameters
    ----------
    s_gev2 : invariant mass squared s [GeV^2], any shape.
    gamma_gev2 : smearing g [GeV^2], broadcastable.
    """
    v = ((s_gev2 - HIGGS_MASS_GEV**2) / gamma_gev2) ** 2
    near = v < 1e-12
    v = jnp.where(near, 1.0, v)
    fall = jnp.exp(-v)
    rest = -jnp.expm1(-v) / v + 2.0 * fall
    return jnp.where(near, -3.0, rest - 2.0 * fall * (3.0 - 2.0 * v)) / gamma_gev2**2


def scalar_decay_width_gev(scalar_mass_gev, yukawa, neutrino: str = "majorana"):
    """Gamma(S -> NN) [GeV], N massless: y^2 m_S/(16 pi) if Majorana, y^2 m_S/(8 pi) if Dirac.

    Parameters
    ----------
    scalar_mass_gev : m_S [GeV], any shape.
    yukawa : y of (y/2) S N^c N, or of y S Nbar N [1], broadcastable.
    neutrino : "majorana" or "dirac", static. Two particles a decay in either case.
    """
    width = yukawa**2 * scalar_mass_gev / (16.0 * math.pi)
    return 2.0 * width if neutrino == "dirac" else width


def higgs_decay_width_gev(scalar_mass_gev, portal_coupling):
    """Gamma(h -> SS) = lambda^2 v^2/(2 pi m_h) sqrt(1 - 4 m_S^2/m_h^2) [GeV], 0 when closed.

    Parameters
    ----------
    scalar_mass_gev : m_S [GeV], any shape.
    portal_coupling : lambda [1], broadcastable.
    """
    beta = _velocity(HIGGS_MASS_GEV**2, scalar_mass_gev)
    return portal_coupling**2 * HIGGS_VEV_GEV**2 / (2.0 * math.pi * HIGGS_MASS_GEV) * beta


def higgs_width_included_gev():
    """Sum of Gamma(h -> X) over the open channels of this module [GeV]: 4.94e-3.

    At the resonance W_X = 16 lambda^2 v^2 |D|^2 2 m_h Gamma(h -> X), which defines each width.
    The measured 4.1e-3 is smaller because running quark masses are.
    """
    return higgs_width_of_mass_gev(HIGGS_MASS_GEV)


def higgs_width_of_mass_gev(mass_gev):
    """Gamma [GeV] of a Standard Model Higgs boson of another mass [GeV], any shape.

    Sum over the channels of this module, as in :func:`higgs_width_included_gev`.
    """
    unit = Propagator(jnp.asarray(1.0), jnp.asarray(0.0))
    channels = s_channel_over_coupling_squared(mass_gev**2, unit)
    return sum(channels.values()) / (32.0 * HIGGS_VEV_GEV**2 * mass_gev)


def s_channel_over_coupling_squared(s_gev2, propagator) -> dict:
    """W_X(s)/lambda^2 [1] for S S -> h* -> WW, ZZ, tt, bb, cc, ss, tautau, mumu.

    Parameters
    ----------
    s_gev2 : s [GeV^2], any shape.
    propagator : :class:`Propagator` at the same s.

    Returns
    -------
    channel name -> W/lambda^2, shape of ``s_gev2``: independent of m_S and of lambda.
    """
    s = s_gev2
    channels = {}
    for name, (mass, symmetry) in VECTORS.items():
        tensor = s**2 - 4.0 * s * mass**2 + 12.0 * mass**4
        channels[name] = symmetry * 16.0 * tensor * _velocity(s, mass) / (8.0 * math.pi)
    for name, (mass, colours) in FERMIONS.items():
        beta = _velocity(s, mass)
        channels[name] = 32.0 * colours * mass**2 * s * beta**3 / (8.0 * math.pi)
    return {name: value * propagator.squared for name, value in channels.items()}


def higgs_pair_over_coupling_squared(s_gev2, scalar_mass_gev, propagator):
    """W_hh(s)/lambda^2 as a polynomial c_0 + c_1 lambda + c_2 lambda^2.

    M = -4 lambda [1 + 3 m_h^2 D + 4 lambda v^2 (1/(t - m_S^2) + 1/(u - m_S^2))], averaged over
    angle in closed form: the t and u channels bring in lambda and m_S.

    Parameters
    ----------
    s_gev2 : s [GeV^2], any shape.
    scalar_mass_gev : m_S [GeV], broadcastable.
    propagator : :class:`Propagator` at the same s.

    Returns
    -------
    (c_0, c_1, c_2) [1], each of the broadcast shape; zero for s <= 4 m_h^2. Physical for
    s >= 4 m_S^2 and continued analytically a little below.
    """
    higgs2, vev2 = HIGGS_MASS_GEV**2, HIGGS_VEV_GEV**2
    is_open = s_gev2 > 4.0 * higgs2
    s = jnp.where(is_open, s_gev2, 5.0 * higgs2)
    scalar2 = scalar_mass_gev**2
    beta = _velocity(s_gev2, HIGGS_MASS_GEV)
    # a_R^2 + a_I^2 and a_R of the s-independent part, 1 + 3 m_h^2 D
    real = 1.0 + 3.0 * higgs2 * propagator.real
    modulus2 = 1.0 + 6.0 * higgs2 * propagator.real + 9.0 * higgs2**2 * propagator.squared
    a = 0.5 * s - higgs2
    difference = s * scalar2 + higgs2**2 - 4.0 * scalar2 * higgs2  # A^2 - B^2
    b2 = 0.25 * (s - 4.0 * scalar2) * (s - 4.0 * higgs2)
    log_mean = _artanh_over_root(b2 / a**2, difference / a**2) / a  # artanh(B/A)/B
    phase_space = jnp.where(is_open, 16.0 * beta / (16.0 * math.pi), 0.0)
    return (
        phase_space * modulus2,
        -16.0 * vev2 * phase_space * real * log_mean,
        32.0 * vev2**2 * phase_space * (1.0 / difference + log_mean / a),
    )


def w_hat_channels(s_gev2, scalar_mass_gev, portal_coupling, propagator) -> dict:
    """W_X(s) [1] of every channel of the broken phase.

    Parameters
    ----------
    s_gev2 : s [GeV^2], any shape.
    scalar_mass_gev : m_S [GeV], broadcastable.
    portal_coupling : lambda [1], broadcastable.
    propagator : :class:`Propagator` at the same s.

    Returns
    -------
    channel name -> W, keys of ``THRESHOLDS_GEV``.
    """
    c0, c1, c2 = higgs_pair_over_coupling_squared(s_gev2, scalar_mass_gev, propagator)
    channels = {"hh": c0 + portal_coupling * (c1 + portal_coupling * c2)}
    channels |= s_channel_over_coupling_squared(s_gev2, propagator)
    return {name: portal_coupling**2 * value for name, value in channels.items()}


def w_hat(s_gev2, scalar_mass_gev, portal_coupling, propagator):
    """W(s) [1] of the broken phase, summed over channels; arguments as :func:`w_hat_channels`."""
    return sum(w_hat_channels(s_gev2, scalar_mass_gev, portal_coupling, propagator).values())


def w_hat_contact(portal_coupling):
    """W [1] above the electroweak transition, 4 lambda^2/pi for every s."""
    return CONTACT_OVER_COUPLING_SQUARED * portal_coupling**2


def _velocity(s, mass):
    """sqrt(1 - 4 m^2/s) above threshold, else 0, with a zero derivative at and below it."""
    s = jnp.asarray(s, dtype=float)
    argument = (s - 4.0 * mass**2) / s
    is_open = argument > 0.0
    return jnp.where(is_open, jnp.sqrt(jnp.where(is_open, argument, 1.0)), 0.0)


def _artanh_over_root(z, complement):
    """artanh(sqrt z)/sqrt z, smooth through z = 0; complement = 1 - z free of cancellation."""
    small = z < 0.01
    series = _SERIES[-1]
    safe = jnp.where(small, z, 0.0)
    for coefficient in _SERIES[-2::-1]:
        series = coefficient + safe * series
    root = jnp.sqrt(jnp.where(small, 0.25, z))
    closed = jnp.log((1.0 + root) ** 2 / jnp.where(small, 0.75, complement)) / (2.0 * root)
    return jnp.where(small, series, closed)
