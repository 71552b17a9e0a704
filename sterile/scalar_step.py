"""One implicit step of f_S: the equation of motion, its exact Jacobian and a Rodas5P step."""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from spectra.constants import REDUCED_PLANCK_MASS_GEV
from sterile import plasma as bath
from sterile.collisions import energy
from sterile.crossover import vev_squared
from sterile.rosenbrock import GAMMA, NODES, inverse_dominant, rodas5p_step

_LASING = 2.0
_DEAD = 1e-100  # occupation below which S is gone; its square times H^2 must not underflow


class Thermal(NamedTuple):
    """The bath at one node of a step, functions of the clock alone."""

    shift: Array  # x - x at the start of the step
    comoving_gev: Array
    temperature_gev: Array
    density_gev4: Array
    slope: Array  # d ln a_T / d ln T


class Particle(NamedTuple):
    """What does not change along the way."""

    mass_gev: Array
    width_gev: Array
    contact: Array  # K/(p_1 p_2) above T_EW
    log_q: np.ndarray
    log_step: float
    peak: NamedTuple
    star: tuple  # T and a_T below which the reference shape is comoving
    gravitates: bool
    stimulated: bool = False  # S's own factors 1 + f
    transition_gev: Array | None = None  # T_c of the crossover; a step if None


class Fit(NamedTuple):
    """psi = scale exp(-balance (E/T - E_0/T_0) - free (e^{growth shift} - 1)/growth)."""

    scale: Array
    balance: Array
    exponent: Array
    free: Array
    growth: Array


class Rates(NamedTuple):
    """Momenta and rates at one node, each (n,)."""

    momentum_gev: Array
    energy_gev: Array
    equilibrium: Array
    loss: Array  # L[f] [GeV]
    loss_equilibrium: Array  # L[f_eq] [GeV], f_eq = exp(-E/T); L[f_eq (1 + f)] if stimulated
    decay: Array  # m Gamma/E [GeV]


def thermal_at(clock, start, constant_g):
    comoving = jnp.exp(-clock)
    temperature = bath.temperature_of_comoving_gev(comoving, constant_g)
    return Thermal(
        clock - start,
        comoving,
        temperature,
        bath.energy_density_gev4(temperature, constant_g),
        bath.comoving_temperature_slope(temperature, constant_g),
    )


def loss_operator(particle, thermal, below, broken, contact_mean=None):
    """L as a matrix acting on f [GeV], (n, n).

    ``below`` is its value below T_EW, ``contact_mean`` the factor on the contact kernel (n, n).
    """
    p = jnp.exp(particle.log_q) * thermal.comoving_gev
    e = energy(p, particle.mass_gev)
    contact = (particle.contact * particle.log_step / e)[:, None] * (p**3 / e)[None, :]
    if contact_mean is not None:
        contact = contact * contact_mean
    if below is None:
        return contact
    if particle.transition_gev is not None:
        order = vev_squared(thermal.temperature_gev, particle.transition_gev)
        return order * below + (1.0 - order) * contact
    return jnp.where(broken, below, contact)


def occupation(particle, thermal, u):
    """f of the variable that is solved for: f itself, or u = f/(1 + f) with stimulated emission.

    exp(-E/T) is u's equilibrium, and u relaxes where f grows exponentially on its way to it. Soft
    pairs that meet massless bosons would lase while hard ones are still rare: f is held below
    2/(1 - exp(-p/T)), twice the equilibrium of soft massless particles and above any relic of it.
    """
    if not particle.stimulated:
        return u
    u = jnp.minimum(u, _fullest(particle, thermal))
    return u / (1.0 - u)


def _fullest(particle, thermal):
    """Largest u, (n,)."""
    p = jnp.exp(particle.log_q) * thermal.comoving_gev
    return 1.0 + jnp.expm1(-p / thermal.temperature_gev) / _LASING


