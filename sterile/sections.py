"""Sections of a TOML file: what they share, and the one sentence about what is wrong in them."""

import types
import typing
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from sterile.names import hint

# what pydantic ends the place of a table's key with
_KEY = "[key]"


class Section(BaseModel):
    """A table of a TOML file: unknown keys, wrong types and numbers that are not finite fail."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


def first_problem(error: ValidationError, section: type[Section], prefix: str = "") -> str:
    """One sentence for a validation error: the key, what is wrong, the fix, how many more.

    ``section``: what was validated; ``prefix``: its name, such as "[scan]"; without one the first
    key is a table's name.
    """
    problems = _meant(error.errors(include_url=False))
    # a misspelt key is the cause of the missing one
    problems.sort(key=lambda problem: problem["type"] != "extra_forbidden")
    first = problems[0]
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    # of a union pydantic adds the type that it tried
    where = [
        str(part)
        for part in first["loc"]
        if part not in ("float", "str", _KEY) and not _is_table(part)
    ]
    name = _name(where, prefix)
    kind = first["type"]
    if first["loc"][-1] == _KEY:
        return f"unknown key {name}; {hint(where[-1], _choices(first), 'known keys')}{more}"
    if kind == "extra_forbidden":
        keys = hint(where[-1], _keys(section, where[:-1]), "known keys")
        return f"unknown key {name}; {keys}{more}"
    if kind == "missing":
        return f"{name} is missing; add it{more}"
    if kind == "model_type":
        table = "" if prefix else f", [{where[-1]}]"
        return f"{name} must be a table{table}, not {first['input']!r}{more}"
    if kind == "literal_error":
        near = hint(first["input"], _choices(first))
        meant = f"; {near}" if near.startswith("did") else ""
        return f"{name} = {first['input']!r} is not one of {_expected(first)}{meant}{more}"
    message = first["msg"][0].lower() + first["msg"][1:]
    return f"{name} = {first['input']!r}: {message}{more}"


def _expected(problem) -> str:
    return problem.get("ctx", {})["expected"]


def _choices(problem) -> list[str]:
    return [word.strip("' ") for word in _expected(problem).replace(" or ", ",").split(",")]


def _is_table(part: str | int) -> bool:
    """Whether a part of a problem's place is a table that was tried in a union."""
    return str(part).startswith("dict[")


def _meant(problems: list) -> list:
    """Without what is said of the other type, where a number or a table may stand."""
    tables = {problem["loc"][:-1] for problem in problems if problem["type"] == "dict_type"}
    inside = {
        problem["loc"][:i]
        for problem in problems
        for i, part in enumerate(problem["loc"])
        if _is_table(part) and problem["type"] != "dict_type"
    }
    return [
        problem
        for problem in problems
        if not (problem["loc"][:-1] in tables and problem["type"] == "dict_type")
        and not (problem["loc"][:-1] in inside and problem["loc"][-1] == "float")
    ]


def _name(where: list[str], prefix: str) -> str:
    if prefix:
        return f"{prefix} {'.'.join(where)}" if where else prefix
    return f"[{where[0]}]" if len(where) == 1 else f"[{where[0]}] {'.'.join(where[1:])}"


def _keys(section: Any, where: list[str]) -> list[str]:
    """Keys of the table at ``where`` below a section."""
    for part in where:
        section = _table(section, part)
    return [name for name, field in section.model_fields.items() if not field.exclude]


def _table(section: Any, key: str) -> Any:
    if key not in getattr(section, "model_fields", {}):
        return section  # a name of the user's own: dict[str, Section] has been taken apart
    annotation = section.model_fields[key].annotation
    options = (
        typing.get_args(annotation)
        if typing.get_origin(annotation) in (types.UnionType, typing.Union, dict)
        else (annotation,)
    )
    return next(o for o in options if isinstance(o, type) and issubclass(o, BaseModel))
