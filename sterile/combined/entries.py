"""The entry of a composite, from the entries of its parts."""

import dataclasses
from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jax import Array

from sterile.combined.composite import Composite, fields_of
from sterile.combined.merging import distinct
from sterile.contract import (
    Choices,
    Dataset,
    ErrorEstimate,
    Mechanism,
    Production,
    Refinement,
)
from sterile.quantities import Quantity

ENTRY_OF = Callable[[type], Mechanism]


def part_name(prefix: str) -> str:
    """ "part 1" of "part_1_"."""
    return prefix.rstrip("_").replace("_", " ")


def combined_entry(
    base: Mechanism, model: type[Composite], entry_of: ENTRY_OF, solve, numbers, account, **own
) -> Mechanism:
    """``base`` with what its parts' entries say.

    ``solve``: (entries, model, plasma, grid, error_estimate) → Production. ``numbers``: (prefix,
    entry) → numbers that the composite reports of a part, beside those of the part. ``account``:
    (entries, layout, told) → sentences. ``own``: fields of the entry that are not to be those of
    the parts.
    """
    layout = model.layout
    entries = tuple(entry_of(part) for _, part in layout.parts)
    prefixes = tuple(prefix for prefix, _ in layout.parts)
    fields = fields_of(layout)

    def views(models):
        """Every part's parameters, by the part's own names."""
        return [
            SimpleNamespace(**{name: getattr(models, field) for name, field in each.items()})
            for each in fields
        ]

    def prepare(models, plasma):
        found = distinct([e.prepare(v, plasma) for e, v in zip(entries, views(models))])
        return Choices(*found)

    def each(name):
        def grids(models, plasma):
            return tuple(getattr(e, name)(v, plasma) for e, v in zip(entries, views(models)))

        return grids

    def heaviest(models):
        limits = [
            entry.heaviest_mass_kev(view)
            for entry, view in zip(entries, views(models))
            if entry.heaviest_mass_kev is not None
        ]
        return min(limits) if len(limits) == 1 else _smallest(limits)

    # the sheets of the first part that has several; the others follow smoothly
    sheets = next((i for i, e in enumerate(entries) if len(e.branches) > 1), 0)

    def branch(models, plasma, grid):
        own_grid = None if grid is None else grid[sheets]
        return entries[sheets].branch(views(models)[sheets], plasma, own_grid)

    reported: dict[str, Quantity] = {}
    for prefix, entry in zip(prefixes, entries):
        reported |= numbers(prefix, entry)
        for name, quantity in entry.numbers.items():
            described = f"{part_name(prefix)} ({entry.kind}): {quantity.description}"
            reported[prefix + name] = quantity._replace(description=described)

    return dataclasses.replace(
        base,
        **{
            "model": model,
            "solve": lambda *arguments: solve(entries, *arguments),
            "prepare": prepare,
            "smooth_grid": each("smooth_grid"),
            "shared_grid": each("shared_grid"),
            "refinement": _refinement(entries),
            "robust": lambda grid: tuple(e.robust(g) for e, g in zip(entries, grid)),
            "branches": entries[sheets].branches,
            "branch": branch,
            "heaviest_mass_kev": heaviest if any(e.heaviest_mass_kev for e in entries) else None,
            "numbers": reported,
            "bounds": _over_parts(entries, prefixes, "bounds"),
            "warnings": _over_parts(entries, prefixes, "warnings"),
            "datasets": _datasets(entries, prefixes),
            "excluded": {k: v for entry in entries for k, v in entry.excluded.items()},
            "account": lambda told: account(entries, layout, told),
            "citations": tuple(dict.fromkeys(c for e in entries for c in e.citations)),
            **own,
        },
    )


def _smallest(limits):
    smallest = limits[0]
    for limit in limits[1:]:
        smallest = smallest * (smallest <= limit) + limit * (limit < smallest)
    return smallest


def _refinement(entries: Sequence[Mechanism]) -> Refinement | None:
    """Each part is refined as it says; those that cannot be are exact."""
    own = [entry.refinement for entry in entries]
    known = [refinement for refinement in own if refinement is not None]
    if not known:
        return None

    def finer(grids):
        return tuple(g if r is None else r.finer(g) for r, g in zip(own, grids))

    def error(fine, coarse):
        return fine.details.error_against(coarse.details, own)

    return Refinement(finer, error, max(refinement.floor for refinement in known))


class PartDetails(eqx.Module):
    """What a combination says beside the spectrum.

    Attributes
    ----------
    parts : :class:`sterile.Production` of every part; ``[p.spectrum() for p in parts]`` is what
        ``spectra.transfer`` takes as several species.
    numbers : name → scalar, ``part_1_share`` for example; each is an attribute, too.
    """

    parts: tuple[Production, ...]
    numbers: dict[str, Array]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name == "numbers" or name not in self.numbers:
            raise AttributeError(name)
        return self.numbers[name]


def part_error(fine: Production, coarse: Production, refinement: Refinement | None):
    """:class:`ErrorEstimate` of a part; what has nothing to refine is exact beside what has."""
    if refinement is not None:
        return refinement.error(fine, coarse)
    nothing = jnp.zeros(())
    return ErrorEstimate(nothing, nothing, nothing) if fine.error is None else fine.error


def part_point(point, index: int, prefix: str, entry: Mechanism):
    """A finished point as a part sees it: its own production, where kept, and its own numbers."""
    own: dict[str, Any] = {
        "numbers": {name: point.numbers[prefix + name] for name in entry.numbers}
    }
    production = getattr(point, "production", None)
    if production is not None:
        own["production"] = production.details.parts[index]
    return dataclasses.replace(point, **own)


def _over_parts(entries, prefixes, name: str):
    """The bounds or warnings of all parts; what two parts say by one name has its part named."""

    def bounds(model, point, cosmology) -> Any:
        found: dict[str, Any] = {}
        for i, (prefix, entry, part) in enumerate(zip(prefixes, entries, model.parts)):
            said = entry.bounds(part, part_point(point, i, prefix, entry), cosmology)
            for key, verdict in said.items():
                found[f"{key} ({part_name(prefix)})" if key in found else key] = verdict
        return found

    def warnings(model, point, cosmology) -> list[str]:
        return [
            f"{part_name(prefix)} ({entry.kind}): {line}"
            for i, (prefix, entry, part) in enumerate(zip(prefixes, entries, model.parts))
            for line in entry.warnings(part, part_point(point, i, prefix, entry), cosmology)
        ]

    return {"bounds": bounds, "warnings": warnings}[name]


def _datasets(entries, prefixes):
    def datasets(production):
        return {
            f"{prefix.rstrip('_')}/{path}": dataset
            for prefix, entry, made in zip(prefixes, entries, production.details.parts)
            for path, dataset in (_of_any(made) | dict(entry.datasets(made))).items()
        }

    return datasets


def _of_any(made: Production) -> dict[str, Dataset]:
    """What is kept of a part whatever its mechanism: its spectrum and its yield in time."""
    return {
        "spectrum/q": Dataset(made.q, "1", "comoving momentum p/T_gamma of the part"),
        "spectrum/f": Dataset(made.f, "1", "its distribution today, summed over helicities"),
        "history/temperature_gev": Dataset(
            made.history.temperature_gev, "GeV", "plasma temperature"
        ),
        "history/yield_n": Dataset(made.history.yield_n, "1", "its neutrinos per entropy, n_N/s"),
    }
