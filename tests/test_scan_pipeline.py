"""A scan of the real pipeline: the same numbers as one model at a time, the same bits again."""

import json
import sys

import numpy as np
import pytest
from scan_cases import same

import spectra
import sterile
import sterile.scan as scan
from sterile import cli
from sterile.scan import design
from sterile.scan.evaluation import pipeline_of
from sterile.scan.settings import load as load_settings

pytestmark = pytest.mark.invariants

SETTINGS = {
    "model": {"kind": "scalar-decay", "scalar_mass_gev": 100.0},
    "scan": {
        "design": "grid",
        "batch": 2,
        "chunk": 2,
        "outputs": ["mass_kev", "yield_n", "omega_h2", "k_t2_half_h_mpc", "transfer", "verdicts"],
        "parameters": {
            # the first is below the model's freedom: m_N would exceed m_S/2
            "portal_coupling": {"values": [1e-12, 1e-8, 3e-9]},
            "yukawa": {"low": 1e-9, "high": 1e-8, "points": 2, "spacing": "log"},
        },
    },
}


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("scan") / "r.h5"
    summary = scan.run(SETTINGS, path, workers=1)
    assert summary["statuses"] == {"SUCCESS": 4, "MASS_ABOVE_KINEMATIC_LIMIT": 2}
    return path


def test_every_point_belongs_to_a_group():
    """Also where no scanned parameter decides the grid: the mass of mixing is fixed here."""
    asked = {
        "model": {"kind": "dodelson-widrow", "mass_kev": 7.1},
        "scan": {"design": "grid", "parameters": {"sin2_2theta": {"values": [1e-10, 1e-9, 1e-8]}}},
    }
    settings = load_settings(asked)
    values = design.points(settings).values
    assert pipeline_of(settings, values).groups(values).tolist() == [0, 0, 0]


@pytest.mark.slow
def test_points_are_those_of_evaluate(path):
    found = scan.load(path)
    model = sterile.ScalarDecay(100.0, 1e-8, 1e-8)
    point = sterile.evaluate(model, spectra.Cosmology())
    row = np.flatnonzero(found.points["portal_coupling"] == 1e-8)[1]
    # vmap reorders sums: rounding, amplified by the stiff steps
    for name in ("mass_kev", "yield_n", "omega_h2", "k_t2_half_h_mpc"):
        assert found.points[name][row] == pytest.approx(float(getattr(point, name)), rel=1e-8)
    assert np.allclose(found.arrays["transfer/t2"][row], point.transfer.t2, rtol=0, atol=1e-8)
    assert np.array_equal(found.shared["transfer/k_h_mpc"], point.transfer.k_h_mpc)
    assert "lambda_fs_mpc" not in found.points
    verdict = spectra.verdicts(point.spectrum, point.transfer)["half-mode"]
    assert found.verdicts["half-mode"]["margin"][row] == pytest.approx(
        float(verdict.margin),
        abs=1e-3,  # the references are tabulated on another number of nodes
    )
    assert found.verdicts["half-mode"]["status"][row] == int(verdict.status_code)


@pytest.mark.slow
def test_two_workers_give_the_same_bits(path, tmp_path):
    scan.run(SETTINGS, tmp_path / "two.h5", workers=2)
    same(tmp_path / "two.h5", path)


def test_ranges_outside_the_model_are_refused_by_the_command(tmp_path, monkeypatch, capsys):
    toml = tmp_path / "scan.toml"
    toml.write_text(
        '[model]\nkind = "scalar-decay"\nscalar_mass_gev = 100.0\nyukawa = 1e-9\n'
        '[scan]\ndesign = "grid"\n[scan.parameters.portal_coupling]\n'
        "low = 1e-10\nhigh = 1.0\npoints = 3\n"
    )
    output = tmp_path / "r.h5"
    monkeypatch.setattr(sys, "argv", ["sterile", "scan", str(toml), "-o", str(output), "--json"])
    assert cli.run() == 2
    assert "portal_coupling = 1 is outside" in json.loads(capsys.readouterr().out)["error"]
    assert not output.exists()
