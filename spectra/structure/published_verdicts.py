"""A spectrum against the published bounds and the tabulated likelihoods."""

import dataclasses
import math
from collections.abc import Iterable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from spectra.cosmology import Cosmology, as_float
from spectra.linear import Drive
from spectra.structure.bounds_catalogue import (
    DEFAULT_SET,
    Bound,
    Model,
    choose_bounds,
    half_mode_mass_msun,
    models_of,
)
from spectra.structure.likelihood_table import (
    LikelihoodTable,
    read_likelihood,
    shipped_likelihood,
)
from spectra.structure.momenta import OfMomenta
from spectra.structure.power import PowerTable
from spectra.structure.scales import half_mode_mass
from spectra.structure.standards import (
    NUMBERS,
    relic_masses_kev,
    standard_numbers,
    standard_numbers_at,
)
from spectra.structure.verdict import ROUNDING, Subject, Verdict, VerdictStatus, judged

SUMMARY = "bounds"
CONSTRAINED, FORBIDDEN = VerdictStatus.CONSTRAINED, VerdictStatus.FORBIDDEN
# relative likelihood below which one's own table constrains: the odds that the papers quote
LOWEST_RELATIVE_LIKELIHOOD = 0.1
# test → the number that is compared, and what is said of it
_TESTED: dict[str, str] = dict(zip(("half-mode-mass", "area", "satellites", "galaxies"), NUMBERS))
_CONVENTIONS = {
    "half-mode-mass": "half-mode mass of T = 1/2 [Msun/h], smaller passes, at most (least) that of "
    "the last (first) k when not crossed; margin in dex",
    "area": "delta_A, smaller passes, against that of {models} ({relic}) with the same P(k) and "
    "k_cut; margin 1 - value/threshold",
    "satellites": "subhaloes above 1e8 Msun/h, more pass, against those of {models} ({relic}) in "
    "the same host; margin value/threshold - 1",
    "galaxies": "log10 of haloes at z = 6 above 1e6 Msun/h per Mpc^3, more pass, against those of "
    "{models} ({relic}); margin in dex",
    "excess-mass": "mass [keV] of this shape and temperature, larger passes; threshold from the "
    "phase-space density of a Fermi-Dirac neutrino of {value} keV, for any f; margin ln(value/"
    "threshold)",
}


