"""Mixing: a resonance averaged over a cell and a step, against closed forms."""

import math

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest

from sterile.mixing.angles import angle
from sterile.mixing.logarithms import log1p
from sterile.mixing.resonance import mean_lorentzian


def divided(function, *at):
    """Divided difference of a function at places in mpmath."""
    if len(at) == 1:
        return function(at[0])
    return (divided(function, *at[:-1]) - divided(function, *at[1:])) / (at[0] - at[-1])


def exact(x, w):
    """The mean over the two triangles in 60 digits, cut along the steeper diagonal."""
    with mpmath.workdps(60):
        x_00, x_10, x_01, x_11 = (mpmath.mpf(float(corner)) for corner in x)
        if abs(x_11 - x_00) < abs(x_10 - x_01):
            x_00, x_10, x_01, x_11 = x_10, x_00, x_11, x_01

        def h(at):
            z = mpmath.mpc(w, at)
            return -mpmath.re(z * mpmath.log(z))

        return float(divided(h, x_00, x_10, x_11) + divided(h, x_00, x_01, x_11))


@pytest.mark.analytic
def test_mean_of_the_resonance_over_a_cell_and_a_step():
    """Against divided differences in 60 digits, over 9 decades of widths and distances."""
    draw = np.random.default_rng(1)
    for _ in range(200):
        w = 10.0 ** draw.uniform(-9, 0)
        x = draw.normal() * 10.0 ** draw.uniform(-6, 1)
        b, c = draw.normal(size=2) * 10.0 ** draw.uniform(-6, 0, 2)
        # a tenth of a rectangle's twist: what steps and cells of the solver have
        corners = np.array([x, x + b, x + c, x + b + c + 0.1 * draw.normal() * b * c])
        found = mean_lorentzian(*map(jnp.asarray, corners), jnp.asarray(w))
        # corners are rounded: |x|/b times 1e-16 of a change
        assert float(found) == pytest.approx(exact(corners, w), rel=1e-7)


@pytest.mark.analytic
@pytest.mark.parametrize("shift", [0.0, 0.003, 0.007, 0.011])
def test_a_crossing_that_passes_to_the_next_cell_is_counted_once(shift):
    """A narrow resonance that runs through many cells and steps, wherever these lie."""
    q, t = np.linspace(1.0, 2.0, 31), np.linspace(0.0, 1.0, 41)
    x = q[:, None] * (np.log(q)[:, None] - 0.1 - shift - 0.5 * t)
    w = 1e-7
    corners = x[:-1, :-1], x[1:, :-1], x[:-1, 1:], x[1:, 1:]
    means = mean_lorentzian(*map(jnp.asarray, corners), jnp.full(corners[0].shape, w))
    area = np.diff(q)[:, None] * np.diff(t)
    found = float(jnp.sum(means * area))
    # pi/|dx/dq| at each time, and dx/dq = 1 at the zero; parallelograms that do not meet at their
    # sides leave from -9e-4 to 6e-4 here
    assert found == pytest.approx(math.pi, rel=3e-4)


@pytest.mark.analytic
def test_logarithm_is_log1p():
    draw = np.random.default_rng(3)
    x = np.concatenate(
        [
            10.0 ** draw.uniform(-17, 17, 5000),
            -(10.0 ** draw.uniform(-17, -1e-6, 5000)),
            draw.uniform(-0.9999, 3.0, 5000),
        ]
    )
    np.testing.assert_allclose(log1p(jnp.asarray(x)), np.log1p(x), rtol=4e-15)
    slope = jax.vmap(jax.grad(log1p))(jnp.asarray(x))
    np.testing.assert_allclose(slope, 1.0 / (1.0 + x), rtol=1e-14)


@pytest.mark.analytic
def test_where_nothing_changes_the_mean_is_the_value():
    x, w = jnp.asarray(0.3), jnp.asarray(0.01)
    # changes are taken to be 1e-7 of it at least, and count squared
    assert float(mean_lorentzian(x, x, x, x, w)) == pytest.approx(0.01 / 0.0901, rel=1e-10)


@pytest.mark.analytic
def test_a_whole_crossing_is_that_of_landau_and_zener():
    """Integral of w/(w^2 + x^2) over a crossing is pi, whatever w, if x changes by far more."""
    for w in (1e-3, 1e-6):
        low, high = jnp.asarray(-50.0), jnp.asarray(50.0)
        mean = mean_lorentzian(low, low, high, high, jnp.asarray(w))
        assert float(mean) * 100.0 == pytest.approx(math.pi, rel=3.0 * w / 50.0 + 1e-9)


@pytest.mark.analytic
def test_angle_is_arctan2():
    draw = np.random.default_rng(2)
    y, x = draw.normal(size=(2, 10000)) * 10.0 ** draw.uniform(-12, 3, (2, 10000))
    np.testing.assert_allclose(angle(jnp.asarray(y), jnp.asarray(x)), np.arctan2(y, x), rtol=4e-15)
    slopes = jax.jvp(angle, (jnp.asarray(y), jnp.asarray(x)), (jnp.ones(10000), jnp.zeros(10000)))
    np.testing.assert_allclose(slopes[1], x / (x**2 + y**2), rtol=1e-14)
