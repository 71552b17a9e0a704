"""T(k) where dark matter is too fast for the drive's equations: by the hierarchies, where needed.

The substitution of :mod:`spectra.linear.volterra` takes radiation and the expansion as they are
without dark matter's own pressure, and dark matter's gravity as that of slow particles. Where
velocities make that wrong, matter is grown by :mod:`spectra.linear.hierarchy_growth` with dark
matter and with cold dark matter, at the same omega_dm: T is their ratio.
"""

import math
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from spectra.batching import one_by_one
from spectra.cosmology import Cosmology
from spectra.linear.deposit import ln_u_of
from spectra.linear.drive_tables import Drive, velocity_grid
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
from spectra.linear.shells import Particles, shells_of, sums_error
from spectra.programs import program

WAYS = ("where needed", "never", "always")
# of omega_dm: energy beyond the mass at equality, and the share of particles faster than 1e-6 c;
# below, T of the two ways agrees to 3e-4 (docs/hot.md)
_MOST_ENERGY, _MOST_FAST, _FAST = 1e-3, 2e-4, 1e-6
_EQUALITY = 3.4e-4
# in T: how well the hierarchies reproduce tight runs of CLASS, and what a ratio is regular to
FAST_ERROR, _REGULAR = 2e-4, 0.15
# above the hierarchies: the part of the correction that is not known, and where errors double
_DRIFT, _DRIFT_K_H_MPC = 0.05, 5.0
# wavenumbers where sums over shells are compared with those over particles, and how many times
# their difference is the error of T: twice at most where that is above FAST_ERROR, of 41 spectra
# (docs/hot.md)
_COMPARED_K_H_MPC, _SUMS = np.geomspace(0.005, 17.0, 24), 3.0
# of what the drive's equations miss: the part that is not known between matched wavenumbers
_BETWEEN = 0.5


def check_way(hierarchies: str) -> None:
    """Raises ``ValueError`` unless ``hierarchies`` is one of "where needed", "never", "always"."""
    if hierarchies not in WAYS:
        raise ValueError(f"hierarchies = {hierarchies!r} is unknown; use one of {WAYS}")


def too_fast(number: Array, gone: Array, drive: Drive) -> Array:
    """Whether the histogram ``number`` (ny,) on the drive's ln u grid needs hierarchies, bool.

    ``gone``: the share that is faster than the grid goes.
    """
    energy = jnp.sum(number * _speeds(drive)) / _EQUALITY
    return (energy > _MOST_ENERGY) | (faster_share(number, drive, _FAST) + gone > _MOST_FAST)


def faster_share(number: Array, drive: Drive, speed: float) -> Array:
    """Share of dark matter with u = q/m above ``speed``, scalar."""
    return jnp.sum(jnp.where(_speeds(drive) > speed, number, 0.0))


def _speeds(drive: Drive) -> Array:
    return jnp.exp(ln_u_of(velocity_grid(drive, drive.cosmology)))


@remembered
@program
def cold_growth(drive: Drive, k_h_mpc: Array) -> Array:
    """``matter_growth`` of cold dark matter at increasing k [h/Mpc], (n + 8,)."""
    cosmology = drive.cosmology
    return matter_growth(k_h_mpc, cosmology.h, _cold(cosmology), drive.thermal_history)


def _cold(cosmology: Cosmology) -> Contents:
    none = jnp.zeros(0)
    return contents_of(cosmology, 1.0, none, none, none)


