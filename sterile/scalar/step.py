"""One implicit step of f_S: the equation of motion, its exact Jacobian and a Rodas5P step."""

import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from spectra.constants import REDUCED_PLANCK_MASS_GEV
from sterile.bath import expansion as bath_expansion
from sterile.bath import vev_squared
from sterile.scalar.collisions import energy
from sterile.scalar.elastic_scattering import (
    ElasticTable,
    hopping_rates,
    scattering,
    scattering_matrix,
)
from sterile.scalar.resonance import ResonancePeak
from sterile.scalar.rosenbrock import NODES, rodas5p_step

_PROMPT = 1e4  # S <-> N N per Hubble time beyond which a step no longer resolves the exchange
_HOT = 30.0  # T/m_S down to which steps are too long for a rate that grows as it equilibrates
_LASING = 2.0
_EMPTIEST = 1e-6  # share of a mode that collisions leave it in one step at least
# occupation below which S is gone; its inverse fourth power, times 1/H, must not overflow: second
# derivatives of a step that itself uses a time derivative need it
DEAD = 1e-60


class Thermal(NamedTuple):
    """The bath at one node of a step, functions of the clock alone."""

    shift: Array  # x - x at the start of the step
    comoving_gev: Array
    temperature_gev: Array
    density_gev4: Array
    slope: Array  # d ln a_T / d ln T
    elastic_gev: Array | None = None  # gamma, where S scatters
    bath_width_gev: Array | None = None  # of S -> Standard Model, where <S> is not zero


class Particle(NamedTuple):
    """What does not change along the way."""

    mass_gev: Array
    width_gev: Array
    contact: ArrayLike  # K/(p_1 p_2) above T_EW
    log_q: np.ndarray
    log_step: float
    peak: ResonancePeak | None
    star: tuple  # T and a_T below which the reference shape is comoving
    gravitates: bool
    stimulated: bool = False  # S's own factors 1 + f
    transition_gev: Array | None = None  # T_c of the crossover; a step if None
    elastic: ElasticTable | None = None
    bath_widths_gev: tuple | None = None  # of S -> Standard Model below and above T_EW
    daughters: tuple | None = None  # of S <-> N N, where N N -> S is included
    # of other parents, see sterile.parents: spin states; 1, -1 or 0 for Bose, Fermi, Boltzmann;
    # df/dt = gain(p, T) [GeV], with or without its inverse; W(s) of annihilation at every T
    states: float = 1.0
    statistics: int = 0
    gain: Callable | None = None
    reversible: bool = False
    w_hat: Callable | None = None


class Fit(NamedTuple):
    """psi = scale exp(-balance (E/T - E_0/T_0) - free (e^{growth shift} - 1)/growth).

    Where S scatters, times exp(-kinetic ((E - m)/T - (E_0 - m)/T_0)).
    """

    scale: Array
    balance: Array
    exponent: Array
    free: Array
    growth: Array
    kinetic: Array | None = None
    kinetic_exponent: Array | None = None


class Rates(NamedTuple):
    """Momenta and rates at one node, each (n,)."""

    momentum_gev: Array
    energy_gev: Array
    equilibrium: Array
    loss: Array  # L[f] [GeV]
    source: Array  # L[f_eq] f_eq [GeV]; L[f_eq (1 + f)] f_eq if stimulated, f_eq = exp(-E/T)
    decay: Array  # m Gamma/E of S -> N N [GeV]
    free: Array  # the same with S -> Standard Model


