"""Sums and late thermalisation: conservation, order, equal and unequal masses, bad input."""

import math
import tomllib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import spectra
import sterile
from sterile import config
from sterile.combined import Summed

RELIC = sterile.ThermalRelic(7.0, temperature_ratio=0.08)
DILUTED = sterile.DilutedFreezeOut(7.0, 1.0, dilution=200.0)
HEAVY = sterile.DilutedFreezeOut(30.0, 1.0, dilution=200.0)


def energy(production) -> float:
    """rho of N over that of one neutrino per entropy and T_gamma."""
    return float(production.yield_n * production.q_mean)


def spectrum_energy(production) -> float:
    q, f = np.asarray(production.q), np.asarray(production.f)
    return 45.0 / (4.0 * math.pi**4 * 3.931) * np.trapezoid(q**4 * f, np.log(q))


@pytest.mark.invariants
@pytest.mark.parametrize("model", [RELIC, DILUTED])
def test_a_sum_of_one_part_is_the_part(model):
    alone, summed = sterile.solve(model), sterile.solve(sterile.Sum(model))
    for name in ("q", "f", "yield_n", "q_mean", "q_rms"):
        np.testing.assert_allclose(getattr(summed, name), getattr(alone, name), rtol=1e-14)


@pytest.mark.invariants
def test_the_order_of_parts_does_not_matter():
    third = sterile.ThermalRelic(7.0, temperature_ratio=0.01)
    one = sterile.solve(sterile.Sum(RELIC, DILUTED, third))
    other = sterile.solve(sterile.Sum(third, RELIC, DILUTED))
    for name in ("q", "f", "yield_n", "q_mean", "q_rms"):
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), rtol=1e-12)


@pytest.mark.analytic
def test_spectra_of_one_species_add():
    found = sterile.solve(sterile.Sum(RELIC, DILUTED), error_estimate=True)
    parts = [sterile.solve(model) for model in (RELIC, DILUTED)]
    assert float(found.yield_n) == pytest.approx(sum(float(p.yield_n) for p in parts), rel=1e-14)
    q = np.asarray(found.q)
    ratios = 0.08, float(parts[1].temperature_ratio)
    exact = sum(2.0 / (np.exp(q / ratio) + 1.0) for ratio in ratios)
    peak = np.max(q**2 * exact)
    # six-point interpolation of ln F between 800 nodes, and the relics' ends at 50 T
    assert np.max(np.abs(q**2 * (np.asarray(found.f) - exact))) < 1e-9 * peak
    assert float(found.part_1_share + found.part_2_share) == pytest.approx(1.0, rel=1e-14)
    assert float(found.part_2_dilution) == 200.0 and int(found.status) == 0
    assert float(found.error.largest()) < 1e-9


@pytest.mark.slow
@pytest.mark.invariants
def test_species_of_different_masses_are_those_of_the_transfer():
    point = sterile.evaluate(sterile.Sum(RELIC, HEAVY))
    species = [sterile.solve(model).spectrum() for model in (RELIC, HEAVY)]
    several = spectra.transfer(species)
    # the merged table against two: the interpolation of ln F
    np.testing.assert_allclose(point.transfer.t2, several.t2, atol=1e-8)
    parts = [sterile.evaluate(model) for model in (RELIC, HEAVY)]
    expected = sum(float(part.omega_h2) for part in parts)
    assert float(point.omega_h2) == pytest.approx(expected, rel=1e-12)
    equal = sterile.evaluate(sterile.Sum(RELIC, DILUTED))
    one = spectra.transfer([sterile.solve(model).spectrum() for model in (RELIC, DILUTED)])
    np.testing.assert_allclose(equal.transfer.t2, one.t2, atol=1e-8)


@pytest.mark.invariants
def test_radiation_of_species_adds():
    # stress-energy is the sum at all times: Delta N_eff at nucleosynthesis, too
    from sterile.bounds import radiation

    whole = sterile.solve(sterile.Sum(RELIC, HEAVY)).spectrum()
    parts = [sterile.solve(model).spectrum() for model in (RELIC, HEAVY)]
    for epoch in ("bbn", "recombination"):
        total = sum(float(radiation(part, epoch).value) for part in parts)
        # the rule of moments on two tables
        assert float(radiation(whole, epoch).value) == pytest.approx(total, rel=1e-7)


