"""Elastic scattering of S off the bath, S X -> S X, as diffusion of its momenta (Fokker-Planck).

    C_el = (gamma/2) p^-2 d/dp { p^2 [E T df/dp + p f] }
         = (gamma/2) p^-2 d/dp { p^2 E T f_eq d(f/f_eq)/dp },    f_eq = exp(-E/T),

the leading term for small momentum transfers, with gamma the momentum transfer rate for S at rest
(Binder et al. 1706.07433; 1912.02870 and 2103.01944 use it at every momentum, as is done here):

    gamma(T) = 1/(48 pi^3 m_S^3 T) sum_X int domega k^4 <|M|^2>_t g(1 -+ g),
    k^4 <|M|^2>_t = 1/8 int_0^{4 k_cm^2} du u |M|^2(t = -u),
    k_cm^2 = m_S^2 k^2/(m_S^2 + 2 omega m_S + m_X^2),

|M|^2 summed over spins, colours and antiparticles. Below T_EW: t-channel h exchange with fermions,
W and Z, and S h -> S h with contact and t-channel h; above: the contact vertex with four massless
scalars. S exchange in S h -> S h is of relative order lambda v^2/(m_S m_h) and left out. g is
Fermi-Dirac or Bose-Einstein.

On the lattice the flux between two nodes is the difference of f/f_eq: numbers are conserved and
f_eq is a fixed point, both to rounding (with stimulated emission, 1 + f for the state that S hops
to, the Bose-Einstein one); the off-diagonal elements are positive, so that f is. The
coefficient is such that <E> relaxes exactly as it would in the continuum, near equilibrium.
"""

import math
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from spectra.constants import (
    BOTTOM_MASS_GEV,
    CHARM_MASS_GEV,
    HIGGS_MASS_GEV,
    STRANGE_MASS_GEV,
    W_MASS_GEV,
    Z_MASS_GEV,
)
from sterile.scalar.amplitudes import FERMIONS
from sterile.scalar.collisions import energy

_ENERGIES, _TRANSFERS = 28, 8  # Gauss-Legendre nodes; 2 x as many change gamma by less than 1e-5
_REACH = 45.0  # (omega - m_X)/T at which the bath ends
_TABLE = 40  # Chebyshev nodes of ln gamma in ln T
_TABLE_REACH = 11.0  # ln(T_EW/T) below which only muons are left, suppressed by exp(-40)
BROKEN = (*FERMIONS, "WW", "ZZ", "hh")
# tabulated apart: ln of a sum turns sharply where a heavier particle takes over
_GROUPS = {
    ("tt", "WW", "ZZ", "hh"): W_MASS_GEV,
    ("bb",): BOTTOM_MASS_GEV,
    ("cc", "tautau"): CHARM_MASS_GEV,
    ("ss", "mumu"): STRANGE_MASS_GEV,
}
UNBROKEN = ("phi",)


def _amplitude(species: str, u):
    """Mass [GeV], +1 for fermions or -1 for bosons, and |M|^2/lambda^2 at t = -u [GeV^2]."""
    exchange = 1.0 / (u + HIGGS_MASS_GEV**2)
    if species in FERMIONS:
        mass, colours = FERMIONS[species]
        return mass, 1.0, 64.0 * colours * mass**2 * (4.0 * mass**2 + u) * exchange**2
    if species in ("WW", "ZZ"):
        mass, particles = (W_MASS_GEV, 2.0) if species == "WW" else (Z_MASS_GEV, 1.0)
        tensor = u**2 + 4.0 * u * mass**2 + 12.0 * mass**4
        return mass, -1.0, 16.0 * particles * tensor * exchange**2
    if species == "hh":
        return HIGGS_MASS_GEV, -1.0, 16.0 * (1.0 - 3.0 * HIGGS_MASS_GEV**2 * exchange) ** 2
    return 0.0, -1.0, 64.0 * jnp.ones_like(u)


