"""Growth of matter by the hierarchies of :mod:`spectra.linear.hierarchy`, from early on to today.

Wavenumbers are solved in groups of neighbours, each with as many steps as its largest one needs.
Steps are short in ln a, 0.05, and in phase: 0.5 in k tau (0.3 beyond 1.1 h/Mpc) until radiation has
decoupled and streams freely, from when on it follows the metric, and 0.7 in k int v d tau of a
typical shell: at 1.5 times the mean speed, weighted by speed (twice the mean of a thermal relic).
"""

import math
from functools import cache
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from spectra.batching import anywhere
from spectra.constants import SPEED_OF_LIGHT_KM_S
from spectra.cosmology import Cosmology, omega_photon, omega_radiation
from spectra.linear.drive_tables import ThermalHistory
from spectra.linear.hierarchy import (
    STAGES,
    Contents,
    background,
    beginning,
    matter_overdensity,
    stepped,
)

_TOGETHER = 8  # wavenumbers of a group: their states fit the cache
# a group, nodes of the drive, where what the drive's equations do not know is measured. Up to the
# one of index LAST_OWN other wavenumbers are followed themselves
MATCHED_K_H_MPC = 0.1 * 3000.0 ** (np.array([0, 7, 14, 21, 27, 33, 39, 45]) / 70.0)
LAST_OWN = 3
# T by the drive's equations at LAST_OWN - 1 above which that group comes first, and at LAST_OWN
# below which it is left out. Where the two agree to the third on all of it, their difference is
# read between its wavenumbers
_MUCH_LEFT, _LITTLE_LEFT, _NEARLY = 0.7, 0.05, 4e-4
# T that counts as none, once no wavenumber of the last factor has more
GONE, _GONE_OVER = 2e-3, 1.5
_STEP_LN_A, _STEP_PATH = 0.05, 0.7
# in k tau, up to LAST_OWN and beyond: there 0.5 moves half of a 300 eV relic by 2e-3 of T^2
_STEP_PHASE, _STEP_PHASE_BEYOND = 0.5, 0.3
_FIRST_PHASE, _LATEST_START = 0.01, 1e-7
_TYPICAL = 1.5
_HIGHEST_SPEED = 0.02  # of shells whose streaming is followed to the end
# radiation streams freely once the horizon holds this phase (45 is CLASS's default, precisions.h of
# class_public v3) and it has decoupled. Beyond the last, its waves are too short to move matter:
# 1500 changes T^2 by less than 3e-5 up to 9 h/Mpc, by 6e-4 at 17
_FREE_PHASE, _FREE_SCALE_FACTOR, _SHORT_PHASE = 45.0, 2.5e-3, 400.0
# a gradient keeps the states between blocks of blocks only
_STEPS_TOGETHER, _BLOCKS_TOGETHER = 25, 16


def contents_of(cosmology: Cosmology, cold_share, speed, number, gradient) -> Contents:
    """:class:`Contents` of a flat universe; the last four in units of omega_dm."""
    hundred_squared = (100.0 / SPEED_OF_LIGHT_KM_S) ** 2
    hubble_squared = cosmology.h**2 * hundred_squared
    photon = omega_photon(cosmology) * hubble_squared
    radiation = omega_radiation(cosmology) * hubble_squared
    dark, baryon = cosmology.omega_dm * hundred_squared, cosmology.omega_b * hundred_squared
    return Contents(
        photon=photon,
        neutrino=radiation - photon,
        baryon=baryon,
        dark_energy=hubble_squared - radiation - dark - baryon,
        cold=cold_share * dark,
        speed=speed,
        number=number * dark,
        gradient=gradient * dark,
    )


