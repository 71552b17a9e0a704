"""Build a drive: what radiation and baryons do to collisionless dark matter, from one CLASS run.

Everything here runs once per cosmology, outside jit, and is never imported by the solver. Units of
CLASS: lengths and conformal time in Mpc, "rho" means 8 pi G rho / 3 in Mpc^-2, H is the proper
Hubble rate in 1/Mpc; x = ln a, d tau = dx / (a H), ds = d tau / a, u = q / m, y = ln u,
v = u / sqrt(u^2 + a^2), Lambda = int v d tau. Conformal Newtonian gauge (Ma & Bertschinger 1995,
astro-ph/9506072, MB below) with potentials phi, psi.

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
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
from scipy.interpolate import CubicSpline

from spectra._taper import taper
from spectra.constants import SPEED_OF_LIGHT_KM_S
from spectra.cosmology import omega_photon, omega_radiation

# X = k u s: below, the response is its cold limit plus a term in u^2; beyond, streamed away
X_LOW, X_HIGH = 0.03, 90.0
NODES_PER_CELL = 5
BARYON_RESPONSE_START = -10.0  # ln a; earlier the drag leaves less than 1e-5 of the response


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


class Background:
    """Densities today [Mpc^-2, 8 pi G rho / 3] and the expansion rate of the flat universe."""

    def __init__(self, cosmology):
        hundred = 100.0 / SPEED_OF_LIGHT_KM_S  # 100 km/s/Mpc in 1/Mpc
        hubble_squared = (hundred * float(cosmology.h)) ** 2
        self.cold = float(cosmology.omega_dm) * hundred**2
        self.baryon = float(cosmology.omega_b) * hundred**2
        self.photon = float(omega_photon(cosmology)) * hubble_squared
        self.neutrino = float(omega_radiation(cosmology)) * hubble_squared - self.photon
        self.lambda_ = hubble_squared - self.cold - self.baryon - self.photon - self.neutrino

    def hubble(self, a):
        return np.sqrt(
            (self.photon + self.neutrino) / a**4 + (self.cold + self.baryon) / a**3 + self.lambda_
        )

    def dtau_dx(self, x):
        a = np.exp(x)
        return 1.0 / (a * self.hubble(a))


def class_parameters(cosmology, settings, k_mpc):
    """CLASS input of the LCDM run whose histories drive the dark matter."""
    return {
        "h": float(cosmology.h),
        "omega_b": float(cosmology.omega_b),
        "omega_cdm": float(cosmology.omega_dm),
        "N_ur": float(cosmology.n_eff),
        "T_cmb": float(cosmology.t_cmb_kelvin),
        "YHe": float(cosmology.y_he),
        "tau_reio": 0.0544,
        "output": "mTk",
        # CLASS prints Newtonian variables from either gauge; integrated in the Newtonian one they
        # carry noise of 3e-4 from k to k
        "gauge": "synchronous",
        "tol_perturbations_integration": settings.tolerance,
        "tol_background_integration": 1e-11,
        # the fluid must not take over before the truncated hierarchy could still be trusted, nor
        # the hierarchy run on after its reflection has come back
        "ur_fluid_trigger_tau_over_tau_k": settings.ur_fluid_trigger,
        "l_max_ur": settings.l_max_ur,
        # early enough for the initial conditions, and before the first time node at every k
        "start_large_k_at_tau_h_over_tau_k": min(0.01, 0.055 * min(k_mpc)),
        "start_small_k_at_tau_c_over_tau_h": 1e-4,
        "P_k_max_1/Mpc": 0.002,
        "k_output_values": ",".join(f"{k:.12e}" for k in k_mpc),
    }


def histories(cosmology, settings, k_mpc):
    """Perturbation histories on CLASS's own time steps, one dict of columns per k [1/Mpc]."""
    from classy import Class

    solver = Class()
    solver.set(class_parameters(cosmology, settings, k_mpc))
    solver.compute(["perturbations"])
    out = solver.get_perturbations()["scalar"]
    thermo = solver.get_thermodynamics()
    solver.struct_cleanup()
    return out, thermo


def lagrange_basis(nodes, x):
    """Values (len(x), len(nodes)) of the Lagrange polynomials on the nodes."""
    out = np.ones((len(x), len(nodes)))
    for j, xj in enumerate(nodes):
        for m, xm in enumerate(nodes):
            if m != j:
                out[:, j] *= (x - xm) / (xj - xm)
    return out


