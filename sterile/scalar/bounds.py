"""Bounds that only scalar decay has: the scalar's lifetime, invisible Higgs decays, couplings."""

import math

import jax.numpy as jnp
from jax import Array

from spectra.constants import HIGGS_MASS_GEV, HIGGS_WIDTH_GEV
from spectra.programs import program
from spectra.structure import Verdict, VerdictStatus, judged
from sterile.bath import hubble_gev
from sterile.scalar.amplitudes import higgs_decay_width_gev, scalar_decay_width_gev
from sterile.scalar.higgs_mixing import bath_branching, bath_widths_gev, mixing_angle
from sterile.scalar.model import ScalarDecay

_KEV_GEV = 1e-6
FORBIDDEN = VerdictStatus.FORBIDDEN

NUCLEOSYNTHESIS_GEV = 4e-3
PERTURBATIVE_LIMIT = 4.0 * math.pi
INVISIBLE_BRANCHING = 0.107
OCCUPATION_LIMIT = 0.1
BRANCHING_WORTH_SAYING = 1e-2
_ENTROPY_PER_RATIO = 0.75 * math.gamma(1.5) * math.sqrt(2.0 * math.e)
LASING_YIELD = 2e-5  # Y_S, a hundredth of equilibrium
DENSITY_WORTH_SAYING = 0.1


def _total_width_gev(model: ScalarDecay) -> Array:
    width = scalar_decay_width_gev(model.scalar_mass_gev, model.yukawa, model.neutrino)
    if model.scalar_vev_gev is None:
        return width
    parameters = model.scalar_mass_gev, model.portal_coupling, model.scalar_vev_gev
    return width + bath_widths_gev(*parameters)[0]


def scalar_lifetime(model: ScalarDecay) -> Verdict:
    """S gone before nucleosynthesis: Gamma_S above H at T = 4 MeV."""
    ratio = _total_width_gev(model) / hubble_gev(jnp.asarray(NUCLEOSYNTHESIS_GEV))
    return judged(
        ratio,
        [(jnp.log10(ratio), FORBIDDEN)],
        1.0,
        "radiation domination by T = 4 MeV, Hannestad astro-ph/0403291",
        "Gamma_S/H(4 MeV); margin in dex; no likelihood: S may be too rare to matter",
    )


def invisible_branching(model: ScalarDecay) -> Array:
    """BR(h -> SS) with the Standard Model's total width, scalar; 0 when closed."""
    width = higgs_decay_width_gev(model.scalar_mass_gev, model.portal_coupling)
    return width / (width + HIGGS_WIDTH_GEV)


def invisible_higgs(model: ScalarDecay) -> Verdict:
    """h -> SS below the limit on invisible decays (S leaves the detector or decays to N)."""
    branching = invisible_branching(model)
    return judged(
        branching,
        [(1.0 - branching / INVISIBLE_BRANCHING, FORBIDDEN)],
        INVISIBLE_BRANCHING,
        "ATLAS combination 2301.10731, 95 %",
        "branching fraction, smaller passes; margin relative; no likelihood: a limit",
    )


def perturbativity(model: ScalarDecay) -> Verdict:
    """Both couplings below 4 pi."""
    largest = jnp.maximum(model.portal_coupling, model.yukawa)
    return judged(
        largest,
        [(jnp.log10(PERTURBATIVE_LIMIT / largest), FORBIDDEN)],
        PERTURBATIVE_LIMIT,
        "convention",
        "larger of lambda (of 2 lambda |Phi|^2 S^2) and y, smaller passes; margin in dex; no "
        "likelihood: a limit of the method",
    )


def entropy_release(model: ScalarDecay, density_ratio_max: Array) -> Verdict:
    """Little entropy from S -> Standard Model, which the solution leaves out and dilutes N.

    ds = B Gamma rho_S/T dt makes S - 1 = (3/4) Gamma(3/2) (2e)^(1/2) B r = 1.55 B r of the entropy,
    r the largest rho_S/rho_SM, if that is small: rho_S/rho_SM ~ t^(1/2) e^(-Gamma t). An upper
    limit where it is not, as the heat is not in r's own H.
    """
    branching = bath_branching(model, model.scalar_vev_gev)
    released = _ENTROPY_PER_RATIO * branching * density_ratio_max
    released = jnp.maximum(released, 1e-300)
    return judged(
        released,
        [(jnp.log10(DENSITY_WORTH_SAYING / released), VerdictStatus.CONSTRAINED)],
        DENSITY_WORTH_SAYING,
        "Scherrer & Turner 1985",
        "entropy from S -> SM over that of the bath, smaller passes: beyond, N is diluted by up to "
        "1 + this, which the solution leaves out; margin in dex; no likelihood: a limit of the "
        "method",
    )


