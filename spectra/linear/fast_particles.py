"""T(k) where dark matter is too fast for the drive's equations: by the hierarchies, where needed.

The substitution of :mod:`spectra.linear.volterra` takes radiation and the expansion as they are
without dark matter's own pressure, and dark matter's gravity as that of slow particles. Where
velocities make that wrong, matter is grown by :mod:`spectra.linear.hierarchy_growth` with dark
matter and with cold dark matter, at the same omega_dm: T is their ratio.
"""

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
from spectra.linear.hierarchy_growth import MATCHED_K_H_MPC, contents_of, matter_growth
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
    """``matter_growth`` of cold dark matter at increasing k [h/Mpc], (n + 5,)."""
    return matter_growth(k_h_mpc, drive.cosmology.h, _cold(drive), drive.thermal_history)


def _cold(drive: Drive) -> Contents:
    none = jnp.zeros(0)
    return contents_of(drive.cosmology, 1.0, none, none, none)


def fast_transfer(
    k_h_mpc: Array, shells: Shells, cold_share: Array, cold: Array | None, drive: Drive, needed=None
) -> Array:
    """T by the hierarchies (n + 5,), as :func:`matter_growth` has it.

    ``cold`` : of :func:`cold_growth`; computed when left out. ``needed``: where given and false,
    ones come back at once.
    """
    contents = contents_of(
        drive.cosmology, cold_share, shells.speed, shells.number, shells.gradient
    )
    if needed is None:
        alone = cold_growth(drive, k_h_mpc) if cold is None else cold
        return matter_growth(k_h_mpc, drive.cosmology.h, contents, drive.thermal_history) / alone

    def grown(contents):
        leaves = jax.tree.leaves((contents, drive.thermal_history))
        return _where_needed(needed.astype(float), k_h_mpc, drive.cosmology.h, *leaves)[0]

    # one that was not given costs ten models that need no hierarchies
    below = grown(_cold(drive)) if cold is None else jnp.where(needed, cold, 1.0)
    return grown(contents) / below


@one_by_one
def _where_needed(needed, k_h_mpc, h, *leaves) -> tuple[Array]:
    def grown(k_h_mpc, h, *leaves):
        contents, history = Contents(*leaves[:8]), ThermalHistory(*leaves[8:])
        return (matter_growth(k_h_mpc, h, contents, history),)

    def skipped(k_h_mpc, h, *leaves):
        return (jnp.ones(k_h_mpc.shape[0] + len(MATCHED_K_H_MPC)),)

    return jax.lax.cond(needed > 0.5, grown, skipped, k_h_mpc, h, *leaves)


def joined(
    slow: Array, slow_matched: Array, fast: Array, k_h_mpc: Array, shells: Shells, drive: Drive
) -> tuple[Array, Array]:
    """T by the hierarchies as far as they go, beyond by the drive's equations times a ratio.

    Dark matter's own radiation changes growth from horizon entry on, which the drive does not know;
    the hierarchies say by how much. Returns T and its error, (n,) each.

    Parameters
    ----------
    slow : (n,) T by the drive's equations at ``k_h_mpc`` (n,), increasing; ``slow_matched`` : (5,)
        at ``MATCHED_K_H_MPC``.
    fast : (n + 5,) of :func:`fast_transfer`.
    """
    n = k_h_mpc.shape[0]
    # a ratio of what is nearly nothing says nothing
    weight = slow_matched**3 / (slow_matched**4 + _REGULAR**4)
    ratios = 1.0 + (fast[n:] - slow_matched) * weight
    ratio = jnp.interp(jnp.log(k_h_mpc), np.log(MATCHED_K_H_MPC), ratios)
    beyond = k_h_mpc > MATCHED_K_H_MPC[0]
    # what is slower than the slowest shell is counted as that
    crossed = k_h_mpc * drive.cosmology.h * shells.speed[2] * drive.distance[-1, 0]
    below = FAST_ERROR + shells.slower * crossed**2 / 6.0
    above = FAST_ERROR * (1.0 + k_h_mpc / _DRIFT_K_H_MPC) + _DRIFT * jnp.abs((ratio - 1.0) * slow)
    return jnp.where(beyond, slow * ratio, fast[:n]), jnp.where(beyond, above, below)
