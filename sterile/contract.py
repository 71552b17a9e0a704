"""What a way to make sterile neutrinos gives, and how it says so: the entry of the registry.

A mechanism is a model (:class:`sterile.models.Model`), a function that solves it, and as much of
the rest of :class:`Mechanism` as it needs. Everything that scans, fits, configures, reports or
draws works on an entry and knows no mechanism by name.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax import Array

from spectra.constants import (
    CMB_TEMPERATURE_KELVIN,
    CRITICAL_DENSITY_OVER_H2_GEV4,
    ENTROPY_DEGREES_OF_FREEDOM_TODAY,
    KELVIN_GEV,
)
from spectra.spectrum import Spectrum
from spectra.structure import Verdict
from sterile.models import HELICITY_STATES, Model, Plasma
from sterile.narrative import Sentence, Told, history, no_remedy
from sterile.quantities import Quantity
from sterile.status import Status

# static choices of a mechanism: a grid, a regime; compared and hashed, never traced
Grid = Hashable
# share of the largest q^3 F below which an occupation does not count; rounding of one that is 1
_COUNTED, _ROUNDING = 1e-6, 1e-6


class History(eqx.Module):
    """Yields in time: temperature_gev and yield_n, each (t,), temperature falling."""

    temperature_gev: Array
    yield_n: Array


class ErrorEstimate(eqx.Module):
    """Bounds on numerical errors; not those of the model.

    Attributes
    ----------
    yield_n, q_mean : relative errors of Y_N and <q>.
    spectrum : largest error of q^2 F_N over its peak.
    """

    yield_n: Array
    q_mean: Array
    spectrum: Array

    def largest(self) -> Array:
        """The largest of the three."""
        return jnp.maximum(jnp.maximum(self.yield_n, self.q_mean), self.spectrum)


class Production(eqx.Module):
    """The spectrum of sterile neutrinos from one model, whatever the mechanism.

    What ``details`` holds can be asked of the production itself: ``production.yield_s_max``.

    Attributes
    ----------
    q : (n,) comoving momenta p/T_gamma today, log-uniform.
    f : (n,) F_N(q), summed over helicities.
    yield_n : Y_N = n_N/s.
    q_mean, q_rms : <q> and sqrt<q^2>.
    history : :class:`History`, or one with more.
    status : int32 :class:`sterile.status.Status`.
    model, plasma, grid : what was solved.
    details : the mechanism's own pytree, or None.
    error : :class:`ErrorEstimate` where asked for.
    """

    q: Array
    f: Array
    yield_n: Array
    q_mean: Array
    q_rms: Array
    history: History
    status: Array
    model: Model
    plasma: Plasma
    grid: Grid = eqx.field(static=True)
    details: Any = None
    error: ErrorEstimate | None = None

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name == "details":
            raise AttributeError(name)
        return getattr(self.details, name)

    @property
    def occupation_max(self) -> Array:
        """Largest occupation of N per helicity state: of ``details`` where they say, else of f."""
        stated = getattr(self.details, "occupation_max", None)
        if stated is not None:
            return stated
        return occupation_max(self.q, self.f, getattr(self.model, "neutrino", "majorana"))

    def spectrum(self, mass_kev=None, omega_h2=0.12) -> Spectrum:
        """The :class:`spectra.Spectrum` of N, T_ref = T_gamma.

        ``mass_kev``: m_N [keV]; if left out it is the model's, or fixed by ``omega_h2``.
        """
        if mass_kev is None:
            mass_kev = getattr(self.model, "mass_kev", None)
        mass = relic_mass_kev(self.yield_n, omega_h2) if mass_kev is None else mass_kev
        return Spectrum(self.q, self.f, mass, 1.0)


def occupation_max(q, f, neutrino: str) -> Array:
    """Largest F_N(q) per helicity state where q^3 F exceeds 1e-6 of its peak.

    Below, F of decays diverges slowly as q -> 0, and there is nobody. ``q``, ``f``: (n,), F summed
    over helicities; ``neutrino``: "majorana" or "dirac".
    """
    number = q**3 * f
    counted = jnp.where(number > _COUNTED * jnp.max(number), f, 0.0)
    return jnp.max(counted) / HELICITY_STATES[neutrino]


def pauli_checked(production: Production) -> Production:
    """The production; its status says where a state holds more than one neutrino.

    A failure stays one. ``production.occupation_max`` is the smooth number that this is cut from.
    """
    crowded = (production.status == 0) & (production.occupation_max > 1.0 + _ROUNDING)
    status = jnp.where(crowded, jnp.int32(Status.OCCUPATION_ABOVE_ONE), production.status)
    return replace(production, status=status)


_LARGEST_ERROR = 1.0


def error_checked(production: Production) -> Production:
    """The production; its status says where an error was asked for and is not known.

    Nor is it where the estimate is above the number itself: then the coarser solution is none. Any
    other status stays.
    """
    if production.error is None:
        return production
    unknown = (production.status == 0) & ~(production.error.largest() <= _LARGEST_ERROR)
    status = jnp.where(unknown, jnp.int32(Status.ERROR_UNKNOWN), production.status)
    return replace(production, status=status)


def abundance_per_kev() -> float:
    """Omega h^2/(m_N/keV)/Y_N = s_0/(rho_c/h^2), 275.9: entropy counting with g_s0 = 3.931."""
    entropy = 2.0 * np.pi**2 / 45.0 * ENTROPY_DEGREES_OF_FREEDOM_TODAY
    entropy = entropy * (CMB_TEMPERATURE_KELVIN * KELVIN_GEV) ** 3
    return 1e-6 * entropy / CRITICAL_DENSITY_OVER_H2_GEV4


def relic_mass_kev(yield_n, omega_h2):
    """m_N [keV] that gives ``omega_h2`` for the yield Y_N."""
    return omega_h2 / (abundance_per_kev() * yield_n)


class Dataset(NamedTuple):
    """One array of a result file: ``values``, ``unit``, and what it is, ``description``."""

    values: Any
    unit: str
    description: str


class Choices(NamedTuple):
    """Static choices for many models: the distinct ones, and the index of each model's, (n,)."""

    grids: list[Grid]
    index: np.ndarray


