"""Derivatives of T(k): forward = reverse = finite difference."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import spectra
from spectra.linear.deposit import blended_six
from spectra.linear.transfer_function import at_wavenumbers
from spectra.linear.volterra import cold_overdensity, overdensities

pytestmark = pytest.mark.gradients

K = np.array([2.0, 10.0, 25.0, 60.0])
Q = np.geomspace(1e-3, 30.0, 120)
F = np.exp(-Q) / np.sqrt(Q)


def transfer_of(parameters):
    ln_mass, ln_temperature, ln_f = parameters
    dm = spectra.Spectrum(Q, jnp.exp(ln_f), jnp.exp(ln_mass), jnp.exp(ln_temperature))
    return spectra.transfer(dm, k_h_mpc=K, hierarchies="never").t


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


def test_weights_of_the_velocity_grid_are_smooth_and_exact_for_quartics():
    t = jnp.linspace(0.0, 1.0, 11)
    nodes = np.arange(-2.0, 4.0)
    for power in range(5):
        np.testing.assert_allclose(blended_six(t) @ nodes**power, t**power, atol=1e-13)
    # a point that leaves a cell enters the next one: nodes move up by one
    first, second = jax.jacfwd(blended_six), jax.jacfwd(jax.jacfwd(blended_six))
    for weights in (blended_six, first, second):
        leaving, entering = (np.asarray(weights(jnp.asarray(end))) for end in (1.0, 0.0))
        np.testing.assert_allclose(leaving[1:], entering[:-1], atol=1e-13)
        np.testing.assert_allclose([leaving[0], entering[-1]], 0.0, atol=1e-13)


def test_slopes_in_the_mass_are_smooth():
    # particles cross cells of the velocity grid as the mass changes; 1e-8 of ripple were
    # six-point Lagrange weights', whose slope jumps there
    direction = jax.tree.map(jnp.asarray, directions()["mass"])
    offsets = np.linspace(-2e-3, 2e-3, 25)

    @jax.jit
    def slope(offset):
        at = (POINT[0] + offset, *POINT[1:])
        return jax.jvp(transfer_of, (at,), (direction,))[1]

    slopes = np.array([slope(offset) for offset in offsets])
    smooth = np.polynomial.Polynomial.fit
    for column in slopes.T:
        ripple = column - smooth(offsets, column, 3)(offsets)
        assert np.abs(ripple).max() < 1e-9


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
        return jnp.sum(spectra.transfer(dm, None, None, K, composition, "never").t2)

    gradient = jax.jit(jax.grad(value, argnums=(0, 1)))(mass_kev, 1e-9)
    assert np.all(np.isfinite(gradient))


def test_gradient_with_respect_to_f_itself_is_finite_where_f_vanishes():
    cut = jnp.where(Q < 5.0, F, 0.0)
    gradient = jax.grad(
        lambda f: jnp.sum(
            spectra.transfer(
                spectra.Spectrum(Q, f, 7.0, 0.33), None, None, K, "rescale", "never"
            ).t2
        )
    )(cut)
    assert np.all(np.isfinite(gradient))


def small_system():
    """A drive on few wavenumbers, and an external history and a kernel with structure in both."""
    drive = at_wavenumbers(spectra.drive(), K)
    rows = jnp.linspace(0.0, 1.0, drive.kernel_rows)[:, None]
    return drive, drive.response_cold.T, jnp.exp(-((rows * jnp.log(K)) ** 2))


@pytest.mark.parametrize("name", ["distance", "horizon", "poisson_cold", "baryon_weights"])
def test_derivative_in_every_coefficient(name):
    """Tables of a drive may depend on parameters, of a cosmology say: dA x is not forgotten."""
    drive, external, kernel = small_system()

    def today(scale):
        changed = eqx.tree_at(lambda d: getattr(d, name), drive, getattr(drive, name) * scale)
        return overdensities(external, kernel, changed)[0][-1]

    forward = jax.jit(jax.jacfwd(today))(1.0)
    reverse = jax.jit(jax.jacrev(today))(1.0)
    h = 1e-5
    difference = (jax.jit(today)(1.0 + h) - jax.jit(today)(1.0 - h)) / (2.0 * h)
    np.testing.assert_allclose(reverse, forward, rtol=1e-10)
    # second-order differences, and rounding over the step of overdensities of order 1e3
    np.testing.assert_allclose(forward, difference, rtol=1e-6, atol=1e-7)


@pytest.mark.slow
def test_second_derivatives_in_the_kernel():
    """Fisher matrices and Newton steps: forward over reverse, reverse over reverse."""
    drive, external, kernel = small_system()

    def value(x):
        return jnp.sum(overdensities(external, kernel ** x[0] * (1.0 + x[1]), drive)[0][-1])

    point = jnp.array([1.0, 0.1])
    one = jax.jit(jax.jacfwd(jax.grad(value)))(point)
    other = jax.jit(jax.jacrev(jax.grad(value)))(point)
    np.testing.assert_allclose(one, other, rtol=1e-9)
    np.testing.assert_allclose(one, one.T, rtol=1e-9)


def test_batched_gradients_are_those_one_by_one():
    gradient = jax.jit(jax.grad(lambda m: jnp.sum(transfer_of((m, POINT[1], POINT[2])))))
    masses = jnp.log(jnp.array([3.0, 7.0, 20.0]))
    batch = jax.jit(jax.vmap(gradient))(masses)
    np.testing.assert_allclose(batch, [gradient(m) for m in masses], rtol=1e-10)


def test_the_substitution_solves_the_equations():
    """Every equation written out with dense matrices, for one wavenumber."""
    drive, external, kernel = small_system()
    dark_matter, baryons = overdensities(external, kernel, drive)
    at = 1
    answer = baryons[:, at] - drive.baryon_external[at]
    source = drive.poisson_cold[at] * dark_matter[:, at] + drive.poisson_baryon * answer
    rows = drive.distance_row[:, :, None] + np.arange(4)
    streaming = jnp.sum(kernel[rows, at] * drive.distance_weights, axis=2) * drive.distance
    k_squared = (K[at] * drive.cosmology.h) ** 2
    pull = (drive.gravity_weights * streaming) @ source
    drift = drive.horizon * (drive.gravity_weights @ source)
    np.testing.assert_allclose(
        dark_matter[:, at],
        external[:, at] + pull - (drift + 3.0 * source) / k_squared,
        rtol=1e-10,
    )
    np.testing.assert_allclose(
        answer,
        drive.baryon_weights @ source - k_squared * (drive.baryon_pressure @ answer),
        rtol=1e-9,
        atol=1e-12 * float(jnp.max(jnp.abs(answer))),
    )


def test_cold_dark_matter_has_a_kernel_of_one():
    drive, _, kernel = small_system()
    dark_matter, baryons = overdensities(drive.response_cold.T, jnp.ones_like(kernel), drive)
    share = 0.02237 / 0.14237
    mean = (1.0 - share) * dark_matter[-1] + share * baryons[-1]
    np.testing.assert_allclose(cold_overdensity(drive), mean, rtol=1e-12)
    np.testing.assert_allclose(drive.cold_today, mean, rtol=1e-12)
