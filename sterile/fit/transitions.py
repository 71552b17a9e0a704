"""Draws that a surrogate proposes and the exact density accepts: surrogate transitions.

Liu 2001 (Monte Carlo Strategies in Scientific Computing, 9.4.3); Christen & Fox 2005 (J. Comput.
Graph. Stat. 14, 795). Let s(x) be the surrogate's density and S(x, y) a kernel reversible with
respect to it, s(x) S(x, y) = s(y) S(y, x). Proposals from S that are accepted with probability

    min(1, pi(y) S(y, x)/(pi(x) S(x, y))) = min(1, pi(y) s(x)/(pi(x) s(y)))

leave the exact density pi invariant, whatever s is: a bad surrogate costs acceptance, no bias. Here
S is a fixed number of Hamiltonian trajectories with fresh momenta (Duane et al. 1987; Neal 2011,
1206.1901). One with a given number of leapfrog steps is reversible in x as the momentum is drawn
anew and the leapfrog map, with the momentum turned, undoes itself; a mixture over numbers of steps
that are drawn without looking at x is reversible, and so is a power of one reversible kernel.

Nothing of S or s changes after the warm-up. Every tenth draw is a random-walk Metropolis step on pi
alone, which goes wherever pi is positive, also where the surrogate is wrong to say that it is not.
"""

from dataclasses import dataclass

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from sterile.fit.surrogate import Surrogate, learn, log_density, whitening
from sterile.fit.target import WALL, Evaluated, Target, evaluated

# how statistics are called that are scalars and log likelihoods of a draw
SEEN, TERM = "seen/", "term/"
# trajectories a draw, leapfrog steps of one at most
_TRAJECTORIES, _LONGEST = 12, 8
_STEP_SIZE, _SMALLEST, _LARGEST = 0.4, 1e-3, 1.5
# draws from one random-walk step to the next
_WALK_EVERY = 10
# the warm-up samples the square root of the density, so that the surrogate knows the tails
_WARM = 0.5
# first differences about a start, in unbounded coordinates: priors have widths of about one
_DIFFERENCE = 0.1
# how far from known points the warm-up may go, in widths, and when it may go further or less far
_RADIUS, _NEAREST, _FURTHEST = 2.0, 0.5, 16.0
_GOOD, _BAD = 1.0, 3.0
_MOST_POINTS = 300
_SAME = 1e-12
_DIVERGENT = 1000.0


class State(eqx.Module):
    """All that a chain goes on from.

    Attributes
    ----------
    key : the chain's own; ``count`` : draws so far.
    z, log_density : (d,), scalar; the present draw, and the exact density there.
    kept : what is kept of the present draw, name → number.
    surrogate : frozen after the warm-up.
    step_size, radius : of trajectories; of the warm-up's trust in the surrogate.
    points, numbers, log_densities : (n, d), (n, k), (n,) what was computed; ``known`` : how many.
    report : statistics of the last draw.
    """

    key: Array
    count: Array
    z: Array
    log_density: Array
    kept: dict[str, Array]
    surrogate: Surrogate
    step_size: Array
    radius: Array
    points: Array
    numbers: Array
    log_densities: Array
    known: Array
    report: dict[str, Array]


class _Proposal(eqx.Module):
    z: Array
    log_surrogates: tuple[Array, Array]
    accepted: Array
    steps: Array


