"""What happened to a model, in a dozen sentences: ``sterile explain``.

Every number is of the result file, or computed from its arrays. What to change is found by solving
for T^2 of the file's spectrum with other masses: <q>/m_N is what makes a shape warm or cold.
"""

import math
import tomllib
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from spectra.cosmology import Cosmology
from spectra.linear import transfer
from spectra.spectrum import Spectrum
from spectra.store import Record
from spectra.structure import assess, free_streaming_class, has_several_scales
from sterile import config as configuration
from sterile.mechanisms import entry_of
from sterile.narrative import Sentence, Told, sentence
from sterile.thermal import distributions

_OUTCOMES = ("forbidden", "constrained", "allowed", "undecided")
# <q>/m_N is changed by at most this factor, and found to that relative precision
_FARTHEST, _PRECISION = 1e5, 2e-3
_DECIDING_K_H_MPC = 40.0
_MOST_NAMED = 4


def explain(record: Record) -> list[Sentence]:
    """What happened to the model of a result, of ``sterile solve`` or ``sterile transfer``.

    In order: the model, its regime and history, the components of the spectrum, its momenta, its
    structure, the tests and by how much the strictest decides, what to change. ``record``: of
    :func:`spectra.store.read`.

    Raises
    ------
    ValueError
        If the record has no spectrum or no verdicts, or lacks what a mechanism's account needs.
    """
    verdicts = verdicts_of(record)
    needed = ("spectrum/q", "spectrum/f")
    if not verdicts or any(name not in record.datasets for name in needed):
        raise ValueError(
            "the result has no spectrum or no verdicts to explain; give one of `sterile solve` or "
            "`sterile transfer`"
        )
    try:
        found, remedies = _production(record, verdicts)
        found += _momenta(record) + _structure(record) + _tests(verdicts)
        found += _change(record, verdicts, remedies)
    except KeyError as missing:
        raise ValueError(
            f"the result has no {missing.args[0]}, which its explanation needs; it is of an older "
            "version or damaged: solve it again"
        ) from None
    return found + _accuracy(record)


def verdicts_of(record: Record) -> dict[str, Mapping[str, Any]]:
    """Name → attributes of every verdict of a record, by name: as a file has them."""
    prefix = "verdicts/"
    return {
        name.removeprefix(prefix): entry
        for name, entry in sorted(record.attributes.items())
        if name.startswith(prefix)
    }


def text_of(sentences: Sequence[Sentence]) -> str:
    """The sentences as paragraphs, one a topic."""
    paragraphs: dict[str, list[str]] = {}
    for one in sentences:
        paragraphs.setdefault(one.topic, []).append(one.text)
    return "\n".join(f"{topic}: {' '.join(lines)}" for topic, lines in paragraphs.items())


def json_of(sentences: Sequence[Sentence]) -> list[dict[str, Any]]:
    """The sentences as plain values: topic, text and the numbers that are finite."""
    return [
        {
            "topic": one.topic,
            "text": one.text,
            "numbers": {name: n for name, n in one.numbers.items() if math.isfinite(n)},
        }
        for one in sentences
    ]


def _production(record: Record, verdicts) -> tuple[list[Sentence], Callable]:
    """How it was made, and what its mechanism proposes to change: factor → sentences."""
    if not record.config_toml:
        given = "The spectrum comes from a file; how it was made is not known here."
        return [Sentence("model", given, {})], lambda colder: []
    config = configuration.check(tomllib.loads(record.config_toml), record.config_toml)
    entry = entry_of(config.model.mechanism.model)
    made = "production/"
    arrays = {
        name.removeprefix(made): values
        for name, values in record.datasets.items()
        if name.startswith((made, "spectrum/"))
    }
    told = Told(
        parameters=config.model.model_dump(exclude={"kind"}, exclude_none=True),
        plasma=configuration.plasma_of(config),
        numbers=record.attributes.get("summary", {}),
        arrays=arrays,
        verdicts=verdicts,
    )
    first = sentence("model", "The mechanism is {kind}.", kind=entry.kind)
    return [first, *entry.account(told)], lambda colder: list(entry.remedies(told, colder))


