"""Elastic scattering of S: its rate, and the Fokker-Planck operator on the lattice."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.integrate import quad, solve_ivp
from scipy.linalg import expm

import sterile
from sterile import Plasma
from sterile.bath import thermodynamics as bath
from sterile.scalar import grids
from sterile.scalar.amplitudes import FERMIONS
from sterile.scalar.elastic_scattering import (
    elastic_rate_gev,
    elastic_table,
    hopping_rates,
    momentum_transfer_rate_gev,
    scattering,
    scattering_matrix,
)


def lattice(temperature, mass, log_step=0.2, reach=60.0):
    """Momenta of the solver's kind around a thermal distribution, number weights, C_el."""
    p = temperature * np.exp(np.arange(np.log(3e-3), np.log(reach), log_step))
    rates = hopping_rates(jnp.asarray(p), mass, temperature, 1.0, log_step)
    return p, log_step * p**3, rates


@pytest.mark.golden
@pytest.mark.parametrize(
    "mass, coupling, expected",
    [
        (30.0, 1e-6, (4.1e-3, 1.3e-3, 5e-4, 2e-4)),
        (65.0, 1e-4, (79.0, 29.0, 13.0, 6.7)),
        (100.0, 1e-4, (98.0, 39.0, 19.0, 10.0)),
        (100.0, 1e-5, (0.98, 0.39, 0.19, 0.10)),
    ],
)
def test_rates_over_hubble(mass, coupling, expected):
    # gamma/H of fermions at m_S/T = 10, 15, 20, 25, from an independent reference calculation; its
    # figures carry one or two digits: half of the last one, and 2 %
    temperature = mass / np.array([10.0, 15.0, 20.0, 25.0])
    rate = momentum_transfer_rate_gev(temperature, mass, coupling, tuple(FERMIONS))
    ratio = np.asarray(rate / bath.hubble_gev(temperature))
    for found, quoted in zip(ratio, expected):
        digit = 10.0 ** np.floor(np.log10(quoted) - (quoted not in (5e-4, 2e-4)))
        assert abs(found - quoted) < 0.5 * digit + 0.02 * quoted


@pytest.mark.analytic
@pytest.mark.parametrize("species", ["bb", "tt", "WW", "hh", "phi"])
@pytest.mark.parametrize("temperature", [3.0, 150.0])
def test_rate_by_adaptive_quadrature(species, temperature):
    # the double integral of Binder et al. 1706.07433 with amplitudes written out again
    mass, higgs = 80.0, 125.25
    m, sign, squared = {
        "bb": (4.18, 1.0, lambda u: 192.0 * 4.18**2 * (4 * 4.18**2 + u) / (u + higgs**2) ** 2),
        "tt": (172.7, 1.0, lambda u: 192.0 * 172.7**2 * (4 * 172.7**2 + u) / (u + higgs**2) ** 2),
        "WW": (
            80.379,
            -1.0,
            lambda u: 32.0 * (u * u + 4 * u * 80.379**2 + 12 * 80.379**4) / (u + higgs**2) ** 2,
        ),
        "hh": (higgs, -1.0, lambda u: 16.0 * (1.0 - 3.0 * higgs**2 / (u + higgs**2)) ** 2),
        "phi": (0.0, -1.0, lambda u: 64.0),
    }[species]

    def integrand(omega):
        k2 = omega**2 - m**2
        k_cm2 = mass**2 * k2 / (mass**2 + 2.0 * omega * mass + m**2)
        moment = quad(lambda u: u * squared(u), 0.0, 4.0 * k_cm2, epsrel=1e-9)[0] / 8.0
        g = 1.0 / (np.exp(omega / temperature) + sign)
        return moment * g * (1.0 - sign * g)

    low = m + 1e-9 * temperature
    total = quad(integrand, low, m + 50.0 * temperature, epsrel=1e-8, limit=200)[0]
    expected = total / (48.0 * np.pi**3 * mass**3 * temperature)
    rate = momentum_transfer_rate_gev(temperature, mass, 1.0, (species,))
    # quadrature of 28 x 8 nodes
    assert float(rate) == pytest.approx(expected, rel=1e-6)


@pytest.mark.analytic
def test_table_of_rates():
    temperature = jnp.exp(jnp.linspace(np.log(160.0), np.log(160.0) - 10.9, 200))
    table = elastic_table(jnp.asarray(65.0), jnp.asarray(1e-4), Plasma())
    found = jax.vmap(lambda t: elastic_rate_gev(table, t, True))(temperature)
    # 40 Chebyshev nodes; far below what gamma itself is known to
    np.testing.assert_allclose(
        found, momentum_transfer_rate_gev(temperature, 65.0, 1e-4), rtol=2e-4
    )
    above = elastic_rate_gev(table, 200.0, False)
    assert float(above) == float(momentum_transfer_rate_gev(200.0, 65.0, 1e-4, ("phi",)))