@dataclass(frozen=True)
class SurrogateSampler:
    """How chains with a surrogate are run; see the module.

    Attributes
    ----------
    warmup : draws that teach the surrogate, the last fifth of them from the frozen one.
    acceptance : Metropolis probability that the trajectories on the surrogate aim at.
    also : scalars of the point that are kept of each draw, as statistics :data:`SEEN` + name.
    """

    warmup: int = 150
    acceptance: float = 0.85
    also: tuple[str, ...] = ()

    @property
    def learning(self) -> int:
        """Draws after which the surrogate is frozen."""
        return self.warmup - self.warmup // 5

    def first(self, target: Target, start: Array, key: Array, inverse_mass: Array) -> State:
        """The state of no draws at ``start`` (d,).

        ``inverse_mass``: (d, d) what the widths are taken to be at first. ``target``, ``key``: what
        is sampled, and the chain's own.
        """
        d = start.size
        moves = _DIFFERENCE * np.concatenate([np.zeros((1, d)), np.eye(d), -np.eye(d)])
        found = [evaluated(target, start + move, self.also) for move in moves]
        room = min(self.learning + len(moves), max(_MOST_POINTS, 2 * len(moves)))
        numbers = np.zeros((room, found[0].numbers.size))
        densities, points = np.full(room, -np.inf), np.zeros((room, d))
        for i, each in enumerate(found):
            points[i], numbers[i] = start + moves[i], each.numbers
            densities[i] = _standing(each)
        centre = np.asarray(start)
        values, vectors = np.linalg.eigh(np.asarray(inverse_mass))
        whiten = values[:, None] ** -0.5 * vectors.T
        rough = learn(points, numbers, densities, centre, whiten)
        whiten = whitening(target, rough, start)
        surrogate = learn(points, numbers, densities, centre, whiten)
        zero, none = jnp.zeros(()), jnp.zeros((), dtype=int)
        return State(
            key=key,
            count=none,
            z=start,
            log_density=found[0].log_density,
            kept=_kept(found[0]),
            surrogate=surrogate,
            step_size=zero + _STEP_SIZE,
            radius=zero + _RADIUS,
            points=jnp.asarray(points),
            numbers=jnp.asarray(numbers),
            log_densities=jnp.asarray(densities),
            known=none + len(moves),
            report={
                "acceptance_rate": zero,
                "n_steps": none,
                "diverging": none > 0,
            },
        )

    def step(self, target: Target, state: State) -> State:
        """One draw more: one evaluation of ``target``. ``state``: of the chain so far."""
        warm = int(state.count) < self.learning
        proposal = _propose(target, state, jnp.asarray(warm))
        found = evaluated(target, proposal.z, self.also)
        decided = _decide(state, proposal, found, jnp.asarray(warm))
        if not warm:
            return decided
        said, nearest = _said(target, state.surrogate, proposal.z)
        taught = _taught(decided, proposal, found, said, nearest, jnp.asarray(self.acceptance))
        points, densities = np.asarray(taught.points), np.asarray(taught.log_densities)
        best = points[np.argmax(densities)]
        whiten = whitening(target, taught.surrogate, jnp.asarray(best))
        surrogate = learn(points, np.asarray(taught.numbers), densities, best, whiten)
        return eqx.tree_at(lambda s: s.surrogate, taught, surrogate)

    def row(self, state: State) -> tuple[Array, dict[str, Array]]:
        """The draw (d,) of a ``state`` and its statistics, name → scalar."""
        own = {"lp": state.log_density, "step_size": state.step_size}
        return state.z, own | state.report | state.kept


def _standing(found: Evaluated) -> Array:
    """Log density of a point that can be learned from, a wall's beyond priors; else -infinity."""
    terms = jnp.stack([jnp.zeros(()), *found.terms.values()])
    whole = jnp.all(jnp.isfinite(found.numbers)) & ~jnp.any(jnp.isnan(terms))
    return jnp.where(whole, jnp.maximum(found.log_density, -WALL), -jnp.inf)


def _kept(found: Evaluated) -> dict[str, Array]:
    seen = {SEEN + name: jnp.asarray(value, dtype=float) for name, value in found.seen.items()}
    return seen | {TERM + name: value for name, value in found.terms.items()}


def _keys(state: State) -> Array:
    """One for a proposal, one for what is decided of it."""
    return jax.random.split(jax.random.fold_in(state.key, state.count))


