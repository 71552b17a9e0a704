"""Roots and zero lines: on functions in closed form, then on the pipeline."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from production_cases import PAPER

import sterile
from sterile.contract import abundance_per_kev, relic_mass_kev
from sterile.fit import solve_for, trace
from sterile.fit.curve import refined, zero_curves
from sterile.fit.root import Sampled, roots


@pytest.mark.analytic
@pytest.mark.parametrize("level, expected", [(0.0, 2), (-0.9999, 2), (-1.0001, 0), (2.9, 2)])
def test_pairs_of_roots_are_found(level, expected):
    # x^2 - 1: with five points a pair 0.02 wide around the minimum lies between two of them
    found, nearest = roots(lambda x: Sampled(x, x * x - 1.0 - level, 2.0 * x), -2.1, 2.0, 5)
    assert len(found) == expected
    for root in found:
        assert abs(root) == pytest.approx(math.sqrt(1.0 + level), abs=1e-12)
    assert abs(nearest.value) < 0.2


@pytest.mark.analytic
def test_roots_where_the_function_does_not_exist():
    def sample(x):
        return Sampled(x, math.log(x), 1.0 / x) if x > 0.0 else Sampled(x, math.nan, math.nan)

    assert roots(sample, -1.0, 3.0, 9)[0] == [pytest.approx(1.0, abs=1e-12)]
    with pytest.raises(ValueError, match="does not exist"):
        roots(sample, -3.0, -1.0, 4)


def _circle(x, centre, radius):
    away = x - np.array(centre)
    return away @ away - radius**2, 2.0 * away


def _two_circles(x):
    (a, da), (b, db) = _circle(x, (0.28, 0.3), 0.17), _circle(x, (0.7, 0.72), 0.2)
    return a * b, a * db + b * da


def _wave(x):
    return x[1] - 0.5 - 0.3 * math.sin(9.0 * x[0]), np.array([-2.7 * math.cos(9.0 * x[0]), 1.0])


def _hyperbola(x):
    return (x[0] - 0.5) * (x[1] - 0.5) - 0.01, np.array([x[1] - 0.5, x[0] - 0.5])


def _half_missing(x):
    value, gradient = _circle(x, (0.5, 0.5), 0.3)
    return (math.nan, gradient) if x[0] > 0.6 else (value, gradient)


@pytest.mark.analytic
@pytest.mark.parametrize(
    "function, closed",
    [
        (lambda x: _circle(x, (0.5, 0.5), 0.3), [True]),
        (_two_circles, [True, True]),
        (_wave, [False]),
        (_hyperbola, [False, False]),
        (_half_missing, [False]),
        (lambda x: (1.0 + x[0], np.array([1.0, 0.0])), []),
    ],
)
def test_zero_lines_in_closed_form(function, closed):
    curves, calls = zero_curves(function, 6, 1e-5)
    assert [curve.closed for curve in curves] == closed
    # a dense scan that is as good to a hundredth of the square takes 10^4
    assert calls < 250
    for curve in curves:
        for x in curve.points:
            value, gradient = function(x)
            # distance to first order; the bound is the tolerance asked for
            assert abs(value) / np.linalg.norm(gradient) < 1e-5
        if not curve.closed and function is not _half_missing:
            # open lines end at the square's edges, exactly
            for end in curve.points[[0, -1]]:
                assert np.min(np.abs([end, end - 1.0])) < 1e-12
        middle = [function(x) for x in refined(curve, 4) if math.isfinite(function(x)[0])]
        # cubic pieces over turns of 0.2: the fourth power, with a margin
        assert max(abs(v) / np.linalg.norm(g) for v, g in middle) < 1e-3


@pytest.mark.analytic
def test_length_of_a_circle():
    (curve,), _ = zero_curves(lambda x: _circle(x, (0.5, 0.5), 0.3), 6, 1e-6)
    line = refined(curve, 8)
    length = np.sum(np.linalg.norm(np.diff(line, axis=0), axis=1))
    assert length == pytest.approx(0.6 * math.pi, rel=1e-4)


@pytest.mark.analytic
def test_trace_of_ones_own_function():
    # lambda y^2 = 1e-24: a straight line in logarithms
    model = sterile.ScalarDecay(100.0, 1e-8, 1e-9)
    found = trace(
        lambda a, b: jnp.log(a * b**2),
        ("portal_coupling", "yukawa"),
        model,
        low=(1e-10, 1e-10),
        high=(1e-6, 1e-7),
        level=math.log(1e-24),
    )
    (line,) = found.curves
    np.testing.assert_allclose(line[:, 0] * line[:, 1] ** 2, 1e-24, rtol=1e-4)
    assert found.closed == (False,) and len(found.refined(4)[0]) > len(line)


@pytest.mark.analytic
@pytest.mark.parametrize(
    "arguments, words",
    [
        ({"target": {"omega_h2": 0.12}, "vary": "portal"}, "portal_coupling"),
        ({"target": {"omega_h2": 0.12}, "vary": "yukawa"}, "give mass_kev"),
        ({"target": {}, "vary": "yukawa"}, "one entry"),
        ({"target": {"omega_h2": -1.0}, "vary": "yukawa", "mass_kev": 7.1}, "positive"),
        (
            {
                "target": {"omega_h2": 0.1},
                "vary": "yukawa",
                "mass_kev": 7.1,
                "low": 1.0,
                "high": 0.5,
            },
            "increasing",
        ),
    ],
)
def test_senseless_inversions_are_refused(arguments, words):
    with pytest.raises(ValueError, match=words):
        solve_for(at=sterile.ScalarDecay(100.0, 1e-8, 1e-9), **arguments)


@pytest.mark.analytic
@pytest.mark.parametrize(
    "arguments, words",
    [
        ({"of": "half-mode", "plane": ("yukawa", "yukawa")}, "different"),
        ({"of": "half-mode", "plane": ("yukawa", "mass")}, "unknown parameter"),
        ({"of": "half-mode", "plane": ("yukawa", "mass_kev")}, "low and high"),
        ({"of": "half-mode", "plane": ("scalar_mass_gev", "yukawa")}, "regime"),
    ],
)
def test_senseless_planes_are_refused(arguments, words):
    with pytest.raises(ValueError, match=words):
        trace(at=sterile.ScalarDecay(100.0, 1e-8, 1e-9), **arguments)


MODEL = sterile.ScalarDecay(100.0, 1e-8, 1e-9)


@pytest.mark.slow
@pytest.mark.analytic
def test_mass_for_an_abundance_is_closed_form():
    found = solve_for({"omega_h2": 0.12}, "mass_kev", MODEL, plasma=PAPER)
    mass = found["freeze-in"].value
    assert float(mass) == pytest.approx(
        float(relic_mass_kev(sterile.solve(MODEL, PAPER).yield_n, 0.12)),
        rel=1e-12,
    )
    with pytest.raises(ValueError, match="no freeze-out solution"):
        found["freeze-out"]


@pytest.mark.slow
@pytest.mark.gradients
@pytest.mark.parametrize(
    "branch, low, high", [("freeze-in", 1e-9, 1e-6), ("freeze-out", 1e-6, 1e-3)]
)
def test_couplings_for_an_abundance_and_their_derivatives(branch, low, high):
    def found(x):
        model = sterile.ScalarDecay(jnp.exp(x[0]), 1e-8, jnp.exp(x[1]))
        return solve_for(
            {"omega_h2": jnp.exp(x[3])}, "portal_coupling", model, plasma=PAPER,
            mass_kev=jnp.exp(x[2]), low=low, high=high, points=4,
        )[branch]  # fmt: skip

    x = jnp.log(jnp.array([100.0, 1e-9, 7.1, 0.12]))
    solution = found(x)
    point = sterile.solve(solution.model, PAPER)
    assert int(solution.status) == int(point.status) == 0
    abundance = abundance_per_kev() * 7.1 * float(point.yield_n)
    # the root is converged to rounding
    assert abundance == pytest.approx(0.12, rel=1e-10)

    def ln_coupling(x):
        return jnp.log(found(x).value)

    reverse = jax.grad(ln_coupling)(x)
    step = 1e-4
    for i, direction in enumerate(jnp.eye(4)):
        forward = jax.jvp(ln_coupling, (x,), (direction,))[1]
        assert float(forward) == pytest.approx(float(reverse[i]), abs=1e-9)
        # re-solved: two symmetric differences, Richardson; 1e-6 is the bound
        wide = (ln_coupling(x + step * direction) - ln_coupling(x - step * direction)) / (2 * step)
        half = 0.5 * step * direction
        near = (ln_coupling(x + half) - ln_coupling(x - half)) / step
        assert float(reverse[i]) == pytest.approx(float((4 * near - wide) / 3), abs=1e-6)


@pytest.mark.slow
@pytest.mark.analytic
def test_an_absent_branch_says_why():
    # 0.01 keV would need more neutrinos than thermal equilibrium holds
    found = solve_for({"omega_h2": 0.12}, "portal_coupling", MODEL, plasma=PAPER, mass_kev=0.01)
    assert found.solutions == ()
    assert set(found.absent) == {"freeze-in", "freeze-out"}
    assert "not crossed" in found.absent["freeze-in"]