def fast_transfer(
    k_h_mpc: Array,
    particles: Particles,
    cold_share: Array,
    cold: Array | None,
    slow_matched: Array,
    drive: Drive,
    needed=None,
) -> tuple[Followed, Array]:
    """T by the hierarchies at increasing ``k_h_mpc`` (n,), where followed; its error by shells.

    ``cold`` : of :func:`cold_growth`; computed when left out. ``slow_matched`` : (8,) T by the
    drive's equations at ``MATCHED_K_H_MPC``. ``needed`` : where given and false, nothing is
    followed.
    """
    given = (drive.cosmology, drive.thermal_history, k_h_mpc)
    own = cold_share, particles, drive.distance[-1, 0]
    if needed is None:
        alone = cold_growth(drive, k_h_mpc) if cold is None else cold
        return _followed(*given, alone, slow_matched, *own)
    flag = needed.astype(float)
    if cold is None:
        # one that was not given costs ten models that need no hierarchies
        leaves, tree = jax.tree.flatten(given)
        cold = _grown_where_needed(tree)(flag, *leaves)[0]
    leaves, tree = jax.tree.flatten((*given, cold, slow_matched, *own))
    *found, error = _followed_where_needed(tree)(flag, *leaves)
    t, where, matched, nearly, skipped = found
    return Followed(t, where > 0.5, matched, nearly > 0.5, skipped > 0.5), error


def _followed(
    cosmology, history, k_h_mpc, cold, slow_matched, cold_share, particles, distance
) -> tuple[Followed, Array]:
    shells = shells_of(particles)
    contents = contents_of(cosmology, cold_share, shells.speed, shells.number, shells.gradient)
    found = followed_transfer(k_h_mpc, cosmology.h, contents, history, cold, slow_matched)
    error = sums_error(particles, shells, _COMPARED_K_H_MPC * cosmology.h * distance)
    return found, _SUMS * error


@cache
def _grown_where_needed(tree: Any) -> Any:
    """(flag, leaves of ``tree``: cosmology, history, k) -> growth of cold dark matter, or ones."""

    @one_by_one
    def grown_where_needed(needed, *leaves) -> tuple[Array]:
        cosmology, history, k_h_mpc = jax.tree.unflatten(tree, leaves)

        def grown():
            return matter_growth(k_h_mpc, cosmology.h, _cold(cosmology), history)

        def skipped():
            return jnp.ones(k_h_mpc.shape[0] + len(MATCHED_K_H_MPC))

        return (jax.lax.cond(needed > 0.5, grown, skipped),)

    return grown_where_needed


@cache
def _followed_where_needed(tree: Any) -> Any:
    """(flag, leaves of ``tree``: arguments of :func:`_followed`) -> its result, all floats."""

    @one_by_one
    def followed_where_needed(needed, *leaves) -> tuple[Array, ...]:
        given = jax.tree.unflatten(tree, leaves)
        k_h_mpc, slow_matched = given[2], given[4]

        def followed():
            found, error = _followed(*given)
            return (*(each.astype(float) for each in found), error)

        def skipped():
            none = jnp.zeros_like(k_h_mpc)
            return none, none, slow_matched, jnp.zeros(()), jnp.ones(()), jnp.zeros(())

        return jax.lax.cond(needed > 0.5, followed, skipped)

    return followed_where_needed


def joined(
    slow: Array, slow_matched: Array, fast: Followed, by_shells: Array, k_h_mpc: Array
) -> tuple[Array, Array]:
    """T by the hierarchies as far as they go, else by the drive's equations and what these miss.

    Dark matter's own radiation changes growth from horizon entry on, which the drive does not know;
    the hierarchies say by how much. Returns T and its error, (n,) each.

    Parameters
    ----------
    slow : (n,) T by the drive's equations at ``k_h_mpc`` (n,), increasing; ``slow_matched`` : (8,)
        at ``MATCHED_K_H_MPC``.
    fast, by_shells : of :func:`fast_transfer`.
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
    unknown = jnp.where(fast.nearly, _BETWEEN * jnp.max(jnp.abs(missed)), GONE)
    error = FAST_ERROR + by_shells + jnp.where(fast.own, 0.0, unknown)
    drift = FAST_ERROR * (1.0 + k_h_mpc / _DRIFT_K_H_MPC) + _DRIFT * jnp.abs((ratio - 1.0) * slow)
    drift = drift + by_shells + jnp.where(fast.skipped, GONE, 0.0)
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
