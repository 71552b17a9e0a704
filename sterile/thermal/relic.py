"""A thermal relic as a kind: Fermi-Dirac, of a given temperature or a given abundance."""

import dataclasses
from typing import ClassVar

import jax.numpy as jnp
from jax import Array

from sterile.contract import Mechanism, abundance_per_kev
from sterile.models import Model, parameter
from sterile.thermal import account
from sterile.thermal.distributions import (
    RELIC_NUMBER,
    YIELD_PER_NUMBER,
    closed_form_error,
    relic_production,
)

DEFAULT_OMEGA_H2 = 0.12
# photon temperature at which the one entry of its history stands: before all structure
_TEMPERATURE_GEV = 1e-3


class ThermalRelic(Model):
    """A thermal relic: Fermi-Dirac, two helicities, with a temperature of its own.

    Without ``temperature_ratio`` the abundance fixes it: 0.1054552 for 3.5 keV and Omega h^2 =
    0.12. That is the relic to which bounds on "the mass of warm dark matter" refer.

    Attributes
    ----------
    mass_kev : m_N [keV], 1e-3 to 1e6.
    temperature_ratio : T_N/T_gamma today [1], 1e-4 to 1, or None.
    """

    kind: ClassVar[str] = "thermal-relic"
    mass_kev: Array = parameter("keV", "mass m_N", 1e-3, 1e6, typical=3.5, symbol=r"$m_N$ [keV]")
    temperature_ratio: Array | None = parameter(
        "1",
        "T_N/T_gamma today",
        1e-4,
        1.0,
        typical=0.1054552,
        fix="give T_N/T_gamma today, or leave it out: [dark_matter] omega_h2 fixes it",
        symbol=r"$T_N/T_\gamma$",
        optional=True,
    )


def ratio_of_abundance(mass_kev, omega_h2) -> Array:
    """T_N/T_gamma today of a relic of m_N [keV] with abundance Omega h^2; any shapes.

    From Omega h^2 = m n/(rho_c/h^2), n = 3 zeta(3)/(2 pi^2) T_N^3.
    """
    relic = abundance_per_kev() * mass_kev * YIELD_PER_NUMBER * RELIC_NUMBER
    return jnp.cbrt(omega_h2 / relic)


def with_abundance(model: ThermalRelic, omega_h2) -> ThermalRelic:
    """The model with the temperature that ``omega_h2`` fixes, if it has none."""
    if model.temperature_ratio is not None:
        return model
    return dataclasses.replace(
        model, temperature_ratio=ratio_of_abundance(model.mass_kev, omega_h2)
    )


def solve(model: ThermalRelic, plasma, grid, error_estimate):
    """In closed form; without a temperature the one of Omega h^2 = 0.12."""
    ratio = with_abundance(model, DEFAULT_OMEGA_H2).temperature_ratio
    error = closed_form_error() if error_estimate else None
    return relic_production(model, plasma, grid, ratio, _TEMPERATURE_GEV, error=error)


THERMAL_RELIC = Mechanism(
    model=ThermalRelic,
    solve=solve,
    with_abundance=with_abundance,
    plane=("mass_kev", "temperature_ratio"),
    account=account.relic,
    remedies=account.relic_remedies,
)