@pytest.mark.invariants
def test_kappa_of_one_changes_nothing():
    start = sterile.ThermalRelic(7.0, temperature_ratio=0.3)
    before = sterile.solve(start)
    driven = dict(coupling=1e-1, mediator_mass_gev=1e-3, interaction_temperature_gev=1.0)
    for own in (
        {"process": "number-changing"},
        {"process": "kinetic"},
        {"process": "self-interaction", **driven},
    ):
        after = sterile.solve(sterile.LateThermalisation(start, **own))
        q, f = np.asarray(after.q), np.asarray(after.f)
        change = np.abs(q**2 * (f - 2.0 / (np.exp(q / 0.3) + 1.0)))
        # issue: 1e-8 of the peak of q^2 F = 0.1
        assert np.max(change) < 1e-8 * np.max(q**2 * f)
        assert float(after.yield_n) == pytest.approx(float(before.yield_n), rel=1e-10)
        assert int(after.status) == 0


@pytest.fixture(scope="module")
def rare(tmp_path_factory):
    """kappa = 1e-3 of a Fermi-Dirac spectrum of T = 0.7 T_gamma, as a file."""
    path, q = tmp_path_factory.mktemp("rare") / "psd.dat", np.geomspace(1e-4, 40.0, 1200)
    np.savetxt(path, np.c_[q, 2e-3 / (np.exp(q / 0.7) + 1.0)], fmt="%.16e")
    return sterile.SpectrumFile(7.0, 1.0, file=path)


@pytest.mark.analytic
def test_number_change_of_a_rare_start(rare):
    before, kappa = sterile.solve(rare), 1e-3
    after = sterile.solve(sterile.LateThermalisation(rare))
    # T falls by kappa^(1/4) and the number grows by kappa^(-1/4); the file's ends hold 1e-12
    assert float(after.dark_temperature_ratio) == pytest.approx(0.7 * kappa**0.25, rel=1e-9)
    assert float(after.number_factor) == pytest.approx(kappa**-0.25, rel=1e-9)
    assert energy(after) == pytest.approx(energy(before), rel=1e-10)
    # and by the table itself
    assert spectrum_energy(after) == pytest.approx(energy(before), rel=1e-9)


@pytest.mark.analytic
def test_a_mediator_gives_its_entropy(rare):
    before = sterile.solve(rare)
    after = sterile.solve(sterile.LateThermalisation(rare, mediator_states=1.0))
    without = sterile.solve(sterile.LateThermalisation(rare))
    g = 1.75, 2.75
    # shared by energy, T^4 ~ 1/g; annihilated by entropy, T^3 ~ g
    expected = (g[0] / g[1]) ** 0.25 * (g[1] / g[0]) ** (1.0 / 3.0)
    ratio = float(after.dark_temperature_ratio / without.dark_temperature_ratio)
    assert ratio == pytest.approx(expected, rel=1e-12)
    # 4/3 rho/T is conserved, so rho a^4 grows with T
    assert energy(after) / energy(before) == pytest.approx((g[1] / g[0]) ** (1.0 / 3.0), rel=1e-10)


@pytest.mark.invariants
def test_kinetic_equilibrium_keeps_number_and_energy(rare):
    before = sterile.solve(rare)
    after = sterile.solve(sterile.LateThermalisation(rare, process="kinetic"))
    assert float(after.yield_n) == pytest.approx(float(before.yield_n), rel=1e-12)
    assert energy(after) == pytest.approx(energy(before), rel=1e-12)
    assert spectrum_energy(after) == pytest.approx(energy(before), rel=1e-10)
    # so dilute a gas is nearly Boltzmann's: F = 2 exp(eta - q/T), T = <q>/3
    assert float(after.dark_temperature_ratio) == pytest.approx(
        float(before.q_mean) / 3.0, rel=1e-3
    )