def _counted(k_h_mpc: Array, h, contents: Contents, speed: Array) -> tuple[Array, Array, Array]:
    """ln a (n,), the steps taken until then (nk, n), and ln a where radiation is free (nk,).

    ``speed``: u = q/m of a shell whose streaming is followed to the end.
    """
    k = k_h_mpc * h
    beyond = k_h_mpc > 1.001 * MATCHED_K_H_MPC[LAST_OWN]
    phase_step = jnp.where(beyond, _STEP_PHASE_BEYOND, _STEP_PHASE)
    ln_a = jnp.linspace(math.log(1e-9), 0.0, 4001)
    a = jnp.exp(ln_a)
    matter = contents.baryon + contents.cold + jnp.sum(contents.number)
    radiation = contents.photon + contents.neutrino
    # dark matter counts as cold, so that steps are those of the run it is compared with
    per_e_fold = a / jnp.sqrt(radiation + matter * a + contents.dark_energy * a**4)
    pieces = 0.5 * (per_e_fold[1:] + per_e_fold[:-1]) * jnp.diff(ln_a)
    # radiation dominates at first: tau = 1 / aH
    time = per_e_fold[0] + jnp.concatenate([jnp.zeros(1), jnp.cumsum(pieces)])
    phase = k[:, None] * time[None, :]
    first = jnp.minimum(
        jax.vmap(lambda x: jnp.interp(_FIRST_PHASE, x, ln_a))(phase), math.log(_LATEST_START)
    )
    free, short = (
        jax.vmap(lambda x: jnp.interp(reached, x, ln_a, right=1.0))(phase)  # noqa: B023
        for reached in (_FREE_PHASE, _SHORT_PHASE)
    )
    free = jnp.minimum(jnp.maximum(free, math.log(_FREE_SCALE_FACTOR)), short)
    waves = k[:, None] * per_e_fold[None, :]
    followed = jnp.where(ln_a[None, :] < free[:, None], waves, 0.0)
    streamed = waves * speed / jnp.hypot(speed, a)[None, :]
    density = jnp.hypot(1.0 / _STEP_LN_A, followed / phase_step[:, None])
    density = jnp.hypot(density, streamed / _STEP_PATH)
    pieces = 0.5 * (density[:, 1:] + density[:, :-1]) * jnp.diff(ln_a)[None, :]
    count = jnp.cumsum(pieces, axis=1)
    count = jnp.pad(count, ((0, 0), (1, 0)))
    begun = jax.vmap(lambda at, values: jnp.interp(at, ln_a, values))(first, count)
    return ln_a, count - begun[:, None], free


@cache
def _most_blocks() -> int:
    """Blocks of steps for the largest wavenumber, with room for other cosmologies."""
    with jax.ensure_compile_time_eval():
        cosmology = Cosmology()
        k = jnp.asarray(MATCHED_K_H_MPC[-1:])
        contents = contents_of(cosmology, 1.0, *(jnp.zeros(0),) * 3)
        _, count, _ = _counted(k, cosmology.h, contents, jnp.asarray(_HIGHEST_SPEED))
        return math.ceil(1.1 * float(count[0, -1]) / _STEPS_TOGETHER)


def _time_nodes(counted, blocks: Array, index: Array) -> tuple[Array, Array]:
    """Of block ``index``: ln a (n + 1, nk) at its nodes, and whether radiation is free (n, nk)."""
    ln_a, count, free = counted
    part = (
        (index * float(_STEPS_TOGETHER) + np.arange(_STEPS_TOGETHER + 1.0))
        / _STEPS_TOGETHER
        / blocks
    )
    nodes = jax.vmap(lambda values: jnp.interp(part * values[-1], values, ln_a), out_axes=1)(count)
    return nodes, nodes[:-1] >= free[None, :]


def _at_stages(ln_a: Array, history: ThermalHistory) -> tuple[Array, Array]:
    """kappa' [1/Mpc] and c_b^2 at ``ln_a`` (any shape).

    Earlier than the tables everything is ionised: kappa' goes as a^-2, c_b^2 as 1/a.
    """
    place = (ln_a - history.ln_a_first) / history.ln_a_step
    last = history.ln_opacity.shape[0] - 2
    whole = jnp.clip(jnp.floor(place), 0, last)
    cell, part = whole.astype(jnp.int32), jnp.clip(place - whole, 0.0, 1.0)
    early = jnp.minimum(ln_a - history.ln_a_first, 0.0)

    def read(table):
        return (1.0 - part) * table[cell] + part * table[cell + 1]

    return (
        jnp.exp(read(history.ln_opacity) - 2.0 * early),
        read(history.sound_squared) * jnp.exp(-early),
    )


