"""Chains, a block of draws at a time, so that they can be stopped and go on bit by bit.

NUTS is numpyro's (Hoffman & Gelman 2014, 1111.4246, with multinomial trajectories); here are its
state as plain arrays and the loop around it. Chains with a surrogate are run by the same loop.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from spectra.precision import require_x64
from sterile.fit.extra import require
from sterile.fit.target import Target, potential, value_and_gradient

_STEP_SIZE = 0.5


class Method(Protocol):
    """How chains are run: :class:`Sampler`, or one with a surrogate."""

    @property
    def warmup(self) -> int: ...
    def first(self, target: Target, start: Array, key: Array, inverse_mass: Array) -> Any: ...
    def step(self, target: Target, state: Any) -> Any: ...
    def row(self, state: Any) -> tuple[Array, dict[str, Array]]: ...


@dataclass(frozen=True)
class Sampler:
    """How chains of NUTS are run.

    Attributes
    ----------
    warmup : draws that adapt step size and mass matrix; kept apart.
    acceptance : Metropolis probability that the step size aims at.
    depth : trajectories have at most 2^depth - 1 steps.
    """

    warmup: int = 150
    acceptance: float = 0.85
    depth: int = 6

    def first(self, target: Target, start: Array, key: Array, inverse_mass: Array):
        """The state of no draws at ``start`` (d,) of ``target``.

        ``key``: the chain's own; ``inverse_mass``: (d, d) that the mass matrix starts from.
        """
        require("numpyro")
        known = value_and_gradient(target, start)
        return _begin(target, start, known, key, inverse_mass, self)

    def step(self, target: Target, state):
        """The state one draw after ``state``. ``target``: what is sampled."""
        return _step(target, state, state.z.size, self)

    def row(self, state) -> tuple[Array, dict[str, Array]]:
        """The draw (d,) of a ``state`` and its statistics, name → scalar."""
        return state.z, {
            "lp": -state.potential_energy,
            "acceptance_rate": state.accept_prob,
            "step_size": state.adapt_state.step_size,
            "n_steps": state.num_steps,
            "diverging": state.diverging,
            "energy": state.energy,
        }


@dataclass
class Chain:
    """One chain as far as it is: draws (n, d), statistics name → (n,), the sampler's state."""

    draws: np.ndarray
    statistics: dict[str, np.ndarray]
    state: object

    @property
    def length(self) -> int:
        """Draws so far, warm-up included."""
        return len(self.draws)


def begin(target: Target, start, key, sampler: Method, inverse_mass=None) -> Chain:
    """A chain of no draws.

    Parameters
    ----------
    start : (d,) unbounded coordinates.
    key : a JAX random key, the chain's own.
    inverse_mass : (d, d) covariance that the widths are taken from at first; unity when left out.
    """
    start = jnp.asarray(start, dtype=float)
    if inverse_mass is None:
        inverse_mass = np.eye(start.size)
    state = sampler.first(target, start, key, jnp.asarray(inverse_mass))
    names = sampler.row(state)[1]
    return Chain(np.empty((0, start.size)), {name: np.empty(0) for name in names}, state)


def advance(chain: Chain, target: Target, sampler: Method, draws: int, wanted=None) -> None:
    """Append ``draws`` draws to a chain, one by one; stops early once ``wanted()`` is false.

    How the draws are cut into calls changes nothing in them.
    """
    rows = []
    for _ in range(draws):
        if wanted is not None and not wanted():
            break
        chain.state = sampler.step(target, chain.state)
        rows.append(jax.device_get(sampler.row(chain.state)))
    if rows:
        chain.draws = np.concatenate([chain.draws, np.stack([row[0] for row in rows])])
        for name in chain.statistics:
            new = np.array([row[1][name] for row in rows], dtype=float)
            chain.statistics[name] = np.concatenate([chain.statistics[name], new])


def _kernels():
    from numpyro.infer.hmc import hmc

    # the target is an argument, not a constant of the compiled program
    return hmc(potential_fn_gen=lambda target: lambda z: potential(target, z), algo="NUTS")


def _settings(sampler: Sampler) -> dict:
    return {
        "num_warmup": sampler.warmup,
        "step_size": _STEP_SIZE,
        "dense_mass": True,
        "target_accept_prob": sampler.acceptance,
        "max_tree_depth": sampler.depth,
    }


@eqx.filter_jit
def _begin(target, start, known, key, inverse_mass, sampler):
    from numpyro.infer.util import ParamInfo

    initialise, _ = _kernels()
    return initialise(
        ParamInfo(start, *known),
        inverse_mass_matrix=inverse_mass,
        rng_key=key,
        model_args=(target,),
        **_settings(sampler),
    )


@eqx.filter_jit
def _step(target, state, size, sampler):
    from numpyro.infer.util import ParamInfo

    initialise, step = _kernels()
    # numpyro's kernel remembers its settings from the initialisation; of the state made here
    # nothing is used, and the compiler drops it
    initialise(
        ParamInfo(jnp.zeros(size), jnp.zeros(()), jnp.zeros(size)),
        inverse_mass_matrix=jnp.eye(size),
        rng_key=state.rng_key,
        model_args=(target,),
        **_settings(sampler),
    )
    return step(state, model_args=(target,))


def pack(chain: Chain) -> list[np.ndarray]:
    """The state's leaves as arrays, for a file."""
    return [np.asarray(leaf) for leaf in jax.tree.leaves(jax.device_get(chain.state))]


def unpack(chain: Chain, leaves) -> Chain:
    """A chain like ``chain`` whose state is what :func:`pack` gave."""
    like, structure = jax.tree.flatten(chain.state)
    arrays = [jnp.asarray(leaf, dtype=old.dtype) for leaf, old in zip(leaves, like)]
    chain.state = jax.tree.unflatten(structure, arrays)
    return chain


def sample(
    target: Target,
    start: ArrayLike,
    samples: int,
    seed: int = 0,
    sampler: Method | None = None,
    inverse_mass: ArrayLike | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Chain:
    """One chain of ``samples`` draws after the warm-up, from a start; draws (samples, d).

    For several chains, branches, files and figures use :func:`sterile.fit.run`.

    Parameters
    ----------
    target : what is sampled.
    start : (d,) unbounded coordinates.
    samples : draws that are kept.
    seed : of the chain.
    sampler : warm-up, step and depth of NUTS; or a
        :class:`sterile.fit.transitions.SurrogateSampler`.
    inverse_mass : (d, d) covariance that the widths are taken from at first; unity when left out.
    progress : called with the draws done and all of them.
    """
    require_x64()
    sampler = Sampler() if sampler is None else sampler
    chain = begin(target, start, jax.random.PRNGKey(seed), sampler, inverse_mass)
    total = sampler.warmup + samples
    while chain.length < total:
        advance(chain, target, sampler, min(25, total - chain.length))
        if progress is not None:
            progress(chain.length, total)
    return Chain(
        chain.draws[sampler.warmup :],
        {name: values[sampler.warmup :] for name, values in chain.statistics.items()},
        chain.state,
    )
