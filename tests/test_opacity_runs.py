"""Factors of the rates of active neutrinos where they are for: in scans and fits."""

import math
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sterile
import sterile.fit as fit
import sterile.scan as scan

RUNS = Path(__file__).parent.parent / "runs"
OWN = {"flavour": "mu", "opacities": "first-principles"}


@pytest.mark.slow
@pytest.mark.invariants
def test_a_scan_over_factors_is_one_model_after_the_other(tmp_path):
    """Every point of the file is that model's own solution, and Y_N rises with either factor."""
    asked = {
        "model": {"kind": "dodelson-widrow", "mass_kev": 7.1, "sin2_2theta": 1e-9, **OWN},
        "scan": {
            "design": "grid",
            "outputs": ["yield_n"],
            "parameters": {
                "rate_scale_hadronic": {"values": [0.8, 1.0, 1.25]},
                "rate_scale_leptonic": {"values": [0.99, 1.01]},
            },
        },
    }
    path = tmp_path / "rates.h5"
    assert scan.run(asked, path, workers=1)["statuses"] == {"SUCCESS": 6}
    found = scan.load(path).points
    for hadronic, leptonic, made in zip(
        found["rate_scale_hadronic"], found["rate_scale_leptonic"], found["yield_n"]
    ):
        model = sterile.DodelsonWidrow(
            7.1, 1e-9, **OWN, rate_scale_hadronic=hadronic, rate_scale_leptonic=leptonic
        )
        # the order of sums in a batch
        assert made == pytest.approx(float(sterile.solve(model).yield_n), rel=1e-12)
    table = found["yield_n"].reshape(3, 2)
    assert (np.diff(table, axis=0) > 0.0).all() and (np.diff(table, axis=1) > 0.0).all()


@pytest.mark.slow
@pytest.mark.invariants
def test_a_fit_carries_the_band_to_the_angle(tmp_path):
    """runs/fit-rates.toml: sigma(ln sin^2) from the slopes of ln Y_N, in quadrature.

    ln Omega = a ln sin^2 + b ln s_had + c ln s_lep; Omega is measured to 1 %, and the factors are
    known to 21 % and 1 %.
    """
    summary = fit.run(RUNS / "fit-rates.toml", tmp_path / "fit.h5")
    best = summary["maximum"]
    # nothing but their priors knows the factors
    assert best["rate_scale_hadronic"] == pytest.approx(1.0, abs=1e-6)

    def ln_yield(logs):
        angle, hadronic, leptonic = jnp.exp(logs)
        model = sterile.DodelsonWidrow(
            7.1, angle, **OWN, rate_scale_hadronic=hadronic, rate_scale_leptonic=leptonic
        )
        return jnp.log(sterile.solve(model).yield_n)

    a, b, c = jax.grad(ln_yield)(jnp.log(jnp.array([best["sin2_2theta"], 1.0, 1.0])))
    expected = float(math.hypot(0.01, 0.21 * b, 0.01 * c) / a)
    # the fit's second derivatives are differences of gradients
    assert summary["sigma"]["ln sin2_2theta"] == pytest.approx(expected, rel=1e-5)
    assert 0.07 < expected < 0.1
