"""Bounds that are not structure: abundance, phase space, radiation, lifetimes, couplings, X-rays.

:func:`verdicts` gives them as entries of the report, with margins; :func:`warnings` as sentences.
"""

import math
from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array

from spectra.constants import (
    ELEMENTARY_CHARGE_C,
    NEUTRINO_TEMPERATURE_RATIO,
    NEWTON_M3_KG_S2,
    PARSEC_M,
    PLANCK_J_S,
    SPEED_OF_LIGHT_M_S,
)
from spectra.cosmology import Cosmology, photon_temperature_gev
from spectra.linear import cosmology_of
from spectra.programs import program
from spectra.spectrum import Spectrum, moment, omega_h2
from spectra.structure import Verdict, VerdictStatus, judged
from spectra.units import plain_numbers
from sterile import xray
from sterile.bath import expansion
from sterile.bath import thermodynamics as bath
from sterile.combined import MASS, Composite, is_one_species
from sterile.contract import Production, abundance_per_kev
from sterile.mechanisms import mechanism_of
from sterile.models import HELICITY_STATES, Model, Plasma
from sterile.status import Status, message_of

_KEV_GEV = 1e-6
FORBIDDEN, CONSTRAINED = VerdictStatus.FORBIDDEN, VerdictStatus.CONSTRAINED

# Planck 2018, 1807.06209: omega_c = 0.1200 +- 0.0012
_OMEGA_SIGMA = 0.0012
# a mass fixed by the abundance comes back to rounding
_OMEGA_ROUNDING = 1e-6

# Alvey et al. 2010.03572, dwarf spheroidals, 95 %: any fermion, and a thermal relic, whose
# largest occupation summed over two helicities is 1
PAULI_MASS_KEV, THERMAL_PHASE_SPACE_MASS_KEV = 0.13, 0.41
_RISING = -0.05  # d ln f/d ln q at the table's start below which f is taken to diverge

# N_eff and its error: of nucleosynthesis alone recalled from Fields et al. 1912.01132, whose
# abstract has 2.86 +- 0.15 together with Planck; Planck 2018 1807.06209 with BAO (abstract)
_N_EFF = {"bbn": (2.88, 0.27), "recombination": (2.99, 0.17)}
_BBN_TEMPERATURE_GEV = 1e-3
LOWEST_REHEATING_GEV = 4e-3  # 1511.00672: 4.1 to 4.7 MeV
_RECOMBINATION_SCALE_FACTOR = 1.0 / 1090.0


@plain_numbers
def overclosure(abundance: Array, cosmology: Cosmology | None = None) -> Verdict:
    """Omega h^2 of N (scalar) not above the dark matter's."""
    cosmology = Cosmology() if cosmology is None else cosmology
    excess = jnp.maximum(abundance / cosmology.omega_dm - 1.0, 0.0) * cosmology.omega_dm
    return judged(
        abundance,
        [(jnp.log(cosmology.omega_dm / abundance) + _OMEGA_ROUNDING, FORBIDDEN)],
        cosmology.omega_dm,
        "Planck 2018, 1807.06209",
        "Omega h^2, smaller passes; margin ln(threshold/value); likelihood: Gaussian above "
        "omega_dm with sigma 0.0012, flat below (the rest may be something else)",
        -0.5 * (excess / _OMEGA_SIGMA) ** 2,
    )


def pauli(spectrum: Spectrum, helicity_states: int = 2) -> Verdict:
    """Tremaine-Gunn for any fermion: dwarf galaxies hold no more than a degenerate gas.

    ``helicity_states``: 2 for a Majorana N, 4 for a Dirac N, whose antiparticles count too.
    """
    threshold = PAULI_MASS_KEV * (0.5 * helicity_states) ** -0.25
    return judged(
        spectrum.mass_kev,
        [(jnp.log(spectrum.mass_kev / threshold), FORBIDDEN)],
        threshold,
        "degenerate gas, Alvey et al. 2010.03572, 95 %",
        "mass [keV]; margin ln(value/threshold); no likelihood: a limit",
    )


