"""The pipeline as a function of named parameters: what every fit differentiates."""

import dataclasses
import difflib
from collections.abc import Iterable, Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from spectra.cosmology import Cosmology
from spectra.linear import TANGENT_FIELDS, Drive
from spectra.linear import drive as drive_of
from spectra.structure import (
    DEFAULT_SET,
    PowerTable,
    PublishedBounds,
    References,
    bounds_at,
    power_table,
    published_bounds,
    reference_masses,
    reference_relics,
    references_at,
)
from spectra.structure import verdicts as structure_verdicts
from spectra.tracing import is_traced
from spectra.units import plain_numbers
from sterile import bounds as other_bounds
from sterile.contract import Grid, Mechanism, abundance_per_kev, relic_mass_kev
from sterile.mechanisms import mechanism_of
from sterile.models import Model, Plasma, parameters_of
from sterile.names import require_name
from sterile.pipeline import Point, evaluate
from sterile.production import solve
from sterile.quantities import PRODUCTION, STRUCTURE, TARGETS

# those of the drive's derivatives, and those that enter the power spectrum in closed form
COSMOLOGY_PARAMETERS = (*TANGENT_FIELDS, "n_s", "a_s")


def fitted_parameters(entry: Mechanism) -> tuple[str, ...]:
    """Every parameter that a fit of a mechanism may vary."""
    return tuple(dict.fromkeys((*parameters_of(entry.model), *TARGETS, *COSMOLOGY_PARAMETERS)))


def production_scalars(entry: Mechanism) -> tuple[str, ...]:
    """The scalars of a point that need no transfer function."""
    return (*PRODUCTION, *entry.numbers, *TARGETS)


def scalars(entry: Mechanism) -> tuple[str, ...]:
    """The scalars of a point that may be observed."""
    return (*production_scalars(entry), *STRUCTURE)


class Pipeline(eqx.Module):
    """All that a point needs but the parameters that vary. Made by :func:`pipeline`.

    Attributes
    ----------
    model, cosmology, plasma : where what does not vary stays.
    mass_kev : m_N [keV], or None: then ``omega_h2`` fixes it.
    omega_h2 : the abundance that fixes the mass.
    drive, power, references, bounds : as for :func:`sterile.evaluate` and
        :func:`spectra.verdicts`; None where nothing that is asked for needs them.
    grid : static.
    cosmology_varies : static; relics and thresholds are then solved for in that of each point.
    """

    model: Model
    cosmology: Cosmology
    plasma: Plasma
    mass_kev: Array | None
    omega_h2: Array
    drive: Drive | None
    power: PowerTable | None
    references: References | None
    bounds: PublishedBounds | None
    grid: Grid = eqx.field(static=True)
    cosmology_varies: bool = eqx.field(static=True)

    def __call__(self, values: Mapping[str, Array], names: tuple[str, ...]) -> dict:
        """What ``names`` ask for at ``values``: numbers for scalars, Verdicts for constraints.

        ``values``: parameter → scalar; works under jit, vmap and grad. "status" is production's
        where nothing else is asked for than what production gives.
        """
        entry = mechanism_of(self.model)
        model = _model_at(self, values)
        if set(names) <= {*production_scalars(entry), "status"}:
            return self._produced(model, values, names)
        _, point, cosmology = point_at(self, values, self.grid)
        found = {name: getattr(point, name) for name in names if name in scalars(entry)}
        if "status" in names:
            found["status"] = point.status
        constraints = [name for name in names if name not in found]
        if constraints:
            report = report_on(self, model, point, cosmology)
            found |= {name: constraint_in(report, name, scalars(entry)) for name in constraints}
        return found

    def _produced(self, model, values, names):
        """Without the transfer function, which these do not need."""
        mass, abundance = self.target(values)
        model = mechanism_of(model).with_abundance(model, abundance)
        production = solve(model, self.plasma, self.grid)
        mass = getattr(model, "mass_kev", mass)
        if mass is None:
            mass = relic_mass_kev(production.yield_n, abundance)
        found = {
            **{name: getattr(production, name) for name in PRODUCTION},
            **{name: getattr(production, name) for name in mechanism_of(model).numbers},
            "status": production.status,
            "mass_kev": mass,
            "omega_h2": abundance_per_kev() * mass * production.yield_n,
        }
        return {name: found[name] for name in names}

    def target(self, values: Mapping[str, Any]) -> tuple[Array | None, Array]:
        """The mass [keV] at ``values``, or None where the abundance fixes it, and the abundance."""
        if hasattr(self.model, "mass_kev"):
            return None, self.omega_h2
        if "mass_kev" in values:
            return values["mass_kev"], self.omega_h2
        if "omega_h2" in values or self.mass_kev is None:
            return None, values.get("omega_h2", self.omega_h2)
        return self.mass_kev, self.omega_h2


def _of(values, names) -> dict:
    return {name: values[name] for name in names if name in values}


def point_at(
    prepared: Pipeline, values: Mapping[str, ArrayLike], grid: Grid | None
) -> tuple[Model, Point, Cosmology]:
    """The model, the point and the cosmology of a ``prepared`` pipeline at ``values``.

    ``values``: parameter → scalar. ``grid``: static; where it is None, values are concrete and each
    gets the grid that it needs.
    """
    model = _model_at(prepared, values)
    changed = _of(values, COSMOLOGY_PARAMETERS)
    cosmology = (
        dataclasses.replace(prepared.cosmology, **changed) if changed else prepared.cosmology
    )
    mass, abundance = prepared.target(values)
    point = evaluate(
        model,
        cosmology,
        prepared.plasma,
        mass_kev=mass,
        omega_h2=abundance,
        drive=prepared.drive,
        grid=grid,
        power=prepared.power,
    )
    return model, point, cosmology


