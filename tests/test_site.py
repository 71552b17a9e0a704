"""The documentation site without building it: every page is in the navigation, links lead
somewhere, notebooks are as they run in Jupyter. ``make docs`` builds it; warnings are errors."""

import ast
import json
import re
from pathlib import Path

import pytest

DOCS = Path(__file__).parent.parent / "docs"
pytestmark = pytest.mark.invariants

NOTEBOOKS = sorted(DOCS.rglob("*.ipynb"))
PAGES = sorted([*DOCS.rglob("*.md"), *DOCS.rglob("*.rst"), *NOTEBOOKS])
# [text](target), but a web address or an anchor of the same page
LINK = re.compile(r"\]\((?!https?:|#|mailto:)([^)#\s]+)(?:#[^)]*)?\)")
DOC = re.compile(r":doc:`([^`<]+)`")


def name(path: Path) -> str:
    return path.relative_to(DOCS).as_posix()


def cells(path: Path, kind: str) -> list[str]:
    content = json.loads(path.read_text(encoding="utf-8"))
    return ["".join(cell["source"]) for cell in content["cells"] if cell["cell_type"] == kind]


def navigation() -> list[str]:
    """Pages of the toctrees of the first page, in order, without their endings."""
    found, inside = [], False
    for line in (DOCS / "index.rst").read_text(encoding="utf-8").splitlines():
        if line.startswith(".. toctree::"):
            inside = True
        elif inside and line.startswith("   ") and not line.strip().startswith(":"):
            found.append(line.strip())
        elif line and not line.startswith(" "):
            inside = False
    return found


def test_every_page_is_in_the_navigation_once():
    listed = navigation()
    assert len(listed) == len(set(listed))
    assert {"index", *listed} == {name(path).rsplit(".", 1)[0] for path in PAGES}


@pytest.mark.parametrize("path", PAGES, ids=name)
def test_links_lead_somewhere(path):
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".ipynb":
        text = "\n".join(cells(path, "markdown"))
    wrong = [link for link in LINK.findall(text) if not (path.parent / link).exists()]
    listed = navigation()
    wrong += [page for page in DOC.findall(text) if page not in listed]
    wrong += [
        image
        for image in re.findall(r"^\.\. image:: (\S+)", text, re.MULTILINE)
        if not (path.parent / image).exists()
    ]
    assert not wrong


@pytest.mark.parametrize("path", NOTEBOOKS, ids=name)
def test_notebooks_hold_no_output_and_parse(path):
    content = json.loads(path.read_text(encoding="utf-8"))
    for cell in content["cells"]:
        assert not cell.get("outputs") and cell.get("execution_count") is None
    for code in cells(path, "code"):
        ast.parse(code)  # no magics: each line is Python


@pytest.mark.parametrize("path", NOTEBOOKS, ids=name)
def test_notebooks_start_with_a_title_and_double_precision(path):
    assert cells(path, "markdown")[0].startswith("# ")
    assert 'jax.config.update("jax_enable_x64", True)' in cells(path, "code")[0]


def test_formulas_are_only_what_the_converter_knows():
    """The build turns TeX into MathML with docutils, which knows no font switches."""
    for path in PAGES:
        text = path.read_text(encoding="utf-8")
        assert not re.search(
            r"\\(rm|bf|it|text|slashed)\b(?!\{)", "".join(text.split("$$")[1::2])
        ), path


def test_nothing_imported_is_taken_for_a_setting():
    """Sphinx reads every name of conf.py: a function called ``version`` ended the build."""
    settings = {"author", "copyright", "language", "project", "release", "today", "version"}
    tree = ast.parse((DOCS / "conf.py").read_text(encoding="utf-8"))
    bound = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    for node in tree.body:
        if isinstance(node, ast.Import | ast.ImportFrom):
            bound |= {alias.asname or alias.name for alias in node.names}
    assert not bound & settings
