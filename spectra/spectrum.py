"""The momentum spectrum of a dark-matter species, its moments and its abundance."""

import math
from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from spectra.constants import CRITICAL_DENSITY_OVER_H2_GEV4, ZETA_3
from spectra.cosmology import Cosmology, as_float, photon_temperature_gev
from spectra.numerics import integral_weights
from spectra.programs import program
from spectra.tracing import is_traced
from spectra.units import plain_numbers

MINIMUM_NODES = 4
_KEV_GEV = 1e-6


class Spectrum(eqx.Module):
    """A tabulated phase-space distribution today.

    Attributes
    ----------
    q : comoving momentum over temperature, p a / T_ref, dimensionless, shape (n,),
        positive and strictly increasing.
    f : distribution at q, shape (n,), not negative. Summed over helicities (F) when the
        physical abundance is wanted; the transfer function uses its shape only.
        Nothing is assumed outside the table.
    mass_kev : particle mass [keV], scalar.
    temperature_ratio : T_ref / T_gamma today, scalar.

    Raises
    ------
    ValueError
        If a concrete field breaks one of these rules; the message names the entry.
    """

    q: Array = eqx.field(converter=as_float)
    f: Array = eqx.field(converter=as_float)
    mass_kev: Array = eqx.field(converter=partial(as_float, unit="keV"))
    temperature_ratio: Array = eqx.field(converter=as_float)

    def __check_init__(self):
        for name in ("mass_kev", "temperature_ratio"):
            _check_scalar(name, getattr(self, name))
        _check_shapes(self.q, self.f)
        if not is_traced(self.q):
            check_momenta(np.asarray(self.q))
        if not is_traced(self.f):
            check_distribution(np.asarray(self.f))


def _check_scalar(name: str, value: Array) -> None:
    if value.shape != ():
        raise ValueError(f"spectrum {name} has shape {value.shape}; give one number")
    if is_traced(value):
        return
    if not (math.isfinite(float(value)) and float(value) > 0.0):
        raise ValueError(
            f"spectrum {name} = {float(value):g} must be positive and finite; give a number > 0"
        )


def _check_shapes(q: Array, f: Array) -> None:
    if q.ndim != 1 or q.shape != f.shape:
        raise ValueError(
            f"spectrum q has shape {q.shape} and f {f.shape}; give two one-dimensional "
            "arrays of the same length"
        )
    if q.shape[0] < MINIMUM_NODES:
        raise ValueError(
            f"spectrum has {q.shape[0]} momentum nodes, fewer than {MINIMUM_NODES}; "
            "tabulate f on a finer grid (400 nodes or more are recommended)"
        )


def first_bad_momentum(q: np.ndarray) -> tuple[int, str] | None:
    """Index and description of the first entry that breaks 0 < q, finite, increasing; or None."""
    bad = ~(np.isfinite(q) & (q > 0.0))
    if bad.any():
        i = int(np.argmax(bad))
        return i, f"q = {q[i]:g} must be positive and finite"
    falling = np.diff(q) <= 0.0
    if falling.any():
        i = int(np.argmax(falling)) + 1
        return (
            i,
            f"q = {q[i]:g} follows q = {q[i - 1]:g}, but must be larger; sort the rows by q",
        )
    return None


def first_bad_distribution(f: np.ndarray) -> tuple[int, str] | None:
    """Index and description of the first f that is negative or not finite; or None."""
    bad = ~(np.isfinite(f) & (f >= 0.0))
    if bad.any():
        i = int(np.argmax(bad))
        return i, f"f = {f[i]:g} must be finite and not negative"
    return None


def check_momenta(q: np.ndarray) -> None:
    """Raise ``ValueError`` naming the entry unless q is positive, finite, increasing."""
    bad = first_bad_momentum(q)
    if bad is not None:
        raise ValueError(f"spectrum entry {bad[0]}: {bad[1]}")


def check_distribution(f: np.ndarray) -> None:
    """Raise ``ValueError`` naming the entry unless f is finite, not negative, not all zero."""
    bad = first_bad_distribution(f)
    if bad is not None:
        raise ValueError(f"spectrum entry {bad[0]}: {bad[1]}")
    if not (f > 0.0).any():
        raise ValueError("spectrum f is zero everywhere; give a distribution with particles in it")


