"""What happened to a model of scalar decay, in sentences: see :mod:`sterile.narrative`."""

import math

import numpy as np

from spectra.build_up import split_at_decoupling
from spectra.constants import HIGGS_MASS_GEV
from sterile.bath import thermodynamics as bath
from sterile.narrative import (
    Sentence,
    Told,
    by_momentum,
    mean_momentum,
    sentence,
    temperature_of_decay,
    temperature_of_share,
)

# of Y_S over that in equilibrium, while T > m_S and so before annihilation can freeze out
NEVER_MET, MET = 0.1, 0.9
# shares of neutrinos below which a component is not worth a sentence
_WORTH = 1e-2


def equilibrium_yield(temperature_gev: np.ndarray, mass_gev: float, constant_g=None) -> np.ndarray:
    """Y_eq = n_eq/s of a scalar of ``mass_gev`` [GeV], Maxwell-Boltzmann; ``temperature_gev`` (t,).

    n_eq = m^2 T K_2(m/T)/(2 pi^2). ``constant_g``: as of the plasma.
    """
    from scipy.special import kn  # slow to import, needed only here

    number = mass_gev**2 * temperature_gev * kn(2, mass_gev / temperature_gev)
    entropy = np.asarray(bath.entropy_density_gev3(temperature_gev, constant_g))
    return number / (2.0 * math.pi**2) / entropy


def closeness_to_equilibrium(told: Told) -> float:
    """The largest Y_S/Y_eq while T > m_S."""
    temperature = told.arrays["history/temperature_gev"]
    mass = float(told.parameters["scalar_mass_gev"])
    hot = temperature > mass
    expected = equilibrium_yield(temperature[hot], mass, told.plasma.constant_g)
    return float(np.max(told.arrays["history/yield_s"][hot] / expected))


def regime(told: Told) -> str:
    """ "freeze-in", "freeze-out" or "in between", by :func:`closeness_to_equilibrium`."""
    closeness = closeness_to_equilibrium(told)
    if closeness < NEVER_MET:
        return "freeze-in"
    return "freeze-out" if closeness > MET else "in between"


def scalar_and_regime(told: Told) -> list[Sentence]:
    """What S is, and whether it met equilibrium."""
    given = told.parameters
    means = {
        "freeze-in": "S never meets equilibrium and freezes in",
        "freeze-out": "S comes to equilibrium with the plasma and freezes out",
        "in between": "S comes near to equilibrium, in between freeze-in and freeze-out",
    }
    return [
        sentence(
            "model",
            "A scalar S of {scalar_mass_gev} GeV couples to the Higgs doublet with λ = "
            "{portal_coupling} (λ_hS = {lambda_hs} in the literature) and to N with y = {yukawa}.",
            scalar_mass_gev=given["scalar_mass_gev"],
            portal_coupling=given["portal_coupling"],
            lambda_hs=4.0 * given["portal_coupling"],
            yukawa=given["yukawa"],
        ),
        sentence(
            "regime",
            "{means}: Y_S/Y_eq reaches {closeness} while T > m_S.",
            means=means[regime(told)],
            closeness=closeness_to_equilibrium(told),
        ),
    ]


def _build_up(told: Told, total: np.ndarray) -> list[Sentence]:
    """When collisions made the scalars, and which; where none of them is destroyed."""
    temperature = told.arrays["history/temperature_gev"]
    first, half, last = (temperature_of_share(temperature, total, s) for s in (0.1, 0.5, 0.9))
    found = [
        sentence(
            "history",
            "Half of the scalars have been made when the plasma is at {half_gev} GeV, the middle "
            "80 % between {first_gev} and {last_gev} GeV.",
            half_gev=half,
            first_gev=first,
            last_gev=last,
        )
    ]
    if told.plasma.contact_only:
        return found
    electroweak = float(told.plasma.electroweak_temperature_gev)
    unbroken = float(np.interp(-math.log(electroweak), -np.log(temperature), total) / total[-1])
    mass = told.parameters["scalar_mass_gev"]
    channels = (
        "h → SS, open as 2 m_S < m_h, and pairs of lighter particles"
        if 2.0 * mass < HIGGS_MASS_GEV
        else "pairs of W, Z, h and fermions (h → SS is closed, 2 m_S > m_h)"
    )
    return [
        *found,
        sentence(
            "history",
            "Above T = {electroweak_gev:.4g} GeV Higgs doublets make {unbroken_share:.1%} of them; "
            "below, {channels} make {broken_share:.1%}.",
            electroweak_gev=electroweak,
            unbroken_share=unbroken,
            channels=channels,
            broken_share=1.0 - unbroken,
        ),
    ]


def gone(told: Told, start: int) -> Sentence | None:
    """When the scalars of the history's entry ``start`` and later have decayed to 1/e."""
    temperature, left = (told.arrays[f"history/{name}"] for name in ("temperature_gev", "yield_s"))
    decayed = temperature_of_decay(temperature[start:], left[start:])
    if decayed is None:
        return None
    mass = float(told.parameters["scalar_mass_gev"])
    return sentence(
        "history",
        "The scalars that are left decay, S → NN, to 1/e of their number by T = {decayed_gev} GeV, "
        "at m_S/T = {decayed_x}.",
        decayed_gev=decayed,
        decayed_x=mass / decayed,
    )


