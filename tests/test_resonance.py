"""The Higgs resonance's windows as a matrix: against quadrature, in the tail, and in time."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from sterile.scalar import phase
from sterile.scalar.quantum_statistics import decay_enhancement, final_state_factor
from sterile.scalar.resonance import (
    ReferenceShape,
    resonance_operator,
    resonance_peak,
    thermal_windows,
    window_scales,
)
from sterile.scalar.rosenbrock import polynomial_weights

STEPS = {"narrow": 0.15, "broad": 0.1}  # the lattices of freeze-out


@functools.partial(jax.jit, static_argnames="form")
def _operator(mass, temperature, momenta, form, scale=1.0):
    """The peak, the operator, and its factors of rows and columns."""
    peak = resonance_peak(mass, jnp.asarray(1e-8), form)
    shape = ReferenceShape(temperature, scale, mass)
    operator = resonance_operator(peak, shape, momenta, mass, STEPS[form])
    return peak, operator, *window_scales(peak, shape, momenta, mass)


def _lattice(low, form, count):
    return low * np.exp(STEPS[form] * np.arange(count))


def _kinetic(momenta, mass):
    return momenta**2 / (np.hypot(momenta, mass) + mass)


def _exact(peak, mass, momenta, f, pieces=200, factor=None):
    """L[f], by Gauss-Legendre panels in ln p_2 of every window; ``factor`` of s and E_1 + E_2."""
    gauss, gauss_weight = np.polynomial.legendre.leggauss(8)
    s = np.asarray(peak.s_gev2)
    root = np.sqrt(s * (s - 4.0 * mass**2))
    found = []
    for p, e in zip(momenta, np.hypot(momenta, mass)):
        straight, bent = (s - 2.0 * mass**2) * p, root * e
        low, high = np.log(np.abs([straight - bent, straight + bent]) / (2.0 * mass**2))
        half = 0.5 * (high - low)[:, None, None] / pieces
        middle = low[:, None, None] + half * (2.0 * np.arange(pieces)[:, None] + 1.0)
        p2 = np.exp(middle + half * gauss)
        measure = p2**2 / np.hypot(p2, mass) * half * gauss_weight
        if factor is not None:
            measure = measure * factor(s[:, None, None], e + np.hypot(p2, mass))
        found.append(np.asarray(peak.weight) @ np.sum(f(p2) * measure, (1, 2)) / (p * e))
    return np.array(found)


@pytest.mark.analytic
@pytest.mark.parametrize("mass, form, temperature", [(30.0, "narrow", 20.0), (62.6, "broad", 5.0)])
def test_operator_against_quadrature(mass, form, temperature):
    momenta = _lattice(3e-3 * temperature, form, {"narrow": 59, "broad": 87}[form])
    peak, operator, *_ = _operator(mass, temperature, momenta, form)

    def f(p):
        q = p / temperature
        return np.exp(-_kinetic(p, mass) / temperature) / np.sqrt(q) / (1.0 + q)

    # as they count in a yield; far partners, of f below e^-20, are known to less
    number = momenta**3 * f(momenta)
    exact = number * _exact(peak, mass, momenta, f)
    found = number * (operator @ f(momenta))
    # 9e-6 measured: f/phi is a polynomial between six nodes only nearly
    np.testing.assert_allclose(found, exact, rtol=0.0, atol=2e-5 * exact.max())


@pytest.mark.analytic
@pytest.mark.parametrize("statistics", [False, True])
@pytest.mark.parametrize("ratio", [0.1, 1.0, 3.0, 20.0])
@pytest.mark.parametrize("mass, form, temperature", [(30.0, "narrow", 20.0), (62.6, "broad", 5.0)])
def test_windows_of_a_thermal_shape(mass, form, temperature, ratio, statistics):
    # any T_S/T: f/exp(-E/T) itself cannot be interpolated where T_S is a few times T
    momenta = _lattice(3e-3 * temperature, form, {"narrow": 59, "broad": 87}[form])
    peak = resonance_peak(mass, jnp.asarray(1e-8), form)
    own = ratio * temperature
    factor = None
    if statistics:

        @jax.jit
        def factor(s, pair):
            pauli = final_state_factor(pair, s, 4.0, temperature, -1)
            return pauli * decay_enhancement(pair, temperature)

    windows = jax.jit(lambda momenta: thermal_windows(peak, own, momenta, mass, factor))
    found = windows(momenta)
    lowest = _kinetic(momenta[0], mass)

    def f(p):
        return np.exp(-np.maximum(_kinetic(p, mass) - lowest, 0.0) / own)

    exact = _exact(peak, mass, momenta, f, factor=factor)
    number = momenta**3 * f(momenta)
    # 1e-7: the reference's panels do not know where f becomes constant; with statistics 2e-4
    # is what 10 and 16 nodes of a window leave
    scale = np.max(number * exact)
    tolerance = 2e-4 if statistics else 1e-6
    np.testing.assert_allclose(number * found, number * exact, rtol=0.0, atol=tolerance * scale)
    # whatever T_S is, slow S find what partners there are
    partners = exact > 1e-12 * exact.max()
    np.testing.assert_allclose(found[partners], exact[partners], rtol=10.0 * tolerance)


@pytest.mark.invariants
def test_what_rounding_leaves_stays_nothing():
    # entropy is released, T = 107 GeV, and the lattice reaches p = 4e4 T: f/phi there was e^300
    momenta = _lattice(1.0, "narrow", 103)
    _, operator, *_ = _operator(30.0, 107.0, momenta, "narrow")
    loss = operator @ np.exp(-_kinetic(momenta, 30.0) / 107.0)
    noise = operator @ (1e-60 * np.cos(3.0 * np.arange(103)))
    # f below 1e-60 is nothing to the solver; 1e-30: it must be that to the rates
    assert float(jnp.max(jnp.abs(noise))) < 1e-30 * float(jnp.max(loss))


@pytest.mark.invariants
@pytest.mark.parametrize("mass, temperature", [(61.3, 0.3), (61.3, 0.13), (62.5, 0.2)])
def test_windows_vary_slowly_in_time(mass, temperature):
    # pairs fall below the peak, and those at the threshold are left: over their factors windows
    # vary little, and five times a unit are enough
    start = _lattice(3e-3 * temperature, "broad", 87)
    nodes = phase._window_nodes(phase._WINDOWS)

    def at(time):
        cold = temperature * np.exp(-STEPS["broad"] * time)
        star = max(cold, mass / 40.0)  # from there on phi keeps its comoving shape
        momenta = start * cold / temperature
        _, operator, rows, columns = _operator(mass, star, momenta, "broad", star / cold)
        return momenta, np.asarray(operator), np.outer(rows, columns)

    scaled = [operator / by for _, operator, by in map(at, nodes)]
    momenta, exact, by = at(0.4)
    interpolated = by * np.tensordot(polynomial_weights(nodes, 0.4), scaled, 1)
    # of a relic that decoupled at m/25
    warm = max(temperature, mass / 25.0)
    f = np.exp(-_kinetic(momenta * warm / temperature, mass) / warm)
    # 4e-4 measured; with the factor of the peak alone 3 at T = 0.3 GeV, and 1e4 at 0.13 GeV
    np.testing.assert_allclose(interpolated @ f, exact @ f, rtol=1e-3)


@pytest.mark.gradients
@pytest.mark.parametrize("mass", [62.6, 62.63])
def test_no_nan_in_derivatives(mass):
    # windows close like square roots at the threshold; 1 GeV of the lattice is beyond e^-30
    momenta = _lattice(3e-3, "broad", 87)
    warm = jnp.asarray(0.5)

    def total(mass, temperature):
        _, operator, rows, columns = _operator(mass, temperature, momenta, "broad")
        return jnp.sum(operator / rows[:, None] / columns[None, :])

    slopes = jax.grad(total, (0, 1))(jnp.asarray(mass), warm)
    assert np.isfinite(slopes).all()
    h = 1e-5
    difference = (total(mass, warm + h) - total(mass, warm - h)) / (2.0 * h)
    # 1e-6: the difference's own error
    assert float(slopes[1]) == pytest.approx(float(difference), rel=1e-6)
