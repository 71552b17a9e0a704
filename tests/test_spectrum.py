"""Spectra, their moments and abundances against closed forms."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import spectra
from spectra import cosmology as background
from spectra import spectrum as spectrum_module
from spectra.constants import CMB_TEMPERATURE_GEV, ENTROPY_DEGREES_OF_FREEDOM_TODAY
from spectra.numerics import integral_weights, interpolate


def power_exponential(power, nodes=400, low=1e-6, high=60.0):
    q = np.geomspace(low, high, nodes)
    return spectra.Spectrum(q, q**power * np.exp(-q), mass_kev=7.0, temperature_ratio=1.0)


@pytest.mark.analytic
def test_background_densities_of_planck_2018():
    cosmology = spectra.Cosmology()
    # eight printed digits of an independent evaluation with CODATA constants
    assert background.omega_matter(cosmology) == pytest.approx(0.3137721027, rel=1e-9)
    assert background.omega_photon(cosmology) == pytest.approx(5.450240009e-5, rel=1e-7)
    assert background.omega_radiation(cosmology) == pytest.approx(9.218070910e-5, rel=1e-7)
    assert background.equality_scale_factor(cosmology) == pytest.approx(2.937823609e-4, rel=1e-7)
    total = background.omega_matter(cosmology) / background.matter_density_msun_h(cosmology)
    assert 1.0 / total == pytest.approx(2.77536627e11, rel=1e-8)


@pytest.mark.analytic
@pytest.mark.parametrize("power, mean, square", [(0.0, 3.0, 12.0), (-0.5, 2.5, 8.75), (-1, 2, 6)])
def test_moments_with_integrable_heads(power, mean, square):
    dm = power_exponential(power)
    # spectral accuracy on an even grid; what is outside the table is below 1e-15
    assert spectrum_module.q_mean(dm) == pytest.approx(mean, rel=1e-12)
    assert spectrum_module.q_rms(dm) ** 2 == pytest.approx(square, rel=1e-12)


@pytest.mark.analytic
def test_moments_converge_to_fourth_order_on_an_uneven_grid():
    errors = []
    for nodes in (200, 400):
        q = np.geomspace(1e-4, 50.0, nodes)
        q = q * (1.0 + 0.3 * np.sin(7.0 * np.log(q)) / 7.0)
        dm = spectra.Spectrum(q, np.exp(-q), 1.0, 1.0)
        errors.append(abs(float(spectrum_module.q_mean(dm)) / 3.0 - 1.0))
    assert errors[1] < errors[0] / 10.0  # 16 for fourth order
    assert errors[1] < 1e-6


@pytest.mark.analytic
def test_moments_of_a_table_with_zeros():
    q = np.geomspace(1e-3, 10.0, 2001)
    dm = spectra.Spectrum(q, np.where(q < 1.0, 1.0, 0.0), 1.0, 1.0)
    # a step falls between nodes: first order in the spacing 0.0046
    assert spectrum_module.q_mean(dm) == pytest.approx(0.75, rel=5e-3)


@pytest.mark.analytic
def test_abundance_per_yield():
    dm = power_exponential(0.0)
    entropy = 2 * np.pi**2 / 45 * ENTROPY_DEGREES_OF_FREEDOM_TODAY * CMB_TEMPERATURE_GEV**3
    yield_n = spectrum_module.number_density_gev3(dm) / entropy
    # the four digits the convention is quoted with
    assert spectrum_module.omega_h2(dm) / (7.0 * yield_n) == pytest.approx(275.9, rel=2e-4)


@pytest.mark.invariants
@given(
    target=st.floats(1e-6, 1.0),
    scale=st.floats(1e-3, 1e3),
)
def test_abundance_rescaling(target, scale):
    dm = power_exponential(-0.5)
    dm = spectra.Spectrum(dm.q, dm.f * scale, dm.mass_kev, dm.temperature_ratio)
    rescaled = spectrum_module.with_omega_h2(dm, target)
    assert spectrum_module.omega_h2(rescaled) == pytest.approx(target, rel=1e-12)
    assert spectrum_module.q_mean(rescaled) == pytest.approx(2.5, rel=1e-10)


@pytest.mark.gradients
def test_moments_are_linear_in_f():
    dm = power_exponential(-0.5)
    gradient = jax.grad(lambda f: spectrum_module.moment(eqx.tree_at(lambda d: d.f, dm, f), 1.0))(
        dm.f
    )
    assert jnp.sum(gradient * dm.f) == pytest.approx(
        float(spectrum_module.moment(dm, 1.0)), rel=1e-12
    )


@pytest.mark.invariants
def test_works_under_vmap_and_jit():
    masses = jnp.asarray([1.0, 3.5, 7.0])
    ratios = jax.jit(jax.vmap(lambda m: spectra.thermal_relic(m).temperature_ratio))(masses)
    expected = [float(spectra.thermal_relic(m).temperature_ratio) for m in (1.0, 3.5, 7.0)]
    assert np.allclose(ratios, expected, rtol=1e-14)


BAD_SPECTRA = {
    "unsorted": (dict(q=[1, 3, 2, 4], f=[1, 1, 1, 1]), "entry 2"),
    "repeated": (dict(q=[1, 2, 2, 4], f=[1, 1, 1, 1]), "entry 2"),
    "negative q": (dict(q=[-1, 1, 2, 3], f=[1, 1, 1, 1]), "entry 0"),
    "zero q": (dict(q=[0, 1, 2, 3], f=[1, 1, 1, 1]), "entry 0"),
    "nan q": (dict(q=[1, np.nan, 2, 3], f=[1, 1, 1, 1]), "entry 1"),
    "negative f": (dict(q=[1, 2, 3, 4], f=[1, 1, -1, 1]), "entry 2"),
    "infinite f": (dict(q=[1, 2, 3, 4], f=[1, np.inf, 1, 1]), "entry 1"),
    "zero f": (dict(q=[1, 2, 3, 4], f=[0, 0, 0, 0]), "zero everywhere"),
    "too short": (dict(q=[1, 2], f=[1, 1]), "2 momentum nodes"),
    "shapes": (dict(q=[1, 2, 3, 4], f=[1, 1, 1]), "same length"),
    "mass": (dict(q=[1, 2, 3, 4], f=[1, 1, 1, 1], mass_kev=-1.0), "mass_kev"),
    "nan mass": (dict(q=[1, 2, 3, 4], f=[1, 1, 1, 1], mass_kev=np.nan), "mass_kev"),
    "temperature": (dict(q=[1, 2, 3, 4], f=[1, 1, 1, 1], temperature_ratio=0.0), "temperature"),
}


@pytest.mark.invariants
@pytest.mark.parametrize("case", BAD_SPECTRA)
def test_bad_spectra_are_named(case):
    fields, words = BAD_SPECTRA[case]
    with pytest.raises(ValueError, match=words):
        spectra.Spectrum(**{"mass_kev": 1.0, "temperature_ratio": 1.0, **fields})


@pytest.mark.invariants
@pytest.mark.parametrize("name", ["h", "omega_b", "omega_dm", "t_cmb_kelvin", "n_eff", "y_he"])
@pytest.mark.parametrize("value", [-1.0, np.nan, np.inf])
def test_bad_cosmologies_are_named(name, value):
    with pytest.raises(ValueError, match=f"cosmology {name}"):
        spectra.Cosmology(**{name: value})


@pytest.mark.analytic
def test_numerics_are_exact_for_parabolas_on_uneven_grids():
    x = jnp.asarray(np.sort(np.random.default_rng(1).uniform(0.0, 3.0, 30)))
    y = 2.0 - x + 0.7 * x**2
    primitive = 2.0 * x - x**2 / 2 + 0.7 * x**3 / 3
    assert jnp.sum(integral_weights(x) * y) == pytest.approx(float(primitive[-1] - primitive[0]))
    middle = 0.5 * (x[1:] + x[:-1])
    assert np.allclose(interpolate(middle, x, y), 2.0 - middle + 0.7 * middle**2, atol=1e-10)
