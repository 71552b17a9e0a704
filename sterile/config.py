"""The TOML file of one run: read, checked and named errors, before anything is computed."""

import functools
import json
import tomllib
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, create_model

from spectra.cosmology import Cosmology
from sterile.contract import Mechanism
from sterile.mechanisms import kinds, mechanism
from sterile.models import Model, Parameter, Plasma, files_of, parameters_of, switches_of
from sterile.names import hint
from sterile.sections import Section, first_problem

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


class ModelSection(Section):
    """[model]: the kind of mechanism, and its parameters, see ``sterile kinds``."""

    kind: str


@functools.cache
def _model_section(entry: Mechanism) -> type[ModelSection]:
    """[model] of one mechanism: a key for each parameter and each choice."""
    keys: dict[str, Any] = {"kind": (Literal[(entry.kind,)], ...)}
    for name, stated in parameters_of(entry.model).items():
        keys[name] = (float | None, None) if stated.optional else (_number_type(stated), ...)
    for name, stated in switches_of(entry.model).items():
        keys[name] = (Literal[stated.choices], stated.choices[0])
    for name in files_of(entry.model):
        keys[name] = (str | None, None)
    return create_model("ModelSection", __base__=ModelSection, **keys)


def _number_type(stated: Parameter) -> Any:
    """The type of a parameter's key: a number, or a table of numbers where that may stand."""
    return float | dict[Literal[stated.by], float] if stated.by else float


@functools.cache
def _config(entry: Mechanism) -> type["Config"]:
    return create_model("Config", __base__=Config, model=(_model_section(entry), ...))


class PlasmaSection(Section):
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


class DarkMatterSection(Section):
    """[dark_matter]: the abundance that fixes the mass, or the mass [keV]."""

    omega_h2: float | None = Field(default=None, gt=0.0, le=1.0)
    mass_kev: float | None = Field(default=None, gt=0.0, le=1e9)


class CosmologySection(Section):
    """[cosmology]: any field of :class:`spectra.Cosmology`."""

    h: float | None = None
    omega_b: float | None = None
    omega_dm: float | None = None
    n_s: float | None = None
    a_s: float | None = None
    n_eff: float | None = None
    t_cmb_kelvin: float | None = None
    y_he: float | None = None


class Config(Section):
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


def read(source, kind: str, check):
    """``check(content, text)`` of a TOML file of some ``kind``, or of a dict with its content.

    Errors as in :func:`load`.
    """
    if isinstance(source, dict):
        return check(source, json.dumps(source, sort_keys=True, default=str))
    path = Path(source)
    if path.is_dir():
        raise ValueError(f"{path}: is a directory; give the path of a TOML file")
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file; check the path of the {kind}")
    try:
        text = path.read_text(encoding="utf-8")
        return check(_with_folder(tomllib.loads(text), path.parent), text)
    except UnicodeDecodeError:
        raise ValueError(f"{path}: not a text file; give a TOML file") from None
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{path}: not valid TOML: {error}") from None
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _with_folder(content: dict, folder: Path) -> dict:
    """The content with the files that [model] names taken from the document's folder."""
    section = content.get("model")
    known = kinds()
    if not isinstance(section, dict) or section.get("kind") not in known:
        return content
    names = files_of(known[section["kind"]].model)
    found = {
        name: str((folder / given).absolute())
        for name, given in section.items()
        if name in names and isinstance(given, str)
    }
    return {**content, "model": {**section, **found}}


def mechanism_in(content: dict) -> Mechanism:
    """The mechanism that a parsed document's [model] kind names; ``ValueError`` as :func:`load`."""
    section = content.get("model")
    if section is None:
        raise ValueError("[model] is missing; add it, with kind = ...")
    if not isinstance(section, dict):
        raise ValueError(f"[model] must be a table, [model], not {section!r}")
    if "kind" not in section:
        raise ValueError("[model] kind is missing; add it")
    kind, known = section["kind"], kinds()
    if not (isinstance(kind, str) and kind in known):
        raise ValueError(f"[model] kind = {kind!r} is not available; {hint(kind, known)}")
    return known[kind]


def check(content: dict, text: str = "") -> Config:
    """The configuration of a parsed TOML document; ``ValueError`` as in :func:`load`."""
    unknown = [name for name in content if name not in _SECTIONS]
    if unknown:
        raise ValueError(f"unknown key [{unknown[0]}]; {hint(unknown[0], _SECTIONS, 'known keys')}")
    kind = _config(mechanism_in(content))
    try:
        config = kind.model_validate({**content, "text": text})
    except ValidationError as error:
        raise ValueError(first_problem(error, kind)) from None
    dark_matter = config.dark_matter
    if dark_matter.omega_h2 is not None and dark_matter.mass_kev is not None:
        raise ValueError(
            "[dark_matter] omega_h2 and mass_kev are both given, but each fixes the other; "
            "remove one of them"
        )
    if dark_matter.mass_kev is not None and "mass_kev" in type(config.model).model_fields:
        raise ValueError(
            "[dark_matter] mass_kev is a parameter of this kind of model; give it in [model]"
        )
    omega_dm = config.cosmology.omega_dm
    if None not in (dark_matter.omega_h2, omega_dm) and dark_matter.omega_h2 != omega_dm:
        raise ValueError(
            f"[dark_matter] omega_h2 = {dark_matter.omega_h2:g} and [cosmology] omega_dm = "
            f"{omega_dm:g} differ; omega_h2 sets both, remove omega_dm"
        )
    return config


_SECTIONS = tuple(name for name in Config.model_fields if name != "text")


def model_of(config: Config) -> Model:
    """The model of a configuration; ``ValueError`` when a parameter is out of range."""
    return mechanism(config.model.kind).model(**config.model.model_dump(exclude={"kind"}))


def plasma_of(config: Config) -> Plasma:
    """The Plasma of a configuration; ``ValueError`` when an option is not available."""
    given = config.plasma.model_dump(exclude_none=True)
    chosen = PRESETS[given.pop("preset")]
    return Plasma(**{**chosen, **given})


def cosmology_of(config: Config) -> Cosmology:
    """The Cosmology of a configuration; ``ValueError`` when a parameter is out of range."""
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
