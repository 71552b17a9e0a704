"""Sentences about a finished result, and what a mechanism is told to make its own.

A sentence keeps the numbers that it says, so that a program reads them and a test checks them.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from sterile.models import Plasma

# of the peak of q^3 F: what a spectrum is made of, and no rounding
_SEEN = 1e-6


class Sentence(NamedTuple):
    """One sentence: its ``topic``, the ``text``, and the ``numbers`` in it by name."""

    topic: str
    text: str
    numbers: Mapping[str, float]


class _Short(float):
    """A number that is written with three digits unless a template asks for more."""

    def __format__(self, spec: str) -> str:
        if spec:
            return super().__format__(spec)
        plain = 1e3 <= abs(self) < 1e5
        return f"{float(f'{float(self):.3g}'):.0f}" if plain else super().__format__(".3g")


def sentence(topic: str, template: str, **said: float | str) -> Sentence:
    """A sentence from a template of ``str.format``, ``{name}`` or ``{name:FORMAT}``.

    ``said``: what the template names; numbers are kept with the sentence, words are not.
    """
    numbers = {name: float(value) for name, value in said.items() if not isinstance(value, str)}
    shown = {name: _Short(value) for name, value in numbers.items()}
    return Sentence(topic, template.format(**{**said, **shown}), numbers)


@dataclass(frozen=True)
class Told:
    """What a mechanism is told of a result: what the file holds, by the mechanism's own names.

    Attributes
    ----------
    parameters : keys of [model].
    plasma : how the bath was treated.
    numbers : scalars of the result, JSON key → number.
    arrays : datasets by their path below "production/", and "spectrum/q", "spectrum/f".
    verdicts : name → status, value, threshold, margin, source.
    """

    parameters: Mapping[str, Any]
    plasma: Plasma
    numbers: Mapping[str, float]
    arrays: Mapping[str, np.ndarray]
    verdicts: Mapping[str, Mapping[str, Any]]


def temperature_of_share(temperature_gev: np.ndarray, made: np.ndarray, share: float) -> float:
    """T [GeV] at which ``made`` first is ``share`` of its last value.

    ``temperature_gev``: (t,), falling; ``made``: (t,). Straight in ln T between the two entries.
    """
    target = share * made[-1]
    after = int(np.argmax(made >= target))
    if after == 0:
        return float(temperature_gev[0])
    low, high = made[after - 1], made[after]
    ln_t = np.log(temperature_gev)
    part = (target - low) / (high - low)
    return float(np.exp(ln_t[after - 1] + part * (ln_t[after] - ln_t[after - 1])))


def temperature_of_decay(temperature_gev: np.ndarray, left: np.ndarray) -> float | None:
    """T [GeV] at which ``left`` has fallen to 1/e of its largest value; None if it has not.

    ``temperature_gev``: (t,), falling; ``left``: (t,), positive, a yield. A power of T between the
    two entries.
    """
    peak = int(np.argmax(left))
    below = np.flatnonzero(left[peak:] < left[peak] / math.e)
    if not below.size:
        return None
    after = peak + below[0]
    ln_left = np.log(left[after - 1 : after + 1])
    ln_t = np.log(temperature_gev[after - 1 : after + 1])
    part = (math.log(left[peak]) - 1.0 - ln_left[0]) / (ln_left[1] - ln_left[0])
    return float(math.exp(ln_t[0] + part * (ln_t[1] - ln_t[0])))


def mean_momentum(q: np.ndarray, f: np.ndarray) -> float:
    """<q> of a spectrum, (n,) and (n,), by the trapezoidal rule in ln q."""
    ln_q = np.log(q)
    return float(np.trapezoid(q**4 * f, ln_q) / np.trapezoid(q**3 * f, ln_q))


def crossing(q: np.ndarray, first: np.ndarray, second: np.ndarray) -> float | None:
    """The one q at which two parts of a spectrum are equal where there are neutrinos, else None.

    ``q``, ``first``, ``second``: (n,).
    """
    number = q**3 * (first + second)
    seen = number > _SEEN * number.max()
    change = np.flatnonzero(np.diff(np.sign((first - second)[seen])))
    return float(np.sqrt(np.prod(q[seen][change[0] : change[0] + 2]))) if change.size == 1 else None


def by_momentum(name: str, other: str, q: np.ndarray, first, second) -> Sentence | None:
    """Which of two components makes which part of a spectrum; None where they do not share it.

    ``name``, ``other``: what to call them; ``q``, ``first``, ``second``: (n,).
    """
    at = crossing(q, first, second)
    if at is None:
        return None
    below = first[q < at].sum() > second[q < at].sum()
    slow, fast = (name, other) if below else (other, name)
    return sentence(
        "components",
        "{slow} make the spectrum below q = {crossing_q}, {fast} the part above.",
        slow=slow[0].upper() + slow[1:],
        fast=fast,
        crossing_q=at,
    )


def history(told: Told) -> list[Sentence]:
    """When the neutrinos were made, of any mechanism whose result holds it."""
    found = told.arrays.get("history/temperature_gev"), told.arrays.get("history/yield_n")
    temperature, made = found
    if temperature is None or made is None or made.size < 10 or np.any(np.diff(made) < 0.0):
        return []
    first, half, last = (temperature_of_share(temperature, made, s) for s in (0.1, 0.5, 0.9))
    return [
        sentence(
            "history",
            "Half of the neutrinos are there when the plasma is at {half_gev} GeV, the middle 80 % "
            "are made between {first_gev} and {last_gev} GeV.",
            half_gev=half,
            first_gev=first,
            last_gev=last,
        )
    ]


def no_remedy(told: Told, colder: float) -> list[Sentence]:
    """What a mechanism says that has nothing to propose."""
    return []
