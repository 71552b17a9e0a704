"""A mechanism that nobody but one file knows: solved, scanned, fitted, exported, drawn.

The file is ``docs/examples/bath_decay.py``, the worked example of CONTRIBUTING.md.
"""

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import h5py
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sterile
import sterile.fit
import sterile.scan
from sterile import mechanisms

EXAMPLES = Path(__file__).parent.parent / "docs" / "examples"
sys.path.insert(0, str(EXAMPLES))
import bath_decay  # noqa: E402

MODEL = bath_decay.BathDecay(bath_mass_gev=100.0, width_gev=1e-17, states=2.0)


@pytest.mark.analytic
def test_the_example_is_short():
    assert len((EXAMPLES / "bath_decay.py").read_text().splitlines()) < 60


@pytest.mark.slow
@pytest.mark.gradients
def test_derivatives_go_through_the_whole_pipeline():
    point = sterile.evaluate(MODEL)
    assert int(point.status) == 0 and not hasattr(point, "yield_s_max")

    def mass(ln_width):
        moved = bath_decay.BathDecay(100.0, jnp.exp(ln_width), 2.0)
        return jnp.log(sterile.evaluate(moved).mass_kev)

    # Y ~ Gamma, so the mass of a fixed abundance goes as its inverse
    assert float(jax.grad(mass)(math.log(1e-17))) == pytest.approx(-1.0, abs=1e-10)


@pytest.mark.slow
@pytest.mark.invariants
def test_many_at_once_are_as_one_by_one():
    widths = np.geomspace(1e-18, 1e-16, 3)
    models = bath_decay.BathDecay(np.full(3, 100.0), widths, np.full(3, 2.0))
    points = sterile.evaluate_many(models)
    for i, width in enumerate(widths):
        alone = sterile.evaluate(bath_decay.BathDecay(100.0, width, 2.0))
        assert float(points.mass_kev[i]) == pytest.approx(float(alone.mass_kev), rel=1e-12)


@pytest.mark.analytic
def test_inversion():
    found = sterile.fit.solve_for({"omega_h2": 0.12}, "width_gev", MODEL, mass_kev=7.1)
    solution = found["only"]
    yield_n = float(sterile.solve(solution.model).yield_n)
    assert 275.9 * 7.1 * yield_n == pytest.approx(0.12, rel=2e-4)  # 275.9 to four digits


@pytest.mark.invariants
def test_what_is_out_of_range_says_so():
    with pytest.raises(ValueError, match=r"width_gev = 1 is outside .* give the width of B -> N X"):
        bath_decay.BathDecay(100.0, 1.0, 2.0)
    inside = jax.jit(lambda width: sterile.solve(bath_decay.BathDecay(100.0, width, 2.0)).status)
    assert inside(1.0) == sterile.Status.OUT_OF_RANGE and inside(1e-17) == 0
    with pytest.raises(ValueError, match="tolerance is not available"):
        sterile.solve(MODEL, tolerance=1e-3)
    with pytest.raises(ValueError, match="did you mean 'bath-decay'"):
        mechanisms.mechanism("bath-dekay")


@pytest.mark.invariants
def test_a_kind_belongs_to_one_module():
    class Other(sterile.Model):
        kind = "scalar-decay"

    with pytest.raises(ValueError, match="is taken by sterile.scalar.model"):
        sterile.register(sterile.Mechanism(model=Other, solve=bath_decay.solve))
    with pytest.raises(ValueError, match="not a sterile.Model with a kind"):
        sterile.solve(object())


