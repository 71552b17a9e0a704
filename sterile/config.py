"""The TOML file of one run: read, checked and named errors, before anything is computed."""

import functools
import json
import re
import tomllib
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field, ValidationError, create_model

from spectra.cosmology import Cosmology
from spectra.files import MOST_DOCUMENT_BYTES, read_text, shortened
from spectra.structure import DEFAULT_SET, choose_bounds
from sterile.combined import Composite, class_of, flattened, require_not_nested
from sterile.contract import Mechanism
from sterile.mechanisms import entry_of, kinds
from sterile.models import Model, Parameter, Plasma, files_of, parameters_of, switches_of
from sterile.names import hint
from sterile.sections import Section, first_problem

_MOST_PARTS = 30
# bounded in length, so that no text makes the search itself slow
_QUOTED = re.compile(r"""\"(?:\\.|[^"\\\n]){0,200}\"|'[^'\n]{0,200}'""")
_LONG_KEY = re.compile(rf"(?<![\w-])(?:[\w-]+[ \t]*\.[ \t]*){{{_MOST_PARTS}}}")
Preset = Literal["paper", "best"]
# fields of sterile.Plasma; "paper" is what Plasma() is
PRESETS: dict[Preset, dict[str, Any]] = {
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
    mechanism: ClassVar[Mechanism]


@functools.cache
def _model_section(entry: Mechanism) -> type[ModelSection]:
    """[model] of one mechanism: a key for each parameter and each choice."""
    keys: dict[str, Any] = {"kind": (Literal[(entry.kind,)], ...)}
    for name, stated in parameters_of(entry.model).items():
        keys[name] = (float | None, None) if stated.optional else (_number_type(stated), ...)
    for name, stated in files_of(entry.model).items():
        keys[name] = (str | None, None) if stated.optional else (str, ...)
    for name, stated in switches_of(entry.model).items():
        keys[name] = (Literal[stated.choices], stated.choices[0])
    section = create_model("ModelSection", __base__=ModelSection, **keys)
    section.mechanism = entry
    return section


def _number_type(stated: Parameter) -> Any:
    """The type of a parameter's key: a number, or a table of numbers where that may stand."""
    return float | dict[Literal[stated.by], float] if stated.by else float


@functools.cache
def _config(entry: Mechanism) -> type["Config"]:
    return create_model("Config", __base__=Config, model=(_model_section(entry), ...))


class PlasmaSection(Section):
    """[plasma]: a preset and what overrides it; see :class:`sterile.models.Plasma`."""

    preset: Preset = "paper"
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
    fluid_w: float | None = None
    fluid_density_ratio: float | None = None
    fluid_temperature_gev: float | None = None
    fluid_width_gev: float | None = None
    reheating_temperature_gev: float | None = None


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


class VerdictsSection(Section):
    """[verdicts]: the published bounds to judge by, and the relics to compare with.

    ``bounds``: words as for :func:`spectra.structure.choose_bounds`; ``references``: a kind of
    :func:`spectra.structure.reference_relics`.
    """

    bounds: str | list[str] = DEFAULT_SET
    references: Literal["solver", "viel2005", "vogel2023"] = "solver"


class Config(Section):
    """One run. ``text`` is the file as it was read."""

    model: ModelSection
    plasma: PlasmaSection = PlasmaSection()
    dark_matter: DarkMatterSection = DarkMatterSection()
    cosmology: CosmologySection = CosmologySection()
    verdicts: VerdictsSection = VerdictsSection()
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
        text = read_text(path, MOST_DOCUMENT_BYTES)
        _require_short_keys(text)
        return check(_with_folder(tomllib.loads(text), path.parent), text)
    except UnicodeDecodeError:
        raise ValueError(f"{path}: not a text file; give a TOML file") from None
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{path}: not valid TOML: {error}") from None
    except RecursionError:
        raise ValueError(f"{path}: tables or lists are nested too deep; give plain ones") from None
    except ValueError as error:
        message = str(error)
        prefix = "" if message.startswith(f"{path}: ") else f"{path}: "
        raise ValueError(prefix + shortened(message)) from None
    except OverflowError:
        raise ValueError(f"{path}: a number is too large for double precision") from None


def _require_short_keys(text: str) -> None:
    """``ValueError`` for a dotted key of very many parts, which takes the parser hours."""
    if _LONG_KEY.search(_QUOTED.sub("q", text)):
        raise ValueError(f"a key has more than {_MOST_PARTS} parts; give tables their own lines")


def _with_folder(content: dict, folder: Path) -> dict:
    """The content with the files that it names taken from the document's folder."""
    moved = dict(content)
    if "model" in content:
        moved["model"] = _files_from(content["model"], folder)
    section = content.get("verdicts")
    if isinstance(section, dict) and isinstance(section.get("bounds"), str | list):
        moved["verdicts"] = {**section, "bounds": _bounds_from(section["bounds"], folder)}
    return moved


def _bounds_from(words: str | list, folder: Path) -> list:
    """Words of a choice of bounds with the files among them taken from ``folder``."""
    each = words.split(",") if isinstance(words, str) else words
    return [
        str((folder / word.strip()).absolute())
        if isinstance(word, str) and word.strip().endswith((".csv", ".toml"))
        else word
        for word in each
    ]


def _files_from(section: Any, folder: Path) -> Any:
    """A table of a kind, and those nested in it, with their files taken from ``folder``."""
    if isinstance(section, list):
        return [_files_from(part, folder) for part in section]
    if not isinstance(section, dict):
        return section
    kind, known = section.get("kind"), kinds()
    names = files_of(known[kind].model) if isinstance(kind, str) and kind in known else {}

    def moved(name, given):
        if name in names and isinstance(given, str):
            return str((folder / given).absolute())
        return _files_from(given, folder)

    return {name: moved(name, given) for name, given in section.items()}


def mechanism_in(content: dict) -> Mechanism:
    """The mechanism that a parsed document's [model] names; ``ValueError`` as :func:`load`."""
    section = content.get("model")
    if section is None:
        raise ValueError("[model] is missing; add it, with kind = ...")
    return entry_of(_class_named(section, "[model]"))


def _class_named(section: Any, where: str) -> type[Model]:
    """The class of models that a table, or those nested in it, name."""
    if not isinstance(section, dict):
        raise ValueError(f"{where} must be a table, [model], not {section!r}")
    if "kind" not in section:
        raise ValueError(f"{where} kind is missing; add it")
    kind, known = section["kind"], kinds()
    if not (isinstance(kind, str) and kind in known):
        raise ValueError(f"{where} kind = {kind!r} is not available; {hint(kind, known)}")
    model = known[kind].model
    if not issubclass(model, Composite):
        return model

    def nested(table):
        below = f"[model.{model.table}]"
        found = _class_named(table, below)
        require_not_nested(below, found, kind)
        return found

    return class_of(section, model, nested)


def _flat(content: dict, entry: Mechanism) -> dict:
    """The document with the keys of tables nested in [model] as keys of it."""
    if not issubclass(entry.model, Composite):
        return content
    return {**content, "model": flattened(content["model"], entry.model)}


def check(content: dict, text: str = "") -> Config:
    """The configuration of a parsed TOML document; ``ValueError`` as in :func:`load`."""
    unknown = [name for name in content if name not in _SECTIONS]
    if unknown:
        raise ValueError(f"unknown key [{unknown[0]}]; {hint(unknown[0], _SECTIONS, 'known keys')}")
    entry = mechanism_in(content)
    kind = _config(entry)
    try:
        config = kind.model_validate({**_flat(content, entry), "text": text})
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
    try:
        choose_bounds(config.verdicts.bounds)
    except (ValueError, FileNotFoundError) as error:
        raise ValueError(f"[verdicts] {error}") from None
    return config


_SECTIONS = tuple(name for name in Config.model_fields if name != "text")


def model_of(config: Config) -> Model:
    """The model of a configuration; ``ValueError`` when a parameter is out of range."""
    return config.model.mechanism.model(**config.model.model_dump(exclude={"kind"}))


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
