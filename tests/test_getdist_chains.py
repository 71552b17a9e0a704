"""Chains for getdist: what the files hold, and what getdist makes of them."""

import json

import numpy as np
import pytest

from sterile import fit
from sterile.fit import store

TOML = """\
[model]
kind = "scalar-decay"
scalar_mass_gev = 100.0
yukawa = 1e-9
[fit]
method = "nuts"
[fit.prior.portal_coupling]
log_uniform = [1e-10, 1e-4]
[fit.prior.mass_kev]
normal = [20.0, 2.0]
[fit.likelihood.omega_h2]
mean = 0.12
sigma = 0.0012
"""
CHAINS, DRAWS = 2, 4000


def example(method="nuts", text=TOML) -> fit.Fit:
    """Correlated normal draws of ln(portal_coupling) and mass_kev, independent of each other."""
    random = np.random.default_rng(3)
    x, y = random.normal(size=(2, CHAINS, DRAWS))
    posterior = {
        "mass_kev": 20.0 + 2.0 * x,
        "portal_coupling": np.exp(-18.0 + 0.1 * (0.6 * x + 0.8 * y)),
        "k_t2_half_h_mpc": 4.0 + 0.1 * x,
        "k_t_half_h_mpc": np.where(x > 3.0, np.nan, 5.0),
        "branch": np.zeros((CHAINS, DRAWS), dtype=int),
    }
    groups = {"posterior": posterior, "sample_stats": {"chi_square": x**2 + y**2}}
    return fit.Fit(groups, {"method": method, "kind": "scalar-decay"}, text)


@pytest.mark.invariants
def test_columns_names_and_ranges(tmp_path):
    made, root = example(), tmp_path / "chains" / "root"
    root.parent.mkdir()
    files = fit.write_getdist(made, root)
    assert sorted(path.name for path in files) == [
        "root.paramnames", "root.ranges", "root_1.txt", "root_2.txt"
    ]  # fmt: skip
    names = [line.split("\t") for line in root.with_suffix(".paramnames").read_text().splitlines()]
    # constant and broken columns are left out, what has a prior is no derived parameter
    assert [name for name, _ in names] == [
        "portal_coupling", "log10_portal_coupling*", "mass_kev", "k_t2_half_h_mpc*"
    ]  # fmt: skip
    assert names[2][1] == r"m_N\,[\mathrm{keV}]"
    assert root.with_suffix(".ranges").read_text().splitlines() == [
        "portal_coupling 1e-10 0.0001",
        "log10_portal_coupling -10 -4",
        "mass_kev N N",
    ]
    table = np.loadtxt(tmp_path / "chains" / "root_2.txt")
    posterior = made.groups["posterior"]
    assert (table[:, 0] == 1.0).all()
    # ten digits are written
    assert np.allclose(table[:, 1], 0.5 * made.groups["sample_stats"]["chi_square"][1], rtol=1e-9)
    assert np.allclose(table[:, 2], posterior["portal_coupling"][1], rtol=1e-9)
    assert np.allclose(table[:, 3], np.log10(posterior["portal_coupling"][1]), rtol=1e-9)


@pytest.mark.invariants
def test_a_fit_given_as_a_dict_is_read_too(tmp_path):
    content = {"fit": {"prior": {"mass_kev": {"uniform": [1.0, 50.0]}}}}
    fit.write_getdist(example(text=json.dumps(content)), tmp_path / "root")
    assert (tmp_path / "root.ranges").read_text() == "mass_kev 1 50\n"


@pytest.mark.invariants
def test_a_fit_without_draws_has_no_chains(tmp_path):
    with pytest.raises(ValueError, match='method = "map" has no chains for getdist; fit with'):
        fit.write_getdist(example("map"), tmp_path / "root")


@pytest.mark.cli
def test_from_the_command_line(tmp_path, capsys, monkeypatch):
    from sterile import cli

    store.write(tmp_path / "fit.h5", example())
    monkeypatch.chdir(tmp_path)
    words = ["sterile", "export", "fit.h5", "--format", "getdist", "-o", "root", "--json"]
    monkeypatch.setattr("sys.argv", words)
    assert cli.run() == 0
    assert len(json.loads(capsys.readouterr().out)["files"]) == 4
    monkeypatch.setattr("sys.argv", words[:-3])
    assert cli.run() == 2
    assert "give the file of a fit and -o ROOT" in capsys.readouterr().err


@pytest.mark.external
def test_getdist_reads_them(tmp_path):
    getdist = pytest.importorskip("getdist", reason="getdist is not installed")
    made = example()
    fit.write_getdist(made, tmp_path / "root")
    samples = getdist.loadMCSamples(str(tmp_path / "root"), settings={"ignore_rows": 0})
    assert samples.getParamNames().list() == [
        "portal_coupling", "log10_portal_coupling", "mass_kev", "k_t2_half_h_mpc"
    ]  # fmt: skip
    assert [name.isDerived for name in samples.getParamNames().names] == [False, True, False, True]
    mass = made.groups["posterior"]["mass_kev"]
    # the files hold ten digits
    assert samples.mean("mass_kev") == pytest.approx(mass.mean(), rel=1e-8)
    assert samples.std("mass_kev") == pytest.approx(mass.std(), rel=1e-4)
    upper = samples.getUpper("log10_portal_coupling")
    lower = samples.getLower("log10_portal_coupling")
    assert (lower, upper) == (-10.0, -4.0)
    correlation = samples.corr(["mass_kev", "log10_portal_coupling"])[0, 1]
    # 8000 draws: 0.64/sqrt(8000) = 0.007
    assert correlation == pytest.approx(0.6, abs=0.03)
    # a chain of its own for convergence
    assert samples.getGelmanRubin() < 0.01