def phase_space(spectrum: Spectrum) -> Verdict:
    """Tremaine-Gunn with this spectrum's largest occupation (Liouville), undecided if f diverges.

    The bound of a thermal relic, 0.41 keV, times F_max^(-1/4): m^4 F_max is what a halo's coarse
    phase-space density limits (Tremaine & Gunn 1979), F summed over helicities however many.
    """
    largest = jnp.max(spectrum.f)
    start = jnp.where(spectrum.f[:2] > 0.0, spectrum.f[:2], largest)
    slope = jnp.diff(jnp.log(start))[0] / (jnp.log(spectrum.q[1]) - jnp.log(spectrum.q[0]))
    threshold = THERMAL_PHASE_SPACE_MASS_KEV * largest**-0.25
    margin = jnp.log(spectrum.mass_kev / threshold)
    return judged(
        spectrum.mass_kev,
        [(jnp.where(slope > _RISING, margin, jnp.nan), FORBIDDEN)],
        threshold,
        "thermal relic 0.41 keV, Alvey et al. 2010.03572, 95 %, by F_max^(-1/4)",
        "mass [keV]; undecided where f rises towards q = 0 (q^-1/2 of scalar decay): see "
        "phase-space-bezrukov2024, which any f has; margin ln(value/threshold); no likelihood: a "
        "limit",
    )


@plain_numbers
def tremaine_gunn_mass_kev(
    velocity_km_s: Array, core_radius_pc: Array, degrees_of_freedom=2.0, occupation=0.5
) -> Array:
    """The smallest mass [keV] for an isothermal core: m^4 = 9 h^3/(4 pi G (2 pi)^(3/2) g f s r^2).

    ``velocity_km_s``: dispersion s; ``core_radius_pc``: King radius r, rho_0 = 9 s^2/(4 pi G r^2);
    ``occupation``: f, 1/2 for a relic Fermi-Dirac gas, 1 for the Pauli limit (Tremaine & Gunn
    1979). 0.766 keV for 6 km/s and 100 pc.
    """
    phase_density = degrees_of_freedom * occupation / PLANCK_J_S**3
    dispersion, radius = 1e3 * velocity_km_s, core_radius_pc * PARSEC_M
    gaussian = 4.0 * math.pi * NEWTON_M3_KG_S2 * (2.0 * math.pi) ** 1.5
    mass_kg = (9.0 / (gaussian * phase_density * dispersion * radius**2)) ** 0.25
    return mass_kg * SPEED_OF_LIGHT_M_S**2 / (1e3 * ELEMENTARY_CHARGE_C)


@jax.jit
def extra_radiation(spectrum: Spectrum, scale_factor, cosmology: Cosmology) -> Array:
    """Delta N_eff of N at a scale factor: 3 times its pressure over one neutrino's density."""
    temperature = spectrum.temperature_ratio * photon_temperature_gev(cosmology)
    # a m/T_ref, the comoving momentum of v = 1/sqrt(2)
    rest = spectrum.mass_kev * _KEV_GEV / temperature * scale_factor
    weighted = Spectrum(
        spectrum.q,
        spectrum.f * spectrum.q / jnp.hypot(spectrum.q, rest),
        spectrum.mass_kev,
        spectrum.temperature_ratio,
    )
    pressure = spectrum.temperature_ratio**4 * moment(weighted, 1.0) / (2.0 * math.pi**2)
    neutrino = 7.0 / 8.0 * math.pi**2 / 15.0 * NEUTRINO_TEMPERATURE_RATIO**4
    return pressure / neutrino


def radiation(spectrum: Spectrum, epoch: str, cosmology: Cosmology | None = None) -> Verdict:
    """Delta N_eff of N at "bbn" (T = 1 MeV) or "recombination" (z = 1089)."""
    cosmology = Cosmology() if cosmology is None else cosmology
    if epoch not in _N_EFF:
        raise ValueError(f'epoch = {epoch!r} is unknown; use "bbn" or "recombination"')
    if epoch == "bbn":
        # comoving temperature: entropy of e+e- not yet in the photons
        scale = photon_temperature_gev(cosmology) / bath.comoving_temperature_gev(
            jnp.asarray(_BBN_TEMPERATURE_GEV)
        )
    else:
        scale = _RECOMBINATION_SCALE_FACTOR
    extra = extra_radiation(spectrum, scale, cosmology)
    measured, sigma = _N_EFF[epoch]
    threshold = measured + 2.0 * sigma - cosmology.n_eff
    pull = jnp.maximum(cosmology.n_eff + extra - measured, 0.0) / sigma
    best = jnp.maximum(cosmology.n_eff - measured, 0.0) / sigma
    recalled = "nucleosynthesis alone, Fields et al. 1912.01132, recalled"
    source = recalled if epoch == "bbn" else "Planck 2018 with BAO, 1807.06209"
    return judged(
        extra,
        [((threshold - extra) / threshold, CONSTRAINED)],
        threshold,
        f"N_eff = {measured} +- {sigma}, {source}",
        "Delta N_eff = 3 p/rho of one neutrino, smaller passes; threshold mean + 2 sigma over the "
        "cosmology's N_eff; margin relative; likelihood: Gaussian, one-sided, 0 without N",
        -0.5 * (pull**2 - best**2),
    )


