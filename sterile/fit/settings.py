"""The TOML file of a fit: [fit] beside the sections of one run."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from pydantic import Field, ValidationError

from spectra.files import package_version
from sterile import config as configuration
from sterile.contract import Mechanism
from sterile.models import parameters_of
from sterile.names import require_name
from sterile.sections import Section, first_problem

Progress = Callable[[str], None]
# methods that draw
CHAINS = ("nuts", "surrogate")
_COSMOLOGY = ("h", "omega_b", "omega_dm", "n_eff", "n_s", "a_s")


class FitStopped(Exception):
    """A fit that cannot go on; the message says why."""


class PriorSection(Section):
    """[fit.prior.NAME]: one kind, two numbers; see :class:`sterile.fit.priors.Prior`."""

    log_uniform: list[float] | None = Field(default=None, min_length=2, max_length=2)
    uniform: list[float] | None = Field(default=None, min_length=2, max_length=2)
    log_normal: list[float] | None = Field(default=None, min_length=2, max_length=2)
    normal: list[float] | None = Field(default=None, min_length=2, max_length=2)


class LikelihoodSection(Section):
    """[fit.likelihood.NAME]: mean and sigma of a scalar, or margin_sigma of a constraint."""

    mean: float | None = None
    sigma: float | None = Field(default=None, gt=0.0)
    margin_sigma: float | None = Field(default=None, gt=0.0)


class FitSection(Section):
    """[fit]: the method and its numbers."""

    method: Literal["map", "fisher", "nuts", "surrogate"]
    chains: int = Field(default=2, ge=1, le=64)
    samples: int = Field(default=300, ge=4)
    warmup: int = Field(default=150, ge=20)
    seed: int = Field(default=0, ge=0)
    starts: int = Field(default=4, ge=1, le=1000)
    branches: str = "both"
    acceptance: float = Field(default=0.85, ge=0.5, lt=1.0)
    depth: int = Field(default=6, ge=1, le=12)
    prior: dict[str, PriorSection] = {}
    likelihood: dict[str, LikelihoodSection] = {}


@dataclass(frozen=True)
class Settings:
    """A fit as read: the [fit] section, the run that it varies, the file's text."""

    fit: FitSection
    run: configuration.Config
    text: str

    def priors(self) -> dict[str, tuple[str, float, float]]:
        """Parameter → (kind, first, second)."""
        found = {}
        for name, section in self.fit.prior.items():
            ((kind, numbers),) = section.model_dump(exclude_none=True).items()
            found[name] = (kind, float(numbers[0]), float(numbers[1]))
        return found


def load(source) -> Settings:
    """Settings of a TOML file or of a dict with its content; errors as in ``sterile.config``."""
    return configuration.read(source, "fit", check)


def check(content: dict, text: str = "") -> Settings:
    """Settings of a parsed document; ``ValueError`` as in :func:`load`."""
    if "fit" not in content:
        raise ValueError("[fit] is missing; add it, with method = ..., or use `sterile solve`")
    try:
        fit = FitSection.model_validate(content["fit"])
    except ValidationError as error:
        raise ValueError(first_problem(error, FitSection, "[fit]")) from None
    if not fit.prior:
        raise ValueError("[fit.prior] is empty: nothing to fit; add [fit.prior.NAME]")
    entry = configuration.mechanism_in(content)
    if fit.branches not in ("both", *entry.branches):
        raise ValueError(
            f"[fit] branches = '{fit.branches}' is not one of 'both', "
            + ", ".join(f"'{branch}'" for branch in entry.branches)
        )
    for name, section in fit.prior.items():
        _check_prior(name, section, _parameters(entry))
    for name, section in fit.likelihood.items():
        _check_likelihood(name, section)
    return Settings(fit, configuration.check(_run_content(content, fit, entry)), text)


def _parameters(entry: Mechanism) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*parameters_of(entry.model), "mass_kev", *_COSMOLOGY)))


def _check_prior(name: str, section: PriorSection, known: tuple[str, ...]) -> None:
    require_name(name, known, "unknown parameter [fit.prior.{}]")
    given = section.model_dump(exclude_none=True)
    if len(given) != 1:
        kinds = ", ".join(PriorSection.model_fields)
        raise ValueError(
            f"[fit.prior.{name}] gives {', '.join(given) or 'nothing'}; give exactly one of {kinds}"
        )


def likelihood_section(name: str, content) -> LikelihoodSection:
    """[fit.likelihood.NAME] of its ``content``; ``ValueError`` as in :func:`load`."""
    try:
        section = LikelihoodSection.model_validate(content)
    except ValidationError as error:
        where = f"[fit.likelihood.{name}]"
        raise ValueError(first_problem(error, LikelihoodSection, where)) from None
    _check_likelihood(name, section)
    return section


def _check_likelihood(name: str, section: LikelihoodSection) -> None:
    given = section.model_dump(exclude_none=True)
    if "margin_sigma" in given and len(given) > 1:
        raise ValueError(
            f"[fit.likelihood.{name}] gives margin_sigma and also mean or sigma; margin_sigma is "
            "for a constraint, mean and sigma for a number"
        )
    if ("mean" in given) != ("sigma" in given):
        raise ValueError(f"[fit.likelihood.{name}] needs both mean and sigma")


def _run_content(content: dict, fit: FitSection, entry: Mechanism) -> dict:
    """The configuration of one run: what the priors replace is filled in."""
    run = {name: section for name, section in content.items() if name != "fit"}
    sections = completed(run, tuple(fit.prior), entry, "has a prior")
    dark_matter = sections.get("dark_matter", {})
    if "mass_kev" in fit.prior and isinstance(dark_matter, dict) and "omega_h2" in dark_matter:
        raise ValueError(
            "mass_kev has a prior and [dark_matter] omega_h2 is given, but each fixes the other; "
            "measure the abundance by [fit.likelihood.omega_h2]"
        )
    return sections


def completed(content: dict, names: tuple[str, ...], entry: Mechanism, why: str) -> dict:
    """A run's document with the parameters that it leaves out filled in by typical values.

    Parameters
    ----------
    content : the document, as :func:`sterile.config.check` takes it but for ``names``.
    names : the parameters that vary.
    entry : the mechanism of [model].
    why : ends "NAME ... and is also given", where one is.

    Raises
    ------
    ValueError
        If a parameter that varies is also given in [model] or [dark_matter].
    """
    sections = {
        name: dict(section) if isinstance(section, dict) else section
        for name, section in content.items()
    }
    stated = parameters_of(entry.model)
    for name in names:
        home = "model" if name in stated else "cosmology" if name in _COSMOLOGY else "dark_matter"
        section = sections.setdefault(home, {})
        if isinstance(section, dict) and name in section and home != "cosmology":
            raise ValueError(f"{name} {why} and is also given in [{home}]; remove one")
        if isinstance(section, dict) and home == "model":
            section[name] = stated[name].typical
    return sections


def identity(settings: Settings) -> str:
    """What fixes the draws, as a checksum: a fit can be resumed only if it is equal.

    The number of samples is not part of it: a finished fit is made longer by asking for more.
    """
    fit = settings.fit.model_dump(exclude={"samples"})
    order = {"prior": list(settings.fit.prior), "likelihood": list(settings.fit.likelihood)}
    run = settings.run.model_dump(exclude={"text"})
    text = json.dumps([fit, order, run, package_version()], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:24]