class Followed(NamedTuple):
    """T by the hierarchies, and where they were followed.

    Attributes
    ----------
    t : (n,) at own wavenumbers; own : (n,) bool, where that was followed.
    matched : (8,) at ``MATCHED_K_H_MPC``; what was given for them where not followed.
    nearly : bool, whether the matched ones were enough; skipped : bool, whether they were left out.
    """

    t: Array
    own: Array
    matched: Array
    nearly: Array
    skipped: Array


def matter_growth(k_h_mpc: Array, h: Array, contents: Contents, history: ThermalHistory) -> Array:
    """delta of all matter today, for a curvature eta = 2 early on, (n + 8,).

    Parameters
    ----------
    k_h_mpc : (n,) wavenumbers [h/Mpc], increasing. The result at them is meant up to ``LAST_OWN``
        of ``MATCHED_K_H_MPC``; at those it follows.
    h : Hubble constant in 100 km/s/Mpc, scalar.
    contents : what fills the universe; without any shells dark matter is cold.
    history : coupling of photons and baryons.
    """
    group = _growth_of_group(h, contents, history)
    grown = jax.lax.map(lambda given: group(*given), _groups(k_h_mpc))
    return jnp.append(grown[1:].ravel()[: k_h_mpc.shape[0]], grown[0])


def followed_transfer(
    k_h_mpc: Array, h: Array, contents: Contents, history: ThermalHistory, cold: Array, slow: Array
) -> Followed:
    """T by the hierarchies, as far as it takes; arguments as :func:`matter_growth`.

    Where much power is left the matched wavenumbers come first, and can be enough. Else own ones
    are followed upwards while power is left, and the matched ones after them if it reaches them.

    Parameters
    ----------
    cold : (n + 8,) growth of cold dark matter.
    slow : (8,) T by the drive's equations at ``MATCHED_K_H_MPC``.
    """
    n = k_h_mpc.shape[0]
    k, meant = _groups(k_h_mpc)
    k, meant = jnp.append(k, k[:1], axis=0), jnp.append(meant, True)
    place = np.arange(k.shape[0])
    first, last = place == 0, place == place[-1]
    own = jnp.pad(cold[:n], (0, -n % _TOGETHER), mode="edge").reshape(-1, _TOGETHER)
    cold = jnp.concatenate([cold[None, n:], own, cold[None, n:]])
    slow = jax.lax.stop_gradient(slow)
    much = jnp.abs(slow[LAST_OWN - 1]) > _MUCH_LEFT
    needless = much | (jnp.abs(slow[LAST_OWN]) < _LITTLE_LEFT)
    group = _growth_of_group(h, contents, history)

    def one(carry, given):
        to_come, left = carry
        k, meant, first, last, cold = given
        wanted = jnp.where(first, much, to_come & meant & ~(last & needless))
        t = group(k, wanted) / cold
        size = jnp.abs(jax.lax.stop_gradient(t))
        far = ~(jnp.max(jnp.abs(size - jnp.abs(slow))) < _NEARLY)
        left = jnp.maximum(left, jnp.max(jnp.where(size > GONE, k, 0.0)))
        # two wavenumbers at least: one alone may be where T passes through zero
        remains = (k[-1] < _GONE_OVER * left) | (k[-2] <= left)
        to_come = to_come & jnp.where(wanted, jnp.where(first, far, remains), True)
        return (to_come, jnp.where(first, carry[1], left)), (t, wanted)

    begun = jnp.asarray(True), k_h_mpc[0]
    _, (t, wanted) = jax.lax.scan(one, begun, (k, meant, first, last, cold))
    own = jnp.repeat(wanted[1:-1], _TOGETHER)[:n] & (k_h_mpc <= MATCHED_K_H_MPC[LAST_OWN])
    matched = jnp.where(wanted[0], t[0], jnp.where(wanted[-1], t[-1], slow))
    nearly = much & (jnp.max(jnp.abs(jax.lax.stop_gradient(t[0]) - slow)) < _NEARLY)
    return Followed(t[1:-1].ravel()[:n], own, matched, nearly, ~(wanted[0] | wanted[-1]))


