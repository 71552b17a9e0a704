"""Limits and symmetries of T^2(k) that hold whatever the numbers are."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import spectra
from spectra.linear.deposit import log_velocity_histogram
from spectra.linear.drive_tables import integration_weights, velocity_grid
from spectra.linear.error_estimate import coarser
from spectra.linear.external_response import external_modes, external_overdensity, kernel_table
from spectra.linear.transfer_function import at_wavenumbers
from spectra.linear.volterra import overdensities, total_matter
from spectra.status import Status

pytestmark = pytest.mark.analytic

# most tests use 400 momenta and this many wavenumbers: every new pair of shapes is compiled anew
N_K = 12
histogram = jax.jit(log_velocity_histogram)


def decay_spectrum(n=400, low=1e-4, high=30.0, mass_kev=7.0, temperature_ratio=0.33, grid="log"):
    q = np.geomspace(low, high, n) if grid == "log" else np.linspace(low, high, n)
    return spectra.Spectrum(q, np.exp(-q) / np.sqrt(q), mass_kev, temperature_ratio)


def test_a_cold_spectrum_is_cold_dark_matter():
    cold = spectra.transfer(decay_spectrum(mass_kev=1e9))
    # a consequence of solving both with the same discretisation: rounding only
    np.testing.assert_allclose(cold.t2, 1.0, atol=1e-6)
    assert cold.status == Status.SUCCESS


def test_a_hot_spectrum_is_small_and_finite():
    hot = spectra.transfer(decay_spectrum(mass_kev=0.05))
    assert np.all(np.isfinite(hot.t))
    # amplitude of what is left after streaming over tens of wavelengths
    assert np.all(np.asarray(hot.t2)[np.asarray(hot.k_h_mpc) > 20.0] < 1e-3)


def test_suppression_starts_as_a_low_power_of_k():
    """1 - T ~ k^2 <u^2> s^2 with s growing until the mode enters: between k^2 and k^3."""
    k = np.arange(1.0, N_K + 1.0)
    deficit = 1.0 - np.asarray(spectra.transfer(decay_spectrum(mass_kev=5.0), k_h_mpc=k).t)
    assert np.all(deficit > 0.0)
    assert 2.0**2.0 < deficit[1] / deficit[0] < 2.0**3.0


def test_only_temperature_over_mass_matters():
    one = spectra.transfer(decay_spectrum(mass_kev=5.0, temperature_ratio=0.3)).t
    other = spectra.transfer(decay_spectrum(mass_kev=15.0, temperature_ratio=0.9)).t
    np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-12)


def test_stretching_q_against_temperature_changes_nothing():
    one = decay_spectrum()
    other = spectra.Spectrum(one.q * 3.0, one.f * 17.0, one.mass_kev, one.temperature_ratio / 3.0)
    np.testing.assert_allclose(
        spectra.transfer(one).t, spectra.transfer(other).t, rtol=1e-9, atol=1e-12
    )


@pytest.mark.parametrize("grid, n", [("log", 60), ("log", 4000), ("linear", 400), ("linear", 4000)])
def test_the_histogram_conserves_number_and_mean(grid, n):
    dm = decay_spectrum(n=n, grid=grid)
    drive = spectra.drive()
    number, fast = histogram(dm, velocity_grid(drive, spectra.Cosmology()))
    np.testing.assert_allclose(jnp.sum(number) + fast, 1.0, rtol=1e-12)
    u = np.exp(drive.ln_u_first + drive.dy * np.arange(number.shape[0]))
    unit = 0.33 * 2.7255 * 8.617333262e-8 / 7.0
    # <q> of q^-1/2 e^-q is 5/2; the sparse tables carry their own interpolation error
    np.testing.assert_allclose(jnp.sum(number * u) / unit, 2.5, rtol=2e-3 if n == 60 else 2e-4)


def test_a_line_narrower_than_the_grid():
    """A line's width does not matter once it is narrow: 1e-3 and 1e-2 of its momentum agree."""
    k = np.geomspace(1.0, 40.0, N_K)

    def line(width):
        q = 3.0 + 3.0 * width * np.linspace(-6.0, 6.0, 400)
        f = np.exp(-0.5 * ((q / 3.0 - 1.0) / width) ** 2) / q**2
        return spectra.transfer(spectra.Spectrum(q, f, 7.1, 0.75), k_h_mpc=k).t

    # the broader line is smeared by (X width)^2/2 = 5e-4 of T at the largest phase X of about 3
    np.testing.assert_allclose(line(1e-3), line(1e-2), atol=1.5e-3)
    np.testing.assert_allclose(line(1e-3), line(5e-4), atol=2e-5)


def test_cold_remainder_tends_to_cold_and_to_rescale():
    cosmology = spectra.Cosmology()
    dm = spectra.thermal_relic(2.0, cosmology)
    whole = spectra.transfer(dm, cosmology, composition="cold-remainder")
    np.testing.assert_allclose(whole.t, spectra.transfer(dm, cosmology).t, atol=1e-6)
    trace = spectra.Spectrum(dm.q, dm.f * 1e-6, dm.mass_kev, dm.temperature_ratio)
    np.testing.assert_allclose(
        spectra.transfer(trace, cosmology, composition="cold-remainder").t2, 1.0, atol=1e-4
    )


