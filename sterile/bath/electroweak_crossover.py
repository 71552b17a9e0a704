"""The Higgs field through the electroweak crossover: v(T) and the mass of the doublet's quanta.

The transition is a crossover at T_c = 159.5 +- 1.5 GeV, 5 GeV wide, outside of which perturbation
theory describes the lattice (D'Onofrio & Rummukainen 2016, 1508.07161). v(T) here is the minimum
of the one-loop potential at leading order in the thermal masses,

    v^2(T)/v^2 = 1 - (T/T_c)^2 sum_i d_i u_i K_1(u_i)/sum_i d_i,    u_i = m_i v(T)/(v T),

d_i = 2 m_W^2, m_Z^2, 2 m_t^2, m_h^2: Boltzmann-suppressed loops of W, Z, t and h, normalised to
the lattice's T_c in place of the one-loop 140 GeV. Above T_c v = 0.

Rates follow as a mean of their two limits with the weight v^2(T)/v^2: vacuum amplitudes, whose
resonance carries exactly this factor through the hSS vertex, and contact annihilation to four
scalars of mass m_phi. Above T_c, m_phi^2 = D (T^2 - T_c^2), D = sum_i d_i/(4 v^2) = 0.40 (gauge,
top and self couplings); below, where they are the longitudinal W and Z, m_phi = m_W v(T)/v. The
masses in the vacuum amplitudes stay as they are: that of h is 2 % too large at 60 GeV, 11 % at 100.
"""

import functools

import jax.numpy as jnp
import numpy as np

from spectra.constants import (
    HIGGS_MASS_GEV,
    HIGGS_VEV_GEV,
    TOP_MASS_GEV,
    W_MASS_GEV,
    Z_MASS_GEV,
)

CROSSOVER_CITATION = """\
@article{DOnofrio:2015gop,
  author = {D'Onofrio, Michela and Rummukainen, Kari},
  title = {Standard model cross-over on the lattice},
  journal = {Phys. Rev. D}, volume = {93}, pages = {025003}, year = {2016}, eprint = {1508.07161}
}
"""
LATTICE_TEMPERATURE_GEV = 159.5  # 1508.07161
_MASSES = np.array([W_MASS_GEV, Z_MASS_GEV, TOP_MASS_GEV, HIGGS_MASS_GEV])
_COUPLED = np.array([2.0, 1.0, 2.0, 1.0]) * _MASSES**2
# m_phi^2 = D T^2 + ...
THERMAL_MASS_COEFFICIENT = float(np.sum(_COUPLED) / (4.0 * HIGGS_VEV_GEV**2))
_NODES = 200


@functools.cache
def _table():
    """v^2(T)/v^2 as cubic cells, (n, 4), in T/T_c from 0 to 1."""
    from scipy.interpolate import CubicSpline  # slow to import, needed only here
    from scipy.special import k1

    t = np.linspace(0.0, 1.0, _NODES + 1)
    order = 1.0 - t**2
    # a contraction away from T_c, and exact at both ends
    for _ in range(200):
        u = _MASSES * np.sqrt(order)[1:, None] / (LATTICE_TEMPERATURE_GEV * t[1:, None])
        share = np.where(u > 0.0, u * k1(np.where(u > 0.0, u, 1.0)), 1.0)
        order[1:] = 1.0 - t[1:] ** 2 * (share @ _COUPLED) / np.sum(_COUPLED)
    cells = CubicSpline(t, order).c[::-1].T
    return np.ascontiguousarray(cells * (1.0 / _NODES) ** np.arange(4))


def vev_squared(temperature_gev, transition_gev):
    """v^2(T)/v^2 [1] at T [GeV] for a crossover at T_c [GeV]; any shapes. 0 above T_c."""
    cells = jnp.asarray(_table())
    position = jnp.clip(temperature_gev / transition_gev, 0.0, 1.0) * _NODES
    index = jnp.minimum(position.astype(jnp.int32), _NODES - 1)
    c0, c1, c2, c3 = jnp.moveaxis(cells[index], -1, 0)
    u = position - index.astype(float)
    below = c0 + u * (c1 + u * (c2 + u * c3))
    return jnp.where(temperature_gev < transition_gev, jnp.maximum(below, 0.0), 0.0)


def doublet_mass_gev(temperature_gev, transition_gev):
    """Mass m_phi [GeV] of the doublet's quanta in contact annihilation; any shapes."""
    above = temperature_gev**2 - transition_gev**2
    squared = jnp.where(
        above > 0.0,
        THERMAL_MASS_COEFFICIENT * above,
        W_MASS_GEV**2 * vev_squared(temperature_gev, transition_gev),
    )
    positive = squared > 0.0
    return jnp.where(positive, jnp.sqrt(jnp.where(positive, squared, 1.0)), 0.0)
