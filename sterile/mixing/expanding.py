"""Mixing where an extra fluid expands, or after a low reheating temperature: its clocks.

At a temperature T the plasma does to neutrinos what it always does. What changes is how long it is
at T, and where the momenta are: p = q c(T) (:mod:`sterile.bath.expansion`). A fluid that does not
decay changes the time alone. One that decays changes c, too, and the rates are interpolated at the
new p/T.

What is conserved of a lepton asymmetry is n_L a^3, so n_L/c^3: "g_s" of the clock of resonant
mixing is g_s0 (c/T)^3, and n_L/T^3 falls as entropy is released. Active neutrinos are taken to have
the temperature of the plasma at all times.
"""

import math

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from spectra.numerics import interpolate
from sterile.mixing import nonresonant, resonant
from sterile.mixing.background import LOWEST_Q, in_expansion, momenta
from sterile.mixing.opacities import opacity, width
from sterile.models import Plasma

# p/T of the rates' table: C is smooth, six points 0.05 apart leave 1e-8; nobody is above
_HIGHEST = 1e3
_LOG_MOMENTA = np.linspace(math.log(LOWEST_Q), math.log(_HIGHEST), 320)


def _rates(model, temperature: np.ndarray, y: Array, by_parts: bool) -> tuple[Array, Array | None]:
    """Gamma/T at T (t,) and p/T (t, n), and the share of hadrons and quarks where asked for."""
    lattice = np.broadcast_to(np.exp(_LOG_MOMENTA), (temperature.size, _LOG_MOMENTA.size))
    at = temperature, lattice, model.flavour
    rates = width(*at, model.rates_table, model.rate_kind, model.opacities)
    nodes = jnp.asarray(_LOG_MOMENTA)
    x = jnp.clip(jnp.log(y), nodes[0], nodes[-1])

    def between(values):
        return jax.vmap(interpolate, in_axes=(0, None, 0))(x, nodes, jnp.asarray(values))

    share = between(opacity(*at, model.rate_kind).hadronic / rates) if by_parts else None
    return y * jnp.exp(between(np.log(rates / lattice))), share


def non_resonant(model, plasma: Plasma, at: nonresonant.Clock) -> nonresonant.Clock:
    """The clock of non-resonant mixing in the plasma's expansion, from that of the usual one.

    ``plasma``: with the history of what decays solved for.
    """
    temperature = at.bath.temperature_gev
    bath = in_expansion(temperature, plasma)
    if plasma.release is None:
        return at._replace(bath=at.bath._replace(time_gev=bath.time_gev))
    y = jnp.asarray(bath.ratio)[:, None] * at.q
    rates, share = _rates(model, temperature, y, at.hadronic is not None)
    return at._replace(
        bath=bath,
        width=rates,
        active=1.0 / (jnp.exp(jnp.minimum(y, 700.0)) + 1.0),
        hadronic=None if share is None else rates * share,
    )


def resonant_clock(model, plasma: Plasma, at: resonant.Clock, cells: int) -> resonant.Clock:
    """The clock of resonant mixing in the plasma's expansion, from that of the usual one.

    ``plasma``: with the history of what decays solved for; ``cells``: of the momenta.
    """
    log_t = at.ends.first + at.ends.step * np.arange(at.ends.coefficients.shape[0])
    temperature = np.exp(log_t)
    bath = in_expansion(temperature, plasma)
    log_g_s = jnp.log(bath.g_s)
    ends, middle = jnp.asarray(at.ends.coefficients), jnp.asarray(at.middle.coefficients)
    density = _coefficients(jnp.asarray(bath.density))
    ends = ends.at[:, 0].set(_coefficients(log_g_s)).at[:, 3].set(density)
    duration = _coefficients(jnp.log(temperature * bath.time_gev))
    middle = middle.at[:, 0].set(duration)
    if plasma.release is not None:
        by_parts = middle.shape[1] > cells + 1
        y = jnp.asarray(bath.ratio)[:, None] * momenta(cells)[0]
        rates, share = _rates(model, temperature, y, by_parts)
        columns = [duration[:, None], _coefficients(jnp.log(rates))]
        middle = jnp.concatenate(columns + ([] if share is None else [_coefficients(share)]), 1)
    return at._replace(
        ends=at.ends._replace(coefficients=ends), middle=at.middle._replace(coefficients=middle)
    )


def _coefficients(values: Array) -> Array:
    """Of cubic B-splines through values at nodes, (n,) or (n, m); mirrored at the ends."""
    columns = values.reshape(values.shape[0], -1)
    beside = jnp.full(columns.shape[0], 1.0 / 6.0)
    # both neighbours of an end are the same one
    below = beside.at[0].set(0.0).at[-1].set(1.0 / 3.0)
    above = beside.at[-1].set(0.0).at[0].set(1.0 / 3.0)
    middle = jnp.full(columns.shape[0], 2.0 / 3.0)
    return jax.lax.linalg.tridiagonal_solve(below, middle, above, columns).reshape(values.shape)
