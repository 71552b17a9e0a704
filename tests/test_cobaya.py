"""cobaya: its program on the shipped input, a point against our own functions, bad input."""

import math
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import spectra
import sterile

ROOT = Path(__file__).parent.parent
pytestmark = pytest.mark.external
cobaya = pytest.importorskip("cobaya", reason="cobaya is not installed")

THEORY, VERDICTS = "sterile.cobaya.Sterile", "sterile.cobaya.Verdicts"
POINT = {"log10_coupling": -8.532, "mass_kev": 200.0}


@pytest.fixture
def info():
    from cobaya.yaml import yaml_load_file

    read = yaml_load_file(str(ROOT / "runs" / "cobaya.yaml"))
    return {name: read[name] for name in ("theory", "likelihood", "params")}


def model_of(info):
    from cobaya.model import get_model

    return get_model(info)


@pytest.fixture(scope="module")
def ours():
    """The same point by the package's own functions."""
    model = sterile.ScalarDecay(100.0, 10.0 ** POINT["log10_coupling"], 1e-9)
    point = sterile.evaluate(model, mass_kev=POINT["mass_kev"])
    return point, spectra.verdicts(point.spectrum, point.transfer)


def test_the_point_its_products_and_its_likelihood(info, ours):
    wanted = {
        "sterile_spectrum": None,
        "sterile_transfer": None,
        "Pk_interpolator": {"z": [0.0, 1.0], "k_max": 20.0, "nonlinear": False},
        "Pk_grid": {"z": [3.0], "k_max": 5.0, "nonlinear": False},
    }
    info["likelihood"]["user"] = {"external": lambda _self: 0.0, "requires": wanted}
    model = model_of(info)
    found = model.logposterior(POINT)
    point, report = ours
    names = list(model.parameterization.derived_params())
    for name, value in zip(names, found.derived):
        expected = 10.0 ** POINT["log10_coupling"] if "coupling" in name else getattr(point, name)
        assert value == pytest.approx(float(expected), rel=1e-9), name
    # by hand: the abundance, the satellites' own, log Phi of the half-mode's margin
    chi = (float(point.omega_h2) - 0.12) / 0.0012
    rule = float(report["half-mode-3.3keV"].margin) / 0.1
    expected = -0.5 * chi**2 + float(report["milky-way-satellites"].log_likelihood)
    expected += math.log(0.5 * (1.0 + math.erf(rule / math.sqrt(2.0))))
    assert found.loglikes[0] == pytest.approx(expected, rel=1e-6)
    provider = model.provider
    # tables without derivatives are another program: rounding
    assert np.allclose(provider.get_result("sterile_transfer").t2, point.transfer.t2, rtol=1e-9)
    assert np.allclose(provider.get_result("sterile_spectrum").f, point.spectrum.f, rtol=1e-9)
    k, z, power = provider.get_Pk_grid(nonlinear=False)
    assert np.all(np.diff(k) > 0.0) and np.all(np.diff(z) > 0.0) and {0.0, 1.0, 3.0} <= {*z}
    h, inside = 0.6736, (k > 0.1) & (k < 20.0)
    t2 = spectra.transfer(point.spectrum, k_h_mpc=k[inside] / h).t2
    today = np.asarray(spectra.cold_power(k[inside] / h, spectra.power_table())) * t2 / h**3
    # splines of T in ln k, step 0.03
    assert np.allclose(power[0][inside], today, rtol=1e-5)
    some = k[inside][::20]
    interpolator = provider.get_Pk_interpolator(nonlinear=False)
    assert np.allclose(interpolator.P(0.0, some), today[::20], rtol=1e-5)


def test_cobaya_run_on_the_shipped_input(tmp_path):
    getdist = pytest.importorskip("getdist")
    shutil.copyfile(ROOT / "runs" / "cobaya.yaml", tmp_path / "cobaya.yaml")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-m", "cobaya", "run", "cobaya.yaml"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "impossible" not in done.stdout + done.stderr
    samples = getdist.loadMCSamples(str(tmp_path / "chains" / "sterile"))
    last = samples.getParams()
    model = sterile.ScalarDecay(100.0, float(last.portal_coupling[-1]), 1e-9)
    point = sterile.evaluate(model, mass_kev=float(last.mass_kev[-1]))
    # cobaya writes eight digits
    assert last.k_t2_half_h_mpc[-1] == pytest.approx(float(point.k_t2_half_h_mpc), rel=1e-6)
    assert last.omega_h2[-1] == pytest.approx(float(point.omega_h2), rel=1e-6)
    # sixty steps from the maximum stay on the sheet of the abundance: 1 % wide
    assert np.max(np.abs(last.omega_h2 / 0.12 - 1.0)) < 0.05


def spoil(info, mistake):
    theory, terms = info["theory"][THEORY], info["likelihood"][VERDICTS]["terms"]
    prior = {"prior": {"min": 0.0, "max": 1.0}}
    if mistake == "parameter of the block":
        theory["params"] = {"portal_couplng": prior}
    elif mistake == "parameter of the file":
        info["params"]["portal_couplng"] = prior
    elif mistake == "derived parameter":
        info["params"]["k_half"] = {"latex": "k"}
    elif mistake == "given twice":
        theory["config"]["model"]["portal_coupling"] = 1e-8
    elif mistake == "kind":
        theory["config"]["model"]["kind"] = "scalar-decai"
    elif mistake == "no file":
        theory["config"] = "nowhere.toml"
    elif mistake == "no sigma":
        terms["omega_h2"] = {"mean": 0.12}
    elif mistake == "constraint":
        terms["half-mod-3.3keV"] = {"margin_sigma": 0.1}
    elif mistake == "no likelihood":
        terms["half-mode-3.3keV"] = {}
    else:
        k_max = 1e3 if mistake == "k" else 1.0
        asked = {
            "z": [0.0],
            "k_max": k_max,
            **({} if mistake == "non-linear" else {"nonlinear": 0}),
        }
        info["likelihood"]["u"] = {"external": lambda _self: 0.0, "requires": {"Pk_grid": asked}}


@pytest.mark.parametrize(
    "mistake, said",
    {
        "parameter of the block": "unknown parameter 'portal_couplng' .*; did you mean 'portal_c",
        "parameter of the file": "Could not find anything to use input parameter.*portal_couplng",
        "derived parameter": "Could not find whom to assign output parameters.*k_half",
        "given twice": r"portal_coupling is sampled by cobaya and is also given in \[model\]",
        "kind": "kind = 'scalar-decai' is not available; did you mean 'scalar-decay'",
        "no file": "nowhere.toml: no such file",
        "no sigma": "terms omega_h2: needs both mean and sigma",
        "constraint": "'half-mod-3.3keV' is neither .*; did you mean 'half-mode-3.3keV'",
        "no likelihood": "has no likelihood of its own; give terms half-mode-3.3keV: margin_sigma",
        "k": "k_max = 1000 1/Mpc is beyond 300 h/Mpc",
        "non-linear": "nonlinear = True is not available: P.k. is linear; ask for False",
    }.items(),
)
def test_a_mistake_is_one_line(info, mistake, said):
    from cobaya.log import LoggedError

    spoil(info, mistake)
    with pytest.raises(LoggedError, match=said) as caught:
        model_of(info).logposterior(POINT)
    assert "\n" not in str(caught.value)
