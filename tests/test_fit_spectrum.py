"""Momentum spectra from T^2(k)."""

import jax.numpy as jnp
import numpy as np
import pytest

import spectra
from spectra.linear import K_RANGE_H_MPC
from sterile.fit import FAMILIES, fit_spectrum
from sterile.fit.families import tabulated

K = np.geomspace(1.0, 60.0, 24)
LOWEST, HIGHEST = K_RANGE_H_MPC


def _member(family, velocity, **shape):
    """The family's member of a mean velocity <p>/m today, for 1 keV."""
    q, f = tabulated(family, {name: jnp.asarray(value) for name, value in shape.items()})
    dm = spectra.Spectrum(q, f, 1.0, 1.0)
    mean = float(spectra.spectrum.q_mean(dm))
    photon = float(spectra.cosmology.photon_temperature_gev(spectra.Cosmology()))
    return spectra.Spectrum(q, f, 1.0, velocity * 1e-6 / mean / photon)


@pytest.mark.invariants
@pytest.mark.parametrize("family", FAMILIES)
def test_tables_hold_their_spectrum(family):
    # at the starts and at the ends of every range: q^3 f is small at either end of the table
    ranges = FAMILIES[family].ranges
    corners = [*FAMILIES[family].starts]
    corners += [{name: low for name, (low, _) in ranges.items()}] if ranges else []
    for parameters in corners:
        x, f = tabulated(family, parameters)
        weight = np.asarray(x**3 * f)
        assert np.isfinite(weight).all() and (np.asarray(f) > 0.0).all()
        assert max(weight[0], weight[-1]) < 2e-5 * weight.max()


@pytest.mark.invariants
@pytest.mark.parametrize(
    "arguments, words",
    [
        ((K, K[:3], 0.1), "two"),
        ((K, np.full(24, np.nan), 0.1), "t2 = nan at place 0"),
        ((K, np.where(K > 10.0, np.nan, 1.0), 0.1), "t2 = nan at place 13"),
        ((np.where(K > 55.0, np.nan, K), np.ones(24), 0.1), "k_h_mpc = nan at place 23"),
        ((K, np.ones(24), np.where(K > 10.0, np.inf, 0.1)), "sigma = inf at place 13"),
        ((K, np.ones(24), np.full(7, 0.1)), "sigma has shape"),
        # as spectra.transfer refuses them: what it holds there is an extrapolation
        ((np.append(0.2 * LOWEST, K), np.ones(25), 0.1), "k_h_mpc = .* is outside"),
        ((np.append(K, 2.0 * HIGHEST), np.ones(25), 0.1), "k_h_mpc = .* is outside"),
        ((K, np.ones(24), 0.0), "positive"),
        ((K, np.ones(24), 0.1, "gaussian"), "thermal"),
        ((K[:2], np.ones(2), 0.1, "two-bumps"), "more k"),
    ],
)
def test_senseless_data_are_refused(arguments, words):
    with pytest.raises(ValueError, match=words):
        fit_spectrum(*arguments)


@pytest.mark.slow
@pytest.mark.analytic
@pytest.mark.parametrize(
    "family, truth",
    [
        ("thermal", {"velocity": 2e-8}),
        ("two-bumps", {"velocity": 3e-8, "share": 0.3, "ratio": 0.15}),
    ],
)
def test_a_spectrum_is_found_again(family, truth):
    shape = {name: value for name, value in truth.items() if name != "velocity"}
    t2 = np.asarray(spectra.transfer(_member(family, truth["velocity"], **shape), k_h_mpc=K).t2)
    found = fit_spectrum(K, t2, 0.01, family)
    # no noise: down to the search's own tolerance
    assert found.chi_square < 1e-8
    for name, value in truth.items():
        assert found.parameters[name] == pytest.approx(value, rel=1e-4)


@pytest.mark.slow
@pytest.mark.analytic
def test_a_degenerate_family_says_so():
    dm = _member("power-cutoff", 3e-8, slope=-0.3, cutoff=1.3)
    t2 = np.asarray(spectra.transfer(dm, k_h_mpc=K).t2)
    noise = 0.01 * np.random.default_rng(0).normal(size=K.size)
    found = fit_spectrum(K, t2 + noise, 0.01, "power-cutoff")
    assert any("degenerate" in warning for warning in found.warnings)
    # what the data do fix: 0.4 % is its error, five of them
    assert found.parameters["velocity"] == pytest.approx(3e-8, rel=0.02)