def _groups(k_h_mpc: Array) -> tuple[Array, Array]:
    """Wavenumbers in groups (g, 8), the matched ones first; whether any of each is meant (g,)."""
    own = jnp.pad(k_h_mpc, (0, -k_h_mpc.shape[0] % _TOGETHER), mode="edge")
    own = jnp.append(MATCHED_K_H_MPC, own).reshape(-1, _TOGETHER)
    meant = jnp.any(own <= MATCHED_K_H_MPC[LAST_OWN], axis=1)
    return own.at[1:].min(MATCHED_K_H_MPC[LAST_OWN]), meant


def _growth_of_group(h, contents, history):
    """The function (k [h/Mpc] (8,), whether wanted) -> delta of all matter today, (8,)."""
    # that of the shells that carry the speed: a few fast ones among many slow have to be followed
    flow = contents.number * contents.speed
    mean = jnp.sum(flow * contents.speed) / jnp.maximum(jnp.sum(flow), jnp.finfo(float).tiny)
    typical = jnp.minimum(_TYPICAL * mean, _HIGHEST_SPEED)

    def group(k_h_mpc, wanted):
        k = k_h_mpc * h
        counted = jax.lax.stop_gradient(_counted(k_h_mpc, h, contents, typical))
        blocks = jnp.ceil(jnp.max(counted[1][:, -1]) / _STEPS_TOGETHER)
        blocks = jnp.minimum(blocks, float(_most_blocks()))

        @jax.checkpoint
        def run(state, index):
            nodes, streaming = _time_nodes(counted, blocks, index)
            step = jnp.diff(nodes, axis=0)
            at = nodes[:-1, None] + jnp.asarray(STAGES)[None, :, None] * step[:, None]

            def one(state, given):
                return stepped(contents, state, k, *given), None

            steps = (nodes[:-1], step, *_at_stages(at, history), streaming)
            return jax.lax.scan(one, state, steps)[0]

        def block(state, index):
            needed = (index < blocks) & wanted

            def run_where_needed(state, index):
                # one that has arrived repeats its last block, and forgets it
                moved = run(state, jnp.minimum(index, blocks - 1.0))
                return jax.tree.map(lambda new, old: jnp.where(needed, new, old), moved, state)

            # a batch goes on while any of its models does
            skip = lambda state, _: state  # noqa: E731
            return jax.lax.cond(anywhere(needed), run_where_needed, skip, state, index), None

        @jax.checkpoint
        def together(state, indices):
            needed = anywhere((indices[0] < blocks) & wanted)
            run = lambda state: jax.lax.scan(block, state, indices)[0]  # noqa: E731
            return jax.lax.cond(needed, run, lambda state: state, state), None

        indices = np.arange(math.ceil(_most_blocks() / _BLOCKS_TOGETHER) * _BLOCKS_TOGETHER + 0.0)
        first = _time_nodes(counted, blocks, jnp.zeros(()))[0][0]
        state, _ = jax.lax.scan(
            together, beginning(contents, k, first), indices.reshape(-1, _BLOCKS_TOGETHER)
        )
        nodes, streaming = _time_nodes(counted, blocks, blocks - 1.0)
        opacity, sound_squared = (table[0] for table in _at_stages(nodes[-1:], history))
        step = nodes[-1] - nodes[-2]
        today = background(contents, k, nodes[-1], step, opacity, sound_squared, streaming[-1])
        return matter_overdensity(contents, today, state, k)

    return group
