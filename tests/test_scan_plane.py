"""The plane of a scan can be drawn, whatever the scan; what it looks like is for eyes."""

import copy
import json
import sys

import numpy as np
import pytest
from scan_cases import SCAN, Cheap

import sterile.scan as scan
from sterile import cli
from sterile.scan import plane
from sterile.scan.results import Results

pytestmark = pytest.mark.cli


def plane_results(names=("portal_coupling", "yukawa"), extra=None, count=20):
    """A scan's results with a freeze-in and a freeze-out side, some bad points and one bound."""
    x, y = np.meshgrid(np.geomspace(1e-10, 1e-3, count), np.geomspace(1e-13, 1e-6, count))
    x, y = x.ravel(), y.ravel()
    yields = np.exp(-np.abs(np.log(x / 1e-7)) * 1.5)
    mass = 0.12 / (276.0 * yields)
    margin = np.log10(mass) + 0.3 * np.log10(y / 1e-9)
    status = np.where(x > 5e-4, 22, np.where(y > 5e-7, 4, 0)).astype("<i4")
    points = {
        names[0]: x,
        names[1]: y,
        "status": status,
        "yield_n": yields,
        "mass_kev": mass,
        "omega_h2": np.full(x.size, 0.12),
        "lambda_fs_mpc": 0.05 / mass,
        **{name: np.full(x.size, value) for name, value in (extra or {}).items()},
    }
    verdicts = {
        "half-mode": {"status": np.where(margin > 0.3, 0, np.where(margin > 0, 1, 2)),
                      "margin": margin - 0.3},
        "half-mode-2.0keV": {"status": np.where(margin > 0, 0, 2), "margin": margin},
        "half-mode-3.3keV": {"status": np.where(margin > 0.3, 0, 1), "margin": margin - 0.3},
        "satellites": {"status": np.where(margin > 0.6, 0, 2), "margin": margin - 0.6},
        "scalar-lifetime": {"status": np.where(y > 3e-12, 0, 2), "margin": np.log10(y / 3e-12)},
    }  # fmt: skip
    return Results(
        points=points,
        verdicts=verdicts,
        arrays={},
        shared={},
        parameters=(*names, *(extra or {})),
        shape=(count, count),
        damaged=0,
        attributes={"identity": json.dumps({"model": {"scalar_mass_gev": 30.0}})},
    )


def legend(figure):
    return {text.get_text() for text in figure.legends[0].get_texts()}


def test_everything_that_applies_is_drawn():
    shown = legend(plane.figure_plane(plane_results()))
    assert {"allowed", "constrained", "forbidden", "satellites", "no result"} <= shown
    assert "spectrum unresolved" in shown and r"$\lambda_{\rm fs} = 0.1$ Mpc" in shown
    assert any("freeze-out" in label for label in shown)
    assert "S decays after nucleosynthesis" in shown


def test_turn_over_lies_where_the_yield_peaks():
    figure = plane.figure_plane(plane_results())
    (line,) = [line for line in figure.axes[0].lines if len(line.get_xdata()) == 400]
    # 0.25 in ln lambda: a third of the spacing of the points
    assert np.allclose(np.log(np.asarray(line.get_xdata())[50:300] / 1e-7), 0.0, atol=0.25)


def test_other_parameters_and_panels():
    figure = plane.figure_plane(plane_results(("scalar_mass_gev", "mass_kev_given")))
    assert figure.axes[0].get_xlabel() == r"$m_S$ [GeV]"
    results = plane_results(extra={"scalar_mass_gev": 100.0})
    results.points["scalar_mass_gev"][::2] = 65.0
    assert len(plane.figure_plane(results).axes) == 2


def test_scans_that_are_no_plane_say_so():
    results = plane_results()
    results.points["yukawa"][:] = 1e-9
    with pytest.raises(ValueError, match="two parameters"):
        plane.figure_plane(results)
    results = plane_results(extra={"scalar_mass_gev": 100.0})
    results.points["scalar_mass_gev"][:] = np.arange(400)
    with pytest.raises(ValueError, match="too many for panels"):
        plane.figure_plane(results)


def test_plot_tells_a_scan_from_a_result_and_draws_unfinished_ones(tmp_path, monkeypatch, capsys):
    path, figure = tmp_path / "r.h5", tmp_path / "plane.png"
    settings = copy.deepcopy(SCAN)
    scan.run(settings, path, workers=1, evaluation=Cheap(nan_below=1e-10))
    monkeypatch.setattr(sys, "argv", ["sterile", "plot", str(path), "-o", str(figure), "--json"])
    assert cli.run() == 0
    assert json.loads(capsys.readouterr().out) == {"files": [str(figure)]}
    assert figure.read_bytes().startswith(b"\x89PNG")
    results = scan.load(path)
    results.points["status"][1:] = -1
    plane.figure_plane(results)
