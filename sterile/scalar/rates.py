"""What S meets at one time: the bath, L as a matrix, rates for an occupation f, and H."""

import math
from collections.abc import Callable
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from spectra.constants import REDUCED_PLANCK_MASS_GEV
from sterile.bath import expansion as bath_expansion
from sterile.bath import vev_squared
from sterile.scalar.collisions import energy
from sterile.scalar.elastic_scattering import ElasticTable
from sterile.scalar.resonance import ResonancePeak

_PROMPT = 1e4  # S <-> N N per Hubble time beyond which a step no longer resolves the exchange
_HOT = 30.0  # T/m_S down to which steps are too long for a rate that grows as it equilibrates
_HELD = 30.0  # L/H, and L over decays, at which rates that begin suddenly are held
_LASING = 2.0
_LEAST = 0.2  # of a loss, over what is added in it
# power of 1/T: a factor of 1.6 a step of 0.0375; 2.0 leaves a light S beside N without a number
_RELEASE = 12
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
    windows: Array | None = None  # see operator_of_shape; None where the operator has them


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


class Surroundings(NamedTuple):
    """What acts on S at one node whatever its f is, each (n,)."""

    thermal: Thermal
    operator: Array  # L as a matrix, (n, n)
    momentum_gev: Array
    energy_gev: Array
    equilibrium: Array
    source: Array | None  # L[f_eq] [GeV]; None if stimulated
    decay: Array
    free: Array
    to_bath: Array | None  # m Gamma/E [GeV] of S -> Standard Model
    gain: Array | None  # [GeV]


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
    temperature, density, slope = bath_expansion.state_of_comoving(comoving, plasma)
    return Thermal(clock - start, comoving, temperature, density, slope)


def loss_operator(particle, thermal, below, broken, contact_mean=None):
    """L as a matrix acting on f [GeV], (n, n).

    ``below`` is its value below T_EW, ``contact_mean`` the factor on the contact kernel (n, n).
    """
    operator, _ = _mean_of_limits(particle, thermal, below, broken, contact_mean)
    if below is None or particle.transition_gev is None:
        return operator
    equilibrium = _equilibrium(particle, thermal)
    if particle.stimulated:
        # 1 + f of the fullest modes
        equilibrium = equilibrium / (1.0 - fullest(particle, thermal))
    decay = _decay(particle, thermal)
    return operator * _bound(particle, thermal, operator @ equilibrium, decay)[:, None]


def operator_of_shape(particle, thermal, below, broken, contact_mean, windows):
    """The same for an f of one given shape, and the factor on the resonance's windows, scalar.

    ``below`` lacks them; ``windows``: their part of L[exp(-E/T)] [GeV], (n,). What is held is the
    mean rate of a thermal S: were it mode by mode, rates would depend on T_S as they do not.
    """
    operator, order = _mean_of_limits(particle, thermal, below, broken, contact_mean)
    if below is None or particle.transition_gev is None:
        return operator, order
    equilibrium = _equilibrium(particle, thermal)
    number = np.exp(3.0 * particle.log_q) * equilibrium
    number = number / jnp.sum(number)
    mean = number @ (operator @ equilibrium + order * windows)
    held = _bound(particle, thermal, mean, number @ _decay(particle, thermal))
    return operator * held, order * held


def _mean_of_limits(particle, thermal, below, broken, contact_mean):
    """L between its limits above and below T_EW, and the weight of the latter."""
    p = jnp.exp(particle.log_q) * thermal.comoving_gev
    e = energy(p, particle.mass_gev)
    contact = (particle.contact * particle.log_step / e)[:, None] * (p**3 / e)[None, :]
    if contact_mean is not None:
        contact = contact * contact_mean
    if below is None:
        return contact, jnp.zeros(())
    if particle.transition_gev is not None:
        order = vev_squared(thermal.temperature_gev, particle.transition_gev)
        return order * below + (1.0 - order) * contact, order
    return jnp.where(broken, below, contact), jnp.where(broken, 1.0, 0.0)


def _equilibrium(particle, thermal):
    p = jnp.exp(particle.log_q) * thermal.comoving_gev
    return jnp.exp(-energy(p, particle.mass_gev) / thermal.temperature_gev)


def _decay(particle, thermal):
    """m Gamma/E [GeV] of S -> N N, (n,)."""
    width = particle.width_gev
    if particle.daughters is not None:
        hubble = jnp.sqrt(thermal.density_gev4 / 3.0) / REDUCED_PLANCK_MASS_GEV
        width = prompt_width_gev(width, hubble)
    p = jnp.exp(particle.log_q) * thermal.comoving_gev
    return particle.mass_gev * width / energy(p, particle.mass_gev)