def command(folder, *words, plugin="bath_decay", code=0):
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(EXAMPLES), str(EXAMPLES.parents[1])]),
        "STERILE_MECHANISMS": plugin,
    }
    done = subprocess.run(
        [sys.executable, "-m", "sterile", *map(str, words)],
        cwd=folder, env=environment, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == code, done.stderr
    return done.stdout if code == 0 else done.stderr


@pytest.fixture(scope="module")
def solved(tmp_path_factory):
    """The configuration that the registry prints, solved."""
    folder = tmp_path_factory.mktemp("bath")
    (folder / "run.toml").write_text(command(folder, "kinds", "bath-decay", "--toml"))
    answer = json.loads(command(folder, "solve", "run.toml", "-o", "out.h5", "--json"))
    return folder, answer


@pytest.mark.cli
def test_the_command_line_knows_it(solved):
    folder, answer = solved
    point = sterile.evaluate(MODEL)
    assert answer["mass_kev"] == pytest.approx(float(point.mass_kev), rel=1e-12)
    assert "yield_s_max" not in answer and "scalar-lifetime" not in answer["verdicts"]
    assert "half-mode-3.3keV" in answer["verdicts"]
    assert "bath_mass_gev" in command(folder, "kinds")
    facts = json.loads(command(folder, "kinds", "bath-decay", "--json"))["bath-decay"]
    assert facts["parameters"]["width_gev"]["unit"] == "GeV"


@pytest.mark.cli
def test_it_is_exported_drawn_and_cited(solved):
    folder, _ = solved
    command(folder, "export", "out.h5", "--format", "class", "-o", "class")
    assert (folder / "class" / "psd.dat").stat().st_size > 1000
    command(folder, "plot", "out.h5", "-o", "out.png")
    text = command(folder, "citation", "out.h5")
    assert "sterile_spectra" in text and "Koenig:2016dzg" not in text
    with h5py.File(folder / "out.h5") as file:
        assert file["production/history/yield_n"].attrs["unit"] == "1"


SCAN = """
[model]
kind = "bath-decay"
states = 2.0
[scan]
design = "grid"
[scan.parameters.bath_mass_gev]
low = 10.0
high = 1000.0
points = 3
spacing = "log"
[scan.parameters.width_gev]
low = 1e-18
high = 1e-16
points = 3
spacing = "log"
"""
FIT = """
[model]
kind = "bath-decay"
bath_mass_gev = 100.0
states = 2.0
[fit]
method = "map"
starts = 1
[fit.prior.width_gev]
log_uniform = [1e-18, 1e-16]
[fit.prior.mass_kev]
log_normal = [7.0, 0.01]
[fit.likelihood.omega_h2]
mean = 0.12
sigma = 0.0012
"""


@pytest.mark.slow
@pytest.mark.cli
def test_it_is_scanned_by_workers_that_never_saw_it(solved):
    folder, _ = solved
    (folder / "scan.toml").write_text(SCAN)
    command(folder, "scan", "scan.toml", "-o", "scan.h5", "--workers", 2, "--quiet")
    points = sterile.scan.load(folder / "scan.h5").points
    assert np.all(points["status"] >= 0) and "yield_s_max" not in points
    expected = points["width_gev"] / points["bath_mass_gev"] ** 2
    ratio = points["yield_n"] / expected
    np.testing.assert_allclose(ratio, ratio[0], rtol=1e-12)
    command(folder, "plot", "scan.h5", "-o", "plane.png")


@pytest.mark.cli
def test_it_is_fitted(solved):
    folder, _ = solved
    (folder / "fit.toml").write_text(FIT)
    summary = json.loads(command(folder, "fit", "fit.toml", "-o", "fit.h5", "--quiet", "--json"))
    width = summary["maximum"]["width_gev"]
    yield_n = float(sterile.solve(bath_decay.BathDecay(100.0, width, 2.0)).yield_n)
    # the prior holds the mass at its median, up to the abundance's small pull
    assert 275.9 * 7.0 * yield_n == pytest.approx(0.12, rel=1e-2)


@pytest.mark.cli
def test_a_plugin_that_is_not_there_is_one_line(tmp_path):
    message = command(tmp_path, "kinds", plugin="nowhere", code=2)
    assert "STERILE_MECHANISMS" in message and message.count("\n") == 1


@pytest.mark.invariants
def test_a_mechanism_is_imported_when_it_is_asked_for():
    code = (
        "import sys; from sterile import mechanisms\n"
        "names = list(mechanisms.kinds())\n"
        "solvers = [m for m in sys.modules if m.endswith(('.mechanism', 'diluted_freeze_out'))]\n"
        "assert not solvers, solvers\n"
        "assert all(mechanisms.mechanism(name).kind == name for name in names)\n"
        "assert len(names) == len(mechanisms.kinds()) == 10\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.invariants
def test_a_kind_of_the_package_is_taken_though_nothing_has_asked_for_it():
    code = (
        "import equinox as eqx, sterile; from sterile import mechanisms\n"
        "class Own(sterile.Model):\n"
        "    kind = 'thermal-relic'\n"
        "mechanisms.register(sterile.Mechanism(model=Own, solve=print))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "is taken by sterile.thermal" in done.stderr
