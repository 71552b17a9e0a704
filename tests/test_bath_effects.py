"""Quantum statistics, the crossover and the running width: parts, limits, independent integrals."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from production_cases import jacobians
from scipy.integrate import quad
from scipy.special import spence

import sterile
from spectra.constants import HIGGS_MASS_GEV, W_MASS_GEV
from sterile.bath import electroweak_crossover as crossover
from sterile.models import BATH_CHANNELS
from sterile.scalar import amplitudes, collisions, higgs_width, resonance
from sterile.scalar import quantum_statistics as statistics
from sterile.scalar import rates as scalar_rates
from sterile.scalar import step as scalar_step
from sterile.scalar.bath_means import BathMeans, has_means, means_in_unit
from sterile.status import is_failure


@pytest.mark.analytic
@pytest.mark.parametrize("sign", [1, -1])
def test_pair_enhancement_is_the_mean_over_the_pair(sign):
    # R e^(q_0/T): the mean of n(w) n(q_0 - w) over the energies w of one of the two
    for q0, s, mass, temperature in (
        (300.0, 200.0**2, W_MASS_GEV, 100.0),
        (170.0, 162.0**2, W_MASS_GEV, 50.0),
        (300.0, 2e4, 4.18, 150.0),
        (900.0, 4e5, 172.0, 50.0),
    ):
        velocity = np.sqrt(1.0 - 4.0 * mass**2 / s) * np.sqrt(q0**2 - s)
        low, high = 0.5 * (q0 - velocity), 0.5 * (q0 + velocity)

        def occupation(w, temperature=temperature):
            return 1.0 / (np.exp(w / temperature) - sign)

        def both(w, q0=q0, occupation=occupation):
            return occupation(w) * occupation(q0 - w)

        mean = quad(both, low, high, epsrel=1e-11)[0] / (high - low) * np.exp(q0 / temperature)
        ours = statistics.pair_enhancement(jnp.asarray(q0), s, mass, temperature, sign)
        assert float(ours) == pytest.approx(mean, rel=1e-9)


@pytest.mark.analytic
@pytest.mark.parametrize("scalar_mass", [1.0 / 40.0, 1.0, 5.0])
def test_contact_mean_is_the_dilogarithm(scalar_mass):
    # T = 1: c-bar = [1 + (2/p_1 p_2) sum of Li_2 at the four corners]/(1 - e^(-q_0))
    p = np.geomspace(0.05, 20.0, 7)
    p1, p2 = np.meshgrid(p, p, indexing="ij")
    e1, e2 = np.hypot(p1, scalar_mass), np.hypot(p2, scalar_mass)
    q0, sum_p, gap = e1 + e2, p1 + p2, np.abs(p1 - p2)
    s_low = 2.0 * scalar_mass**2 * (1.0 + (p1**2 + p2**2 + scalar_mass**2) / (e1 * e2 + p1 * p2))

    def dilogarithm(w):
        return spence(-np.expm1(-w))

    corners = dilogarithm(0.5 * (q0 + sum_p)) - dilogarithm(0.5 * (q0 + gap))
    corners += dilogarithm(0.5 * s_low / (q0 + sum_p)) - dilogarithm(0.5 * (q0 - gap))
    expected = (1.0 + 2.0 / (p1 * p2) * corners) / -np.expm1(-q0)
    ours = statistics.contact_mean(jnp.asarray(p), scalar_mass, 0.0, 1.0, True)
    # the logarithm of massless pairs at 8 graded points
    np.testing.assert_allclose(ours, expected, rtol=2e-5)
    # and Maxwell-Boltzmann far below the mass
    cold = statistics.contact_mean(jnp.asarray(p), 30.0, 0.0, 1.0, True)
    np.testing.assert_allclose(cold, 1.0, atol=1e-9)


@pytest.mark.analytic
@pytest.mark.parametrize("scalar_mass, temperature", [(100.0, 60.0), (65.0, 30.0)])
def test_gain_of_the_broken_phase(scalar_mass, temperature):
    # against a direct integral over E_2 and s, channel by channel, c written out in numpy
    coupling, node = 1e-8, 24
    p = np.exp(np.log(3e-3) + 0.2 * np.arange(44)) * 2.95 * temperature
    e = np.hypot(p, scalar_mass)
    kernels = []
    s_max = jnp.asarray(4.0 * (scalar_mass**2 + p[-1] ** 2) * 1.01)
    for part in ("light", "heavy"):
        table = collisions.cross_section_table(
            jnp.asarray(scalar_mass), jnp.asarray(coupling), s_max, "none", part
        )
        kernels.append(collisions.annihilation_kernel(table, jnp.asarray(p), scalar_mass, p.size))
    given = scalar_mass, coupling, temperature
    light, heavy = jax.jit(
        lambda p: (
            statistics.light_mean(p, *given, "none"),
            statistics.heavy_mean(p, *given, BATH_CHANNELS),
        )
    )(p)
    weight = 0.2 * p**2 / e * np.exp(-e / temperature)
    expected = _direct_means(p[node], scalar_mass, temperature, coupling)
    for kernel, mean, channels in zip(kernels, (light, heavy), ("light", "heavy")):
        ours = float((kernel * mean)[node] @ weight) / float(kernel[node] @ weight)
        # five points in s for the light channels, four between thresholds for the heavy ones
        assert ours == pytest.approx(expected[channels], rel=5e-5 if channels == "light" else 5e-4)


def _direct_means(p1, scalar_mass, temperature, coupling):
    """integral dE_2 exp(-E_2/T) integral ds W c over the same with c = 1, light and heavy."""
    width = float(collisions.total_higgs_width_gev(scalar_mass, coupling))
    heavy = {name: amplitudes.THRESHOLDS_GEV[name] / 2.0 for name in ("WW", "ZZ", "hh", "tt")}
    node, weight = np.polynomial.legendre.leggauss(32)
    u, du = 0.5 * (node + 1.0), 0.5 * weight
    p2 = temperature * np.geomspace(1e-3, 45.0, 201)[:, None]
    e1, e2 = np.hypot(p1, scalar_mass), np.hypot(p2, scalar_mass)
    middle = 2.0 * scalar_mass**2 + 2.0 * e1 * e2
    low, high = middle - 2.0 * p1 * p2, middle + 2.0 * p1 * p2
    # panels between thresholds, empty where the window does not reach
    inner = [np.clip(4.0 * mass**2, low, high) for mass in sorted(heavy.values())]
    edges = np.concatenate([low, *inner, high], axis=1)
    s = edges[:, :-1, None] + np.diff(edges)[..., None] * u**2
    ds = np.diff(edges)[..., None] * 2.0 * u * du
    measure = (np.exp(-e2 / temperature) * p2**2 / e2)[..., None] * ds
    w_hat = amplitudes.w_hat_channels(s, scalar_mass, coupling, amplitudes.breit_wigner(s, width))
    sums = {"light": np.zeros(2), "heavy": np.zeros(2)}
    for name, value in w_hat.items():
        mass = heavy.get(name) or amplitudes.FERMIONS[name][0]
        sign = 1.0 if name in ("WW", "ZZ", "hh") else -1.0
        c = _enhancement((e1 + e2)[..., None], s, mass, temperature, sign)
        rate = np.asarray(value) * measure
        sums["heavy" if name in heavy else "light"] += np.sum(rate * c), np.sum(rate)
    return {channels: total[0] / total[1] for channels, total in sums.items()}


def _enhancement(q0, s, mass, temperature, sign):
    spread = np.sqrt(np.maximum(1.0 - 4.0 * mass**2 / s, 1e-14) * np.maximum(q0**2 - s, 1e-8))
    high, low = (0.5 * (q0 + side * spread) / temperature for side in (1.0, -1.0))
    logarithm = np.log((1.0 - sign * np.exp(-high)) / (1.0 - sign * np.exp(-low)))
    return (1.0 + 2.0 * temperature / spread * logarithm) / -np.expm1(-q0 / temperature)


@pytest.mark.analytic
def test_resonance_peak_is_the_bose_decay():
    # on a peak far narrower than g, thermal width or not: the integral over s is that of h -> S S
    s = HIGGS_MASS_GEV**2 + np.linspace(-300.0, 300.0, 600_001)
    epsilon, gamma, temperature, q0 = 0.6, 1000.0, 40.0, 150.0
    peak = np.asarray(resonance.peak_squared(s - HIGGS_MASS_GEV**2, epsilon, gamma))
    factor = statistics.peak_enhancement(
        jnp.asarray(q0), jnp.asarray(s), temperature, "broad", epsilon, gamma, 1.0
    )
    bose = 1.0 / -np.expm1(-q0 / temperature)
    # the tails beyond the window carry 1e-3 of a Lorentzian
    assert np.sum(peak * factor) / np.sum(peak) == pytest.approx(bose, rel=1e-3)


def _particle(stimulated, elastic=None, count=12):
    return scalar_rates.Particle(
        *(jnp.asarray(number) for number in (100.0, 1e-14, 1e-16)),
        log_q=np.linspace(-2.0, 2.0, count),
        log_step=0.3,
        peak=None,
        star=None,
        gravitates=True,
        stimulated=stimulated,
        elastic=elastic,
    )


@pytest.mark.invariants
@pytest.mark.parametrize("elastic", [False, True])
@pytest.mark.parametrize("stimulated", [False, True])
def test_jacobian_is_exact_and_equilibrium_fixed(stimulated, elastic):
    rng = np.random.default_rng(0)
    # any table will do: gamma itself comes with the bath
    particle, count = _particle(stimulated, () if elastic else None), 12
    thermal = scalar_rates.thermal_at(jnp.asarray(-5.0), jnp.asarray(-5.0), sterile.Plasma())
    if elastic:
        thermal = thermal._replace(elastic_gev=jnp.asarray(3e-14))
    operator = jnp.asarray(rng.uniform(0.5, 1.0, (count, count))) * 1e-14
    f, yields = (jnp.asarray(rng.uniform(0.1, 1.0, count)) for _ in range(2))
    carry = (f, jnp.asarray(1e-4), jnp.asarray(1e-3))
    around = scalar_rates.surroundings_of(particle, thermal, operator)
    found, exact = jacobians(particle, around, yields, carry)
    np.testing.assert_allclose(found, exact, rtol=1e-10, atol=1e-12)

    momentum = jnp.exp(particle.log_q) * thermal.comoving_gev
    exponent = jnp.hypot(momentum, 100.0) / thermal.temperature_gev
    f = 1.0 / jnp.expm1(exponent) if stimulated else jnp.exp(-exponent)
    rates = scalar_rates.rates_of(particle, thermal, operator, f)
    gain = rates.source * ((1.0 + f) if stimulated else 1.0)
    np.testing.assert_allclose(gain, rates.loss * f, rtol=1e-13)
    if elastic:
        hops = scalar_step.hopping(particle, thermal, rates)
        moved = scalar_step.scattering(hops, f, stimulated)
        # per hop, and in number whatever f is: rounding
        assert float(jnp.max(jnp.abs(moved) / ((hops.up + hops.down) * f))) < 1e-12
        f = jnp.asarray(rng.uniform(0.1, 1.0, count))
        change = momentum**3 * scalar_step.scattering(hops, f, stimulated)
        assert abs(float(jnp.sum(change))) < 1e-12 * float(jnp.max(jnp.abs(change)))


@pytest.mark.analytic
def test_contact_yield_with_bose_statistics():
    # 1.80 times 135 lambda^2 M_0/(256 pi^5 g m_S), from the independent reference; 2.71 times at
    # T >> m_S, where massless pairs give (zeta(2))^2
    plasma = sterile.Plasma(
        bath_statistics="quantum", contact_only=True, constant_g=106.75, dark_sector_in_hubble=False
    )
    production = sterile.solve(sterile.ScalarDecay(500.0, 1e-10, 1e-9), plasma)
    m0 = 2.435323e18 * np.sqrt(90.0 / (np.pi**2 * 106.75))
    boltzmann = 2.0 * 135.0 * 1e-20 * m0 / (256.0 * np.pi**5 * 106.75 * 500.0)
    assert float(production.yield_n) / boltzmann == pytest.approx(1.80, rel=2e-3)


@pytest.mark.analytic
def test_vev_through_the_crossover():
    t = np.linspace(1.0, 200.0, 400)
    order = np.asarray(crossover.vev_squared(t, 159.5))
    assert order[0] == pytest.approx(1.0, abs=1e-12)
    assert np.all(order[t > 159.5] == 0.0) and np.all(np.diff(order) <= 1e-12)
    # the sphaleron rate of the broken phase, ln Gamma/T^4 = 0.83 T/GeV - 147.7 (1404.3565), falls
    # with E_sph/T = 1.9 (4 pi/g) v/T less 7 ln(v/T): the slope between 135 and 155 GeV to 20 %
    v = {T: 246.22 * np.sqrt(float(crossover.vev_squared(T, 159.5))) / T for T in (135.0, 155.0)}
    action = {T: 1.9 * 4.0 * np.pi / 0.65 * x - 7.0 * np.log(x) for T, x in v.items()}
    assert (action[135.0] - action[155.0]) / 20.0 == pytest.approx(0.83, rel=0.2)
    mass = np.asarray(crossover.doublet_mass_gev(np.array([159.4999, 159.5001, 1e4]), 159.5))
    assert mass[0] < 1.0 and mass[1] < 1.0
    assert mass[2] / 1e4 == pytest.approx(np.sqrt(0.398), rel=1e-3)
    slope = jax.grad(crossover.vev_squared)(140.0, 159.5)
    step = crossover.vev_squared(140.001, 159.5) - crossover.vev_squared(139.999, 159.5)
    assert float(slope) == pytest.approx(float(step) / 0.002, rel=1e-6)
    for temperature in (100.0, 159.5, 300.0):
        assert np.isfinite(jax.grad(crossover.doublet_mass_gev)(temperature, 159.5))


@pytest.mark.analytic
def test_running_width_of_the_higgs_boson():
    widths = {name: float(w[0]) for name, w in higgs_width.partial_widths_gev([125.25]).items()}
    total = sum(widths.values())
    # LHC Higgs working group (1610.07922): 4.1 MeV; here without electroweak corrections
    assert total == pytest.approx(4.1e-3, rel=0.03)
    expected = {"bb": 0.58, "WW": 0.215, "gg": 0.082, "tautau": 0.063, "cc": 0.029, "ZZ": 0.0265}
    for name, ratio in expected.items():
        assert widths[name] / total == pytest.approx(ratio, rel=0.1)
    s = jnp.asarray([125.25**2, 150.0**2, 220.0**2])
    direct = higgs_width.partial_widths_gev(np.sqrt(s))
    # the lattice in ln s
    table = higgs_width.higgs_width_part_gev(s, "vectors")
    np.testing.assert_allclose(table, direct["WW"] + direct["ZZ"], rtol=3e-3)


@pytest.mark.analytic
def test_running_couplings():
    a, bottom, charm, _ = higgs_width.running_couplings(np.array([91.1876, 4.18]))
    # RunDec and the PDG: m_b(m_Z) = 2.85, m_c(m_Z) = 0.62 GeV, alpha_s(m_b) = 0.225
    assert np.pi * a[1] == pytest.approx(0.225, rel=0.01)
    assert bottom[0] == pytest.approx(2.85, rel=0.01)
    assert charm[0] == pytest.approx(0.62, rel=0.03)


@pytest.mark.analytic
def test_vector_pairs_tend_to_those_on_shell():
    m = 400.0
    tree = amplitudes.s_channel_over_coupling_squared(
        jnp.asarray(m**2), amplitudes.Propagator(jnp.asarray(1.0), jnp.asarray(0.0))
    )
    unit = 32.0 * 246.22**2 * m
    widths = higgs_width.partial_widths_gev([m])
    for name in ("WW", "ZZ"):
        # Gamma_V/m_V times a logarithm
        assert widths[name][0] * unit == pytest.approx(float(tree[name]), rel=1e-2)


@pytest.mark.invariants
def test_published_treatment_has_no_factors():
    assert not has_means(sterile.Plasma())
    assert not has_means(sterile.Plasma(bath_statistics="quantum", quantum_channels=("h",)))
    assert sterile.Plasma(bath_statistics="quantum").stimulated
    assert not sterile.Plasma(bath_statistics="quantum", quantum_channels=("h",)).stimulated


@pytest.mark.invariants
@pytest.mark.parametrize(
    "field, value",
    [
        ("bath_statistics", "bose"),
        ("quantum_channels", ("higgs",)),
        ("quantum_channels", ()),
        ("electroweak_transition", "lattice"),
        ("higgs_width", "measured"),
    ],
)
def test_unknown_choices(field, value):
    with pytest.raises(ValueError, match=f"plasma {field} = .*give"):
        sterile.Plasma(**{field: value})


@pytest.mark.golden
@pytest.mark.slow
def test_bose_gain_from_higgs_decays():
    # m_S = 30, lambda = y = 1e-9: independent brute-force solution with Bose gain in h -> S S and
    # Maxwell-Boltzmann loss. The loss is 1e-4 of the yield and has the same factor here: 3e-6
    plasma = sterile.Plasma(
        bath_statistics="quantum", quantum_channels=("h",), dark_sector_in_hubble=False
    )
    production = sterile.solve(sterile.ScalarDecay(30.0, 1e-9, 1e-9), plasma)
    assert float(production.yield_n) == pytest.approx(8.581812e-5, rel=1e-4)
    assert float(production.q_mean) == pytest.approx(10.11256, rel=1e-4)


BEST = sterile.Plasma(
    bath_statistics="quantum", electroweak_transition="crossover", higgs_width="running"
)


@pytest.mark.invariants
@pytest.mark.slow
def test_soft_modes_fill_at_every_coupling():
    # massless bosons: freeze-in, lasing soft modes, full equilibrium from the start
    plasma = sterile.Plasma(bath_statistics="quantum", dark_sector_in_hubble=False)
    grid = sterile.choose_grid(sterile.ScalarDecay(100.0, 1e-6, 1e-8), plasma)
    for coupling in (3e-8, 1e-7, 5e-7, 1e-6, 1.5e-6, 2e-6, 1e-5, 1e-3, 1e-2):
        production = sterile.solve(sterile.ScalarDecay(100.0, coupling, 1e-8), plasma, grid)
        assert not is_failure(int(production.status))


@pytest.mark.gradients
@pytest.mark.slow
def test_derivatives_with_every_effect():
    grid = sterile.choose_grid(sterile.ScalarDecay(100.0, 1e-8, 1e-9), BEST)

    @jax.jit
    def value(x):
        return jnp.log(sterile.solve(sterile.ScalarDecay(*jnp.exp(x)), BEST, grid).yield_n)

    x = jnp.log(jnp.asarray([100.0, 1e-8, 1e-9]))
    forward, reverse = jax.jit(jax.jacfwd(value))(x), jax.jit(jax.grad(value))(x)
    np.testing.assert_allclose(forward, reverse, rtol=1e-9, atol=1e-10)
    step = 1e-4
    for i in range(2):
        difference = (value(x.at[i].add(step)) - value(x.at[i].add(-step))) / (2.0 * step)
        # thresholds crossed by pairs of the lattice, as in the published treatment
        assert float(forward[i]) == pytest.approx(float(difference), abs=1e-4)
    batch = jax.vmap(value)(jnp.stack([x, x + 0.01]))
    assert float(batch[0]) == pytest.approx(float(value(x)), abs=1e-12)


@pytest.mark.slow
@pytest.mark.analytic
@pytest.mark.parametrize("parameters", [(30.0, 1e-6, 1e-9), (57.0, 1e-5, 1e-9)])
def test_freeze_out_forgets_the_transition(parameters):
    # h <-> S S begins at zero at T_c and is 1e5 H soon after: S is in equilibrium throughout and
    # freezes out at a tenth of T_c, so that a crossover or a step are the same
    model = sterile.ScalarDecay(*parameters)
    step, crossover = (
        sterile.solve(model, sterile.Plasma(electroweak_transition=kind))
        for kind in ("step", "crossover")
    )
    assert not is_failure(int(crossover.status))
    # what is left of v(T) at freeze-out, and the two histories' rounding
    assert float(crossover.yield_n) == pytest.approx(float(step.yield_n), rel=1e-5)
    assert float(crossover.q_mean) == pytest.approx(float(step.q_mean), rel=2e-5)


@pytest.mark.invariants
def test_factors_of_soft_pairs_do_not_ring():
    # opening by e^12 a unit, as pairs of soft scalars do below a massive doublet's threshold
    edges = np.minimum(np.exp(12.0 * (np.arange(17) - 10.0)), 1.0)
    means = BathMeans(jnp.asarray(edges)[:, None, None], None, None)
    inside = np.linspace(0.0, 1.0, 21)
    for unit in range(7):  # the margin before the first unit is five edges
        found = np.asarray(means_in_unit(means, unit, 100, inside).contact)[:, 0, 0]
        low, high = edges[unit + 5], edges[unit + 6]
        assert np.all(found >= 0.5 * low) and np.all(found <= 2.0 * high)
    # and what is smooth is untouched
    smooth = 0.8 + 0.1 * np.sin(0.1 * np.arange(17.0))
    means = BathMeans(jnp.asarray(smooth)[:, None, None], None, None)
    found = np.asarray(means_in_unit(means, 3, 100, inside).contact)[:, 0, 0]
    np.testing.assert_allclose(found, 0.8 + 0.1 * np.sin(0.1 * (8.0 + inside)), atol=1e-9)


@pytest.mark.invariants
@pytest.mark.slow
@pytest.mark.parametrize(
    "point, effects",
    [
        # with a bound on their rates at T = 8 GeV, fast modes swung
        ((8.768, 8.483e-3, 3.085e-9), {"bath_statistics": "quantum"}),
        ((5.767, 5.995e-5, 1.051e-10), {}),
        ((12.1, 3.178e-7, 1.633e-11), {"bath_statistics": "quantum"}),
        ((17.1, 2.604e-8, 1.832e-10), {"bath_statistics": "quantum", "elastic_scattering": True}),
    ],
)
def test_light_scalars_solve_in_a_crossover(point, effects):
    # they ended as NON_FINITE: rates that begin within a step
    model, crossover = sterile.ScalarDecay(*point), {"electroweak_transition": "crossover"}
    made = sterile.solve(model, sterile.Plasma(**effects, **crossover))
    assert not is_failure(int(made.status))
    assert made.yield_n_spectrum == pytest.approx(float(made.yield_n), rel=1e-4)
    if point[1] > 1e-7:
        # in equilibrium from T_c on, whenever exactly it begins
        step = sterile.solve(model, sterile.Plasma(**effects))
        assert made.yield_n == pytest.approx(float(step.yield_n), rel=1e-5)


@pytest.mark.invariants
@pytest.mark.slow
def test_fast_decays_through_the_crossover_do_not_depend_on_the_step():
    # Gamma = 2e4 H(m_S): rates were held at 30 H, below decays, so that S that should have been
    # made was not: Y_N was 0.403, with twice the steps 0.404, and a number off by 4e-3
    effects = {"electroweak_transition": "crossover", "bath_statistics": "quantum"}
    plasma = sterile.Plasma(**effects, elastic_scattering=True, higgs_width="running")
    model = sterile.ScalarDecay(63.33, 1.225e-6, 9.556e-6)
    grid = sterile.choose_grid(model, plasma)
    made, finer = (
        sterile.solve(model, plasma, dataclasses.replace(grid, coupled_steps=steps))
        for steps in (grid.coupled_steps, 2 * grid.coupled_steps)
    )
    # 8e-7 measured
    assert made.yield_n == pytest.approx(float(finer.yield_n), rel=1e-5)
    # 2.3e-4 measured: the lattice
    assert made.yield_n_spectrum == pytest.approx(float(made.yield_n), rel=5e-4)


@pytest.mark.invariants
@pytest.mark.slow
def test_soft_modes_that_lase_at_the_transition_while_s_decays():
    # 500 decays a Hubble time pull while stimulated emission fills: parts of the first step that
    # grow by 3 ended as NON_FINITE
    plasma = sterile.Plasma(bath_statistics="quantum")
    made = sterile.solve(sterile.ScalarDecay(32.0305, 6.0936e-7, 5.44597e-6), plasma)
    assert not is_failure(int(made.status))
    # what the status allows
    assert made.yield_n_spectrum == pytest.approx(float(made.yield_n), rel=1e-3)
