"""S <-> N N in full: Pauli blocking and inverse decays, f_S and f_N advanced together.

For a scalar of momentum p the daughters' energies k, k' = E - k are flat in [(E-p)/2, (E+p)/2], and

    df/dt = -(m_S Gamma/E) < f (1 - n)(1 - n') - s n n' >,    n = f_N per helicity state,

s = 1 + f for a Bose-Einstein scalar. In a Maxwell-Boltzmann bath s = 1, so that f_S = exp(-E/T) and
n = 1/(exp(k/T) + 1) are the fixed point, as they have to be; with "quantum" statistics it is the
Bose-Einstein one. N gains what S loses, two a decay.

n lives on the scalar's lattice. A daughter at k between two nodes is shared between them with
weights W, linear in k, and a node's own n enters its own gain:

    gain of node j = W_j [ f e_j A' - s t_j B' ],    A = sum W e,  B = sum W t,
    t_j = n_j n0(k)/n0_j,    e_j = (1 - n_j) (1 - n0(k))/(1 - n0_j),

n0 being n at the start of the step, with ln n0/(1 - n0) a straight line in k between nodes. Then
number is conserved identically, and 0 <= n <= 1 whatever the step in ln q. Both nodes give the same
n0(k), so that a pair takes the energy of its scalar from them: S and N that exchange a thousand
times in a Hubble time keep theirs (with weights in ln k and the bath's temperature in t they were
heated by 30 %). Equilibrium of any temperature and density is a fixed point to rounding. Daughters
above the lattice, q > 16, are neither blocked nor do they return; they are counted, but have no n.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from sterile.scalar.collisions import energy
from sterile.scalar.rates import DEAD, blocking_of, expansion, occupation, rates_at
from sterile.scalar.rosenbrock import rodas5p_step
from sterile.scalar.step import EMPTIEST, flow, follow, implicit_step, psi, stage_of

# N N -> S ends where a thermal gas makes exp(-20) of S, and N made in a decay's time occupy less
_COLD, _FEW = 20.0, 1e-5
_ANGLES = 8  # Gauss-Legendre points in the daughters' energies
# of n between nodes: what counts as empty, and as full; ln of the largest ratio to a node where n
# falls towards it as in thermal tails, and elsewhere
_NOTHING, _ROUNDING, _STEEPEST, _FLAT = 1e-290, 1e-15, 8.0, 2.0


class Daughters(NamedTuple):
    """What S <-> N N needs to know of N beside the width.

    Attributes
    ----------
    helicity_states : 2 (Majorana) or 4 (Dirac), static.
    stimulated : whether s = 1 + f, static.
    """

    helicity_states: int
    stimulated: bool


class Exchange(NamedTuple):
    """The process at one time.

    Attributes
    ----------
    kept : (n,) < (1 - n)(1 - n') >: the fraction of decays that is not blocked.
    returned : (n,) < s n n' > of inverse decays.
    gain : (n,) dn/dt [GeV].
    """

    kept: Array
    returned: Array
    gain: Array


def volumes(log_q: np.ndarray, log_step: float) -> np.ndarray:
    """Comoving volume q^3 dln q of each node, (n,); the first one's reaches down to q = 0."""
    volume = log_step * np.exp(3.0 * log_q)
    volume[0] = np.exp(3.0 * log_q[0]) * (0.5 * log_step + 1.0 / 3.0)
    return volume


def daughters_return(particle, thermal, f):
    """Whether N N -> S and blocking matter still, for f_S at the start of a step, (n,).

    See :func:`daughters_escape`: what else they would do is to amplify rounding in tails.
    """
    size = (thermal.comoving_gev / particle.mass_gev) ** 3
    made = 8.0 * size * particle.log_step * jnp.sum(np.exp(3.0 * particle.log_q) * f)
    return (thermal.temperature_gev > particle.mass_gev / _COLD) | (made > _FEW)


def exchange(particle, thermal, decay, f, n, shape) -> Exchange:
    """The process S <-> N N for f_S and n = f_N per helicity state; ``decay``: m Gamma/E [GeV].

    ``shape``: n at the start of the step. All of shape (n,).
    """
    count, log_q, step = f.shape[0], particle.log_q, particle.log_step
    nodes, weights = np.polynomial.legendre.leggauss(_ANGLES)
    cosine, weights = 0.5 * (nodes + 1.0), 0.5 * weights
    p = (jnp.exp(log_q) * thermal.comoving_gev)[:, None]
    e = energy(p, particle.mass_gev)
    cosine = cosine[None, :]
    fast = 0.5 * (e + p * cosine)
    slow = 0.25 * (particle.mass_gev**2 + p**2 * (1.0 - cosine**2)) / fast
    grid = jnp.exp(log_q) * thermal.comoving_gev
    shape = jnp.clip(shape, _NOTHING, 1.0 - _ROUNDING)
    log_full, log_empty = jnp.log(shape), jnp.log1p(-shape)

    def side(k):
        position = (jnp.log(k / thermal.comoving_gev) - log_q[0]) / step
        inside = position <= count - 1.0
        first = jnp.clip(jnp.floor(position).astype(jnp.int32), 0, count - 2)
        place = jnp.stack([first, first + 1])
        low, high = grid[place]
        part = (k - low) / (high - low)
        # a straight line of ln n/(1 - n) in k: Fermi-Dirac of any temperature and density
        line = jnp.sum(jnp.stack([1.0 - part, part]) * (log_full - log_empty)[place], axis=0)
        # below the first node the first takes it
        part = jnp.clip(part, 0.0, 1.0)
        share = jnp.where(inside[None], jnp.stack([1.0 - part, part]), 0.0)

        def of(here, log_here, sign, most):
            log_there = -jax.nn.softplus(-sign * line)
            tilt = jnp.clip(log_there[None] - log_here[place], -_STEEPEST, most)
            return here[place] * jnp.exp(tilt)

        # a hole beside full nodes, or a full one beside holes, is an accident of a step
        falling = np.array([_FLAT, _STEEPEST])[:, None, None]
        full, empty = of(n, log_full, 1.0, falling), of(1.0 - n, log_empty, -1.0, _FLAT)
        free = jnp.where(inside, jnp.sum(share * empty, axis=0), 1.0)
        return share, place, full, empty, free, jnp.sum(share * full, axis=0)

    stimulated = 1.0 + f if particle.daughters.stimulated else jnp.ones_like(f)
    rate = decay * step * np.exp(3.0 * log_q)
    sides = side(fast), side(slow)
    gain = jnp.zeros(count)
    for (share, place, full, empty, _, _), (*_, free, back) in (sides, sides[::-1]):
        net = f[None, :, None] * empty * free[None] - stimulated[None, :, None] * full * back[None]
        gain = gain.at[place].add(share * net * (rate[:, None] * weights[None, :])[None])
    (*_, free_a, back_a), (*_, free_b, back_b) = sides
    states = particle.daughters.helicity_states
    return Exchange(
        (free_a * free_b) @ weights,
        stimulated * ((back_a * back_b) @ weights),
        gain / (states * volumes(log_q, step)),
    )


def _flow(particle, around, fit, yields, scale, start, state, for_matrix=False):
    """d(g, decayed yield, rho_N/a_T^4, n/scale)/dx; ``for_matrix`` as in ``step.flow``.

    ``start``: n at the start of the step, and :func:`daughters_return`, the same for all stages.
    """
    shape, there = start
    count, thermal = scale.shape[0], around.thermal
    own, n = state[:-count], state[-count:] * scale
    stage = stage_of(particle, around, fit, yields)
    f = occupation(particle, thermal, own[:-2] * stage.unit)
    rates = rates_at(particle, around, f)
    hubble, _, number = expansion(particle, thermal, rates, f, own[-1])
    change = exchange(particle, thermal, rates.decay, f, jnp.where(there, n, 0.0), shape)
    # decays that do not happen, per time
    spared = rates.decay * (f * (1.0 - change.kept) + change.returned) / hubble
    heat = jnp.sum(number * rates.energy_gev * spared) / thermal.comoving_gev**4
    returned = blocking_of(particle, f) ** 2 * spared / stage.unit
    correction = jnp.concatenate([returned, -jnp.sum(yields * spared)[None], -heat[None]])
    own = flow(particle, stage, own, for_matrix) + correction
    return jnp.concatenate([own, change.gain / (scale * hubble)])


def daughters_escape(particle, yields, around, slopes, step, carry):
    """One step of the late phase: S decays, N does not come back, n stays what it is.

    Two N make an S only where k k' >= m_S^2/4. Those of before have been redshifted below that, and
    those being made, k = m_S/2, occupy n = 16 pi^2 (Gamma/H) n_S/m_S^3, below 1e-4: at T = m_S/27
    for S that never was thermal, at T = m_S/120 for any.
    """
    *own, n = carry
    return *implicit_step(particle, yields, around, slopes, step, tuple(own)), n


def exchange_step(particle, yields, around, slopes, step, carry):
    """One Rodas5P step from (f, decayed, rest, n); arguments as ``step.implicit_step``."""
    f, decayed, rest, n = carry

    def at(node):
        return jax.tree.map(lambda leaf: leaf[node], around)

    first = at(0)
    rates = rates_at(particle, first, f)
    hubble, _, _ = expansion(particle, first.thermal, rates, f, rest)
    there = daughters_return(particle, first.thermal, f)
    change = exchange(particle, first.thermal, rates.decay, f, jnp.where(there, n, 0.0), n)
    kept = rates.decay * change.kept
    blocked = rates._replace(decay=kept, free=rates.free - rates.decay + kept)
    returned = rates.decay * change.returned
    # f is measured against what it is about to be where it has died or has yet to come
    steady = (rates.source + returned) / (rates.loss + blocked.free + hubble)
    fit = follow(
        particle, first.thermal, blocked, hubble, rates.source, returned, jnp.maximum(f, steady)
    )
    # n = O(1) in these units, however fast it grows
    scale = jnp.maximum(n, jnp.abs(change.gain) * step / hubble)
    scale = jnp.maximum(scale, DEAD)
    own = f * blocking_of(particle, f) / fit.scale
    state = jnp.concatenate([own, decayed[None], rest[None], n / scale])

    def flow_at(around, y, for_matrix=False):
        return _flow(particle, around, fit, yields, scale, (n, there), y, for_matrix)

    jacobian = jax.jacfwd(lambda y: flow_at(first, y, for_matrix=True))(state)
    _, derivative = jax.jvp(lambda around: flow_at(around, state), (first,), (slopes,))
    state = rodas5p_step(
        flow_at,
        around,
        state,
        step,
        jacobian,
        derivative,
    )
    last = at(-1).thermal
    log_psi, _ = psi(particle, last, fit)
    count = f.size
    left = jnp.maximum(state[:count], EMPTIEST * own) * fit.scale * jnp.exp(log_psi)
    # ln n is what is read between nodes: a zero beside its neighbours would fill the gaps with ones
    n = jnp.clip(state[count + 2 :] * scale, EMPTIEST * n, 1.0)
    return occupation(particle, last, left), state[count], state[count + 1], n
