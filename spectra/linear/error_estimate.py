"""Coarser versions of a table and of a drive, from which the error of T^2 is estimated."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax import Array

from spectra.linear.drive_tables import Drive, integration_weights
from spectra.linear.remember import remembered
from spectra.linear.volterra import cold_overdensity
from spectra.programs import program
from spectra.spectrum import MINIMUM_NODES, Spectrum


def thinned(dm: Spectrum) -> Spectrum:
    """Every second momentum of the table, and its last one; short tables stay as they are."""
    n = dm.q.shape[0]
    if n < 2 * MINIMUM_NODES:
        return dm
    keep = np.unique(np.append(np.arange(0, n, 2), n - 1))
    return Spectrum(dm.q[keep], dm.f[keep], dm.mass_kev, dm.temperature_ratio)


class Beyond(eqx.Module):
    """What a table would lack if f went on beyond its ends, as fractions of what it holds, scalars.

    Attributes
    ----------
    slow : particles below the first momentum.
    fast : particles above the last one.
    fast_square : their sum of q^2.
    """

    slow: Array
    fast: Array
    fast_square: Array


def beyond_the_ends(dm: Spectrum) -> Beyond:
    """A power law below, an exponential above, each with the slope of its last two nodes.

    Zero where f ends in zero: a cut is a cut. At most one.
    """
    q, f = dm.q, dm.f
    step = jnp.diff(jnp.log(q))

    def total(power):
        weight = q ** (3.0 + power) * f
        return jnp.sum(0.5 * (weight[1:] + weight[:-1]) * step)

    def slope(one, other, width):
        both = (one > 0.0) & (other > 0.0)
        ratio = jnp.where(both, other, 1.0) / jnp.where(both, one, 1.0)
        return jnp.where(both, jnp.log(ratio), 0.0) / width

    # a steeper head than q^-2.9 and a tail flatter than q^-0.1 cannot go on for long
    head = jnp.maximum(slope(f[0], f[1], step[0]) + 3.0, 0.1)
    tail = jnp.maximum(-slope(f[-2], f[-1], step[-1]), 0.1)
    inverse = 1.0 / tail
    # integrals of x^2 and x^4 times exp(-tail (x - 1)) from one, x = q over the last momentum
    second = inverse * (1.0 + inverse * (2.0 + inverse * 2.0))
    fourth = inverse * (
        1.0 + inverse * (4.0 + inverse * (12.0 + inverse * (24.0 + inverse * 24.0)))
    )
    fractions = (
        q[0] ** 3 * f[0] / head / total(0.0),
        q[-1] ** 3 * f[-1] * second / total(0.0),
        q[-1] ** 5 * f[-1] * fourth / total(2.0),
    )
    return Beyond(*(jnp.minimum(fraction, 1.0) for fraction in fractions))


@remembered
def coarser(drive: Drive) -> Drive:
    """The drive on every second time node; its large tables are shared, not copied."""
    changed = {**_every_second(drive), "cold_growth": None}
    return eqx.tree_at(
        lambda d: [getattr(d, name) for name in changed],
        drive,
        list(changed.values()),
        is_leaf=lambda leaf: leaf is None,
    )


@program
def _every_second(drive: Drive) -> dict:
    """The tables of :func:`coarser` that differ.

    The baryons' weights of a node left out go to its neighbours: cubic interpolation, quadratic
    next to the end of the integral.
    """
    n_time = drive.ln_a.shape[0]
    measure = drive.gravity_weights[-1] / integration_weights(n_time)[-1]
    # counted from today backwards, so that the last node stays
    first = (n_time - 1) % 2
    kept = slice(first, None, 2)
    weights = 2.0 * integration_weights((n_time + 1) // 2) * measure[None, kept]
    changed = {
        "time_modes": drive.time_modes[:, kept],
        "response_cold": drive.response_cold[:, kept],
        "ln_a": drive.ln_a[kept],
        "baryon_external": drive.baryon_external[:, kept],
        "gravity_switch": drive.gravity_switch[:, kept],
        "step_weights": weights * drive.horizon[None, kept] / 3.0,
        "gravity_weights": weights,
        "distance": drive.distance[kept, kept],
        "distance_row": drive.distance_row[kept, kept],
        "distance_weights": drive.distance_weights[kept, kept],
        "baryon_weights": _thinned_weights(drive.baryon_weights[kept, first:]),
        "baryon_pressure": _thinned_weights(drive.baryon_pressure[kept, first:]),
        "poisson_cold": drive.poisson_cold[:, kept],
        "poisson_baryon": drive.poisson_baryon[kept],
        "horizon": drive.horizon[kept],
    }
    made = eqx.tree_at(
        lambda d: [getattr(d, name) for name in changed], drive, list(changed.values())
    )
    return {**changed, "cold_today": cold_overdensity(made)}


def twice(drive: Drive) -> Drive:
    """The drive with every wavenumber a second time, for the forward substitution alone."""
    return eqx.tree_at(
        lambda d: (d.k_h_mpc, d.response_cold, d.baryon_external, d.cold_today, d.poisson_cold),
        drive,
        replace_fn=lambda table: jnp.concatenate([table, table]),
    )


def _thinned_weights(weights: Array) -> Array:
    """Weights (m, 2m - 1) of m times for integrals over 2m - 1 nodes, moved to the even nodes."""
    even, odd = weights[:, ::2], weights[:, 1::2]
    row, column = np.indices(odd.shape)
    last = column + 1 == row
    out = even
    for shift, inside, at_end in (
        (-1, -1 / 16, -1 / 8),
        (0, 9 / 16, 3 / 4),
        (1, 9 / 16, 3 / 8),
        (2, -1 / 16, 0.0),
    ):
        part = odd * np.where(last, at_end, inside)
        low, high = max(0, shift), max(0, 1 - shift)
        part = jnp.pad(part, ((0, 0), (low, high)))[:, max(0, -shift) :]
        out = out + part[:, : even.shape[1]]
    return out
