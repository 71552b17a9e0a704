"""Build a drive: what radiation and baryons do to collisionless dark matter, from one CLASS run.

Everything here runs once per cosmology, outside jit, needs classy and is never imported by the
solver. Units of CLASS: lengths and conformal time in Mpc, "rho" means 8 pi G rho / 3 in Mpc^-2, H
is the proper Hubble rate in 1/Mpc; x = ln a, d tau = dx / (a H), ds = d tau / a, u = q / m,
y = ln u, v = u / sqrt(u^2 + a^2), Lambda = int v d tau. Conformal Newtonian gauge (Ma &
Bertschinger 1995, astro-ph/9506072, MB below) with potentials phi, psi.

The collisionless Boltzmann equation of a momentum shell (MB eq. 43) is integrated along the
characteristics and phi' by parts. The monopole is Psi_0 = (dln f/dln q) W with

    W = (phi_i - delta_gamma_i / 4) j0(X_i) + theta_gamma_i / (k v_i) j1(X_i)
        + int d tau' k (v' phi' + psi' / v') j1(k (Lambda - Lambda')) - phi ,
    X_i = k (Lambda - Lambda_i)

(adiabatic start, MB eq. 97 and 98). Integrating by parts in y, the energy overdensity per unit of
mass density is sum_y n(y) G with

    G = -sqrt(1 + u^2 / a^2) [ (3 + v^2) W + dW/dy ] ,

so that no derivative of f is ever needed. ``drive_tables`` tabulates G for the potentials of
photons, neutrinos and the part of the baryons that is not the answer to the dark matter.
"""

import math
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from scipy.interpolate import CubicSpline

from spectra._drive_history import (
    NODES_PER_CELL,
    Background,
    baryon_response,
    class_parameters,
    histories,
    one_k,
)
from spectra._taper import taper
from spectra.drive import assemble, cosmology_attributes, write_drive
from spectra.precision import require_x64
from spectra.transfer import cold_overdensity

# X = k u s: below, the response is its cold limit plus a term in u^2; beyond, streamed away
X_LOW, X_HIGH = 0.03, 90.0


@dataclass(frozen=True)
class Settings:
    """Resolution of a drive; the defaults are the shipped ones."""

    k_low_h_mpc: float = 0.1
    k_high_h_mpc: float = 300.0
    k_intervals: int = 70
    y_per_k: int = 3
    ln_a_start: float = -15.2
    time_intervals: int = 112
    crowding: float = 1.5
    cell: float = 0.1
    tolerance: float = 1e-8
    ur_fluid_trigger: float = 150.0
    l_max_ur: int = 60

    @property
    def k_h_mpc(self):
        return np.geomspace(self.k_low_h_mpc, self.k_high_h_mpc, self.k_intervals + 1)

    @property
    def dy(self):
        return math.log(self.k_high_h_mpc / self.k_low_h_mpc) / self.k_intervals / self.y_per_k

    def time_nodes(self):
        """ln a at the nodes and d ln a / d node, both (n,).

        The nodes crowd around equality: there the kernel of a fast species, of width 1/(k u) in s,
        is narrowest on the scale on which the growth happens.
        """
        fine = np.linspace(self.ln_a_start, 0.0, 4001)
        density = 1.0 + self.crowding * np.exp(-(((fine + 8.5) / 3.0) ** 2))
        count = CubicSpline(fine, density).antiderivative()
        scale = self.time_intervals / count(0.0)
        ln_a = np.interp(np.arange(self.time_intervals + 1), scale * count(fine), fine)
        for _ in range(5):
            ln_a -= (scale * count(ln_a) - np.arange(self.time_intervals + 1)) / (
                scale * CubicSpline(fine, density)(ln_a)
            )
        ln_a[0], ln_a[-1] = self.ln_a_start, 0.0
        return ln_a, 1.0 / (scale * CubicSpline(fine, density)(ln_a))


def stream(background, x_from, ln_u):
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


def _bessel(x):
    """j0, j1, dj1/dx without cancellation at small argument."""
    small = jnp.abs(x) < 0.2
    safe = jnp.where(small, 1.0, x)
    sin, cos = jnp.sin(safe), jnp.cos(safe)
    j0 = sin / safe
    j1 = (j0 - cos) / safe
    d1 = j0 - 2.0 * j1 / safe
    z = x * x
    s0 = 1 - z / 6 * (1 - z / 20 * (1 - z / 42 * (1 - z / 72)))
    s1 = x / 3 * (1 - z / 10 * (1 - z / 28 * (1 - z / 54 * (1 - z / 88))))
    sd = 1 / 3 - z / 10 + z**2 / 168 - z**3 / 6480 + z**4 / 443520
    return jnp.where(small, s0, j0), jnp.where(small, s1, j1), jnp.where(small, sd, d1)


