"""Widths and reduced cross sections: golden numbers, limits, gradients through thresholds."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import quad

from spectra.constants import HIGGS_MASS_GEV, HIGGS_VEV_GEV, HIGGS_WIDTH_GEV
from sterile.scalar import amplitudes, collisions

# W_X/lambda^2 from an independent implementation (scalar reference calculation), lambda = 1e-8
# where the t and u channels of hh do not matter. m_S = 30 uses the reference's own off-shell
# propagator, the others a Breit-Wigner with 4.1 MeV. 7 digits, hence the tolerance 1e-6.
GOLDEN = [
    # m_S, sqrt(s), {channel: W/lambda^2}
    (
        100.0,
        201.0,
        {
            "WW": 0.6814212,
            "ZZ": 0.2449953,
            "bb": 0.004403336,
            "cc": 0.0004074371,
            "ss": 2.204197e-06,
            "tautau": 0.00026579,
            "mumu": 9.402427e-07,
        },
    ),
    (
        100.0,
        250.0,
        {
            "WW": 0.6211602,
            "ZZ": 0.2639909,
            "bb": 0.001900258,
            "cc": 0.0001756827,
            "ss": 9.503471e-07,
            "tautau": 0.0001146152,
            "mumu": 4.05389e-07,
        },
    ),
    (
        100.0,
        260.0,
        {
            "WW": 0.6170852,
            "ZZ": 0.2652673,
            "bb": 0.001671529,
            "cc": 0.0001545185,
            "ss": 8.358506e-07,
            "tautau": 0.0001008089,
            "mumu": 3.565483e-07,
            "hh": 0.3099171,
        },
    ),
    (
        100.0,
        400.0,
        {
            "WW": 0.6148512,
            "ZZ": 0.2871344,
            "tt": 0.112285,
            "bb": 0.0005124031,
            "cc": 4.732875e-05,
            "ss": 2.559985e-07,
            "tautau": 3.088002e-05,
            "mumu": 1.092011e-07,
            "hh": 0.4364131,
        },
    ),
    (
        100.0,
        1000.0,
        {
            "WW": 0.6320927,
            "ZZ": 0.3125509,
            "tt": 0.09718321,
            "bb": 6.887672e-05,
            "cc": 6.358705e-06,
            "ss": 3.439214e-08,
            "tautau": 4.14899e-06,
            "mumu": 1.467064e-08,
            "hh": 0.3383336,
        },
    ),
    (
        100.0,
        5000.0,
        {
            "WW": 0.6364319,
            "ZZ": 0.3180743,
            "tt": 0.004530072,
            "bb": 2.672928e-06,
            "cc": 2.467424e-07,
            "ss": 1.334536e-09,
            "tautau": 1.609983e-07,
            "mumu": 5.692724e-10,
            "hh": 0.319109,
        },
    ),
    (
        65.0,
        131.0,
        {
            "bb": 0.5243298,
            "cc": 0.0486713,
            "ss": 0.0002633922,
            "tautau": 0.03174067,
            "mumu": 0.000112355,
        },
    ),
    (
        65.0,
        170.0,
        {
            "WW": 0.6988737,
            "bb": 0.01100876,
            "cc": 0.001019589,
            "ss": 5.516407e-06,
            "tautau": 0.0006650645,
            "mumu": 2.35313e-06,
        },
    ),
    (
        65.0,
        300.0,
        {
            "WW": 0.6107626,
            "ZZ": 0.2716811,
            "bb": 0.001086419,
            "cc": 0.0001003949,
            "ss": 5.430557e-07,
            "tautau": 6.55005e-05,
            "mumu": 2.316509e-07,
            "hh": 0.4672469,
        },
    ),
    (
        30.0,
        61.0,
        {
            "bb": 0.00168524,
            "cc": 0.0001596387,
            "ss": 8.65663e-07,
            "tautau": 0.0001039039,
            "mumu": 3.69264e-07,
        },
    ),
    (
        30.0,
        100.0,
        {
            "bb": 0.0203967,
            "cc": 0.001900918,
            "ss": 1.029124e-05,
            "tautau": 0.001239191,
            "mumu": 4.389923e-06,
        },
    ),
    (
        30.0,
        200.0,
        {
            "WW": 0.6837391,
            "ZZ": 0.2429716,
            "bb": 0.004504283,
            "cc": 0.0004167875,
            "ss": 2.254787e-06,
            "tautau": 0.0002718891,
            "mumu": 9.618229e-07,
        },
    ),
]
COUPLING = 1e-8


def _propagator(s, scalar_mass):
    if scalar_mass < HIGGS_MASS_GEV / 2.0:
        x, gamma = s - HIGGS_MASS_GEV**2, 100.0
        squared = (x**2 - gamma**2) / (x**2 + gamma**2) ** 2
        return amplitudes.Propagator(squared, x / (x**2 + gamma**2))
    return amplitudes.breit_wigner(s, HIGGS_WIDTH_GEV)


@pytest.mark.golden
@pytest.mark.parametrize("scalar_mass, energy, expected", GOLDEN)
def test_reduced_cross_sections(scalar_mass, energy, expected):
    s = energy**2
    channels = amplitudes.w_hat_channels(s, scalar_mass, COUPLING, _propagator(s, scalar_mass))
    assert set(channels) == set(amplitudes.THRESHOLDS_GEV)
    for name, value in channels.items():
        assert float(value) / COUPLING**2 == pytest.approx(expected.get(name, 0.0), rel=1e-6)


@pytest.mark.golden
def test_widths():
    # production reference: 6.76209e-17 GeV and 4.94e-3 GeV
    width = float(amplitudes.higgs_decay_width_gev(30.0, 1e-9))
    assert width == pytest.approx(6.76209e-17, rel=1e-6)
    assert float(amplitudes.higgs_width_included_gev()) == pytest.approx(4.94e-3, rel=1e-3)
    assert float(amplitudes.higgs_decay_width_gev(63.0, 1e-9)) == 0.0
    width = float(amplitudes.scalar_decay_width_gev(500.0, 1e-9))
    assert width == pytest.approx(9.94718394324346e-18, rel=1e-14)


@pytest.mark.analytic
def test_included_width_is_the_sum_of_tree_level_fermion_widths():
    total = 0.0
    for mass, colours in amplitudes.FERMIONS.values():
        beta = np.sqrt(max(0.0, 1.0 - 4.0 * mass**2 / HIGGS_MASS_GEV**2))
        total += colours * mass**2 * HIGGS_MASS_GEV * beta**3 / (8.0 * np.pi * HIGGS_VEV_GEV**2)
    assert float(amplitudes.higgs_width_included_gev()) == pytest.approx(total, rel=1e-13)


@pytest.mark.analytic
@pytest.mark.parametrize("energy, ratio", [(1e3, 1.0840), (1e4, 1.00097), (1e5, 1.0000097)])
def test_goldstone_equivalence(energy, ratio):
    # the broken phase becomes four massless scalars; ratios quoted with the digits shown
    s = energy**2
    total = amplitudes.w_hat(s, 100.0, COUPLING, amplitudes.breit_wigner(s, HIGGS_WIDTH_GEV))
    measured = float(total / amplitudes.w_hat_contact(COUPLING))
    assert measured - 1.0 == pytest.approx(ratio - 1.0, rel=6e-3)


@pytest.mark.analytic
@pytest.mark.parametrize("scalar_mass, energy", [(100.0, 260.0), (30.0, 251.0), (500.0, 1000.0001)])
@pytest.mark.parametrize("coupling", [1e-8, 1e-2, 0.5])
def test_higgs_pairs_against_angular_quadrature(scalar_mass, energy, coupling):
    s, width = energy**2, HIGGS_WIDTH_GEV
    propagator = 1.0 / (s - HIGGS_MASS_GEV**2 + 1j * HIGGS_MASS_GEV * width)
    beta_s = np.sqrt(1.0 - 4.0 * scalar_mass**2 / s)
    beta_h = np.sqrt(1.0 - 4.0 * HIGGS_MASS_GEV**2 / s)

    def squared(cosine):
        a, b = s / 2.0 - HIGGS_MASS_GEV**2, s / 2.0 * beta_s * beta_h * cosine
        exchange = -1.0 / (a - b) - 1.0 / (a + b)
        amplitude = 1.0 + 3.0 * HIGGS_MASS_GEV**2 * propagator
        amplitude += 4.0 * coupling * HIGGS_VEV_GEV**2 * exchange
        return abs(4.0 * coupling * amplitude) ** 2

    expected = 0.5 * quad(squared, 0.0, 1.0, epsrel=1e-12)[0] * beta_h / (8.0 * np.pi)
    channels = amplitudes.w_hat_channels(
        s, scalar_mass, coupling, amplitudes.breit_wigner(s, width)
    )
    assert float(channels["hh"]) == pytest.approx(expected, rel=1e-10)


@pytest.mark.analytic
def test_off_shell_propagator_removes_the_resonance():
    # primitive of (x^4 + 3 x^2 g^2 - 2 g^4)/(x^2 + g^2)^3 is -x (x^2 + 2 g^2)/(x^2 + g^2)^2, which
    # vanishes at both ends: checked here between finite ones
    length, gamma = 5e3, 100.0

    def integrand(x):
        return float(amplitudes.off_shell_squared(HIGGS_MASS_GEV**2 + x, gamma))

    total = quad(integrand, -length, length, points=[-gamma, 0.0, gamma], limit=200)[0]
    exact = -2.0 * length * (length**2 + 2.0 * gamma**2) / (length**2 + gamma**2) ** 2
    assert total == pytest.approx(exact, rel=1e-6)


@pytest.mark.analytic
def test_off_shell_and_breit_wigner_agree_far_away():
    # 5 (gamma/x)^4 and (m_h Gamma/x)^2 at x = 200^2 - m_h^2 = 24312: 1.4e-9 and 4e-10
    s = 200.0**2
    full = amplitudes.breit_wigner(s, HIGGS_WIDTH_GEV).squared
    assert float(amplitudes.off_shell_squared(s, 100.0) / full) == pytest.approx(1.0, abs=3e-9)


@pytest.mark.analytic
def test_principal_part_beside_a_delta_function():
    # -d/dx of (1 - (1 - 2u^2) e^(-u^2))/x: over an even test function of scale L its integral is
    # that of the principal part of 1/x^2 to (g/L)^4
    gamma, scale = 400.0, 4000.0

    def integrand(x):
        bell = np.exp(-((x / scale) ** 2))
        return float(amplitudes.principal_part_squared(HIGGS_MASS_GEV**2 + x, gamma)) * bell

    found = 2.0 * quad(integrand, 0.0, 8.0 * scale, points=[gamma, 4.0 * gamma], limit=200)[0]
    # f.p. integral of e^(-x^2/L^2)/x^2 = -2 sqrt(pi)/L; (g/L)^4 = 1e-4, times 3/8 of its moments
    assert found == pytest.approx(-2.0 * np.sqrt(np.pi) / scale, rel=1e-3)
    # slow pairs see 1/x^2: e^(-25)
    far = amplitudes.principal_part_squared(HIGGS_MASS_GEV**2 - 5.0 * gamma, gamma)
    assert float(far) == pytest.approx(1.0 / (5.0 * gamma) ** 2, rel=2e-9)
    # smooth where it is the limit of 0/0
    at = HIGGS_MASS_GEV**2 + gamma * np.array([-1e-5, -1e-7, 0.0, 1e-7, 1e-5])
    np.testing.assert_allclose(
        amplitudes.principal_part_squared(at, gamma), -3.0 / gamma**2, rtol=1e-8
    )
    slope = jax.grad(lambda s: amplitudes.principal_part_squared(s, gamma))
    assert float(slope(HIGGS_MASS_GEV**2)) == 0.0


@pytest.mark.analytic
@pytest.mark.parametrize("scalar_mass", [150.0, 100.0, 20.0])
def test_table_of_omega_against_quadrature(scalar_mass):
    # from below the lowest threshold to far above the highest, where Omega grows like s
    resonance = "narrow" if scalar_mass < 61.0 else "none"
    threshold = 4.0 * scalar_mass**2
    mass, coupling = jnp.asarray(scalar_mass), jnp.asarray(1e-9)
    s_max = jnp.asarray(1e5 * threshold)
    table = collisions.cross_section_table(mass, coupling, s_max, resonance)
    node, weight = np.polynomial.legendre.leggauss(40)
    heavy = [4.0 * m**2 for m in (80.379, 91.1876, 125.25, 172.7)]
    around = [HIGGS_MASS_GEV**2 + side * 2e3 for side in (-2.0, -1.0, 0.0, 1.0, 2.0)]
    edges = [e for e in (threshold, *around, *heavy) if e >= threshold]

    def exact(s):
        ends = np.log([*(e for e in edges if e < s), s])
        # squares: channels open like square roots
        u = (np.arange(16)[:, None] + 0.5 * (node + 1.0)).ravel() / 16.0
        du = np.tile(0.5 * weight, 16) / 16.0
        log_s = ends[:-1, None] + np.diff(ends)[:, None] * u**2
        ds = np.exp(log_s) * np.diff(ends)[:, None] * 2.0 * u * du
        w = collisions.w_hat_smooth(np.exp(log_s), mass, coupling, resonance)
        return float(np.sum(np.asarray(w) * ds))

    ratios = np.array([1.01, 1.3, 2.0, 5.0, 10.0, 30.0, 100.0, 1e3, 1e4])
    found = np.asarray(collisions.omega_above(table, jnp.asarray(ratios - 1.0)))
    expected = np.array([exact(ratio * threshold) for ratio in ratios])
    # a cubic across cells of up to 0.3 in ln s, of what is left of Omega/s
    if resonance == "none":
        np.testing.assert_allclose(found, expected, rtol=1e-6)
    else:
        # the resonance, m_h^2 = 9.8 4m_S^2, is resolved to 1e-4 of what is left of it, which is
        # 1e-3 of the decay
        assert np.abs(found - expected)[:5].max() < 2e-4 * np.abs(expected[:5]).max()
        np.testing.assert_allclose(found[5:], expected[5:], rtol=1e-6)


@pytest.mark.gradients
def test_gradients_are_finite_at_every_threshold():
    def total(s, scalar_mass, log_coupling):
        propagator = amplitudes.breit_wigner(s, HIGGS_WIDTH_GEV)
        return amplitudes.w_hat(s, scalar_mass, jnp.exp(log_coupling), propagator)

    for threshold in amplitudes.THRESHOLDS_GEV.values():
        for shift in (-1e-9, 0.0, 1e-9):
            s = threshold**2 * (1.0 + shift)
            gradient = jax.grad(total, argnums=(0, 1, 2))(s, 0.45 * threshold, -5.0)
            assert all(np.isfinite(g) for g in gradient)

    def at_rest(mass):
        return total(4.0 * mass**2, mass, -5.0)

    for mass in (63.0, 80.379, 91.1876, 125.25, 172.7):
        assert np.isfinite(jax.grad(at_rest)(mass))
    closed = jax.grad(amplitudes.higgs_decay_width_gev)
    assert float(closed(HIGGS_MASS_GEV / 2.0, 1e-3)) == 0.0
    assert float(closed(63.0, 1e-3)) == 0.0


@pytest.mark.gradients
@pytest.mark.parametrize("scalar_mass", [5.0, 30.0, 65.0, 100.0, 500.0])
@pytest.mark.parametrize("coupling", [1e-8, 1e-2])
def test_gradients_match_differences(scalar_mass, coupling):
    s_over_threshold = 1.7

    def total(parameters):
        mass, coupling = jnp.exp(parameters)
        s = 4.0 * mass**2 * s_over_threshold + 300.0**2
        return jnp.log(amplitudes.w_hat(s, mass, coupling, _propagator(s, scalar_mass)))

    point = jnp.log(jnp.array([scalar_mass, coupling]))
    reverse, forward = jax.jacrev(total)(point), jax.jacfwd(total)(point)
    step = 1e-4
    difference = [
        (total(point + step * e) - total(point - step * e)) / (2.0 * step) for e in np.eye(2)
    ]
    np.testing.assert_allclose(reverse, forward, rtol=1e-12, atol=1e-14)
    # central differences at 1e-4: truncation step^2 times third derivatives of order ten
    np.testing.assert_allclose(reverse, difference, rtol=1e-6, atol=1e-7)
