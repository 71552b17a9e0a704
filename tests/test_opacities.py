"""Opacities from first principles: single reactions, the shipped table, and models that use it."""

import math

import jax
import jax.numpy as jnp
import mixing_cases  # with it the folder of oracles
import mpmath
import neutrino_rates
import numpy as np
import pytest

import sterile
from spectra.constants import (
    MUON_MASS_GEV,
    TAU_MASS_GEV,
    W_MASS_GEV,
    W_WIDTH_GEV,
    Z_MASS_GEV,
)
from sterile import mixing
from sterile.mixing import opacities
from sterile.mixing.potentials import FERMI_GEV2, FLAVOURS, LEPTON_MASSES_GEV
from sterile.mixing.rates import build, crossover, electroweak, hadrons, phase_space
from sterile.mixing.rates.fermions import leptonic
from sterile.mixing.rates.occupation import bose_tails, fermi_tails
from sterile.mixing.rates.phase_space import FINE, Pair, Squared, exchange

pytestmark = pytest.mark.filterwarnings("error")


def whole(rates) -> float:
    return sum(sum(rate) for rate in rates.values())


# --- integrals ------------------------------------------------------------------------------


@pytest.mark.analytic
def test_tails_of_occupations_are_polylogarithms():
    for x in (-3.0, 0.3, 2.0):
        for kind, tails in ((1, fermi_tails), (-1, bose_tails)):
            if kind < 0 and x < 0.0:
                continue
            z = kind * -mpmath.exp(-x)
            l1, l2, l3 = (kind * -mpmath.polylog(s, z).real for s in (1, 2, 3))
            exact = l1, x * l1 + l2, x**2 * l1 + 2 * x * l2 + 2 * l3
            np.testing.assert_allclose(tails(np.array(x)), [float(e) for e in exact], rtol=1e-12)


def _neutral(mass, left, right):
    """|M|^2 of scattering off f, off its antiparticle, and annihilation to a pair."""
    unit, mixed = 128.0, 128.0 * left * right * mass**2

    def off(a, b):
        return lambda p12, p34, p13, p24, p14, p23: (
            unit * (a**2 * p12 * p34 + b**2 * p14 * p23) - mixed * p13
        )

    def pair(p12, p34, p13, p24, p14, p23):
        return unit * (left**2 * p14 * p23 + right**2 * p13 * p24) + mixed * p12

    around, made = (mass, 0.0, mass), (0.0, mass, mass)
    return (around, off(left, right)), (around, off(right, left)), (made, pair)


@pytest.mark.invariants
@pytest.mark.parametrize("mass", [0.0, 1.5])
@pytest.mark.parametrize("energy", [0.7, 3.0, 9.0])
def test_rates_against_an_integral_over_every_angle(mass, energy):
    """Loss by all crossings of nu f -> nu f; gain is e^-E of it, reaction by reaction.

    The oracle's own nodes leave 3e-4 where masses open thresholds.
    """
    left, right = 0.73, 0.23
    loss, gain = np.sum(
        [neutrino_rates.rates(energy, *one) for one in _neutral(mass, left, right)], axis=0
    )
    unit = 128.0
    ours = exchange(
        energy,
        0.0,
        Pair(mass, mass),
        Squared(unit * left**2, unit * right**2, unit * left * right),
    )
    assert ours.two_to_two == pytest.approx(loss, rel=1e-3 if mass else 2e-4)
    assert ours.three_to_one == 0.0
    # what is shipped is the loss rate; the width is Gamma_loss (1 + e^-E)
    assert loss + gain == pytest.approx(loss * (1.0 + math.exp(-energy)), rel=1e-12)


@pytest.mark.invariants
def test_bosons_against_an_integral_over_every_angle():
    """A lepton and two scalars of other masses: all three crossings, Bose factors 1 + n."""
    energy, a, b, c = 4.0, 0.5, 1.0, 3.0

    def current(one, other, square, along):
        return 2.0 * one * other - square * along

    def made(p12, p34, p13, p24, p14, p23):
        return current(p13 - p14, p23 - p24, b**2 + c**2 - 2.0 * p34, p12)

    def in_b(p12, p34, p13, p24, p14, p23):
        return current(p12 + p14, p23 + p34, b**2 + c**2 + 2.0 * p24, p13)

    loss = sum(
        neutrino_rates.rates(energy, masses, squared, bosons)[0]
        for masses, squared, bosons in (
            ((a, b, c), made, (False, True, True)),
            ((b, a, c), in_b, (True, False, True)),
            ((c, a, b), in_b, (True, False, True)),
        )
    )
    ours = exchange(energy, a, Pair(b, c, bosons=True), Squared(scalars=1.0))
    assert ours.two_to_two == pytest.approx(loss, rel=1e-3)


