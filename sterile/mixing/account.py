"""What happened to a model that mixes with active neutrinos, in sentences."""

import numpy as np

from sterile.mixing.potentials import FLAVOURS
from sterile.narrative import Sentence, Told, by_momentum, history, mean_momentum, sentence
from sterile.scalar import SCALAR_DECAY, scalar_and_regime

_XRAY = "xray"


def mixing(told: Told) -> list[Sentence]:
    """The mixing, the temperature at which most is made, and how near to equilibrium it comes."""
    given = told.parameters
    temperature = told.arrays["history/temperature_gev"]
    rate = told.arrays["history/production_rate"]
    return [
        sentence(
            "model",
            "N of {mass_kev:.4g} keV mixes with active neutrinos of flavour {flavour}, sin²(2θ) = "
            "{sin2_2theta}.",
            mass_kev=given["mass_kev"],
            flavour=str(given.get("flavour", "mu")),
            sin2_2theta=given["sin2_2theta"],
        ),
        sentence(
            "history",
            "Mixing makes most neutrinos per ln T at T = {peak_mev} MeV and takes them to "
            "{thermal_share} of their equilibrium abundance.",
            peak_mev=1e3 * temperature[int(np.argmax(temperature * rate))],
            thermal_share=told.numbers["thermal_share"],
        ),
    ]


def account(told: Told) -> list[Sentence]:
    """Non-resonant production: what mixes, when."""
    regime = Sentence(
        "regime",
        "Active neutrinos turn into N as they scatter, without resonance (Dodelson-Widrow), and "
        "hand on nearly their momenta.",
        {},
    )
    model, when = mixing(told)
    return [model, regime, *history(told), when]


def resonant_account(told: Told) -> list[Sentence]:
    """Resonant production: what is left of the asymmetry, and what it made."""
    given = _asymmetries(told.parameters)
    model, when = mixing(told)
    asymmetry = sentence(
        "regime",
        "A lepton asymmetry n_L/T³ of {asymmetry} makes it resonant (Shi-Fuller); "
        "{asymmetry_left:.1%} of the asymmetry is left at the end.",
        asymmetry=float(given[np.argmax(np.abs(given))]),
        asymmetry_left=told.numbers["asymmetry_left"],
    )
    q = told.arrays["spectrum/q"]
    made = [told.arrays[f"mixing/{name}"] for name in ("f_n", "f_nbar")]
    found = [model, asymmetry, *history(told), when]
    if any(part.shape != q.shape for part in made):
        return found
    totals = [float(np.trapezoid(q**3 * part, np.log(q))) for part in made]
    resonant = int(totals[1] > totals[0])
    names = ("neutrinos", "antineutrinos")
    return [
        *found,
        sentence(
            "components",
            "{share:.1%} of them are made of {kind}, which the asymmetry brings to resonance, with "
            "<q> = {resonant_q_mean}; the rest has <q> = {rest_q_mean}.",
            share=totals[resonant] / sum(totals),
            kind=names[resonant],
            resonant_q_mean=mean_momentum(q, made[resonant]),
            rest_q_mean=mean_momentum(q, made[1 - resonant]),
        ),
    ]


def _asymmetries(parameters):
    """All that are stated, in one array."""
    stated = parameters["lepton_asymmetry"]
    first = list(stated.values()) if isinstance(stated, dict) else stated
    others = [parameters.get(f"lepton_asymmetry_{flavour}") for flavour in FLAVOURS]
    others = [value for value in others if value is not None]
    return np.append(np.asarray(first, dtype=float), others)


def decay_and_mixing(told: Told) -> list[Sentence]:
    """Scalar decay and mixing: the scalar's regime, what mixing adds and takes."""
    model, when = mixing(told)
    q = told.arrays["spectrum/q"]
    mixed = told.arrays["mixing/f"]
    decays = np.maximum(told.arrays["spectrum/f"] - mixed, 0.0)
    share = told.numbers["mixing_share"]
    found = [
        *scalar_and_regime(told),
        model,
        when,
        sentence(
            "components",
            "{mixing_share:.2%} of the neutrinos are made by mixing, with <q> = {mixing_q_mean}, "
            "the rest by decays, with <q> = {decay_q_mean}; mixing leaves at least "
            "{survival:.4%} of those that were there.",
            mixing_share=share,
            mixing_q_mean=mean_momentum(q, mixed),
            decay_q_mean=mean_momentum(q, decays),
            survival=float(np.min(told.arrays["mixing/survival"])),
        ),
    ]
    which = by_momentum("those of decays", "those of mixing", q, decays, mixed)
    return found if which is None else [*found, which]


def remedies(told: Told, colder: float) -> list[Sentence]:
    """A heavier N for structure; a smaller mixing for X-rays, exact at a fixed abundance."""
    found = []
    if colder > 1.0:
        found.append(
            sentence(
                "change",
                "Mixing gives nearly the momenta of active neutrinos whatever the mass: N of about "
                "{mass_kev} keV is slow enough; its X-ray line grows as the fifth power of the "
                "mass.",
                mass_kev=told.parameters["mass_kev"] * colder,
            )
        )
    lines = [
        entry["threshold"] / entry["value"]
        for name, entry in told.verdicts.items()
        if name.startswith(_XRAY) and entry["status"] == "forbidden"
    ]
    if lines:
        found.append(
            sentence(
                "change",
                "X-ray limits ask for sin²(2θ) below {sin2_2theta} at this abundance, {factor} "
                "times less.",
                sin2_2theta=told.parameters["sin2_2theta"] * min(lines),
                factor=1.0 / min(lines),
            )
        )
    return found


def decay_and_mixing_remedies(told: Told, colder: float) -> list[Sentence]:
    """Those of mixing, and of the scalar's bounds."""
    return [*SCALAR_DECAY.remedies(told, 1.0), *remedies(told, colder)]
