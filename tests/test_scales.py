"""Half-mode and free-streaming against closed forms and an independent quadrature."""

import csv
from pathlib import Path
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import spectra
from spectra.status import Status
from spectra.structure.scales import has_several_scales, warm_equivalent_mass_kev

GOLDEN = Path(__file__).parent / "golden" / "scales"
K = jnp.geomspace(0.1, 300.0, 71)
VIEL_SHAPE = (2.24, -5.0 / 1.12)


def cut_off(alpha, k=K, shape=VIEL_SHAPE):
    beta, gamma = shape
    return SimpleNamespace(k_h_mpc=k, t=(1.0 + (alpha * k) ** beta) ** gamma)


def exact(alpha, t2, shape=VIEL_SHAPE):
    beta, gamma = shape
    return (t2 ** (1.0 / (2.0 * gamma)) - 1.0) ** (1.0 / beta) / alpha


# a third to a half of a node spacing away from nodes and on both sides of the range
@pytest.mark.analytic
@pytest.mark.parametrize("alpha", [0.3, 0.0212, 0.0117, 0.004])
def test_half_mode_of_a_closed_form(alpha):
    half = spectra.half_mode(cut_off(alpha))
    # sixth-order interpolation with 71 nodes over 8 e-folds: a few times 0.114^6
    assert half.k_t2_half_h_mpc == pytest.approx(exact(alpha, 0.5), rel=1e-5)
    assert half.k_t_half_h_mpc == pytest.approx(exact(alpha, 0.25), rel=1e-5)
    assert int(half.status_t2) == int(half.status_t) == Status.SUCCESS


@pytest.mark.analytic
def test_half_mode_interpolation_is_of_sixth_order():
    def error(nodes):
        half = spectra.half_mode(cut_off(0.0212, jnp.geomspace(0.1, 300.0, nodes)))
        return abs(float(half.k_t_half_h_mpc) / exact(0.0212, 0.25) - 1.0)

    assert error(400) < 1e-9
    assert error(400) < error(100) / 400.0  # 4^6 = 4096 up to where the node falls


@pytest.mark.analytic
def test_half_mode_mass():
    # independent value for the Viel shape at 2.05 keV, Planck 2018
    half = spectra.half_mode(cut_off(2.1206465975e-02, jnp.geomspace(0.1, 300.0, 400)))
    assert half.m_hm_t_half_msun_h == pytest.approx(1.1763129270e09, rel=1e-6)


@pytest.mark.invariants
def test_order_of_k_does_not_matter():
    curve = cut_off(0.0212)
    order = np.random.default_rng(3).permutation(K.shape[0])
    shuffled = SimpleNamespace(k_h_mpc=curve.k_h_mpc[order], t=curve.t[order])
    first, second = spectra.half_mode(curve), spectra.half_mode(shuffled)
    assert first.k_t2_half_h_mpc == second.k_t2_half_h_mpc


@pytest.mark.invariants
def test_the_smallest_crossing_counts():
    t = jnp.cos(K / 20.0)  # oscillates through zero
    half = spectra.half_mode(SimpleNamespace(k_h_mpc=K, t=t))
    assert half.k_t2_half_h_mpc == pytest.approx(20.0 * np.pi / 4.0, rel=1e-3)
    assert half.k_t_half_h_mpc == pytest.approx(20.0 * np.pi / 3.0, rel=1e-3)


@pytest.mark.invariants
@pytest.mark.parametrize(
    "t, status",
    [
        (jnp.ones_like(K), Status.HALF_MODE_ABOVE_RANGE),
        (jnp.zeros_like(K), Status.HALF_MODE_BELOW_RANGE),
        (jnp.full_like(K, jnp.nan), Status.NON_FINITE),
    ],
)
def test_no_crossing_is_nan_with_a_status_and_zero_derivative(t, status):
    half = spectra.half_mode(SimpleNamespace(k_h_mpc=K, t=t))
    assert np.isnan(half.k_t2_half_h_mpc) and np.isnan(half.m_hm_t_half_msun_h)
    assert int(half.status_t2) == int(half.status_t) == status
    if status is not Status.NON_FINITE:
        slope = jax.grad(
            lambda t: spectra.half_mode(SimpleNamespace(k_h_mpc=K, t=t)).k_t2_half_h_mpc
        )(t)
        assert np.all(slope == 0.0)


@pytest.mark.invariants
def test_too_few_wavenumbers():
    with pytest.raises(ValueError, match="at least 4"):
        spectra.half_mode(SimpleNamespace(k_h_mpc=K[:3], t=K[:3]))


