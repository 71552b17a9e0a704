"""Every code block of README.md and docs/ runs as it is written, and every anchor leads somewhere.

Blocks of one document run in sequence, in one directory that starts with the files of
:func:`workplace`: Python blocks share their names, ``$`` lines of console blocks are commands, TOML
is read and, where it has [model], checked as the command line would. A comment that no reader sees,
in the line above a block, says ``<!-- slow -->`` (minutes: runs with ``-m slow`` only),
``<!-- needs: MODULE, MODULE -->`` (other programs: runs with ``-m external`` where they are), or
``<!-- not run: WHY -->``. Blocks of ``text`` are pictures; there are no blocks without a language.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import h5py
import numpy as np
import pytest
from export_cases import decay_spectrum, install_golden_tables
from sybil import Example, Sybil
from sybil.parsers.markdown import CodeBlockParser, PythonCodeBlockParser

from sterile import cli, config
from sterile.fit import settings as fit_settings
from sterile.scan import settings as scan_settings

ROOT = Path(__file__).parent.parent
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
COMMENT = re.compile(r"<!-- (slow|needs: [^\n]+|not run: [^\n]+) -->\n\Z")
FENCE = re.compile(r"^```([^\n`]*)\n", re.MULTILINE)

SCAN = """\
[model]
kind = "scalar-decay"
scalar_mass_gev = 100.0
[scan]
design = "grid"
parameters.portal_coupling = { low = 1e-8, high = 1e-7, points = 3, spacing = "log" }
parameters.yukawa = { low = 1e-9, high = 1e-8, points = 3, spacing = "log" }
"""


def run_console(example: Example) -> None:
    """Run the ``$`` lines: ``sterile`` in this process, ``python`` in another."""
    text = str(example.parsed).replace("\\\n", " ")
    commands = [line[2:] for line in text.splitlines() if line.startswith("$ ")]
    assert commands, "a console block without a line that starts with '$ '"
    for command in commands:
        program, *words = shlex.split(command, comments=True)
        code, out, err = example.namespace["programs"][program](words)
        assert code == 0, f"{command}\n{out}\n{err}"
        if "--json" in words:
            json.loads(out)


def check_toml(example: Example) -> None:
    text = str(example.parsed)
    content = tomllib.loads(text)
    if "model" in content:
        kinds = {"scan": scan_settings.check, "fit": fit_settings.check}
        check = next((kinds[name] for name in kinds if name in content), config.check)
        check(content, text)


def look_at(example: Example) -> None:
    """A picture in letters."""


PAGES = Sybil(
    [
        PythonCodeBlockParser(),
        CodeBlockParser("console", run_console),
        CodeBlockParser("toml", check_toml),
        CodeBlockParser("text", look_at),
    ]
)


def blocks_of(path: Path) -> list[tuple[Example, str]]:
    """The blocks of a document, in order, each with what the comment above it says."""
    found = []
    for example in PAGES.parse(path).examples():
        comment = COMMENT.search(example.document.text[: example.region.start])
        found.append((example, comment[1] if comment else ""))
    return found


COMMENTS = {path: [comment for _, comment in blocks_of(path)] for path in DOCUMENTS}
QUICK = [path for path, comments in COMMENTS.items() if "" in comments]
SLOW = [path for path, comments in COMMENTS.items() if "slow" in comments]
PROGRAMS = [
    (path, comment)
    for path, comments in COMMENTS.items()
    for comment in dict.fromkeys(comments)
    if comment.startswith("needs: ")
]


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.fixture
def programs(monkeypatch, capsys):
    """What a console line may start with: arguments → (exit code, stdout, stderr)."""

    def sterile(words):
        monkeypatch.setattr(sys, "argv", ["sterile", *words])
        capsys.readouterr()
        code = cli.run()
        return code, *capsys.readouterr()

    def python(words):
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        command = [sys.executable, *words]
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        return done.returncode, done.stdout, done.stderr

    def cobaya_run(words):
        return python(["-m", "cobaya", "run", *words])

    return {"sterile": sterile, "python": python, "cobaya-run": cobaya_run}


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    """An empty directory with the files that documents speak of."""
    install_golden_tables()
    shutil.copytree(ROOT / "runs", tmp_path / "runs")
    spectrum = decay_spectrum()
    np.savetxt(tmp_path / "psd.dat", np.column_stack([spectrum.q, spectrum.f]))
    (tmp_path / "scan.toml").write_text(SCAN)
    with h5py.File(tmp_path / "snapshot.hdf5", "w") as file:
        file.create_group("Header").attrs["Redshift"] = 99.0
        file["PartType1/Velocities"] = np.zeros((100, 3), dtype="f4")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(ROOT / "docs" / "examples")
    return tmp_path


def run_blocks(path: Path, programs: dict, *comments: str) -> None:
    """Run those without a comment, and those with one of ``comments``."""
    for example, comment in blocks_of(path):
        if comment not in ("", *comments):
            continue
        example.document.namespace["programs"] = programs
        try:
            example.evaluate()
        except Exception as error:
            error.add_note(f"in {name(path)}, the block at line {example.line}")
            raise


@pytest.mark.cli
@pytest.mark.parametrize("path", QUICK, ids=name)
def test_blocks_run(path, workplace, programs):
    run_blocks(path, programs)


@pytest.mark.slow
@pytest.mark.cli
@pytest.mark.parametrize("path", SLOW, ids=name)
def test_blocks_run_the_slow_ones_too(path, workplace, programs):
    run_blocks(path, programs, "slow")


@pytest.mark.external
@pytest.mark.cli
@pytest.mark.parametrize(
    "path, comment", PROGRAMS, ids=lambda value: value if isinstance(value, str) else name(value)
)
def test_blocks_run_with_other_programs(path, comment, workplace, programs):
    for module in comment.removeprefix("needs: ").split(", "):
        pytest.importorskip(module, reason=f"{module} is not installed")
    run_blocks(path, programs, comment)


@pytest.mark.invariants
@pytest.mark.parametrize("path", DOCUMENTS, ids=name)
def test_no_block_is_overlooked(path):
    """A block is of a language that runs, or says why it does not."""
    text = path.read_text(encoding="utf-8")
    run = {example.region.start for example, _ in blocks_of(path)}
    for index, opening in enumerate(FENCE.finditer(text)):
        if index % 2 == 0 and opening.start() not in run:
            comment = COMMENT.search(text[: opening.start()])
            line = text.count("\n", 0, opening.start()) + 1
            assert comment and comment[1].startswith("not run"), f"{name(path)}:{line}"


LINK = re.compile(r"\]\(([^)\s#:]*)#([^)\s]+)\)")


def anchors_of(path: Path) -> set[str]:
    """What GitHub makes of the headings of a document."""
    text = re.sub(
        r"^```.*?^```", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL
    )
    headings = re.findall(r"^#+ +(.*?) *$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.invariants
@pytest.mark.parametrize("path", DOCUMENTS, ids=name)
def test_anchors_exist(path):
    text = path.read_text(encoding="utf-8")
    for other, anchor in LINK.findall(text):
        target = path.parent / other if other else path
        assert target.exists() and anchor in anchors_of(target), f"{other}#{anchor}"
