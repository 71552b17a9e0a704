"""The compiled side of a scan: many points of one grid in one program. Imported by workers."""

import dataclasses
import functools
import json
import math
from types import SimpleNamespace
from typing import NamedTuple

import equinox as eqx
import jax
import numpy as np

from spectra.cosmology import Cosmology
from spectra.linear import Drive
from spectra.linear import drive as drive_of
from spectra.programs import program
from spectra.structure import (
    PowerTable,
    PublishedBounds,
    References,
    power_table,
    published_bounds,
    reference_masses,
    reference_relics,
    verdicts,
)
from sterile import bounds, session
from sterile import config as configuration
from sterile.contract import Choices
from sterile.many import padded, solve_together
from sterile.mechanisms import mechanism_of
from sterile.models import Model, Plasma, parameters_of
from sterile.pipeline import evaluate, measured_of
from sterile.quantities import point_scalars

# m_N [keV] where a scan fills it in
_TYPICAL_MASS_KEV = 7.1


class Setup(NamedTuple):
    """What all points share; ``references`` and ``bounds`` only when verdicts are wanted."""

    model: Model
    cosmology: Cosmology
    plasma: Plasma
    mass_kev: float | None
    omega_h2: float
    drive: Drive
    power: PowerTable
    references: References | None
    bounds: PublishedBounds | None


@functools.lru_cache(maxsize=4)
def prepare(content: str, with_verdicts: bool) -> Setup:
    """The shared part of a configuration, given as JSON with NaN for what is scanned."""
    session.start("many")
    sections = json.loads(content)
    stated = parameters_of(configuration.mechanism_in(sections).model)
    for section in sections.values():
        for name, value in section.items():
            if isinstance(value, float) and math.isnan(value):
                section[name] = stated[name].typical if name in stated else _TYPICAL_MASS_KEV
    config = configuration.check(sections)
    cosmology = configuration.cosmology_of(config)
    drive, power = drive_of(cosmology), power_table(cosmology)
    references = published = None
    if with_verdicts:
        kind = config.verdicts.references
        references = reference_relics(reference_masses(), cosmology, drive, power, kind)
        published = published_bounds(config.verdicts.bounds, cosmology)
    return Setup(
        model=configuration.model_of(config),
        cosmology=cosmology,
        plasma=configuration.plasma_of(config),
        mass_kev=config.dark_matter.mass_kev,
        omega_h2=configuration.target_omega_h2(config),
        drive=drive,
        power=power,
        references=references,
        bounds=published,
    )


def grids_of(setup: Setup, values: dict[str, np.ndarray]) -> Choices:
    """Grids that points need, and the index of each point's, (n,); out-of-range points too."""
    parameters = vars(setup.model) | values
    return mechanism_of(setup.model).prepare(SimpleNamespace(**parameters), setup.plasma)


def shapes(setup: Setup, values: dict):
    """(path → shape of one point's array, verdict's name → its source), without computing."""
    row = {name: column[0] for name, column in values.items()}
    grid = grids_of(setup, {name: column[:1] for name, column in values.items()})[0][0]

    def one(setup, row):
        model, mass = _model_of(setup, row)
        point = evaluate(
            model,
            setup.cosmology,
            setup.plasma,
            mass_kev=mass,
            omega_h2=setup.omega_h2,
            drive=setup.drive,
            grid=grid,
            power=setup.power,
            hierarchies="never",
        )
        return _tabulated(setup, model, point), _judged(setup, model, point)

    table, found = eqx.filter_eval_shape(one, setup, row)
    sources = {name: verdict.source for name, verdict in found.items()}
    return {path: leaf.shape for path, leaf in table.items()}, sources


def solve(setup: Setup, values: dict, size: int, tight: bool = False) -> dict:
    """All arrays of n points that need one grid: path → (n, ...) on the host.

    ``size``: points of the programs that do it, at least n. ``tight``: on a finer grid.
    """
    grid = grids_of(setup, {name: column[:1] for name, column in values.items()})[0][0]
    grid = mechanism_of(setup.model).robust(grid) if tight else grid
    count = len(next(iter(values.values())))
    models, masses = _model_of(setup, values)
    models = jax.tree.map(lambda leaf: np.broadcast_to(leaf, count), models)
    if masses is not None:
        masses = np.broadcast_to(masses, count)
    points = solve_together(
        models,
        grid,
        setup.cosmology,
        setup.plasma,
        masses,
        setup.omega_h2,
        setup.drive,
        setup.power,
        "where needed",
        size,
    )
    found = _tables(setup, *padded((models, points), size))
    return {path: np.asarray(leaf)[:count] for path, leaf in found.items()}


def _model_of(setup: Setup, values: dict) -> tuple:
    """The models of scanned values, and their masses [keV] where they are not their own."""
    own = {name: value for name, value in values.items() if name in vars(setup.model)}
    model = dataclasses.replace(setup.model, **own)
    # a mass of the model's own is among its parameters
    mass = None if hasattr(model, "mass_kev") else values.get("mass_kev", setup.mass_kev)
    return model, mass


@program
def _tables(setup, models, points) -> dict:
    return jax.vmap(lambda model, point: _tabulated(setup, model, point))(models, points)


def _tabulated(setup, model, point) -> dict:
    """What is kept of one point, whatever is wanted of it: path → array."""
    table = {f"points/{name}": value for name, value in scalars_of(point).items()}
    table |= {
        "points/status": point.status,
        "transfer/t2": point.transfer.t2,
        "spectra/q": point.spectrum.q,
        "spectra/f": point.spectrum.f,
    }
    for name, verdict in _judged(setup, model, point).items():
        table[f"verdicts/{name}/status"] = verdict.status_code
        for part in ("value", "threshold", "margin"):
            table[f"verdicts/{name}/{part}"] = getattr(verdict, part)
    return table


def _judged(setup, model, point) -> dict:
    """Verdicts on one point by name, where they are wanted."""
    if setup.bounds is None:
        return {}
    return verdicts_of(setup, point) | bounds.verdicts(
        model, point, setup.cosmology, plasma=setup.plasma
    )


def verdicts_of(setup: Setup, point) -> dict:
    """The tests of structure on one Point: name → Verdict; of a setup with verdicts."""
    assert setup.bounds is not None
    return verdicts(
        point.spectrum,
        point.transfer,
        setup.cosmology,
        references=setup.references,
        power=setup.power,
        measured=measured_of(vars(point)),
        bounds=setup.bounds,
    )


def scalars_of(point) -> dict:
    """The scalars of one Point by JSON key."""
    special = {"temperature_ratio": point.spectrum.temperature_ratio}
    return {
        name: special[name] if name in special else getattr(point, name)
        for name in point_scalars(point.numbers)
    }