def _momenta(record: Record) -> list[Sentence]:
    summary = record.attributes["summary"]
    found = [
        sentence(
            "spectrum",
            "N has a mass of {mass_kev:.4g} keV and <q> = {q_mean:.4g} in units of {ratio:.4g} "
            "T_γ, {hotter} times that of a thermal relic of that temperature, {relic:.4g}.",
            mass_kev=summary["mass_kev"],
            q_mean=summary["q_mean"],
            ratio=summary["temperature_ratio"],
            hotter=summary["q_mean"] / distributions.RELIC_MEAN,
            relic=distributions.RELIC_MEAN,
        )
    ]
    if not record.config_toml:
        return found
    made, wanted = summary["omega_h2"], record.attributes["cosmology"]["omega_dm"]
    return [
        *found,
        sentence(
            "spectrum",
            "Its abundance is Ωh² = {omega_h2:.4g}, {share:.4g} times that of dark matter, "
            "{omega_dm:.4g}.",
            omega_h2=made,
            share=made / wanted,
            omega_dm=wanted,
        ),
    ]


def _structure(record: Record) -> list[Sentence]:
    summary = record.attributes["summary"]
    found = []
    if "k_t2_half_h_mpc" in summary and "m_hm_t_half_msun_h" in summary:
        found.append(
            sentence(
                "structure",
                "T² falls to 1/2 at k = {k_t2_half_h_mpc:.4g} h/Mpc; the half-mode mass (T = 1/2) "
                "is {m_hm_t_half_msun_h} Msun/h.",
                k_t2_half_h_mpc=summary["k_t2_half_h_mpc"],
                m_hm_t_half_msun_h=summary["m_hm_t_half_msun_h"],
            )
        )
    if "lambda_fs_mpc" in summary:
        found.append(
            sentence(
                "structure",
                "It streams freely over {lambda_fs_mpc} Mpc, which the field labels {label}; the "
                "label decides nothing.",
                lambda_fs_mpc=summary["lambda_fs_mpc"],
                label=free_streaming_class(summary["lambda_fs_mpc"]),
            )
        )
    return found


def _named(names: Sequence[str]) -> str:
    more = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def _tests(verdicts) -> list[Sentence]:
    by_status = {
        status: [name for name, entry in verdicts.items() if entry["status"] == status]
        for status in _OUTCOMES
    }
    counts = {status: len(names) for status, names in by_status.items()}
    found = [
        sentence(
            "tests",
            "Of the tests {forbidden:.0f} forbid it, {constrained:.0f} constrain it, {allowed:.0f} "
            "allow it and {undecided:.0f} cannot decide.",
            **counts,
        )
    ]
    for status, verb in (("forbidden", "forbidden"), ("constrained", "constrained")):
        if by_status[status]:
            found.append(
                sentence(
                    "tests",
                    "It is {verb} by {names}.",
                    verb=verb,
                    names=_named(by_status[status]),
                )
            )
    return found


def _by_how_much(name: str, entry: Mapping[str, Any], need: str, **said) -> Sentence:
    """What one test measures of the model against what it asks for."""
    numbers = {key: entry[key] for key in ("value", "threshold", "margin") if key in entry}
    amount = ""
    if "value" in numbers and "threshold" in numbers:
        amount = ": {value:.4g} against a threshold of {threshold:.4g}"
    margin = ", margin {margin:+.3f}" if "margin" in numbers else ""
    return sentence(
        "tests",
        need + amount + margin + " ({source}).",
        name=name,
        source=str(entry["source"]),
        **numbers,
        **said,
    )


def _of_spectrum(record: Record, factor: float) -> Spectrum:
    """The file's spectrum with m_N larger by ``factor``: slower by it."""
    attributes = record.attributes["spectrum"]
    return Spectrum(
        record.datasets["spectrum/q"],
        record.datasets["spectrum/f"],
        attributes["mass_kev"] * factor,
        attributes["temperature_ratio"],
    )


class Distance(NamedTuple):
    """How far a spectrum is from where tests of structure change their mind.

    Attributes
    ----------
    factors : "forbidden" → the factor by which <q>/m_N has to fall for nothing to be forbidden,
        "constrained" → for nothing to be forbidden or constrained; to 0.2 %, below 1 where N could
        be warmer. What takes a factor above 1e5 is left out.
    last : the test that is the last to pass, for each.
    of_structure : names of all tests that depend on it.
    """

    factors: dict[str, float]
    last: dict[str, str]
    of_structure: frozenset[str]


