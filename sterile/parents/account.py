"""What happened to a parent particle and the neutrinos it decays to, in sentences."""

from sterile.narrative import Sentence, Told, history, sentence, temperature_of_decay

_ORIGINS = {
    "at-rest": "is there from the start, at rest",
    "thermal": "is there from the start, a decoupled thermal relic",
    "bath-decay": "is made by decays of a bath particle",
    "pairs": "annihilates to the bath and is made by it",
}


def account(told: Told) -> list[Sentence]:
    """What decays, where it came from, when."""
    given = told.parameters
    temperature = told.arrays["history/temperature_gev"]
    left = told.arrays["history/yield_x"]
    mass = float(given["parent_mass_gev"])
    partner = "" if "partner_mass_gev" in given else "N"
    found = [
        sentence(
            "model",
            "A parent P of {parent_mass_gev} GeV decays to {products} with a width of {width_gev} "
            "GeV.",
            parent_mass_gev=mass,
            width_gev=given["width_gev"],
            products="NN" if partner else "N and a partner",
        ),
        sentence(
            "regime",
            "P {origin}; its yield is {yield_x_max} at most.",
            origin=_ORIGINS[str(given.get("origin", "at-rest"))],
            yield_x_max=told.numbers["yield_x_max"],
        ),
        *history(told),
    ]
    decayed = temperature_of_decay(temperature, left)
    if decayed is not None:
        found.append(
            sentence(
                "history",
                "P has fallen to 1/e of its largest yield by T = {decayed_gev} GeV, m_P/T = "
                "{decayed_x}.",
                decayed_gev=decayed,
                decayed_x=mass / decayed,
            )
        )
    return found


def remedies(told: Told, colder: float) -> list[Sentence]:
    """A heavier N from fewer parents; and a parent that decays before nucleosynthesis."""
    found = []
    if colder > 1.0 and str(told.parameters.get("origin", "at-rest")) == "at-rest":
        found.append(
            sentence(
                "change",
                "The shape does not depend on how many parents there were: {mass_kev:.4g} keV with "
                "a parent yield of {parent_yield:.4g} is cold enough at the same abundance.",
                mass_kev=told.parameters["mass_kev"] * colder,
                parent_yield=told.parameters["parent_yield"] / colder,
            )
        )
    bound = told.verdicts.get("parent-lifetime", {})
    if bound.get("status") == "forbidden":
        found.append(
            sentence(
                "change",
                "P decays before nucleosynthesis with a width above {width_gev} GeV.",
                width_gev=told.parameters["width_gev"] / bound["value"],
            )
        )
    return found
