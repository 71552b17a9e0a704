"""Derivatives of production: forward, reverse and Richardson-extrapolated differences agree."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from production_cases import PAPER, logarithms, value

from sterile import ScalarDecay, choose_grid

POINTS = [(100.0, 1e-4, 1e-9), (250.0, 1e-6, 1e-8), (1000.0, 1e-3, 1e-10), (100.0, 1e-8, 1e-9)]
forward = eqx.filter_jit(jax.jacfwd(logarithms))
reverse = eqx.filter_jit(jax.jacrev(logarithms))


def _difference(x, grid, step):
    columns = []
    for i in range(3):
        wide = value(x.at[i].add(step), grid) - value(x.at[i].add(-step), grid)
        near = value(x.at[i].add(0.5 * step), grid) - value(x.at[i].add(-0.5 * step), grid)
        columns.append((4.0 * near / step - wide / (2.0 * step)) / 3.0)
    return np.stack(columns, axis=-1)


@pytest.mark.slow
@pytest.mark.gradients
@pytest.mark.parametrize("point", POINTS, ids=str)
def test_forward_and_differences(point):
    x = jnp.log(jnp.array(point))
    grid = choose_grid(ScalarDecay(*point), PAPER)
    # a small step: on the lattice every pair that crosses a threshold 4 m_W^2, ... leaves a kink
    # in the second derivative with respect to m_S. The bound is the issue's, absolute in the
    # logarithmic derivative
    difference = _difference(x, grid, 2e-4)
    assert np.max(np.abs(np.asarray(forward(x, grid)) - difference)) < 1e-5


@pytest.mark.slow
@pytest.mark.gradients
def test_forward_equals_reverse():
    point = POINTS[-1]
    x, grid = jnp.log(jnp.array(point)), choose_grid(ScalarDecay(*point), PAPER)
    np.testing.assert_allclose(reverse(x, grid), forward(x, grid), rtol=1e-9, atol=1e-10)


@pytest.mark.slow
@pytest.mark.gradients
def test_scaling_laws():
    # freeze-in: Y ~ lambda^2 and does not depend on y; late decays at rest: <q> ~ 1/y
    # S decays at 10 MeV, where g_s is constant
    x = jnp.log(jnp.array((1000.0, 1e-10, 1.5e-12)))
    jacobian = np.asarray(forward(x, choose_grid(ScalarDecay(*jnp.exp(x)), PAPER)))
    assert jacobian[0, 1] == pytest.approx(2.0, abs=1e-5)
    assert jacobian[0, 2] == pytest.approx(0.0, abs=1e-5)
    assert jacobian[1, 2] == pytest.approx(-1.0, abs=1e-2)