class PublishedBounds(eqx.Module):
    """Bounds and likelihoods that a report judges; made by :func:`published_bounds`.

    Attributes
    ----------
    thresholds : (n, 2) of each bound the mildest and the strictest threshold, in the unit of what
        its test compares.
    tables : likelihoods of the rows that have one, and then one's own.
    cosmology : that of the thresholds.
    bounds : the rows of the table.
    masses : of each bound that is quoted as M_hm the relics that have it, in words.
    own : names of one's own likelihoods.
    """

    thresholds: Array
    tables: tuple[LikelihoodTable, ...]
    cosmology: Cosmology
    bounds: tuple[Bound, ...] = eqx.field(static=True)
    masses: tuple[str, ...] = eqx.field(static=True)
    own: tuple[str, ...] = eqx.field(static=True)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the verdicts that a report gives on these, without the summary."""
        return (*(bound.name for bound in self.bounds), *self.own)


def published_bounds(
    chosen: str | Iterable[str] = DEFAULT_SET, cosmology: Cosmology | None = None
) -> PublishedBounds:
    """The bounds that words name, with the numbers of the models that they are about.

    Parameters
    ----------
    chosen : as for :func:`spectra.structure.choose_bounds`: "2026", "2017", "all", names, paths of
        a table (.csv) or a likelihood (.toml) of one's own.
    cosmology : concrete; the default one when left out. In another the models are solved for once.

    Raises
    ------
    FileNotFoundError, ValueError
        As :func:`spectra.structure.choose_bounds` and :func:`spectra.structure.read_likelihood`.
    """
    # what depends on a concrete cosmology alone is no part of a user's program
    with jax.ensure_compile_time_eval():
        cosmology = Cosmology() if cosmology is None else cosmology
        bounds, paths = choose_bounds(chosen)
        models = _models(bounds)
        known = standard_numbers(models, cosmology) if models else {}
        masses = [_in_words(bound, cosmology) for bound in bounds]
        rows = [shipped_likelihood(bound.likelihood) for bound in bounds if bound.likelihood]
        own = {
            path.rsplit("/", 1)[-1].removesuffix(".toml"): read_likelihood(path) for path in paths
        }
        taken = {bound.name for bound in bounds} & set(own)
        if taken or len(own) < len(paths):
            raise ValueError(f"likelihood {min(taken or own)!r} is there twice; rename its file")
        return PublishedBounds(
            thresholds=_all_thresholds(bounds, known, float(cosmology.h)),
            tables=(*rows, *own.values()),
            cosmology=cosmology,
            bounds=bounds,
            masses=tuple(masses),
            own=tuple(own),
        )


def bounds_at(
    published: PublishedBounds, cosmology: Cosmology, drive: Drive | None, power: PowerTable
) -> PublishedBounds:
    """The same bounds with the thresholds of a cosmology to which ``drive`` and ``power`` reach.

    For cosmologies that vary: may be traced, derivatives in the cosmology flow, nothing is kept.
    Under tracing thresholds are NaN where the tables do not reach. ``masses`` stay as they are:
    words. ``drive``, ``power``: as for :func:`spectra.structure.reference_relics`.
    """
    bounds, models = published.bounds, _models(published.bounds)
    known = standard_numbers_at(models, cosmology, drive, power)
    thresholds = _all_thresholds(bounds, known, cosmology.h)
    return dataclasses.replace(published, thresholds=thresholds, cosmology=cosmology)


def _models(bounds: Iterable[Bound]) -> tuple[Model, ...]:
    return tuple(dict.fromkeys(model for bound in bounds for model in models_of(bound)))


def _all_thresholds(bounds, known: dict, h) -> Array:
    """Of n bounds, (n, 2); ``known``: numbers of their models, which may be traced as ``h``."""
    rows = [jnp.stack(_thresholds(bound, known, h)) for bound in bounds]
    return jnp.stack(rows) if rows else jnp.zeros((0, 2))


def _thresholds(bound: Bound, known: dict, h) -> tuple[Array, Array]:
    if bound.test == "excess-mass":
        return as_float(float(bound.value)), as_float(float(bound.value))
    if not models_of(bound):
        mass = as_float(half_mode_mass_msun(bound) * h)
        return mass, mass
    values = jnp.stack([as_float(known[m][_TESTED[bound.test]]) for m in models_of(bound)])
    smaller_passes = bound.test in ("half-mode-mass", "area")
    low, high = jnp.min(values), jnp.max(values)
    return (high, low) if smaller_passes else (low, high)


def _in_words(bound: Bound, cosmology: Cosmology) -> str:
    if bound.unit not in ("msun", "log10-msun"):
        return ""
    mass = half_mode_mass_msun(bound)
    relics = relic_masses_kev(mass, cosmology).items()
    words = [f"{kev:.1f} keV ({kind})" for kind, kev in relics if math.isfinite(kev)]
    return f"10^{math.log10(mass):.3g} Msun: {', '.join(words)}"


def excess_masses_kev(published: PublishedBounds) -> tuple[float, ...]:
    """Of the bounds on momenta, what :func:`spectra.structure.momenta.of_momenta` asks for."""
    return tuple(float(bound.value) for bound in published.bounds if bound.test == "excess-mass")


def published_verdicts(
    subject: Subject,
    published: PublishedBounds,
    momenta: OfMomenta | None,
    host_scale: ArrayLike = 1.0,
) -> dict[str, Verdict]:
    """Verdicts by name: the summary "bounds", every bound, one's own likelihoods.

    ``momenta``: with :func:`excess_masses_kev`; where only T(k) is known, None: bounds on them are
    left out. ``host_scale``: mass of the Milky Way's halo over the default one; the count of
    subhaloes is proportional to it within 4 %.
    """
    values = {
        "half-mode-mass": _half_mode_mass(subject),
        "area": subject.area_deficit,
        "satellites": subject.n_satellites,
        "galaxies": jnp.log10(subject.halo_density_mpc3),
    }
    tables = dict(zip((b.name for b in published.bounds if b.likelihood), published.tables))
    own = published.tables[len(tables) :]
    chosen = [
        i
        for i, bound in enumerate(published.bounds)
        if bound.test != "excess-mass" or momenta is not None
    ]
    report, codes, margins = {}, [], []
    if chosen:
        bounds = [published.bounds[i] for i in chosen]
        measured, ends, margin, code = _compared(
            subject, bounds, published.thresholds[np.array(chosen)], values, momenta, host_scale
        )
        codes, margins = [code], [margin]
        unlikely = jnp.asarray(jnp.nan)
        numbers = (jnp.unstack(array) for array in (ends, margin, code))
        for i, bound, end, least, status in zip(chosen, bounds, *numbers):
            value = measured[bound.test]
            table = tables.get(bound.name)
            likelihood = (
                unlikely if table is None else table(jnp.log10(value / subject.cosmology.h))
            )
            why = "no likelihood: a limit" if table is None else f"likelihood: {table.source}"
            report[bound.name] = _verdict(
                bound, value, end, least, status, likelihood, why, published.masses[i]
            )
    for name, table in zip(published.own, own):
        report[name] = _by_likelihood(subject, table, values)
        codes.append(report[name].status_code[None])
        margins.append(report[name].margin[None])
    if not report:
        return {}
    return {SUMMARY: _summary(jnp.concatenate(codes), jnp.concatenate(margins)), **report}


def _compared(
    subject, bounds, ends, values, momenta, host_scale
) -> tuple[dict, Array, Array, Array]:
    """Values by test, and strictest threshold, margin to it and status of n bounds, (n,) each.

    Few operations on all at once, as a program's weight is their number.
    """
    tests = np.array([bound.test for bound in bounds])
    by_momenta = np.flatnonzero(tests == "excess-mass")
    if by_momenta.size:
        ends = ends.at[by_momenta].set(momenta.lightest_kev[:, None])
        values = {**values, "excess-mass": momenta.mass_kev}
    which = np.array([list(values).index(test) for test in tests])
    value = jnp.stack(list(values.values()))[which][:, None]
    ends = jnp.where((tests == "satellites")[:, None], ends * host_scale, ends)
    ends = jnp.where((tests == "galaxies")[:, None], jnp.log10(ends), ends)
    # of values and thresholds that are positive, but for the logarithms of densities of galaxies
    difference, ratio = value - ends, value / ends
    logarithm = jnp.log(jnp.where((tests == "galaxies")[:, None], 1.0, ratio))
    kinds = {
        "half-mode-mass": -logarithm / math.log(10.0),
        "area": 1.0 - ratio,
        "satellites": ratio - 1.0,
        "galaxies": difference,
        "excess-mass": logarithm,
    }
    margins = jnp.select([(tests == test)[:, None] for test in kinds], list(kinds.values()))
    undecided = (tests == "half-mode-mass") & ~_decided(subject, ends[:, 1])
    margins = jnp.where(undecided[:, None], jnp.nan, margins)
    failed = np.array([_FAILED_CODES[bound.failed] for bound in bounds])
    code = jnp.max(jnp.where(margins < -ROUNDING, failed, VerdictStatus.ALLOWED), axis=1)
    code = jnp.where(jnp.isnan(margins[:, 1]), VerdictStatus.UNDECIDED, code)
    forecast = np.array([bound.failed == "forecast" for bound in bounds])
    code = jnp.where(forecast, VerdictStatus.NOT_A_VERDICT, code).astype(jnp.int32)
    return values, ends[:, 1], margins[:, 1], code


# status beyond the mildest and beyond the strictest threshold
_FAILED_CODES = {
    "forbidden": (FORBIDDEN, FORBIDDEN),
    "constrained": (CONSTRAINED, CONSTRAINED),
    "family": (FORBIDDEN, CONSTRAINED),
    "forecast": (CONSTRAINED, CONSTRAINED),
}


def _verdict(bound: Bound, value, threshold, margin, code, likelihood, why, masses) -> Verdict:
    words = bound.value.split()
    models = words[0] + " keV" if len(words) == 1 else f"mixtures keV:share {', '.join(words)}"
    convention = _CONVENTIONS[bound.test].format(
        models=models, relic=bound.relic, value=bound.value
    )
    return Verdict(
        value=value,
        threshold=threshold,
        margin=margin,
        status_code=code,
        source=f"{bound.source}, {bound.confidence}",
        convention=f"{convention}; {why}",
        log_likelihood=likelihood,
        equivalent=masses,
    )


def _half_mode_mass(subject: Subject) -> Array:
    """M_hm [Msun/h]; where T = 1/2 is not crossed, that of the end that is as far as is known."""
    half, transfer = subject.half_mode, subject.transfer
    crossed = half.status_t == 0
    end = jnp.where(_too_hot(subject), jnp.min(transfer.k_h_mpc), jnp.max(transfer.k_h_mpc))
    k = jnp.where(crossed, jnp.where(crossed, half.k_t_half_h_mpc, 1.0), end)
    finite = jnp.all(jnp.isfinite(transfer.t))
    return jnp.where(finite, half_mode_mass(k, subject.cosmology), jnp.nan)


def _too_hot(subject: Subject) -> Array:
    return subject.transfer.t[jnp.argmin(subject.transfer.k_h_mpc)] < 0.5


def _decided(subject: Subject, threshold: Array) -> Array:
    coldest = half_mode_mass(jnp.max(subject.transfer.k_h_mpc), subject.cosmology)
    return _too_hot(subject) | (subject.half_mode.status_t == 0) | (coldest < threshold)


def _by_likelihood(subject: Subject, table: LikelihoodTable, values: dict) -> Verdict:
    """One's own likelihood as a verdict: constrained below a tenth of its best."""
    numbers = {
        "log10_m_hm_msun": lambda: jnp.log10(values["half-mode-mass"] / subject.cosmology.h),
        "log10_k_t2_half_h_mpc": lambda: jnp.log10(subject.half_mode.k_t2_half_h_mpc),
        "delta_a": lambda: values["area"],
        "n_satellites": lambda: values["satellites"],
        "log10_n_galaxies_z6_mpc3": lambda: values["galaxies"],
    }
    found = table(*(numbers[axis]() for axis in table.axes))
    threshold = math.log(LOWEST_RELATIVE_LIKELIHOOD)
    return judged(
        found,
        [(found - threshold, CONSTRAINED)],
        threshold,
        table.source,
        f"log-likelihood in {', '.join(table.axes)}, 0 at its best, larger passes; threshold a "
        "tenth of the best; margin value - threshold; likelihood: one's own table",
        found,
    )


def _summary(codes: Array, margins: Array) -> Verdict:
    """The worst of n verdicts, (n,) each: how many fail, the smallest margin."""
    counted = codes != VerdictStatus.NOT_A_VERDICT
    failed = jnp.where((codes == CONSTRAINED) | (codes == FORBIDDEN), codes, 0)
    undecided = jnp.any(codes == VerdictStatus.UNDECIDED)
    passed = jnp.where(undecided, VerdictStatus.UNDECIDED, VerdictStatus.ALLOWED)
    smallest = jnp.min(jnp.where(counted & ~jnp.isnan(margins), margins, jnp.inf))
    return Verdict(
        value=jnp.sum(failed > 0).astype(float),
        threshold=jnp.asarray(1.0),
        margin=jnp.where(jnp.isfinite(smallest), smallest, jnp.nan),
        status_code=jnp.where(jnp.any(failed > 0), jnp.max(failed), passed).astype(jnp.int32),
        source=f"{codes.size} published bounds and likelihoods, each listed",
        convention="how many of them fail, less than one passes; margin the smallest of theirs, "
        "each in its own measure; no likelihood: a summary",
    )