def baryon_response(background, thermo, x_time):
    """Weights of delta_b(x_i) = sum_j W_ij S_j - k^2 sum_j P_ij delta_b(x_j); returns W, P.

    delta_b' = -theta_b, theta_b' = -(aH + R kappa') theta_b - S + k^2 c_b^2 delta_b (MB eq. 30, 67)
    with R = 4 rho_gamma / 3 rho_b. Product integration, quintic in the source: the time the
    drag needs is much shorter than a step before recombination, and never resolved.
    """
    order = np.argsort(thermo["z"])
    ln_a = -np.log1p(thermo["z"][order])[::-1]
    drag = CubicSpline(ln_a, np.log(np.maximum(thermo["kappa' [Mpc^-1]"][order][::-1], 1e-30)))

    sub = 24
    n = len(x_time)
    x = np.concatenate(
        [np.linspace(lo, hi, sub + 1)[:-1] for lo, hi in zip(x_time[:-1], x_time[1:])]
        + [x_time[-1:]]
    )
    a = np.exp(x)
    rate = 1.0 + np.exp(drag(x)) * (4.0 / 3.0) * (background.photon / background.baryon / a) * (
        background.dtau_dx(x)
    )
    damping = CubicSpline(x, rate).antiderivative()(x)
    dtau = CubicSpline(x, background.dtau_dx(x)).antiderivative()(x)
    d_e, d_tau = np.diff(damping), np.diff(dtau)
    small = -np.expm1(-d_e) / d_e * d_tau
    decay = np.exp(-d_e)

    first = int(np.searchsorted(x_time, BARYON_RESPONSE_START))
    weights, pressure = np.zeros((n, n)), np.zeros((n, n))
    # linear: it jumps at reionisation
    sound_squared = np.interp(x, ln_a, thermo["c_b^2"][order][::-1])
    simpson = np.ones(sub + 1)
    simpson[1:-1:2], simpson[2:-1:2] = 4.0, 2.0
    simpson /= 3.0 * sub
    for i in range(first + 1, n):
        g = np.zeros(len(x))
        for m in range(i * sub - 1, first * sub - 1, -1):
            g[m] = small[m] + decay[m] * g[m + 1]
        for cell in range(first, i):
            left = max(min(cell - 2, i - 5), first)
            stencil = np.arange(left, min(left + 6, i + 1))
            fine = slice(cell * sub, (cell + 1) * sub + 1)
            basis = lagrange_basis(x_time[stencil], x[fine])
            measure = simpson * (x_time[cell + 1] - x_time[cell]) * background.dtau_dx(x[fine])
            weights[i, stencil] += basis.T @ (measure * g[fine])
            pressure[i, stencil] += basis.T @ (measure * g[fine] * sound_squared[fine])
    return weights, pressure


def baryon_answer(weights, pressure, k, source_cold, baryon_factor):
    """delta_b^s on the time nodes for S = source_cold + baryon_factor delta_b^s."""
    n = len(source_cold)
    delta, source = np.zeros(n), np.zeros(n)
    for i in range(n):
        known = weights[i, :i] @ source[:i] - k**2 * (pressure[i, :i] @ delta[:i])
        known += weights[i, i] * source_cold[i]
        delta[i] = known / (1.0 - weights[i, i] * baryon_factor[i] + k**2 * pressure[i, i])
        source[i] = source_cold[i] + baryon_factor[i] * delta[i]
    return delta


