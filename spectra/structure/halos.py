"""Haloes of a suppressed spectrum with the sharp-k filter: mass function, satellites, galaxies.

R(M) = (1/c) (3 M/4 pi rho_m)^(1/3), S(M) = sigma^2 = (1/2 pi^2) int_0^(1/R) k^2 P dk (Schneider,
Smith & Reed 2013, 1303.0839; Schneider 2015, 1412.2133), P = P_CDM T^2. Wavenumber 1/R and mass are
one variable here, ln M = constant - 3 ln(1/R): every integral runs over ln k.
"""

import math

import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from spectra.cosmology import Cosmology, matter_density_msun_h
from spectra.numerics import interpolate
from spectra.programs import program
from spectra.structure.power import PowerTable, cold_power, covers, growth, power_at, transfer_at
from spectra.structure.running_integral import running_integral, whole_weights

SHARP_K_C = 2.5
CRITICAL_OVERDENSITY = 1.686
# Sheth & Tormen 1999: A, p; q = 1 is Schneider's for the sharp-k filter (0.707 for a top hat)
ST_A, ST_P, ST_Q = 0.322, 0.3, 1.0

SATELLITE_MINIMUM_MSUN_H = 1e8
HOST_MASS_MSUN_H = 1.7e12
# calibrates the counts to simulated Milky-Way haloes: Schneider 2015, 1412.2133
SATELLITE_NORM = 44.5
GALAXY_MINIMUM_MSUN_H = 1e6
GALAXY_REDSHIFT = 6.0
_GALAXY_MAXIMUM_MSUN_H = 1e16  # beyond, the counts at any z are below 1e-30

_LOWEST_K_H_MPC = 1e-4
# sixth-order rules; doubling the nodes changes counts by less than 1e-6
_HOST_NODES, _FIELD_NODES = 161, 401


def wavenumber_of_mass(mass_msun_h: Array, cosmology: Cosmology, c: float = SHARP_K_C) -> Array:
    """1/R(M) [h/Mpc] of the sharp-k filter for masses [Msun/h], any shape."""
    density = matter_density_msun_h(cosmology)
    return c * jnp.cbrt(4.0 * math.pi * density / (3.0 * mass_msun_h))


def suppressed_power(ln_k: Array, transfer, table: PowerTable, cosmology: Cosmology) -> Array:
    """P = P_CDM T^2 today [(Mpc/h)^3] at ln of k [h/Mpc], any shape; arguments as elsewhere."""
    cold = cold_power(jnp.exp(ln_k), table, cosmology)
    return cold * transfer_at(ln_k, transfer) ** 2


def mass_function(
    mass_msun_h: Array,
    transfer,
    table: PowerTable,
    cosmology: Cosmology | None = None,
    z=0.0,
    c: float = SHARP_K_C,
    q: float = ST_Q,
) -> tuple[Array, Array]:
    """dn/dln M [h^3/Mpc^3] and sigma(M) of the sharp-k filter.

    dn/dlnM = (1/12 pi^2) (rho_m/M) f(nu) P(1/R)/(S R^3), nu = (delta_c/(D sigma))^2,
    f = A sqrt(2 q nu/pi) [1 + (q nu)^-p] exp(-q nu/2), A = 0.322, p = 0.3 (Schneider 2015,
    1412.2133; f is nu times the density in nu of Sheth & Tormen). D is the growth at 1 h/Mpc from
    the table (CAMB, with radiation), the same at every k; T is that of z = 0.

    Parameters
    ----------
    mass_msun_h : (m,) masses [Msun/h], in any order.
    transfer : k_h_mpc (n,) [h/Mpc], t (n,); constant in k below its range. NaN where a mass
        needs wavenumbers beyond it.
    table, cosmology : as for :func:`spectra.cold_power`.
    z : redshift, scalar.
    c, q : filter constant and the barrier's, concrete or traced.
    """
    cosmology = table.cosmology if cosmology is None else cosmology
    return _mass_function(jnp.asarray(mass_msun_h), transfer, table, cosmology, z, c, q)