def thermal_at(clock, start, plasma):
    comoving = jnp.exp(-clock)
    temperature = bath_expansion.temperature_of_comoving_gev(comoving, plasma)
    return Thermal(
        clock - start,
        comoving,
        temperature,
        bath_expansion.energy_density_gev4(temperature, comoving, plasma),
        bath_expansion.comoving_temperature_slope(temperature, comoving, plasma),
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
        return _bounded(particle, thermal, order * below) + (1.0 - order) * contact
    return jnp.where(broken, below, contact)


def _bounded(particle, thermal, operator):
    """The operator, held where it equilibrates S anyway, (n, n).

    At 100 H at T_c, where it begins at zero, and T^-6 times that below: a step does not bear a
    stiff rate that grows by much more than e^0.3 in it.
    """
    p = jnp.exp(particle.log_q) * thermal.comoving_gev
    equilibrium = jnp.exp(-energy(p, particle.mass_gev) / thermal.temperature_gev)
    hubble = jnp.sqrt(thermal.density_gev4 / 3.0) / REDUCED_PLANCK_MASS_GEV
    cooling = jnp.maximum(particle.transition_gev / thermal.temperature_gev, 1.0)
    share = operator @ equilibrium / (100.0 * hubble * jnp.minimum(cooling, 10.0) ** 6)
    return operator * (1.0 + jnp.sum(share**4)) ** -0.25


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


def blocking_of(particle, f) -> Array | float:
    """1/(1 + f) with stimulated emission, else 1: du = blocking^2 df, (n,)."""
    return 1.0 / (1.0 + f) if particle.stimulated else 1.0


def _fullest(particle, thermal):
    """Largest u, (n,)."""
    p = jnp.exp(particle.log_q) * thermal.comoving_gev
    return 1.0 + jnp.expm1(-p / thermal.temperature_gev) / _LASING


def rates_of(particle, thermal, operator, f):
    """Rates for occupation f."""
    p = jnp.exp(particle.log_q) * thermal.comoving_gev
    e = energy(p, particle.mass_gev)
    equilibrium = jnp.exp(-e / thermal.temperature_gev)
    if particle.statistics:
        equilibrium = equilibrium / (1.0 - particle.statistics * equilibrium)
    partner = equilibrium * (1.0 + f) if particle.stimulated else equilibrium
    loss = operator @ jnp.stack([f, partner], axis=1)
    hubble = jnp.sqrt(thermal.density_gev4 / 3.0) / REDUCED_PLANCK_MASS_GEV
    width = particle.width_gev
    if particle.daughters is not None:
        width = prompt_width_gev(width, hubble)
    decay = free = particle.mass_gev * width / e
    if thermal.bath_width_gev is not None:
        to_bath = particle.mass_gev * thermal.bath_width_gev / e
        to_bath = jnp.minimum(to_bath, _fastest(particle, thermal, 6, 1e7) * hubble)
        loss, free = loss + to_bath[:, None], decay + to_bath
    loss, source = loss[:, 0], loss[:, 1] * equilibrium
    if particle.gain is not None:
        gain = particle.gain(p, thermal.temperature_gev)
        source = source + gain
        if particle.reversible:
            loss = loss + gain / jnp.maximum(equilibrium, DEAD)
    return Rates(p, e, equilibrium, loss, source, decay, free)


def _fastest(particle, thermal, power, most):
    """Rate per Hubble time above which S has the bath's temperature anyway.

    Rates above 10 H while S is hot are far above that when it matters. A step bears a stiff rate
    that grows by up to e^0.3 in it, and decay to the bath has to outrun annihilation.
    """
    cooling = jnp.maximum(_HOT * particle.mass_gev / thermal.temperature_gev, 1.0)
    return 10.0 * jnp.minimum(cooling**power, most)


def prompt_width_gev(width_gev, hubble_gev):
    """Gamma where N N -> S is included, at most 1e4 H: S and N are then in equilibrium anyway."""
    return jnp.minimum(width_gev, _PROMPT * hubble_gev)


def expansion(particle, thermal, rates, f, rest):
    """H [GeV], total density [GeV^4] and the weights n_i with n_S = sum n_i f_i [GeV^3]."""
    number = particle.states * particle.log_step * rates.momentum_gev**3 / (2.0 * math.pi**2)
    density = thermal.density_gev4
    if particle.gravitates:
        dark = jnp.sum(number * rates.energy_gev * f) + rest * thermal.comoving_gev**4
        density = density + dark
    return jnp.sqrt(density / 3.0) / REDUCED_PLANCK_MASS_GEV, density, number


def right_hand_side(particle, thermal, operator, fit, yields, state):
    """d(g, decayed yield, rho_N/a_T^4)/dx."""
    g, rest = state[:-2], state[-1]
    log_psi, drift = psi(particle, thermal, fit)
    f = occupation(particle, thermal, g * fit.scale * jnp.exp(log_psi))
    rates = rates_of(particle, thermal, operator, f)
    hubble, _, number = expansion(particle, thermal, rates, f, rest)
    source = rates.source / fit.scale * jnp.exp(-log_psi)
    blocking = blocking_of(particle, f)
    change = blocking * (source - (rates.loss + rates.decay) * g) / hubble + drift * g
    if thermal.elastic_gev is not None:
        elastic = scattering(hopping(particle, thermal, rates), f, particle.stimulated)
        elastic = blocking**2 * elastic / hubble / fit.scale * jnp.exp(-log_psi)
        change = change + elastic
    decayed = jnp.sum(yields * rates.decay * f) / hubble
    heating = jnp.sum(number * rates.energy_gev * rates.decay * f)
    heating = heating / (hubble * thermal.comoving_gev**4)
    return jnp.concatenate([change, decayed[None], heating[None]])


def hopping(particle, thermal, rates):
    """C_el as :func:`sterile.scalar.elastic_scattering.hopping_rates`."""
    bath_hubble = jnp.sqrt(thermal.density_gev4 / 3.0) / REDUCED_PLANCK_MASS_GEV
    return hopping_rates(
        rates.momentum_gev,
        particle.mass_gev,
        thermal.temperature_gev,
        thermal.elastic_gev,
        particle.log_step,
        _fastest(particle, thermal, 2, 9e6) * bath_hubble,
    )


def psi(particle, thermal, fit):
    """ln(psi/scale) and -d ln psi/dx, each (n,)."""
    return psi_of_energy(particle, thermal, fit, jnp.exp(particle.log_q) * thermal.comoving_gev)


def psi_of_energy(particle, thermal, fit, p):
    """The same for momenta p [GeV]."""
    e = energy(p, particle.mass_gev)
    exponent = fit.balance * (e / thermal.temperature_gev - fit.exponent)
    swell = jnp.expm1(fit.growth * thermal.shift)
    cooling = (e / thermal.slope - p**2 / e) / thermal.temperature_gev  # d(E/T)/dx
    log_psi = -exponent - fit.free * swell / fit.growth
    drift = fit.balance * cooling + fit.free * (swell + 1.0)
    if fit.kinetic is not None:
        above_rest = (e - particle.mass_gev) / thermal.temperature_gev
        rest_cooling = particle.mass_gev / (thermal.temperature_gev * thermal.slope)
        log_psi = log_psi - fit.kinetic * (above_rest - fit.kinetic_exponent)
        drift = drift + fit.kinetic * (cooling - rest_cooling)
    return log_psi, drift


def follow(particle, thermal, rates, hubble, source, returned, f):
    """The fit of psi to what f is about to do.

    ``source``: what the bath gives [GeV], ``returned``: what comes back from N, each (n,).
    """
    blocking = blocking_of(particle, f)
    # g = 1 at the start: the implicit matrix is then dominated by its diagonal, row by row
    scale = jnp.maximum(f * blocking, DEAD)
    exponent = rates.energy_gev / thermal.temperature_gev
    # the source may lose its sign to interpolation once it is negligible
    production = blocking * jnp.maximum(source, 0.0) / hubble / scale
    balance = production / (production + exponent)
    unbalanced = (source + blocking * returned) / ((rates.loss + rates.decay) * scale)
    unbalanced = jnp.clip(1.0 - unbalanced, 0.0, 1.0)
    # the cap keeps psi from underflowing; faster decay is left to the implicit step
    free = unbalanced * jnp.minimum(blocking * rates.free / hubble, 300.0)
    growth = 2.0 + (rates.momentum_gev / rates.energy_gev) ** 2
    fit = Fit(scale, balance, exponent, free, growth)
    if particle.elastic is None:
        return fit
    hops = hopping(particle, thermal, rates)
    shared = (hops.up + hops.down) / (hops.up + hops.down + hubble)
    number = np.exp(3.0 * particle.log_q) * scale
    number = number / jnp.sum(number)

    def common(own):
        # psi that differed between modes that exchange S would make the exchange rate vary
        return own + shared * (jnp.sum(number * own) - own)

    balance = common(balance)
    exchange = thermal.elastic_gev / (thermal.elastic_gev + hubble)
    return fit._replace(
        balance=balance,
        free=common(free),
        growth=common(growth),
        kinetic=(1.0 - balance) * exchange,
        kinetic_exponent=exponent - particle.mass_gev / thermal.temperature_gev,
    )


def _start_of_step(particle, thermal, operator, yields, f, decayed, rest):
    """The fit psi, the state (g, ...) and the exact Jacobian at the start of a step."""
    rates = rates_of(particle, thermal, operator, f)
    hubble, density, number = expansion(particle, thermal, rates, f, rest)
    blocking = blocking_of(particle, f)
    u = f * blocking
    source = rates.source
    fit = follow(particle, thermal, rates, hubble, source, 0.0, f)
    scale = fit.scale
    g = u / scale
    _, drift = psi(particle, thermal, fit)
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
        pull = jnp.expand_dims(blocking, 1) * (pull + gain[:, None] * rates.equilibrium[None, :])
        diagonal = diagonal - net * scale / hubble
    block = pull * operator * stretch[None, :] / hubble + jnp.diag(diagonal)
    if particle.elastic is not None:
        hops = hopping(particle, thermal, rates)
        weight = blocking**2 / hubble / scale  # dg/df
        elastic = scattering(hops, f, particle.stimulated)
        change = change + weight * elastic
        hop = scattering_matrix(hops, f, particle.stimulated)
        block = block + weight[:, None] * hop * stretch[None, :]
        if particle.stimulated:
            block = block - jnp.diag(2.0 * blocking * elastic / hubble)
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
    start = state[:-2]
    _, derivative = jax.jvp(
        lambda thermal, operator: right_hand_side(particle, thermal, operator, fit, yields, state),
        (at(0), operators[0]),
        (thermal_slope, operator_slope),
    )
    state = rodas5p_step(
        lambda node, y: right_hand_side(particle, at(node), operators[node], fit, yields, y),
        state,
        step,
        jacobian,
        derivative,
    )
    log_psi, _ = psi(particle, at(len(NODES) - 1), fit)
    # f stays positive wherever it matters; a mode emptied by collisions may overshoot, and one at
    # zero beside full ones leaves the next matrix without digits
    g = jnp.maximum(state[:-2], _EMPTIEST * start)
    u = g * fit.scale * jnp.exp(log_psi)
    return occupation(particle, at(len(NODES) - 1), u), state[-2], state[-1]