@jax.jit
def _response(
    k, phi_m, psi_m, path, path_y, v, path_i, path_yi, v_i, start, phi_t, path_t, path_yt, v_t
):
    """G at one time node for all u: sources are arrays (n_source, n_u)."""
    one_minus, one_minus_i = 1.0 - v**2, 1.0 - v_i**2
    _, j1, d1 = _bessel(k * (path_t - path))
    d_arg = k * (path_yt - path_y)
    force = v * phi_m[:, None] + psi_m[:, None] / v
    force_y = one_minus * (v * phi_m[:, None] - psi_m[:, None] / v)
    wave = k * jnp.sum(force * j1, axis=0)
    wave_y = k * jnp.sum(force_y * j1 + force * d1 * d_arg, axis=0)
    phi_i, delta_i, theta_i = start
    j0, j1, d1 = _bessel(k * (path_t - path_i))
    d_arg = k * (path_yt - path_yi)
    wave += (phi_i - delta_i / 4) * j0 + theta_i / (k * v_i) * j1 - phi_t
    wave_y += -(phi_i - delta_i / 4) * j1 * d_arg + theta_i / (k * v_i) * (
        d1 * d_arg - one_minus_i * j1
    )
    return -((3.0 + v_t**2) * wave + wave_y) / jnp.sqrt(1.0 - v_t**2)