def momentum_transfer_rate_gev(temperature_gev, scalar_mass_gev, portal_coupling, species=BROKEN):
    """gamma(T) [GeV], twice the rate at which a slow S loses its momentum.

    Parameters
    ----------
    temperature_gev : T [GeV], any shape.
    scalar_mass_gev, portal_coupling : m_S [GeV] and lambda [1], scalars.
    species : static, of ``BROKEN`` (named like the annihilation channels) or ``UNBROKEN``.

    Returns
    -------
    gamma, shape of ``temperature_gev``; source in the module's description. No confinement: light
    quarks count at every temperature.
    """
    total = _transfer(temperature_gev, scalar_mass_gev, species, 0.0)
    return portal_coupling**2 * total


def _transfer(temperature_gev, scalar_mass_gev, species, lightest):
    """gamma/lambda^2 exp(lightest/T) [GeV]; ``lightest``: a mass [GeV] none of them is below."""
    temperature = jnp.asarray(temperature_gev, dtype=float)[..., None]
    nodes, weights = np.polynomial.legendre.leggauss(_ENERGIES)
    y = 0.5 * (nodes + 1.0)
    last = (None,) * (temperature.ndim - 1)
    z, dz = (_REACH * y**2)[last], (_REACH * y * weights)[last]
    inner, inner_weights = np.polynomial.legendre.leggauss(_TRANSFERS)
    inner, inner_weights = 0.5 * (inner + 1.0)[*last, None], 0.5 * inner_weights[*last, None]
    total = 0.0
    for name in species:
        mass, statistics, _ = _amplitude(name, np.ones(1))
        k2 = temperature * z * (temperature * z + 2.0 * mass)
        omega = mass + temperature * z
        mass2 = scalar_mass_gev**2
        transfer = 4.0 * mass2 * k2 / (mass2 + 2.0 * omega * scalar_mass_gev + mass**2)
        # u = m_h^2 (e^v - 1): even in v whether the exchange is soft or hard
        largest = jnp.log1p(transfer / HIGGS_MASS_GEV**2)[..., None]
        u = HIGGS_MASS_GEV**2 * jnp.expm1(largest * inner)
        _, _, squared = _amplitude(name, u)
        weight = largest * inner_weights * (u + HIGGS_MASS_GEV**2)
        moment = 0.125 * jnp.sum(weight * u * squared, axis=-1)
        blocking = (1.0 + statistics * jnp.exp(-omega / temperature)) ** 2
        occupied = jnp.exp((lightest - omega) / temperature) / blocking
        total = total + jnp.sum(dz * moment * occupied, axis=-1)
    return total / (48.0 * math.pi**3 * scalar_mass_gev**3)


class ElasticTable(NamedTuple):
    """ln(gamma e^{m/T}/lambda^2) of the broken phase as Chebyshev coefficients in ln T.

    By group of species, m the mass of its lightest.
    """

    coefficients: Array | None  # (40, 4); None where the phase stays unbroken
    log_top: Array
    scalar_mass_gev: Array
    portal_coupling: Array


def elastic_table(scalar_mass_gev, portal_coupling, plasma) -> ElasticTable:
    """Tabulate gamma below T_EW; arguments are m_S [GeV], lambda [1] and the plasma."""
    log_top = jnp.log(plasma.electroweak_temperature_gev)
    coefficients: Array | None = None
    if not plasma.contact_only:
        angle = math.pi * (np.arange(_TABLE) + 0.5) / _TABLE
        temperature = jnp.exp(log_top + 0.5 * _TABLE_REACH * (np.cos(angle) - 1.0))
        values = [_transfer(temperature, scalar_mass_gev, *group) for group in _GROUPS.items()]
        matrix = 2.0 / _TABLE * np.cos(np.arange(_TABLE)[:, None] * angle)
        matrix[0] *= 0.5
        coefficients = jnp.asarray(matrix) @ jnp.log(jnp.stack(values, axis=1))
    return ElasticTable(coefficients, log_top, scalar_mass_gev, portal_coupling)


