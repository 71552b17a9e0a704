"""The pipeline as a function of named parameters: what every fit differentiates."""

import dataclasses
import difflib
from collections.abc import Mapping

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array

from spectra.cosmology import Cosmology
from spectra.linear import TANGENT_FIELDS, Drive
from spectra.linear import drive as drive_of
from spectra.structure import (
    PowerTable,
    References,
    power_table,
    reference_masses,
    reference_relics,
)
from spectra.structure import verdicts as structure_verdicts
from sterile import bounds
from sterile.models import Plasma, ScalarDecay
from sterile.pipeline import evaluate
from sterile.production import abundance_per_kev, freeze_out_grid, solve
from sterile.scalar import Grid

MODEL_PARAMETERS = ("scalar_mass_gev", "portal_coupling", "yukawa")
# those of the drive's derivatives, and those that enter the power spectrum in closed form
COSMOLOGY_PARAMETERS = (*TANGENT_FIELDS, "n_s", "a_s")
TARGETS = ("mass_kev", "omega_h2")
PARAMETERS = (*MODEL_PARAMETERS, *TARGETS, *COSMOLOGY_PARAMETERS)
PRODUCTION_SCALARS = ("yield_n", "yield_s_max", "q_mean", "q_rms", *TARGETS)
SCALARS = (
    *PRODUCTION_SCALARS,
    "k_t2_half_h_mpc",
    "k_t_half_h_mpc",
    "m_hm_t_half_msun_h",
    "lambda_fs_mpc",
    "delta_a",
    "n_satellites",
    "n_galaxies_z6_mpc3",
)


class Pipeline(eqx.Module):
    """All that a point needs but the parameters that vary. Made by :func:`pipeline`.

    Attributes
    ----------
    model, cosmology, plasma : where what does not vary stays.
    mass_kev : m_N [keV], or None: then ``omega_h2`` fixes it.
    omega_h2 : the abundance that fixes the mass.
    drive, power, references : as for :func:`sterile.evaluate` and :func:`spectra.verdicts`;
        None where nothing that is asked for needs them.
    grid : static.
    """

    model: ScalarDecay
    cosmology: Cosmology
    plasma: Plasma
    mass_kev: Array | None
    omega_h2: Array
    drive: Drive | None
    power: PowerTable | None
    references: References | None
    grid: Grid = eqx.field(static=True)

    def __call__(self, values: Mapping[str, Array], names: tuple[str, ...]) -> dict:
        """What ``names`` ask for at ``values``: numbers for scalars, Verdicts for constraints.

        ``values``: parameter → scalar; works under jit, vmap and grad. "status" is production's
        where nothing else is asked for than what production gives.
        """
        model = dataclasses.replace(self.model, **_of(values, MODEL_PARAMETERS))
        if set(names) <= {*PRODUCTION_SCALARS, "status"}:
            return self._produced(model, values, names)
        changed = _of(values, COSMOLOGY_PARAMETERS)
        cosmology = dataclasses.replace(self.cosmology, **changed) if changed else self.cosmology
        mass, abundance = self._target(values)
        point = evaluate(
            model,
            cosmology,
            self.plasma,
            mass_kev=mass,
            omega_h2=abundance,
            drive=self.drive,
            grid=self.grid,
            power=self.power,
        )
        found = {name: getattr(point, name) for name in names if name in SCALARS}
        if "status" in names:
            found["status"] = point.status
        constraints = [name for name in names if name not in found]
        if constraints:
            report = structure_verdicts(
                point.spectrum,
                point.transfer,
                cosmology,
                references=self.references,
                power=self.power,
            ) | bounds.verdicts(model, point, cosmology)
            found |= {name: _entry(report, name) for name in constraints}
        return found

    def _produced(self, model, values, names):
        """Without the transfer function, which these do not need."""
        production = solve(model, self.plasma, self.grid)
        mass, abundance = self._target(values)
        if mass is None:
            mass = abundance / (abundance_per_kev() * production.yield_n)
        found = {
            "yield_n": production.yield_n,
            "yield_s_max": production.yield_s_max,
            "q_mean": production.q_mean,
            "q_rms": production.q_rms,
            "status": production.status,
            "mass_kev": mass,
            "omega_h2": abundance_per_kev() * mass * production.yield_n,
        }
        return {name: found[name] for name in names}

    def _target(self, values):
        if "mass_kev" in values:
            return values["mass_kev"], None
        if "omega_h2" in values or self.mass_kev is None:
            return None, values.get("omega_h2", self.omega_h2)
        return self.mass_kev, None


