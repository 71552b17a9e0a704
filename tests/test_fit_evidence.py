"""Which mechanism a measurement prefers: evidences of two kinds with the same likelihood."""

import math
import tomllib

import numpy as np
import pytest

import sterile
import sterile.fit
from sterile.bath import thermodynamics
from sterile.fit.evidence import Evidence, total_evidence

LIKELIHOOD = """
[fit]
method = "{method}"
chains = 2
samples = 400
warmup = 60
starts = 1
seed = 1
[fit.likelihood.omega_h2]
mean = 0.12
sigma = 0.0048
[fit.likelihood.q_mean]
mean = 0.27
sigma = 0.02
"""
KINDS = {
    "diluted-freeze-out": """
[model]
kind = "diluted-freeze-out"
mass_kev = 7.0
decoupling_temperature_gev = 1.0
[fit.prior.dilution]
log_uniform = [10.0, 1e4]
""",
    "thermal-relic": """
[model]
kind = "thermal-relic"
mass_kev = 7.0
[fit.prior.temperature_ratio]
log_uniform = [0.01, 0.5]
""",
}


def log_evidence(kind: str) -> float:
    """By the trapezoid over the prior, of closed forms: F = 2/(e^(q/r) + 1), r = T_N/T_gamma."""
    x = np.linspace(0.0, 1.0, 200_001)
    if kind == "thermal-relic":
        ratio = 0.01 * 50.0**x
    else:
        dilution = 10.0 * 1000.0**x
        ratio = np.cbrt(3.931 / (float(thermodynamics.g_s(1.0)) * dilution))
    # Omega h^2 = 275.9 (m/keV) Y, Y = 135 zeta(3)/(4 pi^4 g_s0) r^3; <q> = 7 pi^4/(180 zeta(3)) r
    zeta = 1.2020569031595942
    abundance = 275.9 * 7.0 * 135.0 * zeta / (4.0 * math.pi**4 * 3.931) * ratio**3
    mean = 7.0 * math.pi**4 / (180.0 * zeta) * ratio
    pulls = np.stack([(abundance - 0.12) / 0.0048, (mean - 0.27) / 0.02])
    return math.log(np.trapezoid(np.exp(-0.5 * np.sum(pulls**2, axis=0)), x))


@pytest.mark.slow
@pytest.mark.analytic
@pytest.mark.parametrize("method", ["nuts", "surrogate"])
def test_the_bayes_factor_of_two_mechanisms(tmp_path, method):
    found = {}
    for kind, text in KINDS.items():
        content = tomllib.loads(text + LIKELIHOOD.format(method=method))
        summary = sterile.fit.run(content, tmp_path / f"{kind}.h5")
        found[kind] = summary["log_evidence"], summary["log_evidence_error"]
        # 0.02: what 800 draws leave; the closed form's 275.9 has four digits
        assert 0.0 < found[kind][1] < 0.05
        assert found[kind][0] == pytest.approx(log_evidence(kind), abs=5.0 * found[kind][1] + 1e-3)
    factor = found["diluted-freeze-out"][0] - found["thermal-relic"][0]
    # one family in r, priors flat in ln S = -3 ln r and in ln r: only their width differs
    expected = math.log(3.0 / math.log(1000.0) * math.log(50.0))
    error = math.hypot(found["diluted-freeze-out"][1], found["thermal-relic"][1])
    assert factor == pytest.approx(expected, abs=5.0 * error)


@pytest.mark.invariants
def test_evidences_of_branches_add():
    total, weights = total_evidence([Evidence(-2.0, 0.1), Evidence(-2.0 - math.log(3.0), 0.2)])
    np.testing.assert_allclose(weights, [0.75, 0.25], rtol=1e-14)
    assert total.log_value == pytest.approx(-2.0 + math.log(4.0 / 3.0), rel=1e-14)
    assert total.error == pytest.approx(math.hypot(0.075, 0.05), rel=1e-14)
    # draws that say nothing: no evidence, and nobody preferred
    total, weights = total_evidence([Evidence(-np.inf, np.nan), Evidence(-2.0, 0.1)])
    assert math.isnan(total.log_value) and weights.tolist() == [0.5, 0.5]


@pytest.mark.analytic
def test_the_closed_forms_are_those_of_the_mechanisms():
    """What the evidences are compared with is what is sampled, at one point of each."""
    ratio = np.cbrt(3.931 / (float(thermodynamics.g_s(1.0)) * 100.0))
    for model in (
        sterile.DilutedFreezeOut(7.0, 1.0, dilution=100.0),
        sterile.ThermalRelic(7.0, temperature_ratio=ratio),
    ):
        production = sterile.solve(model)
        assert float(production.q_mean) == pytest.approx(3.15137 * ratio, rel=1e-5)
        assert float(production.yield_n) == pytest.approx(0.416484 / 3.931 * ratio**3, rel=1e-5)
    assert log_evidence("diluted-freeze-out") - log_evidence("thermal-relic") == pytest.approx(
        math.log(3.0 / math.log(1000.0) * math.log(50.0)), abs=1e-6
    )
