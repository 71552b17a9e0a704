"""Elastic scattering in the solver, and the number-density and moment solvers."""

import dataclasses

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from production_cases import PAPER
from scipy.integrate import solve_ivp
from scipy.special import kve

import sterile
from spectra.constants import REDUCED_PLANCK_MASS_GEV
from sterile.scalar import distribution as scalar
from sterile.scalar import elastic_scattering as elastic
from sterile.scalar.grids import FREEZE_OUT
from sterile.scalar.lattice import yield_weights
from sterile.status import is_failure

G, MASS, YUKAWA = 106.75, 500.0, 1e-10
M0 = REDUCED_PLANCK_MASS_GEV * np.sqrt(90.0 / (np.pi**2 * G))
WIDTH = YUKAWA**2 * MASS / (16.0 * np.pi)
GRID = dataclasses.replace(FREEZE_OUT, coupled_steps=3)


def contact(**treatment):
    return sterile.Plasma(contact_only=True, constant_g=G, dark_sector_in_hubble=False, **treatment)


def solve(coupling, plasma, yukawa=YUKAWA, grid=GRID):
    production = sterile.solve(sterile.ScalarDecay(MASS, coupling, yukawa), plasma, grid)
    assert not is_failure(int(production.status))
    return production


def averages(temperature):
    """n_eq e^(m/T) [GeV^3], <m/E>, and <p^2/(3E) g(p)> for each g of the moment equation."""
    p = temperature * np.sqrt(1.0 + MASS / temperature) * np.exp(np.linspace(-9.0, 4.5, 500))
    e = np.sqrt(p**2 + MASS**2)
    weight = p**3 * np.exp(-(e - MASS) / temperature)
    weight = weight / weight.sum()
    kinetic = p**2 / (3.0 * e)
    number = MASS**2 * temperature * kve(2, MASS / temperature) / (2.0 * np.pi**2)
    return number, *(
        weight @ values
        for values in (
            MASS / e,
            kinetic * MASS / e,
            kinetic * (2.0 - (p / e) ** 2),
            (2.0 / e - p**2 / e**3) * p**2 / 3.0,
        )
    )


def annihilation(temperature, coupling):
    """n_eq^2 <sigma v> and its p^2/(3E)-weighted form, times e^(2m/T); W = 4 lambda^2/pi.

    The gain is W/(8 pi^2 E) exp(-E/T) m T K_1(m/T).
    """
    p = temperature * np.sqrt(1.0 + MASS / temperature) * np.exp(np.linspace(-9.0, 4.5, 500))
    e = np.sqrt(p**2 + MASS**2)
    partner = MASS * temperature * kve(1, MASS / temperature)
    gain = (
        4.0
        * coupling**2
        / np.pi
        / (8.0 * np.pi**2 * e)
        * np.exp(-(e - MASS) / temperature)
        * partner
    )
    measure = p**3 / (2.0 * np.pi**2) * (13.5 / 499)
    return np.sum(measure * gain), np.sum(measure * gain * p**2 / (3.0 * e))


def integrated(coupling, kinetic_rate):
    """Y_N and T_S/T at T = m/30 by scipy: number and, unless gamma is infinite, temperature."""

    def rates(x, state):
        t = MASS * np.exp(-x)
        temperature = t if kinetic_rate is None else state[1] * t
        hubble, entropy = t**2 / M0, 2.0 * np.pi**2 / 45.0 * G * t**3
        n = state[0] * entropy
        n_eq, slowing, kinetic_slowing, redshift, friction = averages(temperature)
        gain, gain_kinetic = annihilation(t, coupling)
        loss, loss_kinetic = annihilation(temperature, coupling)
        excess, boltzmann = (n / n_eq) ** 2, np.exp(-2.0 * MASS / t)
        flow = (boltzmann * gain - excess * loss - WIDTH * slowing * n) / hubble
        heat = (
            boltzmann * gain_kinetic - excess * loss_kinetic - WIDTH * kinetic_slowing * n
        ) / hubble
        decays = 2.0 * WIDTH * slowing * n / (hubble * entropy)
        if kinetic_rate is None:
            return [flow / entropy, 0.0, decays]
        exchange = 0.5 * kinetic_rate(t) * (t / temperature - 1.0) * friction / hubble
        slope = (heat - temperature * flow) / n - redshift + exchange
        return [flow / entropy, slope / t + state[1], decays]

    start = (
        averages(20.0 * MASS)[0] * np.exp(-0.05) / (2.0 * np.pi**2 / 45.0 * G * (20.0 * MASS) ** 3)
    )
    ends = (-np.log(20.0), np.log(30.0), np.log(3e4))
    solved = solve_ivp(
        rates, (ends[0], ends[2]), [start, 1.0, 0.0], method="Radau", rtol=1e-7, atol=1e-13,
        t_eval=ends[1:],
    )  # fmt: skip
    return solved.y[2, -1], solved.y[1, 0]


