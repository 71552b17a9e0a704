"""T^2(k) against CLASS run here and now, on spectra no golden file contains."""

import class_oracle
import numpy as np
import pytest

import spectra

pytestmark = pytest.mark.external


@pytest.mark.external_fast
def test_thermal_relic_at_two_wavenumbers():
    """About 15 s: a hot relic, so that small k suffice."""
    dm = spectra.thermal_relic(0.8)
    k = np.array([3.0, 6.0])
    expected = class_oracle.transfer_squared(
        dm.q, dm.f, 0.8, float(dm.temperature_ratio), k, q_scale=2.1, nodes=20, l_max=17
    )
    # twenty nodes and l_max 17 are good to 5e-4 at T^2 of 0.4
    np.testing.assert_allclose(spectra.transfer(dm, k_h_mpc=k).t2, expected, rtol=2e-3)


def random_spectrum(seed):
    """A freeze-in head with two log-normal bumps, drawn once per seed."""
    draw = np.random.default_rng(seed)
    q = np.geomspace(1e-4, 25.0, 3000)
    f = np.exp(-q) / np.sqrt(q) * draw.uniform(0.2, 1.0)
    for centre in draw.uniform(0.5, 4.0, 2):
        width = draw.uniform(0.3, 0.6)
        f += draw.uniform(0.2, 1.0) * np.exp(-0.5 * (np.log(q / centre) / width) ** 2) / q**3
    return spectra.Spectrum(q, f, 2.0, 0.6)


def test_a_spectrum_drawn_from_a_fixed_seed():
    dm = random_spectrum(20260101)
    k = np.array([1.5, 4.0])
    expected = class_oracle.transfer_squared(
        dm.q, dm.f, 2.0, 0.6, k, q_scale=1.5, nodes=40, l_max=20
    )
    result = np.asarray(spectra.transfer(dm, k_h_mpc=k).t2)
    assert np.all(expected > 0.01)
    bound = np.where(expected > 0.1, 1e-3, 3e-3) * expected
    assert np.all(np.abs(result - expected) <= bound), result / expected - 1.0


def test_power_law_head_with_gaussian_cut():
    """q^-1 exp(-q^2), a decay in flight."""
    q = np.geomspace(1e-5, 5.5, 3000)
    f = np.exp(-(q**2)) / q
    k = np.array([1.5, 4.0])
    expected = class_oracle.transfer_squared(q, f, 2.0, 1.2, k, q_scale=5.0, nodes=30, l_max=20)
    result = spectra.transfer(spectra.Spectrum(q, f, 2.0, 1.2), k_h_mpc=k).t2
    np.testing.assert_allclose(result, expected, rtol=1e-3, atol=1e-4)