def test_chosen_wavenumbers_agree_with_the_default_ones():
    dm = spectra.thermal_relic(3.5)
    default = spectra.transfer(dm)
    index = np.linspace(0, 70, N_K).round().astype(int)
    subset = np.asarray(default.k_h_mpc)[index]
    chosen = spectra.transfer(dm, k_h_mpc=subset)
    np.testing.assert_allclose(chosen.t, default.t[index], atol=1e-9)


def test_jit_and_vmap_agree_with_eager():
    dm = spectra.thermal_relic(3.5)
    drive, k = spectra.drive(), np.geomspace(1.0, 100.0, N_K)

    def at(mass):
        return spectra.transfer(
            spectra.Spectrum(dm.q, dm.f, mass, dm.temperature_ratio), drive=drive, k_h_mpc=k
        )

    masses = jnp.array([2.0, 3.5, 8.0])
    batch = jax.jit(jax.vmap(at))(masses)
    np.testing.assert_allclose(batch.t[1], at(3.5).t, rtol=1e-9, atol=1e-12)
    assert batch.status.shape == (3,)


@pytest.mark.parametrize("k", [[0.004], [301.0], [np.nan], [[1.0]], []])
def test_wavenumbers_out_of_range_are_refused(k):
    with pytest.raises(ValueError, match="k_h_mpc"):
        spectra.transfer(spectra.thermal_relic(3.5), k_h_mpc=np.array(k, dtype=float))


@pytest.mark.slow
def test_a_foreign_cosmology_is_refused_or_flagged():
    dm = spectra.thermal_relic(3.5)
    with pytest.raises(ValueError, match="omega_b"):
        spectra.transfer(dm, spectra.Cosmology(omega_b=0.0235), spectra.drive())
    with pytest.raises(ValueError, match="traced"):
        jax.jit(lambda h: spectra.drive(spectra.Cosmology(h=h)).k_h_mpc)(0.7)
    # neither enters T^2
    assert spectra.drive(spectra.Cosmology(n_s=0.9, a_s=2.2e-9)) is spectra.drive()

    def status(omega_b):
        return spectra.transfer(dm, spectra.Cosmology(omega_b=omega_b), spectra.drive()).status

    assert jax.jit(status)(0.0235) == Status.COSMOLOGY_MISMATCH
    assert jax.jit(status)(0.02237) == Status.SUCCESS


def test_unknown_composition_and_too_much_dark_matter():
    dm = spectra.thermal_relic(3.5, omega_h2=0.2)
    with pytest.raises(ValueError, match="composition"):
        spectra.transfer(dm, composition="cold")
    with pytest.raises(ValueError, match="omega_h2"):
        spectra.transfer(dm, composition="cold-remainder")


def test_nothing_fast_is_taken_for_slow():
    """Shells at the upper edge of the response window have streamed away by today."""
    drive = at_wavenumbers(spectra.drive(), np.geomspace(100.0, 290.0, N_K))
    whole = int(np.floor(drive.ln_k_shift[-1]))
    edge = drive.window_start - whole + drive.response.shape[1]

    @jax.jit
    def last(number):
        return external_overdensity(*external_modes(number, drive), drive)[-1, -1]

    for node in range(edge - 5, edge + 3):
        overdensity = last(np.eye(drive.sinc.shape[0])[node])
        assert abs(overdensity) < 1e-3 * abs(drive.response_cold[-1, -1])


@pytest.mark.slow
@pytest.mark.parametrize("mass_kev", [0.5, 2.0, 20.0])
def test_half_the_time_nodes_change_little(mass_kev):
    """Converged in time: 1e-4 of T^2 down to 1e-3 with half the nodes, so far less with all."""
    drive = at_wavenumbers(spectra.drive(), np.geomspace(1.0, 100.0, N_K))
    dm = decay_spectrum(mass_kev=mass_kev)
    number, _ = histogram(dm, velocity_grid(drive, spectra.Cosmology()))

    @jax.jit
    def ratio(each):
        external = external_overdensity(*external_modes(number, each), each)
        today = overdensities(external, kernel_table(number, each), each)
        return total_matter(today[0][-1], today[1][-1], spectra.Cosmology()) / each.cold_today

    t2 = [np.asarray(ratio(each)) ** 2 for each in (drive, coarser(drive))]
    large = t2[0] > 1e-3
    np.testing.assert_allclose(t2[1][large], t2[0][large], rtol=1e-4)


def test_velocities_above_the_grid_are_flagged():
    # "never": the hierarchies have nothing to say of what is radiation today
    found = spectra.transfer(decay_spectrum(mass_kev=1e-5), hierarchies="never")
    assert found.status == Status.SPECTRUM_RELATIVISTIC


@pytest.mark.parametrize("n", [3, 5, 8, 20, 60])
def test_integration_weights_are_exact_for_polynomials(n):
    weights = integration_weights(n)
    x = np.arange(float(n))
    for power in range(min(n, 6)):
        for i in range(max(power, 1), n):
            np.testing.assert_allclose(
                weights[i] @ x**power, i ** (power + 1.0) / (power + 1.0), rtol=1e-9
            )
