"""From the settings of a fit to the function that is fitted."""

import math

from sterile import config as configuration
from sterile.fit.likelihoods import Margin, Normal, Published, Term
from sterile.fit.observables import SCALARS, pipeline
from sterile.fit.priors import Prior
from sterile.fit.settings import Settings
from sterile.fit.target import Target
from sterile.production import freeze_out_grid, resonance_of


def target_of(settings: Settings, grid=None) -> Target:
    """The :class:`Target` of a fit.

    ``grid``: static resolution; that of freeze-out when left out, which serves every coupling.

    Raises
    ------
    ValueError
        If a name is unknown, a constraint has no likelihood, a parameter is out of range, or the
        prior of the scalar's mass crosses an edge of the resonance regime.
    """
    config = settings.run
    priors = {name: Prior(*numbers) for name, numbers in settings.priors().items()}
    terms = tuple(_term(name, section) for name, section in settings.fit.likelihood.items())
    plasma = configuration.plasma_of(config)
    model = configuration.model_of(config)
    mass = _one_regime(priors, float(model.scalar_mass_gev), plasma)
    measured = any(t.observable == "omega_h2" for t in terms)
    given = config.dark_matter.mass_kev
    made = pipeline(
        model,
        configuration.cosmology_of(config),
        plasma,
        mass_kev=given,
        omega_h2=configuration.target_omega_h2(config),
        grid=freeze_out_grid(mass, plasma) if grid is None else grid,
        vary=tuple(priors),
        observe=tuple(term.observable for term in terms),
    )
    if measured and given is None and config.dark_matter.omega_h2 is not None:
        raise ValueError(
            "[dark_matter] omega_h2 and [fit.likelihood.omega_h2] are both given; the first fixes "
            "what the second measures, remove one of them"
        )
    return Target(made, priors, terms)


def _term(name: str, section) -> Term:
    if name in SCALARS:
        if section.mean is None:
            raise ValueError(f"[fit.likelihood.{name}] is a number: give mean and sigma")
        return Normal(name, section.mean, section.sigma)
    if section.mean is not None:
        raise ValueError(
            f"[fit.likelihood.{name}] has a mean, but is not a scalar of a point; scalars: "
            f"{', '.join(SCALARS)}"
        )
    if section.margin_sigma is not None:
        return Margin(name, section.margin_sigma)
    return Published(name)


def _one_regime(priors: dict[str, Prior], mass: float, plasma) -> float:
    prior = priors.get("scalar_mass_gev")
    if prior is None:
        return mass
    ends = [math.exp(s) if prior.logarithmic else s for s in prior.edges]
    if resonance_of(ends[0], plasma) != resonance_of(ends[1], plasma):
        raise ValueError(
            f"[fit.prior.scalar_mass_gev] reaches from {ends[0]:g} to {ends[1]:g} GeV, across an "
            "edge of the resonance regime (61 and 63.5 GeV), where the solver's method changes; "
            "fit each side by itself"
        )
    return math.sqrt(ends[0] * ends[1]) if ends[0] > 0.0 else mass