@pytest.mark.invariants
def test_a_rate_interpolates_between_nothing_and_everything(rare):
    before = sterile.solve(rare)
    ends = {
        "kinetic": sterile.solve(sterile.LateThermalisation(rare, process="kinetic")),
        "number-changing": sterile.solve(sterile.LateThermalisation(rare)),
    }

    def driven(coupling):
        own = dict(mediator_mass_gev=1e-3, interaction_temperature_gev=1e-2, coupling=coupling)
        return sterile.solve(sterile.LateThermalisation(rare, process="self-interaction", **own))

    feeble, middle, kinetic, strong = (driven(y) for y in (1e-9, 5e-5, 2e-3, 2.0))
    assert float(feeble.number_factor) == pytest.approx(1.0, rel=1e-12)
    peak = np.max(np.asarray(before.q**2 * before.f))
    on_table = np.interp(np.asarray(before.q), np.asarray(feeble.q), np.asarray(feeble.f))
    # linear interpolation between 1600 nodes, 4e-5
    change = np.abs(np.asarray(before.q) ** 2 * (on_table - np.asarray(before.f)))
    assert np.max(change) < 1e-4 * peak
    assert 0.01 < float(middle.optical_depth) < 100.0
    assert float(kinetic.optical_depth) > 30.0 and float(kinetic.number_factor) < 1.01
    assert float(kinetic.q_rms) == pytest.approx(float(ends["kinetic"].q_rms), rel=1e-2)
    expected = float(ends["number-changing"].yield_n)
    assert float(strong.yield_n) == pytest.approx(expected, rel=1e-9)
    for found in (feeble, middle, kinetic, strong):
        assert energy(found) == pytest.approx(energy(before), rel=1e-10)
        # the table's: interpolated where nothing happened
        assert spectrum_energy(found) == pytest.approx(energy(before), rel=1e-7)


@pytest.mark.invariants
@pytest.mark.slow
def test_a_tolerance_refines_the_parts_that_can_be():
    decay = sterile.ParentDecay(7.0, 100.0, 1e-17, parent_yield=1e-5)
    model = sterile.Sum(decay, RELIC)
    coarse = sterile.solve(model, error_estimate=True)
    # half of what the default grid vouches for
    wanted = 0.5 * float(coarse.error.largest())
    found = sterile.solve(model, tolerance=max(wanted, 5.1e-5))
    assert int(found.status) == 0 and float(found.error.largest()) <= max(wanted, 5.1e-5)
    assert float(found.yield_n) == pytest.approx(float(coarse.yield_n), rel=1e-5)


@pytest.mark.slow
@pytest.mark.gradients
def test_derivatives_through_a_combination():
    def wavenumber(log_ratio):
        start = sterile.ThermalRelic(7.0, temperature_ratio=jnp.exp(log_ratio))
        model = sterile.Sum(sterile.LateThermalisation(start, process="kinetic"), HEAVY)
        return jnp.log(sterile.evaluate(model).k_t_half_h_mpc)

    at, h = math.log(0.08), 1e-3
    difference = (wavenumber(at + h) - wavenumber(at - h)) / (2.0 * h)
    # central differences, h^2, and the root of T = 1/2 on a grid of k
    assert float(jax.grad(wavenumber)(at)) == pytest.approx(float(difference), rel=1e-4)


@pytest.mark.invariants
def test_a_combination_is_one_flat_model():
    model = sterile.Sum(sterile.LateThermalisation(RELIC), DILUTED)
    assert isinstance(model, Summed) and type(model) is type(sterile.Sum(*model.parts))
    assert float(model.mass_kev) == 7.0 and float(model.part_1_start_temperature_ratio) == 0.08
    text = """
    [model]
    kind = "sum"
    mass_kev = 7.0
    [[model.part]]
    kind = "late-thermalisation"
    [model.part.start]
    kind = "thermal-relic"
    temperature_ratio = 0.08
    [[model.part]]
    kind = "diluted-freeze-out"
    decoupling_temperature_gev = 1.0
    dilution = 200.0
    """
    read = config.model_of(config.check(tomllib.loads(text)))
    assert type(read) is type(model)
    assert float(sterile.solve(read).yield_n) == float(sterile.solve(model).yield_n)