@pytest.mark.invariants
def test_momenta_may_be_paired_in_another_way():
    """(P1.Pc)(Pa.Pb) with K given to b and c, or to a and b, thresholds and 3 -> 1 included."""
    for a, b, c in ((2.0, 0.0, 0.0), (0.0, 0.3, 1.0), (5.0, 0.0, 0.01)):
        for energy in (0.5, 3.0):
            one = exchange(energy, a, Pair(b, c), Squared(left=1.0))
            other = exchange(energy, c, Pair(a, b), Squared(contact=1.0), resolution=FINE)
            # the default resolution's error, an order below the 1e-3 that is asked of the table
            np.testing.assert_allclose(one, other, rtol=5e-4, atol=1e-12 * sum(other))


@pytest.mark.analytic
def test_muons_decay_as_they_should():
    """nu e nubar -> mu is the inverse of decay: far below the muon's mass, with its spectrum.

    Gain by n_mu decays of dGamma/dx = 2 x^2 (3 - 2x) Gamma_mu, x = 2E/m (PDG, muon decay
    parameters), over the neutrinos' states; thermal motion of the muon leaves T/m.
    """
    over_t = 80.0
    for energy in (44.0, 52.0):
        x = 2.0 * energy / over_t
        muons = 2.0 * (over_t / (2.0 * math.pi)) ** 1.5 * math.exp(-over_t)
        muons *= 1.0 + 15.0 / (8.0 * over_t)
        width = over_t**5 / (192.0 * math.pi**3)
        made = muons * width * 2.0 * x**2 * (3.0 - 2.0 * x) * 2.0 / over_t
        gain = made * 2.0 * math.pi**2 / energy**2
        found = exchange(energy, over_t, Pair(0.0, 0.0), Squared(left=128.0))
        assert found.three_to_one * math.exp(-energy) == pytest.approx(gain, rel=0.05)


@pytest.mark.analytic
def test_bosons_of_known_widths():
    """Widths of pi, K, W and Z to leptons [PDG], from the same |M|^2 as fusion."""

    def width(mass, lepton, strength, vector):
        squared = abs(phase_space._boson_squared(mass, lepton, strength, vector))
        momentum = (mass**2 - lepton**2) / (2.0 * mass)
        return FERMI_GEV2**2 * squared * momentum / (8.0 * math.pi * mass**2)

    hbar = 6.582119569e-25
    for name, lifetime, share in (("pi", 2.6033e-8, 0.99988), ("K", 1.2380e-8, 0.6356)):
        found = width(hadrons._OF_W[name][0], MUON_MASS_GEV, *hadrons._OF_W[name][1:])
        # radiative corrections are 2 %
        assert found == pytest.approx(hbar * share / lifetime, rel=0.025)
    w, z = (c.strength / FERMI_GEV2 for c in (electroweak.W_BOSON, electroweak.Z_BOSON))
    assert width(W_MASS_GEV, 0.0, w, True) / 3.0 == pytest.approx(0.1086 * W_WIDTH_GEV, rel=0.01)
    assert width(Z_MASS_GEV, 0.0, z, True) / 3.0 == pytest.approx(0.499 / 3.0, rel=0.01)


@pytest.mark.analytic
def test_form_factor_has_the_strength_that_taus_see():
    """tau -> pi pi nu over e nu nu, 25.49 % and 17.82 % [PDG], from |F|^2; it is good to 8 %."""
    edge = 2.0 * hadrons.PION_MASS_GEV
    root = np.linspace(edge, TAU_MASS_GEV, 20001)[1:-1]
    x = (root / TAU_MASS_GEV) ** 2
    strength = (1.0 - (edge / root) ** 2) ** 1.5 / 12.0
    strength = strength * hadrons.form_factor(1.0, hadrons._RHO)(root**2)
    kernel = (1.0 - x) ** 2 * (1.0 + 2.0 * x) * 2.0 * root / TAU_MASS_GEV**2
    ratio = 6.0 * hadrons._UD**2 * np.trapezoid(kernel * strength, root)
    assert ratio == pytest.approx(0.2549 / 0.1782, rel=0.1)


# --- sums of reactions ----------------------------------------------------------------------


@pytest.mark.golden
def test_leptons_two_to_two_are_those_of_the_published_table():
    """hep-ph/0612182 at p/T = 3 and 1 and 10 MeV: reactions of two to two, no hadrons, 3 digits."""
    for temperature, row in ((1e-3, opacities._PUBLISHED[0]), (1e-2, opacities._PUBLISHED[1])):
        for flavour, published in zip(FLAVOURS, row[1:]):
            rates = leptonic(temperature, 3.0, flavour)
            total = sum(rate.two_to_two for rate in rates.values()) * (1.0 + math.exp(-3.0)) / 3.0
            assert total == pytest.approx(published, abs=1.2e-3)