@program
def _mass_function(mass, transfer, table, cosmology, z, c, q):
    k = wavenumber_of_mass(mass, cosmology, c)
    order = jnp.argsort(k)
    ln_k = _field_nodes(jnp.log(k)[order[-1]])
    variance = _variance(ln_k, suppressed_power(ln_k, transfer, table, cosmology), cosmology)
    s = jnp.exp(interpolate(jnp.log(k), ln_k[1:], jnp.log(variance[1:])))
    power = suppressed_power(jnp.log(k), transfer, table, cosmology)
    rate = _abundance(k, power, s, mass, growth(z, power_at(table, cosmology)), cosmology, q)
    reach = jnp.max(transfer.k_h_mpc) * (1.0 + 1e-9)
    return jnp.where(k <= reach, rate, jnp.nan), jnp.where(k <= reach, jnp.sqrt(s), jnp.nan)


def _field_nodes(last):
    """ln k (m,), uniform up to ``last``."""
    first = math.log(_LOWEST_K_H_MPC)
    return first + (last - first) * jnp.linspace(0.0, 1.0, _FIELD_NODES)


def _variance(ln_k, power, cosmology):
    """S(k) at z = 0 from P at the nodes of :func:`_field_nodes`, (m,) each."""
    integrand = jnp.exp(3.0 * ln_k) * power
    step = (ln_k[-1] - math.log(_LOWEST_K_H_MPC)) / (_FIELD_NODES - 1)
    variance = running_integral(integrand) * step / (2.0 * math.pi**2)
    # what lies below the first node: k^2 P ~ k^(2 + n_s)
    return variance + integrand[0] / (2.0 * math.pi**2 * (3.0 + cosmology.n_s))


def _abundance(k, power, s, mass, d, cosmology, q):
    nu = CRITICAL_OVERDENSITY**2 / (d**2 * s)
    scaled = q * nu
    f = ST_A * jnp.sqrt(2.0 * scaled / math.pi) * (1.0 + scaled**-ST_P) * jnp.exp(-0.5 * scaled)
    density = matter_density_msun_h(cosmology)
    return density / mass * f * power * k**3 / (12.0 * math.pi**2 * s)


def halo_density(
    transfer,
    table: PowerTable,
    cosmology: Cosmology | None = None,
    z=GALAXY_REDSHIFT,
    minimum_msun_h: float = GALAXY_MINIMUM_MSUN_H,
    c: float = SHARP_K_C,
    q: float = ST_Q,
) -> Array:
    """Number of haloes above a mass per comoving Mpc^3 (no h) at redshift z, scalar.

    The largest number of galaxies that a spectrum allows (Menci et al. 2016, 1606.02530; 2017,
    1701.01339): for warm spectra it saturates as the minimum falls; cold dark matter does not
    converge. NaN where the transfer function does not reach 1/R of the minimum. Arguments as for
    :func:`mass_function`; ``minimum_msun_h`` [Msun/h].
    """
    cosmology = table.cosmology if cosmology is None else cosmology
    return _halo_density(transfer, table, cosmology, z, minimum_msun_h, c, q)


@program
def _halo_density(transfer, table, cosmology, z, minimum, c, q):
    ln_k = density_nodes(cosmology, minimum, c)
    power = suppressed_power(ln_k, transfer, table, cosmology)
    return density_of(ln_k, power, transfer, table, cosmology, z, minimum, q)


def density_nodes(
    cosmology: Cosmology, minimum: ArrayLike = GALAXY_MINIMUM_MSUN_H, c: float = SHARP_K_C
) -> Array:
    """ln of k [h/Mpc] at which :func:`halo_density` wants P, (m,), increasing."""
    return _field_nodes(jnp.log(wavenumber_of_mass(jnp.asarray(minimum), cosmology, c)))


def density_of(
    ln_k: Array,
    power: Array,
    transfer,
    table: PowerTable,
    cosmology: Cosmology,
    z: ArrayLike = GALAXY_REDSHIFT,
    minimum: ArrayLike = GALAXY_MINIMUM_MSUN_H,
    q: ArrayLike = ST_Q,
) -> Array:
    """:func:`halo_density` from P [(Mpc/h)^3] at the nodes of :func:`density_nodes`, (m,) each."""
    k = jnp.exp(ln_k)
    mass = minimum * jnp.exp(3.0 * (ln_k[-1] - ln_k))
    used = mass < _GALAXY_MAXIMUM_MSUN_H
    variance = _variance(ln_k, power, cosmology)
    rate = _abundance(k, power, variance, mass, growth(z, power_at(table, cosmology)), cosmology, q)
    step = (ln_k[-1] - ln_k[0]) / (_FIELD_NODES - 1)
    weights = 3.0 * whole_weights(_FIELD_NODES)
    total = step * jnp.sum(jnp.where(used, weights * rate, 0.0))
    return jnp.where(covers(transfer, k[-1]), total * cosmology.h**3, jnp.nan)


