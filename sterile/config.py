"""The TOML file of one run: read, checked and named errors, before anything is computed."""

import difflib
import tomllib
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

MODEL_KINDS = ("scalar-decay",)
# fields of sterile.Plasma; "paper" is what Plasma() is
PRESETS = {
    "paper": {},
    "best": {
        "bath_statistics": "quantum",
        "electroweak_transition": "crossover",
        "higgs_width": "running",
        "elastic_scattering": True,
        "inverse_decays": True,
    },
}
NEUTRINOS = ("majorana", "dirac")


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class ModelSection(_Section):
    """[model]: see :class:`sterile.models.ScalarDecay` for the ranges."""

    kind: Literal[MODEL_KINDS]
    scalar_mass_gev: float
    portal_coupling: float
    yukawa: float
    scalar_vev_gev: float | None = None
    neutrino: Literal[NEUTRINOS] = "majorana"


class PlasmaSection(_Section):
    """[plasma]: a preset and what overrides it; see :class:`sterile.models.Plasma`."""

    preset: Literal[tuple(PRESETS)] = "paper"
    bath_statistics: str | None = None
    quantum_channels: list[str] | None = None
    electroweak_transition: str | None = None
    higgs_width: str | None = None
    elastic_scattering: bool | None = None
    method: str | None = None
    electroweak_temperature_gev: float | None = None
    dark_sector_in_hubble: bool | None = None
    contact_only: bool | None = None
    constant_g: float | None = None
    inverse_decays: bool | None = None


class DarkMatterSection(_Section):
    """[dark_matter]: the abundance that fixes the mass, or the mass [keV]."""

    omega_h2: float | None = Field(default=None, gt=0.0, le=1.0)
    mass_kev: float | None = Field(default=None, gt=0.0, le=1e9)


class CosmologySection(_Section):
    """[cosmology]: any field of :class:`spectra.Cosmology`."""

    h: float | None = None
    omega_b: float | None = None
    omega_dm: float | None = None
    n_s: float | None = None
    a_s: float | None = None
    n_eff: float | None = None
    t_cmb_kelvin: float | None = None
    y_he: float | None = None


class Config(_Section):
    """One run. ``text`` is the file as it was read."""

    model: ModelSection
    plasma: PlasmaSection = PlasmaSection()
    dark_matter: DarkMatterSection = DarkMatterSection()
    cosmology: CosmologySection = CosmologySection()
    text: str = Field(default="", exclude=True)


DEFAULT_OMEGA_H2 = 0.12


def load(path) -> Config:
    """Read a run's TOML file.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is not TOML, or a key is unknown, missing, of the wrong type or out of range, or
        keys contradict each other: one line naming the file, the key and the fix.
    """
    return read(path, "configuration", check)


def read(path, kind: str, check):
    """``check(content, text)`` of a TOML file of some ``kind``; errors as in :func:`load`."""
    path = Path(path)
    if path.is_dir():
        raise ValueError(f"{path}: is a directory; give the path of a TOML file")
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file; check the path of the {kind}")
    try:
        text = path.read_text(encoding="utf-8")
        return check(tomllib.loads(text), text)
    except UnicodeDecodeError:
        raise ValueError(f"{path}: not a text file; give a TOML file") from None
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{path}: not valid TOML: {error}") from None
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def check(content: dict, text: str = "") -> Config:
    """The configuration of a parsed TOML document; ``ValueError`` as in :func:`load`."""
    if "text" in content:
        raise ValueError(_unknown_key(("text",), content))
    try:
        config = Config.model_validate({**content, "text": text})
    except ValidationError as error:
        raise ValueError(_first_problem(error, content)) from None
    dark_matter = config.dark_matter
    if dark_matter.omega_h2 is not None and dark_matter.mass_kev is not None:
        raise ValueError(
            "[dark_matter] omega_h2 and mass_kev are both given, but each fixes the other; "
            "remove one of them"
        )
    omega_dm = config.cosmology.omega_dm
    if None not in (dark_matter.omega_h2, omega_dm) and dark_matter.omega_h2 != omega_dm:
        raise ValueError(
            f"[dark_matter] omega_h2 = {dark_matter.omega_h2:g} and [cosmology] omega_dm = "
            f"{omega_dm:g} differ; omega_h2 sets both, remove omega_dm"
        )
    return config


def _first_problem(error: ValidationError, content: dict) -> str:
    problems = error.errors(include_url=False)
    # a misspelt key is the cause of the missing one
    problems.sort(key=lambda problem: problem["type"] != "extra_forbidden")
    first = problems[0]
    where = first["loc"]
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    if first["type"] == "extra_forbidden":
        return _unknown_key(where, content) + more
    name = _name(where)
    if first["type"] == "missing":
        return f"{name} is missing; add it{more}"
    if first["type"] == "model_type":
        return f"{name} must be a table, [{where[-1]}], not {first['input']!r}{more}"
    if first["type"] == "literal_error":
        near = difflib.get_close_matches(str(first["input"]), _choices(where), n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        return f"{name} = {first['input']!r} is not one of {first['ctx']['expected']}{hint}{more}"
    message = first["msg"][0].lower() + first["msg"][1:]
    return f"{name} = {first['input']!r}: {message}{more}"


def _choices(where: tuple) -> tuple[str, ...]:
    return {"kind": MODEL_KINDS, "neutrino": NEUTRINOS}.get(where[-1], tuple(PRESETS))


def _section_keys(where: tuple) -> list[str]:
    model = Config
    for part in where:
        model = model.model_fields[part].annotation
    return [name for name in model.model_fields if model is not Config or name != "text"]


def _unknown_key(where: tuple, content: dict) -> str:
    known = _section_keys(where[:-1])
    key = str(where[-1])
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
    if near:
        hint = f"did you mean '{near[0]}'?"
    else:
        hint = f"known keys: {', '.join(known)}"
    return f"unknown key {_name(where)}; {hint}"


def _name(where: tuple) -> str:
    parts = [str(part) for part in where]
    return f"[{parts[0]}]" if len(parts) == 1 else f"[{parts[0]}] {'.'.join(parts[1:])}"


def model_of(config: Config):
    """The ScalarDecay of a configuration; ``ValueError`` when a parameter is out of range."""
    from sterile.models import ScalarDecay

    return ScalarDecay(**config.model.model_dump(exclude={"kind"}))


def plasma_of(config: Config):
    """The Plasma of a configuration; ``ValueError`` when an option is not available."""
    from sterile.models import Plasma

    given = config.plasma.model_dump(exclude_none=True)
    chosen = PRESETS[given.pop("preset")]
    return Plasma(**{**chosen, **given})


def cosmology_of(config: Config):
    """The Cosmology of a configuration; ``ValueError`` when a parameter is out of range."""
    from spectra.cosmology import Cosmology

    given = config.cosmology.model_dump(exclude_none=True)
    if config.dark_matter.omega_h2 is not None:
        given["omega_dm"] = config.dark_matter.omega_h2
    return Cosmology(**given)


def target_omega_h2(config: Config) -> float:
    """The abundance that fixes the mass when [dark_matter] mass_kev is not given."""
    if config.dark_matter.omega_h2 is not None:
        return config.dark_matter.omega_h2
    if config.cosmology.omega_dm is not None:
        return config.cosmology.omega_dm
    return DEFAULT_OMEGA_H2