def _bound(particle, thermal, rate_gev, decay_gev):
    """Factors on rates that hold them where they equilibrate S anyway.

    At 30 H, and beside decays, which keep S from equilibrium, 30 times theirs as well, down to T_c
    or 3 m_S: the broken phase's rates begin at zero, soft modes are below the threshold of massive
    doublets until shortly before T_c, and a step does not bear a stiff rate that grows by much more
    than e^0.3 in it. From one step to the next it may jump, so that it is gone by T_c/10: modes
    held one by one break the symmetry of pairs, and swing once they meet the resonance from its
    edge.
    """
    hubble = jnp.sqrt(thermal.density_gev4 / 3.0) / REDUCED_PLANCK_MASS_GEV
    coldest = jnp.maximum(particle.transition_gev, 3.0 * particle.mass_gev)
    at_start = thermal.temperature_gev * jnp.exp(thermal.shift)
    cooling = jnp.clip(coldest / at_start, 1.0, 10.0)
    share = rate_gev / (_HELD * (hubble * cooling**_RELEASE + decay_gev))
    return (1.0 + share**4) ** -0.25


def occupation(particle, thermal, u):
    """f of the variable that is solved for: f itself, or u = f/(1 + f) with stimulated emission.

    exp(-E/T) is u's equilibrium, and u relaxes where f grows exponentially on its way to it. Soft
    pairs that meet massless bosons would lase while hard ones are still rare: f is held below
    2/(1 - exp(-p/T)), twice the equilibrium of soft massless particles and above any relic of it.
    """
    if not particle.stimulated:
        return u
    u = jnp.minimum(u, fullest(particle, thermal))
    return u / (1.0 - u)


def blocking_of(particle, f) -> Array | float:
    """1/(1 + f) with stimulated emission, else 1: du = blocking^2 df, (n,)."""
    return 1.0 / (1.0 + f) if particle.stimulated else 1.0


def fullest(particle, thermal):
    """Largest u, (n,)."""
    p = jnp.exp(particle.log_q) * thermal.comoving_gev
    return 1.0 + jnp.expm1(-p / thermal.temperature_gev) / _LASING


def surroundings_of(particle, thermal, operator) -> Surroundings:
    """What acts on S at one node; ``operator``: L as a matrix, (n, n)."""
    p = jnp.exp(particle.log_q) * thermal.comoving_gev
    e = energy(p, particle.mass_gev)
    equilibrium = jnp.exp(-e / thermal.temperature_gev)
    if particle.statistics:
        equilibrium = equilibrium / (1.0 - particle.statistics * equilibrium)
    hubble = jnp.sqrt(thermal.density_gev4 / 3.0) / REDUCED_PLANCK_MASS_GEV
    width = particle.width_gev
    if particle.daughters is not None:
        width = prompt_width_gev(width, hubble)
    decay = free = particle.mass_gev * width / e
    to_bath = None
    if thermal.bath_width_gev is not None:
        to_bath = particle.mass_gev * thermal.bath_width_gev / e
        to_bath = jnp.minimum(to_bath, fastest_rate(particle, thermal, 6, 1e7) * hubble)
        free = decay + to_bath
    gain, source = None, None
    if particle.gain is not None:
        gain = particle.gain(p, thermal.temperature_gev)
    if not particle.stimulated:
        source = operator @ equilibrium
    return Surroundings(thermal, operator, p, e, equilibrium, source, decay, free, to_bath, gain)


def loss_matrix(particle, operator, f):
    """dL[f]/df, (n, n): the operator, but where what it subtracts leaves too little of L[f].

    The resonance reads f over a thermal shape between momenta, with weights of both signs. Where
    that ratio jumps from one momentum to the next they may leave nothing of a mode's loss, or less,
    and the mode grows without end. Of a thermal shape they leave 0.84 of what is added, of one of
    0.7 or 1.5 times the temperature more than 0.2; where they leave less, L[f] is 1e-7 of its
    largest and off by factors.
    """
    if particle.peak is None:
        return operator
    added = jnp.maximum(operator, 0.0)
    starved = operator @ f < _LEAST * (added @ f)
    return jnp.where(starved[:, None], _LEAST * added, operator)


def rates_at(particle, around: Surroundings, f) -> Rates:
    """Rates for occupation f."""
    equilibrium, source = around.equilibrium, around.source
    if source is None:
        both = around.operator @ jnp.stack([f, equilibrium * (1.0 + f)], axis=1)
        loss, source = both[:, 0], both[:, 1]
    else:
        loss = around.operator @ f
    if particle.peak is not None:
        loss = jnp.maximum(loss, _LEAST * (jnp.maximum(around.operator, 0.0) @ f))
    if around.to_bath is not None:
        loss, source = loss + around.to_bath, source + around.to_bath
    source = source * equilibrium
    if around.gain is not None:
        source = source + around.gain
        if particle.reversible:
            loss = loss + around.gain / jnp.maximum(equilibrium, DEAD)
    return Rates(
        around.momentum_gev,
        around.energy_gev,
        equilibrium,
        loss,
        source,
        around.decay,
        around.free,
    )


def rates_of(particle, thermal, operator, f) -> Rates:
    """Rates at one node for occupation f."""
    return rates_at(particle, surroundings_of(particle, thermal, operator), f)


def fastest_rate(particle, thermal, power, most):
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
