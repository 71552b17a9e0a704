"""T(k) where dark matter is too fast for the drive's equations: by the hierarchies, where needed.

The substitution of :mod:`spectra.linear.volterra` takes radiation and the expansion as they are
without dark matter's own pressure, and dark matter's gravity as that of slow particles. Where
velocities make that wrong, matter is grown by :mod:`spectra.linear.hierarchy_growth` with dark
matter and with cold dark matter, at the same omega_dm: T is their ratio.
"""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from spectra.batching import one_by_one
from spectra.cosmology import Cosmology
from spectra.linear.deposit import spread, velocity_points
from spectra.linear.drive_tables import Drive, ThermalHistory
from spectra.linear.hierarchy import Contents
from spectra.linear.hierarchy_growth import (
    GONE,
    LAST_OWN,
    MATCHED_K_H_MPC,
    Followed,
    contents_of,
    followed_transfer,
    matter_growth,
)
from spectra.linear.remember import remembered
from spectra.programs import program

WAYS = ("where needed", "never", "always")
# of omega_dm: energy beyond the mass at equality, and the share of particles faster than 1e-6 c;
# below, T of the two ways agrees to 3e-4 (docs/hot.md)
_MOST_ENERGY, _MOST_FAST, _FAST = 1e-3, 2e-4, 1e-6
_EQUALITY = 3.4e-4
SHELLS, _E_FOLDS = 48, 7.5
# in T: how well the hierarchies reproduce tight runs of CLASS, and what a ratio is regular to
FAST_ERROR, _REGULAR = 2e-4, 0.15
# above the hierarchies: the part of the correction that is not known, and where errors double
_DRIFT, _DRIFT_K_H_MPC = 0.05, 10.0
# of what the drive's equations miss: the part that is not known between matched wavenumbers
_BETWEEN = 0.5


class Shells(eqx.Module):
    """Dark matter by its speed: arguments of ``matter_growth``.

    Attributes
    ----------
    speed : (nu,) u = q/m; number : (nu,) share of omega_dm; gradient : (nu,) d number / d ln u less
        three times itself.
    slower : share of particles slower than the first of them, counted as it, scalar.
    """

    speed: Array
    number: Array
    gradient: Array
    slower: Array


def too_fast(number: Array, drive: Drive) -> Array:
    """Whether the histogram ``number`` (ny,) on the drive's ln u grid needs hierarchies, bool."""
    energy = jnp.sum(number * _speeds(drive)) / _EQUALITY
    return (energy > _MOST_ENERGY) | (faster_share(number, drive, _FAST) > _MOST_FAST)


def faster_share(number: Array, drive: Drive, speed: float) -> Array:
    """Share of dark matter with u = q/m above ``speed``, scalar."""
    return jnp.sum(jnp.where(_speeds(drive) > speed, number, 0.0))


def _speeds(drive: Drive) -> Array:
    return jnp.exp(drive.ln_u_first + drive.dy * np.arange(drive.sinc.shape[0] + 0.0))


def shells_of(species, shares: Array, cosmology: Cosmology, number: Array, drive: Drive) -> Shells:
    """Shells evenly in ln u, from where a millionth of the momentum is faster downwards."""
    speed = _speeds(drive)
    faster = jnp.cumsum((number * speed)[::-1])[::-1]
    top = jnp.argmax(faster < 1e-6 * faster[0])
    spacing = _E_FOLDS / (SHELLS - 7)
    first = jax.lax.stop_gradient(jnp.log(speed[top])) - spacing * (SHELLS - 4)
    total, slope, slower = jnp.zeros(SHELLS), jnp.zeros(SHELLS), jnp.zeros(())
    for share, dm in zip(shares, species):
        ln_u, particles = velocity_points(dm, cosmology)
        place = (ln_u - first) / spacing
        here, along = spread(place, share * particles, SHELLS)
        total, slope = total + here, slope + along / spacing
        slower = slower + jnp.sum(jnp.where(place < 2.0, share * particles, 0.0))
    nodes = jnp.exp(first + spacing * np.arange(SHELLS + 0.0))
    return Shells(nodes, total, slope - 3.0 * total, slower)


@remembered
@program
def cold_growth(drive: Drive, k_h_mpc: Array) -> Array:
    """``matter_growth`` of cold dark matter at increasing k [h/Mpc], (n + 8,)."""
    return matter_growth(k_h_mpc, drive.cosmology.h, _cold(drive), drive.thermal_history)


def _cold(drive: Drive) -> Contents:
    none = jnp.zeros(0)
    return contents_of(drive.cosmology, 1.0, none, none, none)


