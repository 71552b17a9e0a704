"""Parameters of models and of the plasma they live in: no physics here."""

import functools
import math
import operator
import os
from collections.abc import Callable, Hashable
from typing import Any, ClassVar, NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax import Array

from spectra.constants import CMB_TEMPERATURE_GEV
from spectra.cosmology import as_float
from spectra.tracing import is_traced
from spectra.units import plain, plain_numbers


class Parameter(NamedTuple):
    """A number that a model takes.

    Attributes
    ----------
    unit : "1" is dimensionless.
    description : what it is, in a few words.
    low, high : its allowed range.
    typical : a value that makes sense, for examples and where a scan or a fit fills it in.
    fix : what to do when it is out of range.
    symbol : TeX.
    optional : whether it may be left out.
    by : names of the numbers of a table that may stand in its place, such as flavours.
    """

    unit: str
    description: str
    low: float
    high: float
    typical: float
    fix: str
    symbol: str = ""
    optional: bool = False
    by: tuple[str, ...] = ()


class Switch(NamedTuple):
    """A choice that a model takes: what it is, and the allowed words, the first the default."""

    description: str
    choices: tuple[str, ...]


class File(NamedTuple):
    """A file of the user that a model takes: what it holds, and whether it may be left out."""

    description: str
    optional: bool


def as_float_or_none(value: Any, unit: str = "") -> Array | None:
    """``value`` as a float64 array, None as it is; a quantity of astropy's in ``unit``."""
    return None if value is None else as_float(value, unit)


def _in_unit(value: Any, unit: str, converter: Callable[[Any], Array]) -> Array:
    return converter(plain(value, unit))


@plain_numbers
def parameter(
    unit: str,
    description: str,
    low: float,
    high: float,
    typical: float,
    *,
    fix: str | None = None,
    symbol: str = "",
    optional: bool = False,
    by: tuple[str, ...] = (),
    converter: Callable[[Any], Array] = as_float,
) -> Any:
    """A field of a :class:`Model` that holds a number.

    Parameters
    ----------
    unit : "1" is dimensionless.
    description : what it is, in a few words.
    low, high : its allowed range.
    typical : a value that makes sense, for examples and where a scan or a fit fills it in.
    fix : what to do when it is out of range; made from the description when left out.
    symbol : TeX.
    optional : whether it may be left out.
    by : names of the numbers of a table that may stand in its place, such as flavours.
    converter : what makes an array of what is given, where that may be such a table.
    """
    fix = fix or f"give the {description}" + ("" if unit == "1" else f" in {unit}")
    stated = Parameter(unit, description, low, high, typical, fix, symbol, optional, by)
    given_in = "" if unit == "1" else unit
    converter = functools.partial(_in_unit, unit=given_in, converter=converter)
    if optional:
        either = functools.partial(as_float_or_none, unit=given_in)
        return eqx.field(converter=either, default=None, metadata={"parameter": stated})
    return eqx.field(converter=converter, metadata={"parameter": stated})


def switch(description: str, *choices: str) -> Any:
    """A static field of a :class:`Model` that holds one of ``choices``, the first by default.

    ``description``: what is chosen, in a few words.
    """
    stated = Switch(description, choices)
    return eqx.field(static=True, default=choices[0], metadata={"switch": stated})


def file_name(description: str, read: Callable[[Any], Hashable] | None = None) -> Any:
    """A static field of a :class:`Model` for a file of the user; see :func:`files_of`.

    Without ``read`` it holds the file's name, which has to be given. With it, it holds what
    ``read`` makes of that file, or None when none is given: compared and hashed by its content;
    ``read`` raises ``ValueError`` naming the file.
    """
    if read is None:
        stated = File(description, optional=False)
        return eqx.field(static=True, converter=str, metadata={"file": stated})

    def converter(given):
        return read(given) if isinstance(given, str | os.PathLike) else given

    stated = File(description, optional=True)
    return eqx.field(static=True, default=None, converter=converter, metadata={"file": stated})


