"""The TOML file of a fit: [fit] beside the sections of one run."""

import difflib
import hashlib
import json
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sterile import config as configuration

# a valid value for every parameter that a prior replaces
_PLACEHOLDERS = {"scalar_mass_gev": 100.0, "portal_coupling": 1e-8, "yukawa": 1e-9}
_MODEL = tuple(_PLACEHOLDERS)
_COSMOLOGY = ("h", "omega_b", "omega_dm", "n_eff", "n_s", "a_s")
PARAMETERS = (*_MODEL, "mass_kev", *_COSMOLOGY)


class FitStopped(Exception):
    """A fit that cannot go on; the message says why."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class PriorSection(_Section):
    """[fit.prior.NAME]: one kind, two numbers; see :class:`sterile.fit.priors.Prior`."""

    log_uniform: list[float] | None = Field(default=None, min_length=2, max_length=2)
    uniform: list[float] | None = Field(default=None, min_length=2, max_length=2)
    log_normal: list[float] | None = Field(default=None, min_length=2, max_length=2)
    normal: list[float] | None = Field(default=None, min_length=2, max_length=2)


class LikelihoodSection(_Section):
    """[fit.likelihood.NAME]: mean and sigma of a scalar, or margin_sigma of a constraint."""

    mean: float | None = None
    sigma: float | None = Field(default=None, gt=0.0)
    margin_sigma: float | None = Field(default=None, gt=0.0)


class FitSection(_Section):
    """[fit]: the method and its numbers."""

    method: Literal["map", "fisher", "nuts"]
    chains: int = Field(default=2, ge=1, le=64)
    samples: int = Field(default=300, ge=4)
    warmup: int = Field(default=150, ge=20)
    seed: int = Field(default=0, ge=0)
    starts: int = Field(default=4, ge=1, le=1000)
    branches: Literal["both", "freeze-in", "freeze-out"] = "both"
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
    """Settings of a TOML file, or of a dict with the same content.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If a key is unknown, missing, contradictory or out of range; names it and the fix.
    """
    if isinstance(source, dict):
        return check(source, json.dumps(source, sort_keys=True))
    return configuration.read(source, "fit", check)


def check(content: dict, text: str = "") -> Settings:
    """Settings of a parsed document; ``ValueError`` as in :func:`load`."""
    if "fit" not in content:
        raise ValueError("[fit] is missing; add it, with method = ..., or use `sterile solve`")
    try:
        fit = FitSection.model_validate(content["fit"])
    except ValidationError as error:
        raise ValueError(_first_problem(error)) from None
    if not fit.prior:
        raise ValueError("[fit.prior] is empty: nothing to fit; add [fit.prior.NAME]")
    for name, section in fit.prior.items():
        _check_prior(name, section)
    for name, section in fit.likelihood.items():
        _check_likelihood(name, section)
    return Settings(fit, configuration.check(_run_content(content, fit)), text)


def _check_prior(name: str, section: PriorSection) -> None:
    if name not in PARAMETERS:
        near = difflib.get_close_matches(name, PARAMETERS, n=1, cutoff=0.5)
        hint = f"did you mean '{near[0]}'?" if near else f"known: {', '.join(PARAMETERS)}"
        raise ValueError(f"unknown parameter [fit.prior.{name}]; {hint}")
    given = section.model_dump(exclude_none=True)
    if len(given) != 1:
        kinds = ", ".join(PriorSection.model_fields)
        raise ValueError(
            f"[fit.prior.{name}] gives {', '.join(given) or 'nothing'}; give exactly one of {kinds}"
        )


def _check_likelihood(name: str, section: LikelihoodSection) -> None:
    given = section.model_dump(exclude_none=True)
    if "margin_sigma" in given and len(given) > 1:
        raise ValueError(
            f"[fit.likelihood.{name}] gives margin_sigma and also mean or sigma; margin_sigma is "
            "for a constraint, mean and sigma for a number"
        )
    if ("mean" in given) != ("sigma" in given):
        raise ValueError(f"[fit.likelihood.{name}] needs both mean and sigma")


def _run_content(content: dict, fit: FitSection) -> dict:
    """The configuration of one run: what the priors replace is filled in."""
    sections = {
        name: dict(section) if isinstance(section, dict) else section
        for name, section in content.items()
        if name != "fit"
    }
    for name in fit.prior:
        home = "model" if name in _MODEL else "cosmology" if name in _COSMOLOGY else "dark_matter"
        section = sections.setdefault(home, {})
        if isinstance(section, dict) and name in section and home != "cosmology":
            raise ValueError(f"{name} has a prior and is also given in [{home}]; remove one")
        if isinstance(section, dict) and home == "model":
            section[name] = _PLACEHOLDERS[name]
    dark_matter = sections.get("dark_matter", {})
    if "mass_kev" in fit.prior and isinstance(dark_matter, dict) and "omega_h2" in dark_matter:
        raise ValueError(
            "mass_kev has a prior and [dark_matter] omega_h2 is given, but each fixes the other; "
            "measure the abundance by [fit.likelihood.omega_h2]"
        )
    return sections


def identity(settings: Settings) -> str:
    """What fixes the draws, as a checksum: a fit can be resumed only if it is equal.

    The number of samples is not part of it: a finished fit is made longer by asking for more.
    """
    from spectra.files import package_version

    fit = settings.fit.model_dump(exclude={"samples"})
    order = {"prior": list(settings.fit.prior), "likelihood": list(settings.fit.likelihood)}
    run = settings.run.model_dump(exclude={"text"})
    text = json.dumps([fit, order, run, package_version()], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def _first_problem(error: ValidationError) -> str:
    problems = error.errors(include_url=False)
    problems.sort(key=lambda problem: problem["type"] != "extra_forbidden")
    first, more = problems[0], f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    where = [str(part) for part in first["loc"]]
    name = f"[fit] {'.'.join(where)}" if where else "[fit]"
    if first["type"] == "extra_forbidden":
        section = FitSection
        if len(where) == 3:
            section = PriorSection if where[0] == "prior" else LikelihoodSection
        near = difflib.get_close_matches(where[-1], section.model_fields, n=1, cutoff=0.5)
        known = ", ".join(section.model_fields)
        hint = f"did you mean '{near[0]}'?" if near else f"known keys: {known}"
        return f"unknown key {name}; {hint}{more}"
    if first["type"] == "missing":
        return f"{name} is missing; add it{more}"
    if first["type"] == "model_type":
        return f"{name} must be a table, not {first['input']!r}{more}"
    message = first["msg"][0].lower() + first["msg"][1:]
    return f"{name} = {first['input']!r}: {message}{more}"