def satellites(
    transfer,
    table: PowerTable,
    cosmology: Cosmology | None = None,
    host_mass_msun_h: ArrayLike = HOST_MASS_MSUN_H,
    minimum_msun_h: ArrayLike = SATELLITE_MINIMUM_MSUN_H,
    c: float = SHARP_K_C,
    norm: float = SATELLITE_NORM,
) -> Array:
    """Subhaloes above a mass in a host halo, scalar, by the sharp-k extended Press-Schechter count.

    dN/dlnM = (1/C_n) (1/6 pi^2) (M_h/M) P(1/R)/(R^3 sqrt(2 pi (S(M) - S(M_h)))), integrated from
    the minimum to M_h (Schneider 2015, 1412.2133; used so by 1704.07838), C_n = 44.5, z = 0.
    The number is proportional to the host's mass, known to a factor of two: it is part of the
    verdict.

    Parameters
    ----------
    transfer, table, cosmology : as for :func:`mass_function`.
    host_mass_msun_h, minimum_msun_h : M_h and the smallest subhalo [Msun/h], scalars.
    c, norm : filter constant and C_n.
    """
    cosmology = table.cosmology if cosmology is None else cosmology
    return _satellites(transfer, table, cosmology, host_mass_msun_h, minimum_msun_h, c, norm)


@program
def _satellites(transfer, table, cosmology, host, minimum, c, norm):
    ln_k = satellite_nodes(cosmology, host, minimum, c)
    power = suppressed_power(ln_k, transfer, table, cosmology)
    return satellites_of(ln_k, power, transfer, host, minimum, norm)


def _root_ratio(host, minimum):
    """x = sqrt(ln(M_h/M)), (m,): the end point is 1/x, which dlnM = 2 x dx removes."""
    ratio = jnp.log(jnp.asarray(host / minimum, dtype=float))
    return jnp.sqrt(ratio) * jnp.linspace(0.0, 1.0, _HOST_NODES)


def satellite_nodes(
    cosmology: Cosmology,
    host: ArrayLike = HOST_MASS_MSUN_H,
    minimum: ArrayLike = SATELLITE_MINIMUM_MSUN_H,
    c: float = SHARP_K_C,
) -> Array:
    """ln of k [h/Mpc] at which :func:`satellites` wants P, (m,), increasing."""
    k_host = wavenumber_of_mass(jnp.asarray(host), cosmology, c)
    return jnp.log(k_host) + _root_ratio(host, minimum) ** 2 / 3.0


def satellites_of(
    ln_k: Array,
    power: Array,
    transfer,
    host: ArrayLike = HOST_MASS_MSUN_H,
    minimum: ArrayLike = SATELLITE_MINIMUM_MSUN_H,
    norm: ArrayLike = SATELLITE_NORM,
) -> Array:
    """:func:`satellites` from P [(Mpc/h)^3] at the nodes of :func:`satellite_nodes`, (m,) each."""
    x = _root_ratio(host, minimum)
    step = x[-1] / (_HOST_NODES - 1)
    k = jnp.exp(ln_k)
    k3_power = k**3 * power
    # dS = k^3 P dln k/(2 pi^2), dln k = (2 x/3) dx
    rise = running_integral(x * k3_power) * step
    rise = rise / (3.0 * math.pi**2)
    # at x = 0 the ratio x/sqrt(rise) has the limit of rise -> k^3 P x^2/(6 pi^2)
    start = k3_power[0] / (6.0 * math.pi**2)
    safe = jnp.where(x > 0.0, rise, 1.0)
    safe_x = jnp.where(x > 0.0, x, 1.0)
    slope = jnp.where(x > 0.0, safe / safe_x**2, start)
    rate = jnp.exp(x * x) * k3_power / (6.0 * math.pi**2 * jnp.sqrt(2.0 * math.pi * slope))
    total = 2.0 * step * jnp.sum(whole_weights(_HOST_NODES) * rate) / norm
    return jnp.where(covers(transfer, k[-1]), total, jnp.nan)
