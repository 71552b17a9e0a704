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
from spectra.cosmology import Cosmology, omega_photon, omega_radiation

NODES_PER_CELL = 5
_COLUMNS = (
    "delta_g theta_g shear_g delta_ur theta_ur shear_ur delta_b theta_b delta_cdm theta_cdm phi"
).split()
BARYON_RESPONSE_START = -10.0  # ln a; earlier the drag leaves less than 1e-5 of the response


class Background:
    """Densities today [Mpc^-2, 8 pi G rho / 3] and the expansion rate of the flat universe.

    ``cosmology`` is a dict of the fields of :class:`spectra.Cosmology`.
    """

    def __init__(self, cosmology):
        universe = Cosmology(**cosmology)
        hundred = 100.0 / SPEED_OF_LIGHT_KM_S  # 100 km/s/Mpc in 1/Mpc
        hubble_squared = (hundred * cosmology["h"]) ** 2
        self.h = cosmology["h"]
        self.cold = cosmology["omega_dm"] * hundred**2
        self.baryon = cosmology["omega_b"] * hundred**2
        self.photon = float(omega_photon(universe)) * hubble_squared
        self.radiation = float(omega_radiation(universe)) * hubble_squared
        self.neutrino = self.radiation - self.photon
        self.lambda_ = hubble_squared - self.cold - self.baryon - self.radiation

    def hubble(self, a):
        return np.sqrt(self.radiation / a**4 + (self.cold + self.baryon) / a**3 + self.lambda_)

    def dtau_dx(self, x):
        a = np.exp(x)
        return 1.0 / (a * self.hubble(a))


def class_parameters(cosmology, settings, k_mpc):
    """CLASS input of the LCDM run whose histories drive the dark matter."""
    return _universe(cosmology) | {
        "output": "mTk",
        # CLASS prints Newtonian variables from either gauge; integrated in the Newtonian one they
        # carry noise of 3e-4 from k to k
        "gauge": "synchronous",
        "tol_perturbations_integration": settings.tolerance,
        # the fluid must not take over before the truncated hierarchy could still be trusted, nor
        # the hierarchy run on after its reflection has come back
        "ur_fluid_trigger_tau_over_tau_k": settings.ur_fluid_trigger,
        "l_max_ur": settings.l_max_ur,
        # early enough for the initial conditions, and before the first time node at every k
        "start_large_k_at_tau_h_over_tau_k": min(0.01, 0.055 * k_mpc),
        "start_small_k_at_tau_c_over_tau_h": 1e-4,
        "P_k_max_1/Mpc": 0.002,
        "k_output_values": f"{k_mpc:.12e}",
    }


def _universe(cosmology):
    return {
        "h": cosmology["h"],
        "omega_b": cosmology["omega_b"],
        "omega_cdm": cosmology["omega_dm"],
        "N_ur": cosmology["n_eff"],
        "T_cmb": cosmology["t_cmb_kelvin"],
        "YHe": cosmology["y_he"],
        "tau_reio": 0.0544,
        "tol_background_integration": 1e-11,
    }


def history_of(cosmology, settings, k_mpc):
    """Perturbation histories on CLASS's own time steps, a dict of columns, for one k [1/Mpc]."""
    from classy import Class

    solver = Class()
    solver.set(class_parameters(cosmology, settings, k_mpc))
    solver.compute(["perturbations"])
    (history,) = solver.get_perturbations()["scalar"]
    solver.struct_cleanup()
    return history


def thermodynamics_of(cosmology):
    """CLASS's table of recombination and reionisation, a dict of columns."""
    from classy import Class

    solver = Class()
    solver.set(_universe(cosmology))
    solver.compute(["thermodynamics"])
    table = solver.get_thermodynamics()
    solver.struct_cleanup()
    return table


def lagrange_polynomial(nodes, j, x):
    """The Lagrange polynomial of node ``j`` at x."""
    out = np.ones(np.shape(x))
    for m, other in enumerate(nodes):
        if m != j:
            out *= (x - other) / (nodes[j] - other)
    return out


def lagrange_basis(nodes, x):
    """Values (len(x), len(nodes)) of the Lagrange polynomials on the nodes."""
    return np.stack([lagrange_polynomial(nodes, j, x) for j in range(len(nodes))], axis=-1)


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
    d_e, d_tau = _increments(x, rate), _increments(x, background.dtau_dx(x))
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


def _increments(x, rate):
    """Integral of ``rate`` over each step; never as a difference, which early drag would swamp."""
    spline, h = CubicSpline(x, rate).c, np.diff(x)
    return h * (spline[3] + h * (spline[2] / 2 + h * (spline[1] / 3 + h * spline[0] / 4)))


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


def locally(x, values, x_new):
    """Cubic interpolation from the four nearest of the many points of a history, zero before it."""
    first = np.clip(np.searchsorted(x, x_new) - 2, 0, len(x) - 4)
    index = first[:, None] + np.arange(4)
    out = np.zeros(len(x_new))
    for j in range(4):
        term = values[index[:, j]]
        for m in range(4):
            if m != j:
                term = term * (x_new - x[index[:, m]]) / (x[index[:, j]] - x[index[:, m]])
        out += term
    return np.where(x_new < x[0], 0.0, out)


