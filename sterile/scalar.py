"""The scalar's momentum distribution f_S(q, x) from T = 2000 m_S until it has decayed.

Clock x = -ln a_T, a_T = T (g_s/g_s0)^(1/3), so that dx = H dt and a comoving momentum q = p/a_T is
constant. On the lattice, uniform in ln q with the step of the clock, a unit of time only shifts
momenta by one node: the annihilation kernel is tabulated once per model and a step reads a slice.

    df/dx = [L[f_eq] f_eq - (L[f] + m_S Gamma/E) f]/H,

in f = psi g, where psi follows exp(-E/T) as far as production and loss balance, and the free decay
otherwise; g is nearly constant in either regime and is advanced by Rodas5P. The state carries the
decayed number and rho_N a^4 beside g: S and N gravitate through H(x, f, rho_N).

T_EW is a node. Time runs in three phases of uniform steps: unbroken and hot; from T = 40 m_S past
freeze-out, in fine steps; and late, until the decays are over.
"""

import math
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from spectra.constants import ENTROPY_DEGREES_OF_FREEDOM_TODAY, REDUCED_PLANCK_MASS_GEV
from sterile import plasma as bath
from sterile.amplitudes import scalar_decay_width_gev
from sterile.collisions import (
    ReferenceShape,
    annihilation_kernel,
    contact_kernel_factor,
    cross_section_table,
    energy,
    resonance_operator,
    resonance_peak,
)
from sterile.models import Plasma, ScalarDecay
from sterile.rosenbrock import GAMMA, NODES, inverse_dominant, rodas5p_step


class Grid(eqx.Module):
    """Resolution of the solver, all static.

    Attributes
    ----------
    log_step : step of the momentum lattice in ln q, and the unit of the clock.
    momenta : number of lattice momenta, from ``q_min``.
    q_min : lowest comoving momentum.
    hot_units, coupled_units, late_units : lengths of the three phases in units of ``log_step``.
    hot_steps, coupled_steps, late_steps : steps a unit in each phase.
    resonance : how the Higgs resonance is integrated, see ``collisions.resonance_peak``.
    """

    log_step: float = eqx.field(static=True, default=0.2)
    momenta: int = eqx.field(static=True, default=44)
    q_min: float = eqx.field(static=True, default=3e-3)
    hot_units: int = eqx.field(static=True, default=20)
    coupled_units: int = eqx.field(static=True, default=42)
    late_units: int = eqx.field(static=True, default=65)
    hot_steps: int = eqx.field(static=True, default=1)
    coupled_steps: int = eqx.field(static=True, default=4)
    late_steps: int = eqx.field(static=True, default=1)
    resonance: str = eqx.field(static=True, default="none")

    @property
    def log_q(self) -> np.ndarray:
        return math.log(self.q_min) + self.log_step * np.arange(self.momenta)


class ScalarHistory(NamedTuple):
    """f_S on the lattice at every step of the clock.

    Attributes
    ----------
    log_q : (n,) ln q of the lattice.
    clock : (t,) x = -ln(a_T/GeV), increasing.
    temperature_gev : (t,) photon temperature.
    hubble_gev : (t,) expansion rate, dark sector included where asked for.
    f : (t, n) occupation of S.
    decayed : (t,) yield of S that has decayed.
    electroweak_index : index into the clock at which the phase changes.
    density_ratio : (t,) rho_S/rho_SM.
    """

    log_q: Array
    clock: Array
    temperature_gev: Array
    hubble_gev: Array
    f: Array
    decayed: Array
    electroweak_index: Array
    density_ratio: Array


_START = 2000.0  # T/m_S at which contact freeze-in has made less than 3e-6 of its yield
YIELD_PER_NUMBER = 45.0 / (4.0 * math.pi**4 * ENTROPY_DEGREES_OF_FREEDOM_TODAY)
_DEAD = 1e-100  # occupation below which S is gone; its square times H^2 must not underflow
_FLOOR = 40.0  # E/T beyond which the reference shape keeps its comoving form


def yield_weights(grid: Grid) -> np.ndarray:
    """w with n/s = sum w f, shape (n,): 45/(4 pi^4 g_s0) integral q^3 f d ln q."""
    return YIELD_PER_NUMBER * grid.log_step * np.exp(3.0 * grid.log_q)


def phases(grid: Grid):
    """(first unit, units, steps a unit) of each phase."""
    hot, coupled = grid.hot_units, grid.coupled_units
    return (
        (0, hot, grid.hot_steps),
        (hot, coupled, grid.coupled_steps),
        (hot + coupled, grid.late_units, grid.late_steps),
    )