def fast_transfer(
    k_h_mpc: Array,
    shells: Shells,
    cold_share: Array,
    cold: Array | None,
    slow_matched: Array,
    drive: Drive,
    needed=None,
) -> Followed:
    """T by the hierarchies at increasing ``k_h_mpc`` (n,), where they are followed.

    ``cold`` : of :func:`cold_growth`; computed when left out. ``slow_matched`` : (8,) T by the
    drive's equations at ``MATCHED_K_H_MPC``. ``needed`` : where given and false, nothing is
    followed.
    """
    contents = contents_of(
        drive.cosmology, cold_share, shells.speed, shells.number, shells.gradient
    )
    given = k_h_mpc, drive.cosmology.h
    history = drive.thermal_history
    if needed is None:
        alone = cold_growth(drive, k_h_mpc) if cold is None else cold
        return followed_transfer(*given, contents, history, alone, slow_matched)
    flag = needed.astype(float)
    if cold is None:
        # one that was not given costs ten models that need no hierarchies
        cold = _grown(flag, *given, *jax.tree.leaves((_cold(drive), history)))[0]
    leaves = jax.tree.leaves((contents, history))
    t, own, matched, *flags = _where_needed(flag, *given, cold, slow_matched, *leaves)
    return Followed(t, own > 0.5, matched, *(flag > 0.5 for flag in flags))


@one_by_one
def _grown(needed, k_h_mpc, h, *leaves) -> tuple[Array]:
    def grown():
        return matter_growth(k_h_mpc, h, *_taken(leaves))

    def skipped():
        return jnp.ones(k_h_mpc.shape[0] + len(MATCHED_K_H_MPC))

    return (jax.lax.cond(needed > 0.5, grown, skipped),)


@one_by_one
def _where_needed(needed, k_h_mpc, h, cold, slow, *leaves) -> tuple[Array, ...]:
    def followed():
        found = followed_transfer(k_h_mpc, h, *_taken(leaves), cold, slow)
        return tuple(each.astype(float) for each in found)

    def skipped():
        none = jnp.zeros_like(k_h_mpc)
        return none, none, slow, jnp.zeros(()), jnp.ones(())

    return jax.lax.cond(needed > 0.5, followed, skipped)


def _taken(leaves) -> tuple[Contents, ThermalHistory]:
    return Contents(*leaves[:8]), ThermalHistory(*leaves[8:])


def joined(
    slow: Array, slow_matched: Array, fast: Followed, k_h_mpc: Array, shells: Shells, drive: Drive
) -> tuple[Array, Array]:
    """T by the hierarchies as far as they go, else by the drive's equations and what these miss.

    Dark matter's own radiation changes growth from horizon entry on, which the drive does not know;
    the hierarchies say by how much. Returns T and its error, (n,) each.

    Parameters
    ----------
    slow : (n,) T by the drive's equations at ``k_h_mpc`` (n,), increasing; ``slow_matched`` : (8,)
        at ``MATCHED_K_H_MPC``.
    fast : of :func:`fast_transfer`.
    """
    ln_k, ln_matched = jnp.log(k_h_mpc), np.log(MATCHED_K_H_MPC)
    missed = fast.matched - slow_matched
    # a ratio of what is nearly nothing says nothing
    weight = slow_matched**3 / (slow_matched**4 + _REGULAR**4)
    ratio = 1.0 + jnp.interp(ln_k, ln_matched[LAST_OWN:], (missed * weight)[LAST_OWN:])
    above = k_h_mpc > MATCHED_K_H_MPC[LAST_OWN]
    between = slow + _between(ln_k, missed)
    none_left = jnp.clip(slow, -GONE, GONE)
    unfollowed = jnp.where(fast.nearly, between, none_left)
    # what is slower than the slowest shell is counted as that
    crossed = k_h_mpc * drive.cosmology.h * shells.speed[2] * drive.distance[-1, 0]
    error = FAST_ERROR + shells.slower * crossed**2 / 6.0
    unknown = jnp.where(fast.nearly, _BETWEEN * jnp.max(jnp.abs(missed)), GONE)
    error = error + jnp.where(fast.own, 0.0, unknown)
    drift = FAST_ERROR * (1.0 + k_h_mpc / _DRIFT_K_H_MPC) + _DRIFT * jnp.abs((ratio - 1.0) * slow)
    drift = drift + jnp.where(fast.skipped, GONE, 0.0)
    return (
        jnp.where(above, slow * ratio, jnp.where(fast.own, fast.t, unfollowed)),
        jnp.where(above, drift, error),
    )


def _between(ln_k: Array, missed: Array) -> Array:
    """What the drive's equations miss between matched wavenumbers: a cubic, below them as k^2."""
    at = np.log(MATCHED_K_H_MPC[: LAST_OWN + 1])
    inside = jnp.maximum(ln_k, at[0])
    cubic = sum(
        missed[i] * math.prod((inside - x) / (at[i] - x) for x in np.delete(at, i))
        for i in range(at.size)
    )
    return cubic * jnp.exp(2.0 * jnp.minimum(ln_k - at[0], 0.0))