class Model(eqx.Module):
    """Parameters of one way to make sterile neutrinos: a frozen pytree.

    A subclass names its ``kind`` and has fields made by :func:`parameter` and :func:`switch`. Every
    number is a float scalar, or an array of one shape for use under ``vmap``. For an example that
    runs it may name optional parameters that have to be ``shown``, and lines of nested ``tables``.

    Raises
    ------
    ValueError
        If a concrete value is outside its range, or is not a number, or a choice is not available.
    """

    kind: ClassVar[str]
    shown: ClassVar[tuple[str, ...]] = ()
    tables: ClassVar[tuple[str, ...]] = ()

    def __check_init__(self):
        for name, stated in switches_of(type(self)).items():
            _require_choice("model", name, getattr(self, name), stated.choices)
        for name, stated in parameters_of(type(self)).items():
            value = getattr(self, name)
            if value is not None:
                _require_range("model", name, value, stated.low, stated.high, stated.fix)


def parameters_of(model: type[Model]) -> dict[str, Parameter]:
    """The numbers that a model takes, by name, in order."""
    return _stated(model, "parameter")


def switches_of(model: type[Model]) -> dict[str, Switch]:
    """The choices that a model takes, by name, in order."""
    return _stated(model, "switch")


def files_of(model: type[Model]) -> dict[str, File]:
    """The files that a model takes, by name, in order."""
    return _stated(model, "file")


def _stated(model: type[Model], what: str) -> dict[str, Any]:
    fields = model.__dataclass_fields__.values()
    return {field.name: field.metadata[what] for field in fields if what in field.metadata}


def in_range(model: Model) -> Array:
    """Whether every parameter of ``model`` is inside its range; for traced values, boolean."""
    slack = 1e-12  # rounding of a value typed at an edge, or of exp(log(x))
    inside = [
        (getattr(model, name) >= stated.low * (1.0 - slack))
        & (getattr(model, name) <= stated.high * (1.0 + slack))
        for name, stated in parameters_of(type(model)).items()
        if getattr(model, name) is not None
    ]
    return functools.reduce(operator.and_, [jnp.all(one) for one in inside])


def _require_range(owner: str, name: str, value, low: float, high: float, fix: str) -> None:
    """Raise if a concrete value leaves [low, high]; traced values are checked by status codes."""
    if is_traced(value):
        return
    flat = np.asarray(value, dtype=float).ravel()
    # negated so that NaN fails
    bad = flat[~((flat >= low * (1.0 - 1e-12)) & (flat <= high * (1.0 + 1e-12)))]
    if bad.size:
        raise ValueError(
            f"{owner} {name} = {bad[0]:g} is outside the allowed range [{low:g}, {high:g}]; {fix}"
        )


# spin states of N and, where it is another particle, of its antiparticle
HELICITY_STATES = {"majorana": 2, "dirac": 4}

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


_gev_or_none = functools.partial(as_float_or_none, unit="GeV")