def _clock_origin(model, plasma, grid):
    """x of the first node, and the unit index at which T = T_EW."""

    def clock_of(temperature):
        return -jnp.log(bath.comoving_temperature_gev(temperature, plasma.constant_g))

    electroweak = clock_of(plasma.electroweak_temperature_gev)
    start = clock_of(_START * model.scalar_mass_gev)
    # a whole number of units between start and T_EW: which one is a discrete choice
    units = jnp.ceil(jax.lax.stop_gradient(electroweak - start) / grid.log_step)
    return electroweak - grid.log_step * units, units.astype(jnp.int32)


class _Thermal(NamedTuple):
    """The bath at one node of a step, functions of the clock alone."""

    shift: Array  # x - x at the start of the step
    comoving_gev: Array
    temperature_gev: Array
    density_gev4: Array
    slope: Array  # d ln a_T / d ln T


class _Particle(NamedTuple):
    """What does not change along the way."""

    mass_gev: Array
    width_gev: Array
    contact: Array  # K/(p_1 p_2) above T_EW
    log_q: np.ndarray
    log_step: float
    peak: NamedTuple
    star: tuple  # T and a_T below which the reference shape is comoving
    gravitates: bool


class _Fit(NamedTuple):
    """psi = scale exp(-balance (E/T - E_0/T_0) - free (e^{growth shift} - 1)/growth)."""

    scale: Array
    balance: Array
    exponent: Array
    free: Array
    growth: Array


class _Rates(NamedTuple):
    """Momenta and rates at one node, each (n,)."""

    momentum_gev: Array
    energy_gev: Array
    equilibrium: Array
    loss: Array  # L[f] [GeV]
    loss_equilibrium: Array  # L[f_eq] [GeV]
    decay: Array  # m Gamma/E [GeV]


def _thermal(clock, start, constant_g):
    comoving = jnp.exp(-clock)
    temperature = bath.temperature_of_comoving_gev(comoving, constant_g)
    return _Thermal(
        clock - start,
        comoving,
        temperature,
        bath.energy_density_gev4(temperature, constant_g),
        bath.comoving_temperature_slope(temperature, constant_g),
    )


def _resonance(particle, clock, constant_g):
    """The resonance's part of L at one time, (n, n)."""
    thermal = _thermal(clock, clock, constant_g)
    shape = ReferenceShape(
        jnp.maximum(thermal.temperature_gev, particle.star[0]),
        jnp.maximum(1.0, particle.star[1] / thermal.comoving_gev),
        particle.mass_gev,
    )
    p = jnp.exp(particle.log_q) * thermal.comoving_gev
    return resonance_operator(particle.peak, shape, p, particle.mass_gev, particle.log_step)


def _operator(particle, thermal, below, broken):
    """L as a matrix acting on f [GeV], (n, n); ``below`` is its value below T_EW."""
    p = jnp.exp(particle.log_q) * thermal.comoving_gev
    e = energy(p, particle.mass_gev)
    contact = (particle.contact * particle.log_step / e)[:, None] * (p**3 / e)[None, :]
    return contact if below is None else jnp.where(broken, below, contact)


def _rates(particle, thermal, operator, f):
    """Rates for occupation f."""
    p = jnp.exp(particle.log_q) * thermal.comoving_gev
    e = energy(p, particle.mass_gev)
    equilibrium = jnp.exp(-e / thermal.temperature_gev)
    loss = operator @ jnp.stack([f, equilibrium], axis=1)
    decay = particle.mass_gev * particle.width_gev / e
    return _Rates(p, e, equilibrium, loss[:, 0], loss[:, 1], decay)


def _expansion(particle, thermal, rates, f, rest):
    """H [GeV], total density [GeV^4] and the weights n_i with n_S = sum n_i f_i [GeV^3]."""
    number = particle.log_step * rates.momentum_gev**3 / (2.0 * math.pi**2)
    density = thermal.density_gev4
    if particle.gravitates:
        dark = jnp.sum(number * rates.energy_gev * f) + rest * thermal.comoving_gev**4
        density = density + dark
    return jnp.sqrt(density / 3.0) / REDUCED_PLANCK_MASS_GEV, density, number


