"""Mixing beside an extra fluid or after a low reheating temperature: limits and closed forms."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sterile
from sterile.bath import expansion
from sterile.mixing import nonresonant, write_rates
from sterile.mixing.opacities import width
from sterile.mixing.potentials import FERMI_GEV2, thermal_potential

G = 10.75
EMPTY = sterile.Plasma(fluid_w=1.0, fluid_density_ratio=0.0, fluid_temperature_gev=1.0)
# what decays has decayed before mixing begins at 100 GeV: what is left of it is e^-1000
LONG_AGO = sterile.Plasma(reheating_temperature_gev=3e3)
MIXED = {
    "dodelson-widrow": sterile.DodelsonWidrow(7.1, 1e-9),
    "shi-fuller": sterile.ShiFuller(7.1, 4e-11, lepton_asymmetry=1e-3),
}


@pytest.mark.golden
@pytest.mark.parametrize(
    "kind", ["dodelson-widrow", pytest.param("shi-fuller", marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("plasma", [EMPTY, LONG_AGO], ids=["empty", "long ago"])
def test_a_fluid_that_is_not_there_changes_nothing(kind, plasma):
    usual, found = sterile.solve(MIXED[kind]), sterile.solve(MIXED[kind], plasma)
    # issue: 1e-12. Rounding, which resonances multiply; beside it, of what decayed long ago, six
    # points between the nodes of the rates, 4e-12
    tolerance = 1e-12 if plasma is EMPTY else 2e-11
    for name in ("yield_n", "q_mean", "q_rms"):
        np.testing.assert_allclose(getattr(found, name), getattr(usual, name), rtol=tolerance)
    # below 1e-8 of its peak f is what little is left of differences between sides of a cell
    least = 1e-8 * tolerance * float(np.max(usual.f))
    np.testing.assert_allclose(found.f, usual.f, rtol=tolerance, atol=least)


@pytest.mark.golden
def test_nor_what_was_there_before_mixing():
    before = sterile.solve(sterile.ThermalRelic(7.1, temperature_ratio=0.1))
    usual, found = (
        sterile.mixing.on_spectrum(MIXED["dodelson-widrow"], before, plasma)
        for plasma in (None, EMPTY)
    )
    np.testing.assert_allclose(found.f, usual.f, rtol=1e-12)
    assert found.plasma is EMPTY


@pytest.mark.analytic
def test_under_kination_less_is_made_as_the_root_of_the_density():
    weak = sterile.DodelsonWidrow(7.1, 1e-13)

    def made(ratio):
        fluid = sterile.Plasma(fluid_w=1.0, fluid_density_ratio=ratio, fluid_temperature_gev=1e-3)
        return float(sterile.solve(weak, fluid).yield_n)

    # f ~ 1/H; 1e-10: the plasma's own density at 1 MeV, and 1e-8 of equilibrium
    assert made(1e10) / made(4e10) == pytest.approx(2.0, rel=1e-6)


@pytest.fixture(scope="module")
def constant(tmp_path_factory):
    """Rates of Gamma = G_F^2 p T^4, and a mass at which the plasma's potential is nothing."""
    t, y = np.geomspace(5e-4, 200.0, 40), np.geomspace(1e-4, 1e3, 40)
    path = tmp_path_factory.mktemp("rates") / "rates.csv"
    write_rates(path, t, y, FERMI_GEV2**2 * y * t[:, None] ** 4)
    return sterile.DodelsonWidrow(100.0, 1e-14, "e", rates_table=path)


def low(reheating) -> sterile.Plasma:
    return sterile.Plasma(reheating_temperature_gev=reheating, constant_g=G)


@pytest.mark.analytic
def test_low_reheating_goes_as_the_cube_of_its_temperature(constant):
    # Gamma/H ~ T^3 below T_RH, and dilution wins above: astro-ph/0403323. Y = A T_RH^3 - B with the
    # same B, what would be made below 1 MeV
    yields = [float(sterile.solve(constant, low(t)).yield_n) for t in (0.005, 0.01, 0.02)]
    ratio = (yields[2] - yields[1]) / (yields[1] - yields[0])
    # 2e-6: what is left of the matter at 1 MeV, and the plasma's potential at 40 MeV
    assert ratio == pytest.approx(8.0, rel=1e-5)


