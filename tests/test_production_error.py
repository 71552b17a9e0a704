"""Error estimates: above the true error of every reference, and what a tolerance does."""

import jax.numpy as jnp
import pytest
from production_cases import PAPER, golden, model_and_plasma

import sterile
from sterile import production as production_module
from sterile.scalar.accuracy import FLOOR, refined, rescaled
from sterile.scalar.grids import FREEZE_IN, FREEZE_OUT, FREEZE_OUT_NARROW
from sterile.status import Status

CONTACT = sterile.Plasma(contact_only=True, constant_g=106.75, dark_sector_in_hubble=False)
MODEL = sterile.ScalarDecay(500.0, 1e-8, 1e-9)


@pytest.mark.slow
@pytest.mark.golden
def test_bound_without_electroweak_step():
    # freeze-in at 500 GeV and late decay, an independent reference calculation good to 1e-7
    production = sterile.solve(MODEL, CONTACT, error_estimate=True)
    assert abs(float(production.yield_n) / 4.595993e-6 - 1.0) < float(production.error.yield_n)
    assert abs(float(production.q_mean) / 39.195 - 1.0) < float(production.error.q_mean)
    # useful: a bound of 1e-3, where the error is 2e-6
    assert FLOOR < float(production.error.largest()) < 2e-3
    assert sterile.solve(MODEL, CONTACT).error is None


@pytest.mark.slow
@pytest.mark.invariants
def test_tolerance():
    coarse = rescaled(FREEZE_IN, 3.0)
    production = sterile.solve(MODEL, CONTACT, coarse, tolerance=3e-3)
    assert int(production.status) == 0
    assert float(production.error.largest()) <= 3e-3
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(production_module, "_REFINEMENTS", 0)
        short = sterile.solve(MODEL, CONTACT, coarse, tolerance=5e-5)
    # flagged, and still there
    assert int(short.status) == Status.TOLERANCE_NOT_MET
    assert float(short.error.largest()) > 5e-5 and float(short.yield_n) > 0.0
    for bad in (1e-6, 1.0):
        with pytest.raises(ValueError, match="tolerance = .* outside the allowed range"):
            sterile.solve(MODEL, CONTACT, tolerance=bad)


@pytest.mark.invariants
@pytest.mark.parametrize("grid", [FREEZE_IN, FREEZE_OUT, FREEZE_OUT_NARROW])
def test_rescaled_grids_cover_the_same(grid):
    for other in (rescaled(grid, 2.0), refined(grid)):
        # the hot phase never lasts longer: it must end before T_EW
        assert other.hot_units * other.log_step <= grid.hot_units * grid.log_step * (1 + 1e-9)
        assert other.log_q[-1] >= grid.log_q[-1] - 1e-9
        total = (other.hot_units + other.coupled_units + other.late_units) * other.log_step
        span = (grid.hot_units + grid.coupled_units + grid.late_units) * grid.log_step
        assert total == pytest.approx(span, abs=2.0 * other.log_step)


@pytest.mark.slow
@pytest.mark.golden
@pytest.mark.parametrize("name", ["freeze_in_10", "mixed_100", "strong_200", "resonance_62_5"])
def test_bounds_on_references(name):
    attributes, _ = golden(name)
    production = sterile.solve(*model_and_plasma(attributes), error_estimate=True)
    for key in ("yield_n", "q_mean"):
        true = abs(float(getattr(production, key)) / attributes[key] - 1.0)
        assert true < float(getattr(production.error, key))


@pytest.mark.slow
@pytest.mark.invariants
def test_bound_on_a_refined_grid():
    model = sterile.ScalarDecay(57.0, 1e-4, 1e-9)
    production = sterile.solve(model, PAPER, error_estimate=True)
    finer = sterile.solve(model, PAPER, refined(production.grid))
    for key in ("yield_n", "q_mean"):
        true = jnp.abs(getattr(production, key) / getattr(finer, key) - 1.0)
        assert float(true) < float(getattr(production.error, key))