@pytest.mark.invariants
@pytest.mark.parametrize("ratio", [0.01, 1.0, 20.0, 300.0])
def test_number_and_equilibrium(ratio):
    mass = 100.0
    p, number, rates = lattice(mass / ratio, mass)
    matrix = np.asarray(scattering_matrix(rates, jnp.zeros(rates.up.size)))
    scale = np.abs(number[:, None] * matrix).max(axis=0)
    assert np.all(np.abs(number @ matrix) < 1e-12 * scale)
    energy = np.sqrt(p**2 + mass**2) - mass
    f = np.exp(-energy * ratio / mass)
    size = np.abs(matrix) @ f
    assert np.all(np.abs(matrix @ f) < 1e-12 * size)
    # positive whatever the step: an M-matrix
    assert np.all(matrix - np.diag(np.diag(matrix)) >= 0.0)
    np.testing.assert_allclose(scattering(rates, f * p), matrix @ (f * p), atol=1e-12 * size.max())


@pytest.mark.analytic
def test_slow_scalars_relax_exponentially():
    # E = m + p^2/2m: a Maxwellian stays one, T_S - T falling like exp(-gamma t)
    temperature, mass, time = 1.0, 1e3, 0.7
    errors = []
    for step in (0.2, 0.1):
        p, number, rates = lattice(temperature, mass, step, 400.0)
        start = np.exp(-(p**2) / (2.0 * mass * 0.5 * temperature))
        end = expm(time * np.asarray(scattering_matrix(rates, jnp.zeros(rates.up.size)))) @ start
        found = (number * p**2) @ end / (3.0 * mass * (number @ end))
        errors.append(abs(found - (1.0 - 0.5 * np.exp(-time))))
        assert np.all(end > 0.0)
    # relativistic corrections to <p^2>/3m are 5/2 T/m; the step's error is of second order
    assert errors[0] < 4e-3
    assert errors[1] < 0.5 * errors[0] + 1e-3


@pytest.mark.analytic
def test_relaxation_against_brute_force():
    # m = 2T, from exp(-E/1.5T), against finite differences of the operator written out,
    # (gamma/2)[T E f'' + (p + 2TE/p + Tp/E) f' + 3 f], on 600 uniform momenta
    mass, temperature = 2.0, 1.0
    p = (np.arange(600) + 0.5) * 0.05
    e = np.sqrt(p**2 + mass**2)

    def change(_, f):
        # even in p; gone at the far end
        padded = np.concatenate([[f[0]], f, [0.0]])
        first = (padded[2:] - padded[:-2]) / 0.1
        second = (padded[2:] - 2.0 * f + padded[:-2]) / 0.05**2
        drift = p + 2.0 * temperature * e / p + temperature * p / e
        return 0.5 * (temperature * e * second + drift * first + 3.0 * f)

    tridiagonal = np.abs(np.subtract.outer(np.arange(600), np.arange(600))) <= 1
    brute = solve_ivp(
        change, (0.0, 1.0), np.exp(-e / 1.5), method="BDF", rtol=1e-7, atol=1e-14,
        jac_sparsity=tridiagonal,
    ).y[:, -1]  # fmt: skip
    ours_p, number, rates = lattice(temperature, mass)
    ours_e = np.sqrt(ours_p**2 + mass**2)
    ours = expm(np.asarray(scattering_matrix(rates, jnp.zeros(rates.up.size)))) @ np.exp(
        -ours_e / 1.5
    )
    for power in (1, 2):
        expected = np.sum(p**2 * e**power * brute) / np.sum(p**2 * brute)
        found = np.sum(number * ours_e**power * ours) / np.sum(number * ours)
        thermal = np.sum(p**2 * e**power * np.exp(-e)) / np.sum(p**2 * np.exp(-e))
        # of the distance left to equilibrium; the second moment decays through modes that the
        # lattice's step of 0.2 resolves to a few per cent
        assert abs(found - expected) < (0.01, 0.05)[power - 1] * abs(expected - thermal)


@pytest.mark.invariants
def test_the_lattice_has_room_for_kinetic_equilibrium():
    # q ~ (m_S/T)^(1/2): 16 is passed at T = m_S/100
    with_room = grids.widened(grids.FREEZE_OUT, Plasma(elastic_scattering=True))
    assert with_room.log_q[-1] >= np.log(60.0) > grids.FREEZE_OUT.log_q[-1]
    for grid, plasma in ((grids.FREEZE_OUT, Plasma()), (grids.FREEZE_IN, Plasma())):
        assert grids.widened(grid, plasma) == grid
    # S that never thermalises is not kept in equilibrium
    assert grids.widened(grids.FREEZE_IN, Plasma(elastic_scattering=True)) == grids.FREEZE_IN


@pytest.mark.slow
@pytest.mark.invariants
def test_number_where_scattering_outlasts_freeze_out():
    # in equilibrium to T = m_S/600; on a lattice to q = 16 the spectrum held 4.3 % less than Y_N
    model = sterile.ScalarDecay(4173.671245383595, 4.599151644652834e-3, 1.375794350012036e-10)
    found = sterile.solve(model, Plasma(elastic_scattering=True))
    assert int(found.status) == 0
    # a wider lattice moves Y_N by 1e-5
    assert float(found.yield_n_spectrum) == pytest.approx(float(found.yield_n), rel=1e-4)
