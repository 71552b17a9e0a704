"""S by its number and temperature alone ("nBE", "cBE"), on the momentum solver's kernel.

The distribution is taken to have the shape of kinetic equilibrium at a temperature T_S,

    f_S = n_S exp(-E/T_S)/Z,

and only moments of the Boltzmann equation are solved, with C the same operators on the same
lattice as momentum by momentum. With <.> the mean over f_S and x the clock:

    dY/dx = Y <C/f>/H,
    dT_S/dx = <p^2/(3E) (C/f)>/H - T_S <C/f>/H - <p^2/(3E) (2 - p^2/E^2)>,

p^2/(3E) being what averages to T_S. Gain less loss of number is n_eq^2 <sigma v> - n_S^2
<sigma v>_S, the latter at T_S. Elastic scattering enters the second equation, where it is
gamma (T - T_S) for slow S (Binder et al. 1706.07433; 2103.01944).

"moments" solves both; "number-density" the first, with T_S = T. From T = m_S/300 on, long after
any annihilation, its T_S falls like that of free particles, so that decays find S at rest.

The Higgs resonance's part of L[f] is taken of exp(-E/T_S) itself, without the lattice: decays
leave the fastest, and T_S passes the bath's.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from sterile.bath import expansion as bath
from sterile.scalar.collisions import energy
from sterile.scalar.elastic_scattering import scattering
from sterile.scalar.rates import expansion, rates_of
from sterile.scalar.rosenbrock import NODES, rodas5p_step
from sterile.scalar.step import Fit, hopping, psi_of_energy

_DEAD = 1e-100  # yield below which S is gone
# what still decays in an e-fold over what has decayed, below which T_S no longer matters
_GONE = 1e-10
_COLD = 1e-20  # T_S/T of what no longer has a temperature
# S made in a step over S there, |ln(T_S/T)| that matters, and ln of the gain's change in a step
# above which it is taken in parts: Y_N is then within 1e-5 of that of ten times the steps
_MADE, _OFF, _CHANGE = 1.0, 1e-2, 0.2
_KINETIC_END = 300.0  # m_S/T at which "number-density" lets T_S redshift freely


class Population(NamedTuple):
    """S in the assumed shape: f on the lattice, decayed yield, rho_N/a_T^4 and ln(T_S/GeV)."""

    f: Array
    decayed: Array
    rest: Array
    log_temperature: Array


def first_population(particle, yields, thermal, f) -> Population:
    """The population whose yield and p^2/(3E) are those of f."""
    p = jnp.exp(particle.log_q) * thermal.comoving_gev
    energy = jnp.sqrt(p**2 + particle.mass_gev**2)
    number = jnp.sum(yields * f)
    log_temperature = jnp.log(jnp.sum(yields * f * p**2 / (3.0 * energy)) / number)
    zero = jnp.zeros(())
    return Population(
        number * _shape(particle, yields, thermal, log_temperature), zero, zero, log_temperature
    )


def _shape(particle, yields, thermal, log_temperature):
    """exp(-E/T_S) of unit yield, (n,)."""
    p = jnp.exp(particle.log_q) * thermal.comoving_gev
    mass = particle.mass_gev
    above_rest = p**2 / (jnp.sqrt(p**2 + mass**2) + mass)
    # relative to the slowest: what is colder than the lattice sits there
    shape = jnp.exp(-(above_rest - above_rest[0]) * jnp.exp(-log_temperature))
    return shape / jnp.sum(yields * shape)


def _bath_temperature(particle, thermal, plasma):
    """ln T_S of "number-density"."""
    end = particle.mass_gev / _KINETIC_END
    log_t = jnp.log(thermal.temperature_gev)
    free = jnp.log(end) + 2.0 * jnp.log(
        thermal.comoving_gev / bath.comoving_temperature_gev(end, plasma)
    )
    return jnp.where(thermal.temperature_gev > end, log_t, free)


def windows_of_bath(particle, thermal, windows):
    """The resonance's part of L[exp(-E/T)] [GeV], (n,); ``windows`` as for :func:`moment_step`."""
    p = jnp.exp(particle.log_q[0]) * thermal.comoving_gev
    lowest = energy(p, particle.mass_gev) / thermal.temperature_gev
    return jnp.exp(-lowest) * windows(thermal, thermal.temperature_gev)


