"""Derivatives of T(k): forward = reverse = finite difference."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import spectra

pytestmark = pytest.mark.gradients

K = np.array([2.0, 10.0, 25.0, 60.0])
Q = np.geomspace(1e-3, 30.0, 120)
F = np.exp(-Q) / np.sqrt(Q)


def transfer_of(parameters):
    ln_mass, ln_temperature, ln_f = parameters
    dm = spectra.Spectrum(Q, jnp.exp(ln_f), jnp.exp(ln_mass), jnp.exp(ln_temperature))
    return spectra.transfer(dm, k_h_mpc=K).t


def directions():
    bump = 0.5 * np.exp(-0.5 * (np.log(Q / 2.0) / 0.4) ** 2)
    zero = np.zeros_like(Q)
    return {"mass": (1.0, 0.0, zero), "temperature": (0.0, 1.0, zero), "f": (0.0, 0.0, bump)}


POINT = (jnp.log(7.0), jnp.log(0.33), jnp.log(F))


@pytest.mark.parametrize("name", ["mass", "temperature", "f"])
def test_forward_equals_finite_difference(name):
    direction = jax.tree.map(jnp.asarray, directions()[name])
    _, forward = jax.jvp(jax.jit(transfer_of), (POINT,), (direction,))

    def along(step):
        moved = jax.tree.map(lambda p, d: p + step * d, POINT, direction)
        return np.asarray(jax.jit(transfer_of)(moved))

    h = 1e-3
    difference = (8 * (along(h) - along(-h)) - (along(2 * h) - along(-2 * h))) / (12 * h)
    # the deposit is piecewise polynomial: its kinks leave 1e-6 of the derivative
    np.testing.assert_allclose(forward, difference, atol=5e-6)


def test_reverse_equals_forward():
    reverse = jax.jit(jax.jacrev(transfer_of))(POINT)
    for direction in directions().values():
        direction = jax.tree.map(jnp.asarray, direction)
        _, forward = jax.jvp(transfer_of, (POINT,), (direction,))
        contracted = reverse[2] @ direction[2]
        contracted += reverse[0] * direction[0] + reverse[1] * direction[1]
        np.testing.assert_allclose(contracted, forward, rtol=1e-9, atol=1e-12)


def test_mass_and_temperature_derivatives_are_opposite():
    reverse = jax.jit(jax.jacrev(transfer_of))(POINT)
    np.testing.assert_allclose(reverse[0], -reverse[1], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("composition", ["rescale", "cold-remainder"])
@pytest.mark.parametrize("mass_kev", [1e-3, 0.5, 7.0, 1e6])
def test_gradients_are_finite_with_zeros_in_f(mass_kev, composition):
    """Cut spectra, and spectra colder or hotter than the whole k range."""
    cut = jnp.where((Q > 0.1) & (Q < 5.0), F, 0.0)

    def value(mass, scale):
        dm = spectra.Spectrum(Q, scale * cut, mass, 0.33)
        return jnp.sum(spectra.transfer(dm, k_h_mpc=K, composition=composition).t2)

    gradient = jax.jit(jax.grad(value, argnums=(0, 1)))(mass_kev, 1e-9)
    assert np.all(np.isfinite(gradient))


def test_gradient_with_respect_to_f_itself_is_finite_where_f_vanishes():
    cut = jnp.where(Q < 5.0, F, 0.0)
    gradient = jax.grad(
        lambda f: jnp.sum(spectra.transfer(spectra.Spectrum(Q, f, 7.0, 0.33), k_h_mpc=K).t2)
    )(cut)
    assert np.all(np.isfinite(gradient))
