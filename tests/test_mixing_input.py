"""What a user may type or give wrong: one line that names the file, the row and the range."""

import json
import subprocess
import sys
from pathlib import Path

import mixing_cases
import numpy as np
import pytest

import sterile
from sterile import bounds, config

pytestmark = pytest.mark.invariants
ARGUMENTS = {"mass_kev": 7.1, "sin2_2theta": 1e-10}


def write(folder: Path, text: str) -> Path:
    path = folder / "table.csv"
    path.write_text(text)
    return path


def rates(rows) -> str:
    lines = [",".join(f"{number:.6g}" for number in row) for row in rows]
    return "temperature_mev,q,gamma_over_gf2_t5\n" + "\n".join(lines) + "\n"


def grid():
    return [(t, q, q) for t in (10.0, 100.0, 1e3, 1e4) for q in (0.001, 0.1, 1.0, 20.0)]


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda rows: rows[:5] + rows[6:], ["line 6", "momenta", "100"]),  # a gap
        (lambda rows: [(*rows[0][:2], float("nan")), *rows[1:]], ["line 2", "finite"]),
        (lambda rows: [(*rows[0][:2], -1.0), *rows[1:]], ["line 2", "positive"]),
        (lambda rows: rows[::-1], ["line 6", "rise"]),
        (lambda rows: [row for row in rows if row[0] > 50.0] + [(2e4, q, 1) for q in ()],
         ["temperatures"]),
        (lambda rows: [(max(t, 50.0 + t), q, g) for t, q, g in rows], ["60", "[20, 4000]"]),
        (lambda rows: [(t, min(q, 5.0), g) for t, q, g in rows], ["q runs", "[0.01, 10]"]),
    ],
)  # fmt: skip
def test_bad_rates(tmp_path, change, words):
    path = write(tmp_path, rates(change(grid())))
    with pytest.raises(ValueError) as error:
        sterile.DodelsonWidrow(**ARGUMENTS, rates_table=path)
    assert str(path) in str(error.value)
    assert all(word in str(error.value) for word in words), error.value


@pytest.mark.parametrize(
    "text, words",
    [
        (
            "temperature,q,gamma_over_gf2_t5\n1,2,3\n",
            ["line 1", "'temperature'", "temperature_mev"],
        ),
        ("temperature_mev,q\n1,2\n", ["gamma_over_gf2_t5", "missing"]),
        ("1,2,3\n", ["no header"]),
        ("temperature_mev,q,gamma_over_gf2_t5\n1,2\n", ["line 2", "2 numbers, not 3"]),
        ("temperature_mev,q,gamma_over_gf2_t5\n1,x,2\n", ["line 2", "not numbers"]),
    ],
)
def test_wrong_columns(tmp_path, text, words):
    with pytest.raises(ValueError) as error:
        sterile.DodelsonWidrow(**ARGUMENTS, rates_table=write(tmp_path, text))
    assert all(word in str(error.value) for word in words), error.value


def test_other_tables(tmp_path):
    falling = "".join(f"{t} 80 80\n" for t in (1e4, 1e3, 1e2, 10.0, 1.0))
    with pytest.raises(ValueError, match="line 2: temperature_mev = 1000 follows 10000.*sort"):
        sterile.DodelsonWidrow(**ARGUMENTS, gstar_table=write(tmp_path, falling))
    short = "".join(f"{t} 80 80\n" for t in (10.0, 50.0, 100.0, 200.0))
    with pytest.raises(ValueError, match="from 10 to 200, but has to cover"):
        sterile.DodelsonWidrow(**ARGUMENTS, gstar_table=write(tmp_path, short))
    with pytest.raises(ValueError, match="3 numbers, not 9"):
        sterile.ShiFuller(7.1, 1e-10, 1e-3, redistribution_table=write(tmp_path, short))
    with pytest.raises(ValueError, match="no such file"):
        sterile.DodelsonWidrow(**ARGUMENTS, gstar_table=tmp_path / "none.dat")


def test_parameters_out_of_range():
    with pytest.raises(ValueError, match="lepton_asymmetry = 0.2.*0.1"):
        sterile.ShiFuller(7.1, 1e-10, 0.2)
    with pytest.raises(ValueError, match="lepton_asymmetry = -0.3"):
        sterile.ShiFuller(7.1, 1e-10, {"e": 0.01, "tau": -0.3})
    with pytest.raises(ValueError, match="must name flavours"):
        sterile.ShiFuller(7.1, 1e-10, {"electron": 0.01})
    with pytest.raises(ValueError, match=r"mass_kev = 0.5 .*\[1, 100\]"):
        sterile.DodelsonWidrow(0.5, 1e-10)
    with pytest.raises(ValueError, match="sin2_2theta = 0.1"):
        sterile.DodelsonWidrow(7.1, 0.1)
    with pytest.raises(ValueError, match="flavour = 'muon'"):
        sterile.DodelsonWidrow(7.1, 1e-10, "muon")


