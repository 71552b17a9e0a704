"""Docstrings of public names: there, sections that parse, every argument described."""

import dataclasses
import importlib
import inspect
import re
import types

import pytest

pytestmark = pytest.mark.invariants

ROOMS = (
    "spectra", "spectra.export", "spectra.plots", "sterile", "sterile.scan", "sterile.fit",
    "sterile.parents", "sterile.mixing",
)  # fmt: skip
SECTIONS = {"Parameters", "Attributes", "Returns", "Raises", "Yields", "Notes"}
# what a field of every model or module is, and is said once
UNDERSTOOD = {"self", "kind", "args", "kwargs", "_"}


def public():
    for room in ROOMS:
        module = importlib.import_module(room)
        for name in module.__all__:
            found = getattr(module, name)
            # of ours: not modules, constants or what another package made
            ours = getattr(found, "__module__", "").startswith(("spectra", "sterile"))
            if not isinstance(found, types.ModuleType) and callable(found) and ours:
                yield pytest.param(found, id=f"{room}.{name}")


def sections(text: str) -> dict[str, list[str]]:
    """numpydoc sections by heading: the names before the colon of each unindented line."""
    lines = text.split("\n")
    found: dict[str, list[str]] = {}
    current = None
    for line, below in zip(lines, [*lines[1:], ""]):
        if line and set(below) == {"-"}:
            assert line in SECTIONS, f"{line!r} is not a section; known: {sorted(SECTIONS)}"
            assert len(below) == len(line), f"the line below {line!r} has another length"
            current = found.setdefault(line, [])
        elif current is not None and re.match(r"[\w*]", line) and " : " in line:
            current += [name.strip(" *") for name in line.split(" : ")[0].split(",")]
    return found


def arguments(found) -> list[str]:
    """What can be given: of a function its parameters, of a class its fields."""
    if inspect.isclass(found):
        if issubclass(found, tuple):
            return list(found._fields)
        fields = dataclasses.fields(found) if dataclasses.is_dataclass(found) else ()
        return [field.name for field in fields if field.name[0] != "_"]
    return list(inspect.signature(found).parameters)


@pytest.mark.parametrize("found", list(public()))
def test_it_says_what_it_is_and_takes(found):
    text = inspect.getdoc(found) or ""
    assert text, "no docstring"
    # a dataclass without one shows its signature instead
    assert not text.startswith(f"{found.__name__}("), "no docstring"
    known = set(arguments(found))
    missing = [n for n in known - UNDERSTOOD if not re.search(rf"(?<!\w){n}(?!\w)", text)]
    parameters = getattr(found, "__dataclass_fields__", {})
    # a parameter of a model describes itself: `sterile kinds` shows it
    missing = [n for n in missing if not getattr(parameters.get(n), "metadata", None)]
    assert not missing, f"not described: {sorted(missing)}"
    listed = sections(text)
    heading = "Attributes" if inspect.isclass(found) else "Parameters"
    extra = set(listed.get(heading, [])) - known
    if inspect.isclass(found):
        extra = {name for name in extra if not hasattr(found, name)}
    assert not extra, f"described, but not there: {sorted(extra)}"
