"""What happened to a sum of mechanisms, or to one that thermalised late, in sentences."""

import itertools
import math
from collections.abc import Sequence

import numpy as np

from sterile.combined.composite import MASS, Layout, fields_of
from sterile.contract import Mechanism
from sterile.narrative import Sentence, Told, crossing, mean_momentum, sentence

_DARK = 1e-280


def part_told(told: Told, layout: Layout, index: int) -> Told:
    """What one part is told: parameters, numbers and arrays by its own names."""
    prefix, _ = layout.parts[index]
    fields = fields_of(layout)[index]
    folder = prefix.rstrip("_") + "/"
    numbers = {
        name.removeprefix(prefix): value
        for name, value in told.numbers.items()
        if name.startswith(prefix)
    }
    arrays = {
        name.removeprefix(folder): values
        for name, values in told.arrays.items()
        if name.startswith(folder)
    }
    return Told(
        parameters={
            name: told.parameters[field]
            for name, field in fields.items()
            if field in told.parameters
        },
        plasma=told.plasma,
        numbers={
            "q_mean": mean_momentum(arrays["spectrum/q"], arrays["spectrum/f"]),
            "yield_n": float(arrays["history/yield_n"][-1]),
            **numbers,
        },
        arrays=arrays,
        verdicts=told.verdicts,
    )


def _of_part(name: str, entry: Mechanism, told: Told) -> list[Sentence]:
    """A part's own sentences, with its name."""
    said = [one._replace(text=f"{name}: {one.text}") for one in entry.account(told)]
    return [Sentence("model", f"{name} is {entry.kind}.", {}), *said]


def sum_account(entries: Sequence[Mechanism], layout: Layout, told: Told) -> list[Sentence]:
    """Every part's account, its share, and which part makes which momenta."""
    parts = [part_told(told, layout, i) for i in range(len(entries))]
    names = [f"Part {i}" for i in range(1, len(entries) + 1)]
    found = []
    for name, entry, part in zip(names, entries, parts):
        found += _of_part(name, entry, part)
    for name, part in zip(names, parts):
        found.append(
            sentence(
                "components",
                "{name} is {share:.1%} of the abundance, with <q> = {q_mean}{mass}.",
                name=name,
                share=part.numbers["share"],
                q_mean=part.numbers["q_mean"],
                mass=""
                if layout.one_mass
                else f" and {part.parameters.get(MASS, math.nan):.4g} keV",
            )
        )
    return found + (_who_makes_what(names, told, parts) if layout.one_mass else [])


def _who_makes_what(names: list[str], told: Told, parts: list[Told]) -> list[Sentence]:
    """The momenta at which two parts of one species are equal."""
    q, found = told.arrays["spectrum/q"], []
    tables = [
        np.exp(
            np.interp(np.log(q), np.log(own_q), np.log(np.maximum(own_f, _DARK)), right=-math.inf)
        )
        for own_q, own_f in ([part.arrays[f"spectrum/{x}"] for x in "qf"] for part in parts)
    ]
    for (one, first), (other, second) in itertools.combinations(zip(names, tables), 2):
        at = crossing(q, first, second)
        if at is not None:
            below = float(np.interp(0.5 * at, q, first - second)) > 0.0
            found.append(
                sentence(
                    "components",
                    "{slow} makes more of the spectrum than {fast} below q = {crossing_q}, less "
                    "above.",
                    slow=one if below else other,
                    fast=(other if below else one).lower(),
                    crossing_q=at,
                )
            )
    return found


def late_account(entries: Sequence[Mechanism], layout: Layout, told: Told) -> list[Sentence]:
    """The start's account, then what thermalisation made of it."""
    (entry,) = entries
    start = part_told(told, layout, 0)
    numbers = told.numbers
    process = str(told.parameters.get("process", "number-changing"))
    depth = numbers.get("optical_depth", math.inf)
    found = [
        *_of_part("The start", entry, start),
        sentence(
            "regime",
            "Later the neutrinos thermalise among themselves ({process}): their number changes by "
            "a factor of {number_factor}, to T_N = {dark_temperature_ratio} T_γ with μ/T_N = "
            "{chemical_potential}.",
            process=process,
            number_factor=numbers["number_factor"],
            dark_temperature_ratio=numbers["dark_temperature_ratio"],
            chemical_potential=numbers["chemical_potential"],
        ),
        sentence(
            "components",
            "<q> was {start_q_mean} before and is {q_mean} after; one component.",
            start_q_mean=start.numbers["q_mean"],
            q_mean=numbers["q_mean"],
        ),
    ]
    if math.isfinite(depth):
        found[-1] = sentence(
            "components",
            "Each neutrino scatters {optical_depth} times: a share of {kept:.1%} keeps the momenta "
            "it had; <q> was {start_q_mean} and is {q_mean}.",
            optical_depth=depth,
            kept=math.exp(-depth),
            start_q_mean=start.numbers["q_mean"],
            q_mean=numbers["q_mean"],
        )
    return found
