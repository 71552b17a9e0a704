"""Several species at once, and dark matter and baryons apart at any redshift."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import spectra
from spectra.psd import CLASS_FACTOR
from spectra.spectrum import with_omega_h2
from spectra.status import Status

pytestmark = pytest.mark.analytic

K = np.geomspace(1.0, 40.0, 12)
Q = np.geomspace(1e-4, 30.0, 120)


def decay(mass_kev=7.0, temperature_ratio=0.33):
    return spectra.Spectrum(Q, np.exp(-Q) / np.sqrt(Q), mass_kev, temperature_ratio)


def thermal(mass_kev=2.0):
    return spectra.thermal_relic(mass_kev, nodes=120)


def test_a_species_split_in_two_is_one_species():
    dm, same = decay(), decay(14.0, 0.66)
    whole = spectra.transfer(dm, k_h_mpc=K)
    for shares in ([0.5, 0.5], [0.2, 0.8]):
        split = spectra.transfer((dm, same), k_h_mpc=K, composition=shares)
        np.testing.assert_allclose(split.t, whole.t, rtol=1e-10)
        np.testing.assert_allclose(split.t2_error, whole.t2_error, rtol=1e-6)


def test_shares_are_abundances():
    hot, cool = with_omega_h2(thermal(), 0.03), with_omega_h2(decay(), 0.06)
    shares = np.array([0.25, 0.5])
    given = spectra.transfer((hot, cool), k_h_mpc=K, composition=shares)
    own = spectra.transfer([hot, cool], k_h_mpc=K, composition="cold-remainder")
    np.testing.assert_allclose(own.t, given.t, rtol=1e-10)
    rescaled = spectra.transfer([hot, cool], k_h_mpc=K)
    alone = spectra.transfer((hot, cool), k_h_mpc=K, composition=shares / 0.75)
    np.testing.assert_allclose(rescaled.t, alone.t, rtol=1e-10)
    assert np.all(np.asarray(alone.t) < np.asarray(given.t))


def test_cold_rest_is_a_cold_species():
    mixed = spectra.transfer(thermal(), k_h_mpc=K, composition=0.3)
    cold = spectra.transfer((thermal(), decay(1e9)), k_h_mpc=K, composition=[0.3, 0.7])
    np.testing.assert_allclose(cold.t, mixed.t, atol=1e-6)


@pytest.mark.slow
def test_any_share_between_none_and_all():
    dm = thermal()
    hottest = np.asarray(spectra.transfer(dm, k_h_mpc=K).t)
    shares = jnp.array([0.0, 0.01, 0.3, 0.9, 1.0])
    t = jax.vmap(lambda share: spectra.transfer(dm, k_h_mpc=K, composition=share).t)(shares)
    np.testing.assert_allclose(t[0], 1.0, atol=1e-12)
    np.testing.assert_allclose(t[-1], hottest, rtol=1e-10)
    assert np.all(np.diff(t, axis=0) < 0.0)
    # particles that have always streamed freely: dT/T is four times their share, and a little more
    hot = spectra.transfer(thermal(0.1), k_h_mpc=K, composition=0.01)
    assert 3.5 < (1.0 - hot.t[-1]) / 0.01 < 5.5


@pytest.mark.parametrize(
    "composition, message",
    [([0.5], "shape"), ([0.7, 0.7], "shares"), ([-0.1, 0.5], "shares"), ("half", "unknown")],
)
def test_bad_compositions_are_refused(composition, message):
    with pytest.raises(ValueError, match=message):
        spectra.transfer((thermal(), decay()), k_h_mpc=K, composition=composition)


def test_bad_species_are_refused():
    with pytest.raises(ValueError, match="Spectrum"):
        spectra.transfer([], k_h_mpc=K)
    with pytest.raises(ValueError, match="Spectrum"):
        spectra.transfer([thermal(), 3.0], k_h_mpc=K)
    plenty = with_omega_h2(thermal(), 0.08)
    with pytest.raises(ValueError, match="omega_h2"):
        spectra.transfer([plenty, plenty], k_h_mpc=K, composition="cold-remainder")


def test_shares_in_the_other_convention_are_told():
    """A third of the dark matter, f in CLASS's normalisation read as an occupation number, and
    the other way round."""
    third = with_omega_h2(thermal(), 0.04)
    less, more = (
        spectra.Spectrum(third.q, third.f * factor, third.mass_kev, third.temperature_ratio)
        for factor in (1.0 / CLASS_FACTOR, CLASS_FACTOR)
    )
    with pytest.warns(UserWarning, match="species 0: .* say normalisation = class"):
        spectra.transfer(less, k_h_mpc=K, composition="cold-remainder")
    with pytest.raises(ValueError, match="without the .2 pi..3 .* it would be 0.04"):
        spectra.transfer(more, k_h_mpc=K, composition="cold-remainder")


def test_today_is_the_transfer_function():
    species = spectra.species_transfer(thermal(), z=[0.0, 1e-5], k_h_mpc=K)
    np.testing.assert_allclose(
        species.t_matter[0], spectra.transfer(thermal(), k_h_mpc=K).t, rtol=1e-12
    )
    np.testing.assert_allclose(species.t_matter[1], species.t_matter[0], rtol=1e-7)
    assert species.status == Status.SUCCESS


def test_cold_dark_matter_has_no_suppression_at_any_redshift():
    cold = spectra.species_transfer(decay(1e9), z=[0.0, 30.0, 99.0, 200.0], k_h_mpc=K)
    for name in ("dark_matter", "baryon", "matter", "velocity_dark_matter", "velocity_baryon"):
        np.testing.assert_allclose(getattr(cold, f"t_{name}"), 1.0, atol=1e-6)


def test_baryons_follow_the_dark_matter():
    """Baryons start without the dark matter's cut and fall into its wells: T_b > T_dm, closing."""
    z = np.array([0.0, 10.0, 50.0, 100.0, 200.0])
    species = spectra.species_transfer(thermal(), z=z, k_h_mpc=K)
    gap = np.asarray(species.t_baryon / species.t_dark_matter)[:, -1] - 1.0
    assert np.all(gap > 0.0) and np.all(np.diff(gap) > 0.0)
    share = 0.02237 / 0.14237
    both = np.stack([species.t_dark_matter, species.t_baryon])
    assert np.all(species.t_matter >= both.min(axis=0) - 1e-12)
    assert np.all(species.t_matter <= both.max(axis=0) + 1e-12)
    # today both have nearly merged, and the mean is close to the mass-weighted one
    mean = (1.0 - share) * both[0, 0] + share * both[1, 0]
    np.testing.assert_allclose(species.t_matter[0], mean, rtol=1e-4)


