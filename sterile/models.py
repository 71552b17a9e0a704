"""Parameters of the production models and of the plasma they live in: no physics here."""

import functools
import math
import operator

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array


def as_float(value) -> Array:
    return jnp.asarray(value, dtype=float)


def as_float_or_none(value) -> Array | None:
    return None if value is None else as_float(value)


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
    "yukawa": (1e-12, 1e-5, "give y of (y/2) S N^c N, or of y S Nbar N for a Dirac N"),
    "scalar_vev_gev": (1e-6, 1e12, "give <S> in GeV, or leave it out for no mixing with h"),
}
# spin states of N and, where it is another particle, of its antiparticle
HELICITY_STATES = {"majorana": 2, "dirac": 4}


class ScalarDecay(eqx.Module):
    """A scalar S made through the Higgs portal, decaying to sterile neutrinos, S -> N N.

    L contains 2 lambda (Phi^dagger Phi) S^2 and (y/2) S N^c N, N a Majorana particle, or
    y S Nbar N, N a Dirac particle. The literature's lambda_hS of (1/2) lambda_hS S^2 |H|^2 is
    4 lambda.

    Attributes
    ----------
    scalar_mass_gev : physical mass m_S today [GeV], 5 to 1e4.
    portal_coupling : lambda [1], 1e-12 to 1e-2.
    yukawa : y [1], 1e-12 to 1e-5.
    scalar_vev_gev : v_S = <S> [GeV], 1e-6 to 1e12, or None: then S does not mix with h. Given, S
        also decays to the Standard Model, see :mod:`sterile.higgs_mixing`.
    neutrino : "majorana" or "dirac", static.
        The others are each a float scalar, or an array of one shape for use under ``vmap``.

    Raises
    ------
    ValueError
        If a concrete value is outside its range, or is not a number, or N is of another kind.
    """

    scalar_mass_gev: Array = eqx.field(converter=as_float)
    portal_coupling: Array = eqx.field(converter=as_float)
    yukawa: Array = eqx.field(converter=as_float)
    scalar_vev_gev: Array | None = eqx.field(default=None, converter=as_float_or_none)
    neutrino: str = eqx.field(static=True, default="majorana")

    def __check_init__(self):
        if self.neutrino not in HELICITY_STATES:
            raise ValueError(
                f'model neutrino = "{self.neutrino}" is not available; the allowed values are '
                + " and ".join(f'"{name}"' for name in HELICITY_STATES)
            )
        for name, (low, high, fix) in _given_ranges(self).items():
            _require_range("model", name, getattr(self, name), low, high, fix)


def _given_ranges(model) -> dict:
    return {
        name: limits
        for name, limits in _SCALAR_DECAY_RANGES.items()
        if getattr(model, name) is not None
    }


def in_range(model: ScalarDecay) -> Array:
    """Whether every parameter is inside its range; for traced values, boolean."""
    slack = 1e-12  # rounding of a value typed at an edge, or of exp(log(x))
    inside = [
        (getattr(model, name) >= low * (1.0 - slack))
        & (getattr(model, name) <= high * (1.0 + slack))
        for name, (low, high, _) in _given_ranges(model).items()
    ]
    return functools.reduce(operator.and_, inside)


BATH_CHANNELS = ("contact", "h", "hh", "vectors", "fermions")
_PLASMA_CHOICES = {
    "bath_statistics": ("maxwell-boltzmann", "quantum"),
    "electroweak_transition": ("step", "crossover"),
    "higgs_width": ("tree", "running"),
    "method": ("momentum", "moments", "number-density"),
    "elastic_scattering": (False, True),
    "inverse_decays": (False, True),
}


def _require_choice(owner: str, name: str, value, allowed: tuple[str, ...]) -> None:
    # by type, too: 1 == True
    if not any(type(value) is type(choice) and value == choice for choice in allowed):
        raise ValueError(
            f"{owner} {name} = {value!r} is not available; "
            f"give one of {', '.join(repr(choice) for choice in allowed)}"
        )


class Plasma(eqx.Module):
    """How the bath is treated; the defaults are the published treatment (1502.01011, 1609.01289).

    Attributes
    ----------
    bath_statistics : "maxwell-boltzmann" or "quantum" (:mod:`sterile.statistics`).
    quantum_channels : those with quantum statistics if ``bath_statistics = "quantum"``: of
        "contact" (S S <-> doublet above T_EW), "h" (h <-> S S), "hh", "vectors", "fermions".
        S has its own factors 1 + f when it is all of them, the default, and f_S is solved for
        momentum by momentum.
    electroweak_transition : "step" at T_EW, or "crossover" (:mod:`sterile.crossover`).
    higgs_width : "tree": constant quark masses, W and Z of no width; or "running"
        (:mod:`sterile.higgs_width`).
    elastic_scattering : whether S scatters off the bath (:mod:`sterile.elastic`).
    method : "momentum", the whole distribution; "moments", its number and temperature; or
        "number-density", its number alone, in kinetic equilibrium (:mod:`sterile.moments`).
    electroweak_temperature_gev : temperature T_EW of the electroweak step [GeV], 100 to 200.
    dark_sector_in_hubble : whether S and N gravitate (rho_S and rho_N in H).
    contact_only : the unbroken phase at every temperature, no electroweak step.
    constant_g : g_rho = g_s at every temperature in place of the Standard Model's, or None.
    inverse_decays : whether N N -> S and Pauli blocking are included, see
        :mod:`sterile.inverse_decay`.

    Raises
    ------
    ValueError
        If a value is not available or outside its range.
    """

    bath_statistics: str = eqx.field(static=True, default="maxwell-boltzmann")
    quantum_channels: tuple[str, ...] = eqx.field(
        static=True, default=BATH_CHANNELS, converter=tuple
    )
    electroweak_transition: str = eqx.field(static=True, default="step")
    higgs_width: str = eqx.field(static=True, default="tree")
    elastic_scattering: bool = eqx.field(static=True, default=False)
    electroweak_temperature_gev: Array = eqx.field(default=160.0, converter=as_float)
    method: str = eqx.field(static=True, default="momentum")
    dark_sector_in_hubble: bool = eqx.field(static=True, default=True)
    contact_only: bool = eqx.field(static=True, default=False)
    constant_g: float | None = eqx.field(static=True, default=None)
    inverse_decays: bool = eqx.field(static=True, default=False)

    def __check_init__(self):
        for name, allowed in _PLASMA_CHOICES.items():
            _require_choice("plasma", name, getattr(self, name), allowed)
        unknown = [name for name in self.quantum_channels if name not in BATH_CHANNELS]
        if unknown or not self.quantum_channels:
            raise ValueError(
                f"plasma quantum_channels = {list(self.quantum_channels)} is not available; "
                f"give some of {list(BATH_CHANNELS)}"
            )
        if self.contact_only and self.electroweak_transition != "step":
            raise ValueError(
                f'plasma electroweak_transition = "{self.electroweak_transition}" needs a broken '
                "phase, which contact_only leaves out; remove one of them"
            )
        if self.inverse_decays and self.method != "momentum":
            raise ValueError(
                f'plasma inverse_decays = true needs method = "momentum", not "{self.method}": '
                "what N gives back depends on its momenta; change one of them"
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

    @property
    def quantum(self) -> tuple[str, ...]:
        """Channels with quantum statistics."""
        return self.quantum_channels if self.bath_statistics == "quantum" else ()

    @property
    def stimulated(self) -> bool:
        """Whether S has its own factors 1 + f."""
        return set(self.quantum) == set(BATH_CHANNELS) and self.method == "momentum"