@pytest.mark.golden
def test_leptons_of_another_table_lack_three_quarters_of_one_reaction():
    """ntveem/sterile-dm a7925c7, rate_leptons_mu.dat, 10 MeV, p/T = 3.205: 2.319229 G_F^2 T^5.

    That is ours, 1 <-> 3 included, with 32 in place of 128 (p1.p4)(p2.p3) for nu_mu nubar_mu
    -> nu_mu nubar_mu; hep-ph/0612182 has 128, as Hannestad & Madsen 1995.
    """
    energy = 3.20535
    ours = whole(leptonic(0.01, energy, "mu"))

    def elastic(p12, p34, p13, p24, p14, p23):
        return 96.0 * p14 * p23

    missing = neutrino_rates.rates(energy, (0.0, 0.0, 0.0), elastic)[0]
    assert ours == pytest.approx(2.319229 + missing, rel=5e-3)
    assert missing / ours > 0.1


@pytest.mark.invariants
def test_sums_are_converged():
    """Two resolutions, 1e-3: every group at temperatures and momenta that production sees."""
    for temperature, momentum in ((0.02, 1.0), (0.15, 3.0), (3.0, 8.0)):
        coarse, fine = (
            build.loss_rates(temperature, momentum, "mu", resolution)
            for resolution in (phase_space.DEFAULT, FINE)
        )
        for group in opacities.GROUPS:
            assert whole(coarse[group]) == pytest.approx(whole(fine[group]), rel=1e-3)


# --- the shipped table ----------------------------------------------------------------------


@pytest.mark.invariants
def test_the_shipped_table_is_what_the_reactions_add_up_to():
    """Between its nodes: 1e-3 of Gamma, also where pions fuse, thresholds open, W and Z appear."""
    for temperature, momentum in (
        (0.0235, 1.3),
        (0.117, 0.7),
        (0.31, 5.3),
        (0.34, 0.05),
        (2.2, 2.9),
        (6.1, 3.0),
    ):
        found = opacities.opacity(np.array([temperature]), np.array([[momentum]]), "mu")
        rates = {g: whole(r) for g, r in build.loss_rates(temperature, momentum, "mu").items()}
        share = crossover.shares(np.array([temperature]))
        hadronic = share.hadrons[0] * rates["hadrons"] + share.quarks[0] * rates["quarks"]
        unit = FERMI_GEV2**2 * temperature**4 * (1.0 + math.exp(-momentum))
        expected = unit * np.array([rates["leptons"] + rates["bosons"], hadronic])
        np.testing.assert_allclose(np.ravel(found), expected, rtol=0, atol=1e-3 * expected.sum())
        one_by_one = sum(sum(r) for r in mixing.reactions(temperature, momentum, "mu").values())
        assert one_by_one * FERMI_GEV2**2 * momentum * temperature**4 == pytest.approx(
            sum(expected), rel=1e-12
        )