def verdicts(model: ScalarDecay, point, cosmology) -> dict[str, Verdict]:
    """The bounds of this room by name; works under jit, vmap and grad."""
    found = {
        "scalar-lifetime": scalar_lifetime(model),
        "higgs-invisible": invisible_higgs(model),
        "perturbativity": perturbativity(model),
    }
    if model.scalar_vev_gev is not None:
        found["scalar-entropy"] = entropy_release(model, point.density_ratio_max)
    return found


def warnings(model: ScalarDecay, point, cosmology) -> list[str]:
    """Sentences about a finished point; empty when there is nothing to say."""
    numbers = {
        name: float(value)
        for name, value in _numbers(model, jnp.asarray(point.mass_kev, dtype=float)).items()
    }
    found = []
    for name in ("portal_coupling", "yukawa"):
        if float(getattr(model, name)) > PERTURBATIVE_LIMIT:
            found.append(f"{name} is above 4 pi: not perturbative")
    if numbers["width_over_hubble"] < 1.0:
        found.append(
            "S decays after nucleosynthesis: Gamma < H at T = 4 MeV; its energy and its late "
            "neutrinos may spoil the light elements"
        )
    plasma = point.production.plasma
    occupation = float(point.production.occupation_max)
    if occupation > OCCUPATION_LIMIT and not plasma.inverse_decays:
        found.append(
            f"occupation of N reaches {occupation:.2g} > 0.1: inverse decays "
            "N N -> S and Pauli blocking are neglected; inverse_decays = true includes them"
        )
    lases = plasma.stimulated and plasma.electroweak_transition == "step"
    if lases and float(point.production.yield_s_max) > LASING_YIELD:
        found.append(
            "quantum statistics with massless Higgs doublets: soft scalars lase before S is in "
            "equilibrium, and Y_N may be off by up to 9 %; use electroweak_transition = "
            '"crossover"'
        )
    ratio = float(point.production.density_ratio_max)
    if ratio > DENSITY_WORTH_SAYING:
        heat = "" if model.scalar_vev_gev is None else "; the heat of S -> SM is neglected"
        found.append(f"rho_S/rho_SM reaches {ratio:.2g} before S decays{heat}")
    found += _mixing_warnings(model, float(point.mass_kev), numbers)
    if 2.0 * float(model.scalar_mass_gev) < HIGGS_MASS_GEV:
        branching = numbers["invisible_branching"]
        if branching > INVISIBLE_BRANCHING:
            found.append(
                f"h -> S S has a branching fraction of {branching:.2g}, above the invisible-decay "
                "limit of 0.107"
            )
    return found


@program
def _numbers(model: ScalarDecay, mass_kev) -> dict[str, Array]:
    """What the warnings quote, scalars; <S> is the model's, or m_N/y."""
    vev = _KEV_GEV * mass_kev / model.yukawa
    if model.scalar_vev_gev is not None:
        vev = model.scalar_vev_gev
    return {
        "width_over_hubble": scalar_lifetime(model).value,
        "invisible_branching": invisible_branching(model),
        "mixing_angle": mixing_angle(model.scalar_mass_gev, model.portal_coupling, vev),
        "bath_branching": bath_branching(model, vev),
    }


def _mixing_warnings(model: ScalarDecay, mass_kev: float, numbers: dict) -> list[str]:
    """What <S> means for S -> Standard Model, with m_N = y <S> where <S> is not given."""
    given = model.scalar_vev_gev
    implied = _KEV_GEV * mass_kev / float(model.yukawa)
    vev = implied if given is None else float(given)
    angle, branching = numbers["mixing_angle"], numbers["bath_branching"]
    said = f"theta_hS = {angle:.2g} and a fraction {branching:.2g} of S decays to the SM"
    if given is not None:
        found = [f"<S> = {vev:.3g} GeV: {said}"]
        if abs(math.log(vev / implied)) > BRANCHING_WORTH_SAYING:
            product = float(model.yukawa) * vev / _KEV_GEV
            found.append(
                f"m_N = {mass_kev:.4g} keV is not y <S> = {product:.4g} keV: the difference has to "
                "be a mass of N's own"
            )
        return found
    if branching < BRANCHING_WORTH_SAYING:
        return []
    return [
        f"if m_N = y <S>, then <S> = {vev:.3g} GeV, {said}; scalar_vev_gev includes it, without "
        "it N's mass is taken to be its own"
    ]