@partial(jax.jit, static_argnames="power")
def moment(spectrum: Spectrum, power: float) -> Array:
    """Integral of q^(2 + power) f dq over the table, scalar.

    Fourth order in ln q, spectrally accurate on a uniform grid in ln q; f may
    contain zeros and any integrable head (q^-1/2, q^-1, ...).
    """
    ln_q = jnp.log(spectrum.q)
    return jnp.sum(integral_weights(ln_q) * spectrum.q ** (3.0 + power) * spectrum.f)


def q_mean(spectrum: Spectrum) -> Array:
    """<q>, dimensionless scalar."""
    return moment(spectrum, 1.0) / moment(spectrum, 0.0)


def q_rms(spectrum: Spectrum) -> Array:
    """sqrt(<q^2>), dimensionless scalar."""
    return jnp.sqrt(moment(spectrum, 2.0) / moment(spectrum, 0.0))


def number_density_gev3(spectrum: Spectrum, cosmology: Cosmology | None = None) -> Array:
    """n today = T_ref^3/(2 pi^2) * integral of q^2 F dq [GeV^3], scalar.

    ``cosmology`` (the default one when left out) gives T_gamma.
    """
    cosmology = Cosmology() if cosmology is None else cosmology
    temperature = spectrum.temperature_ratio * photon_temperature_gev(cosmology)
    return temperature**3 / (2.0 * math.pi**2) * moment(spectrum, 0.0)


def omega_h2(spectrum: Spectrum, cosmology: Cosmology | None = None) -> Array:
    """Abundance Omega h^2 = m n / (rho_crit/h^2) of the helicity-summed F, scalar.

    The species is non-relativistic today (keV masses), so its energy is its mass.
    For T_ref = T_gamma this is 275.9 (m/keV) Y.
    """
    density = spectrum.mass_kev * _KEV_GEV * number_density_gev3(spectrum, cosmology)
    return density / CRITICAL_DENSITY_OVER_H2_GEV4


@plain_numbers
def with_omega_h2(
    spectrum: Spectrum, target_omega_h2: Array, cosmology: Cosmology | None = None
) -> Spectrum:
    """The same shape with f rescaled so that its abundance is ``target_omega_h2``."""
    return _with_omega_h2(spectrum, as_float(target_omega_h2), cosmology)


@program
def _with_omega_h2(spectrum, target_omega_h2, cosmology) -> Spectrum:
    factor = target_omega_h2 / omega_h2(spectrum, cosmology)
    return Spectrum(spectrum.q, spectrum.f * factor, spectrum.mass_kev, spectrum.temperature_ratio)


# 13 e-folds: q^3 f is 1e-12 of its peak at the lower end, 1e-17 at the upper
_THERMAL_Q_RANGE = (1e-4, 50.0)
THERMAL_NODES = 800


@plain_numbers
def thermal_relic(
    mass_kev: ArrayLike,
    cosmology: Cosmology | None = None,
    omega_h2: ArrayLike | None = None,
    nodes: int = THERMAL_NODES,
) -> Spectrum:
    """A thermal relic: Fermi-Dirac, two degrees of freedom, temperature set by its abundance.

    n = 2 (3/4) zeta(3) T^3 / pi^2 and Omega h^2 = m n/(rho_crit/h^2) fix T_x; for
    3.5 keV and Omega h^2 = 0.12, T_x/T_gamma = 0.1054552.

    Parameters
    ----------
    mass_kev : mass [keV], scalar.
    cosmology : gives T_gamma and, unless ``omega_h2`` is given, the abundance omega_dm.
    omega_h2 : abundance, scalar, optional.
    nodes : number of momenta.

    Returns
    -------
    Spectrum with F = 2/(e^q + 1) on ``nodes`` momenta, evenly in ln q, 1e-4 <= q <= 50.
    """
    mass = as_float(mass_kev, "keV")
    cosmology = Cosmology() if cosmology is None else cosmology
    _check_scalar("mass_kev", mass)
    abundance = cosmology.omega_dm if omega_h2 is None else as_float(omega_h2)
    _check_scalar("omega_h2", abundance)
    number = abundance * CRITICAL_DENSITY_OVER_H2_GEV4 / (mass * _KEV_GEV)
    temperature = jnp.cbrt(number * math.pi**2 / (1.5 * ZETA_3))
    q = jnp.asarray(np.geomspace(*_THERMAL_Q_RANGE, nodes), dtype=float)
    return Spectrum(
        q=q,
        f=2.0 / (jnp.exp(q) + 1.0),
        mass_kev=mass,
        temperature_ratio=temperature / photon_temperature_gev(cosmology),
    )