def scattering_rate(coupling):
    """gamma(T) of the contact vertex with four massless bosons."""

    def rate(t):
        omega = t * np.linspace(1e-4, 60.0, 6000)
        k_cm2 = MASS**2 * omega**2 / (MASS**2 + 2.0 * omega * MASS)
        g = 1.0 / np.expm1(omega / t)
        moment = 64.0 * coupling**2 * k_cm2**2
        return np.trapezoid(moment * g * (1.0 + g), omega) / (48.0 * np.pi**3 * MASS**3 * t)

    grid = np.linspace(np.log(1e-3), np.log(3e4), 400)
    table = np.log([rate(np.exp(x)) for x in grid])
    return lambda t: np.exp(np.interp(np.log(t), grid, table))


def temperature_at(production, ratio):
    """T_S/T of the solver's history at m_S/T = ratio."""
    history = production.scalar
    p = np.exp(np.asarray(history.log_q) - np.asarray(history.clock)[:, None])
    weight = p**3 * np.asarray(history.f)
    kinetic = weight * p**2 / (3.0 * np.sqrt(p**2 + MASS**2))
    log_t = np.log(np.asarray(history.temperature_gev))
    found = kinetic.sum(axis=1)[log_t > 0.0] / weight.sum(axis=1)[log_t > 0.0]
    at = np.log(MASS / ratio)
    values = np.log(found) - log_t[log_t > 0.0]
    return np.exp(np.interp(-at, -log_t[log_t > 0.0], values))


@pytest.mark.slow
@pytest.mark.analytic
def test_number_density_by_scipy():
    expected, _ = integrated(1e-5, None)
    # scipy's late phase stops at T = m/3e4, S long gone; the solver's own error is 1e-5
    found = solve(1e-5, contact(method="number-density"))
    assert float(found.yield_n) == pytest.approx(expected, rel=1e-4)
    assert temperature_at(found, 30.0) == pytest.approx(1.0, abs=1e-6)


@pytest.mark.slow
@pytest.mark.analytic
def test_moments_by_scipy():
    # without scattering, and with a weak one: gamma/H = 4 at freeze-out and so T_S between
    for coupling, with_elastic in ((1e-5, False), (1e-5, True)):
        rate = scattering_rate(coupling) if with_elastic else lambda t: 0.0
        expected, temperature = integrated(coupling, rate)
        plasma = contact(method="moments", elastic_scattering=with_elastic)
        found = solve(coupling, plasma)
        assert float(found.yield_n) == pytest.approx(expected, rel=2e-4)
        # interpolated in time; elastic scattering on the lattice is good to a few 1e-3 of 1 - T_S/T
        assert temperature_at(found, 30.0) == pytest.approx(temperature, rel=3e-3)


@pytest.mark.slow
@pytest.mark.golden
def test_kinetic_equilibrium_without_electroweak_step():
    # freeze-out, contact, m_S = 500 GeV, lambda = 1e-3, y = 1e-9: the integrated equation of an
    # independent reference calculation, 2.90709e-7; momentum by momentum 2.90666e-7
    found = solve(1e-3, contact(method="number-density"), 1e-9)
    assert float(found.yield_n) == pytest.approx(2.90709e-7, rel=1e-5)
    # gamma/H above 1e3 at freeze-out
    scattered = solve(1e-3, contact(elastic_scattering=True), 1e-9)
    assert float(scattered.yield_n) == pytest.approx(2.90709e-7, rel=1e-5)


