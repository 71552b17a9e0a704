"""Every kind the package ships, through everything that works on a kind: solved, scanned, fitted,
exported, drawn, cited, all from the configuration that the registry itself prints."""

import json
import math
import tomllib
from pathlib import Path

import h5py
import jax
import numpy as np
import pytest
from typer.testing import CliRunner

import sterile
import sterile.fit
import sterile.scan
from sterile import catalogue, config
from sterile.cli.app import app

TEMPLATES = Path(__file__).parent.parent / "runs" / "templates"
QUICK = ("thermal-relic", "diluted-freeze-out", "sum")
SLOW = ("parent-decay", "late-thermalisation")
KINDS = [*QUICK, *(pytest.param(kind, marks=pytest.mark.slow) for kind in SLOW)]


def configured(kind: str):
    return config.check(tomllib.loads(catalogue.example(sterile.kinds()[kind])))


def command(*words) -> str:
    done = CliRunner().invoke(app, [str(word) for word in words])
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.mark.invariants
@pytest.mark.parametrize("kind", sterile.kinds())
def test_a_kind_describes_itself(kind):
    entry = sterile.kinds()[kind]
    if kind != "spectrum-file":  # needs its file
        assert config.model_of(configured(kind)).kind == kind
    assert kind in catalogue.page(entry)
    json.dumps(catalogue.facts(entry))


@pytest.mark.invariants
@pytest.mark.parametrize("kind", KINDS)
def test_solution_error_and_history(kind):
    model = config.model_of(configured(kind))
    point = sterile.evaluate(model, error_estimate=True)
    assert int(point.status) == 0
    # every kind vouches for 1e-3 and better on its default grid
    assert 0.0 < float(point.production.error.largest()) < 1e-3
    history = point.production.history
    assert np.all(np.diff(np.asarray(history.temperature_gev)) <= 0.0)
    assert float(history.yield_n[-1]) == pytest.approx(float(point.yield_n), rel=1e-6)
    q, f = np.asarray(point.production.q), np.asarray(point.production.f)
    table = 45.0 / (4.0 * math.pi**4 * 3.931) * np.trapezoid(q**3 * f, np.log(q))
    # decays: F as q^-1 is cut at q = 1e-3 of the table, and integrated on it
    assert table == pytest.approx(float(point.yield_n), rel=2e-5)
    shares = sterile.bounds.verdicts(model, point)
    assert {"overclosure", "n-eff-bbn"} <= set(shares)
    assert isinstance(sterile.bounds.warnings(model, point), list)


@pytest.mark.slow
@pytest.mark.gradients
@pytest.mark.parametrize("kind", QUICK)
def test_vmap_jit_and_grad(kind):
    model = config.model_of(configured(kind))
    masses = np.array([5.0, 7.0, 9.0])
    leaves = {name: value for name, value in vars(model).items() if isinstance(value, jax.Array)}
    many = type(model)(
        **{
            name: np.broadcast_to(np.asarray(getattr(model, name)), 3)
            for name in leaves
            if name != "mass_kev"
        },
        mass_kev=masses,
    )
    points = sterile.evaluate_many(many)
    assert np.all(np.asarray(points.status) == 0)

    def wavenumber(mass):
        moved = type(model)(**{name: leaves[name] for name in leaves if name != "mass_kev"},
                            mass_kev=mass)  # fmt: skip
        return sterile.evaluate(moved).k_t_half_h_mpc

    assert float(points.k_t_half_h_mpc[1]) == pytest.approx(float(wavenumber(7.0)), rel=1e-9)
    difference = (wavenumber(7.007) - wavenumber(6.993)) / 0.014
    # central differences of step 1e-3: 1e-6, and the root on a grid of k
    assert float(jax.grad(wavenumber)(7.0)) == pytest.approx(float(difference), rel=1e-4)


