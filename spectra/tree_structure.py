"""The structure of a tree of modules as JSON, and back: what a kept program gives and takes.

Classes are written by name and looked up, never made: of a foreign file nothing is run.
"""

import dataclasses
import sys
from collections.abc import Sequence
from typing import Any

import equinox as eqx


class NotPlain(TypeError):
    """A tree holds something that has no plain form, such as a function."""


def structure_of(tree: Any, packages: Sequence[str] = ("spectra", "sterile")) -> Any:
    """``tree`` as nested lists, dicts and plain values.

    Modules and named tuples become ["module" | "named", "place:name", {field: ...}]; they have to
    be of ``packages``. Raises :class:`NotPlain` for anything else that is not plain.
    """
    if tree is None or isinstance(tree, str | bool | int | float):
        return tree
    if isinstance(tree, eqx.Module):
        fields = [field.name for field in dataclasses.fields(tree)]
        kind, values = "module", {name: getattr(tree, name, None) for name in fields}
    elif isinstance(tree, tuple) and (fields := getattr(tree, "_fields", None)) is not None:
        kind, values = "named", dict(zip(fields, tree))
    elif isinstance(tree, tuple | list):
        kind = "tuple" if isinstance(tree, tuple) else "list"
        return [kind, [structure_of(part, packages) for part in tree]]
    elif isinstance(tree, dict):
        return ["dict", {str(name): structure_of(part, packages) for name, part in tree.items()}]
    else:
        raise NotPlain(type(tree).__name__)
    home, own_name = type(tree).__module__, type(tree).__qualname__
    # a class made at run time, such as that of a sum, is not found by its name
    if home.split(".")[0] not in packages or _found(home, own_name) is not type(tree):
        raise NotPlain(f"{home}.{own_name}")
    parts = {name: structure_of(part, packages) for name, part in values.items()}
    return [kind, f"{home}:{own_name}", parts]


def _found(place: str, name: str) -> Any:
    """What a loaded module calls by a name; None if nothing."""
    found: Any = sys.modules.get(place)
    for part in name.split("."):
        found = getattr(found, part, None)
    return found


def structure_from(plain: Any, packages: Sequence[str]) -> Any:
    """The tree of :func:`structure_of`, of modules that are loaded; ``ValueError`` otherwise."""
    if not isinstance(plain, list):
        return plain
    kind, *rest = plain
    if kind in ("tuple", "list"):
        parts = [structure_from(part, packages) for part in rest[0]]
        return tuple(parts) if kind == "tuple" else parts
    if kind == "dict":
        return {name: structure_from(part, packages) for name, part in rest[0].items()}
    found = _found(*rest[0].split(":"))
    parts = {key: structure_from(part, packages) for key, part in rest[1].items()}
    if kind == "named" and isinstance(found, type) and issubclass(found, tuple):
        return found(**parts)
    if kind == "module" and isinstance(found, type) and issubclass(found, eqx.Module):
        module = object.__new__(found)
        for key, part in parts.items():
            object.__setattr__(module, key, part)
        return module
    raise ValueError(f"{rest[0]} is not a class of {', '.join(packages)}")
