"""The TOML file of a scan: [scan] beside the sections of one run."""

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from spectra.files import package_version
from sterile import config as configuration
from sterile.models import parameters_of
from sterile.names import require_name
from sterile.scan import expressions
from sterile.sections import Section, first_problem

OUTPUT_PARTS = ("verdicts", "transfer", "spectra")
CLUSTERS = ("slurm", "pbs", "lsf", "sge", "htcondor", "oar", "local")


class RangeSection(Section):
    """[scan.parameters.NAME]: an interval, or values. low and high may be expressions."""

    low: float | str | None = None
    high: float | str | None = None
    points: int | None = Field(default=None, ge=1)
    spacing: Literal["linear", "log"] = "linear"
    values: list[float] | None = Field(default=None, min_length=1)

    def limits(self) -> tuple[float | str, float | str]:
        """low and high; ``ValueError`` where they are missing."""
        if self.low is None or self.high is None:
            raise ValueError("needs low and high, or values")
        return self.low, self.high

    def levels(self) -> int:
        """Points of a grid along this parameter; ``ValueError`` where they are missing."""
        if self.values is not None:
            return len(self.values)
        if self.points is None:
            raise ValueError("needs points = N in a grid")
        return self.points


class RefineSection(Section):
    """[scan.refine]: rounds of new points where the class of the answer changes."""

    rounds: int = Field(ge=1, le=20)
    points: int = Field(ge=1)
    verdict: str = "half-mode"


class ScanSection(Section):
    """[scan]: the design, what is kept of each point, how many points go together."""

    design: Literal["grid", "sobol", "latin-hypercube", "list"]
    points: int | None = Field(default=None, ge=1)
    seed: int = Field(default=0, ge=0)
    file: str | None = None
    where: str | None = None
    outputs: list[str] | None = None
    batch: int = Field(default=2, ge=1, le=4096)
    chunk: int = Field(default=16, ge=1, le=65536)
    parameters: dict[str, RangeSection] = {}
    refine: RefineSection | None = None
    cluster: dict | None = None

    def count(self) -> int:
        """Points of a design that is neither a grid nor a list; ``ValueError`` without them."""
        if self.points is None:
            raise ValueError(f'[scan] design = "{self.design}" needs points = N')
        return self.points


@dataclass(frozen=True)
class Settings:
    """A scan as read.

    Attributes
    ----------
    scan : the [scan] section.
    fixed : the other sections, name → {key: value}, as typed.
    parameters : names of the scanned parameters, in the file's order; empty for a list until read.
    folder : where relative file names start.
    text : the file.
    """

    scan: ScanSection
    fixed: dict
    parameters: tuple[str, ...]
    folder: Path = field(default=Path("."))
    text: str = ""


def load(source) -> Settings:
    """Settings of a TOML file or of a dict with its content; errors as in ``sterile.config``."""
    folder = Path("." if isinstance(source, dict) else source).parent
    return configuration.read(source, "scan", lambda content, text: check(content, text, folder))


def check(content: dict, text: str = "", folder: Path = Path(".")) -> Settings:
    """Settings of a parsed document; ``ValueError`` as in :func:`load`."""
    if "scan" not in content:
        raise ValueError("[scan] is missing; add it, with design = ..., or use `sterile solve`")
    try:
        scan = ScanSection.model_validate(content["scan"])
    except ValidationError as error:
        raise ValueError(first_problem(error, ScanSection, "[scan]")) from None
    fixed = {name: value for name, value in content.items() if name != "scan"}
    settings = Settings(scan, fixed, tuple(scan.parameters), folder, text)
    _check_design(scan)
    for name, section in scan.parameters.items():
        _check_range(scan, name, section)
    if scan.chunk % scan.batch:
        raise ValueError(
            f"[scan] chunk = {scan.chunk} is not a multiple of batch = {scan.batch}; change one"
        )
    if scan.where is not None:
        _check_expression("[scan] where", scan.where, settings.parameters)
    _check_order(scan)
    if scan.design != "list":
        check_parameters(settings, settings.parameters)
    return settings


def scannable(settings: Settings) -> dict[str, str]:
    """Parameters that can be scanned: name → section they live in."""
    model = parameters_of(configuration.mechanism_in(settings.fixed).model)
    return {"mass_kev": "dark_matter", **dict.fromkeys(model, "model")}


def check_parameters(settings: Settings, names) -> None:
    """Refuse names that cannot be scanned, are given twice, or whose fixed partners are missing."""
    known = scannable(settings)
    for name in names:
        require_name(name, known, "unknown parameter '{}' in [scan]")
        if name in settings.fixed.get(known[name], {}):
            raise ValueError(
                f"{name} is scanned and also given in [{known[name]}]; remove it from one of them"
            )
    configuration.check(run_content(settings, dict.fromkeys(names, 1.0)))


