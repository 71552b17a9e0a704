"""Nested tables of a configuration, [[model.part]] and [model.start], as one flat [model]."""

from collections.abc import Callable
from typing import Any

from sterile.combined.composite import MASS, Composite, Layout, composite_of, has_mass
from sterile.models import Model


def class_of(section: dict, base: type[Composite], kind_class: Callable[[dict], type[Model]]):
    """The class of a [model] section of a composite kind.

    ``kind_class``: the class that a nested table names, as this function does for a flat kind.
    Raises ``ValueError`` for tables that are missing, or not tables, or nested in themselves.
    """
    parts = tuple((prefix, kind_class(table)) for prefix, table in base.tables_in(section).items())
    return composite_of(base, Layout(parts, _one_mass(section, base, parts)))


def _one_mass(section, base, parts) -> bool:
    """Whether the masses are one key: unless a table has its own, and more than one may."""
    tables = base.tables_in(section)
    own = [p for p, _ in parts if MASS in tables[p] or p + MASS in section]
    if len(parts) == 1 and not (own and MASS in section):
        return has_mass(parts[0][1])
    if not own:
        return any(has_mass(model) for _, model in parts)
    if MASS in section:
        raise ValueError(
            f"[model] {MASS} and that of a part are both given; give one mass for all parts in "
            "[model], or a mass in every part"
        )
    without = next((prefix for prefix, model in parts if not has_mass(model)), None)
    if without is not None:
        raise ValueError(
            f"[model] {without.rstrip('_')} has no mass of its own, but other parts have; give "
            f"{MASS} in [model], for all of them"
        )
    return False


def flattened(section: dict, model: type[Composite]) -> dict[str, Any]:
    """The [model] section with the keys of nested tables moved up, as the fields of ``model``."""
    tables = model.tables_in(section)
    flat = {name: value for name, value in section.items() if name != model.table}
    for prefix, part in model.layout.parts:
        table = tables[prefix]
        if issubclass(part, Composite):
            table = flattened(table, part)
        for name, value in table.items():
            shared = name == MASS and model.layout.one_mass
            if name != "kind":
                flat[MASS if shared else prefix + name] = value
    return flat