@pytest.mark.invariants
def test_rates_written_as_a_table_are_taken_as_they_are(tmp_path):
    """opacity -> write_rates -> rates_table: the same Y_N as the built-in; splines of a spline."""
    temperature, momentum = np.geomspace(1e-3, 100.0, 200), np.geomspace(0.01, 80.0, 60)
    rates = mixing.opacity(temperature, momentum, "mu")
    table = mixing.write_rates(
        tmp_path / "rates.csv", temperature, momentum, rates.leptonic + rates.hadronic
    )
    read = sterile.DodelsonWidrow(7.1, 1e-9, "mu", rates_table=table)
    built_in = sterile.DodelsonWidrow(7.1, 1e-9, "mu", **OWN)
    first, second = (float(sterile.solve(model).yield_n) for model in (read, built_in))
    assert first == pytest.approx(second, rel=1e-5)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: mixing.opacity([0.1], [3.0], "nu"), "flavour = 'nu'"),
        (lambda: mixing.opacity([0.1], [3.0], "e", kind="gain"), "kind = 'gain'"),
        (lambda: mixing.opacity([0.1], [3.0], "e", edge="top"), "edge = 'top'"),
        (lambda: mixing.opacity([0.1], [3.0], "e", sources=("gas",)), "sources = 'gas'"),
        (lambda: mixing.opacity([-0.1], [3.0], "e"), "temperature_gev must be positive"),
        (lambda: mixing.reactions(0.1, 0.0, "e"), "momentum must be positive"),
        (lambda: mixing.reactions(0.1, 3.0, "x"), "flavour = 'x'"),
        (lambda: mixing.write_rates("r.csv", [0.1], [1.0, 2.0], [[1.0]]), "rate has shape"),
    ],
)
def test_rates_that_cannot_be(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.invariants
def test_the_band_holds_the_centre_and_closes():
    """low <= central <= high; below 5 % of Gamma at 20 MeV and 8 % above 1.5 GeV."""
    temperature = np.geomspace(2e-3, 50.0, 80)
    momentum = np.broadcast_to(np.array([0.5, 3.0, 8.0]), (80, 3))
    low, central, high = (
        sum(opacities.opacity(temperature, momentum, "e", edge=edge))
        for edge in ("low", "central", "high")
    )
    assert np.all(low <= central * (1.0 + 1e-12)) and np.all(central <= high * (1.0 + 1e-12))
    width = (high - low)[:, 1] / central[:, 1]
    assert np.all(width[temperature < 0.02] < 0.05) and np.all(width[temperature > 1.5] < 0.1)


@pytest.mark.analytic
def test_loss_and_width_differ_by_detailed_balance():
    temperature, momentum = np.array([0.05, 0.5]), np.array([[0.5, 3.0], [1.0, 8.0]])
    total, loss = (
        opacities.width(temperature, momentum, "tau", kind=kind, opacities="first-principles")
        for kind in opacities.RATE_KINDS
    )
    np.testing.assert_allclose(total / loss, 1.0 + np.exp(-momentum), rtol=1e-14)


@pytest.mark.analytic
def test_charm_and_top_know_their_masses():
    """Far below a lepton's mass it is not there: a tau at 10 MeV adds nothing to nu_tau."""
    rates = leptonic(0.01, 3.0, "tau")
    assert sum(rates["neutral current on tau"]) == 0.0
    assert LEPTON_MASSES_GEV[2] / 0.01 > 100.0


# --- models ---------------------------------------------------------------------------------

OWN = {"opacities": "first-principles"}


@pytest.mark.invariants
def test_factors_of_rates_are_those_of_parts():
    """Factors of 1 change nothing; slopes are those of differences; without, nothing compiles."""
    plain = sterile.DodelsonWidrow(7.1, 1e-9, "mu", **OWN)
    ones = sterile.DodelsonWidrow(
        7.1, 1e-9, "mu", **OWN, rate_scale_hadronic=1.0, rate_scale_leptonic=1.0
    )
    first, second = (sterile.solve(model) for model in (plain, ones))
    np.testing.assert_allclose(second.f, first.f, rtol=1e-12)

    def log_yield(hadronic, leptonic):
        model = sterile.DodelsonWidrow(
            7.1,
            1e-9,
            "mu",
            **OWN,
            rate_scale_hadronic=hadronic,
            rate_scale_leptonic=leptonic,
        )
        return jnp.log(sterile.solve(model).yield_n)

    slopes = jax.grad(log_yield, argnums=(0, 1))(1.0, 1.0)
    step = 1e-4
    for number, slope in enumerate(slopes):
        ends = [log_yield(*(1.0 + sign * step * (n == number) for n in (0, 1))) for sign in (1, -1)]
        assert float(slope) == pytest.approx(float(ends[0] - ends[1]) / (2.0 * step), rel=1e-5)
    # what is made is proportional to Gamma where it is no damping, and nearly so at 7 keV
    assert 0.2 < float(slopes[0]) < 0.8 and 0.9 < float(sum(slopes)) < 1.01

    def lines(model):
        return jax.jit(lambda m: sterile.solve(m).yield_n).lower(model).as_text().count("\n")

    published = sterile.DodelsonWidrow(7.1, 1e-9, "mu")
    assert lines(plain) == lines(published) < lines(ones)


@pytest.mark.parametrize(
    "changed, message",
    [
        ({"rate_scale_hadronic": 1.2}, "rate_scale_hadronic = 1.2"),
        ({"opacities": "own"}, "opacities"),
        ({**OWN, "rate_scale_leptonic": 20.0}, "rate_scale_leptonic = 20"),
    ],
)
def test_choices_that_contradict_each_other(changed, message):
    with pytest.raises(ValueError, match=message):
        sterile.DodelsonWidrow(7.1, 1e-9, "mu", **changed)


def test_a_table_stands_alone(tmp_path):
    path = mixing_cases.rates_file(tmp_path, 1.0)
    with pytest.raises(ValueError, match="rates_table"):
        sterile.ShiFuller(7.1, 1e-9, 1e-3, "mu", rates_table=path, **OWN)