def _right_hand_side(particle, thermal, operator, fit, yields, state):
    """d(g, decayed yield, rho_N/a_T^4)/dx."""
    g, rest = state[:-2], state[-1]
    log_psi, drift = _psi(particle, thermal, fit)
    f = g * fit.scale * jnp.exp(log_psi)
    rates = _rates(particle, thermal, operator, f)
    hubble, _, number = _expansion(particle, thermal, rates, f, rest)
    source = rates.loss_equilibrium * rates.equilibrium / fit.scale * jnp.exp(-log_psi)
    change = (source - (rates.loss + rates.decay) * g) / hubble + drift * g
    decayed = jnp.sum(yields * rates.decay * f) / hubble
    heating = jnp.sum(number * rates.energy_gev * rates.decay * f)
    heating = heating / (hubble * thermal.comoving_gev**4)
    return jnp.concatenate([change, decayed[None], heating[None]])


def _psi(particle, thermal, fit):
    """ln(psi/scale) and -d ln psi/dx, each (n,)."""
    p = jnp.exp(particle.log_q) * thermal.comoving_gev
    e = energy(p, particle.mass_gev)
    exponent = fit.balance * (e / thermal.temperature_gev - fit.exponent)
    swell = jnp.expm1(fit.growth * thermal.shift)
    cooling = (e / thermal.slope - p**2 / e) / thermal.temperature_gev  # d(E/T)/dx
    return -exponent - fit.free * swell / fit.growth, fit.balance * cooling + fit.free * (
        swell + 1.0
    )


def _start_of_step(particle, thermal, operator, yields, f, decayed, rest):
    """The fit psi, the state (g, ...) and the exact Jacobian at the start of a step."""
    rates = _rates(particle, thermal, operator, f)
    hubble, density, number = _expansion(particle, thermal, rates, f, rest)
    # g = 1 at the start: the implicit matrix is then diagonally dominant by rows
    scale = jnp.maximum(f, _DEAD)
    source = rates.loss_equilibrium * rates.equilibrium
    exponent = rates.energy_gev / thermal.temperature_gev
    # the source may lose its sign to interpolation once it is negligible
    production = jnp.maximum(source, 0.0) / (hubble * scale)
    balance = production / (production + exponent)
    unbalanced = jnp.clip(1.0 - source / ((rates.loss + rates.decay) * scale), 0.0, 1.0)
    # the cap keeps psi from underflowing; faster decay is left to the implicit step
    free = unbalanced * jnp.minimum(rates.decay / hubble, 300.0)
    growth = 2.0 + (rates.momentum_gev / rates.energy_gev) ** 2
    fit = _Fit(scale, balance, exponent, free, growth)

    g = f / scale
    _, drift = _psi(particle, thermal, fit)
    change = (source / scale - (rates.loss + rates.decay) * g) / hubble
    yield_row = yields * rates.decay * scale / hubble
    heat_row = number * rates.energy_gev * rates.decay * scale
    heat_row = heat_row / (hubble * thermal.comoving_gev**4)
    block = -g[:, None] * operator * scale[None, :] / hubble
    block = block + jnp.diag(drift - (rates.loss + rates.decay) / hubble)
    jacobian = jnp.concatenate([block, yield_row[None], heat_row[None]])
    jacobian = jnp.pad(jacobian, ((0, 0), (0, 2)))
    if particle.gravitates:
        flow = jnp.concatenate([change, jnp.sum(yield_row * g)[None], jnp.sum(heat_row * g)[None]])
        gravity = jnp.concatenate(
            [number * rates.energy_gev * scale, jnp.zeros(1), thermal.comoving_gev[None] ** 4]
        )
        jacobian = jacobian - flow[:, None] * (gravity / (2.0 * density))[None, :]
    return fit, jnp.concatenate([g, decayed[None], rest[None]]), jacobian


def _step(particle, yields, thermals, thermal_slope, operators, operator_slope, step, carry):
    """One Rodas5P step from (f, decayed, rest)."""

    def at(node):
        return jax.tree.map(lambda leaf: leaf[node], thermals)

    fit, state, jacobian = _start_of_step(particle, at(0), operators[0], yields, *carry)
    _, derivative = jax.jvp(
        lambda thermal, operator: _right_hand_side(particle, thermal, operator, fit, yields, state),
        (at(0), operators[0]),
        (thermal_slope, operator_slope),
    )
    inverse = inverse_dominant(jnp.eye(state.size) / (step * GAMMA) - jacobian)
    state = rodas5p_step(
        lambda node, y: _right_hand_side(particle, at(node), operators[node], fit, yields, y),
        state,
        step,
        lambda right: inverse @ right,
        derivative,
    )
    log_psi, _ = _psi(particle, at(len(NODES) - 1), fit)
    # f stays positive wherever it matters; where it has died to rounding, zero is as good
    f = jnp.maximum(state[:-2] * fit.scale * jnp.exp(log_psi), 0.0)
    return f, state[-2], state[-1]