def heats_fast(particle, yields, around, step, carry, windows):
    """Whether the gain changes by much in a step while it makes a T_S that is not T, scalar.

    Where decays take what is made S has no time to cool, and T_S and Y sit where gain, loss and
    decay balance. All three change with T, by e^(m_h/T) and its like; the matrix of a step's start
    does not know. ``windows`` as for :func:`moment_step`, other arguments as for its step.
    """
    ends = (jax.tree.map(lambda leaf, i=i: leaf[i], around) for i in (0, -1))

    def gain(at):
        rates = _rates_at(
            particle, at.thermal, at.operator, carry.f, carry.log_temperature, windows
        )
        hubble, _, _ = expansion(particle, at.thermal, rates, carry.f, carry.rest)
        return jnp.sum(yields * rates.source) / hubble

    first, last = map(gain, ends)
    replaced = first * step > _MADE * jnp.sum(yields * carry.f)
    bath = jnp.log(around.thermal.temperature_gev[0])
    off = jnp.abs(carry.log_temperature - bath) > _OFF
    return replaced & off & (jnp.abs(jnp.log(last / first)) > _CHANGE)


def _rates_at(particle, thermal, operator, f, log_temperature, windows):
    """Rates for a population at T_S; ``windows`` as for :func:`moment_step`."""
    rates = rates_of(particle, thermal, operator, f)
    if windows is None:
        return rates
    bath_temperature, temperature = thermal.temperature_gev, jnp.exp(log_temperature)
    gain = windows_of_bath(particle, thermal, windows)
    if particle.stimulated:
        both = bath_temperature * temperature / (bath_temperature + temperature)
        gain = gain + rates.equilibrium[0] * f[0] * windows(thermal, both)
    loss = f[0] * windows(thermal, temperature)
    return rates._replace(
        loss=rates.loss + thermal.windows * loss,
        source=rates.source + thermal.windows * gain * rates.equilibrium,
    )


