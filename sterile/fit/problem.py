"""From the settings of a fit to the function that is fitted."""

import itertools
import math
from types import SimpleNamespace

import numpy as np

from spectra.linear import LINEAR_RANGE, TANGENT_FIELDS
from spectra.structure import bounds_table
from sterile import config as configuration
from sterile.contract import Grid
from sterile.fit.likelihoods import Margin, Normal, Published, Term
from sterile.fit.observables import pipeline, scalars
from sterile.fit.priors import Prior
from sterile.fit.settings import Settings
from sterile.fit.target import Target
from sterile.mechanisms import mechanism_of
from sterile.models import Model, Plasma, parameters_of


def target_of(settings: Settings, grid=None) -> Target:
    """The :class:`Target` of a fit.

    ``grid``: static resolution; one that serves all of the priors' box when left out.

    Raises
    ------
    ValueError
        If a name is unknown, a constraint has no likelihood, a parameter is out of range, or the
        mechanism's method changes inside the priors' box.
    """
    config = settings.run
    priors = {name: Prior(*numbers) for name, numbers in settings.priors().items()}
    plasma = configuration.plasma_of(config)
    model = configuration.model_of(config)
    known = scalars(mechanism_of(model))
    terms = tuple(_term(name, section, known) for name, section in settings.fit.likelihood.items())
    common = _grid(priors, model, plasma)
    cosmology = configuration.cosmology_of(config)
    _check_reach(priors, cosmology)
    measured = any(t.observable == "omega_h2" for t in terms)
    given = config.dark_matter.mass_kev
    made = pipeline(
        model,
        cosmology,
        plasma,
        mass_kev=given,
        omega_h2=configuration.target_omega_h2(config),
        grid=common if grid is None else grid,
        vary=tuple(priors),
        observe=tuple(term.observable for term in terms),
        bounds=_chosen(config.verdicts.bounds, terms),
        references=config.verdicts.references,
    )
    if measured and given is None and config.dark_matter.omega_h2 is not None:
        raise ValueError(
            "[dark_matter] omega_h2 and [fit.likelihood.omega_h2] are both given; the first fixes "
            "what the second measures, remove one of them"
        )
    return Target(made, priors, terms)


def _chosen(words: str | list[str], terms: tuple[Term, ...]) -> list[str]:
    """The bounds of [verdicts], and those that a likelihood names beside them."""
    chosen = words.split(",") if isinstance(words, str) else list(words)
    named = {bound.name for bound in bounds_table()} & {term.observable for term in terms}
    return [*chosen, *sorted(named)]


def _term(name: str, section, known: tuple[str, ...]) -> Term:
    if name in known:
        if section.mean is None:
            raise ValueError(f"[fit.likelihood.{name}] is a number: give mean and sigma")
        return Normal(name, section.mean, section.sigma)
    if section.mean is not None:
        raise ValueError(
            f"[fit.likelihood.{name}] has a mean, but is not a scalar of a point; scalars: "
            f"{', '.join(known)}"
        )
    if section.margin_sigma is not None:
        return Margin(name, section.margin_sigma)
    return Published(name)


def _check_reach(priors: dict[str, Prior], cosmology) -> None:
    """Refuse priors of the cosmology that the tables' derivatives do not reach."""
    for name in TANGENT_FIELDS:
        if name not in priors:
            continue
        prior, centre = priors[name], float(getattr(cosmology, name))
        ends = prior.edges
        if not prior.bounded:
            # the likelihood ends where the derivatives do: a wall in the tails is harmless
            middle = 0.5 * (ends[0] + ends[1])
            ends = (middle - 2.0 * prior.second, middle + 2.0 * prior.second)
        if prior.logarithmic:
            ends = tuple(math.exp(s) for s in ends)
        low, high = centre * (1.0 - LINEAR_RANGE), centre * (1.0 + LINEAR_RANGE)
        if ends[0] < low or ends[1] > high:
            raise ValueError(
                f"[fit.prior.{name}] reaches from {ends[0]:g} to {ends[1]:g}, beyond {low:g} to "
                f"{high:g}, where the tables of {name} = {centre:g} are good; narrow it, or set "
                f"[cosmology] {name} to its middle"
            )


def _grid(priors: dict[str, Prior], model: Model, plasma: Plasma) -> Grid:
    """One grid for the whole box of the priors: that of its corners.

    Raises ``ValueError`` where the mechanism's method changes inside the box.
    """
    entry, ends = mechanism_of(model), {}
    for name in parameters_of(entry.model):
        prior, value = priors.get(name), getattr(model, name)
        if prior is not None:
            ends[name] = [math.exp(s) if prior.logarithmic else s for s in prior.edges]
        elif value is not None:
            ends[name] = [float(value)]
    corners = np.array(list(itertools.product(*ends.values()))).T
    try:
        return entry.shared_grid(SimpleNamespace(**vars(model) | dict(zip(ends, corners))), plasma)
    except ValueError as error:
        raise ValueError(f"[fit.prior]: {error}") from None
