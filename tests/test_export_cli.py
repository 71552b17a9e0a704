"""`sterile export` as a user types it."""

import json
import os
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from export_cases import decay_spectrum, install_golden_tables

import spectra
from spectra import store
from sterile import cli

pytestmark = pytest.mark.cli

DOCUMENT = (Path(__file__).parent.parent / "docs" / "export.md").read_text(encoding="utf-8")


@pytest.fixture
def run(monkeypatch, capsys):
    """Run a command in this process; returns (exit code, stdout, stderr)."""

    def call(*words):
        monkeypatch.setattr(sys, "argv", ["sterile", *map(str, words)])
        capsys.readouterr()
        code = cli.run()
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A directory with the result the document starts from, of the same spectrum."""
    install_golden_tables()
    made = tmp_path_factory.mktemp("document")
    dm, k = decay_spectrum(), np.geomspace(0.1, 300.0, 71)
    t = 1.0 / (1.0 + (k / 30.0) ** 2)  # says how far CLASS is asked to go, no more
    datasets = {"spectrum/q": dm.q, "spectrum/f": dm.f, "transfer/k_h_mpc": k}
    datasets |= {"transfer/t": t, "transfer/t2": t**2}
    numbers = {name: float(getattr(dm, name)) for name in ("mass_kev", "temperature_ratio")}
    cosmology = {name: float(value) for name, value in vars(spectra.Cosmology()).items()}
    store.write(
        made / "warm.h5", store.Record(datasets, {"spectrum": numbers, "cosmology": cosmology})
    )
    return made


def test_every_format_is_documented():
    """Its commands are run by test_code_blocks.py."""
    shown = re.findall(r"^\$ sterile export warm.h5 --format (\S+)", DOCUMENT, re.MULTILINE)
    assert set(shown) == set(spectra.export.FORMATS)


def one_line(outcome, *said):
    code, _, err = outcome
    *progress, line = err.splitlines()
    assert code == 2 and line.startswith("error: "), outcome
    assert not [text for text in progress if text.startswith("error")]
    for words in said:
        assert words in line


def test_bad_usage(folder, run, monkeypatch, tmp_path):
    monkeypatch.chdir(folder)
    result = folder / "warm.h5"
    out = tmp_path / "x"
    one_line(run("export", result, "--format", "gadget5", "-o", out), "did you mean 'gadget4'")
    one_line(run("export", result, "-o", out), "--format is missing", "monofonic")
    one_line(run("export", result, "--format", "music", "-o", out), "--z")
    one_line(run("export", result, "--format", "gadget4", "--z", 300, "-o", out), "[0, 200]")
    one_line(run("export", result, "--format", "2lpt", "--z", 49, "-o", out), "leave out z")
    one_line(run("export", result, "--format", "gadget4"), "-o PATH")
    one_line(run("export", "--check", out, "--format", "gadget4"), "--box-mpc-h", "--particles")
    box = ("--box-mpc-h", 20, "--particles", 512, "--z", 99)
    one_line(run("export", "--check", out, "--format", "gadget4", *box), "no such file")
    one_line(run("export", "--check", out, *box), "--format is missing")
    assert os.listdir(tmp_path) == []
    out.write_text("mine")
    one_line(run("export", result, "--format", "gadget4", "-o", out), "exists", "--force")
    assert out.read_text() == "mine"


def test_an_unsafe_file_is_exit_code_1(run, tmp_path):
    path = tmp_path / "p.txt"
    path.write_text("# header\n-4 -14\n-3 -11\n0 0\n1 1\n2 2\n")
    words = ("export", "--check", path, "--format", "gadget4")
    box = ("--box-mpc-h", 20, "--particles", 512, "--z", 99)
    code, out, err = run(*words, *box)
    assert code == 1 and "NOT safe" in out and "problem: reading stops at '#'" in out and err == ""
    code, out, _ = run(*words, *box, "--json")
    answer = json.loads(out)
    assert code == 1 and answer["safe"] is False and answer["problems"]
    assert answer["k_max_h_mpc"] == pytest.approx(3**0.5 * np.pi * 512 / 20)