def distance(record: Record) -> Distance:
    """By which factor <q>/m_N has to change, with this shape; ``record``: of a result file."""
    cosmology = Cosmology(**record.attributes["cosmology"])
    stored = verdicts_of(record)
    several = _has_several_scales(record)
    reports: dict[float, dict[str, str]] = {}

    def failing(ln_factor: float, levels: tuple[str, ...]) -> list[str]:
        if ln_factor not in reports:
            dm = _of_spectrum(record, math.exp(ln_factor))
            _, found = assess(dm, transfer(dm, cosmology), cosmology)
            reports[ln_factor] = {name: v.status for name, v in found.items() if name in stored}
        return [
            name
            for name, status in reports[ln_factor].items()
            if status in levels and not (several and name == "warmness")
        ]

    factors, last = {}, {}
    for level, levels in (("forbidden", _OUTCOMES[:1]), ("constrained", _OUTCOMES[:2])):
        fails = any(entry["status"] in levels for entry in stored.values())
        ends = _bisected(partial(failing, levels=levels), _first_guess(record, fails))
        if ends is not None:
            factors[level] = math.exp(ends[1])
            last[level] = failing(ends[0], levels)[0]
    names = frozenset(name for report in reports.values() for name in report)
    return Distance(factors, last, names)


def _has_several_scales(record: Record) -> bool:
    """Whether a map by one moment, "warmness", means nothing for this spectrum."""
    return bool(has_several_scales(_of_spectrum(record, 1.0)))


def _first_guess(record: Record, fails: bool) -> float:
    """ln of a factor that takes k(T^2 = 1/2) to where the tests decide, which spares hot models."""
    k_half = record.attributes["summary"].get("k_t2_half_h_mpc")
    if k_half is None:
        return 0.0
    guess = math.log(_DECIDING_K_H_MPC / k_half)
    return max(guess, 0.0) if fails else min(guess, 0.0)


def _bisected(failing: Callable[[float], list[str]], start: float) -> tuple[float, float] | None:
    """(low, high), close: something fails at low, nothing at high; None beyond the limit."""
    step = math.copysign(math.log(2.0), 1.0 if failing(start) else -1.0)
    one = start
    while bool(failing(one + step)) == (step > 0.0):
        one += step
        if abs(one) > math.log(_FARTHEST):
            return None
    low, high = sorted((one, one + step))
    while high - low > _PRECISION:
        middle = 0.5 * (low + high)
        low, high = (middle, high) if failing(middle) else (low, middle)
    return low, high


def _change(record: Record, verdicts, remedies) -> list[Sentence]:
    """The strictest test of structure, how far away it is, what else forbids, what to change."""
    found = []
    away = distance(record)
    for level, word in (("forbidden", "forbidden"), ("constrained", "forbidden or constrained")):
        if level not in away.factors:
            continue
        name, factor = away.last[level], away.factors[level]
        if factor > 1.0:
            need, said = (
                "With this shape <q>/m_N has to fall by a factor of {factor:.4g} for nothing of "
                "structure to be {word}; the last test to pass is {name}",
                {"factor": factor},
            )
        else:
            need, said = (
                "<q>/m_N may rise by a factor of {warmer:.4g} before a test of structure makes it "
                "{word}; the first to fail is {name}",
                {"warmer": 1.0 / factor},
            )
        found.append(_by_how_much(name, verdicts[name], need, word=word, **said))
    failed = [name for name, e in verdicts.items() if e["status"] in ("forbidden", "constrained")]
    for name in failed:
        if name not in away.of_structure:
            need = "{name} makes it {status}"
            found.append(_by_how_much(name, verdicts[name], need, status=verdicts[name]["status"]))
    if "overclosure" in failed:
        made, wanted = (
            record.attributes["summary"]["omega_h2"],
            record.attributes["cosmology"]["omega_dm"],
        )
        found.append(
            sentence(
                "change",
                "It is {over:.4g} times too much dark matter: its yield or its mass has to fall by "
                "that factor, and a smaller mass makes it warmer.",
                over=made / wanted,
            )
        )
    if not failed:
        text = "Nothing has to change: every test that decides allows it."
        found.append(Sentence("change", text, {}))
    return found + remedies(max(away.factors.get("constrained", 1.0), 1.0))


def _accuracy(record: Record) -> list[Sentence]:
    summary = record.attributes["summary"]
    found = []
    if "yield_n_error" in summary and "spectrum_error" in summary:
        found.append(
            sentence(
                "accuracy",
                "Numerical errors are below {yield_n_error:.0e} for Y_N and {spectrum_error:.0e} "
                "of the peak for the spectrum; those of the physics are another matter.",
                yield_n_error=summary["yield_n_error"],
                spectrum_error=summary["spectrum_error"],
            )
        )
    count = len(record.warnings)
    if count:
        text = f"The result carries {count} warning{'s' if count > 1 else ''}: "
        found.append(Sentence("accuracy", text + "; ".join(record.warnings) + ".", {}))
    return found
