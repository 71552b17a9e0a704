"""Suppression of haloes by calibrations of others: masses, ranges, the sharp-k count beside."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from spectra.structure import Shape, power_table, shape_transfer, viel_shape
from spectra.structure.halo_calibrations import CALIBRATIONS, halo_suppression
from spectra.structure.halos import mass_function

K = np.geomspace(0.1, 300.0, 200)


@pytest.mark.golden
@pytest.mark.parametrize(
    "calibration, mu, nu",
    [
        ("stuecker2021-haloes", (0.2651, 1.638, 16.51), (0.3656, -0.0994, -0.9466)),
        ("stuecker2021-subhaloes", (0.1259, 1.134, 20.52), (0.4963, -0.0110, -1.1231)),
    ],
)
def test_masses_of_the_published_levels(calibration, mu, nu):
    for beta in (1.6, 2.5, 5.0):
        curve = shape_transfer(Shape(0.02, beta, -5.0), K)
        m_hm = halo_suppression(jnp.ones(1), curve, calibration=calibration).m_hm_msun_h
        found = halo_suppression(
            m_hm * np.array(mu) * beta ** np.array(nu), curve, None, calibration
        )
        # the slope is that of six-point interpolation of 200 nodes
        assert np.allclose(found.ratio, [0.2, 0.5, 0.8], rtol=1e-5)
        assert np.all(found.valid)


@pytest.mark.golden
def test_the_masses_of_2026():
    # log10 M_x/M_hm at z = 0 and 6 as pyHalo tabulates them; of T with that slope, 0.003 dex
    for slope, z, scales in (
        (1.5, 0.0, (-0.356, 0.257, 0.919)),
        (2.5, 6.0, (-0.263, 0.219, 0.694)),
    ):
        beta = slope / (5.0 * (1.0 - 2.0**-0.2))
        curve = shape_transfer(Shape(0.02, beta, -5.0), K)
        m_hm = halo_suppression(jnp.ones(1), curve).m_hm_msun_h
        masses = m_hm * 10.0 ** np.array(scales)
        found = halo_suppression(masses, curve, None, "benson2026-haloes", z)
        # 0.003 dex times the steepest slope of the ratio, 1.2 per e-fold
        assert np.allclose(found.ratio, [0.2, 0.5, 0.8], atol=6e-3)


@pytest.mark.invariants
def test_ranges():
    relic = shape_transfer(viel_shape(3.0), K)
    masses = np.geomspace(1e5, 1e13, 9)
    for calibration in CALIBRATIONS:
        found = halo_suppression(masses, relic, None, calibration)
        assert np.all(np.diff(found.ratio) > 0.0) and found.ratio[-1] > 0.99
        assert not found.valid[0] and found.valid[-1]
        steep = halo_suppression(
            masses, shape_transfer(Shape(0.02, 12.0, -5.0), K), None, calibration
        )
        assert not np.any(steep.valid)
    assert not np.any(halo_suppression(masses, relic, z=2.0).valid)
    cold = halo_suppression(masses, shape_transfer(Shape(0.0, 2.0, -1.0), K))
    assert np.all(np.isnan(cold.ratio)) and not np.any(cold.valid)
    with pytest.raises(ValueError, match="benson2026"):
        halo_suppression(masses, relic, calibration="schneider")


@pytest.mark.slow
@pytest.mark.golden
def test_against_the_sharp_k_mass_function():
    # of a thermal relic they agree to a fifth where the ratio is above one half; below, haloes
    # are what a halo finder says
    power = power_table()
    relic, cold = shape_transfer(viel_shape(3.0), K), shape_transfer(Shape(0.0, 2.0, -1.0), K)
    masses = np.geomspace(1e9, 1e11, 5)
    sharp_k = mass_function(masses, relic, power)[0] / mass_function(masses, cold, power)[0]
    for calibration in ("stuecker2021-haloes", "benson2026-haloes"):
        found = halo_suppression(masses, relic, None, calibration).ratio
        assert np.abs(found / sharp_k - 1.0).max() < 0.2


@pytest.mark.gradients
@pytest.mark.parametrize(
    "calibration",
    [
        pytest.param(name, marks=() if name == "stuecker2021-subhaloes" else pytest.mark.slow)
        for name in CALIBRATIONS
    ],
)
def test_derivatives(calibration):
    def ratio(x):
        curve = shape_transfer(Shape(jnp.exp(x[0]), x[1], -5.0), K)
        return halo_suppression(jnp.asarray([1e9]), curve, None, calibration).ratio[0]

    ratio = jax.jit(ratio)
    x, step = jnp.asarray([-4.0, 2.3]), 1e-4
    forward, reverse = jax.jit(jax.jacfwd(ratio))(x), jax.jit(jax.jacrev(ratio))(x)
    assert np.allclose(forward, reverse, rtol=1e-9)
    for i in range(2):
        move = step * jnp.eye(2)[i]
        # the interpolated slope is smooth between nodes only
        assert forward[i] == pytest.approx(
            float(ratio(x + move) - ratio(x - move)) / (2.0 * step), rel=1e-4
        )