@pytest.mark.slow
@pytest.mark.analytic
def test_weak_scattering_changes_nothing():
    # gamma/H = 2e-3 at T = m_S and less below: the number stays, the momenta move by as much
    plain, scattered = (solve(1e-8, contact(elastic_scattering=on)) for on in (False, True))
    assert float(scattered.yield_n) == pytest.approx(float(plain.yield_n), rel=1e-6)
    assert float(scattered.q_mean) == pytest.approx(float(plain.q_mean), rel=1e-3)


@pytest.mark.slow
@pytest.mark.invariants
def test_scattering_keeps_numbers():
    # without annihilation, and decays counted: gamma/H = 1e3 leaves rounding
    plasma = contact(elastic_scattering=True)

    def strong(mass, coupling, plasma):
        return elastic.elastic_table(mass, 1e4 * coupling, plasma)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scalar, "elastic_table", strong)
        model = sterile.ScalarDecay(MASS, 1e-12, 1e-12)
        history = eqx.filter_jit(lambda m: scalar.solve_scalar(m, plasma, GRID))(model)
    number = np.asarray(history.f) @ yield_weights(GRID) + np.asarray(history.decayed)
    late = np.asarray(history.temperature_gev) < MASS / 30.0
    alive = late & (np.asarray(history.temperature_gev) > 1.0)
    assert np.ptp(number[alive]) < 1e-8 * number[alive].max()


@pytest.mark.slow
@pytest.mark.gradients
@pytest.mark.parametrize("method", ["momentum", "moments", "number-density"])
def test_methods_differentiate(method):
    plasma = contact(elastic_scattering=True, method=method)
    small = dataclasses.replace(
        GRID, log_step=0.4, momenta=22, hot_units=10, coupled_units=21, late_units=33
    )

    @eqx.filter_jit
    def value(x):
        production = sterile.solve(sterile.ScalarDecay(*jnp.exp(x)), plasma, small)
        return jnp.stack([jnp.log(production.yield_n), jnp.log(production.q_mean)])

    x = jnp.log(jnp.array([MASS, 1e-6, 1e-9]))
    direction = jnp.array([0.3, 1.0, -0.5])
    _, slope = eqx.filter_jit(lambda x: jax.jvp(value, (x,), (direction,)))(x)
    step = 1e-3
    difference = (value(x + step * direction) - value(x - step * direction)) / (2.0 * step)
    np.testing.assert_allclose(slope, difference, rtol=1e-4, atol=1e-5)


@pytest.mark.invariants
def test_switches_are_checked():
    with pytest.raises(ValueError, match="method = 'nbe' is not available.*'number-density'"):
        sterile.Plasma(method="nbe")
    with pytest.raises(ValueError, match="elastic_scattering = 1 is not available"):
        sterile.Plasma(elastic_scattering=1)


def _paper(**treatment):
    return dataclasses.replace(PAPER, **treatment)


@pytest.mark.slow
@pytest.mark.golden
def test_kinetic_equilibrium_yields():
    # integrated equation of an independent reference calculation, T_ini = 200 m_S in freeze-in,
    # which costs it 0.5 % there
    plasma = _paper(method="number-density")
    for parameters, expected, rel in (
        ((100.0, 1e-4, 1e-9), 2.09099e-6, 2e-5),
        ((100.0, 1e-6, 1e-8), 5.10194e-4, 2e-5),
        ((100.0, 1e-8, 1e-9), 2.51561e-5, 1e-2),
        ((65.0, 1e-6, 1e-10), 2.8134e-4, 1e-2),
        ((65.0, 1e-4, 1e-10), 9.7173e-8, 1e-2),
        ((500.0, 3e-7, 1e-10), 1.6685e-3, 1e-2),
    ):
        found = sterile.solve(sterile.ScalarDecay(*parameters), plasma, FREEZE_OUT)
        assert not is_failure(int(found.status))
        assert float(found.yield_n) == pytest.approx(expected, rel=rel)


@pytest.mark.slow
@pytest.mark.golden
def test_kinetic_equilibrium_below_the_resonance():
    plasma = _paper(method="number-density")
    for coupling, expected in ((1e-8, 3.5463e-3), (1e-6, 4.2384e-4), (1e-3, 1.3620e-7)):
        found = sterile.solve(sterile.ScalarDecay(30.0, coupling, 1e-10), plasma)
        assert not is_failure(int(found.status))
        assert float(found.yield_n) == pytest.approx(expected, rel=1e-2)