def response_tensor(kd, ln_u, background, x_time):
    """G (n_time, n_u), its cold limit (n_time,), the cold a theta (n_time,) of one wavenumber."""
    k = kd.k
    x_nodes = kd.nodes.ravel()
    x_from = kd.x_start - 0.2
    path, path_y, s = stream(background, x_from, ln_u)
    u = np.exp(ln_u)[None, :]

    def velocity(x):
        return u / np.sqrt(u**2 + np.exp(2.0 * np.atleast_1d(x))[:, None])

    # nodes of the first, partly covered cell can lie before the start: the kernel is smooth there
    x_nodes_safe = np.maximum(x_nodes, x_from)
    p, py, v = path(x_nodes_safe), path_y(x_nodes_safe), velocity(x_nodes_safe)
    pi, pyi, vi = path(kd.x_start), path_y(kd.x_start), velocity(kd.x_start)[0]
    phi_m, psi_m = kd.phi_moments.ravel(), kd.psi_moments.ravel()
    start = (kd.phi_start, kd.delta_g_start, kd.theta_g_start)
    g = np.zeros((len(x_time), len(ln_u)))
    cold, momentum = np.zeros(len(x_time)), np.zeros(len(x_time))
    a_nodes, s_nodes = np.exp(x_nodes_safe), s(x_nodes_safe)
    a_i, s_i = math.exp(kd.x_start), float(s(kd.x_start))
    n_early = int(np.sum(x_nodes < x_time[0]))
    per_block = 50 * NODES_PER_CELL
    for i, xt in enumerate(x_time):
        past = x_nodes < xt
        # padded to a few lengths, so that jit compiles only a few programs
        count = min(
            len(x_nodes), n_early + per_block * -(-(int(past.sum()) - n_early) // per_block)
        )
        m1 = np.where(past, phi_m, 0.0)[:count]
        m2 = np.where(past, psi_m, 0.0)[:count]
        g[i] = _response(
            k,
            m1,
            m2,
            p[:count],
            py[:count],
            v[:count],
            pi,
            pyi,
            vi,
            start,
            kd.phi_time[i],
            path(xt),
            path_y(xt),
            velocity(xt)[0],
        )
        pull = np.where(past, psi_m * a_nodes, 0.0)
        s_t = float(s(xt))
        momentum[i] = a_i * kd.theta_g_start + k**2 * np.sum(pull)
        cold[i] = (
            0.75 * kd.delta_g_start
            - 3.0 * kd.phi_start
            - a_i * kd.theta_g_start * (s_t - s_i)
            - k**2 * np.sum(pull * (s_t - s_nodes))
            + 3.0 * kd.phi_time[i]
        )
    return g, cold, momentum


def compress(response, cold, tolerance=1e-7):
    """Factors (nk, nw, r) and (r, nt) of the response (nk, nt, nw): its histories are few.

    Singular values below ``tolerance`` of the largest are dropped, every time scaled by the size
    of the cold response; the factors are what a file in single precision keeps.
    """
    scale = np.mean(np.abs(cold), axis=0)
    histories_scaled = np.swapaxes(response, 1, 2) / scale
    rows = histories_scaled.reshape(-1, len(scale))
    # QR first, so that the small singular values are not those of a squared matrix
    _, values, modes = np.linalg.svd(np.linalg.qr(rows, mode="r"))
    modes = modes[: int(np.sum(values > tolerance * values[0]))]
    return (histories_scaled @ modes.T).astype(np.float32), modes * scale


def drive_tables(cosmology, settings, progress=lambda done, total: None):
    """All tables of a drive, as a dict of numpy arrays (layout: ``spectra.drive.Drive``).

    ``matter_run`` is CLASS's own matter overdensity today (nk,), which ``cold_today`` should equal.
    """
    background = Background(cosmology)
    x_time, x_step = settings.time_nodes()
    a = np.exp(x_time)
    k_h_mpc = settings.k_h_mpc
    k_mpc = k_h_mpc * float(cosmology.h)
    dy = settings.dy
    _, _, s = stream(background, x_time[0] - 0.1, np.array([-20.0]))
    s_time = s(x_time) - s(x_time[0])
    w_first = math.log(X_LOW / s_time[-1])
    n_w = int(math.ceil(math.log(X_HIGH / X_LOW) / dy)) + 1
    ln_ku = w_first + dy * np.arange(n_w)
    tables = {name: [] for name in ("cold", "baryon_external", "matter_run")}
    response = []
    weights = None
    for j, k in enumerate(k_mpc):
        (history,), thermo = histories(cosmology, settings, [k])
        if weights is None:
            weights, pressure = baryon_response(background, thermo, x_time)
        kd = one_k(history, k, background, settings, weights, pressure, x_time)
        g, cold, momentum = response_tensor(kd, ln_ku - math.log(k), background, x_time)
        resolved = taper(np.exp(ln_ku)[None, :] * s_time[:, None] * dy)
        g = g * resolved
        gauge = 3.0 * background.hubble(a) / k**2 * momentum
        response.append(g + gauge[:, None])
        tables["cold"].append(cold + gauge)
        tables["baryon_external"].append(kd.baryon_external)
        tables["matter_run"].append(
            (background.cold * kd.cold_nodes[-1] + background.baryon * kd.baryon_last)
            / (background.cold + background.baryon)
        )
        progress(j + 1, len(k_mpc))
    out = {name: np.array(values) for name, values in tables.items()}
    out.update(
        k_h_mpc=k_h_mpc,
        ln_a=x_time,
        ln_a_step=x_step,
        s=s_time,
        hubble=background.hubble(a),
        baryon_weights=weights,
        baryon_pressure=pressure,
        ln_ku=ln_ku,
        cold_density=background.cold,
        baryon_density=background.baryon,
        dy=dy,
    )
    out["response"], out["time_modes"] = compress(np.array(response), out["cold"])
    out["cold_today"] = np.asarray(cold_overdensity(assemble(out, cosmology)))
    return out


def make_drive(output, cosmology, settings=None, progress=lambda done, total: None) -> float:
    """Write the drive file of a cosmology; a few seconds of CLASS per wavenumber.

    Parameters
    ----------
    output : path of the HDF5 file.
    cosmology : :class:`spectra.Cosmology`, concrete.
    settings : :class:`Settings`; the shipped resolution when left out.
    progress : called with (wavenumbers done, wavenumbers in all).

    Returns
    -------
    Largest relative difference over k of the cold matter overdensity today from CLASS's own.

    Raises
    ------
    ValueError
        If JAX is not in 64-bit mode.
    """
    import classy

    require_x64()
    settings = Settings() if settings is None else settings
    tables = drive_tables(cosmology, settings, progress)
    run = tables.pop("matter_run")
    last_k_mpc = settings.k_h_mpc[-1:] * float(cosmology.h)
    write_drive(
        output,
        tables,
        {
            **cosmology_attributes(cosmology),
            **{f"setting_{name}": value for name, value in vars(settings).items()},
            "description": "response of collisionless dark matter to radiation and baryons",
            "provenance": f"runs/make_drive.py, classy {classy.__version__}, integrated in the "
            "synchronous gauge, printed in the conformal Newtonian one",
            "class_parameters": repr(class_parameters(cosmology, settings, last_k_mpc)),
        },
    )
    return float(np.max(np.abs(tables["cold_today"] / run - 1.0)))
