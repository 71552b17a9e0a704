"""Derivatives of the whole pipeline at points of every regime; the tool that compares them."""

import jax.numpy as jnp
import numpy as np
import pytest
from gradient_points import POINTS, by_grid, logarithms_at, start

from sterile.fit import compare, second_derivatives


@pytest.mark.gradients
def test_the_comparison_itself():
    def function(x):
        return jnp.stack([jnp.sin(3.0 * x[0]) * x[1], jnp.exp(x[0] - x[1])])

    found = compare(function, jnp.array([0.3, 1.2]))
    assert found.excess().max() < 1.0
    np.testing.assert_allclose(found.forward, found.reverse, rtol=1e-14)
    # a derivative that is off by 1e-5 is noticed
    assert found._replace(forward=found.forward + 1e-5).excess().max() > 1.0
    exact, difference = second_derivatives(function, [0.3, 1.2], [1.0, 2.0])
    np.testing.assert_allclose(exact, difference, rtol=1e-8)


@pytest.mark.slow
@pytest.mark.gradients
@pytest.mark.parametrize("point", [POINTS[i] for i in by_grid(range(len(POINTS)))])
def test_forward_and_differences(point):
    found = compare(logarithms_at(point), start(point), reverse=False)
    exists = np.broadcast_to(np.isfinite(found.value)[:, None], found.forward.shape)
    assert np.isfinite(found.forward[exists]).all()
    assert found.excess()[exists].max() < 1.0


@pytest.mark.slow
@pytest.mark.gradients
@pytest.mark.parametrize("point", [POINTS[i] for i in by_grid((1, 10, 15, 20, 23))])
def test_reverse_equals_forward(point):
    found = compare(logarithms_at(point), start(point))
    exists = np.broadcast_to(np.isfinite(found.value)[:, None], found.forward.shape)
    # both differentiate the same program; sums in another order
    np.testing.assert_allclose(found.reverse[exists], found.forward[exists], rtol=1e-7, atol=1e-8)


@pytest.mark.slow
@pytest.mark.gradients
@pytest.mark.parametrize("point", [POINTS[i] for i in by_grid((1, 3, 5, 23, 25))])
def test_second_derivatives(point):
    direction = [0.0, 1.0, -0.7, 0.5, 0, 0, 0, 0, 0, 0, 0]
    exact, difference = second_derivatives(logarithms_at(point), start(point), direction)
    exists = np.isfinite(difference)
    # extrapolated differences of first derivatives over 1e-3: 3e-9 in freeze-in, 1e-8 in freeze-out
    np.testing.assert_allclose(exact[exists], difference[exists], rtol=1e-6, atol=1e-7)
