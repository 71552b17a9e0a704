"""S <-> N N with Pauli blocking and inverse decays: conservation, equilibrium, limits."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sterile
from spectra.constants import ENTROPY_DEGREES_OF_FREEDOM_TODAY
from sterile.scalar.decay_products import refinement
from sterile.scalar.grids import FREEZE_OUT, FREEZE_OUT_NARROW
from sterile.scalar.inverse_decay import Daughters, exchange, volumes
from sterile.scalar.inverse_spectrum import _averages
from sterile.scalar.lattice import YIELD_PER_NUMBER
from tests.oracles.inverse_decay_brute_force import solve as brute_force

G = 106.75
SCALE = (ENTROPY_DEGREES_OF_FREEDOM_TODAY / G) ** (1.0 / 3.0)
PLAIN = sterile.Plasma(contact_only=True, constant_g=G, dark_sector_in_hubble=False)
FULL = sterile.Plasma(
    contact_only=True, constant_g=G, dark_sector_in_hubble=False, inverse_decays=True
)


def process(f, n, temperature, stimulated=False):
    """The process for m_S = 100 GeV, in a bath as hot as given: rates m/E, one a unit of time."""
    thermal = SimpleNamespace(comoving_gev=temperature / SCALE, temperature_gev=temperature)
    particle = SimpleNamespace(
        mass_gev=100.0,
        log_q=FREEZE_OUT.log_q,
        log_step=FREEZE_OUT.log_step,
        daughters=Daughters(2, stimulated),
    )
    p = np.exp(FREEZE_OUT.log_q) * thermal.comoving_gev
    rate = 100.0 / np.hypot(p, 100.0)
    return exchange(particle, thermal, rate, f, n, n), rate, p


@pytest.mark.invariants
@pytest.mark.parametrize("temperature", [1e4, 100.0, 12.0])
@pytest.mark.parametrize("stimulated", [False, True])
def test_number_and_fixed_point(temperature, stimulated):
    random = np.random.default_rng(1)
    count = FREEZE_OUT.momenta
    volume = volumes(FREEZE_OUT.log_q, FREEZE_OUT.log_step)
    scalars = FREEZE_OUT.log_step * np.exp(3.0 * FREEZE_OUT.log_q)
    # number, for anything at all: two for one. S above q = 8 makes daughters beyond the lattice
    f, n = random.uniform(size=(2, count))
    f = np.where(FREEZE_OUT.log_q < np.log(2.0), f, 0.0)
    n = np.where(FREEZE_OUT.log_q < np.log(2.0), n, 0.0)
    change, rate, p = process(f, n, temperature, stimulated)
    lost = rate * (f * np.asarray(change.kept) - np.asarray(change.returned)) * scalars
    # inverse decays to S above the cut give them to nodes with f = 0, which count too
    gained = 2.0 * volume * np.asarray(change.gain)
    assert np.sum(gained) == pytest.approx(2.0 * np.sum(lost), rel=1e-11)
    # energy too, for n without jumps: below the first node counts as it, 3e-3 of a thermal momentum
    e = np.hypot(p, 100.0)
    n = 0.7 / (np.exp(0.6 * p / temperature) + 1.0) + 0.3 * np.exp(-3.0 * p / temperature)
    n = np.where(FREEZE_OUT.log_q < np.log(4.0), n, 0.0)
    change, rate, p = process(f, n, temperature, stimulated)
    lost = rate * (f * np.asarray(change.kept) - np.asarray(change.returned)) * scalars
    heated = np.sum(volume * np.asarray(change.gain) * p)
    assert 2.0 * heated == pytest.approx(np.sum(lost * e), abs=1e-4 * np.sum(np.abs(lost) * e))
    # equilibrium of any temperature and density: MB with FD, or BE with FD, to rounding
    for ratio, potential in ((1.0, 0.0), (0.3, 0.0), (1.4, -3.0)):
        own = ratio * temperature
        f = 1.0 / (np.exp(e / own - 2.0 * potential) - (1.0 if stimulated else 0.0))
        n = 1.0 / (np.exp(p / own - potential) + 1.0)
        change, rate, _ = process(f, n, temperature, stimulated)
        # beyond, n falls by more than e^8 a node, and so by exactly that
        inside = (p + 0.5 * (e - p) < 0.9 * p[-1]) & (e < 35.0 * own)
        kept, returned = np.asarray(change.kept), np.asarray(change.returned)
        assert np.max(np.abs(returned[inside] / (f * kept)[inside] - 1.0)) < 1e-9
    # no gain where full, no loss where empty, whatever the rest does
    for edge, sign in ((0.0, 1.0), (1.0, -1.0)):
        n = random.uniform(size=count)
        n[::3] = edge
        gain = np.asarray(process(random.uniform(size=count), n, temperature)[0].gain)
        assert np.all(sign * gain[::3] >= 0.0)


@pytest.mark.analytic
@pytest.mark.slow
def test_rare_neutrinos_do_not_come_back():
    model = sterile.ScalarDecay(500.0, 1e-3, 1e-10)
    plain, full = (sterile.solve(model, plasma, FREEZE_OUT) for plasma in (PLAIN, FULL))
    x = np.asarray(plain.q) / SCALE
    usual = (x > 0.5) & (x < 20.0)
    # the effect itself is of order f_N = 1e-5 at small x, 4e-7 here
    ratio = np.asarray(full.f / plain.f)[usual]
    assert np.max(np.abs(ratio - 1.0)) < 1e-6
    assert float(full.yield_n) == pytest.approx(float(plain.yield_n), rel=1e-6)


@pytest.mark.golden
@pytest.mark.slow
@pytest.mark.parametrize("yukawa", [1e-8, 1e-7])
def test_against_brute_force(yukawa):
    # f_N up to 0.15 and up to 1
    x, n = brute_force(500.0, 1e-3, yukawa, G)
    production = sterile.solve(sterile.ScalarDecay(500.0, 1e-3, yukawa), FULL, FREEZE_OUT)
    ours = np.exp(np.interp(np.log(x * SCALE), np.log(production.q), np.log(production.f)))
    number = 2.0 * YIELD_PER_NUMBER * SCALE**3 * np.log(x[1] / x[0]) * np.sum(x**3 * n)
    # n on the lattice, nodes 0.2 apart, enters the blocking: 5e-4, falling with the square of the
    # step; brute force is good to 1e-4
    assert float(production.yield_n_spectrum) == pytest.approx(number, rel=1e-3)
    worst = np.max(np.abs(x**2 * (0.5 * ours - n))) / np.max(x**2 * n)
    assert worst < 3e-3
    assert float(production.occupation_max) <= 1.0


@pytest.mark.analytic
@pytest.mark.slow
@pytest.mark.parametrize("yukawa", [1e-6, 1e-5])
def test_neutrinos_in_equilibrium(yukawa):
    # bath, S and N are one gas while lambda is large and Gamma > H: N freezes out as Fermi-Dirac
    # with the bath's temperature, 1.803 in p^3/T^3, whatever y
    production = sterile.solve(sterile.ScalarDecay(500.0, 1e-3, yukawa), FULL, FREEZE_OUT)
    x, n = np.asarray(production.q) / SCALE, 0.5 * np.asarray(production.f)
    expected = 1.0 / (np.exp(x) + 1.0)
    # outside, N meets S only as Gamma/H < 1: slow N early, 6 % at x = 0.5, fast N late
    inside = (x > 1.0) & (x < 8.0)
    assert np.max(np.abs(n / expected - 1.0)[inside]) < 1e-2
    number = 2.0 * YIELD_PER_NUMBER * SCALE**3 * 1.803085
    assert float(production.yield_n_spectrum) == pytest.approx(number, rel=3e-3)
    assert float(production.yield_n) == pytest.approx(number, rel=3e-3)
    assert np.all(n <= 1.0) and np.all(np.asarray(production.scalar.occupation) <= 1.0)
    assert int(production.status) == 0


@pytest.mark.gradients
@pytest.mark.analytic
@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize("stimulated", [False, True])
def test_averages_over_partners_against_quadrature(sign, stimulated):
    # S of 6 GeV at T = 40 GeV: a partner of p = 30 GeV has 0.3 GeV, and n' falls as k^-2 there.
    # Summed over the scalars' momenta, what returns was 1.5 times too much at p = 23 GeV, 5 at 48
    grid, mass, temperature = FREEZE_OUT_NARROW, 6.1, 40.0
    clock = -np.log(temperature)
    refine = refinement(grid)
    below = int(np.flatnonzero(refine[:, 0] == 1.0)[-1])
    refine[:below] = refine[below]
    p = np.exp(grid.log_q) * temperature

    def scalars(p):
        return 1e-4 * np.exp(-np.hypot(p, mass) / temperature)

    def neutrinos(k):
        return np.minimum(0.3 * (k / (3e-3 * temperature)) ** -2.0, 0.3) * np.exp(-k / temperature)

    energies = np.hypot(p, mass)
    totals = 1e-4 * temperature * np.exp(-energies / temperature)
    kept, removed = _averages(
        grid=grid,
        model=SimpleNamespace(scalar_mass_gev=mass),
        refine=refine[below:],
        sign=sign,
        stimulated=stimulated,
        clock=clock,
        f=scalars(p),
        occupation=neutrinos(p),
        scalars=totals,
    )
    for node in range(10, 50, 5):
        fast = 0.5 * (energies[node] + p[node])
        own = fast if sign > 0 else 0.25 * mass**2 / fast
        # by the partner's momentum, evenly in its logarithm
        log_k = np.linspace(np.log(energies[node] - own), np.log(p[-1]), 20001)
        k = np.exp(log_k)
        f = 1e-4 * np.exp(-(k + own) / temperature)
        blocked = np.trapezoid(f * neutrinos(k) * k, log_k) / totals[node]
        returned = np.trapezoid(neutrinos(k) * k, log_k) / totals[node] + stimulated * blocked
        # f is at its mean in a cell, n' nearly all at the cell's lower end
        assert float(1.0 - kept[node]) == pytest.approx(blocked, rel=6e-2, abs=1e-6)
        assert float((removed - kept)[node]) == pytest.approx(returned, rel=3e-3)


@pytest.mark.slow
@pytest.mark.analytic
def test_number_and_energy_where_s_and_n_exchange_far_above_the_expansion():
    # freeze-in at Gamma/H = 1650: the decays conserve number, 2 Y_S + Y_N, on the lattice
    made = sterile.solve(
        sterile.ScalarDecay(6.1, 3.3e-11, 8.1e-7), sterile.Plasma(inverse_decays=True)
    )
    assert int(made.status) == 0
    # 6e-4 measured on a step of 0.15 in ln q; -1.2e-2 before partners were integrated over
    assert made.yield_n_spectrum == pytest.approx(float(made.yield_n), rel=2e-3)


@pytest.mark.slow
def test_derivatives():
    def yields(x):
        production = sterile.solve(sterile.ScalarDecay(*jnp.exp(x)), FULL, FREEZE_OUT)
        return jnp.stack([jnp.log(production.yield_n_spectrum), jnp.log(production.q_mean)])

    x = jnp.log(jnp.array([500.0, 1e-3, 1e-7]))
    yields = jax.jit(yields)
    slope = np.asarray(jax.jit(jax.jacfwd(yields))(x))
    step = 1e-3
    for i in range(3):
        move = step * jnp.eye(3)[i]
        difference = (yields(x + move) - yields(x - move)) / (2.0 * step)
        # weights between nodes are linear: kinks of the lattice's error under m_S
        assert np.max(np.abs(slope[:, i] - difference)) < (1e-2 if i == 0 else 1e-4)


@pytest.mark.invariants
@pytest.mark.slow
@pytest.mark.parametrize(
    "point, plasma",
    [
        # exchanged with N far above H; with a light S on the resonance as well
        ((970.0, 5e-6, 3.2e-6), {}),
        ((36.7, 4e-5, 9.6e-6), {}),
        # tails of f and n, long after N N -> S
        ((65.0, 1e-4, 1e-9), {"elastic_scattering": True}),
        ((1548.0, 2.742e-6, 2.246e-7), sterile.PRESETS["best"]),
    ],
)
def test_points_that_once_ended_without_a_number(point, plasma):
    production = sterile.solve(
        sterile.ScalarDecay(*point), sterile.Plasma(**{**plasma, "inverse_decays": True})
    )
    assert int(production.status) == 0
    # n on the lattice, 0.2 apart, is off by 2e-3 where N is as many as S
    assert production.yield_n_spectrum == pytest.approx(float(production.yield_n), rel=5e-3)


@pytest.mark.invariants
def test_what_is_refused():
    with pytest.raises(
        ValueError, match="inverse_decays = 'maybe' is not available; give one of False, True"
    ):
        sterile.Plasma(inverse_decays="maybe")