def rates_of(particle, thermal, operator, f):
    """Rates for occupation f."""
    p = jnp.exp(particle.log_q) * thermal.comoving_gev
    e = energy(p, particle.mass_gev)
    equilibrium = jnp.exp(-e / thermal.temperature_gev)
    partner = equilibrium * (1.0 + f) if particle.stimulated else equilibrium
    loss = operator @ jnp.stack([f, partner], axis=1)
    decay = particle.mass_gev * particle.width_gev / e
    return Rates(p, e, equilibrium, loss[:, 0], loss[:, 1], decay)


def expansion(particle, thermal, rates, f, rest):
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
    f = occupation(particle, thermal, g * fit.scale * jnp.exp(log_psi))
    blocking = 1.0 / (1.0 + f) if particle.stimulated else 1.0
    rates = rates_of(particle, thermal, operator, f)
    hubble, _, number = expansion(particle, thermal, rates, f, rest)
    source = rates.loss_equilibrium * rates.equilibrium / fit.scale * jnp.exp(-log_psi)
    change = blocking * (source - (rates.loss + rates.decay) * g) / hubble + drift * g
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
    rates = rates_of(particle, thermal, operator, f)
    hubble, density, number = expansion(particle, thermal, rates, f, rest)
    blocking = 1.0 / (1.0 + f) if particle.stimulated else 1.0  # du = blocking^2 df
    u = f * blocking
    # g = 1 at the start: the implicit matrix is then diagonally dominant by rows
    scale = jnp.maximum(u, _DEAD)
    source = rates.loss_equilibrium * rates.equilibrium
    exponent = rates.energy_gev / thermal.temperature_gev
    # the source may lose its sign to interpolation once it is negligible
    production = blocking * jnp.maximum(source, 0.0) / (hubble * scale)
    balance = production / (production + exponent)
    unbalanced = jnp.clip(1.0 - source / ((rates.loss + rates.decay) * scale), 0.0, 1.0)
    # the cap keeps psi from underflowing; faster decay is left to the implicit step
    free = unbalanced * jnp.minimum(blocking * rates.decay / hubble, 300.0)
    growth = 2.0 + (rates.momentum_gev / rates.energy_gev) ** 2
    fit = Fit(scale, balance, exponent, free, growth)

    g = u / scale
    _, drift = _psi(particle, thermal, fit)
    net = source / scale - (rates.loss + rates.decay) * g
    change = blocking * net / hubble
    stretch = scale / blocking**2  # df/dg
    if particle.stimulated:
        stretch = jnp.where(u < _fullest(particle, thermal), stretch, 0.0)
    yield_row = yields * rates.decay * stretch / hubble
    heat_row = number * rates.energy_gev * rates.decay * stretch
    heat_row = heat_row / (hubble * thermal.comoving_gev**4)
    pull = -g[:, None]
    diagonal = drift - blocking * (rates.loss + rates.decay) / hubble
    if particle.stimulated:
        gain = rates.equilibrium / scale
        pull = blocking[:, None] * (pull + gain[:, None] * rates.equilibrium[None, :])
        diagonal = diagonal - net * scale / hubble
    block = pull * operator * stretch[None, :] / hubble + jnp.diag(diagonal)
    jacobian = jnp.concatenate([block, yield_row[None], heat_row[None]])
    jacobian = jnp.pad(jacobian, ((0, 0), (0, 2)))
    if particle.gravitates:
        lost = blocking * g
        flow = jnp.concatenate(
            [change, jnp.sum(yield_row * lost)[None], jnp.sum(heat_row * lost)[None]]
        )
        gravity = jnp.concatenate(
            [number * rates.energy_gev * stretch, jnp.zeros(1), thermal.comoving_gev[None] ** 4]
        )
        jacobian = jacobian - flow[:, None] * (gravity / (2.0 * density))[None, :]
    return fit, jnp.concatenate([g, decayed[None], rest[None]]), jacobian


def implicit_step(
    particle, yields, thermals, thermal_slope, operators, operator_slope, step, carry
):
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
    u = jnp.maximum(state[:-2] * fit.scale * jnp.exp(log_psi), 0.0)
    return occupation(particle, at(len(NODES) - 1), u), state[-2], state[-1]