@pytest.mark.slow
@pytest.mark.analytic
def test_scattering_interpolates():
    # m_S = 30 GeV, lambda = 1e-6: gamma/H ~ 1e-3 at freeze-out, momentum by momentum 3 times
    # kinetic equilibrium; with gamma a million times larger the latter
    model = sterile.ScalarDecay(30.0, 1e-6, 1e-10)
    plain, scattered = (
        float(sterile.solve(model, _paper(elastic_scattering=on)).yield_n) for on in (False, True)
    )
    assert scattered == pytest.approx(plain, rel=2e-2)
    kinetic = float(sterile.solve(model, _paper(method="number-density")).yield_n)
    assert plain > 2.5 * kinetic

    def strong(mass, coupling, plasma):
        return elastic.elastic_table(mass, 1e3 * coupling, plasma)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scalar, "elastic_table", strong)
        plasma, grid = _paper(elastic_scattering=True), sterile.choose_grid(model, PAPER)
        history = eqx.filter_jit(lambda m: scalar.solve_scalar(m, plasma, grid))(model)
    assert 2.0 * float(history.decayed[-1]) == pytest.approx(kinetic, rel=1e-2)


@pytest.mark.slow
@pytest.mark.invariants
def test_the_last_survivors_do_not_heat_without_end():
    # Gamma/H = 600 at T = m_S/28, where Y_S is 1e-33: those that are left are the fastest
    effects = {"bath_statistics": "quantum", "electroweak_transition": "crossover"}
    plasma = sterile.Plasma(
        method="moments", higgs_width="running", elastic_scattering=True, **effects
    )
    model = sterile.ScalarDecay(873.1612465365927, 4.735543830102094e-11, 2.157930891318007e-07)
    found = sterile.solve(model, plasma)
    assert int(found.status) == 0
    # the lattice of the decays' own quadrature
    assert float(found.yield_n_spectrum) == pytest.approx(float(found.yield_n), rel=1e-5)


@pytest.mark.slow
@pytest.mark.invariants
def test_moments_where_decays_leave_the_fastest():
    # Gamma/H = 2400 at T = m_S: T_S rises to 2 T, and f/exp(-E/T) by e^13 from node to node
    model = sterile.ScalarDecay(37.93, 5.27e-4, 2.417e-6)
    found, reference = (
        sterile.solve(model, sterile.Plasma(method=method)) for method in ("moments", "momentum")
    )
    assert not is_failure(int(found.status))
    assert float(found.yield_n_spectrum) == pytest.approx(float(found.yield_n), rel=1e-4)
    # 2 % is what one temperature leaves out there
    assert float(found.yield_n) == pytest.approx(float(reference.yield_n), rel=3e-2)


@pytest.mark.slow
@pytest.mark.invariants
def test_moments_below_the_resonance_in_a_crossover():
    # held mode by mode, rates made T_S run away from T while S was in equilibrium
    plasma = sterile.Plasma(
        method="moments", bath_statistics="quantum", electroweak_transition="crossover"
    )
    found = sterile.solve(sterile.ScalarDecay(9.874, 2.987e-4, 3.256e-9), plasma)
    assert int(found.status) == 0
    assert float(found.yield_n_spectrum) == pytest.approx(float(found.yield_n), rel=1e-4)


@pytest.mark.slow
@pytest.mark.invariants
def test_moments_where_the_gain_changes_within_a_step():
    # Gamma/H = 1600 at T = m_S, gain falls as exp(-m_h/T): whole steps swung, and ended as NaN
    plasma = sterile.Plasma(
        method="moments",
        higgs_width="running",
        elastic_scattering=True,
        bath_statistics="quantum",
        electroweak_transition="crossover",
    )
    found = sterile.solve(sterile.ScalarDecay(13.0227, 3.42284e-5, 1.1395e-6), plasma)
    assert not is_failure(int(found.status))
    # twice the steps: 2.058595
    assert float(found.yield_n) == pytest.approx(2.0586, rel=1e-4)
    assert float(found.yield_n_spectrum) == pytest.approx(float(found.yield_n), rel=1e-4)