@eqx.filter_jit
def _propose(target: Target, state: State, warm: Array) -> _Proposal:
    """Where the chain would go next; with ``warm`` by the warm-up's widened density."""
    key = _keys(state)[0]
    power = jnp.where(warm, _WARM, 1.0)
    narrow = jnp.where(warm, state.radius**-2, 0.0)
    surrogate = state.surrogate
    widen = surrogate.widen

    def density(z):
        value, nearest = log_density(target, surrogate, z)
        return power * value - jnp.where(narrow > 0.0, 0.5 * narrow * nearest, 0.0)

    slope = jax.value_and_grad(lambda x, origin: density(origin + widen @ x))

    def trajectory(carry, key):
        z, _, accepted, steps = carry
        one, two, three = jax.random.split(key, 3)
        count = jax.random.randint(one, (), 1, _LONGEST + 1)
        momentum = jax.random.normal(two, z.shape)
        size, x = state.step_size, jnp.zeros_like(z)
        value, gradient = slope(x, z)
        before = value - 0.5 * momentum @ momentum

        def leap(_, point):
            x, momentum, _, gradient = point
            momentum = momentum + 0.5 * size * gradient
            x = x + size * momentum
            value, gradient = slope(x, z)
            return x, momentum + 0.5 * size * gradient, value, gradient

        x, momentum, after, _ = jax.lax.fori_loop(0, count, leap, (x, momentum, value, gradient))
        change = after - 0.5 * momentum @ momentum - before
        chance = jnp.where(jnp.isnan(change), 0.0, jnp.exp(jnp.minimum(change, 0.0)))
        taken = jax.random.uniform(three) < chance
        z = jnp.where(taken, z + widen @ x, z)
        value = jnp.where(taken, after, value)
        return (z, value, accepted + chance / _TRAJECTORIES, steps + count), None

    def follow(key):
        keys = jax.random.split(key, _TRAJECTORIES)
        begin = (state.z, density(state.z), jnp.zeros(()), jnp.zeros((), dtype=int))
        (z, value, accepted, steps), _ = jax.lax.scan(trajectory, begin, keys)
        return _Proposal(z, (begin[1], value), accepted, steps)

    def walk(key):
        # 2.38/sqrt(d) widths: Gelman, Roberts & Gilks 1996
        move = 2.38 / jnp.sqrt(state.z.size) * jax.random.normal(key, state.z.shape)
        none = jnp.zeros(())
        return _Proposal(state.z + widen @ move, (none, none), none, jnp.zeros((), dtype=int))

    alone = ~warm & (state.count % _WALK_EVERY == _WALK_EVERY - 1)
    return jax.lax.cond(alone, walk, follow, key)


@jax.jit
def _decide(state: State, proposal: _Proposal, found: Evaluated, warm: Array) -> State:
    """Accept the proposal, or stay."""
    key = _keys(state)[1]
    power = jnp.where(warm, _WARM, 1.0)
    here, there = proposal.log_surrogates
    ratio = power * (found.log_density - state.log_density) - (there - here)
    ratio = jnp.where(jnp.isnan(ratio), -jnp.inf, ratio)
    taken = jnp.log(jax.random.uniform(key)) < ratio
    walked, stayed = proposal.steps == 0, jnp.all(proposal.z == state.z)

    def chosen(new, old):
        return jax.tree.map(lambda a, b: jnp.where(taken, a, b), new, old)

    return eqx.tree_at(
        lambda s: (s.count, s.z, s.log_density, s.kept, s.report),
        state,
        (
            state.count + 1,
            chosen(proposal.z, state.z),
            chosen(found.log_density, state.log_density),
            chosen(_kept(found), state.kept),
            {
                # where no trajectory was accepted nothing was proposed
                "acceptance_rate": jnp.where(stayed, 0.0, jnp.exp(jnp.minimum(ratio, 0.0))),
                "n_steps": proposal.steps,
                "diverging": (ratio < -_DIVERGENT) & ~walked,
            },
        ),
    )


_said = eqx.filter_jit(log_density)


@jax.jit
def _taught(state: State, proposal: _Proposal, found: Evaluated, said, nearest, aim) -> State:
    """The state with one point more, and with steps and trust adapted."""
    new = (state.known < len(state.points)) & (nearest > _SAME)
    row = jnp.where(new, state.known, len(state.points))  # beyond the end: nothing is written
    off = jnp.abs(found.log_density - said)
    radius = state.radius * jnp.where(off < _GOOD, 2.0, jnp.where(off < _BAD, 1.0, 0.5))
    gain = 1.0 / jnp.sqrt(1.0 + state.count / 5.0)
    size = state.step_size * jnp.exp(gain * (proposal.accepted - aim))
    return eqx.tree_at(
        lambda s: (s.step_size, s.radius, s.points, s.numbers, s.log_densities, s.known),
        state,
        (
            jnp.clip(size, _SMALLEST, _LARGEST),
            jnp.clip(radius, _NEAREST, _FURTHEST),
            state.points.at[row].set(proposal.z),
            state.numbers.at[row].set(found.numbers),
            state.log_densities.at[row].set(_standing(found)),
            state.known + new,
        ),
    )
