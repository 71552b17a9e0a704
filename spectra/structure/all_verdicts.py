"""One report on a spectrum: every constraint by name."""

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache, partial

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from spectra.cosmology import Cosmology, as_float
from spectra.linear import Drive, Transfer, cosmology_of, require_same, same
from spectra.programs import program
from spectra.spectrum import Spectrum
from spectra.structure import constraints as built_in
from spectra.structure.bounds_catalogue import DEFAULT_SET
from spectra.structure.constraints import half_mode_excess
from spectra.structure.halos import HOST_MASS_MSUN_H
from spectra.structure.measures import Measured, measure
from spectra.structure.momenta import of_momenta
from spectra.structure.power import PowerTable, check_cosmology, power_at, power_table
from spectra.structure.published_verdicts import (
    SUMMARY,
    PublishedBounds,
    bounds_at,
    excess_masses_kev,
    published_bounds,
    published_verdicts,
)
from spectra.structure.references import References, made_for, reference_relics
from spectra.structure.verdict import Subject, Verdict, VerdictStatus, strictest
from spectra.units import plain_numbers

# the paper's status rule (1609.01289): forbidden below the first, constrained below the second.
# Koenig, Merle & Totzauer name them; 3.3 keV is Viel et al. 1306.2314
REFERENCE_MASSES_KEV = (2.0, 3.3)
# further half-mode references: Irsic 2017 (conservative, restrictive), Irsic 2023
MODERN_MASSES_KEV = (3.5, 5.3, 5.7)
AREA_MASSES_KEV = (3.5, 5.3)

Constraint = Callable[[Subject], Verdict]


@plain_numbers
def reference_masses(reference_masses_kev: tuple[float, ...] = REFERENCE_MASSES_KEV):
    """All relic masses [keV] that a report needs, increasing."""
    wanted = {*reference_masses_kev, *MODERN_MASSES_KEV, *AREA_MASSES_KEV}
    return tuple(sorted(wanted | set(built_in.GALAXY_MASSES_KEV)))


@plain_numbers
def verdicts(
    dm: Spectrum | None,
    transfer: Transfer,
    cosmology: Cosmology | None = None,
    drive: Drive | None = None,
    reference_masses_kev: tuple[float, ...] = REFERENCE_MASSES_KEV,
    references: References | None = None,
    power: PowerTable | None = None,
    host_mass_msun_h: ArrayLike = HOST_MASS_MSUN_H,
    constraints: Mapping[str, Constraint] | None = None,
    measured: Measured | None = None,
    bounds: str | Iterable[str] | PublishedBounds = DEFAULT_SET,
) -> dict[str, Verdict]:
    """All constraints on a spectrum, by name; works under jit, vmap and grad.

    Entries: ``half-mode-2.0keV`` and so on, one per reference relic, and ``half-mode``, the
    summary of ``reference_masses_kev`` ("forbidden" when the lightest is failed, "constrained"
    when only heavier ones are, with the numbers of the heaviest); ``lyman-alpha-area-3.5keV``,
    ``-5.3keV`` and their summary; ``milky-way-satellites``; ``galaxies-z6``; the published bounds
    of :func:`spectra.structure.bounds_table` that ``bounds`` chooses, and ``bounds``, their
    summary; with a spectrum, ``warmness`` and ``free-streaming`` (a label).

    Relics and thresholds are those of ``cosmology``, also where it is traced: they are then solved
    for in the user's program with ``drive`` and ``power`` (those of the default cosmology where
    left out, good to 3 % from it; beyond, verdicts are "undecided").

    Parameters
    ----------
    dm : the spectrum; None when only T(k) is known.
    transfer : its transfer function, k_h_mpc (n,), t (n,); 200 h/Mpc have to be reached.
    cosmology, drive : as for :func:`spectra.transfer`; used to compute references and thresholds.
        Where left out, the cosmology is that of ``transfer``.
    reference_masses_kev : thermal-relic masses [keV] of the half-mode rule, concrete numbers.
    references : of :func:`spectra.reference_relics`, with :func:`reference_masses`, of
        ``cosmology``; computed by the solver when left out.
    power : of :func:`spectra.power_table`.
    host_mass_msun_h : mass of the Milky Way's halo [Msun/h]; without ``measured``.
    constraints : the user's own, name -> function of a :class:`spectra.Subject`.
    measured : of :func:`spectra.structure.measure`, where it has been made already.
    bounds : words as for :func:`spectra.structure.choose_bounds`, such as "2026", "2017", names or
        paths of one's own; or of :func:`spectra.structure.published_bounds`, of ``cosmology``.

    Raises
    ------
    ValueError
        If no reference mass is given or one is not positive, a name is taken, ``bounds`` names
        something that does not exist, or ``transfer``, ``references`` or ``bounds`` were made for
        another cosmology; where that shows only under tracing what they decide is "undecided".
    """
    _, report = assess(
        dm,
        transfer,
        cosmology,
        drive,
        reference_masses_kev,
        references,
        power,
        host_mass_msun_h,
        constraints,
        measured,
        bounds,
    )
    return report


