"""Benchmarks: every script imports, and calls programs with what they take."""

import inspect
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent.parent / "benchmarks"
pytestmark = pytest.mark.invariants

# in a process of its own: some set the number of threads before anything else
IMPORTED = """
import importlib, sys
for name in sys.argv[1:]:
    module = importlib.import_module(name)
    assert name.endswith("_sets") or callable(module.main), name
"""


def test_scripts_import_and_have_a_main():
    names = sorted(path.stem for path in FOLDER.glob("*.py"))
    done = subprocess.run(
        [sys.executable, "-c", IMPORTED, *names], capture_output=True, text=True, cwd=FOLDER
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_programs_are_called_with_what_they_take(monkeypatch, capsys):
    """The sizes of programs: each call fits its function, and the cheapest is measured."""
    monkeypatch.syspath_prepend(str(FOLDER))
    import programs

    found = programs.asked(1e-8)
    for name, program, arguments in found:
        assert inspect.signature(program.__wrapped__).bind(*arguments), name
    programs.report(*found[-1][:2], *found[-1][2])
    name, lines, *_ = capsys.readouterr().out.split()
    assert name == "bounds" and int(lines) > 100


@pytest.mark.slow
def test_verdicts_agree_with_scipy(monkeypatch):
    """The benchmark's own sum by scipy, at a tenth of its nodes: 1e-3, its trapezoid rule."""
    monkeypatch.syspath_prepend(str(FOLDER))
    import verdicts

    at = verdicts.asked()
    exact = verdicts.Scipy(6000, at.power)(at.curve.k_h_mpc, at.curve.t2)
    assert verdicts.numbers(at, at.curve.t) == pytest.approx(exact, rel=1e-3)
