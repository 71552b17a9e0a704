"""The sets of options of the stress test: what is drawn, and the model and plasma made of it."""

import contextlib
import dataclasses
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

import sterile

# the plane that the README promises
PLANE = {
    "scalar_mass_gev": (5.0, 1e4),
    "portal_coupling": (1e-12, 1e-2),
    "yukawa": (1e-12, 1e-5),
}
_COUPLINGS = {name: PLANE[name] for name in ("portal_coupling", "yukawa")}
MASS_KEV = (1e-3, 1e6)
MIXING = {"mass_kev": (1.0, 100.0), "sin2_2theta": (1e-16, 1e-3)}
Make = Callable[[dict[str, Any]], tuple[sterile.Model, sterile.Plasma]]


@dataclasses.dataclass(frozen=True)
class Set:
    """Points that share static options.

    Attributes
    ----------
    share : of all points, relative.
    ranges : parameter → range it is drawn from, evenly in the logarithm.
    make : parameters, each a number or (n,) → the model and the plasma.
    states : helicity states where Pauli's principle is in the equations, F <= states; else 0.
    together : whether points are solved in batches.
    blocked : whether N N -> S is included: number is then conserved to 1 %.
    refinable : whether the mechanism estimates its error and has finer grids.
    """

    share: float
    ranges: Mapping[str, tuple[float, float]]
    make: Make
    states: int = 0
    together: bool = True
    blocked: bool = False
    refinable: bool = True

    @contextlib.contextmanager
    def files(self, folder: Path) -> Iterator[None]:
        """Where files of the set are found by their name."""
        before = Path.cwd()
        os.chdir(folder)
        try:
            yield
        finally:
            os.chdir(before)


def _scalar(plasma: dict[str, Any], **options: Any) -> Make:
    medium = sterile.Plasma(**plasma)
    return lambda values: (sterile.ScalarDecay(**values, **options), medium)


def _of(model: Any, **options: Any) -> Make:
    return lambda values: (model(**values, **options), sterile.Plasma())


def _reheated(scalar_mass_gev: float, reheating_temperature_gev: float) -> Make:
    plasma = sterile.Plasma(reheating_temperature_gev=reheating_temperature_gev)

    def make(values):
        mass = np.broadcast_to(scalar_mass_gev, np.shape(values["yukawa"]))
        return sterile.ScalarDecay(scalar_mass_gev=mass, **values), plasma

    return make


def _parent(origin: str, spin: str) -> Make:
    def make(values):
        values = dict(values)
        parent = values["parent_mass_gev"]
        # m_N below 0.1 m_P, the partner below 0.8 m_P
        values["mass_kev"] = np.minimum(values["mass_kev"], 1e5 * parent)
        if origin in ("at-rest", "thermal"):
            # it has to be there at T = 100 m_P; H is a factor of a few above T^2/10^18 GeV
            values["width_gev"] = np.minimum(values["width_gev"], 1e-13 * parent**2)
        if "partner" in values:
            values["partner_mass_gev"] = values.pop("partner") * parent
        if "bath" in values:
            values["bath_mass_gev"] = np.minimum(values.pop("bath") * parent, 1e7)
            values["bath_partner_mass_gev"] = 0.5 * values["bath_mass_gev"]
        return sterile.ParentDecay(origin=origin, spin=spin, **values), sterile.Plasma()

    return make


def _released(values):
    values = dict(values)
    parent = values["parent_mass_gev"]
    values["mass_kev"] = np.minimum(values["mass_kev"], 1e5 * parent)
    values["parent_width_gev"] = np.minimum(values["parent_width_gev"], 0.1 * parent)
    return sterile.DilutedFreezeOut(**values), sterile.Plasma()


_DARK = ("mediator_states", "coupling", "mediator_mass_gev", "interaction_temperature_gev")


def _thermalised(process: str) -> Make:
    def make(values):
        values = dict(values)
        # there at T = 100 m_P, as above
        values["width_gev"] = np.minimum(
            values["width_gev"], 1e-13 * values["parent_mass_gev"] ** 2
        )
        own = {name: values.pop(name) for name in _DARK if name in values}
        start = sterile.ParentDecay(**values)
        return sterile.LateThermalisation(start, process=process, **own), sterile.Plasma()

    return make