def _of(values, names) -> dict:
    return {name: values[name] for name in names if name in values}


def _entry(report: dict, name: str):
    if name not in report:
        near = difflib.get_close_matches(name, [*SCALARS, *report], n=1, cutoff=0.5)
        hint = f"did you mean '{near[0]}'?" if near else f"constraints: {', '.join(report)}"
        raise ValueError(f"'{name}' is neither a scalar of a point nor a constraint; {hint}")
    return report[name]


def pipeline(
    model: ScalarDecay,
    cosmology: Cosmology | None = None,
    plasma: Plasma | None = None,
    mass_kev=None,
    omega_h2=0.12,
    grid: Grid | None = None,
    vary: tuple[str, ...] = (),
    observe: tuple[str, ...] = SCALARS,
) -> Pipeline:
    """Prepare the pipeline for a fit: tables read, references solved for, the grid fixed.

    Parameters
    ----------
    model, cosmology, plasma, mass_kev, omega_h2 : as for :func:`sterile.evaluate`.
    grid : static resolution; by default :func:`sterile.production.freeze_out_grid`, which serves
        freeze-in as well: one smooth function through the turn-over.
    vary : names of the parameters that will vary.
    observe : names that will be asked for; constraints need reference relics (seconds).

    Raises
    ------
    ValueError
        If a name in ``vary`` is unknown, or the cosmology varies and its drive has no derivatives.
    """
    for name in vary:
        require_parameter(name)
    cosmology = Cosmology() if cosmology is None else cosmology
    plasma = Plasma() if plasma is None else plasma
    if grid is None:
        grid = freeze_out_grid(float(model.scalar_mass_gev), plasma)
    drive = power = references = None
    if not set(observe) <= {*PRODUCTION_SCALARS, "status"}:
        varied = any(name in TANGENT_FIELDS for name in vary)
        own = _untraced(cosmology)
        # being differentiated is being varied
        varied = varied or own is not cosmology
        drive, power = drive_of(own, derivatives=varied), power_table(own, derivatives=varied)
        if not varied:
            drive, power = (
                eqx.tree_at(lambda table: table.tangents, table, None) for table in (drive, power)
            )
        if not set(observe) <= {*SCALARS, "status"}:
            references = reference_relics(reference_masses(), own, drive, power)
    return Pipeline(
        model=model,
        cosmology=cosmology,
        plasma=plasma,
        mass_kev=None if mass_kev is None else jnp.asarray(mass_kev, dtype=float),
        omega_h2=jnp.asarray(omega_h2, dtype=float),
        drive=drive,
        power=power,
        references=references,
        grid=grid,
    )


def _untraced(cosmology: Cosmology) -> Cosmology:
    """The cosmology, by its values where it is being differentiated."""
    if not any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(cosmology)):
        return cosmology
    values = {name: float(jax.lax.stop_gradient(leaf)) for name, leaf in vars(cosmology).items()}
    return Cosmology(**values)


def require_parameter(name: str, known: tuple[str, ...] = PARAMETERS) -> None:
    """Raise ``ValueError`` naming the nearest one unless ``name`` is among ``known``."""
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
        hint = f"did you mean '{near[0]}'?" if near else f"known: {', '.join(known)}"
        raise ValueError(f"unknown parameter '{name}'; {hint}")


def number_of(seen) -> Array:
    """The one number of an observation: a scalar as it is, a Verdict's margin."""
    return seen.margin if hasattr(seen, "margin") else seen