def expansion_verdicts(plasma: Plasma) -> dict[str, Verdict]:
    """Nucleosynthesis in an expansion with more than the Standard Model, by name; else none."""
    if expansion.is_standard(plasma):
        return {}
    if expansion.releases_entropy(plasma):
        temperature = jnp.asarray(expansion.end_of_release_gev(plasma))
        return {
            "plasma-reheating": judged(
                temperature,
                [(jnp.log(temperature / LOWEST_REHEATING_GEV), FORBIDDEN)],
                LOWEST_REHEATING_GEV,
                "nucleosynthesis, de Salas et al. 1511.00672; Hasegawa et al. 1908.10189",
                "T_RH [GeV], H of radiation = Gamma, larger passes; margin ln(value/threshold); no "
                "likelihood: a limit",
            )
        }
    at = jnp.asarray(_BBN_TEMPERATURE_GEV)
    fluid = expansion.fluid_density_gev4(bath.comoving_temperature_gev(at), plasma)
    share = fluid / bath.energy_density_gev4(at)
    measured, sigma = _N_EFF["bbn"]
    # one neutrino is (7/4)/10.75 of the density at T = 1 MeV
    threshold = (measured + 2.0 * sigma - 3.044) * 1.75 / 10.75
    return {
        "plasma-fluid-bbn": judged(
            share,
            [((threshold - share) / threshold, FORBIDDEN)],
            threshold,
            f"N_eff = {measured} +- {sigma}, Fields et al. 1912.01132, recalled",
            "rho of the extra fluid over the Standard Model's at T = 1 MeV, smaller passes; "
            "threshold: Delta N_eff at mean + 2 sigma; margin relative; no likelihood: a limit",
        )
    }


class Judged(eqx.Module):
    """What bounds are asked about: a finished point without what they do not need.

    Attributes
    ----------
    spectrum : the point's spectrum; omega_h2, mass_kev : its abundance and m_N [keV].
    numbers : the mechanism's own scalars; each is an attribute, too.
    plasma : what it was made in, or None where that is not known.
    """

    spectrum: Spectrum
    omega_h2: Array
    mass_kev: Array
    numbers: dict[str, Array]
    plasma: Plasma | None

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name == "numbers" or name not in self.numbers:
            raise AttributeError(f"a judged point has no {name!r}")
        return self.numbers[name]


def spectrum_verdicts(
    spectrum: Spectrum, cosmology: Cosmology | None = None, helicity_states: int = 2
) -> dict[str, Verdict]:
    """The bounds that any fermion spectrum has to pass, by name. F must be the physical one."""
    cosmology = Cosmology() if cosmology is None else cosmology
    report = _spectrum_report(spectrum, cosmology, helicity_states)
    return {name: report[name] for name in _OF_ANY_SPECTRUM}


@program
def _spectrum_report(spectrum, cosmology, helicity_states) -> dict[str, Verdict]:
    return {
        "overclosure": overclosure(omega_h2(spectrum, cosmology), cosmology),
        "tremaine-gunn-pauli": pauli(spectrum, helicity_states),
        "tremaine-gunn-phase-space": phase_space(spectrum),
        "n-eff-bbn": radiation(spectrum, "bbn", cosmology),
        "n-eff-recombination": radiation(spectrum, "recombination", cosmology),
    }


def verdicts(
    model,
    point,
    cosmology: Cosmology | None = None,
    xray_limits=None,
    plasma: Plasma | None = None,
) -> dict[str, Verdict]:
    """The bounds on a finished point, by name; works under jit, vmap and grad.

    Parameters
    ----------
    model : its parameters. Its mechanism adds the bounds of its own; a model with ``sin2_2theta``
        adds the X-ray limits.
    point : from :func:`sterile.evaluate`.
    cosmology : that of the point when left out.
    xray_limits : name -> :class:`sterile.xray.LineLimit`; the single numbers of
        :func:`sterile.xray.shipped_limits` when left out.
    plasma : treatment of the bath; that of the point's production when left out.
    """
    cosmology = cosmology_of(point.transfer, cosmology)
    production = getattr(point, "production", None)
    if plasma is None and production is not None:
        plasma = production.plasma
    judged_point = Judged(
        point.spectrum,
        jnp.asarray(point.omega_h2),
        jnp.asarray(point.mass_kev),
        getattr(point, "numbers", {}),
        plasma,
    )
    limits = None
    if _mixes(model):
        limits = xray.shipped_limits() if xray_limits is None else dict(xray_limits)
    if isinstance(model, Model):
        report = _report(model, judged_point, cosmology, limits)
    else:
        report = _judge(model, judged_point, cosmology, limits)
    # a program sorts names; the report is read from the abundance down
    return {name: report[name] for name in (*_OF_ANY_SPECTRUM, *report)}


