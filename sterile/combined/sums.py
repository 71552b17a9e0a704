"""One neutrino made in several ways, or several neutrinos at once: the spectra add up."""

import dataclasses
from typing import ClassVar

import jax.numpy as jnp
import numpy as np

from spectra.tracing import is_traced
from sterile.combined.account import sum_account
from sterile.combined.composite import MASS, Composite, combine, has_mass, is_one_species
from sterile.combined.entries import PartDetails, combined_entry, part_error, part_name
from sterile.combined.merging import merged_error, merged_history, merged_spectrum, worst
from sterile.contract import ErrorEstimate, Mechanism, Production, pauli_checked
from sterile.models import Model
from sterile.quantities import Quantity


class Summed(Composite):
    """Sterile neutrinos made in several ways at once: one species, or several of different masses.

    [[model.part]] tables, each a [model] of its own, are the ways. With mass_kev in [model] all
    make the same particle and their spectra add; with mass_kev in every part each has its own
    mass. Parameters of parts are called part_1_NAME, part_2_NAME in scans and fits.
    """

    kind: ClassVar[str] = "sum"
    table: ClassVar[str] = "part"
    tables: ClassVar[tuple[str, ...]] = (
        "mass_kev = 7.0   # of all parts; or a mass in every part: several species",
        "[[model.part]]   # one table a part, each a [model] of its own",
        'kind = "thermal-relic"',
        "temperature_ratio = 0.05",
        "[[model.part]]",
        'kind = "diluted-freeze-out"',
        "decoupling_temperature_gev = 1.0",
        "dilution = 100.0",
    )

    @classmethod
    def tables_in(cls, section: dict) -> dict[str, dict]:
        """Prefix → table of every part of a [model] section; ``ValueError`` if there is none."""
        tables = section.get(cls.table)
        if not isinstance(tables, list) or not tables:
            raise ValueError(
                '[model] kind = "sum" needs [[model.part]] tables, each with a kind; add them'
            )
        return {f"part_{i}_": table for i, table in enumerate(tables, start=1)}


class Details(PartDetails):
    """What a sum says beside the spectrum."""

    def error_against(self, coarse: "Details", refinements) -> ErrorEstimate | None:
        """:class:`ErrorEstimate` of the sum, from the parts' on the next coarser grids."""
        known = [
            dataclasses.replace(fine, error=part_error(fine, before, refinement))
            for fine, before, refinement in zip(self.parts, coarse.parts, refinements)
        ]
        return merged_error(known, *_shares(known))


def Sum(*parts: Model) -> Summed:  # noqa: N802 - makes an instance of a class made for the parts
    """A model of neutrinos made in several ways at once.

    Parts with equal masses, and those whose mass only the abundance fixes, make one species; parts
    with masses that differ make several. Traced masses are taken to differ.

    Raises
    ------
    ValueError
        If there is no part, a part is a sum itself, masses differ and a part has none, or a Dirac
        and a Majorana neutrino are to be the same particle.
    """
    if not parts:
        raise ValueError("Sum has no parts; give models, such as sterile.Sum(first, second)")
    for i, part in enumerate(parts, start=1):
        require_not_nested(f"part {i}", type(part), "sum")
    masses = [getattr(part, MASS) for part in parts if has_mass(type(part))]
    one_mass = bool(masses) and _agree(masses)
    if not one_mass and masses and len(masses) < len(parts):
        without = next(i for i, part in enumerate(parts, start=1) if not has_mass(type(part)))
        raise ValueError(
            f"parts have different masses and part {without} ({parts[without - 1].kind}) none; "
            "give all parts one mass"
        )
    named = {f"part_{i}_": part for i, part in enumerate(parts, start=1)}
    return combine(Summed, named, one_mass)


def _agree(masses) -> bool:
    if len(masses) == 1:
        return True
    if is_traced(masses):
        return False
    return all(np.array_equal(masses[0], mass) for mass in masses)


def require_not_nested(where: str, model: type[Model], kind: str) -> None:
    """Raise ``ValueError`` where a combination would be made of itself."""
    if getattr(model, "kind", None) == kind:
        raise ValueError(
            f'{where} is of kind "{kind}", like the whole; a model cannot be made of itself: name '
            "its parts instead"
        )


def _shares(parts):
    """Shares of the yield, and peaks of q^2 F over the largest, (n,) each."""
    yields = jnp.stack([part.yield_n for part in parts])
    peaks = jnp.stack([jnp.max(part.q**2 * part.f) for part in parts])
    return yields / jnp.sum(yields), peaks / jnp.max(peaks)


def _solve(entries, model: Summed, plasma, grid, error_estimate) -> Production:
    grids = (None,) * len(entries) if grid is None else grid
    made = tuple(
        pauli_checked(entry.solve(part, plasma, own, error_estimate))
        for entry, part, own in zip(entries, model.parts, grids)
    )
    # mass of each over that of the table: 1 for one species
    ratios = [
        jnp.ones(()) if is_one_species(model) else getattr(part, MASS) / model.mass_kev
        for part in model.parts
    ]
    scaled = [
        dataclasses.replace(
            production,
            q=production.q / ratio,
            f=production.f * ratio**4,
            yield_n=production.yield_n * ratio,
            q_mean=production.q_mean / ratio,
            q_rms=production.q_rms / ratio,
        )
        for production, ratio in zip(made, ratios)
    ]
    q, f = merged_spectrum([(production.q, production.f) for production in scaled])
    yields = jnp.stack([production.yield_n for production in scaled])
    shares, peaks = _shares(scaled)
    numbers = {}
    for (prefix, _), entry, production, share in zip(model.layout.parts, entries, made, shares):
        numbers |= {f"{prefix}share": share, f"{prefix}yield_n": production.yield_n}
        numbers |= {prefix + name: getattr(production, name) for name in entry.numbers}
    if not is_one_species(model):  # each has states of its own
        occupations = [production.occupation_max for production in made]
        numbers["occupation_max"] = jnp.max(jnp.stack(occupations))
    means = jnp.stack([production.q_mean for production in scaled])
    squares = jnp.stack([production.q_rms**2 for production in scaled])
    return Production(
        q=q,
        f=f,
        yield_n=jnp.sum(yields),
        q_mean=jnp.sum(shares * means),
        q_rms=jnp.sqrt(jnp.sum(shares * squares)),
        history=merged_history(made, ratios),
        status=worst([production.status for production in made]),
        model=model,
        plasma=plasma,
        grid=grid,
        details=Details(made, numbers),
        error=merged_error(scaled, shares, peaks) if error_estimate else None,
    )


def _numbers(prefix: str, entry: Mechanism) -> dict[str, Quantity]:
    name = f"{part_name(prefix)} ({entry.kind})"
    return {
        f"{prefix}share": Quantity("1", f"share of {name} in the abundance"),
        f"{prefix}yield_n": Quantity("1", f"yield of {name}"),
    }


def _combine(model: type[Summed], entry_of) -> Mechanism:
    return combined_entry(SUM, model, entry_of, _solve, _numbers, sum_account)


SUM = Mechanism(model=Summed, solve=lambda *arguments: _solve((), *arguments), combine=_combine)