def elastic_rate_gev(table: ElasticTable, temperature_gev, broken):
    """gamma [GeV] at T [GeV], scalars; ``broken``: whether T is below T_EW."""
    above = momentum_transfer_rate_gev(
        temperature_gev, table.scalar_mass_gev, table.portal_coupling, UNBROKEN
    )
    if table.coefficients is None:
        return above
    depth = table.log_top - jnp.log(temperature_gev)
    position = jnp.clip(1.0 - 2.0 * depth / _TABLE_REACH, -1.0, 1.0)
    # the recurrence, as arccos has no derivative at the ends
    previous, current = jnp.ones_like(position), position
    value = table.coefficients[0] + table.coefficients[1] * position
    for coefficient in table.coefficients[2:]:
        previous, current = current, 2.0 * position * current - previous
        value = value + coefficient * current
    value = value - np.array(list(_GROUPS.values())) / temperature_gev
    below = table.portal_coupling**2 * jnp.sum(jnp.exp(value))
    return jnp.where(broken, below, above)


class Hops(NamedTuple):
    """Rates of hops between neighbours on the lattice, each (n,) [GeV]."""

    from_above: Array
    from_below: Array
    up: Array
    down: Array


def hopping_rates(
    momentum_gev, mass_gev, temperature_gev, rate_gev, log_step, fastest_gev: ArrayLike = math.inf
) -> Hops:
    """C_el on the lattice as rates between neighbours.

    C_i p_i^3 is the difference of fluxes, down_{i+1/2} f_{i+1} - up_{i+1/2} f_i per log step.

    Parameters
    ----------
    momentum_gev : lattice momenta [GeV], (n,), ln p uniform with step ``log_step``.
    mass_gev, temperature_gev, rate_gev : m_S, T and gamma [GeV], scalars.
    fastest_gev : rate [GeV] that no hop exceeds: each flux is reduced to fit, which changes neither
        the fixed point nor the conservation of numbers.

    Returns
    -------
    :class:`Hops`: C_i = from_above_i f_{i+1} + from_below_i f_{i-1} - (up_i + down_i) f_i, where
    each hop to j has a factor 1 + f_j if S is stimulated.
    """
    p, e = momentum_gev, energy(momentum_gev, mass_gev)
    p_half = p[:-1] * math.exp(0.5 * log_step)
    e_half = energy(p_half, mass_gev)
    # E_{i+1} - E_i without cancellation
    rise = (p[1:] ** 2 - p[:-1] ** 2) / (e[1:] + e[:-1])
    fitted = (log_step * p_half**2 / (e_half * rise)) ** 2
    flux = 0.5 * rate_gev * temperature_gev * p_half * e_half * fitted / log_step**2
    flux = flux / (1.0 + flux / (fastest_gev * p_half**3))
    above = (p[1:] ** 2 - p_half**2) / (e[1:] + e_half)
    below = (p_half**2 - p[:-1] ** 2) / (e[:-1] + e_half)
    down = flux * jnp.exp(above / temperature_gev)
    up = flux * jnp.exp(-below / temperature_gev)
    number = p**3
    return Hops(
        jnp.append(down, 0.0) / number,
        jnp.append(0.0, up) / number,
        jnp.append(up, 0.0) / number,
        jnp.append(0.0, down) / number,
    )


def scattering(hops: Hops, f, stimulated: bool = False):
    """C_el [GeV] of occupation f, (n,); ``stimulated``: static, S's own factors 1 + f."""
    above, below = _neighbours(f)
    if not stimulated:
        return hops.from_above * above + hops.from_below * below - (hops.up + hops.down) * f
    gain = (hops.from_above * above + hops.from_below * below) * (1.0 + f)
    return gain - f * (hops.up * (1.0 + above) + hops.down * (1.0 + below))


def scattering_matrix(hops: Hops, f, stimulated: bool = False):
    """d C_el/d f [GeV], (n, n)."""
    above, below = _neighbours(f)
    extra = 1.0 if stimulated else 0.0
    to_above = hops.from_above + extra * f * (hops.from_above - hops.up)
    to_below = hops.from_below + extra * f * (hops.from_below - hops.down)
    own = above * (hops.from_above - hops.up) + below * (hops.from_below - hops.down)
    own = extra * own - hops.up - hops.down
    return jnp.diag(to_above[:-1], 1) + jnp.diag(to_below[1:], -1) + jnp.diag(own)


def _neighbours(f):
    return jnp.append(f[1:], 0.0), jnp.append(0.0, f[:-1])
