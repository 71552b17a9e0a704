"""What drives dark matter, from one CLASS run: the histories of radiation and baryons.

Units of CLASS: lengths and conformal time in Mpc, "rho" means 8 pi G rho / 3 in Mpc^-2, H is the
proper Hubble rate in 1/Mpc; x = ln a, d tau = dx / (a H). Conformal Newtonian gauge
(Ma & Bertschinger 1995, astro-ph/9506072, MB below) with potentials phi, psi. Each history is
reduced to moments of the two potentials on cells in ln a, on CLASS's own time steps, less the
baryons' answer to the dark matter, which the solver of ``spectra.transfer`` puts back.
"""

import math
from types import SimpleNamespace

import numpy as np
from scipy.interpolate import CubicSpline

from spectra.constants import SPEED_OF_LIGHT_KM_S
from spectra.cosmology import omega_photon, omega_radiation

NODES_PER_CELL = 5
BARYON_RESPONSE_START = -10.0  # ln a; earlier the drag leaves less than 1e-5 of the response


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
    # in the rest frame of the cold dark matter: the delta_b of a synchronous-gauge code
    rest_frame = CubicSpline(x, col["delta_b"] + 3.0 * aH * col["theta_cdm"] / k**2)
    out.baryon_external = rest_frame(x_time) - answer_nodes
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
