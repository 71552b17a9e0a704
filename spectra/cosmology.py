"""The homogeneous universe the spectra live in: flat, cold-or-warm matter, massless neutrinos."""

import math
from functools import partial
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from spectra.constants import (
    CRITICAL_DENSITY_MSUN_MPC3,
    CRITICAL_DENSITY_OVER_H2_GEV4,
    KELVIN_GEV,
    NEUTRINO_TEMPERATURE_RATIO,
    SPEED_OF_LIGHT_KM_S,
)
from spectra.precision import require_x64
from spectra.tracing import is_traced
from spectra.units import plain

_RANGES = {
    "h": (0.2, 2.0),
    "omega_b": (1e-4, 1.0),
    "omega_dm": (1e-4, 1.0),
    "n_s": (0.0, 3.0),
    "a_s": (1e-11, 1e-7),
    "n_eff": (0.0, 30.0),
    "t_cmb_kelvin": (1.0, 5.0),
    "y_he": (0.0, 0.9),
}


def as_float(value: Any, unit: str = "") -> Array:
    """A float64 array; ``ValueError`` with the fix where JAX is not in 64-bit mode.

    The public types pass what they are given through here, so that each says so first. An astropy
    quantity is converted to ``unit``, see :func:`spectra.units.plain`.
    """
    require_x64()
    value = plain(value, unit)
    if isinstance(value, int | float | np.generic | np.ndarray):
        value = np.asarray(value, dtype=float)  # then nothing is compiled to convert it
    return jnp.asarray(value, dtype=float)


class Cosmology(eqx.Module):
    """Cosmological parameters; the defaults are Planck 2018 (1807.06209, table 2, rounded).

    Every field is a float scalar, differentiable.

    Attributes
    ----------
    h : Hubble constant in 100 km/s/Mpc.
    omega_b, omega_dm : physical densities Omega h^2 of baryons and of all dark matter.
    n_s, a_s : slope and amplitude of the primordial spectrum at 0.05/Mpc.
    n_eff : effective number of neutrinos, all massless.
    t_cmb_kelvin : photon temperature today [K].
    y_he : helium mass fraction.

    Raises
    ------
    ValueError
        If a concrete value is not finite or outside its range.
    """

    h: Array = eqx.field(default=0.6736, converter=partial(as_float, unit="h"))
    omega_b: Array = eqx.field(default=0.02237, converter=as_float)
    omega_dm: Array = eqx.field(default=0.1200, converter=as_float)
    n_s: Array = eqx.field(default=0.9649, converter=as_float)
    a_s: Array = eqx.field(default=2.1e-9, converter=as_float)
    n_eff: Array = eqx.field(default=3.044, converter=as_float)
    t_cmb_kelvin: Array = eqx.field(default=2.7255, converter=partial(as_float, unit="K"))
    y_he: Array = eqx.field(default=0.2454, converter=as_float)

    def __check_init__(self):
        for name, (low, high) in _RANGES.items():
            value = getattr(self, name)
            if is_traced(value):
                continue
            if value.shape != ():
                raise ValueError(
                    f"cosmology {name} has shape {value.shape}; give one number "
                    "(vmap over Cosmology for many)"
                )
            # negated so that NaN fails; the slack is one part in 1e6 for single precision
            if not low * (1 - 1e-6) <= float(value) <= high * (1 + 1e-6):
                raise ValueError(
                    f"cosmology {name} = {float(value):g} is outside [{low:g}, {high:g}]; "
                    "give a number in that range"
                )


def photon_temperature_gev(cosmology: Cosmology) -> Array:
    """T_gamma today [GeV], scalar."""
    return cosmology.t_cmb_kelvin * KELVIN_GEV


def omega_photon(cosmology: Cosmology) -> Array:
    """Omega_gamma = (pi^2/15) T^4 / rho_crit, scalar."""
    density = math.pi**2 / 15.0 * photon_temperature_gev(cosmology) ** 4
    return density / (CRITICAL_DENSITY_OVER_H2_GEV4 * cosmology.h**2)


def omega_radiation(cosmology: Cosmology) -> Array:
    """Omega of photons and massless neutrinos, Omega_gamma [1 + (7/8)(4/11)^(4/3) N_eff]."""
    return omega_photon(cosmology) * (1.0 + 0.875 * NEUTRINO_TEMPERATURE_RATIO**4 * cosmology.n_eff)


def omega_matter(cosmology: Cosmology) -> Array:
    """Omega of baryons and dark matter, scalar."""
    return (cosmology.omega_b + cosmology.omega_dm) / cosmology.h**2


def omega_lambda(cosmology: Cosmology) -> Array:
    """Omega_Lambda of the flat universe, scalar."""
    return 1.0 - omega_matter(cosmology) - omega_radiation(cosmology)


def hubble_mpc(a: ArrayLike, cosmology: Cosmology) -> Array:
    """H(a)/c [1/Mpc] at scale factor ``a`` (any shape; a = 1 today). Same shape as ``a``."""
    expansion_squared = (
        omega_radiation(cosmology) / a**4 + omega_matter(cosmology) / a**3 + omega_lambda(cosmology)
    )
    return 100.0 * cosmology.h / SPEED_OF_LIGHT_KM_S * jnp.sqrt(expansion_squared)


def equality_scale_factor(cosmology: Cosmology) -> Array:
    """a_eq = Omega_r/Omega_m, scalar."""
    return omega_radiation(cosmology) / omega_matter(cosmology)


def matter_density_msun_h(cosmology: Cosmology) -> Array:
    """Mean comoving matter density [(Msun/h)/(Mpc/h)^3], scalar."""
    return omega_matter(cosmology) * CRITICAL_DENSITY_MSUN_MPC3