def _tables(model, particle, clock, units, steps, grid):
    """Operators of the broken phase on the momenta that a phase visits.

    Returns (steps, nodes, P, P) operators and (steps, P, P) derivatives at the step starts, with
    P = momenta + units - 1; unit u uses the block from P - momenta - u.
    """
    count = grid.momenta + units - 1
    step = grid.log_step / steps
    offsets = step * np.arange(steps)[:, None] + step * NODES[None, :]
    ladder = math.log(grid.q_min) + grid.log_step * (np.arange(count) - (units - 1))
    largest = jnp.exp(ladder[-1] - clock)
    s_max = 4.0 * (model.scalar_mass_gev**2 + largest**2) * 1.01
    table = cross_section_table(model.scalar_mass_gev, model.portal_coupling, s_max, grid.resonance)

    def operator(offset):
        p = jnp.exp(ladder - clock - offset)
        e = energy(p, model.scalar_mass_gev)
        kernel = annihilation_kernel(table, p, model.scalar_mass_gev)
        return (
            model.portal_coupling**2
            * grid.log_step
            * kernel
            / (p * e)[:, None]
            * (p**2 / e)[None, :]
        )

    values = jax.lax.map(operator, offsets.ravel())
    _, slopes = jax.lax.map(
        lambda offset: jax.jvp(operator, (offset,), (jnp.ones_like(offset),)), offsets[:, 0]
    )
    return values.reshape(steps, len(NODES), count, count), slopes


def solve_scalar(model: ScalarDecay, plasma: Plasma, grid: Grid) -> ScalarHistory:
    """Integrate f_S(q, x); see the module's description.

    Parameters
    ----------
    model : parameters, scalar leaves.
    plasma : treatment of the bath.
    grid : resolution, static.

    Returns
    -------
    :class:`ScalarHistory` at every step, the start included.
    """
    clock, electroweak_unit = _clock_origin(model, plasma, grid)
    mass = model.scalar_mass_gev
    star = mass / _FLOOR
    resonance = "none" if plasma.contact_only else grid.resonance
    particle = _Particle(
        mass_gev=mass,
        width_gev=scalar_decay_width_gev(mass, model.yukawa),
        contact=contact_kernel_factor(model.portal_coupling),
        log_q=grid.log_q,
        log_step=grid.log_step,
        peak=resonance_peak(mass, model.portal_coupling, resonance),
        star=(star, bath.comoving_temperature_gev(star, plasma.constant_g)),
        gravitates=plasma.dark_sector_in_hubble,
    )
    yields = yield_weights(grid)

    first = _thermal(clock, clock, plasma.constant_g)
    operator = _operator(particle, first, None, False)
    rates = _rates(particle, first, operator, jnp.zeros(grid.momenta))
    hubble, _, _ = _expansion(particle, first, rates, rates.equilibrium, jnp.zeros(()))
    start = -rates.equilibrium * jnp.expm1(-rates.loss_equilibrium / hubble)
    carry = (start, jnp.zeros(()), jnp.zeros(()))

    histories = [jax.tree.map(lambda leaf: leaf[None], carry)]
    clocks = [clock[None]]
    for first_unit, units, steps in phases(grid):
        begin = clock + grid.log_step * first_unit
        carry, history, times = _run_phase(
            model, plasma, grid, particle, yields, begin, first_unit, units, steps,
            electroweak_unit, carry,
        )  # fmt: skip
        histories.append(history)
        clocks.append(times)
    f, decayed, rest = (jnp.concatenate(parts) for parts in zip(*histories))
    clock = jnp.concatenate(clocks)
    return _history(particle, plasma, grid, clock, f, decayed, rest, electroweak_unit)


_WINDOW_NODES = 0.5 - 0.5 * np.cos(np.pi * np.arange(7) / 6)


def _polynomial(at, derivative=False):
    """Weights of the window nodes in the polynomial through them, or in its slope; (..., 7)."""
    powers = np.arange(_WINDOW_NODES.size)
    inverse = np.linalg.inv(_WINDOW_NODES[:, None] ** powers)
    at = np.asarray(at)[..., None]
    basis = powers * at ** np.maximum(powers - 1, 0) if derivative else at**powers
    return basis @ inverse


