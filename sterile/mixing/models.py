"""Parameters of production by mixing."""

from typing import Any, ClassVar

import jax.numpy as jnp
import numpy as np
from jax import Array

from sterile.mixing import tables
from sterile.mixing.opacities import OPACITIES, RATE_KINDS
from sterile.mixing.potentials import FLAVOURS
from sterile.models import Model, file_name, parameter, parameters_of, switch
from sterile.scalar import ScalarDecay

# what one flavour's parameter says; three numbers (e, mu, tau) or a table may stand in its place
_ASYMMETRY = "lepton asymmetry n_L/T^3 of the flavour at T = 10 GeV"
_ASYMMETRIES = (-0.1, 0.1)
_BEYOND_LINEAR = "beyond it the expansion of chemical equilibrium in mu/T fails"
_RATES = "rates of active neutrinos, CSV temperature_mev,q,gamma_over_gf2_t5, of rate_kind"
_KIND = "what Gamma is: total width, or loss alone, smaller by 1 + e^-q"
_GSTAR = "degrees of freedom: T [MeV], g_rho, g_s"
_OPACITIES = "built-in rates: published values, or from first principles (docs/opacities.md)"
_REDISTRIBUTION = (
    "dmu_X/dL [T^-2] of the flavour: T [MeV], X = e, mu, tau, nu_e, nu_mu, nu_tau, Q, B"
)

# the first of a switch is the default
_FLAVOUR = ("flavour of active neutrino that mixes", "mu", "e", "tau")


def _mass() -> Any:
    return parameter("keV", "mass of N", 1.0, 100.0, 7.1, symbol=r"$m_N$ [keV]")


def _mixing() -> Any:
    return parameter(
        "1",
        "mixing sin^2(2 theta)",
        1e-16,
        1e-3,
        1e-10,
        fix="beyond it N comes to equilibrium or is never made",
        symbol=r"$\sin^2 2\theta$",
    )


def _rate_scale(what: str, symbol: str) -> Any:
    return parameter(
        "1",
        f"factor of the rates of active neutrinos with {what}",
        0.1,
        10.0,
        1.0,
        fix="1 is as computed; the band is in docs/opacities.md",
        symbol=symbol,
        optional=True,
    )


def _other_asymmetry(flavour: str, symbol: str) -> Any:
    return parameter(
        "1",
        f"lepton asymmetry of {flavour} where another flavour mixes, beside lepton_asymmetry",
        *_ASYMMETRIES,
        typical=1e-3,
        fix=_BEYOND_LINEAR,
        symbol=symbol,
        optional=True,
    )


def _hadronic_scale() -> Any:
    return _rate_scale("hadrons and quarks", r"$s_{\rm had}$")


def _leptonic_scale() -> Any:
    return _rate_scale("leptons", r"$s_{\rm lep}$")


def has_scales(model) -> bool:
    """Whether the model has factors of its rates; for traced ones too."""
    return model.rate_scale_hadronic is not None or model.rate_scale_leptonic is not None


def _check_rates(model) -> None:
    """Raise if choices of rates contradict each other."""
    if model.rates_table is not None and model.opacities != OPACITIES[0]:
        raise ValueError(
            f"model opacities = {model.opacities!r} must not stand beside rates_table, which takes "
            "its place; remove one of them"
        )
    for name in ("rate_scale_hadronic", "rate_scale_leptonic"):
        if getattr(model, name) is not None and model.opacities != "first-principles":
            raise ValueError(
                f'model {name} = {getattr(model, name)} must have opacities = "first-principles": '
                "no other rates are known by their parts; set it, or leave the factor out"
            )


class DodelsonWidrow(Model):
    """Sterile neutrinos that mix with active ones, made as these scatter (Dodelson-Widrow)."""

    kind: ClassVar[str] = "dodelson-widrow"
    mass_kev: Array = _mass()
    sin2_2theta: Array = _mixing()
    flavour: str = switch(*_FLAVOUR)
    rate_kind: str = switch(_KIND, *RATE_KINDS)
    rates_table: tables.Table | None = file_name(_RATES, tables.read_rates)
    gstar_table: tables.Table | None = file_name(_GSTAR, tables.read_gstar)
    opacities: str = switch(_OPACITIES, *OPACITIES)
    rate_scale_hadronic: Array | None = _hadronic_scale()
    rate_scale_leptonic: Array | None = _leptonic_scale()

    def __check_init__(self):
        _check_rates(self)


def as_asymmetry(value: Any) -> Array:
    """A number; or a table of flavours, or three numbers, as (3,) for e, mu, tau.

    Raises ``ValueError`` if a flavour is unknown.
    """
    if not isinstance(value, dict):
        return jnp.asarray(value, dtype=float)
    unknown = [name for name in value if name not in FLAVOURS]
    if unknown or not value:
        raise ValueError(
            f"model lepton_asymmetry = {value!r} must name flavours; give some of "
            f"{', '.join(FLAVOURS)}"
        )
    return jnp.stack([jnp.asarray(value.get(name, 0.0), dtype=float) for name in FLAVOURS])