@pytest.mark.analytic
@pytest.mark.parametrize("reheating", [0.02, 0.3])
def test_low_reheating_against_its_integral(reheating):
    """f = integral of P f_a dt at fixed q, over the tabulated history, with the built-in rates."""
    model = sterile.DodelsonWidrow(7.1, 1e-12)
    plasma = expansion.tabulated(sterile.Plasma(reheating_temperature_gev=reheating))
    found = sterile.solve(model, sterile.Plasma(reheating_temperature_gev=reheating))
    t = np.geomspace(nonresonant.START_GEV, nonresonant.END_GEV, 6001)
    c = np.asarray(expansion.comoving_temperature_gev(t, plasma))
    hubble = np.asarray(expansion.hubble_gev(t, plasma))
    chosen = np.searchsorted(np.asarray(found.q), [0.3, 1.0, 3.0, 8.0])
    y = np.asarray(found.q)[chosen] * (c / t)[:, None]
    rate = width(t, y, "mu") * t[:, None]
    split = (7.1e-6) ** 2 / (2.0 * y * t[:, None])
    potential = thermal_potential(t, "mu")[:, None] * y / (2.0 * t[:, None])
    probability = 0.25 * rate * split**2 * 1e-12
    probability /= (
        split**2 * 1e-12 + 0.25 * rate**2 + (split * math.sqrt(1.0 - 1e-12) + potential) ** 2
    )
    integrand = probability / (np.exp(np.minimum(y, 700.0)) + 1.0) / hubble[:, None]
    expected = 2.0 * np.trapezoid(integrand, -np.log(c), axis=0)
    # steps of 0.03 in ln T, at their middle
    np.testing.assert_allclose(np.asarray(found.f)[chosen], expected, rtol=3e-4)


@pytest.mark.slow
@pytest.mark.invariants
def test_an_asymmetry_is_diluted_by_entropy():
    # mixing so little that it keeps the asymmetry; g constant, so that n_L/T^3 ~ (c/T)^3
    model = sterile.ShiFuller(7.1, 1e-16, lepton_asymmetry=1e-2)
    plasma = sterile.Plasma(reheating_temperature_gev=3.0, constant_g=G)
    found = sterile.solve(model, plasma)
    t = np.asarray(found.history.temperature_gev)
    ratio = np.asarray(expansion.comoving_temperature_gev(t, expansion.tabulated(plasma))) / t
    asymmetry = np.asarray(found.history.lepton_asymmetry)[:, 1]
    # splines in ln T miss 1e-6 of what they go through; rounding of a small change beside
    np.testing.assert_allclose(asymmetry, 1e-2 * (ratio / ratio[0]) ** 3, rtol=1e-5)
    assert asymmetry[-1] < 1e-3


@pytest.mark.slow
@pytest.mark.invariants
def test_what_resonances_make_is_what_the_asymmetry_loses():
    fluid = sterile.Plasma(fluid_w=1.0, fluid_density_ratio=1.0, fluid_temperature_gev=0.03)
    for plasma in (fluid, sterile.Plasma(reheating_temperature_gev=5.0)):
        found = sterile.solve(MIXED["shi-fuller"], plasma)
        assert int(found.status) == 0
        # rounding: both are one sum
        assert abs(float(found.imbalance)) < 1e-12
        assert 0.0 < float(found.asymmetry_left) < 1.0


@pytest.mark.gradients
def test_derivatives_by_the_reheating_temperature(constant):
    def log_yield(log_t):
        plasma = sterile.Plasma(reheating_temperature_gev=jnp.exp(log_t), constant_g=G)
        return jnp.log(sterile.solve(constant, plasma).yield_n)

    at, h = math.log(0.02), 1e-3
    difference = (log_yield(at + h) - log_yield(at - h)) / (2.0 * h)
    slope = float(jax.grad(log_yield)(at))
    # central differences of a power: h^2
    assert slope == pytest.approx(float(difference), rel=1e-5)
    # T_RH^3, and what is left out below 1 MeV
    assert slope == pytest.approx(3.0, rel=1e-3)


@pytest.mark.slow
@pytest.mark.invariants
def test_scalar_decay_and_mixing_after_low_reheating():
    """Made twice in one expansion: what the two make alone adds up where mixing is little."""
    low = sterile.Plasma(reheating_temperature_gev=23.0)
    decay = sterile.solve(sterile.ScalarDecay(100.0, 1e-6, 1e-8), low)
    mixing = sterile.solve(sterile.DodelsonWidrow(7.0, 1e-11), low)
    both = sterile.solve(sterile.ScalarDecayMixing(100.0, 1e-6, 1e-8, 7.0, 1e-11), low)
    assert int(both.status) == 0
    # what is taken back is 1e-5; three tables of momenta
    expected = float(decay.yield_n + mixing.yield_n)
    assert float(both.yield_n) == pytest.approx(expected, rel=3e-5)


@pytest.mark.invariants
def test_a_table_of_degrees_of_freedom_is_refused_beside_it(tmp_path):
    path = tmp_path / "g.dat"
    np.savetxt(path, np.c_[np.geomspace(1.0, 1e5, 20), [10.75] * 20, [10.75] * 20])
    with pytest.raises(ValueError, match=r"gstar_table must not stand beside .*; remove one"):
        sterile.solve(sterile.DodelsonWidrow(7.1, 1e-9, gstar_table=path), EMPTY)