def _sum(values):
    names = ("scalar_mass_gev", "portal_coupling", "yukawa")
    scalar = sterile.ScalarDecay(**{name: values[name] for name in names})
    mass = values["mass_kev"]
    thermal = sterile.DilutedFreezeOut(
        mass_kev=mass,
        decoupling_temperature_gev=values["decoupling_temperature_gev"],
        dilution=values["dilution"],
    )
    mixing = sterile.DodelsonWidrow(mass_kev=mass, sin2_2theta=values["sin2_2theta"])
    return sterile.Sum(scalar, thermal, mixing), sterile.Plasma()


def _species(values):
    first = sterile.ThermalRelic(
        mass_kev=values["first_mass_kev"], temperature_ratio=values["first_ratio"]
    )
    second = sterile.ThermalRelic(
        mass_kev=values["second_mass_kev"], temperature_ratio=values["second_ratio"]
    )
    return sterile.Sum(first, second), sterile.Plasma()


_SHAPES = {
    "thermal": lambda q: 1.0 / (np.exp(q) + 1.0),
    "decay": lambda q: q**-0.5 * np.exp(-q),
    "two-bumps": lambda q: np.exp(-0.5 * ((q - 0.5) / 0.1) ** 2) + np.exp(-q),
}


def _file(shape: str) -> Make:
    def make(values):
        path = Path(f"{shape}.dat")
        if not path.exists():
            q = np.geomspace(1e-3, 60.0, 400)
            temporary = path.with_name(f".{os.getpid()}-{path.name}")
            np.savetxt(temporary, np.stack([q, 1e-2 * _SHAPES[shape](q)], axis=1))
            os.replace(temporary, path)
        return sterile.SpectrumFile(file=str(path), **values), sterile.Plasma()

    return make


_AT_REST = {
    "mass_kev": MASS_KEV,
    "parent_mass_gev": (1e-2, 1e5),
    "width_gev": (1e-26, 1e-8),
}
_MANY_EFFECTS = {
    "bath_statistics": "quantum",
    "electroweak_transition": "crossover",
    "higgs_width": "running",
    "elastic_scattering": True,
}