def run_content(settings: Settings, values: dict[str, float]) -> dict:
    """The configuration of one run: the fixed sections with ``values`` filled in."""
    sections = {name: dict(section) if isinstance(section, dict) else section
                for name, section in settings.fixed.items()}  # fmt: skip
    known = scannable(settings)
    for name, value in values.items():
        section = sections.setdefault(known[name], {})
        if isinstance(section, dict):
            section[name] = float(value)
    return sections


def identity(settings: Settings, list_values=None) -> dict:
    """What fixes the content of a results file; two files may be mixed only if it is equal.

    ``list_values``: for a list, parameter → values read; their checksum is part of it.
    """
    scan = settings.scan.model_dump(exclude_none=True, exclude={"cluster", "file"})
    if settings.scan.parameters:
        scan["order"] = list(settings.parameters)
    if list_values is not None:
        content = b"".join(values.tobytes() for values in list_values.values())
        scan["list"] = {
            "parameters": ", ".join(list_values),
            "points": len(next(iter(list_values.values()))),
            "sha256": hashlib.sha256(content).hexdigest()[:16],
        }
    names = list_values if list_values is not None else settings.parameters
    content = run_content(settings, dict.fromkeys(names, 1.0))
    run = configuration.check(content).model_dump(exclude_none=True)
    for name in names:
        del run[scannable(settings)[name]][name]
    return json.loads(json.dumps({"scan": scan, **run, "package_version": package_version()}))


def differences(old: dict, new: dict) -> list[str]:
    """Lines "[section] key: old → new" for everything in which two identities differ."""
    before, after = _flat(old), _flat(new)
    lines = []
    for key in sorted(before.keys() | after.keys()):
        if before.get(key) != after.get(key):
            section, _, rest = key.partition(".")
            shown = f"[{section}] {rest}" if rest else section
            lines.append(f"{shown}: {before.get(key, 'absent')} → {after.get(key, 'absent')}")
    return lines


def _flat(content: dict, prefix: str = "") -> dict:
    flat = {}
    for key, value in content.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat


def _check_design(scan: ScanSection) -> None:
    design = scan.design
    if design == "list":
        if scan.file is None:
            raise ValueError('[scan] design = "list" needs file = "points.csv" (or .h5)')
        if scan.parameters:
            raise ValueError("[scan.parameters] has no use in a list; remove it")
        if scan.refine is not None:
            raise ValueError("[scan.refine] needs ranges to refine in; a list has none")
        return
    if scan.file is not None:
        raise ValueError(f'[scan] file is for design = "list", not "{design}"; remove it')
    if not scan.parameters:
        raise ValueError(
            "[scan.parameters] is empty: nothing to scan; add [scan.parameters.NAME] with low, high"
        )
    if design != "grid":
        scan.count()
    if design == "grid" and scan.points is not None:
        raise ValueError("[scan] points has no use in a grid; give points of each parameter")


def _check_range(scan: ScanSection, name: str, section: RangeSection) -> None:
    where = f"[scan.parameters.{name}]"
    if section.values is not None:
        if section.low is not None or section.high is not None or section.points is not None:
            raise ValueError(f"{where} gives values and also low, high or points; keep one")
        if scan.design != "grid":
            raise ValueError(f"{where} values are for a grid; give low and high")
        return
    try:
        section.limits()
        if scan.design == "grid":
            section.levels()
    except ValueError as error:
        raise ValueError(f"{where} {error}") from None
    if scan.design != "grid" and section.points is not None:
        raise ValueError(f"{where} points has no use here; give [scan] points")
    if isinstance(section.low, float) and isinstance(section.high, float):
        if section.low > section.high:
            raise ValueError(
                f"{where} low = {section.low:g} is above high = {section.high:g}; swap them"
            )
    for key in ("low", "high"):
        limit = getattr(section, key)
        if section.spacing == "log" and isinstance(limit, float) and limit <= 0.0:
            raise ValueError(f'{where} {key} = {limit:g} must be positive for spacing = "log"')


def _check_order(scan: ScanSection) -> None:
    """Expressions may use parameters that come earlier in the file."""
    earlier: tuple[str, ...] = ()
    for name, section in scan.parameters.items():
        for key in ("low", "high"):
            limit = getattr(section, key)
            if isinstance(limit, str):
                _check_expression(f"[scan.parameters.{name}] {key}", limit, earlier)
        earlier += (name,)


def _check_expression(where: str, text: str, known) -> None:
    try:
        used = expressions.names(text)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None
    unknown = sorted(used - set(known))
    if unknown:
        raise ValueError(
            f"{where} = '{text}' uses '{unknown[0]}', which is not a parameter defined before it; "
            f"known here: {', '.join(known) or 'none'}"
        )


def corners(settings: Settings) -> list[dict[str, float]]:
    """The lowest and the highest values of all parameters; none where a limit is an expression."""
    found: list[dict[str, float]] = [{}, {}]
    for name, section in settings.scan.parameters.items():
        given = section.values or section.limits()
        ends = [end for end in given if not isinstance(end, str)]
        if len(ends) < len(given):
            return []
        found[0][name], found[1][name] = min(ends), max(ends)
    return found if settings.parameters else []
