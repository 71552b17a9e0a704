"""The worked examples of CONTRIBUTING.md: each is short, runs, and does what it says.

``docs/examples/bath_decay.py``, the mechanism, has ``test_mechanism.py``.
"""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from export_cases import START, decay_spectrum, install_golden_tables

import spectra
import sterile
from spectra.constants import REDUCED_PLANCK_MASS_GEV

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / "docs" / "examples"
sys.path.insert(0, str(EXAMPLES))
import channel  # noqa: E402
import constraint  # noqa: E402
import export  # noqa: E402, F401

# other files of tests go through every format that is shipped: this one is known here alone
OWN_FORMAT = spectra.export._registered.pop("pico")


@pytest.fixture(autouse=True)
def registered(monkeypatch):
    monkeypatch.setitem(spectra.export._registered, "pico", OWN_FORMAT)


@pytest.mark.invariants
@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.py")), ids=lambda path: path.name)
def test_it_is_short(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) < 60


@pytest.mark.analytic
def test_the_constraint_judges_what_it_says():
    found = {mass: constraint.report(spectra.thermal_relic(mass)) for mass in (2.0, 20.0)}
    for report in found.values():
        survey = report["survey"]
        expected = (float(survey.value) - 0.8) / 0.1 + 2.0
        assert float(survey.margin) == pytest.approx(expected, rel=1e-12)
        assert "half-mode" in report
    cold, warm = found[20.0]["survey"], found[2.0]["survey"]
    # a relic of 2 keV has lost its power there, one of 20 keV has not
    assert cold.status == "allowed" and float(cold.log_likelihood) == 0.0
    assert warm.status == "forbidden" and float(warm.value) < 0.05


@pytest.mark.slow
@pytest.mark.gradients
def test_the_constraint_has_a_slope():
    dm = spectra.thermal_relic(5.0)

    def margin(ln_mass):
        moved = spectra.Spectrum(dm.q, dm.f, jnp.exp(ln_mass), dm.temperature_ratio)
        # of all that a subject has it looks at the transfer function alone
        return constraint.survey(SimpleNamespace(transfer=spectra.transfer(moved))).margin

    x, step = float(jnp.log(5.0)), 1e-3
    difference = (margin(x + step) - margin(x - step)) / (2.0 * step)
    # central differences err by the third derivative, 1e-6 of the slope, and T's interpolation
    assert float(jax.grad(margin)(x)) == pytest.approx(float(difference), rel=1e-4)


@pytest.fixture
def table(tmp_path):
    install_golden_tables()
    path = tmp_path / "power.txt"
    spectra.export.write(path, "pico", spectrum=decay_spectrum(), z=START)
    return path


@pytest.mark.analytic
def test_the_format_holds_the_power_with_its_suppression(table):
    ln_k, ln_power = (np.log(10.0) * np.loadtxt(table)).T
    state = spectra.export.linear_state(decay_spectrum(), spectra.Cosmology(), START)
    np.testing.assert_allclose(ln_k, np.log(state.k_h_mpc), atol=1e-9)  # ten digits
    expected = np.log(state.cold_power * state.t_matter**2)
    kept = np.abs(state.t_matter) > 1e-4  # there is a floor below
    np.testing.assert_allclose(ln_power[kept], expected[kept], atol=1e-8)


@pytest.mark.invariants
def test_the_format_is_read_back(table):
    run = spectra.export.simulation(20.0, "128", START)
    assert spectra.export.check(table, "pico", run).safe
    later = spectra.export.check(table, "pico", spectra.export.simulation(20.0, "128", 49.0))
    assert not later.safe
    table.write_text("# k P\n" + table.read_text())
    assert "two numbers" in spectra.export.check(table, "pico", run).problems[0]


@pytest.mark.invariants
def test_a_format_has_a_name_of_its_own():
    mine = spectra.export.FORMATS["pico"]
    assert spectra.export.register("pico", mine) is mine  # as when the module is read again
    for taken in ("class", "n-genic"):
        with pytest.raises(ValueError, match="is taken by spectra.export"):
            spectra.export.register(taken, mine)
    with pytest.raises(ValueError, match="lower case"):
        spectra.export.register("Pico", mine)
    with pytest.raises(ValueError, match="pico"):
        spectra.export.write("x", "picoo", spectrum=decay_spectrum(), z=START)


@pytest.mark.cli
def test_the_command_line_knows_the_format(table):
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(EXAMPLES), str(ROOT)]),
        "STERILE_MECHANISMS": "export",
    }
    words = ["export", "--check", table, "--box-mpc-h", "20", "--particles", "128", "--z", "99"]
    done = subprocess.run(
        [sys.executable, "-m", "sterile", *map(str, words)],
        env=environment, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "safe for pico" in done.stdout


MASS, COUPLING, G = 100.0, 1e-7, 106.75


@pytest.fixture(scope="module")
def mediated():
    model = channel.MediatedDecay(MASS, 0.5, COUPLING, 1e-18)
    return sterile.solve(model, sterile.Plasma(constant_g=G, dark_sector_in_hubble=False))


@pytest.mark.analytic
def test_the_channel_freezes_in_as_the_integrated_equation_says(mediated):
    # dn/dt = T/(64 pi^4) int ds W(s) sqrt(s - 4 m^2) K_1(sqrt(s)/T), H = T^2/M_0
    from scipy.integrate import trapezoid
    from scipy.special import k1

    planck = REDUCED_PLANCK_MASS_GEV * np.sqrt(90.0 / (np.pi**2 * G))
    temperature = np.exp(np.linspace(np.log(MASS / 30.0), np.log(2000.0 * MASS), 1200))
    s = 4.0 * MASS**2 * np.exp(np.linspace(1e-9, 1.0, 3001) ** 2 * 20.0)
    weight = np.asarray(channel.Mediator(COUPLING, 0.5 * MASS)(s)) * np.sqrt(s - 4.0 * MASS**2)
    rate = [T * trapezoid(weight * k1(np.sqrt(s) / T), s) / (64.0 * np.pi**4) for T in temperature]
    entropy = 2.0 * np.pi**2 / 45.0 * G * temperature**3
    integrand = np.array(rate) / (entropy * temperature**2 / planck)
    yield_x = trapezoid(integrand, np.log(temperature))
    # two N a decay; steps of 0.01 in ln T and ln s err by 1e-5, the lattice by less
    assert float(mediated.yield_n) == pytest.approx(2.0 * yield_x, rel=1e-4)
    assert int(mediated.status) == 0 and mediated.model.kind == "mediated-decay"