def test_asymmetries_of_other_flavours_have_names_of_their_own():
    model = sterile.ShiFuller(**ARGUMENTS, lepton_asymmetry=1e-3, lepton_asymmetry_tau=-2e-3)
    assert np.asarray(model.asymmetries()).tolist() == [0.0, 1e-3, -2e-3]
    with pytest.raises(ValueError, match="lepton_asymmetry_mu is of the flavour that mixes"):
        sterile.ShiFuller(**ARGUMENTS, lepton_asymmetry=1e-3, lepton_asymmetry_mu=1e-3)
    with pytest.raises(ValueError, match="lepton_asymmetry_e must not stand beside"):
        sterile.ShiFuller(**ARGUMENTS, lepton_asymmetry={"mu": 1e-3}, lepton_asymmetry_e=1e-3)
    with pytest.raises(ValueError, match=r"lepton_asymmetry_e = 0.2 .*\[-0.1, 0.1\]"):
        sterile.ShiFuller(**ARGUMENTS, lepton_asymmetry=1e-3, lepton_asymmetry_e=0.2)


@pytest.mark.slow  # compiles the whole pipeline
def test_three_asymmetries_are_axes_of_a_scan():
    """Each point as if it had been given as a table."""
    from sterile.scan import kernel

    content = {"kind": "shi-fuller", **ARGUMENTS, "lepton_asymmetry": 1e-3, "flavour": "mu"}
    names = ("lepton_asymmetry", "lepton_asymmetry_e", "lepton_asymmetry_tau")
    scanned = json.dumps({"model": {**content, **dict.fromkeys(names, float("nan"))}})
    setup = kernel.prepare(scanned, False)
    values = {name: np.array(column) for name, column in zip(
        names, [[1e-3, 2e-3], [1e-3, -3e-3], [0.0, 5e-4]]
    )}  # fmt: skip
    found = kernel.solve(setup, values, 2)["points/yield_n"]
    for i, (mu, e, tau) in enumerate(zip(*(values[name] for name in names))):
        model = sterile.ShiFuller(**ARGUMENTS, lepton_asymmetry={"e": e, "mu": mu, "tau": tau})
        assert found[i] == pytest.approx(float(sterile.solve(model).yield_n), rel=1e-10)


def test_tables_are_known_by_their_content(tmp_path):
    path = mixing_cases.rates_file(tmp_path, 1.0)
    one = sterile.DodelsonWidrow(**ARGUMENTS, rates_table=path)
    copy = tmp_path / "copy.csv"
    copy.write_bytes(path.read_bytes())
    assert one.rates_table == sterile.DodelsonWidrow(**ARGUMENTS, rates_table=copy).rates_table
    # the built-in rates by the detour of a file: splines of a spline, 1e-3 between its nodes
    found, direct = sterile.solve(one), sterile.solve(sterile.DodelsonWidrow(**ARGUMENTS))
    assert float(found.yield_n) == pytest.approx(float(direct.yield_n), rel=1e-3)
    changed = mixing_cases.rates_file(tmp_path, 1.0000001)
    assert sterile.DodelsonWidrow(**ARGUMENTS, rates_table=changed).rates_table != one.rates_table


def test_configuration(tmp_path):
    mixing_cases.rates_file(tmp_path, 1.0)
    path = tmp_path / "run.toml"
    path.write_text(
        '[model]\nkind = "shi-fuller"\nmass_kev = 7.1\nsin2_2theta = 4e-11\n'
        'lepton_asymmetry = {e = 1e-3, tau = -1e-3}\nflavour = "e"\nrates_table = "rates-1.csv"\n'
    )
    model = config.model_of(config.load(path))
    assert np.asarray(model.asymmetries()).tolist() == [1e-3, 0.0, -1e-3]
    assert model.rates_table.path == str(tmp_path / "rates-1.csv")
    for table, words in (
        ({"electron": 1e-3}, "unknown key .* lepton_asymmetry.electron; known keys: e, mu, tau"),
        ({"mue": 1e-3}, "unknown key .* lepton_asymmetry.mue; did you mean 'mu'"),
        ({"mu": "much"}, "lepton_asymmetry.mu = 'much': input should be a valid number$"),
        ("much", "lepton_asymmetry = 'much': input should be a valid number$"),
    ):
        with pytest.raises(ValueError, match=words):
            config.check({"model": {"kind": "shi-fuller", **ARGUMENTS, "lepton_asymmetry": table}})
    with pytest.raises(ValueError, match="is a parameter of this kind"):
        config.check({"model": {"kind": "dodelson-widrow", **ARGUMENTS},
                      "dark_matter": {"mass_kev": 7.0}})  # fmt: skip


def test_what_a_physicist_may_want_anyway_is_a_warning():
    point = sterile.evaluate(sterile.DodelsonWidrow(7.1, 1e-5, rate_kind="loss"))
    said = " ".join(bounds.warnings(point.production.model, point))
    assert "thermalises" in said and "loss rate alone" in said and "over-closure" in said


@pytest.mark.cli
@pytest.mark.slow  # a minute of compiling each
@pytest.mark.parametrize("kind", ["dodelson-widrow", "shi-fuller", "scalar-decay+mixing"])
def test_the_example_of_each_kind_runs(tmp_path, kind):
    from sterile.catalogue import example
    from sterile.mechanisms import mechanism

    path, out = tmp_path / "run.toml", tmp_path / "out.h5"
    path.write_text(example(mechanism(kind)))
    done = subprocess.run(
        [sys.executable, "-m", "sterile", "solve", path, "-o", out, "--json"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["status"] == 0 and result["mass_kev"] == 7.1
    assert result["yield_n_error"] < 2e-3 and "xray-xrism2025" in result["verdicts"]