class Plasma(eqx.Module):
    """How the bath is treated; the defaults are the published treatment (1502.01011, 1609.01289).

    Attributes
    ----------
    bath_statistics : "maxwell-boltzmann" or "quantum" (:mod:`sterile.scalar.quantum_statistics`).
    quantum_channels : those with quantum statistics if ``bath_statistics = "quantum"``: of
        "contact" (S S <-> doublet above T_EW), "h" (h <-> S S), "hh", "vectors", "fermions".
        S has its own factors 1 + f when it is all of them, the default, and f_S is solved for
        momentum by momentum.
    electroweak_transition : "step" at T_EW, or "crossover"
        (:mod:`sterile.bath.electroweak_crossover`).
    higgs_width : "tree": constant quark masses, W and Z of no width; or "running"
        (:mod:`sterile.scalar.higgs_width`).
    elastic_scattering : whether S scatters off the bath (:mod:`sterile.scalar.elastic_scattering`).
    method : "momentum", the whole distribution; "moments", its number and temperature; or
        "number-density", its number alone, in kinetic equilibrium (:mod:`sterile.scalar.moments`).
    electroweak_temperature_gev : temperature T_EW of the electroweak step [GeV], 100 to 200.
    dark_sector_in_hubble : whether S and N gravitate (rho_S and rho_N in H).
    contact_only : the unbroken phase at every temperature, no electroweak step.
    constant_g : g_rho = g_s at every temperature in place of the Standard Model's, or None.
    inverse_decays : whether N N -> S and Pauli blocking are included, see
        :mod:`sterile.scalar.inverse_decay`.
    fluid_w : equation of state of an extra fluid, -0.5 to 2: 1 is kination, 0 matter.
    fluid_density_ratio : rho_x/rho_SM of it at ``fluid_temperature_gev`` [GeV]; 0 is none.
    fluid_width_gev : Gamma [GeV] with which it decays to the bath from that temperature on, or
        None: it does not.
    reheating_temperature_gev : T_RH [GeV], from 1 MeV, at the end of an early era of decaying
        matter, in place of a fluid; see :mod:`sterile.bath.expansion`.
    release : the solved history of what decays; not given by hand.

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
    electroweak_temperature_gev: Array = eqx.field(
        default=160.0, converter=functools.partial(as_float, unit="GeV")
    )
    method: str = eqx.field(static=True, default="momentum")
    dark_sector_in_hubble: bool = eqx.field(static=True, default=True)
    contact_only: bool = eqx.field(static=True, default=False)
    constant_g: float | None = eqx.field(static=True, default=None)
    inverse_decays: bool = eqx.field(static=True, default=False)
    fluid_w: Array | None = eqx.field(default=None, converter=as_float_or_none)
    fluid_density_ratio: Array | None = eqx.field(default=None, converter=as_float_or_none)
    fluid_temperature_gev: Array | None = eqx.field(default=None, converter=_gev_or_none)
    fluid_width_gev: Array | None = eqx.field(default=None, converter=_gev_or_none)
    reheating_temperature_gev: Array | None = eqx.field(default=None, converter=_gev_or_none)
    release: Any = None

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
        _check_expansion(self)

    @property
    def quantum(self) -> tuple[str, ...]:
        """Channels with quantum statistics."""
        return self.quantum_channels if self.bath_statistics == "quantum" else ()

    @property
    def stimulated(self) -> bool:
        """Whether S has its own factors 1 + f."""
        return set(self.quantum) == set(BATH_CHANNELS) and self.method == "momentum"


_FLUID = {
    "fluid_w": (-0.5, 2.0, "1 is kination, 0 matter, 1/3 radiation"),
    "fluid_density_ratio": (0.0, 1e30, "give rho_x/rho_SM at fluid_temperature_gev"),
    "fluid_temperature_gev": (1e-4, 1e9, "give the temperature of fluid_density_ratio in GeV"),
}
# H of radiation at T = 1 MeV, rounded down: what decays more slowly reheats below
SMALLEST_WIDTH_GEV = 4.4e-25
_RADIATION_TODAY = 9e-5  # Omega of photons and massless neutrinos
_FLUID_TODAY = 0.05  # Omega beyond which a fluid is part of today's budget


def _check_expansion(plasma: Plasma) -> None:
    """Refuse descriptions of the expansion that contradict themselves or today's universe."""
    given = [name for name in _FLUID if getattr(plasma, name) is not None]
    reheating = plasma.reheating_temperature_gev
    if reheating is not None:
        _require_range(
            "plasma",
            "reheating_temperature_gev",
            reheating,
            1e-3,
            1e8,
            "below 1 MeV there is no nucleosynthesis",
        )
        if given or plasma.fluid_width_gev is not None:
            raise ValueError(
                "plasma reheating_temperature_gev and an extra fluid are both given, but the "
                "first is a decaying fluid; remove one of them"
            )
        return
    missing = [name for name in _FLUID if name not in given]
    if missing and (given or plasma.fluid_width_gev is not None):
        raise ValueError(
            f"plasma {missing[0]} is missing; an extra fluid needs {', '.join(_FLUID)}"
        )
    if not given:
        return
    for name, (low, high, fix) in _FLUID.items():
        _require_range("plasma", name, getattr(plasma, name), low, high, fix)
    numbers = [getattr(plasma, name) for name in _FLUID]
    if plasma.fluid_width_gev is not None:
        fix = (
            "below it the fluid reheats below 1 MeV, and there is no nucleosynthesis; leave it out "
            "for a fluid that does not decay"
        )
        low, width = SMALLEST_WIDTH_GEV, plasma.fluid_width_gev
        _require_range("plasma", "fluid_width_gev", width, low, 1e6, fix)
    elif not is_traced(numbers):
        w, ratio, temperature = map(float, numbers)
        today = _RADIATION_TODAY * ratio * (temperature / CMB_TEMPERATURE_GEV) ** (1.0 - 3.0 * w)
        if today > _FLUID_TODAY:
            raise ValueError(
                f"plasma fluid_density_ratio = {ratio:g} of w = {w:g} makes the fluid dominate "
                f"today (Omega = {today:.2g}); make it smaller, or let it decay by fluid_width_gev"
            )