DIRAC = sterile.ScalarDecay(100.0, 1e-8, 1e-9, neutrino="dirac")


@pytest.mark.invariants
@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: sterile.Sum(), "has no parts"),
        (lambda: sterile.Sum(sterile.Sum(RELIC), HEAVY), 'of kind "sum", like the whole'),
        (lambda: sterile.LateThermalisation(sterile.LateThermalisation(RELIC)), "made of itself"),
        (lambda: sterile.Sum(DIRAC, RELIC), "Dirac neutrino .* Majorana one"),
        (lambda: sterile.Sum(DIRAC, RELIC, HEAVY), "give all parts one mass"),
        (lambda: sterile.LateThermalisation(RELIC, coupling=1.0), "has no use"),
        (lambda: sterile.LateThermalisation(RELIC, process="self-interaction"), "is missing"),
        (
            lambda: sterile.LateThermalisation(RELIC, process="kinetic", mediator_states=1.0),
            "mediators virtual",
        ),
        (
            lambda: sterile.solve(sterile.LateThermalisation(sterile.Sum(RELIC, HEAVY))),
            "several species",
        ),
    ],
)
def test_what_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.invariants
@pytest.mark.parametrize(
    "text, message",
    [
        ("", r"needs \[\[model.part\]\] tables"),
        ('[[model.part]]\nkind = "sum"', "needs|like the whole"),
        ('[[model.part]]\nkind = "thermal-relik"', "did you mean 'thermal-relic'"),
        ('[[model.part]]\nkind = "thermal-relic"\nmas = 1.0', "part_1_mas|mass_kev is missing"),
        ('mass_kev = 1.0\n[[model.part]]\nkind = "thermal-relic"\nmass_kev = 2.0', "both given"),
        (
            '[[model.part]]\nkind = "thermal-relic"\nmass_kev = 3.0\n'
            '[[model.part]]\nkind = "scalar-decay"',
            "part_2 has no mass of its own",
        ),
    ],
)
def test_what_a_configuration_of_a_sum_refuses(text, message):
    with pytest.raises(ValueError, match=message) as caught:
        config.check(tomllib.loads(f'[model]\nkind = "sum"\n{text}'))
    assert "\n" not in str(caught.value)


@pytest.mark.slow
@pytest.mark.invariants
def test_x_ray_limits_of_a_sum(monkeypatch):
    """A mechanism with a mixing angle beside one without: as one species, and as two."""
    from sterile import bounds, mechanisms

    class Mixed(sterile.Model):
        kind = "mixed-relic-of-a-test"
        mass_kev: jax.Array = sterile.parameter("keV", "mass", 1e-3, 1e6, 7.0)
        sin2_2theta: jax.Array = sterile.parameter("1", "mixing", 1e-20, 1.0, 1e-10)

    def solve(model, plasma, grid, error_estimate):
        relic = sterile.ThermalRelic(model.mass_kev, temperature_ratio=0.05)
        return sterile.kinds()["thermal-relic"].solve(relic, plasma, grid, error_estimate)

    entry = sterile.Mechanism(model=Mixed, solve=solve)
    monkeypatch.setitem(mechanisms._registered, Mixed.kind, entry)  # forgotten again
    for other, suffix in ((DILUTED, ""), (HEAVY, " (part 1)")):
        model = sterile.Sum(Mixed(7.0, 1e-10), other)
        point = sterile.evaluate(model)
        report = bounds.verdicts(model, point)
        lines = [name for name in report if name.startswith("xray-")]
        assert lines and all(name.endswith(suffix) for name in lines)
        alone = bounds.verdicts(Mixed(7.0, 1e-10), sterile.evaluate(Mixed(7.0, 1e-10)))
        first = lines[0].removesuffix(suffix)
        same = float(report[lines[0]].margin) == pytest.approx(float(alone[first].margin), abs=1e-9)
        # of one species all of it mixes; of two, only the part's own share counts
        assert same == bool(suffix)
