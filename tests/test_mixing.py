"""Resonant mixing: conservation, convergence, and a brute-force solution."""

import dataclasses
import math

import jax
import mixing_cases
import numpy as np
import pytest

import sterile
from sterile.mixing import background, grids
from sterile.status import Status, is_failure, is_numerical, message_of

DODELSON_WIDROW = sterile.DodelsonWidrow(mass_kev=7.1, sin2_2theta=1e-9, flavour="mu")
SHI_FULLER = sterile.ShiFuller(7.1, 4e-11, lepton_asymmetry=1e-3, flavour="mu")


@pytest.mark.invariants
@pytest.mark.parametrize("asymmetry", [1e-3, {"e": 2e-3, "mu": -1e-3, "tau": 5e-4}])
def test_what_is_made_is_lost_from_the_flavour_that_mixes(asymmetry):
    found = sterile.solve(sterile.ShiFuller(7.1, 4e-11, asymmetry, flavour="mu"))
    q = np.asarray(found.q)
    number = 45.0 / (4.0 * math.pi**4 * 3.931) * math.log(q[1] / q[0]) * q**3
    made = np.sum(number * (np.asarray(found.f_n) - np.asarray(found.f_nbar)))
    start, end = np.asarray(found.asymmetry_yield)
    assert made == pytest.approx(start - end, rel=1e-12)
    assert abs(float(found.imbalance)) < 1e-12
    # the others keep n_L/s: n_L/T^3 falls with g_s
    history = np.asarray(found.history.lepton_asymmetry)
    with np.errstate(invalid="ignore"):
        share = history / history[0]
    if isinstance(asymmetry, dict):
        np.testing.assert_allclose(share[:, 0], share[:, 2], rtol=1e-12)


@pytest.mark.invariants
def test_antineutrinos_are_neutrinos_of_the_opposite_asymmetry():
    plus = sterile.solve(SHI_FULLER)
    minus = sterile.solve(dataclasses.replace(SHI_FULLER, lepton_asymmetry=-1e-3))
    np.testing.assert_allclose(plus.f_n, minus.f_nbar, rtol=1e-11)
    np.testing.assert_allclose(plus.f_nbar, minus.f_n, rtol=1e-11)


@pytest.mark.invariants
def test_without_asymmetry_both_solvers_agree():
    """Two methods: means over cells and steps against points; bath tables against formulas."""
    resonant = sterile.solve(sterile.ShiFuller(7.1, 1e-9, 0.0, flavour="mu"))
    plain = sterile.solve(DODELSON_WIDROW)
    # the steps of the resonant solver: h^2
    assert float(resonant.yield_n) == pytest.approx(float(plain.yield_n), rel=5e-4)
    assert float(resonant.q_mean) == pytest.approx(float(plain.q_mean), rel=3e-4)
    np.testing.assert_allclose(resonant.f_n, resonant.f_nbar, rtol=1e-12)


@pytest.mark.slow
@pytest.mark.invariants
def test_no_dependence_on_where_bins_lie():
    """From 200 to 1600 cells, and four times the steps: 0.1 % (3200: see docs/mixing.md)."""
    fine = sterile.solve(SHI_FULLER, grid=grids.Grid(800, 1600))
    for grid in (grids.Grid(800, 200), grids.Grid(3200, 200), grids.RESONANT):
        found = sterile.solve(SHI_FULLER, grid=grid)
        assert float(found.yield_n) == pytest.approx(float(fine.yield_n), rel=1e-3)
        assert float(found.q_mean) == pytest.approx(float(fine.q_mean), rel=1e-3)


@pytest.mark.invariants
@pytest.mark.parametrize(
    "mass, mixing, asymmetry, steps, bound",
    [
        # a wide resonance keeps L at what it leaves: within a step, and no longer stiff in 3200
        (37.69, 5.37e-7, 1.143e-4, 800, 1e-4),
        # L goes at once, and resonances with it: where is as sharp as cells, 6e-3 of <q>
        (5.025, 1.82e-5, 2.853e-3, 800, 1e-2),
        (1.27, 4.8e-7, 6.556e-3, 800, 1e-2),
        # the steps of the default are too long for it, 7 % off, and it says so
        (95.6, 1.16e-8, 1.91e-2, 1600, 1e-2),
    ],
)
def test_an_asymmetry_that_is_used_up_at_once(mass, mixing, asymmetry, steps, bound):
    """Steps that are far longer than L lasts: before, off by up to a factor of 16, in SUCCESS."""
    model = sterile.ShiFuller(mass, mixing, asymmetry, flavour="mu")
    found = sterile.solve(model, grid=grids.Grid(steps, 400))
    fine = sterile.solve(model, grid=grids.Grid(3200, 200))
    # with so few cells the jump may be one of more than 0.3, a caveat
    assert int(found.status) == 0 and not is_failure(int(fine.status))
    assert float(found.yield_n) == pytest.approx(float(fine.yield_n), rel=bound)
    assert float(found.q_mean) == pytest.approx(float(fine.q_mean), rel=bound)
    # L falls without a swing to the other side
    history = np.asarray(found.history.lepton_asymmetry)[:, 1]
    assert np.all(np.abs(history) <= history[0] * (1.0 + 1e-4))
    assert abs(float(found.imbalance)) < 1e-12