class ShiFuller(Model):
    """Sterile neutrinos from mixing in a plasma with a lepton asymmetry, resonant (Shi-Fuller).

    ``lepton_asymmetry`` is n_L/T^3 of the flavour that mixes, at T = 10 GeV; those of the others
    are zero, or ``lepton_asymmetry_e`` and so on, which may be scanned and fitted. Or it is three
    numbers (3,) of e, mu and tau, or a table of flavours.
    """

    kind: ClassVar[str] = "shi-fuller"
    mass_kev: Array = _mass()
    sin2_2theta: Array = _mixing()
    lepton_asymmetry: Array = parameter(
        "1",
        _ASYMMETRY,
        *_ASYMMETRIES,
        typical=1e-3,
        fix=_BEYOND_LINEAR,
        symbol=r"$L$",
        by=FLAVOURS,
        converter=as_asymmetry,
    )
    flavour: str = switch(*_FLAVOUR)
    rate_kind: str = switch(_KIND, *RATE_KINDS)
    rates_table: tables.Table | None = file_name(_RATES, tables.read_rates)
    gstar_table: tables.Table | None = file_name(_GSTAR, tables.read_gstar)
    redistribution_table: tables.Table | None = file_name(
        _REDISTRIBUTION, tables.read_redistribution
    )
    opacities: str = switch(_OPACITIES, *OPACITIES)
    rate_scale_hadronic: Array | None = _hadronic_scale()
    rate_scale_leptonic: Array | None = _leptonic_scale()
    lepton_asymmetry_e: Array | None = _other_asymmetry("e", r"$L_e$")
    lepton_asymmetry_mu: Array | None = _other_asymmetry("mu", r"$L_\mu$")
    lepton_asymmetry_tau: Array | None = _other_asymmetry("tau", r"$L_\tau$")

    def __check_init__(self):
        _check_rates(self)
        _check_asymmetries(self)

    def asymmetries(self) -> Array:
        """n_L/T^3 of e, mu and tau, (3,)."""
        if self.lepton_asymmetry.ndim == 1:
            return self.lepton_asymmetry
        others = _others(self)
        return jnp.stack(
            [
                self.lepton_asymmetry if name == self.flavour else others.get(name, jnp.zeros(()))
                for name in FLAVOURS
            ]
        )


def _others(model: ShiFuller) -> dict[str, Array]:
    """Asymmetries of flavours that are stated beside ``lepton_asymmetry``."""
    values = {name: getattr(model, f"lepton_asymmetry_{name}") for name in FLAVOURS}
    return {name: value for name, value in values.items() if value is not None}


def _check_asymmetries(model: ShiFuller) -> None:
    """Raise if a flavour's asymmetry is stated twice."""
    others = _others(model)
    if model.flavour in others:
        raise ValueError(
            f"model lepton_asymmetry_{model.flavour} is of the flavour that mixes, whose asymmetry "
            "is lepton_asymmetry; give it there, or mix another flavour"
        )
    # three numbers of one model are flavours
    single = [model.mass_kev, model.sin2_2theta, *others.values()]
    if others and model.lepton_asymmetry.ndim == 1 and all(np.ndim(one) == 0 for one in single):
        raise ValueError(
            f"model lepton_asymmetry_{next(iter(others))} must not stand beside a lepton_asymmetry "
            "of all flavours; give lepton_asymmetry as one number, of the flavour that mixes"
        )


def _of_scalar(name: str) -> Any:
    """The parameter of :class:`sterile.ScalarDecay` of that name."""
    stated = parameters_of(ScalarDecay)[name]
    return parameter(
        stated.unit,
        stated.description,
        stated.low,
        stated.high,
        stated.typical,
        fix=stated.fix,
        symbol=stated.symbol,
    )


class ScalarDecayMixing(Model):
    """Sterile neutrinos from scalar decay, S → NN, that mix with active ones: made twice.

    1512.05369. N is a Majorana particle, and S does not mix with the Higgs boson.
    """

    kind: ClassVar[str] = "scalar-decay+mixing"
    scalar_mass_gev: Array = _of_scalar("scalar_mass_gev")
    portal_coupling: Array = _of_scalar("portal_coupling")
    yukawa: Array = _of_scalar("yukawa")
    mass_kev: Array = _mass()
    sin2_2theta: Array = _mixing()
    flavour: str = switch(*_FLAVOUR)
    rate_kind: str = switch(_KIND, *RATE_KINDS)
    rates_table: tables.Table | None = file_name(_RATES, tables.read_rates)
    gstar_table: tables.Table | None = file_name(_GSTAR, tables.read_gstar)
    opacities: str = switch(_OPACITIES, *OPACITIES)
    rate_scale_hadronic: Array | None = _hadronic_scale()
    rate_scale_leptonic: Array | None = _leptonic_scale()

    def __check_init__(self):
        _check_rates(self)

    def scalar(self) -> ScalarDecay:
        """The scalar's own parameters."""
        return ScalarDecay(self.scalar_mass_gev, self.portal_coupling, self.yukawa)

    def mixing(self) -> DodelsonWidrow:
        """Those of mixing."""
        return DodelsonWidrow(
            self.mass_kev,
            self.sin2_2theta,
            self.flavour,
            self.rate_kind,
            self.rates_table,
            self.gstar_table,
            self.opacities,
            self.rate_scale_hadronic,
            self.rate_scale_leptonic,
        )
