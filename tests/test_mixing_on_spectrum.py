"""Mixing without resonance: alone, and its limits on a spectrum that is there already."""

import dataclasses
import math

import jax.numpy as jnp
import numpy as np
import pytest

import spectra
import sterile
from sterile.mixing import grids, nonresonant

DODELSON_WIDROW = sterile.DodelsonWidrow(mass_kev=7.1, sin2_2theta=1e-9, flavour="mu")


def fermi(q, amplitude=1.0, temperature=1.0):
    return amplitude * 2.0 / (np.exp(q / temperature) + 1.0)


def spectrum_of(f, q):
    return spectra.Spectrum(q, f, mass_kev=7.1, temperature_ratio=1.0)


Q = np.geomspace(1e-4, 60.0, 900)


@pytest.mark.analytic
def test_without_mixing_a_spectrum_stays_as_it_is():
    weak = dataclasses.replace(DODELSON_WIDROW, sin2_2theta=1e-16)
    found = sterile.mixing.on_spectrum(weak, spectrum_of(fermi(Q, 0.01), Q))
    inside = (np.asarray(found.q) > 1e-3) & (np.asarray(found.q) < 20.0)
    # what mixing makes is 1e-16/1e-9 of F of 0.03
    np.testing.assert_allclose(
        np.asarray(found.f)[inside], fermi(np.asarray(found.q), 0.01)[inside], rtol=2e-6
    )


@pytest.mark.analytic
def test_little_mixing_adds():
    """S -> 1: F = F_i + F_mix to first order in sin^2(2 theta)."""
    weak = dataclasses.replace(DODELSON_WIDROW, sin2_2theta=1e-14)
    found = sterile.mixing.on_spectrum(weak, spectrum_of(fermi(Q, 1e-9), Q))
    alone = sterile.solve(weak)
    own = fermi(np.asarray(found.q), 1e-9)
    total = float(found.yield_n) - float(alone.yield_n)
    step = math.log(found.q[1] / found.q[0])
    before = 45.0 / (4.0 * math.pi**4 * 3.931) * np.sum(np.asarray(found.q) ** 3 * own) * step
    # 1 - S is 1e-7 of F_i; Y_mix on two tables of momenta, and F_i between its nodes: 1e-6
    assert total / before == pytest.approx(1.0, abs=3e-5)


@pytest.mark.analytic
def test_strong_mixing_forgets_and_equilibrium_stays():
    """S -> 0: f = f_a; and f_i = f_a stays: exact where f_a does not drift, constant g."""
    strong = dataclasses.replace(DODELSON_WIDROW, sin2_2theta=1e-3)
    grid = grids.NON_RESONANT
    clock = nonresonant.clock(*grid, "mu", "total", None, None, 80.0)
    mixed = nonresonant.mix(strong, clock)
    ratio = clock.bath.ratio[-1]
    active = 1.0 / (np.exp(clock.q * ratio) + 1.0)
    populated = (clock.q * ratio > 0.3) & (clock.q * ratio < 15.0)
    assert np.max(np.asarray(mixed.survival[0])[populated]) < 1e-6
    np.testing.assert_allclose(np.asarray(mixed.f)[populated], active[populated], rtol=1e-6)
    # any mixing: f_a S + f_mix = f_a
    medium = dataclasses.replace(DODELSON_WIDROW, sin2_2theta=1e-7)
    mixed = nonresonant.mix(medium, clock)
    np.testing.assert_allclose(active * mixed.survival[0] + mixed.f, active, rtol=1e-12)


@pytest.mark.analytic
def test_what_comes_late_is_kept():
    """Neutrinos that come after mixing keep all; those that come before lose 1 - S."""
    strong = dataclasses.replace(DODELSON_WIDROW, sin2_2theta=1e-7)
    base = sterile.mixing.on_spectrum(strong, spectrum_of(fermi(Q, 0.1), Q))
    late = dataclasses.replace(
        base,
        f=jnp.asarray(fermi(np.asarray(base.q), 0.1)),
        history=sterile.History(jnp.array([2e-3, 1.5e-3]), jnp.array([0.0, 1.0])),
    )
    found = sterile.mixing.on_spectrum(strong, late)
    populated = (np.asarray(base.q) > 1e-3) & (np.asarray(base.q) < 20.0)
    # from 2 MeV on a share of 1e-6 oscillates
    assert np.min(np.asarray(found.survival)[populated]) > 1.0 - 1e-5
    assert np.min(np.asarray(base.survival)[populated]) < 0.5


@pytest.mark.invariants
def test_yields_are_linear_in_little_mixing():
    small, large = (
        float(sterile.solve(dataclasses.replace(DODELSON_WIDROW, sin2_2theta=s)).yield_n)
        for s in (1e-13, 1e-12)
    )
    # 1 - S is 1e-5 at 1e-12, blocking
    assert large / small == pytest.approx(10.0, rel=5e-5)


@pytest.mark.slow
@pytest.mark.invariants
def test_a_scalar_that_also_mixes_is_judged_as_both():
    model = sterile.ScalarDecayMixing(100.0, 1e-8, 1e-9, mass_kev=7.1, sin2_2theta=5e-10)
    point = sterile.evaluate(model)
    alone = sterile.evaluate(model.scalar(), mass_kev=7.1)
    assert set(point.numbers) == set(sterile.kinds()[model.kind].numbers)
    report = sterile.bounds.verdicts(model, point)
    # what is asked of the scalar, with its own numbers, and of the mixing
    same = sterile.bounds.verdicts(model.scalar(), alone)
    for name in same.keys() & {"scalar-lifetime", "scalar-entropy"}:
        assert float(report[name].value) == pytest.approx(float(same[name].value), rel=1e-12)
    assert "scalar-entropy" in report or "scalar-entropy" not in same
    assert any(name.startswith("xray-") for name in report)
    sterile.bounds.warnings(model, point)
    # mixing adds more than it takes back here
    assert float(point.omega_h2) > float(alone.omega_h2)


@pytest.mark.slow
@pytest.mark.invariants
def test_a_spectrum_that_mixing_absorbs_is_not_negative():
    # the survival of neutrinos between its nodes was -6e-86 of them where it is nothing
    model = sterile.ScalarDecayMixing(301.07, 4.197e-7, 2.849e-11, mass_kev=37.94, sin2_2theta=7e-4)
    found = sterile.solve(model)
    # exactly: a product of what is not negative
    assert float(jnp.min(found.f)) >= 0.0