@pytest.mark.invariants
def test_a_jump_that_steps_do_not_resolve_is_told():
    found = sterile.solve(sterile.ShiFuller(95.6, 1.16e-8, 1.91e-2, flavour="mu"))
    assert int(found.status) == Status.ASYMMETRY_JUMPS and float(found.asymmetry_jump) > 0.3
    # a caveat: the numbers stand, with their error
    assert not is_failure(int(found.status)) and is_numerical(int(found.status))
    assert "do not rely on derivatives" in message_of(int(found.status))
    assert float(sterile.solve(SHI_FULLER).asymmetry_jump) < 0.02


@pytest.mark.slow
@pytest.mark.invariants
def test_errors_are_bounds():
    for model, grid in (
        (DODELSON_WIDROW, grids.Grid(1536, 1600)),
        (SHI_FULLER, grids.Grid(3200, 400)),
    ):
        found, fine = sterile.solve(model, error_estimate=True), sterile.solve(model, grid=grid)
        for name in ("yield_n", "q_mean"):
            error = abs(float(getattr(found, name)) / float(getattr(fine, name)) - 1.0)
            assert error <= float(getattr(found.error, name)) <= 0.02


@pytest.mark.invariants
def test_several_crossings_of_both_signs():
    """Opposite asymmetries: V_L of mu changes its sign as leptons go out of equilibrium."""
    model = sterile.ShiFuller(7.1, 1e-10, {"e": 3e-3, "mu": -1.2e-3, "tau": 0.0}, flavour="mu")
    coarse = sterile.solve(model)
    fine = sterile.solve(model, grid=grids.Grid(3200, 800))
    assert int(coarse.status) == 0
    assert float(coarse.yield_n) == pytest.approx(float(fine.yield_n), rel=2e-3)


@pytest.mark.invariants
def test_many_at_once_are_as_one_by_one():
    asymmetries = np.array([1e-4, 1e-3, 5e-3])
    models = sterile.ShiFuller(np.full(3, 7.1), np.full(3, 4e-11), asymmetries, flavour="mu")
    many = jax.jit(jax.vmap(lambda model: sterile.solve(model).yield_n))(models)
    for found, asymmetry in zip(many, asymmetries):
        alone = sterile.solve(dataclasses.replace(SHI_FULLER, lepton_asymmetry=asymmetry))
        assert float(found) == pytest.approx(float(alone.yield_n), rel=1e-12)


@pytest.mark.invariants
def test_resonances_a_hundred_times_as_wide_by_brute_force(tmp_path):
    path = mixing_cases.rates_file(tmp_path, 100.0)
    yield_n, q_mean, q, f, left = mixing_cases.brute_force(
        7.1, 4e-11, 1e-3, "mu", 100.0, 250, rtol=1e-5
    )
    found = sterile.solve(dataclasses.replace(SHI_FULLER, rates_table=path))
    # 0.1 %: the points of the oracle leave 1e-5, the steps of the solver 1e-4
    assert float(found.yield_n) == pytest.approx(yield_n, rel=1e-3)
    assert float(found.q_mean) == pytest.approx(q_mean, rel=1e-3)
    gap = np.interp(q, np.asarray(found.q), np.asarray(found.f)) - f
    assert np.max(np.abs(q**2 * gap)) < 5e-3 * np.max(q**2 * f)


@pytest.mark.slow
def test_resonances_ten_times_as_wide_by_brute_force(tmp_path):
    path = mixing_cases.rates_file(tmp_path, 10.0)
    yield_n, q_mean, *_ = mixing_cases.brute_force(7.1, 4e-11, 1e-3, "mu", 10.0, 4000, rtol=1e-5)
    found = sterile.solve(dataclasses.replace(SHI_FULLER, rates_table=path))
    assert float(found.yield_n) == pytest.approx(yield_n, rel=1e-3)
    assert float(found.q_mean) == pytest.approx(q_mean, rel=2e-3)


@pytest.mark.analytic
def test_momenta_are_even_in_logarithms():
    q, step = background.momenta(400)
    np.testing.assert_allclose(np.diff(np.log(q)), step, rtol=1e-12)