@plain_numbers
def assess(
    dm: Spectrum | None,
    transfer: Transfer,
    cosmology: Cosmology | None = None,
    drive: Drive | None = None,
    reference_masses_kev: tuple[float, ...] = REFERENCE_MASSES_KEV,
    references: References | None = None,
    power: PowerTable | None = None,
    host_mass_msun_h: ArrayLike = HOST_MASS_MSUN_H,
    constraints: Mapping[str, Constraint] | None = None,
    measured: Measured | None = None,
    bounds: str | Iterable[str] | PublishedBounds = DEFAULT_SET,
) -> tuple[Measured, dict[str, Verdict]]:
    """What is measured of a transfer function, and :func:`verdicts` on it, by one program.

    Arguments and errors as there.
    """
    cosmology = cosmology_of(transfer, cosmology)
    masses = tuple(sorted(float(mass) for mass in reference_masses_kev))
    if not masses:
        raise ValueError("reference_masses_kev = () must be one or more positive numbers")
    if power is None:
        power = power_table(cosmology)
    check_cosmology(cosmology, power)
    if references is None:
        references = reference_relics(reference_masses(masses), cosmology, drive, power)
    fix = "spectra.reference_relics(masses, cosmology)"
    require_same(references.cosmology, cosmology, "references", fix)
    if not isinstance(bounds, PublishedBounds):
        if made_for(cosmology, drive, power):
            bounds = published_bounds(bounds, cosmology)
        else:
            bounds = bounds_at(published_bounds(bounds), cosmology, drive, power)
    fix = "spectra.structure.published_bounds(words, cosmology)"
    require_same(bounds.cosmology, cosmology, "bounds", fix)
    own = tuple((constraints or {}).items())
    momenta = None if dm is None else of_momenta(dm, cosmology, excess_masses_kev(bounds))
    found, report = _judge(
        dm if own else None,
        momenta,
        _alone(transfer),
        cosmology,
        power,
        references,
        measured if measured is not None else as_float(host_mass_msun_h),
        masses,
        own,
        bounds,
    )
    # jit sorts names; the report is read from the summaries down
    return found, {name: report[name] for name in _order(report, masses, bounds)}


def compile_verdicts(
    dm: Spectrum | None,
    transfer: Transfer,
    cosmology: Cosmology,
    references: References,
    power: PowerTable,
    measured: Measured,
    bounds: PublishedBounds,
) -> None:
    """Begin to compile :func:`verdicts`, with its other defaults, in the background.

    The arrays of ``dm``, ``transfer`` and ``measured`` may be ``jax.ShapeDtypeStruct``.
    """
    masses = tuple(sorted(REFERENCE_MASSES_KEV))
    momenta = None
    if dm is not None:
        momenta = of_momenta.ahead(dm, cosmology, excess_masses_kev(bounds))
    given = momenta, _alone(transfer), cosmology, power, references, measured, masses
    _judge.ahead(None, *given, (), bounds)


def _alone(transfer: Transfer) -> Transfer:
    """Without its cosmology, which the program is given beside it: one program for all."""
    return dataclasses.replace(transfer, cosmology=None)


