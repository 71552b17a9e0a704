"""The house: two floors, rooms, no circle, no import upwards, modules of a readable length."""

import ast
import graphlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
pytestmark = pytest.mark.invariants

# imports point down these lists, or sideways within one room
SPECTRA = [
    "constants", "precision", "tracing", "units", "status", "directories", "processes", "files",
    "safe_hdf5", "cache", "tree_structure", "programs", "batching", "numerics",
    "cosmology", "spectrum", "psd", "build_up", "linear", "structure", "class_like", "store",
    "plots", "export",
]  # fmt: skip
STERILE = [
    "status", "names", "quantities", "models", "narrative", "contract", "bath", "scalar", "parents",
    "thermal", "mixing", "combined", "mechanisms", "production", "pipeline", "many", "xray",
    "bounds", "citation", "session", "sections", "config", "catalogue", "report", "explain", "scan",
    "fit", "cobaya", "cli", "__main__",
]  # fmt: skip
LONGEST = 400


def modules() -> dict[str, Path]:
    found = {}
    for floor in ("spectra", "sterile"):
        for path in (ROOT / floor).rglob("*.py"):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = modules()


def stub_names(package: str) -> dict[str, str]:
    """Name that a room hands on → the module that defines it, from its stub."""
    stub = MODULES[package].with_suffix(".pyi")
    names = {}
    if stub.exists():
        for node in ast.parse(stub.read_text(encoding="utf-8")).body:
            assert isinstance(node, ast.ImportFrom)
            home = f"{package}.{node.module}" if node.module else package
            for alias in node.names:
                names[alias.name] = home if node.module else f"{package}.{alias.name}"
    return names


def home_of(package: str, name: str) -> str:
    """The module that ``from package import name`` loads."""
    if f"{package}.{name}" in MODULES:
        return f"{package}.{name}"
    handed = stub_names(package).get(name) if package in MODULES else None
    if handed is None or handed == package:
        return package
    return home_of(handed, name) if stub_names(handed).get(name) else handed


def imports_of(module: str) -> set[str]:
    """Modules of the project that a module imports, inside functions too."""
    found = set()
    for node in ast.walk(ast.parse(MODULES[module].read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module in MODULES:
            found |= {home_of(node.module, alias.name) for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name in MODULES}
    return found - {module}


GRAPH = {module: imports_of(module) for module in MODULES}


def test_there_is_no_import_circle():
    # raises CycleError, naming it
    tuple(graphlib.TopologicalSorter(GRAPH).static_order())


def test_the_ground_floor_knows_nothing_of_the_upper_one():
    upwards = {
        m: i
        for m, names in GRAPH.items()
        for i in names
        if m.startswith("spectra") and i.startswith("sterile")
    }
    assert not upwards


def room(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


@pytest.mark.parametrize("floor, order", [("spectra", SPECTRA), ("sterile", STERILE)])
def test_imports_point_down_the_list_or_stay_in_their_room(floor, order):
    here = {m for m in MODULES if m.startswith(f"{floor}.")}
    assert {room(m) for m in here} == set(order)
    for module in here:
        for other in GRAPH[module] & here:
            same = room(other) == room(module)
            assert same or order.index(room(other)) < order.index(room(module)), (module, other)


ROOMS = {m for m, path in MODULES.items() if path.name == "__init__.py" and m.count(".") == 1}


def test_other_rooms_use_what_a_room_hands_on():
    for module, path in MODULES.items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module:
                package = ".".join(node.module.split(".")[:2])
                inside = package in ROOMS and node.module != package
                # the commands and the runs of a room may look into it; nobody else
                allowed = module.startswith((package, "sterile.cli"))
                assert allowed or not inside, f"{module} imports from {node.module}"


def test_modules_are_short_or_say_why():
    for module, path in MODULES.items():
        text = path.read_text(encoding="utf-8")
        if text.count("\n") > LONGEST:
            assert "Longer than" in (ast.get_docstring(ast.parse(text)) or ""), module


def test_every_public_name_can_be_had():
    code = (
        "import spectra, sterile, sterile.scan, sterile.fit, sterile.parents\n"
        "for m in (spectra, sterile, sterile.scan, sterile.fit, sterile.parents):\n"
        "    for name in m.__all__: getattr(m, name)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr


def test_importing_changes_nothing_and_loads_nothing_heavy():
    code = "import sys, spectra, sterile; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    heavy = {"jax", "equinox", "h5py", "scipy", "matplotlib", "pydantic"}
    assert not heavy & set(done.stdout.split())


def test_every_constant_has_a_source():
    """Constants live in one module, each with its source beside or above it."""
    text = (ROOT / "spectra" / "constants.py").read_text(encoding="utf-8")
    assert re.search(r"CODATA|PDG|Planck", text)
