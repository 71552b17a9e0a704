"""The asymmetry at the end of a step: what goes in has to come out.

A step is made with an asymmetry a at its end, and what it converts leaves another, g(a): the end
is where g(a) = a. Mixing that relaxes the asymmetry within a step has g' << -1: what came out,
taken in again, would swing about the end, ever wider. One step of Newton with the g' of the step
before does instead; where the asymmetry jumps, and that is not enough, a search does.

Derivatives are those of the end itself, by the theorem of implicit functions with the g' at the
end, da = dg/(1 - g'), not those of the way that led there.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from spectra.batching import anywhere

# beyond it a step is not solved, over the largest asymmetry
UNBALANCED = 1e-4
# relative to the largest asymmetry: how far what comes out may be from what went in, so little that
# values do not show where the search began; which changes say nothing of g'; and how far a step
# leads at most
_ALLOWED, _BLIND, _FARTHEST = 1e-10, 1e-9, 4.0
# tries of a search; halving alone takes _FARTHEST to 1e-12
_SEARCHES = 40
# a secant goes at most so many times as far as what came out
_LONGEST = 8.0


class Trial(NamedTuple):
    """A step made with an asymmetry ``at`` its end, the one that is ``left``, and what was made."""

    at: Array
    left: Array
    made: Any


class Balanced(NamedTuple):
    """A step, g' as its two trials have it, and |g(a) - a| over the largest asymmetry."""

    trial: Trial
    response: Array
    missed: Array


def balanced(
    attempt: Callable[[Array], Trial], guess: Array, start: Array, response: Array, largest: Array
) -> Balanced:
    """The step whose asymmetry is what comes out; works under jit, vmap and grad.

    Parameters
    ----------
    attempt : asymmetry → the step made with it.
    guess : of the asymmetry at the end; ``start``, that at the step's start.
    response : guess of g', not above zero.
    largest : what all asymmetries are compared with.
    """
    attempt, values = jax.closure_convert(attempt, guess)
    return Balanced(*_balanced(attempt, values, guess, start, response, largest))


@functools.partial(jax.custom_jvp, nondiff_argnums=(0,))
def _balanced(attempt, values, guess, start, response, largest):
    first = attempt(guess, *values)
    second = attempt(guess + (first.left - guess) / (1.0 - response), *values)
    moved, blind = second.at - guess, (_BLIND * largest) ** 2
    response = ((second.left - first.left) * moved + blind * response) / (moved**2 + blind)

    def far(trial):
        return jnp.abs(trial.left - trial.at) > _ALLOWED * largest

    def search(first, second):
        reach = _FARTHEST * largest
        ends = start - reach, start + reach
        return _search(lambda at: attempt(at, *values), far, first, second, *ends)

    found = jax.lax.cond(anywhere(far(second)), search, lambda _, second: second, first, second)
    missed = jnp.abs(found.left - found.at) / largest
    return found, jnp.minimum(response, 0.0), missed


@_balanced.defjvp
def _derivative(attempt, primals, tangents):
    values, *others = primals
    found, response, missed = _balanced(attempt, values, *others)
    _, change = jax.linearize(attempt, found.at, *values)
    alone = change(jnp.zeros_like(found.at), *tangents[0])
    with_end = change(jnp.ones_like(found.at), *(jnp.zeros_like(value) for value in values))
    moved = alone.left / (1.0 - with_end.left)
    tangent = jax.tree.map(lambda first, slope: first + slope * moved, alone, with_end)
    still = jnp.zeros_like(response), jnp.zeros_like(missed)
    return (found, response, missed), (tangent, *still)


def _search(attempt, far, first, second, low, high):
    """Secants, else what came out, else halves, between what is too little and too much."""
    low = jnp.where((first.left > first.at) & (first.at < second.at), first.at, low)
    high = jnp.where((first.left < first.at) & (first.at > second.at), first.at, high)

    def narrowed(low, high, trial):
        more = trial.left > trial.at
        return jnp.where(more, trial.at, low), jnp.where(more, high, trial.at)

    def once(carry):
        trial, (earlier, miss), (low, high) = carry
        missed = trial.left - trial.at
        change = miss - missed
        secant = missed * (trial.at - earlier) / jnp.where(change == 0.0, 1.0, change)
        at = trial.at + secant
        fine = (at > low) & (at < high) & (secant * missed > 0.0)
        fine = fine & (jnp.abs(secant) < _LONGEST * jnp.abs(missed))
        inside = (trial.left > low) & (trial.left < high)
        other = jnp.where(inside, trial.left, 0.5 * (low + high))
        new = attempt(jnp.where(fine, at, other))
        return new, (trial.at, missed), narrowed(low, high, new)

    def if_needed(carry, _):
        needed = far(carry[0])

        def chosen(carry):
            return jax.tree.map(lambda new, old: jnp.where(needed, new, old), once(carry), carry)

        return jax.lax.cond(anywhere(needed), chosen, lambda carry: carry, carry), None

    carry = second, (first.at, first.left - first.at), narrowed(low, high, second)
    (found, *_), _ = jax.lax.scan(if_needed, carry, length=_SEARCHES)
    # elements of a batch that needed no search keep what they had
    return jax.tree.map(lambda new, old: jnp.where(far(second), new, old), found, second)
