"""What happened to a thermal relic, a diluted one, or a spectrum of a file, in sentences."""

import math

import numpy as np

from sterile.narrative import Sentence, Told, by_momentum, sentence
from sterile.thermal.distributions import RELIC_MEAN, RELIC_NUMBER, YIELD_PER_NUMBER, fermi_dirac


def relic(told: Told) -> list[Sentence]:
    """The temperature of a thermal relic, from the abundance if it was not given."""
    ratio = math.cbrt(told.numbers["yield_n"] / (YIELD_PER_NUMBER * RELIC_NUMBER))
    return [
        sentence(
            "regime",
            "N was in equilibrium and decoupled while relativistic: a Fermi-Dirac spectrum of "
            "temperature T_N = {temperature_ratio} T_γ, one component; the photons of all that "
            "annihilated since are what makes T_γ higher.",
            temperature_ratio=ratio,
        )
    ]


def diluted(told: Told) -> list[Sentence]:
    """When N decoupled, what released entropy and when, and the hot part."""
    numbers = told.numbers
    ratio = math.cbrt(
        numbers["yield_n"] * (1.0 - numbers["hot_fraction"]) / (YIELD_PER_NUMBER * RELIC_NUMBER)
    )
    found = [
        sentence(
            "regime",
            "N decouples relativistic at T = {decoupling_gev} GeV; entropy released later by a "
            "factor of {dilution} dilutes and cools it to T_N = {temperature_ratio} T_γ.",
            decoupling_gev=told.parameters["decoupling_temperature_gev"],
            dilution=numbers["dilution"],
            temperature_ratio=ratio,
        )
    ]
    if "reheating_temperature_gev" in numbers:
        found.append(
            sentence(
                "history",
                "The entropy comes from a particle X of {parent_mass_gev} GeV that decays as the "
                "plasma is at about {reheating_gev} GeV.",
                parent_mass_gev=told.parameters["parent_mass_gev"],
                reheating_gev=numbers["reheating_temperature_gev"],
            )
        )
    if numbers["hot_fraction"] > 0.0:
        found.append(
            sentence(
                "components",
                "A share of {hot_fraction} of the neutrinos comes from X → NN; <q> of all is "
                "{q_mean}, of the diluted ones {diluted_q_mean}.",
                hot_fraction=numbers["hot_fraction"],
                q_mean=numbers["q_mean"],
                diluted_q_mean=RELIC_MEAN * ratio,
            )
        )
        q, f = told.arrays["spectrum/q"], told.arrays["spectrum/f"]
        thermal = np.minimum(f, np.asarray(fermi_dirac(q, ratio)))
        which = by_momentum("the diluted neutrinos", "those of X", q, thermal, f - thermal)
        found += [] if which is None else [which]
    return found


def of_file(told: Told) -> list[Sentence]:
    """That it is another program's."""
    return [
        Sentence(
            "regime",
            f"The spectrum is that of the file {told.parameters['file'].split('/')[-1]}; how it "
            "was made is not known here.",
            {},
        )
    ]


def relic_remedies(told: Told, colder: float) -> list[Sentence]:
    """A heavier relic of the same abundance: <q>/m goes as m^(-4/3), exactly."""
    if colder <= 1.0:
        return []
    heavier = colder**0.75
    return [
        sentence(
            "change",
            "At a fixed abundance the temperature of such a relic falls as m^(-1/3), so <q>/m as "
            "m^(-4/3): {mass_kev:.4g} keV is heavy enough.",
            mass_kev=told.parameters["mass_kev"] * heavier,
        )
    ]


def diluted_remedies(told: Told, colder: float) -> list[Sentence]:
    """The same law, with the dilution that keeps the abundance; and an earlier decay."""
    found = []
    if colder > 1.0 and told.numbers["hot_fraction"] == 0.0:
        heavier = colder**0.75
        found.append(
            sentence(
                "change",
                "At a fixed abundance the dilution S goes as m, and <q>/m as m^(-4/3): "
                "{mass_kev:.4g} keV with S = {dilution:.4g} is cold enough.",
                mass_kev=told.parameters["mass_kev"] * heavier,
                dilution=told.numbers["dilution"] * heavier,
            )
        )
    bound = told.verdicts.get("reheating", {})
    if bound.get("status") == "forbidden":
        found.append(
            sentence(
                "change",
                "T_RH goes as the square root of X's width: about {parent_width_gev} GeV decays "
                "before nucleosynthesis.",
                parent_width_gev=told.parameters["parent_width_gev"]
                * (bound["threshold"] / bound["value"]) ** 2,
            )
        )
    return found
