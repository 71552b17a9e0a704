"""Relics, diluted freeze-out with its entropy release, spectra from files: against closed forms."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import spectra
import sterile
from spectra.constants import REDUCED_PLANCK_MASS_GEV
from spectra.psd import CLASS_FACTOR
from sterile.bath import expansion
from sterile.bath import thermodynamics as bath
from sterile.thermal import DILUTED_FREEZE_OUT, fermi_dirac_of, release

G_S0 = 3.931
NUMBER_TO_YIELD = 45.0 / (4.0 * math.pi**4 * G_S0)


def table_moments(production):
    """Yield, <q>, sqrt<q^2> of the table, trapezoid in ln q."""
    q, f = np.asarray(production.q), np.asarray(production.f)
    moments = [np.trapezoid(q ** (3 + n) * f, np.log(q)) for n in (0, 1, 2)]
    mean, square = moments[1] / moments[0], moments[2] / moments[0]
    return NUMBER_TO_YIELD * moments[0], mean, math.sqrt(square)


@pytest.mark.analytic
def test_the_temperature_of_a_relic():
    found = sterile.evaluate(sterile.ThermalRelic(mass_kev=3.5))
    ratio = float(found.production.model.temperature_ratio)
    # the number of the project's references, given to seven digits
    assert ratio == pytest.approx(0.1054552, rel=1e-6)
    assert float(found.omega_h2) == pytest.approx(0.12, rel=1e-12)
    relic = spectra.thermal_relic(3.5)
    assert float(relic.temperature_ratio) == pytest.approx(ratio, rel=1e-12)
    # the same spectrum on the same momenta: rounding
    np.testing.assert_allclose(found.transfer.t2, spectra.transfer(relic).t2, atol=1e-12)
    given = sterile.solve(sterile.ThermalRelic(3.5, temperature_ratio=ratio))
    assert float(given.yield_n) == pytest.approx(float(found.yield_n), rel=1e-12)


@pytest.mark.analytic
@pytest.mark.parametrize("temperature", [0.01, 1.0, 300.0])
def test_the_yield_of_diluted_freeze_out(temperature):
    model = sterile.DilutedFreezeOut(7.0, temperature, dilution=80.0)
    found = sterile.solve(model)
    h = float(bath.g_s(temperature))
    # 135 zeta(3)/(4 pi^4) = 0.41648; the sheet's 0.4165 has four digits
    assert float(found.yield_n) * h * 80.0 == pytest.approx(0.4165, rel=1e-4)
    # Omega h^2 = 114.9 (m/keV)/(h S): 275.9 times 0.41648
    abundance = float(sterile.evaluate(model).omega_h2)
    assert abundance == pytest.approx(275.9 * 0.41648 * 7.0 / (h * 80.0), rel=1e-3)
    ratio = (G_S0 / (h * 80.0)) ** (1.0 / 3.0)
    assert float(found.temperature_ratio) == pytest.approx(ratio, rel=1e-12)
    # closed forms against the table, whose ends leave 1e-10
    expected = found.yield_n, found.q_mean, found.q_rms
    np.testing.assert_allclose(table_moments(found), expected, rtol=1e-9)


@pytest.mark.analytic
@pytest.mark.parametrize("mass, width, parent_yield", [(1e2, 1e-22, 0.1), (1e4, 1e-20, 3e-3)])
def test_the_dilution_against_its_closed_form(mass, width, parent_yield):
    # constant g, where the formula of a sudden reversal holds, with a coefficient of three digits
    g, planck = 10.75, REDUCED_PLANCK_MASS_GEV * math.sqrt(8.0 * math.pi)
    term = 2.95 * (2.0 * math.pi**2 * g / 45.0) ** (1.0 / 3.0)
    term *= (mass * parent_yield) ** (4.0 / 3.0) / (planck * width) ** (2.0 / 3.0)
    found = release(mass, width, parent_yield, constant_g=g)
    assert float(found.dilution) == pytest.approx((1.0 + term) ** 0.75, rel=1e-2)
    strong = 1.83 * g**0.25 * mass * parent_yield / math.sqrt(planck * width)
    assert float(found.dilution) == pytest.approx(strong, rel=1e-2)
    temperature = (90.0 / (8.0 * math.pi**3 * g)) ** 0.25 * math.sqrt(width * planck)
    assert float(found.reheating_temperature_gev) == pytest.approx(temperature, rel=1e-12)


@pytest.mark.invariants
def test_the_release_converges_and_a_rare_parent_does_nothing():
    fine, coarse = (release(1e2, 1e-21, 1e-2, 1e-3, steps=n) for n in (1000, 500))
    # fourth order: the coarse one is off by less than 1e-6
    assert float(coarse.dilution) == pytest.approx(float(fine.dilution), rel=1e-6)
    assert np.all(np.diff(np.asarray(fine.growth)) >= 0.0)  # entropy does not fall
    rare = release(1e2, 1e-21, 1e-16)
    # (3/4) rho_X/rho at the decay is 1e-10
    assert float(rare.dilution) == pytest.approx(1.0, abs=1e-9)


HOT = dict(parent_mass_gev=1e2, parent_width_gev=1e-21, parent_yield=1e-2, branching=1e-3)


@pytest.mark.analytic
def test_the_hot_component_counts_its_neutrinos():
    found = sterile.solve(sterile.DilutedFreezeOut(7.0, 1.0, **HOT), error_estimate=True)
    number, mean, root = table_moments(found)
    # the table resolves both components to the trapezoid's 1e-8
    assert number == pytest.approx(float(found.yield_n), rel=1e-7)
    assert mean == pytest.approx(float(found.q_mean), rel=1e-6)
    assert root == pytest.approx(float(found.q_rms), rel=1e-6)
    # two neutrinos of a fraction B of all X, diluted
    hot = 2.0 * 1e-3 * 1e-2 / float(found.dilution)
    assert float(found.hot_fraction * found.yield_n) == pytest.approx(hot, rel=1e-10)
    assert float(found.error.largest()) < 1e-5


@pytest.mark.invariants
def test_a_light_parent_that_decays_early_keeps_its_neutrinos():
    # M/2 at T = 1e9 GeV: q = 1e-8, where the table of the thermal component does not reach
    model = sterile.DilutedFreezeOut(
        mass_kev=0.0164,
        decoupling_temperature_gev=106.0,
        parent_mass_gev=34.4,
        parent_width_gev=30.0,
        parent_yield=2.65e-3,
        branching=6.75e-3,
    )
    production = sterile.solve(model)
    assert float(production.hot_fraction) == pytest.approx(8.6e-3, rel=0.01)
    # 1e-5: what lies more than seven e-folds below the peak of q^3 F
    assert table_moments(production)[0] == pytest.approx(float(production.yield_n), rel=1e-5)


@pytest.mark.analytic
def test_late_decay_at_rest_has_its_closed_form():
    # radiation domination, constant g: F = (8 pi^2 N B/q_*^2) q^-1 exp(-q^2/q_*^2), as for a scalar
    g, mass, width, parent_yield = 10.75, 1e2, 1e-20, 1e-9
    m0 = REDUCED_PLANCK_MASS_GEV * math.sqrt(90.0 / (math.pi**2 * g))
    found = release(mass, width, parent_yield, 0.5, g)
    q_star = math.sqrt(mass**2 / (2.0 * width * m0)) * (G_S0 / g) ** (1.0 / 3.0)
    number = parent_yield * 2.0 * math.pi**2 / 45.0 * G_S0
    q, f = np.exp(np.asarray(found.log_q)), np.exp(np.asarray(found.log_f))
    expected = 0.5 * 8.0 * math.pi**2 * number / q_star**2 / q * np.exp(-((q / q_star) ** 2))
    inside = (q > 0.05 * q_star) & (q < 3.0 * q_star)
    # X is 1e-5 of the density: H is that of radiation to that; the decayed before the start, 1e-6
    np.testing.assert_allclose(f[inside], expected[inside], rtol=1e-4)


@pytest.mark.analytic
@pytest.mark.parametrize("ratio, potential", [(0.3, 0.0), (0.2, -5.0), (0.1, 3.0), (2.0, -40.0)])
def test_a_fermi_gas_of_given_number_and_energy(ratio, potential):
    x = np.linspace(1e-6, 120.0, 400001)
    occupation = 1.0 / (np.exp(x - potential) + 1.0)
    number = ratio**3 / math.pi**2 * np.trapezoid(x**2 * occupation, x)
    energy = ratio**4 / math.pi**2 * np.trapezoid(x**3 * occupation, x)
    found = fermi_dirac_of(number, energy)
    # the trapezoid of this test is good to 1e-9
    assert float(found.ratio) == pytest.approx(ratio, rel=1e-8)
    assert float(found.potential) == pytest.approx(potential, abs=1e-7)
    assert bool(found.exists)


@pytest.mark.gradients
def test_derivatives_of_dilution():
    def log_yield(log_width):
        model = sterile.DilutedFreezeOut(7.0, 1.0, **HOT | {"parent_width_gev": jnp.exp(log_width)})
        return jnp.log(sterile.solve(model).yield_n)

    at, h = math.log(1e-21), 1e-4
    difference = (log_yield(at + h) - log_yield(at - h)) / (2.0 * h)
    # central differences of a smooth function: h^2
    assert float(jax.grad(log_yield)(at)) == pytest.approx(float(difference), rel=1e-6)


@pytest.mark.invariants
def test_the_reheating_verdict():
    def verdict(width):
        model = sterile.DilutedFreezeOut(
            7.0, 1.0, parent_mass_gev=100.0, parent_width_gev=width, parent_yield=1e-2
        )
        return DILUTED_FREEZE_OUT.bounds(model, sterile.solve(model), None)["reheating"]

    assert verdict(1e-22).status == "allowed" and verdict(1e-24).status == "forbidden"
    width = float(bath.hubble_gev(4e-3))
    assert float(verdict(width).margin) == pytest.approx(0.0, abs=1e-9)
    assert float(expansion.reheating_temperature_gev(width)) == pytest.approx(4e-3, rel=1e-10)


@pytest.mark.invariants
@pytest.mark.parametrize(
    "values, message",
    [
        ({"dilution": 0.5}, r"dilution = 0.5 is outside .* entropy does not fall"),
        ({}, "parent_mass_gev is missing; give dilution"),
        ({"parent_mass_gev": 1.0}, "parent_width_gev is missing"),
        ({"dilution": 2.0, "parent_mass_gev": 1.0}, "both given"),
        ({"dilution": 2.0, "branching": 0.1}, "branching is that of X"),
        (HOT | {"parent_mass_gev": 1e-2, "mass_kev": 1e4}, "kinematic limit of 5000 keV"),
        (
            HOT | {"parent_width_gev": 101.0},
            "= 101 is above parent_mass_gev = 100",
        ),
    ],
)
def test_what_diluted_freeze_out_refuses(values, message):
    values = {"mass_kev": 7.0, "decoupling_temperature_gev": 1.0} | values
    with pytest.raises(ValueError, match=message):
        sterile.DilutedFreezeOut(**values)


@pytest.mark.invariants
def test_a_parent_wider_than_its_mass_is_a_status():
    def status(width):
        parent = HOT | {"parent_width_gev": width, "branching": None}
        return sterile.solve(sterile.DilutedFreezeOut(7.0, 1.0, **parent)).status

    found = [int(jax.jit(status)(width)) for width in (99.0, 101.0)]
    assert found == [0, sterile.Status.OUT_OF_RANGE]


@pytest.mark.invariants
def test_a_parent_is_an_expansion_of_its_own():
    fluid = sterile.Plasma(reheating_temperature_gev=1.0)
    with pytest.raises(ValueError, match="both given, but each is the other's expansion"):
        sterile.solve(sterile.DilutedFreezeOut(7.0, 1.0, **HOT), fluid)


@pytest.mark.invariants
def test_a_spectrum_from_a_file(tmp_path):
    path, q = tmp_path / "psd.dat", np.geomspace(1e-3, 40.0, 500)
    np.savetxt(path, np.c_[q, 0.01 / (np.exp(q) + 1.0)], fmt="%.12e")
    model = sterile.SpectrumFile(7.0, 0.71377, file=path)
    point = sterile.evaluate(model, error_estimate=True)
    same = spectra.read_psd(path, 7.0, 0.71377)
    # the same table in units of another temperature
    np.testing.assert_allclose(point.transfer.t2, spectra.transfer(same).t2, atol=1e-9)
    assert table_moments(point.production)[0] == pytest.approx(float(point.yield_n), rel=1e-6)
    # every second of 500 nodes: the trapezoid in ln q is still exact to the table's ends
    assert float(point.production.error.yield_n) < 1e-5
    np.savetxt(path, np.c_[q, 0.02 / (np.exp(q) + 1.0)], fmt="%.12e")
    again = sterile.evaluate(model)  # a file that is written again is read again
    assert float(again.yield_n) == pytest.approx(2.0 * float(point.yield_n), rel=1e-9)
    # as CLASS would have it
    of_class = sterile.solve(sterile.SpectrumFile(7.0, 0.71377, file=path, normalisation="class"))
    assert float(of_class.yield_n / again.yield_n) == pytest.approx(CLASS_FACTOR, rel=1e-12)
    assert not any("normalisation" in line for line in sterile.bounds.warnings(model, again))
    scaled = 2.0 * 0.12 / float(again.omega_h2) / CLASS_FACTOR
    np.savetxt(path, np.c_[q, scaled * 0.01 / (np.exp(q) + 1.0)], fmt="%.12e")
    told = sterile.bounds.warnings(model, sterile.evaluate(model))
    assert len(told) == 1 and "say normalisation = class" in told[0]
    with pytest.raises(FileNotFoundError, match="no such file"):
        sterile.solve(sterile.SpectrumFile(7.0, 1.0, file=tmp_path / "none.dat"))
