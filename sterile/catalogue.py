"""What the registry says of itself: facts, a page for the terminal, a configuration that runs."""

import inspect

from sterile.contract import Mechanism
from sterile.models import files_of, parameters_of, switches_of


def facts(entry: Mechanism) -> dict:
    """A kind as plain values: keys of [model] with unit and range, choices, branches, numbers."""
    return {
        "summary": _summary(entry),
        "parameters": {
            name: {
                "unit": stated.unit,
                "low": stated.low,
                "high": stated.high,
                "description": stated.description,
                "optional": stated.optional,
            }
            for name, stated in parameters_of(entry.model).items()
        },
        "choices": {
            name: {"values": list(stated.choices), "description": stated.description}
            for name, stated in switches_of(entry.model).items()
        },
        "files": {
            name: {"description": stated.description, "optional": stated.optional}
            for name, stated in files_of(entry.model).items()
        },
        "branches": list(entry.branches),
        "numbers": {name: quantity.description for name, quantity in entry.numbers.items()},
    }


def _summary(entry: Mechanism) -> str:
    text = inspect.getdoc(entry.model) or entry.kind
    return " ".join(text.split("\n\n")[0].split())


def page(entry: Mechanism) -> str:
    """The terminal's page for a kind."""
    rows = []
    for name, stated in parameters_of(entry.model).items():
        unit = "" if stated.unit == "1" else f" {stated.unit}"
        optional = " (optional)" if stated.optional else ""
        allowed = f"{stated.low:g} to {stated.high:g}{unit}"
        rows.append((name, allowed, stated.description + optional))
    for name, stated in files_of(entry.model).items():
        optional = " (optional)" if stated.optional else ""
        rows.append((name, "a file", stated.description + optional))
    rows += [
        (name, " | ".join(stated.choices), stated.description)
        for name, stated in switches_of(entry.model).items()
    ]
    widths = [max((len(row[i]) for row in rows), default=0) for i in (0, 1)]
    lines = [f"{entry.kind}: {_summary(entry)}"]
    lines += [f"  {a:<{widths[0]}}  {b:<{widths[1]}}  {c}" for a, b, c in rows]
    return "\n".join(lines)


def example(entry: Mechanism) -> str:
    """A commented TOML configuration of typical values; it runs as it is."""
    lines = [f"# {_summary(entry)}", "[model]", f'kind = "{entry.kind}"']
    for name, stated in parameters_of(entry.model).items():
        unit = "" if stated.unit == "1" else f" [{stated.unit}]"
        note = f"{stated.description}{unit}, {stated.low:g} to {stated.high:g}"
        line = f"{name} = {float(stated.typical)!r}"
        left_out = stated.optional and name not in entry.model.shown
        lines.append(f"# {line}   # optional: {note}" if left_out else f"{line}   # {note}")
    for name, choice in switches_of(entry.model).items():
        others = ", ".join(f'"{word}"' for word in choice.choices[1:])
        lines.append(f'{name} = "{choice.choices[0]}"   # {choice.description}; or {others}')
    for name, stated in files_of(entry.model).items():
        line = f'{name} = "{name}.dat"'
        note = stated.description
        lines.append(f"# {line}   # optional: {note}" if stated.optional else f"{line}   # {note}")
    lines += [*entry.model.tables, "", "[dark_matter]"]
    if "mass_kev" in parameters_of(entry.model) or entry.model.tables:
        lines.append("omega_h2 = 0.12   # dark matter; what the model makes of it follows")
    else:
        lines.append("omega_h2 = 0.12   # fixes m_N; or mass_kev = 7.1, and the abundance follows")
    return "\n".join(lines) + "\n"