def one_k(history, k, background, settings, weights, pressure, x_time):
    """Reduce one history to moments of phi_ext and psi_ext on cells in ln a.

    For ln a < x_time[0] the dark matter of the LCDM run is part of the external potential (warm and
    cold still agree where they matter); from there on its gravity is solved for.
    """
    a = history["a"]
    keep = np.concatenate([[True], np.diff(a) > 0])
    a = a[keep]
    col = {name: values[keep] for name, values in history.items()}
    x = np.log(a)
    hub = background.hubble(a)
    aH = a * hub
    r_g, r_n = background.photon / a**4, background.neutrino / a**4
    r_b, r_c = background.baryon / a**3, background.cold / a**3

    comoving_cold = col["delta_cdm"] + 3.0 * aH * col["theta_cdm"] / k**2
    cold_nodes = CubicSpline(x, comoving_cold)(x_time)
    a_time = np.exp(x_time)
    answer_nodes = baryon_answer(
        weights,
        pressure,
        k,
        1.5 * background.cold / a_time * cold_nodes,
        1.5 * background.baryon / a_time,
    )
    answer = np.where(x >= x_time[0], CubicSpline(x_time, answer_nodes)(x), 0.0)
    early = x < x_time[0]
    shear = 4.0 / 3.0 * (r_g * col["shear_g"] + r_n * col["shear_ur"])
    scale = -1.5 * a**2 / k**2
    # Outside the horizon CLASS's own phi less the part solved for, because the sum over species
    # amplifies the error of the initial conditions by (aH/k)^2; inside, the sum, because the
    # evolved phi departs from it by up to 1e-4, a spurious force on a suppressed species.
    momentum = 4.0 / 3.0 * (r_g * col["theta_g"] + r_n * col["theta_ur"]) + r_b * col["theta_b"]
    radiation = r_g * col["delta_g"] + r_n * col["delta_ur"] + 3.0 * aH * momentum / k**2
    inside = 1.0 / (1.0 + (1.5 * aH / k) ** 4)
    cold, baryons = r_c * comoving_cold, r_b * col["delta_b"]
    phi_all = (1.0 - inside) * col["phi"] + inside * scale * (radiation + baryons + cold)
    phi_rb = (1.0 - inside) * (col["phi"] - scale * (cold + r_b * answer)) + inside * scale * (
        radiation + r_b * (col["delta_b"] - answer)
    )
    stress = 3.0 * scale * shear  # psi = phi - (9 a^2 / 2 k^2) (rho + p) sigma, MB eq. 23d

    out = SimpleNamespace()
    out.k = k
    out.x_start = x[0]
    out.phi_start = float(phi_all[0])
    out.delta_g_start, out.theta_g_start = float(col["delta_g"][0]), float(col["theta_g"][0])
    out.theta_cold_start = float(col["theta_cdm"][0])
    late = ~early
    out.phi_time = CubicSpline(x[late], phi_rb[late], extrapolate=True)(x_time)
    out.delta_b_external = col["delta_b"][-1] - answer_nodes[-1]
    out.cold_nodes = cold_nodes  # of the LCDM run, for verification only
    out.baryon_last = col["delta_b"][-1]
    out.history_end = x[-1]

    # splines of both parts separately on either side of the switch; moments on the code's own steps
    edges = cell_edges(x[0], x_time, settings.cell)
    width = np.diff(edges)
    inner, _ = np.polynomial.legendre.leggauss(NODES_PER_CELL)
    out.nodes = edges[:-1, None] + 0.5 * width[:, None] * (1.0 + inner[None, :])
    moments = np.zeros((2, len(width), NODES_PER_CELL))
    g_x, g_w = np.polynomial.legendre.leggauss(3)
    for lower, upper, phi in ((x[0], x_time[0], phi_all), (x_time[0], x_time[-1], phi_rb)):
        margin = (x >= lower - 0.3) & (x <= upper + 0.3)
        f_phi, f_stress = (
            CubicSpline(x[margin], phi[margin]),
            CubicSpline(x[margin], stress[margin]),
        )
        own = x[(x > lower) & (x < upper)]
        cut = edges[(edges > lower) & (edges < upper)]
        breaks = np.unique(np.concatenate([[lower, upper], own, cut]))
        for chunk in range(0, len(breaks) - 1, 200_000):
            b = breaks[chunk : chunk + 200_001]
            half, mid = 0.5 * np.diff(b), 0.5 * (b[1:] + b[:-1])
            cell = np.searchsorted(edges, mid) - 1
            for gx, gw in zip(g_x, g_w):
                xx = mid + half * gx
                jac = gw * half * background.dtau_dx(xx)
                p, s = f_phi(xx), f_stress(xx)
                local = 2.0 * (xx - edges[cell]) / width[cell] - 1.0
                basis = lagrange_basis(inner, local)
                for node in range(NODES_PER_CELL):
                    w = jac * basis[:, node]
                    moments[0, :, node] += np.bincount(cell, w * p, minlength=len(edges) - 1)
                    moments[1, :, node] += np.bincount(cell, w * (p + s), minlength=len(edges) - 1)
    out.phi_moments, out.psi_moments = moments
    return out


def cell_edges(x_start, x_time, width):
    """Edges in ln a from just before the start to today, among them every time node."""
    # a multiple of 20 early cells, so that jit meets only a few lengths
    early = 20 * math.ceil((x_time[0] - x_start) / width / 20)
    before = x_time[0] - width * np.arange(early, 0, -1)
    after = [
        np.linspace(lo, hi, math.ceil((hi - lo) / width - 1e-9) + 1)[:-1]
        for lo, hi in zip(x_time[:-1], x_time[1:])
    ]
    return np.concatenate([before, *after, x_time[-1:]])


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
    from spectra.drive import assemble
    from spectra.transfer import cold_overdensity

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
    tables = {name: [] for name in ("cold", "delta_b_external", "matter_run")}
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
        tables["delta_b_external"].append(kd.delta_b_external)
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