SETS: dict[str, Set] = {
    "paper": Set(30, PLANE, _scalar({})),
    # a batch of these compiles for minutes and is no faster than its points one by one
    "many-effects": Set(8, PLANE, _scalar(_MANY_EFFECTS), together=False),
    "quantum-step": Set(5, PLANE, _scalar({"bath_statistics": "quantum"}), together=False),
    "elastic": Set(4, PLANE, _scalar({"elastic_scattering": True}), together=False),
    "best": Set(
        0.5,
        PLANE,
        _scalar({**_MANY_EFFECTS, "inverse_decays": True}),
        states=2,
        together=False,
        blocked=True,
    ),
    "inverse-decays": Set(
        0.5, PLANE, _scalar({"inverse_decays": True}), states=2, together=False, blocked=True
    ),
    "moments": Set(3, PLANE, _scalar({"method": "moments", **_MANY_EFFECTS}), together=False),
    "number-density": Set(3, PLANE, _scalar({"method": "number-density"}), together=False),
    "contact": Set(2, PLANE, _scalar({"contact_only": True, "constant_g": 106.75}), together=False),
    "dirac-with-vev": Set(
        3,
        {**PLANE, "scalar_vev_gev": (1e-6, 1e12)},
        _scalar({"dark_sector_in_hubble": False}, neutrino="dirac"),
        together=False,
    ),
    "kination": Set(
        3,
        PLANE,
        _scalar({"fluid_w": 1.0, "fluid_density_ratio": 1.0, "fluid_temperature_gev": 0.1}),
        together=False,
    ),
    "reheating-23-gev": Set(0.5, _COUPLINGS, _reheated(100.0, 23.0), together=False),
    "reheating-10-mev": Set(0.5, _COUPLINGS, _reheated(30.0, 1e-2), together=False),
    "dodelson-widrow": Set(5, MIXING, _of(sterile.DodelsonWidrow), states=2),
    "dodelson-widrow-tau": Set(
        1, MIXING, _of(sterile.DodelsonWidrow, flavour="tau", rate_kind="loss"), states=2
    ),
    "shi-fuller": Set(
        2, {**MIXING, "lepton_asymmetry": (1e-8, 1e-1)}, _of(sterile.ShiFuller), states=2
    ),
    "scalar-and-mixing": Set(
        3, {**PLANE, **MIXING}, _of(sterile.ScalarDecayMixing), together=False
    ),
    "parent-at-rest": Set(
        3,
        {**_AT_REST, "parent_yield": (1e-20, 1e-1)},
        _parent("at-rest", "majorana-fermion"),
    ),
    "parent-thermal": Set(
        2,
        {**_AT_REST, "parent_temperature_ratio": (1e-2, 1.0), "partner": (1e-3, 0.8)},
        _parent("thermal", "vector"),
    ),
    "parent-bath-decay": Set(
        2,
        {**_AT_REST, "bath": (2.1, 190.0), "bath_width_gev": (1e-30, 1e-10)},
        _parent("bath-decay", "scalar"),
    ),
    "parent-pairs": Set(
        2, {**_AT_REST, "pair_amplitude": (1e-24, 1e-2)}, _parent("pairs", "dirac-fermion")
    ),
    "thermal-relic": Set(
        4,
        {"mass_kev": MASS_KEV, "temperature_ratio": (1e-4, 1.0)},
        _of(sterile.ThermalRelic),
        states=2,
        refinable=False,
    ),
    "diluted": Set(
        3,
        {
            "mass_kev": MASS_KEV,
            "decoupling_temperature_gev": (2e-3, 1e8),
            "dilution": (1.0, 1e12),
        },
        _of(sterile.DilutedFreezeOut),
        states=2,
        refinable=False,
    ),
    "diluted-by-decay": Set(
        3,
        {
            "mass_kev": MASS_KEV,
            "decoupling_temperature_gev": (2e-3, 1e8),
            "parent_mass_gev": (1e-2, 1e15),
            "parent_width_gev": (4.5e-25, 1e6),
            "parent_yield": (1e-20, 1.0),
            "branching": (1e-12, 1.0),
        },
        _released,
        refinable=False,
    ),
    "thermalised-number": Set(
        1.5,
        {
            "parent_mass_gev": (1.0, 1e4),
            "mass_kev": (1e-3, 1e4),
            "width_gev": (1e-22, 1e-12),
            "parent_yield": (1e-12, 1e-2),
            "mediator_states": (0.1, 10.0),
        },
        _thermalised("number-changing"),
        states=2,
        together=False,
        refinable=False,
    ),
    "thermalised-self": Set(
        1.5,
        {
            "parent_mass_gev": (1.0, 1e4),
            "mass_kev": (1e-3, 1e4),
            "width_gev": (1e-22, 1e-12),
            "parent_yield": (1e-12, 1e-2),
            "coupling": (1e-12, 3.0),
            "mediator_mass_gev": (1e-9, 1e3),
            "interaction_temperature_gev": (1e-6, 1e6),
        },
        _thermalised("self-interaction"),
        together=False,
        refinable=False,
    ),
    "sum": Set(
        2,
        {
            **PLANE,
            **MIXING,
            "decoupling_temperature_gev": (2e-3, 1e8),
            "dilution": (1.0, 1e6),
        },
        _sum,
        together=False,
        refinable=False,
    ),
    "two-species": Set(
        2,
        {
            "first_mass_kev": MASS_KEV,
            "first_ratio": (1e-4, 1.0),
            "second_mass_kev": MASS_KEV,
            "second_ratio": (1e-4, 1.0),
        },
        _species,
        together=False,
        refinable=False,
    ),
    **{
        f"file-{shape}": Set(
            1,
            {"mass_kev": (1e-3, 1e9), "temperature_ratio": (1e-3, 1.0)},
            _file(shape),
            together=False,
            refinable=False,
        )
        for shape in _SHAPES
    },
}
