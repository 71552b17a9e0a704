"""The plane of a scan can be drawn, whatever the scan; what it looks like is for eyes."""

import copy
import dataclasses
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


def mixing_results(count=6):
    """A scan in closed form: Omega h^2 = 0.12 where L = 1e-3 (m/7 keV) (s/1e-11)^-1/2."""
    axes = (
        np.geomspace(2.0, 50.0, count),
        np.geomspace(1e-13, 1e-9, count),
        np.geomspace(1e-4, 1e-1, 4),
    )
    m, s, asymmetry = (part.ravel() for part in np.meshgrid(*axes, indexing="ij"))
    made = asymmetry / (1e-3 * (m / 7.0) * (s / 1e-11) ** -0.5)
    margin = np.log(m / 7.0)
    return Results(
        points={
            "mass_kev": m, "sin2_2theta": s, "lepton_asymmetry": asymmetry,
            "status": np.zeros(m.size, dtype="<i4"), "omega_h2": 0.12 * made,
            "q_mean": 1.0 + 0.1 * np.log(m),
        },
        verdicts={
            "half-mode-2.0keV": {"margin": margin}, "half-mode-3.3keV": {"margin": margin - 0.5},
            "satellites": {"margin": margin - 1.0}, "overclosure": {"margin": -np.log(made)},
        },
        arrays={},
        shared={},
        parameters=("mass_kev", "sin2_2theta", "lepton_asymmetry"),
        shape=(count, count, 4),
        damaged=0,
        attributes={"identity": json.dumps({"model": {"kind": "shi-fuller"}})},
    )  # fmt: skip


def test_the_third_parameter_of_a_mixing_plane_is_solved_for():
    figure = plane.figure_plane(mixing_results())
    axes, colours = figure.axes
    assert {"half-mode: forbidden", "half-mode: allowed inside", "satellites"} <= legend(figure)
    # the abundance is the target everywhere
    assert "overclosure" not in legend(figure) and any("X-ray" in one for one in legend(figure))
    said = " ".join(text.get_text() for text in axes.texts)
    assert r"$L$ = $10^{-3}$" in said and r"\Omega h^2 > 0.12" in said
    assert "0.12" in colours.get_ylabel()
    # two values of it are panels
    results = mixing_results()
    few = results.points["lepton_asymmetry"] < 2e-3
    points = {name: column[few] for name, column in results.points.items()}
    verdicts = {name: {"margin": parts["margin"][few]} for name, parts in results.verdicts.items()}
    panels = plane.figure_plane(dataclasses.replace(results, points=points, verdicts=verdicts))
    assert len(panels.axes) == 4  # each with its colours


def test_a_curve_of_ones_own_takes_the_place_of_shipped_numbers(tmp_path):
    from sterile.xray import read_limit

    path = tmp_path / "curve.txt"
    path.write_text("2 1e-9\n50 1e-13\n")
    shown = legend(plane.figure_plane(mixing_results(), {"mine": read_limit(path)}))
    assert "X-ray limit: excluded above" in shown
    assert not any("single masses" in one for one in shown)


def test_curves_are_for_scans_over_mass_and_mixing(tmp_path, monkeypatch, capsys):
    path, curve = tmp_path / "r.h5", tmp_path / "curve.txt"
    curve.write_text("2 1e-9\n50 1e-13\n")
    scan.run(copy.deepcopy(SCAN), path, workers=1, evaluation=Cheap())
    command = ["sterile", "plot", str(path), "-o", str(tmp_path / "p.png"), "--xray", str(curve)]
    monkeypatch.setattr(sys, "argv", command)
    assert cli.run() == 2
    assert "needs a scan over mass_kev and sin2_2theta" in capsys.readouterr().err


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
