"""The response of collisionless shells to one history: integrals along characteristics.

Units and notation of ``spectra.linear.drive_build``, which has the derivation.
"""

import math

import jax
import jax.numpy as jnp
import numpy as np
from scipy.interpolate import CubicSpline

from spectra.linear.taper import taper

# sources are padded to one shape, so that jit compiles one program
_SOURCES_PER_BLOCK = 100


def path_lengths(background, x_from, ln_u):
    """Interpolators of Lambda and dLambda/dy (columns: ln_u), s and tau as functions of ln a."""
    x = np.arange(x_from, 0.01, 0.01)
    x[-1] = max(x[-1], 0.0)
    a = np.exp(x)[:, None]
    u = np.exp(ln_u)[None, :]
    v = u / np.sqrt(u**2 + a**2)
    # u^2 + a^2 - u^2 = a^2: no cancellation in 1 - v^2
    dv = v * a**2 / (u**2 + a**2)
    dtau = background.dtau_dx(x)
    path = CubicSpline(x, v * dtau[:, None]).antiderivative()
    path_y = CubicSpline(x, dv * dtau[:, None]).antiderivative()
    s = CubicSpline(x, dtau / a[:, 0]).antiderivative()
    return path, path_y, s


def _bessel(x, sin, cos):
    """j0, j1, dj1/dx from the sine and cosine of x, without cancellation at small argument."""
    small = jnp.abs(x) < 0.2
    inverse = 1.0 / jnp.where(small, 1.0, x)
    j0 = sin * inverse
    j1 = (j0 - cos) * inverse
    d1 = j0 - 2.0 * j1 * inverse
    z = x * x
    s0 = 1 - z / 6 * (1 - z / 20 * (1 - z / 42 * (1 - z / 72)))
    s1 = x / 3 * (1 - z / 10 * (1 - z / 28 * (1 - z / 54 * (1 - z / 88))))
    sd = 1 / 3 - z / 10 + z**2 / 168 - z**3 / 6480 + z**4 / 443520
    return jnp.where(small, s0, j0), jnp.where(small, s1, j1), jnp.where(small, sd, d1)


@jax.jit
def _response(sources, first, times, start):
    """G (nt, nu) from ``sources`` (blocks, block, nu or 1), ``first`` the start, ``times``.

    Paths are phases k Lambda; the sine of a difference follows from the sines of its terms.
    """
    phi_i, delta_i, theta_i = start

    def phases(time, other):
        phase, phase_y = time["phase"] - other["phase"], time["phase_y"] - other["phase_y"]
        sin = time["sin"] * other["cos"] - time["cos"] * other["sin"]
        cos = time["cos"] * other["cos"] + time["sin"] * other["sin"]
        return (*_bessel(phase, sin, cos), phase_y)

    def at(time):
        def block(index, total):
            source = jax.tree.map(lambda values: values[index], sources)
            _, j1, d1, phase_y = phases(time, source)
            past = source["x"] < time["x"]
            force = jnp.where(past, source["force"], 0.0)
            force_y = jnp.where(past, source["force_y"], 0.0)
            return (
                total[0] + jnp.sum(force * j1, axis=0),
                total[1] + jnp.sum(force_y * j1 + force * d1 * phase_y, axis=0),
            )

        zero = jnp.zeros(time["phase"].shape)
        wave, wave_y = jax.lax.fori_loop(0, time["blocks"], block, (zero, zero))
        j0, j1, d1, phase_y = phases(time, first)
        kick = theta_i / first["k_v"]
        wave += (phi_i - delta_i / 4) * j0 + kick * j1 - time["phi"]
        wave_y += -(phi_i - delta_i / 4) * j1 * phase_y + kick * (
            d1 * phase_y - (1.0 - first["v"] ** 2) * j1
        )
        v = time["v"]
        return -((3.0 + v**2) * wave + wave_y) / jnp.sqrt(1.0 - v**2)

    return jax.lax.map(at, times)


def response_tensor(moments, ln_u, background, x_time, dy):
    """G (n_time, n_u), its cold limit (n_time,), the cold a theta (n_time,) of one wavenumber.

    Where ``dy`` no longer resolves the phase of free streaming, G is faded out.
    """
    k = moments.k
    x_nodes = moments.nodes.ravel()
    x_from = moments.x_start - 0.2
    path, path_y, s = path_lengths(background, x_from, ln_u)
    u = np.exp(ln_u)[None, :]
    # nodes of the first, partly covered cell can lie before the start: the kernel is smooth there
    x_safe = np.maximum(x_nodes, x_from)
    phi_m, psi_m = moments.phi_moments.ravel(), moments.psi_moments.ravel()

    def along(x):
        x = np.atleast_1d(x)
        phase = k * path(x)
        v = u / np.sqrt(u**2 + np.exp(2.0 * x)[:, None])
        return {
            "phase": phase,
            "phase_y": k * path_y(x),
            "sin": np.sin(phase),
            "cos": np.cos(phase),
            "v": v,
        }

    source, first, times = along(x_safe), along(moments.x_start), along(x_time)
    v = source.pop("v")
    push, pull = v * phi_m[:, None], psi_m[:, None] / v
    source |= {
        "x": x_nodes[:, None],
        "force": k * (push + pull),
        "force_y": k * (1.0 - v**2) * (push - pull),
    }
    blocks = 5 * math.ceil(len(x_nodes) / (5 * _SOURCES_PER_BLOCK))
    room = blocks * _SOURCES_PER_BLOCK - len(x_nodes)
    padded = {
        name: np.pad(values, ((0, room), (0, 0)), mode="edge").reshape(
            blocks, _SOURCES_PER_BLOCK, -1
        )
        for name, values in source.items()
    }
    faded = taper(dy * (times["phase_y"] - first["phase_y"]))
    times |= {
        "x": x_time,
        "phi": moments.phi_time,
        "blocks": -(-np.searchsorted(x_nodes, x_time) // _SOURCES_PER_BLOCK),
    }
    first = {name: values[0] for name, values in first.items()}
    first["k_v"] = k * first["v"]
    start = (moments.phi_start, moments.delta_g_start, moments.theta_g_start)
    g = faded * np.asarray(_response(padded, first, times, start))

    a_i, s_i, s_t = math.exp(moments.x_start), float(s(moments.x_start)), s(x_time)
    past = x_nodes[None, :] < x_time[:, None]
    kicks = np.where(past, psi_m * np.exp(x_safe), 0.0)
    momentum = a_i * moments.theta_g_start + k**2 * kicks.sum(axis=1)
    cold = (
        0.75 * moments.delta_g_start
        - 3.0 * moments.phi_start
        - a_i * moments.theta_g_start * (s_t - s_i)
        - k**2 * np.sum(kicks * (s_t[:, None] - s(x_safe)[None, :]), axis=1)
        + 3.0 * moments.phi_time
    )
    # nothing is known before the run starts, where all of the gravity is still the table's
    known = x_time >= moments.x_start
    return g * known[:, None], cold * known, momentum * known