def moment_step(plasma, windows):
    """A step like :func:`sterile.scalar.step.implicit_step` of a :class:`Population`.

    ``windows``: (thermal, T_S) -> the resonance's part of L[exp(-(E - E_0)/T_S)] [GeV], (n,),
    which the operator lacks; None where there is none.
    """
    coupled = plasma.method == "moments"

    def rates_at_temperature(particle, thermal, operator, f, log_temperature):
        return _rates_at(particle, thermal, operator, f, log_temperature, windows)

    def log_temperature_of(particle, thermal, state):
        if not coupled:
            return _bath_temperature(particle, thermal, plasma)
        # T_S/T itself: elastic scattering is then linear, however fast
        return jnp.log(thermal.temperature_gev * jnp.maximum(state[1], _COLD))

    def right_hand_side(particle, yields, thermal, operator, fit, gone, state):
        """d(Y/psi, [T_S/T,] decayed yield, rho_N/a_T^4)/dx."""
        log_psi, drift = psi_of_energy(particle, thermal, fit, 0.0)
        number = state[0] * fit.scale * jnp.exp(log_psi)
        log_temperature = log_temperature_of(particle, thermal, state)
        shape = _shape(particle, yields, thermal, log_temperature)
        f = number * shape
        rates = rates_at_temperature(particle, thermal, operator, f, log_temperature)
        hubble, _, weights = expansion(particle, thermal, rates, f, state[-1])
        source = rates.source / fit.scale * jnp.exp(-log_psi)
        gain, change = source / hubble, -(rates.loss + rates.decay) * shape / hubble
        flow = jnp.sum(yields * gain) + jnp.sum(yields * change) * state[0]
        parts = [(flow + drift * state[0])[None]]
        if coupled:
            if thermal.elastic_gev is not None:
                change = change + scattering(hopping(particle, thermal, rates), shape) / hubble
            p, e = rates.momentum_gev, rates.energy_gev
            kinetic = p**2 / (3.0 * e) * jnp.exp(-log_temperature)
            excess = yields * (kinetic - 1.0)
            # per particle: of the gain alone, that may come when none is left
            heating = jnp.sum(excess * gain) / jnp.maximum(state[0], 1e-3)
            heating = heating + jnp.sum(excess * change)
            # the last survivors are the fastest, and T_S grows without end
            heating = jnp.where(gone, 0.0, heating)
            cooling = jnp.sum(yields * kinetic * shape * (2.0 - (p / e) ** 2))
            parts.append(((heating - cooling + 1.0 / thermal.slope) * state[1])[None])
        decays = rates.decay * f / hubble
        parts.append(jnp.sum(yields * decays)[None])
        heat = jnp.sum(weights * rates.energy_gev * decays) / thermal.comoving_gev**4
        return jnp.concatenate([*parts, heat[None]])

    def fit_of(particle, yields, thermal, operator, carry):
        """The fit of psi, and whether so little is left that T_S does not matter."""
        f, decayed, rest = carry.f, carry.decayed, carry.rest
        rates = rates_at_temperature(particle, thermal, operator, f, carry.log_temperature)
        hubble, _, _ = expansion(particle, thermal, rates, f, rest)
        number = jnp.sum(yields * f)
        scale = jnp.maximum(number, _DEAD)
        source = jnp.sum(yields * rates.source)
        loss = jnp.sum(yields * (rates.loss + rates.decay) * f)
        decay = jnp.sum(yields * rates.decay * f) / scale
        exponent = particle.mass_gev / thermal.temperature_gev
        production = jnp.maximum(source, 0.0) / (hubble * scale)
        balance = production / (production + 1.0 + exponent)
        unbalanced = jnp.clip(1.0 - source / jnp.maximum(loss, _DEAD * hubble), 0.0, 1.0)
        free = unbalanced * jnp.minimum(decay / hubble, 300.0)
        gone = scale * (1.0 + decay / hubble) < _GONE * decayed
        return Fit(scale, balance, exponent, free, jnp.asarray(2.0)), gone

    def step_of(particle, yields, around, slopes, step, carry):
        thermals, operators = around.thermal, around.operator

        def at(node):
            return jax.tree.map(lambda leaf: leaf[node], thermals)

        first, last = at(0), at(len(NODES) - 1)
        fit, gone = fit_of(particle, yields, first, operators[0], carry)
        state = [jnp.sum(yields * carry.f) / fit.scale, carry.decayed, carry.rest]
        if coupled:
            state.insert(1, jnp.exp(carry.log_temperature) / first.temperature_gev)
        state = jnp.stack(state)

        def at_start(thermal, operator, state):
            return right_hand_side(particle, yields, thermal, operator, fit, gone, state)

        jacobian = jax.jacfwd(at_start, argnums=2)(first, operators[0], state)
        _, derivative = jax.jvp(
            lambda thermal, operator: at_start(thermal, operator, state),
            (first, operators[0]),
            (slopes.thermal, slopes.operator),
        )
        state = rodas5p_step(
            lambda node, y: right_hand_side(particle, yields, node[0], node[1], fit, gone, y),
            (thermals, operators),
            state,
            step,
            jacobian,
            derivative,
        )
        log_psi, _ = psi_of_energy(particle, last, fit, 0.0)
        number = jnp.maximum(state[0] * fit.scale * jnp.exp(log_psi), 0.0)
        log_temperature = log_temperature_of(particle, last, state)
        f = number * _shape(particle, yields, last, log_temperature)
        return Population(f, state[-2], state[-1], log_temperature)

    return step_of