def _order(report, masses, bounds: PublishedBounds) -> list[str]:
    summaries = ["half-mode", "lyman-alpha-area"]
    single = [name for name, _ in _single(masses)]
    areas = [name for name in single if name.startswith("lyman")]
    half_modes = [name for name in single if name.startswith("half-mode-")]
    known = [summaries[0], *half_modes, summaries[1], *areas]
    known += [name for name in single if name not in known]
    known += [name for name in (SUMMARY, *bounds.names) if name in report]
    return known + [name for name in report if name not in known]


@program
def _judge(dm, momenta, transfer, cosmology, power, references, measured, masses, own, published):
    """``dm``: where one's ``own`` constraints may ask for it; a program for every length."""
    power = power_at(power, cosmology)
    references = _of(
        cosmology,
        references,
        lambda relics: (relics.transfers.t, relics.area_deficit, relics.halo_density_mpc3),
    )
    published = _of(cosmology, published, lambda bounds: bounds.thresholds)
    host_scale = 1.0
    if not isinstance(measured, Measured):  # but the mass of the host
        host_scale = measured / HOST_MASS_MSUN_H
        measured = measure(transfer, power, cosmology, measured)
    excess, margin = jax.vmap(lambda reference: half_mode_excess(transfer, reference))(
        references.transfers
    )
    subject = Subject(
        transfer=transfer,
        cosmology=cosmology,
        power=power,
        half_mode=measured.half_mode,
        references=references,
        excess=excess,
        excess_margin=margin,
        area_deficit=measured.delta_a,
        n_satellites=measured.n_satellites,
        halo_density_mpc3=measured.n_galaxies_z6_mpc3,
        spectrum=dm,
    )
    report = {name: constraint(subject) for name, constraint in _single(masses)}
    rule = [report[f"half-mode-{mass_label(mass)}keV"] for mass in masses]
    listed = ", ".join(f"{mass:g}" for mass in masses)
    report["half-mode"] = strictest(
        rule,
        f"worst of the tests against {listed} keV ({subject.references.kind}); numbers of the "
        "heaviest; T^2 = 1/2 convention; no likelihood: a rule",
    )
    report["lyman-alpha-area"] = strictest(
        [report[f"lyman-alpha-area-{mass_label(mass)}keV"] for mass in AREA_MASSES_KEV]
    )
    report |= published_verdicts(subject, published, momenta, host_scale)
    if momenta is not None:
        report |= momenta.verdicts
    for name, constraint in own:
        if name in report:
            raise ValueError(f"constraint {name!r} is built in; give yours another name")
        report[name] = constraint(subject)
    return measured, report


def _of(cosmology: Cosmology, made, where):
    """References or bounds with NaN for the numbers ``where`` unless ``cosmology`` is theirs."""
    own = same(made.cosmology, cosmology)
    return eqx.tree_at(where, made, replace_fn=lambda leaf: jnp.where(own, leaf, jnp.nan))


@lru_cache(maxsize=16)
def _single(masses: tuple[float, ...]) -> tuple[tuple[str, Constraint], ...]:
    tests = []
    for mass in sorted({*masses, *MODERN_MASSES_KEV}):
        # lighter than or equal to the rule's lightest: conservative
        failed = VerdictStatus.FORBIDDEN if mass <= masses[0] else VerdictStatus.CONSTRAINED
        name = f"half-mode-{mass_label(mass)}keV"
        tests.append((name, partial(built_in.half_mode, mass_kev=mass, failed=failed)))
    for mass in AREA_MASSES_KEV:
        failed = (
            VerdictStatus.FORBIDDEN if mass == AREA_MASSES_KEV[0] else VerdictStatus.CONSTRAINED
        )
        name = f"lyman-alpha-area-{mass_label(mass)}keV"
        tests.append((name, partial(built_in.lyman_alpha_area, mass_kev=mass, failed=failed)))
    tests.append(("milky-way-satellites", built_in.milky_way_satellites))
    tests.append(("galaxies-z6", built_in.high_redshift_galaxies))
    return tuple(tests)


def mass_label(mass_kev: float) -> str:
    """A mass [keV] in a constraint's name: at least one decimal."""
    one_decimal = f"{mass_kev:.1f}"
    return one_decimal if float(one_decimal) == mass_kev else f"{mass_kev:g}"
