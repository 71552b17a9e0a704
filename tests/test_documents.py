"""What the documents and docstrings refer to exists: modules, names, paths, links."""

import ast
import importlib
import re
from pathlib import Path

import pytest
from test_architecture import SPECTRA, STERILE

from sterile import mechanisms

ROOT = Path(__file__).parent.parent
pytestmark = pytest.mark.invariants

DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
SOURCES = sorted(
    path
    for folder in ("spectra", "sterile", "tests", "benchmarks", "runs", "docs")
    for path in (ROOT / folder).rglob("*.py")
)
ROLE = re.compile(r":(?:mod|class|func|data|meth):`~?([\w.]+)`")
DOTTED = re.compile(r"(?<![\w./-])((?:spectra|sterile)(?:\.\w+)+)")
# a path below one of the two floors, tests, benchmarks, runs or docs
PATH = re.compile(
    r"(?<![\w./<-])((?:spectra|sterile|tests|benchmarks|runs|docs)/[\w./-]*\.(?:pyi?|md|toml|png|svg))"
)
LINK = re.compile(r"\]\((?!https?:|#|mailto:)([^)#\s]+)(?:#[^)]*)?\)")


def resolves(name: str) -> bool:
    """Whether a dotted name is a module, or an attribute of one."""
    parts = name.split(".")
    for end in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:end]))
        except ImportError:
            continue
        for part in parts[end:]:
            fields = getattr(found, "__dataclass_fields__", {})
            if not hasattr(found, part) and part not in fields:
                return False
            found = getattr(found, part, None)
        return True
    return False


def docstrings(path: Path):
    """(line, docstring) of the module, its classes and functions."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            text = ast.get_docstring(node, clean=False)
            if text:
                yield node.body[0].lineno, text


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def local_names(path: Path) -> set[str]:
    """What a docstring may name without a module: the top level of its own, and imports."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.ImportFrom | ast.Import):
            names |= {(alias.asname or alias.name).split(".")[0] for alias in node.names}
        elif isinstance(node, ast.Assign):
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    return names


@pytest.mark.parametrize("floor", ["spectra", "sterile"])
def test_references_in_docstrings_resolve(floor):
    wrong = []
    for path in (p for p in SOURCES if p.relative_to(ROOT).parts[0] == floor):
        local = local_names(path)
        for line, text in docstrings(path):
            for name in ROLE.findall(text):
                inside = name.split(".")[0] in local or resolves(f"{module_of(path)}.{name}")
                if not (inside or resolves(name)):
                    wrong.append(f"{path.relative_to(ROOT)}:{line}: {name}")
    assert not wrong, "\n".join(wrong)


def test_dotted_names_exist():
    """``sterile.fit.run`` and the like, in documents, docstrings, comments and messages."""
    wrong = []
    for path in [*DOCUMENTS, *SOURCES]:
        if path == Path(__file__) or path.name == "CHANGELOG.md":
            continue  # a changelog speaks of what was
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            for name in DOTTED.findall(line):
                if not resolves(name):
                    wrong.append(f"{path.relative_to(ROOT)}:{number}: {name}")
    assert not wrong, "\n".join(wrong)


def test_paths_exist():
    wrong = []
    for path in [*DOCUMENTS, *SOURCES]:
        if path == Path(__file__) or path.name == "CHANGELOG.md":
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            for name in PATH.findall(line):
                if not (ROOT / name).exists():
                    wrong.append(f"{path.relative_to(ROOT)}:{number}: {name}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links_of_documents_exist(path):
    found = LINK.findall(path.read_text(encoding="utf-8"))
    wrong = [link for link in found if not (path.parent / link).exists()]
    assert not wrong, wrong


def glossary_rows():
    """(names of the first cell, modules of the last) of every row of the glossary that has both."""
    for line in (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8").splitlines():
        cells = re.split(r"(?<!\\)\|", line.strip().strip("|"))
        names, modules = re.findall(r"`(\w+)`", cells[0]), PATH.findall(cells[-1])
        if names and modules:
            yield pytest.param(names, modules, id=names[0])


@pytest.mark.parametrize("names, modules", list(glossary_rows()))
def test_symbols_stand_where_the_glossary_says(names, modules):
    text = "\n".join((ROOT / module).read_text(encoding="utf-8") for module in modules)
    missing = [name for name in names if not re.search(rf"(?<!\w){name}(?!\w)", text)]
    assert not missing, f"{missing} not in {modules}"


def test_the_architecture_names_every_room_and_kind():
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rooms = [name for name in (*SPECTRA, *STERILE) if name != "__main__"]
    missing = [name for name in rooms if f"{name}/" not in text and f"{name}.py" not in text]
    assert not missing, f"docs/architecture.md does not name {missing}"
    shipped = [k for k, entry in mechanisms.kinds().items() if not mechanisms.modules_of(entry)]
    missing = [kind for kind in shipped if f"`{kind}`" not in text]
    assert not missing, f"the registry's table in docs/architecture.md does not list {missing}"
