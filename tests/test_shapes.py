"""Closed-form cut-offs and fits: known values, exact recovery, derivatives."""

import jax
import jax.numpy as jnp
import numpy as np
import observables
import pytest

from spectra.linear.transfer_function import Transfer
from spectra.structure.shapes import (
    Shape,
    fit_shape,
    shape_transfer,
    shape_wavenumber,
    viel_alpha,
    viel_mass_kev,
    viel_shape,
)

K = jnp.geomspace(0.1, 300.0, 71)


@pytest.mark.golden
def test_half_modes_of_the_golden_shapes():
    for row in observables.rows("models.csv")[1:]:
        shape, _ = observables.curve(row)
        for level, name in ((0.5, "k_half_T2_0.5_h_Mpc"), (0.25, "k_half_T2_0.25_h_Mpc")):
            # eleven digits in the file
            assert shape_wavenumber(shape, level) == pytest.approx(float(row[name]), rel=1e-9)


@pytest.mark.golden
def test_viel_fit_and_equivalent_masses():
    thermal = [row for row in observables.rows("models.csv") if row["id"].startswith("thermal")]
    for row in thermal:
        mass = float(row["id"].split("_")[1].removesuffix("keV"))
        assert viel_alpha(mass) == pytest.approx(float(row["alpha_Mpc_h"]), rel=1e-9)
    for row in observables.rows("models.csv")[1:]:
        verdict = next(v for v in observables.rows("verdicts.csv") if v["id"] == row["id"])
        for level, column in ((0.5, "meq_T2_half"), (0.25, "meq_T_half")):
            k = float(row[f"k_half_T2_{level:g}_h_Mpc"])
            # the file has five decimals
            assert viel_mass_kev(k, t2=level) == pytest.approx(float(verdict[column]), abs=1e-5)


@pytest.mark.analytic
@pytest.mark.parametrize(
    "parameters", [(0.0117, 2.24, -4.46), (0.03, 5.0, -0.3), (0.0038, 1.5, -10.0), (0.077, 1.7, -4)]
)
def test_fit_recovers_what_has_the_form(parameters):
    shape = Shape(*parameters)
    found, left = fit_shape(shape_transfer(shape, K))
    assert np.allclose([found.alpha, found.beta, found.gamma], parameters, rtol=1e-6)
    assert left < 1e-12


@pytest.mark.analytic
def test_plateau():
    shape = Shape(0.02, 2.5, -1.0, 0.2)
    found, left = fit_shape(shape_transfer(shape, K), plateau=True)
    assert np.allclose(jax.tree.leaves(found), [0.02, 2.5, -1.0, 0.2], rtol=1e-6)
    assert left < 1e-12
    assert shape_transfer(shape, jnp.asarray([1e6])).t[0] == pytest.approx(0.2, rel=1e-3)
    assert np.isnan(shape_wavenumber(Shape(0.02, 2.5, -1.0, 0.8)))
    assert shape_transfer(Shape(0.02, 2.5, -1.0, 0.2), K).t[0] == pytest.approx(1.0, abs=1e-5)


@pytest.mark.gradients
def test_derivative_of_a_fit_that_does_not_fit():
    base = shape_transfer(Shape(0.0117, 2.24, -4.46), K)
    ripple = jnp.sin(K / 9.0)

    def ln_beta(size):
        t = base.t * (1.0 + size * ripple)
        return jnp.log(fit_shape(Transfer(K, t, t * t, base.status))[0].beta)

    at, step = 0.02, 1e-4
    difference = (ln_beta(at + step) - ln_beta(at - step)) / (2.0 * step)
    reverse, forward = jax.grad(ln_beta)(at), jax.jvp(ln_beta, (at,), (1.0,))[1]
    assert reverse == pytest.approx(float(difference), rel=1e-5)
    assert reverse == pytest.approx(float(forward), rel=1e-9)


@pytest.mark.invariants
def test_cold_and_bad_shapes():
    cold = Shape(0.0, 2.24, -4.46)
    assert np.all(shape_transfer(cold, K).t == 1.0)
    slope = jax.grad(lambda b: jnp.sum(shape_transfer(Shape(0.0, b, -4.46), K).t))(2.24)
    assert slope == 0.0
    for bad in ((-0.01, 2.0, -1.0), (0.01, 0.0, -1.0), (0.01, 2.0, 1.0), (float("nan"), 2.0, -1.0)):
        with pytest.raises(ValueError, match="shape (alpha|beta|gamma)"):
            Shape(*bad)
    assert float(viel_shape(3.5).alpha) == pytest.approx(0.01171115, rel=1e-6)
