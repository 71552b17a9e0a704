"""Derivatives of mixing: forward, reverse and differences."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sterile
from sterile.mixing import grids

pytestmark = pytest.mark.gradients


def dodelson_widrow(x):
    found = sterile.solve(sterile.DodelsonWidrow(jnp.exp(x[0]), jnp.exp(x[1]), "mu"))
    return jnp.stack([jnp.log(found.yield_n), jnp.log(found.q_mean)])


def shi_fuller(x):
    # coarse: what is differentiated is the solver, whatever its grid
    model = sterile.ShiFuller(jnp.exp(x[0]), jnp.exp(x[1]), 1e-3 * x[2:], "mu")
    found = sterile.solve(model, grid=grids.Grid(320, 100))
    return jnp.stack([jnp.log(found.yield_n), jnp.log(found.q_mean)])


def differences(function, x, step):
    """Central differences of the fourth order, one column per parameter."""
    columns = []
    for i in range(x.size):
        unit = step * np.eye(x.size)[i]
        inner, outer = (function(x + k * unit) - function(x - k * unit) for k in (1.0, 2.0))
        columns.append((8.0 * inner - outer) / (12.0 * step))
    return np.stack(columns, axis=1)


@pytest.mark.parametrize("mass, mixing", [(1.0, 1e-8), (7.1, 1e-9), (7.1, 1e-6), (50.0, 1e-12)])
def test_dodelson_widrow(mass, mixing):
    x = np.log([mass, mixing])
    if mass == 1.0:
        x = x + 0.01  # differences stay in range
    forward = jax.jit(jax.jacfwd(dodelson_widrow))(x)
    reverse = jax.jit(jax.jacrev(dodelson_widrow))(x)
    np.testing.assert_allclose(forward, reverse, rtol=1e-10, atol=1e-12)
    # truncation 1e-4^4, rounding 1e-12
    found = differences(jax.jit(dodelson_widrow), x, 1e-3)
    np.testing.assert_allclose(found, forward, rtol=1e-6, atol=1e-7)


@pytest.mark.slow
@pytest.mark.parametrize(
    "mass, mixing, asymmetry",
    [
        (7.1, 4e-11, (0.0, 1.0, 0.0)),
        (10.0, 2e-11, (0.3, 2.0, -0.5)),
        (2.0, 1e-9, (0.0, -4.0, 1.0)),
        (50.0, 1e-13, (1.0, 1.0, 1.0)),
        # resonances that just close: V_L^2 near its smallest, 2 m^2 B, at 300 MeV
        (7.1, 1e-10, (0.0, 0.05, 0.0)),
        (7.1, 1e-10, (0.0, 0.08, 0.0)),
    ],
)
def test_shi_fuller(mass, mixing, asymmetry):
    x = np.concatenate([np.log([mass, mixing]), asymmetry])
    function = jax.jit(shi_fuller)
    forward = jax.jit(jax.jacfwd(shi_fuller))(x)
    reverse = jax.jit(jax.jacrev(shi_fuller))(x)
    np.testing.assert_allclose(forward, reverse, rtol=1e-8, atol=1e-10)
    # edges of cells cross resonances of relative width 1e-5: steps below that; rounding is 1e-8
    found = differences(function, x, 1e-6)
    np.testing.assert_allclose(found, forward, rtol=1e-6, atol=1e-6)