def _model_at(prepared: Pipeline, values) -> Model:
    names = parameters_of(mechanism_of(prepared.model).model)
    return dataclasses.replace(prepared.model, **_of(values, names))


def report_on(prepared: Pipeline, model: Model, point: Point, cosmology: Cosmology) -> dict:
    """Every verdict on a ``point`` of ``model`` in ``cosmology``, name → Verdict.

    ``prepared``: has the references, and so was asked for a constraint.
    """
    relics, bounds = prepared.references, prepared.bounds
    drive, power = prepared.drive, prepared.power
    # made with whatever needs the references
    assert relics is not None and bounds is not None and power is not None
    if prepared.cosmology_varies:
        relics = references_at(relics, cosmology, drive, power)
        bounds = bounds_at(bounds, cosmology, drive, power)
    return structure_verdicts(
        point.spectrum,
        point.transfer,
        cosmology,
        references=relics,
        power=power,
        bounds=bounds,
    ) | other_bounds.verdicts(model, point, cosmology)


def constraint_in(report: dict, name: str, known: tuple[str, ...]):
    """The verdict called ``name`` of a ``report``.

    ``ValueError`` with the nearest name, of the scalars ``known`` too, if there is none.
    """
    if name not in report:
        near = difflib.get_close_matches(name, [*known, *report], n=1, cutoff=0.5)
        meant = f"did you mean '{near[0]}'?" if near else f"constraints: {', '.join(report)}"
        raise ValueError(f"'{name}' is neither a scalar of a point nor a constraint; {meant}")
    return report[name]


@plain_numbers
def pipeline(
    model: Model,
    cosmology: Cosmology | None = None,
    plasma: Plasma | None = None,
    mass_kev: ArrayLike | None = None,
    omega_h2: ArrayLike | None = 0.12,
    grid: Grid | None = None,
    vary: tuple[str, ...] = (),
    observe: tuple[str, ...] | None = None,
    bounds: str | Iterable[str] = DEFAULT_SET,
    references: str = "solver",
) -> Pipeline:
    """Prepare the pipeline for a fit: tables read, references solved for, the grid fixed.

    Parameters
    ----------
    model, cosmology, plasma, mass_kev, omega_h2 : as for :func:`sterile.evaluate`.
    grid : static choice; by default the mechanism's smooth one: for scalar decay that of
        freeze-out, which serves freeze-in as well, one function through the turn-over.
    vary : names of the parameters that will vary.
    observe : names that will be asked for, all scalars when left out; constraints need reference
        relics (seconds).
    bounds : published bounds and likelihoods of one's own, as for :func:`spectra.verdicts`.
    references : kind of the relics, as for :func:`spectra.structure.reference_relics`.

    Raises
    ------
    ValueError
        If a name in ``vary`` is unknown, or the cosmology varies and its drive has no derivatives.
    """
    entry = mechanism_of(model)
    for name in vary:
        require_parameter(name, fitted_parameters(entry))
    observe = scalars(entry) if observe is None else observe
    cosmology = Cosmology() if cosmology is None else cosmology
    plasma = Plasma() if plasma is None else plasma
    if grid is None:
        grid = entry.smooth_grid(model, plasma)
    drive = power = relics = published = None
    own = _untraced(cosmology)
    # being differentiated is being varied
    cosmology_varies = own is not cosmology or any(name in COSMOLOGY_PARAMETERS for name in vary)
    if not set(observe) <= {*production_scalars(entry), "status"}:
        varied = own is not cosmology or any(name in TANGENT_FIELDS for name in vary)
        drive, power = drive_of(own, derivatives=varied), power_table(own, derivatives=varied)
        if not varied:
            drive, power = (
                eqx.tree_at(lambda table: table.tangents, table, None) for table in (drive, power)
            )
        if not set(observe) <= {*scalars(entry), "status"}:
            relics = reference_relics(reference_masses(), own, drive, power, references)
            published = published_bounds(bounds, own)
    return Pipeline(
        model=model,
        cosmology=cosmology,
        plasma=plasma,
        mass_kev=None if mass_kev is None else jnp.asarray(mass_kev, dtype=float),
        omega_h2=jnp.asarray(omega_h2, dtype=float),
        drive=drive,
        power=power,
        references=relics,
        bounds=published,
        grid=grid,
        cosmology_varies=cosmology_varies,
    )


def _untraced(cosmology: Cosmology) -> Cosmology:
    """The cosmology, by its values where it is being differentiated."""
    if not is_traced(cosmology):
        return cosmology
    values = {name: float(jax.lax.stop_gradient(leaf)) for name, leaf in vars(cosmology).items()}
    return Cosmology(**values)


def require_parameter(name: str, known: tuple[str, ...]) -> None:
    """Raise ``ValueError`` naming the nearest one unless ``name`` is among ``known``."""
    require_name(name, known, "unknown parameter '{}'")


def number_of(seen) -> Array:
    """The one number of an observation: a scalar as it is, a Verdict's margin."""
    return seen.margin if hasattr(seen, "margin") else seen