@pytest.mark.parametrize("mass_kev", [1e-4, 3e-3, 0.03])
def test_fast_dark_matter_is_told(mass_kev):
    # 1 % of particles of 0.1 eV: some are radiation today, and T^2 by the equations of slow dark
    # matter was off by 0.26 with no other word than that
    species = spectra.species_transfer(thermal(mass_kev), z=0.0, k_h_mpc=K, composition=0.01)
    assert species.status == Status.HIERARCHIES_NEEDED


@pytest.mark.parametrize("z", [[-0.1], [201.0], [np.nan], [[1.0]], []])
def test_redshifts_out_of_range_are_refused(z):
    with pytest.raises(ValueError, match="z "):
        spectra.species_transfer(thermal(), z=np.array(z, dtype=float), k_h_mpc=K)


@pytest.mark.slow
@pytest.mark.gradients
def test_derivatives_in_share_and_redshift():
    """Forward equals reverse equals finite difference."""
    hot, cool = thermal(), decay()

    def matter(x):
        return spectra.species_transfer(
            (hot, cool), z=x[2:], k_h_mpc=K, composition=x[:2]
        ).t_matter[0]

    point, h = jnp.array([0.3, 0.4, 20.3]), 1e-3
    forward, reverse = jax.jit(jax.jacfwd(matter))(point), jax.jit(jax.jacrev(matter))(point)
    np.testing.assert_allclose(forward, reverse, rtol=1e-8, atol=1e-13)
    for i, step in enumerate(h * np.eye(3)):
        difference = (matter(point + step) - matter(point - step)) / (2 * h)
        # second-order differences
        np.testing.assert_allclose(forward[:, i], difference, rtol=1e-4, atol=1e-9)
