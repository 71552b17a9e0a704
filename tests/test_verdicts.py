"""The half-mode test: known outcomes, its margin, its derivatives."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import spectra
from spectra.transfer import Transfer
from spectra.verdicts import VerdictStatus, half_mode_verdict, reference_transfers

K = jnp.geomspace(0.1, 300.0, 71)


def curve(t, k=K):
    t = jnp.asarray(t)
    return Transfer(k, t, t * t, jnp.asarray(0, dtype=jnp.int32))


def cut_off(alpha, beta=2.24, gamma=-5.0 / 1.12, k=K):
    return curve((1.0 + (alpha * k) ** beta) ** gamma, k)


REFERENCE = cut_off(0.0212)


def judge(transfer, reference=REFERENCE):
    return half_mode_verdict(transfer, reference, VerdictStatus.FORBIDDEN)


@pytest.mark.analytic
def test_known_outcomes():
    assert judge(cut_off(0.0200)).status == "allowed"
    assert judge(cut_off(0.0230)).status == "forbidden"
    itself = judge(REFERENCE)
    assert itself.status == "allowed"
    assert itself.value == pytest.approx(0.0, abs=1e-12)
    cold = judge(curve(jnp.ones_like(K)))
    assert cold.value == pytest.approx(1.0)
    # the soft minimum exceeds the minimum by at most log(128)/300
    assert 1.0 <= cold.margin < 1.0 + 0.017


@pytest.mark.invariants
def test_small_deficits_at_small_k_do_not_count():
    # 0.2% everywhere at small k, healed where the reference starts to fall
    healed = (1.0 - 1e-3 * jnp.exp(-((K / 1.0) ** 2))) * cut_off(0.015).t
    assert judge(curve(healed)).status == "allowed"
    deep = (1.0 - 3e-3 * jnp.exp(-((K / 1.0) ** 2))) * cut_off(0.015).t
    assert judge(curve(deep)).status == "forbidden"


@pytest.mark.invariants
def test_only_the_range_above_the_references_half_mode_counts():
    # follows a colder curve up to the reference's half-mode, then drops
    colder = cut_off(0.015).t * jnp.where(K > 20.0, 0.1, 1.0)
    reference_half = 15.33  # h/Mpc
    assert float(spectra.half_mode(REFERENCE).k_t2_half_h_mpc) == pytest.approx(
        reference_half, rel=1e-3
    )
    assert judge(curve(colder)).status == "allowed"


@pytest.mark.invariants
def test_crossing_shapes_are_judged_at_their_worst():
    # colder at small k, hotter at the reference's half-mode
    steep = cut_off(0.0438, beta=6.0)
    verdict = judge(steep)
    assert verdict.status == "forbidden" and verdict.value < 0.0


@pytest.mark.invariants
def test_undecided_when_the_curve_is_unusable():
    assert judge(curve(jnp.full_like(K, jnp.nan))).status == "undecided"
    short = K[:30]  # ends at 2.8 h/Mpc, far from the half-mode
    assert judge(curve(jnp.ones(30), short)).status == "undecided"
    assert np.isnan(judge(curve(jnp.ones(30), short)).margin)


@pytest.mark.gradients
def test_margin_derivative():
    def margin(ln_alpha):
        return judge(cut_off(jnp.exp(ln_alpha))).margin

    at, step = float(np.log(0.019)), 1e-5
    difference = (margin(at + step) - margin(at - step)) / (2.0 * step)
    reverse, forward = jax.grad(margin)(at), jax.jvp(margin, (at,), (1.0,))[1]
    # the sharpness of the soft minimum sets the third derivative: 300^2 step^2 = 1e-5
    assert reverse == pytest.approx(float(difference), abs=1e-5)
    assert reverse == pytest.approx(float(forward), abs=1e-12)


@pytest.mark.invariants
def test_report_of_thermal_relics():
    references = reference_transfers((2.0, 3.3))
    outcomes = {}
    for mass in (1.5, 2.5, 7.0):
        dm = spectra.thermal_relic(mass)
        report = spectra.verdicts(dm, spectra.transfer(dm), references=references)
        assert set(report) == {"half-mode-2.0keV", "half-mode-3.3keV", "half-mode"}
        outcomes[mass] = tuple(entry.status for entry in report.values())
        assert all(entry.source for entry in report.values())
    assert outcomes == {
        1.5: ("forbidden", "constrained", "forbidden"),
        2.5: ("allowed", "constrained", "constrained"),
        7.0: ("allowed", "allowed", "allowed"),
    }


@pytest.mark.invariants
def test_reference_masses_are_checked():
    dm = spectra.thermal_relic(7.0)
    with pytest.raises(ValueError, match="reference_masses_kev"):
        spectra.verdicts(dm, REFERENCE, reference_masses_kev=())
    with pytest.raises(ValueError, match="reference_masses_kev"):
        spectra.verdicts(dm, REFERENCE, reference_masses_kev=(-2.0,))