@pytest.mark.cli
@pytest.mark.parametrize("kind", QUICK)
def test_solved_exported_drawn_and_cited(kind, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("run.toml").write_text(command("kinds", kind, "--toml"))
    answer = json.loads(command("solve", "run.toml", "-o", "out.h5", "--json"))
    assert answer["status"] == 0 and "half-mode-3.3keV" in answer["verdicts"]
    command("export", "out.h5", "--format", "class", "-o", "class")
    assert Path("class/psd.dat").stat().st_size > 1000
    command("plot", "out.h5", "-o", "out.png")
    assert "sterile_spectra" in command("citation", "out.h5")
    with h5py.File("out.h5") as file:
        assert file["production/history/yield_n"].attrs["unit"] == "1"


SCAN = """
[scan]
design = "grid"
outputs = ["yield_n", "omega_h2", "part_2_share"]
[scan.parameters.mass_kev]
low = 5.0
high = 10.0
points = 2
[scan.parameters.part_2_dilution]
low = 50.0
high = 200.0
points = 2
"""
SUM = """
[model]
kind = "sum"
[[model.part]]
kind = "thermal-relic"
temperature_ratio = 0.05
[[model.part]]
kind = "diluted-freeze-out"
decoupling_temperature_gev = 1.0
"""


@pytest.mark.cli
def test_parameters_of_parts_are_scanned(tmp_path):
    (tmp_path / "scan.toml").write_text(SUM + SCAN)
    command("scan", tmp_path / "scan.toml", "-o", tmp_path / "scan.h5", "--workers", 1, "--quiet")
    points = sterile.scan.load(tmp_path / "scan.h5").points
    assert np.all(points["status"] == 0)
    for i in range(4):
        mass, dilution = points["mass_kev"][i], points["part_2_dilution"][i]
        model = sterile.Sum(
            sterile.ThermalRelic(mass, temperature_ratio=0.05),
            sterile.DilutedFreezeOut(mass, 1.0, dilution=dilution),
        )
        alone = sterile.solve(model)
        assert points["yield_n"][i] == pytest.approx(float(alone.yield_n), rel=1e-12)
        assert points["part_2_share"][i] == pytest.approx(float(alone.part_2_share), rel=1e-12)


@pytest.mark.slow
@pytest.mark.cli
def test_parameters_of_parts_are_fitted(tmp_path):
    text = (
        SUM
        + """
[fit]
method = "map"
starts = 1
[fit.prior.part_2_dilution]
log_uniform = [20.0, 2000.0]
[fit.prior.mass_kev]
log_normal = [7.0, 0.001]
[fit.likelihood.omega_h2]
mean = 0.12
sigma = 0.0012
"""
    )
    (tmp_path / "fit.toml").write_text(text)
    out = tmp_path / "fit.h5"
    summary = json.loads(command("fit", tmp_path / "fit.toml", "-o", out, "--quiet", "--json"))
    dilution = summary["maximum"]["part_2_dilution"]
    model = sterile.Sum(
        sterile.ThermalRelic(7.0, temperature_ratio=0.05),
        sterile.DilutedFreezeOut(7.0, 1.0, dilution=dilution),
    )
    # the prior holds the mass at its median, up to the abundance's small pull
    assert float(sterile.evaluate(model).omega_h2) == pytest.approx(0.12, rel=1e-2)
    found = sterile.fit.solve_for({"omega_h2": 0.12}, "part_2_dilution", model)
    assert float(found["only"].value) == pytest.approx(dilution, rel=2e-2)


@pytest.mark.cli
def test_a_mass_of_the_models_own_is_sampled(tmp_path):
    text = """
[model]
kind = "diluted-freeze-out"
decoupling_temperature_gev = 1.0
[fit]
method = "fisher"
starts = 1
[fit.prior.dilution]
log_uniform = [20.0, 2000.0]
[fit.prior.mass_kev]
log_normal = [7.0, 0.1]
[fit.likelihood.omega_h2]
mean = 0.12
sigma = 0.0012
"""
    (tmp_path / "fit.toml").write_text(text)
    words = tmp_path / "fit.toml", "-o", tmp_path / "fit.h5", "--quiet", "--json"
    found = json.loads(command("fit", *words))
    # Omega ~ m/S is measured to 1 %, the mass known to 10 %: so is S, in proportion
    dilution = found["maximum"]["dilution"]
    model = sterile.DilutedFreezeOut(7.0, 1.0, dilution=dilution)
    assert float(sterile.evaluate(model).omega_h2) == pytest.approx(0.12, rel=2e-3)
    assert found["maximum"]["mass_kev"] == pytest.approx(7.0, rel=2e-3)
    # of the coordinates: ln of both
    sigma = {name.removeprefix("ln "): value for name, value in found["sigma"].items()}
    assert sigma["mass_kev"] == pytest.approx(0.1, rel=1e-2)
    assert sigma["dilution"] == pytest.approx(math.hypot(0.1, 0.01), rel=1e-2)


@pytest.mark.invariants
@pytest.mark.parametrize("path", sorted(TEMPLATES.glob("*.toml")), ids=lambda path: path.stem)
def test_templates_are_valid(path):
    read = config.load(path)
    config.model_of(read), config.plasma_of(read), config.cosmology_of(read)


@pytest.mark.cli
@pytest.mark.slow
@pytest.mark.parametrize("path", sorted(TEMPLATES.glob("*.toml")), ids=lambda path: path.stem)
def test_templates_run(path, monkeypatch):
    monkeypatch.chdir(TEMPLATES.parent.parent)
    answer = json.loads(command("solve", path, "--json"))
    assert answer["status"] == 0 and answer["mass_kev"] == pytest.approx(7.0, rel=1e-12)
    # made to be all of dark matter, to a few per cent; the file's is a shape
    if path.stem != "spectrum-file":
        assert answer["omega_h2"] == pytest.approx(0.12, rel=0.2)