def account(told: Told) -> list[Sentence]:
    """Regime, when S froze in or out, when it decayed, which component made which part."""
    arrays = told.arrays
    names = ("history/temperature_gev", "history/yield_s", "history/yield_n")
    temperature, scalars, neutrinos = (arrays[name] for name in names)
    total = scalars + 0.5 * neutrinos
    found = scalar_and_regime(told)
    q, snapshots = arrays["neutrino/q"], arrays["neutrino/f"]
    split = split_at_decoupling(
        temperature, scalars, neutrinos, arrays["neutrino/temperature_gev"], snapshots
    )
    mass = float(told.parameters["scalar_mass_gev"])
    if total.max() < (1.0 + _WORTH) * total[-1]:
        found += _build_up(told, total)
    else:
        found.append(
            sentence(
                "history",
                "Annihilation leaves {left:.2%} of the largest number of scalars; collisions "
                "cease to change the number of S and its products, to 1 %, at T = "
                "{decoupled_gev} GeV, m_S/T = {decoupled_x}.",
                left=total[-1] / total.max(),
                decoupled_gev=split.temperature_gev,
                decoupled_x=mass / split.temperature_gev,
            )
        )
    late = 1.0 - float(neutrinos[split.index] / neutrinos[-1])
    decays = gone(told, split.index) if late > _WORTH else None
    if decays is not None:
        found.append(decays)
    return found + _components(q, split, late)


def _components(q, split, late: float) -> list[Sentence]:
    both = {
        "early_share": 1.0 - late,
        "decoupled_gev": split.temperature_gev,
        "late_share": late,
    }
    if late < _WORTH:
        return [
            sentence(
                "components",
                "Decays while S still couples, above T = {decoupled_gev} GeV, make "
                "{early_share:.2%} of the neutrinos: one component.",
                early_share=both["early_share"],
                decoupled_gev=both["decoupled_gev"],
            )
        ]
    if late > 1.0 - _WORTH:
        return [
            sentence(
                "components",
                "Decays of the scalars left when collisions have ceased make {late_share:.2%} of "
                "the neutrinos: one component.",
                late_share=late,
            )
        ]
    found = [
        sentence(
            "components",
            "{early_share:.1%} of the neutrinos come from decays while S still couples, above T = "
            "{decoupled_gev} GeV, with <q> = {early_q_mean}; {late_share:.1%} from decays of what "
            "is left then, with <q> = {late_q_mean}.",
            **both,
            early_q_mean=mean_momentum(q, split.early),
            late_q_mean=mean_momentum(q, split.late),
        )
    ]
    which = by_momentum("the early decays", "the late ones", q, split.early, split.late)
    return found if which is None else [*found, which]


def remedies(told: Told, colder: float) -> list[Sentence]:
    """What to change: by laws of the regime, to leading order, and by exact laws of two bounds."""
    return _colder(told, colder) + _of_bounds(told)


def _colder(told: Told, colder: float) -> list[Sentence]:
    if colder <= 1.0:
        return []
    if regime(told) == "freeze-in":
        return [
            sentence(
                "change",
                "In freeze-in Y_N goes as λ² and the shape stays: at a fixed abundance a portal "
                "coupling of {portal_coupling:.4g} makes N {colder} times heavier.",
                portal_coupling=told.parameters["portal_coupling"] / math.sqrt(colder),
                colder=colder,
            )
        ]
    if regime(told) == "in between":
        return []
    arrays = told.arrays
    names = ("temperature_gev", "yield_s", "yield_n")
    temperature, scalars, neutrinos = (arrays[f"history/{name}"] for name in names)
    split = split_at_decoupling(
        temperature,
        scalars,
        neutrinos,
        arrays["neutrino/temperature_gev"],
        arrays["neutrino/f"],
    )
    late = 1.0 - float(neutrinos[split.index] / neutrinos[-1])
    if late > 0.5:
        text = (
            "Most neutrinos ({late_share:.0%}) come late: a larger λ leaves fewer scalars and so a "
            "heavier N at a fixed abundance; a larger y lets them decay earlier and colder."
        )
    else:
        text = (
            "Most neutrinos come early (late: {late_share:.0%}), with a yield that goes as y²: a "
            "smaller y means a heavier N at a fixed abundance."
        )
    return [sentence("change", text, late_share=late)]


def _of_bounds(told: Told) -> list[Sentence]:
    found = []
    lifetime = told.verdicts.get("scalar-lifetime", {})
    if lifetime.get("status") == "forbidden" and "scalar_vev_gev" not in told.parameters:
        found.append(
            sentence(
                "change",
                "Γ_S goes as y²: S decays before nucleosynthesis with a Yukawa coupling above "
                "{yukawa}.",
                yukawa=told.parameters["yukawa"] / math.sqrt(lifetime["value"]),
            )
        )
    invisible = told.verdicts.get("higgs-invisible", {})
    if invisible.get("status") == "forbidden":
        odds = [b / (1.0 - b) for b in (invisible["threshold"], invisible["value"])]
        found.append(
            sentence(
                "change",
                "Γ(h → SS) goes as λ²: the branching fraction is allowed with a portal coupling "
                "below {portal_coupling}.",
                portal_coupling=told.parameters["portal_coupling"] * math.sqrt(odds[0] / odds[1]),
            )
        )
    return found