def _run_phase(
    model, plasma, grid, particle, yields, begin, first_unit, units, steps, electroweak_unit, carry
):
    """Scan one phase of uniform steps; returns the end state, the states after each step, times."""
    step = grid.log_step / steps
    starts = begin + step * np.arange(units * steps).reshape(units, steps)

    def thermal_at(shift, start):
        return _thermal(start + shift, start, plasma.constant_g)

    thermals = jax.vmap(jax.vmap(jax.vmap(thermal_at, (0, None)), (None, 0)), (None, 0))(
        jnp.asarray(step * NODES), starts
    )
    zero = jnp.zeros(())
    _, tangents = jax.vmap(
        jax.vmap(lambda start: jax.jvp(lambda d: thermal_at(d, start), (zero,), (zero + 1.0,)))
    )(starts)
    tables = None
    if not plasma.contact_only and first_unit > 0:
        tables = _tables(model, particle, begin, units, steps, grid)

    # the windows vary little over a unit: seven Chebyshev nodes serve all its steps and stages
    starts_in_unit = np.arange(steps) / steps
    at_stages = _polynomial(starts_in_unit[:, None] + NODES / steps)
    slopes_at_starts = _polynomial(starts_in_unit, derivative=True) / grid.log_step

    def one_unit(carry, inputs):
        unit, thermals, slopes = inputs
        broken = unit + first_unit >= electroweak_unit
        values, value_slopes = None, None
        if tables is not None:
            corner, size = units - 1 - unit, grid.momenta
            values = jax.lax.dynamic_slice(
                tables[0], (0, 0, corner, corner), (steps, len(NODES), size, size)
            )
            value_slopes = jax.lax.dynamic_slice(
                tables[1], (0, corner, corner), (steps, size, size)
            )

        if particle.peak is not None and tables is not None:
            clocks = begin + grid.log_step * (unit + _WINDOW_NODES)
            windows = jax.vmap(lambda clock: _resonance(particle, clock, plasma.constant_g))(clocks)
            values = values + jnp.tensordot(at_stages, windows, 1)
            value_slopes = value_slopes + jnp.tensordot(slopes_at_starts, windows, 1)

        def operator(thermal, value):
            return _operator(particle, thermal, value, broken)

        def slope(thermal, value, thermal_slope, value_slope):
            if value is None:
                return jax.jvp(lambda t: operator(t, None), (thermal,), (thermal_slope,))[1]
            return jax.jvp(operator, (thermal, value), (thermal_slope, value_slope))[1]

        first = jax.tree.map(lambda leaf: leaf[:, 0], (thermals, values))
        operators = jax.vmap(jax.vmap(operator))(thermals, values)
        operator_slopes = jax.vmap(slope)(*first, slopes, value_slopes)

        @jax.checkpoint
        def one_step(carry, inputs):
            carry = _step(particle, yields, *inputs, step, carry)
            return carry, carry

        return jax.lax.scan(one_step, carry, (thermals, slopes, operators, operator_slopes))

    carry, history = jax.lax.scan(one_unit, carry, (jnp.arange(units), thermals, tangents))
    history = jax.tree.map(lambda leaf: leaf.reshape(units * steps, *leaf.shape[2:]), history)
    return carry, history, (starts + step).ravel()


def _history(particle, plasma, grid, clock, f, decayed, rest, electroweak_unit):
    """Assemble what the decay spectrum and the user need from the raw states."""
    hot, coupled, late = phases(grid)
    unit_starts = np.concatenate(
        [
            [0],
            *(np.full(units, steps) for _, units, steps in (hot, coupled, late)),
        ]
    ).cumsum()
    index = jnp.asarray(unit_starts)[jnp.clip(electroweak_unit, 0, len(unit_starts) - 1)]

    def at(clock, f, rest):
        thermal = _thermal(clock, clock, plasma.constant_g)
        p = jnp.exp(particle.log_q) * thermal.comoving_gev
        e = energy(p, particle.mass_gev)
        number = particle.log_step * p**3 / (2.0 * math.pi**2)
        scalar = jnp.sum(number * e * f)
        density = thermal.density_gev4
        if particle.gravitates:
            density = density + scalar + rest * thermal.comoving_gev**4
        hubble = jnp.sqrt(density / 3.0) / REDUCED_PLANCK_MASS_GEV
        return thermal.temperature_gev, hubble, scalar / thermal.density_gev4

    temperature, hubble, ratio = jax.vmap(at)(clock, f, rest)
    return ScalarHistory(
        jnp.asarray(grid.log_q), clock, temperature, hubble, f, decayed, index, ratio
    )