@pytest.mark.gradients
def test_half_mode_derivative():
    def ln_k(ln_alpha):
        return jnp.log(spectra.half_mode(cut_off(jnp.exp(ln_alpha))).k_t2_half_h_mpc)

    at = float(np.log(0.0212))
    step = 1e-4
    difference = (ln_k(at + step) - ln_k(at - step)) / (2.0 * step)
    reverse, forward = jax.grad(ln_k)(at), jax.jvp(ln_k, (at,), (1.0,))[1]
    # step^2 of the difference; forward and reverse to rounding
    assert reverse == pytest.approx(float(difference), abs=1e-6)
    assert reverse == pytest.approx(float(forward), abs=1e-12)
    assert reverse == pytest.approx(-1.0, abs=1e-4)  # exactly -1 without interpolation error


def golden_spectra():
    with open(GOLDEN / "lambda_fs.csv") as file:
        rows = list(csv.DictReader(line for line in file if not line.startswith("#")))
    q = np.geomspace(1e-6, 60.0, 600)
    for row in rows:
        head = "q-1/2" in row["spectrum"]
        f = q**-0.5 * np.exp(-q) if head else 1.0 / (np.exp(q) + 1.0)
        yield (
            row["spectrum"] + row["m_keV"],
            spectra.Spectrum(q, f, float(row["m_keV"]), float(row["Tratio"])),
            float(row["lambda_mean_v"]),
        )


@pytest.mark.golden
def test_free_streaming_against_an_independent_quadrature():
    for name, dm, expected in golden_spectra():
        # the reference prints eight digits; required is 1e-5
        assert spectra.free_streaming(dm) == pytest.approx(expected, rel=1e-7), name


@pytest.mark.golden
def test_three_definitions_of_free_streaming():
    with open(GOLDEN / "lambda_fs.csv") as file:
        rows = list(csv.DictReader(line for line in file if not line.startswith("#")))
    expected = {row["spectrum"] + row["m_keV"]: row for row in rows}
    for name, dm, _ in golden_spectra():
        for velocity, column in (
            ("of-mean", "lambda_v_of_mean_p"),
            ("of-rms", "lambda_v_of_rms_p"),
        ):
            found = spectra.free_streaming(dm, velocity=velocity)
            assert found == pytest.approx(float(expected[name][column]), rel=1e-7), name
    with pytest.raises(ValueError, match="of-rms"):
        spectra.free_streaming(dm, velocity="rms")


@pytest.mark.golden
def test_warmness_map():
    # freeze-in by two-body decay against thermal relics; independent numbers to four digits
    q = np.geomspace(1e-6, 60.0, 600)
    for thermal, mass in ((3.5, 9.064), (5.3, 15.76), (6.5, 20.69)):
        decay = spectra.Spectrum(q, q**-0.5 * np.exp(-q), mass, 0.3321005727)
        assert warm_equivalent_mass_kev(decay) == pytest.approx(thermal, rel=3e-4)
    assert not has_several_scales(decay)
    two = spectra.Spectrum(q, np.exp(-q) / q + 1e-3 * np.exp(-q / 5.0), 7.0, 0.33)
    assert has_several_scales(two)


@pytest.mark.analytic
def test_free_streaming_scales_with_temperature_over_mass():
    relic = spectra.thermal_relic(3.5)
    scaled = spectra.Spectrum(relic.q, relic.f, 35.0, 10.0 * relic.temperature_ratio)
    assert spectra.free_streaming(scaled) == pytest.approx(
        float(spectra.free_streaming(relic)), rel=1e-13
    )


@pytest.mark.gradients
def test_free_streaming_derivative():
    def ln_lambda(ln_mass):
        relic = spectra.thermal_relic(3.5)
        dm = spectra.Spectrum(relic.q, relic.f, jnp.exp(ln_mass), relic.temperature_ratio)
        return jnp.log(spectra.free_streaming(dm))

    at, step = float(np.log(3.5)), 1e-4
    difference = (ln_lambda(at + step) - ln_lambda(at - step)) / (2.0 * step)
    assert jax.grad(ln_lambda)(at) == pytest.approx(float(difference), abs=1e-7)


@pytest.mark.analytic
@pytest.mark.parametrize(
    "value, label", [(0.0, "cold"), (0.009, "cold"), (0.01, "warm"), (0.1, "warm"), (0.11, "hot")]
)
def test_labels(value, label):
    assert spectra.free_streaming_class(value) == label


def test_label_of_nan():
    with pytest.raises(ValueError, match="lambda_fs_mpc"):
        spectra.free_streaming_class(float("nan"))
