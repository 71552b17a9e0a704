"""The value of a parameter that makes the abundance, from a scan: closed forms, and solved for."""

import dataclasses

import jax
import numpy as np
import pytest

import sterile
import sterile.fit
from sterile.contract import abundance_per_kev
from sterile.scan.abundance import crossing

VALUES = np.geomspace(1e-4, 1e-1, 8)


@pytest.mark.analytic
def test_powers_are_exact():
    """Omega h^2 = 0.12 (L/L_0)^n is a straight line in logarithms."""
    at, power = np.array([3e-4, 2e-3, 0.08]), np.array([0.5, 1.0, -2.0])
    table = 0.12 * (VALUES[:, None] / at) ** power
    found = crossing(VALUES, table, 0.12)
    np.testing.assert_allclose(found.value, at, rtol=1e-12)
    # another quantity, of the parameter's own value
    np.testing.assert_allclose(found.of(np.log(VALUES)[:, None] * np.ones(3)), np.log(at))


@pytest.mark.analytic
def test_where_there_is_none():
    table = np.stack([np.full(8, 0.1), np.full(8, 0.2), VALUES, np.full(8, np.nan)], axis=1)
    found = crossing(VALUES, table, 0.03)
    assert found.found.tolist() == [False, False, True, False]
    assert np.isnan(found.value).tolist() == [True, True, False, True]
    holes = np.where(np.arange(8)[:, None] == 5, np.nan, table)
    assert np.isnan(found.of(holes)).all()


@pytest.mark.slow
@pytest.mark.parametrize("mass, mixing", [(2.0, 1e-9), (7.1, 1e-11), (26.3, 1e-12)])
def test_asymmetry_is_the_one_that_is_solved_for(mass, mixing):
    """Between the values of runs/scan-mixing.toml, a factor of 2.7 apart."""
    model = sterile.ShiFuller(mass, mixing, 1e-3, flavour="mu")

    @jax.jit
    def abundance(asymmetry):
        made = sterile.solve(dataclasses.replace(model, lepton_asymmetry=asymmetry))
        return abundance_per_kev() * mass * made.yield_n

    table = np.array([[float(abundance(value))] for value in VALUES])
    solved = sterile.fit.solve_for(
        {"omega_h2": 0.12}, "lepton_asymmetry", model, low=1e-4, high=0.1
    ).solutions[0]
    assert crossing(VALUES, table, 0.12).value[0] == pytest.approx(float(solved.value), rel=0.03)