def compile_verdicts(
    model: Model, production: Production, fields: Mapping[str, Any], cosmology: Cosmology
) -> None:
    """Begin to compile :func:`verdicts` in the background.

    ``production``, ``fields``: of :func:`sterile.pipeline.compile_production` and ``compile_rest``.
    """
    numbers = {name: getattr(production, name) for name in mechanism_of(model).numbers}
    given = fields["spectrum"], fields["omega_h2"], fields["mass_kev"]
    limits = xray.shipped_limits() if _mixes(model) else None
    _report.ahead(model, Judged(*given, numbers, production.plasma), cosmology, limits)


_OF_ANY_SPECTRUM = (
    "overclosure",
    "tremaine-gunn-pauli",
    "tremaine-gunn-phase-space",
    "n-eff-bbn",
    "n-eff-recombination",
)


def _judge(model, point: Judged, cosmology, limits) -> dict[str, Verdict]:
    neutrino = getattr(model, "neutrino", "majorana")
    report = spectrum_verdicts(point.spectrum, cosmology, HELICITY_STATES[neutrino])
    report["overclosure"] = overclosure(point.omega_h2, cosmology)
    if isinstance(model, Model):
        report |= mechanism_of(model).bounds(model, point, cosmology)
    if point.plasma is not None:
        report |= expansion_verdicts(point.plasma)
    for suffix, mixed, mass, abundance in _mixed_species(model, point):
        share = jnp.minimum(abundance / cosmology.omega_dm, 1.0)
        kind = getattr(mixed, "neutrino", "majorana")
        for name, limit in (limits or {}).items():
            report[name + suffix] = xray.line_verdict(mass, mixed.sin2_2theta, limit, share, kind)
    return report


_report = program(_judge)


def _mixes(model) -> bool:
    """Whether a species of the model, or the model's own, mixes with active neutrinos."""
    parts = model.parts if isinstance(model, Composite) else ()
    return hasattr(model, "sin2_2theta") or any(hasattr(part, "sin2_2theta") for part in parts)


def _mixed_species(model, point) -> list[tuple[str, Any, Array, Array]]:
    """(suffix of its verdicts, model, mass [keV], abundance) of every species that mixes."""
    if hasattr(model, "sin2_2theta"):
        return [("", model, point.mass_kev, point.omega_h2)]
    if not (isinstance(model, Composite) and not is_one_species(model)):
        return []
    yields = [getattr(point, f"{prefix}yield_n") for prefix, _ in model.layout.parts]
    return [
        (f" (part {i})", part, mass, abundance_per_kev() * mass * made)
        for i, (part, made) in enumerate(zip(model.parts, yields), start=1)
        if hasattr(part, "sin2_2theta")
        for mass in [getattr(part, MASS)]
    ]


def warnings(model, point, cosmology: Cosmology | None = None) -> list[str]:
    """Sentences about a finished point; empty when there is nothing to say.

    Parameters
    ----------
    model : its parameters.
    point : from :func:`sterile.evaluate`.
    cosmology : gives omega_dm; that of the point when left out.
    """
    cosmology = cosmology_of(point.transfer, cosmology)
    found = []
    crowded, occupation = Status.OCCUPATION_ABOVE_ONE, float(point.occupation_max)
    if int(point.status) >= Status.OUT_OF_RANGE and int(point.status) != crowded:
        found.append(message_of(int(point.status)))
    if int(point.status) == crowded or occupation > 1.0:  # beside another status, too
        found.append(f"{message_of(crowded)}; largest occupation: {occupation:.2g}")
    abundance, target = float(point.omega_h2), float(cosmology.omega_dm)
    if abundance > target * (1.0 + _OMEGA_ROUNDING):
        found.append(
            f"over-closure: Omega h^2 = {abundance:.4g} exceeds omega_dm = {target:.4g}; T^2 is "
            "that of the same shape with the right abundance"
        )
    return found + list(mechanism_of(model).warnings(model, point, cosmology))