class Refinement(NamedTuple):
    """How a mechanism meets a tolerance.

    Attributes
    ----------
    finer : grid → the next finer one.
    error : (finer, coarser) productions → :class:`ErrorEstimate` of the finer.
    floor : the smallest error that it can vouch for, relative.
    """

    finer: Callable[[Any], Grid]
    error: Callable[[Production, Production], ErrorEstimate]
    floor: float


def _one_grid(models: Any, plasma: Plasma) -> Choices:
    numbers = [value for value in vars(models).values() if not isinstance(value, str | None)]
    return Choices([None], np.zeros(max(np.size(number) for number in numbers), dtype=int))


def _no_branches(model: Model, plasma: Plasma, grid: Grid) -> tuple[str, float]:
    return "only", float("nan")


@dataclass(frozen=True, eq=False)
class Mechanism:
    """One way to make sterile neutrinos. Only ``model`` and ``solve`` are necessary.

    Attributes
    ----------
    model : the class of its parameters; its ``kind`` is the name in a configuration.
    solve : (model, plasma, grid, error_estimate) → :class:`Production`; works under jit, vmap and
        grad. ``grid`` is a static choice of ``prepare``, or None where parameters are traced.
    prepare : host side: (models, plasma) → :class:`Choices`, as few distinct grids as possible.
        ``models``: the model's fields as attributes, each scalar or (n,), out of range or not.
    smooth_grid : (model, plasma) → one grid on which the result is one smooth function of all
        parameters around the model's, for searches.
    shared_grid : (models, plasma) → one grid for all of ``models``, (n,); ``ValueError`` if the
        method changes between them.
    refinement : :class:`Refinement` for ``solve(tolerance=...)``, or None.
    robust : grid → a much finer one, for points that failed.
    with_abundance : (model, Omega h^2) → the model with what the wanted abundance fixes, where that
        is not the mass.
    branches : names of the sheets on which a parameter search may find a solution each.
    branch : (model, plasma, grid) → the model's branch, and dln Y_N/dln(what tells them apart).
    heaviest_mass_kev : model → the largest m_N [keV] that it can make, or None.
    numbers : scalars of ``Production.details`` that are reported, scanned and fitted: JSON key →
        :class:`sterile.quantities.Quantity`.
    bounds : (model, point, cosmology) → name → Verdict, the constraints only it has; of the point
        it sees ``spectrum``, ``omega_h2`` and ``mass_kev``. Works under jit.
    warnings : (model, point, cosmology) → sentences about a finished point.
    datasets : production → path below "production/" → :class:`Dataset`, for files and figures.
    plane : the two parameters that the figure of a scan prefers, or None.
    excluded : verdict → what the figure of a scan says where it fails, hatched.
    citations : BibTeX entries beside the package's own.
    account : what happened, in sentences: :class:`sterile.narrative.Told` → sentences. Without one
        it is told when the neutrinos were made.
    remedies : (told, factor by which <q>/m_N has to fall) → sentences: what to change.
    combine : of a kind that is made of other models: (class of the model, class → its entry) → the
        entry of that combination.
    """

    model: type[Model]
    solve: Callable[..., Production]
    prepare: Callable[[Any, Plasma], Choices] = _one_grid
    smooth_grid: Callable[[Any, Plasma], Grid] = lambda model, plasma: None
    shared_grid: Callable[[Any, Plasma], Grid] = lambda models, plasma: None
    refinement: Refinement | None = None
    robust: Callable[[Any], Grid] = lambda grid: grid
    with_abundance: Callable[[Any, Any], Model] = lambda model, omega_h2: model
    branches: tuple[str, ...] = ("only",)
    branch: Callable[[Any, Plasma, Any], tuple[str, float]] = _no_branches
    heaviest_mass_kev: Callable[[Any], Any] | None = None
    numbers: Mapping[str, Quantity] = field(default_factory=dict)
    bounds: Callable[..., dict[str, Verdict]] = lambda model, point, cosmology: {}
    warnings: Callable[..., Sequence[str]] = lambda model, point, cosmology: ()
    datasets: Callable[[Production], Mapping[str, Dataset]] = lambda production: {}
    plane: tuple[str, str] | None = None
    excluded: Mapping[str, str] = field(default_factory=dict)
    citations: tuple[str, ...] = ()
    account: Callable[[Told], Sequence[Sentence]] = history
    remedies: Callable[[Told, float], Sequence[Sentence]] = no_remedy
    combine: Callable[[Any, Callable[[type[Model]], Any]], Any] | None = None

    @property
    def kind(self) -> str:
        """The name in ``[model] kind``."""
        return self.model.kind
