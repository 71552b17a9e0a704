"""Mixing of S with the Higgs boson where <S> is not zero, and the decays S -> Standard Model.

With Phi = (0, v + h)/sqrt 2 and S = v_S + s, the portal 2 lambda (Phi^dagger Phi) S^2 contains

    4 lambda v v_S h s,    tan 2 theta = 8 lambda v v_S/(m_h^2 - m_S^2),

with m_h^2 and m_S^2 the diagonal of the mass matrix: its eigenvalues differ from them at order
theta^2. Every width of a Higgs boson of mass m_S, times sin^2 theta, is then one of S. The pair hh
has a coupling of its own, sin theta (m_S^2 + 2 m_h^2)/v, from h^3 and h^2 s. Above T_EW there is
no mixing, but 4 lambda v_S s phi_i^2/2 lets S decay to four massless scalars at a total rate of
2 lambda^2 v_S^2/(pi m_S), which is also what WW, ZZ and hh add up to for m_S far above m_h.

Inverse decays are included, m_S Gamma/E (f_eq - f): the bath is thermal, so that this too has f_eq
as its fixed point. Left out: the other vertices of order v_S (sss, and theta in S S -> X), the
dependence of v_S on temperature, and the heat that the decays give to the bath, which needs
rho_S/rho_SM << 1.
"""

import math

import jax.numpy as jnp

from spectra.constants import HIGGS_MASS_GEV, HIGGS_VEV_GEV
from sterile.scalar.amplitudes import higgs_width_of_mass_gev, scalar_decay_width_gev
from sterile.scalar.model import ScalarDecay


def mixing_angle(scalar_mass_gev, portal_coupling, scalar_vev_gev):
    """|theta| [1], 0 to pi/4, finite at m_S = m_h.

    Parameters
    ----------
    scalar_mass_gev : m_S [GeV], any shape.
    portal_coupling : lambda [1], broadcastable.
    scalar_vev_gev : v_S = <S> [GeV], broadcastable.
    """
    off_diagonal = 4.0 * portal_coupling * HIGGS_VEV_GEV * scalar_vev_gev
    difference = jnp.abs(HIGGS_MASS_GEV**2 - scalar_mass_gev**2)
    return 0.5 * jnp.arctan2(2.0 * off_diagonal, difference)


def bath_widths_gev(scalar_mass_gev, portal_coupling, scalar_vev_gev):
    """Gamma(S -> Standard Model) below and above T_EW, two of [GeV].

    Arguments as for :func:`mixing_angle`. Tree level, with the channels and masses of
    :mod:`sterile.scalar.amplitudes`.
    """
    theta = mixing_angle(scalar_mass_gev, portal_coupling, scalar_vev_gev)
    gap = 1.0 - 4.0 * HIGGS_MASS_GEV**2 / scalar_mass_gev**2
    is_open = gap > 0.0
    beta = jnp.where(is_open, jnp.sqrt(jnp.where(is_open, gap, 1.0)), 0.0)
    pair = (scalar_mass_gev**2 + 2.0 * HIGGS_MASS_GEV**2) ** 2 * beta
    pair = pair / (32.0 * math.pi * HIGGS_VEV_GEV**2 * scalar_mass_gev)
    broken = jnp.sin(theta) ** 2 * (higgs_width_of_mass_gev(scalar_mass_gev) + pair)
    unbroken = 2.0 * (portal_coupling * scalar_vev_gev) ** 2 / (math.pi * scalar_mass_gev)
    return broken, unbroken


def bath_branching(model: ScalarDecay, scalar_vev_gev):
    """Fraction of S that decays to the Standard Model below T_EW if <S> = v_S [GeV], scalar."""
    mass = model.scalar_mass_gev
    to_bath, _ = bath_widths_gev(mass, model.portal_coupling, scalar_vev_gev)
    return to_bath / (to_bath + scalar_decay_width_gev(mass, model.yukawa, model.neutrino))