def one_k(history, k, background, settings, weights, pressure, x_time):
    """Reduce one history to moments of phi_ext and psi_ext on cells in ln a.

    Before ``settings.gravity_switch`` comes on, the dark matter of the LCDM run is part of the
    external potential (warm and cold still agree where they matter); from there on its gravity is
    solved for.
    """
    keep = np.concatenate([[True], np.diff(history["a"]) > 0])
    a, *columns = (history[name][keep] for name in ("a", *_COLUMNS))
    col = dict(zip(_COLUMNS, columns))
    x = np.log(a)
    hub = background.hubble(a)
    aH = a * hub
    r_g, r_n = background.photon / a**4, background.neutrino / a**4
    r_b, r_c = background.baryon / a**3, background.cold / a**3

    comoving_cold = col["delta_cdm"] + 3.0 * aH * col["theta_cdm"] / k**2
    cold_nodes = locally(x, comoving_cold, x_time)
    a_time = np.exp(x_time)
    answer_nodes = baryon_answer(
        weights,
        pressure,
        k,
        1.5 * background.cold / a_time * cold_nodes,
        1.5 * background.baryon / a_time,
    )
    answer = np.where(x >= x_time[0], CubicSpline(x_time, answer_nodes)(x), 0.0)
    own = settings.gravity_switch(k / background.h, x)
    own = np.where(x >= x_time[0], own, 0.0)
    shear = 4.0 / 3.0 * (r_g * col["shear_g"] + r_n * col["shear_ur"])
    scale = -1.5 * a**2 / k**2
    # Outside the horizon CLASS's own phi less the part solved for, because the sum over species
    # amplifies the error of the initial conditions by (aH/k)^2; inside, the sum, because the
    # evolved phi departs from it by up to 1e-4, a spurious force on a suppressed species.
    momentum = 4.0 / 3.0 * (r_g * col["theta_g"] + r_n * col["theta_ur"]) + r_b * col["theta_b"]
    radiation = r_g * col["delta_g"] + r_n * col["delta_ur"] + 3.0 * aH * momentum / k**2
    inside = 1.0 / (1.0 + (1.5 * aH / k) ** 4)
    cold, baryons = r_c * comoving_cold, r_b * col["delta_b"]
    solved = scale * (own * cold + r_b * answer)
    phi = (1.0 - inside) * col["phi"] + inside * scale * (radiation + baryons + cold) - solved
    stress = 3.0 * scale * shear  # psi = phi - (9 a^2 / 2 k^2) (rho + p) sigma, MB eq. 23d

    out = SimpleNamespace()
    out.k = k
    out.x_start = x[0]
    out.phi_start = float(phi[0])
    out.delta_g_start, out.theta_g_start = float(col["delta_g"][0]), float(col["theta_g"][0])
    out.phi_time = locally(x, phi, x_time)
    # in the rest frame of the cold dark matter: the delta_b of a synchronous-gauge code
    rest_frame = locally(x, col["delta_b"] + 3.0 * aH * col["theta_cdm"] / k**2, x_time)
    out.baryon_external = rest_frame - answer_nodes
    # of the LCDM run, for verification only
    out.cold_today, out.baryon_today = cold_nodes[-1], col["delta_b"][-1]

    edges = cell_edges(x[0], x_time, settings.cell)
    width = np.diff(edges)
    inner, _ = np.polynomial.legendre.leggauss(NODES_PER_CELL)
    out.nodes = edges[:-1, None] + 0.5 * width[:, None] * (1.0 + inner[None, :])
    dtau_dx = background.dtau_dx(x)
    splines = [CubicSpline(x, values * dtau_dx).c for values in (phi, stress)]
    # the run's steps, cut where they cross a cell edge
    cuts = edges[(edges > x[0]) & (edges < x[-1])]
    place = np.searchsorted(x, cuts)
    knots, of_step = np.insert(x, place, cuts), np.insert(np.arange(len(x)), place, place - 1)[:-1]
    since, step = knots[:-1] - x[of_step], np.diff(knots)
    cell_of = np.searchsorted(edges, knots[:-1] + 0.5 * step) - 1
    first = np.concatenate([[0], np.flatnonzero(np.diff(cell_of)) + 1])
    moments = np.zeros((2, len(width), NODES_PER_CELL))
    offset, scale = 2.0 * (knots[:-1] - edges[cell_of]) / width[cell_of] - 1.0, 2.0 / width[cell_of]
    # two Gauss points a step: exact for the spline itself
    for gauss in (0.5 - 0.5 / math.sqrt(3.0), 0.5 + 0.5 / math.sqrt(3.0)):
        d = since + gauss * step
        cubic = (c[:, of_step] for c in splines)
        values = [0.5 * step * (((c[0] * d + c[1]) * d + c[2]) * d + c[3]) for c in cubic]
        local = offset + scale * gauss * step
        for node in range(NODES_PER_CELL):
            basis = lagrange_polynomial(inner, node, local)
            for moment, value in zip(moments, values):
                moment[cell_of[first], node] += np.add.reduceat(value * basis, first)
    out.phi_moments = moments[0]
    out.psi_moments = moments[0] + moments[1]
    return out


def cell_edges(x_start, x_time, width):
    """Edges in ln a from before the start to today, among them every time node."""
    before = x_time[0] - width * np.arange(math.ceil((x_time[0] - x_start) / width), 0, -1)
    after = [
        np.linspace(lo, hi, math.ceil((hi - lo) / width - 1e-9) + 1)[:-1]
        for lo, hi in zip(x_time[:-1], x_time[1:])
    ]
    return np.concatenate([before, *after, x_time[-1:]])
