"""The Standard Model bath against published fits, golden numbers, and its own derivatives."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from spectra.constants import ENTROPY_DEGREES_OF_FREEDOM_TODAY, REDUCED_PLANCK_MASS_GEV
from sterile.bath import thermodynamics as plasma

# Independent evaluation of the same fits (project reference table), printed to 8 decimals.
G_GOLDEN = [
    # T [GeV], g_rho, g_s
    (1.0000000000e-06, 3.38300000, 3.93100000),
    (1.9952623150e-05, 3.38300002, 3.93100002),
    (5.0118723363e-04, 10.00494018, 10.02951162),
    (5.0118723363e-03, 10.72528990, 10.72695560),
    (3.0199517204e-02, 12.59373889, 12.37870515),
    (1.0964781961e-01, 18.60435801, 18.09203183),
    (1.1748975549e-01, 19.45251970, 18.83007098),
    (1.2302687708e-01, 20.19572685, 19.47686669),
    (1.2882495517e-01, 21.21048192, 20.37846186),
    (1.5848931925e-01, 29.30764682, 27.69120419),
    (5.0118723363e-01, 60.71788376, 59.26554854),
    (3.9810717055e00, 79.35863381, 79.03277223),
    (5.0118723363e01, 93.01818566, 92.15312023),
    (1.5848931925e02, 103.36000232, 102.95636046),
    (1.0000000000e03, 104.17837770, 104.14326635),
    (1.0000000000e05, 104.32110437, 104.30840852),
    (1.0000000000e07, 104.66211725, 104.65514690),
]


@pytest.mark.golden
@pytest.mark.parametrize("temperature, rho, entropy", G_GOLDEN)
def test_degrees_of_freedom(temperature, rho, entropy):
    # 1e-8: both sides interpolate the formulas at 1e-9, and the golden numbers carry 8 decimals.
    assert float(plasma.g_rho(temperature)) == pytest.approx(rho, rel=1e-8)
    assert float(plasma.g_s(temperature)) == pytest.approx(entropy, rel=1e-8)


@pytest.mark.golden
@pytest.mark.parametrize(
    "temperature, hubble, comoving, slope",
    [
        (50.0, 3.277964e-15, 2.861589, 1.059937),
        (200.0, 5.541861e-14, 2.974934, 1.005727),
        (30.0, 1.128033e-15, 2.778451, 1.046291),
    ],
)
def test_expansion(temperature, hubble, comoving, slope):
    # Independent reference calculation, 7 digits; it rounds M_pl to 2.435323e18, 3e-7 off.
    assert float(plasma.hubble_gev(temperature)) == pytest.approx(hubble, rel=1e-6)
    ratio = float(plasma.comoving_temperature_gev(temperature)) / temperature
    assert ratio == pytest.approx(comoving, rel=3e-7)
    assert float(plasma.comoving_temperature_slope(temperature)) == pytest.approx(slope, rel=1e-6)


@pytest.mark.analytic
def test_low_temperature_limits():
    # photons and decoupled neutrinos: the fit's own constants, 2.030 + 1.353 and 2.008 + 1.923
    assert float(plasma.g_rho(1e-6)) == pytest.approx(3.383, rel=1e-12)
    assert float(plasma.g_s(1e-6)) == pytest.approx(ENTROPY_DEGREES_OF_FREEDOM_TODAY, rel=1e-12)
    assert float(plasma.comoving_temperature_gev(1e-6)) == pytest.approx(1e-6, rel=1e-12)


@pytest.mark.analytic
def test_outside_the_table_is_constant_and_finite():
    for temperature in (1e-12, 1e12):
        value, slope = jax.value_and_grad(plasma.g_s)(temperature)
        assert np.isfinite(value) and slope == 0.0


@pytest.mark.invariants
def test_formulas_join_within_their_own_accuracy():
    # Saikawa & Shirai's pieces differ by about 0.1 % at 120 MeV; the bridge stays between.
    t = np.log(np.array([0.1199, 0.1201]))
    below, above = np.array(plasma._fit_low(t)), np.array(plasma._fit_high(t))
    bridged = np.array([plasma.g_rho(np.exp(t)), plasma.g_s(np.exp(t))])
    np.testing.assert_allclose(bridged, below, rtol=2e-3)
    np.testing.assert_allclose(bridged, above, rtol=2e-3)


@pytest.mark.invariants
def test_spline_is_the_formula_off_its_nodes():
    t = np.random.default_rng(1).uniform(np.log(1e-6), np.log(1e8), 2000)
    t = t[(t < np.log(0.105)) | (t > np.log(0.135))]
    rho, entropy = np.where(t < np.log(0.12), plasma._fit_low(t), plasma._fit_high(t))
    # interpolation error of a cubic at 100 nodes per e-fold is below 1e-8; the bridge's influence
    # dies out by a factor 3.7 per node, which is 1e-7 three nodes outside it.
    np.testing.assert_allclose(plasma.g_rho(np.exp(t)), rho, rtol=1e-7)
    np.testing.assert_allclose(plasma.g_s(np.exp(t)), entropy, rtol=1e-7)


@pytest.mark.invariants
def test_twice_continuously_differentiable():
    # one-sided second derivatives agree at every node of the lattice: jumps are only in the third
    start, step, *tables = plasma._tables()
    for cells in tables:
        left = 2.0 * cells[:-1, 2] + 6.0 * cells[:-1, 3]
        np.testing.assert_allclose(left, 2.0 * cells[1:, 2], atol=1e-13)


@pytest.mark.invariants
def test_inverse_round_trip():
    temperature = np.geomspace(1e-6, 1e8, 3001)
    comoving = plasma.comoving_temperature_gev(temperature)
    # exp(log(T)) at |ln T| ~ 18 costs a few tens of units of rounding
    np.testing.assert_allclose(
        plasma.temperature_of_comoving_gev(comoving), temperature, rtol=1e-13
    )
    np.testing.assert_array_less(0.0, np.diff(comoving))


@pytest.mark.analytic
def test_constant_degrees_of_freedom():
    temperature, g = 123.0, 106.75
    hubble = np.pi * np.sqrt(g / 90.0) * temperature**2 / REDUCED_PLANCK_MASS_GEV
    assert float(plasma.hubble_gev(temperature, g)) == pytest.approx(hubble, rel=1e-14)
    comoving = plasma.comoving_temperature_gev(temperature, g)
    assert float(comoving) == pytest.approx(temperature * (g / 3.931) ** (1 / 3), rel=1e-14)
    assert float(plasma.temperature_of_comoving_gev(comoving, g)) == pytest.approx(temperature)
    assert float(plasma.comoving_temperature_slope(temperature, g)) == 1.0
    assert float(plasma.entropy_density_gev3(1.0, g)) == pytest.approx(2 * np.pi**2 / 45 * g)


@pytest.mark.gradients
@pytest.mark.parametrize("temperature", [1e-4, 0.05, 0.119, 0.17, 1.0, 80.0, 2e5])
def test_derivatives(temperature):
    def log_comoving(t):
        return jnp.log(plasma.comoving_temperature_gev(jnp.exp(t)))

    t = jnp.log(temperature)
    reverse, forward = jax.grad(log_comoving)(t), jax.jacfwd(log_comoving)(t)
    difference = (log_comoving(t + 1e-4) - log_comoving(t - 1e-4)) / 2e-4
    assert float(reverse) == pytest.approx(float(forward), rel=1e-14)
    assert float(reverse) == pytest.approx(
        float(plasma.comoving_temperature_slope(temperature)), rel=1e-12
    )
    # second-order difference of a function that varies over ~0.1: (1e-4 / 0.1)^2 = 1e-6
    assert float(reverse) == pytest.approx(float(difference), rel=2e-6)
    inverse = jax.grad(plasma.temperature_of_comoving_gev)
    forward_slope = jax.grad(plasma.comoving_temperature_gev)(temperature)
    comoving = plasma.comoving_temperature_gev(temperature)
    assert float(inverse(comoving) * forward_slope) == pytest.approx(1.0, rel=1e-8)


@pytest.mark.invariants
def test_jit_and_vmap():
    temperature = jnp.geomspace(1e-3, 1e3, 7)
    for function in (plasma.hubble_gev, plasma.temperature_of_comoving_gev, plasma.g_rho):
        direct = function(temperature)
        np.testing.assert_allclose(jax.jit(jax.vmap(function))(temperature), direct, rtol=1e-14)
