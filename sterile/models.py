"""Parameters of the production models and of the plasma they live in: no physics here."""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array


def _as_float(value) -> Array:
    return jnp.asarray(value, dtype=float)


def _require_range(owner: str, name: str, value, low: float, high: float, fix: str) -> None:
    """Raise if a concrete value leaves [low, high]; traced values are checked by status codes."""
    if isinstance(value, jax.core.Tracer):
        return
    flat = np.asarray(value, dtype=float).ravel()
    # negated so that NaN fails
    bad = flat[~((flat >= low * (1.0 - 1e-12)) & (flat <= high * (1.0 + 1e-12)))]
    if bad.size:
        raise ValueError(
            f"{owner} {name} = {bad[0]:g} is outside the allowed range [{low:g}, {high:g}]; {fix}"
        )


_SCALAR_DECAY_RANGES = {
    "scalar_mass_gev": (5.0, 1e4, "give the physical mass of S in GeV"),
    "portal_coupling": (
        1e-12,
        1e-2,
        "give lambda of 2 lambda |Phi|^2 S^2, a quarter of lambda_hS",
    ),
    "yukawa": (1e-12, 1e-5, "give y of (y/2) S N^c N"),
}


class ScalarDecay(eqx.Module):
    """A scalar S made through the Higgs portal, decaying to sterile neutrinos, S -> N N.

    L contains 2 lambda (Phi^dagger Phi) S^2 + (y/2) S N^c N. The literature's lambda_hS of
    (1/2) lambda_hS S^2 |H|^2 is 4 lambda.

    Attributes
    ----------
    scalar_mass_gev : physical mass m_S today [GeV], 5 to 1e4.
    portal_coupling : lambda [1], 1e-12 to 1e-2.
    yukawa : y [1], 1e-12 to 1e-5.
        Each a float scalar, or an array of one shape for use under ``vmap``.

    Raises
    ------
    ValueError
        If a concrete value is outside its range, or is not a number.
    """

    scalar_mass_gev: Array = eqx.field(converter=_as_float)
    portal_coupling: Array = eqx.field(converter=_as_float)
    yukawa: Array = eqx.field(converter=_as_float)

    def __check_init__(self):
        for name, (low, high, fix) in _SCALAR_DECAY_RANGES.items():
            _require_range("model", name, getattr(self, name), low, high, fix)


def in_range(model: ScalarDecay) -> Array:
    """Whether every parameter is inside its range; for traced values, boolean."""
    slack = 1e-12  # rounding of a value typed at an edge, or of exp(log(x))
    inside = [
        (getattr(model, name) >= low * (1.0 - slack))
        & (getattr(model, name) <= high * (1.0 + slack))
        for name, (low, high, _) in _SCALAR_DECAY_RANGES.items()
    ]
    return inside[0] & inside[1] & inside[2]


METHODS = ("momentum", "moments", "number-density")


class Plasma(eqx.Module):
    """How the bath is treated; the defaults are the published treatment (1502.01011, 1609.01289).

    Attributes
    ----------
    bath_statistics : "maxwell-boltzmann".
        A switch with one setting so far; another one raises.
    elastic_scattering : whether S scatters off the bath (:mod:`sterile.elastic`).
    method : "momentum", the whole distribution; "moments", its number and temperature; or
        "number-density", its number alone, in kinetic equilibrium (:mod:`sterile.moments`).
    electroweak_temperature_gev : temperature T_EW of the electroweak step [GeV], 100 to 200.
    dark_sector_in_hubble : whether S and N gravitate (rho_S and rho_N in H).
    contact_only : the unbroken phase at every temperature, no electroweak step.
    constant_g : g_rho = g_s at every temperature in place of the Standard Model's, or None.

    Raises
    ------
    ValueError
        If a value is not available or outside its range.
    """

    bath_statistics: str = eqx.field(static=True, default="maxwell-boltzmann")
    elastic_scattering: bool = eqx.field(static=True, default=False)
    electroweak_temperature_gev: Array = eqx.field(default=160.0, converter=_as_float)
    method: str = eqx.field(static=True, default="momentum")
    dark_sector_in_hubble: bool = eqx.field(static=True, default=True)
    contact_only: bool = eqx.field(static=True, default=False)
    constant_g: float | None = eqx.field(static=True, default=None)

    def __check_init__(self):
        if self.bath_statistics != "maxwell-boltzmann":
            raise ValueError(
                f'plasma bath_statistics = "{self.bath_statistics}" is not available; '
                'the allowed value is "maxwell-boltzmann"'
            )
        if not isinstance(self.elastic_scattering, bool):
            raise ValueError(
                f"plasma elastic_scattering = {self.elastic_scattering!r} is neither true nor "
                "false; give one of the two"
            )
        if self.method not in METHODS:
            allowed = ", ".join(f'"{name}"' for name in METHODS)
            raise ValueError(
                f'plasma method = "{self.method}" is not available; the allowed values are '
                f"{allowed}"
            )
        _require_range(
            "plasma",
            "electroweak_temperature_gev",
            self.electroweak_temperature_gev,
            100.0,
            200.0,
            "the lattice cross-over is at 159.5 GeV",
        )
        if self.constant_g is not None:
            if not (math.isfinite(self.constant_g) and 1.0 <= self.constant_g <= 1000.0):
                raise ValueError(
                    f"plasma constant_g = {self.constant_g} is outside the allowed range "
                    "[1, 1000]; the full Standard Model has 106.75"
                )
