"""Brute-force momentum-space solution of scalar production: slow, independent, for golden files.

Plain numpy and scipy, with its own formulas; only physical constants and g_*(T) are shared with
the package. Equations (Maxwell-Boltzmann bath, q = p/a_T comoving, x = -ln a_T, dt = dx/H):

    df_i/dx = (1/H) [ feq_i (M feq)_i - f_i (M f)_i - (m_S Gamma/E_i) f_i ]
    (M f)_1 = 1/(32 pi^2 p_1 E_1)  int dE_2 [Omega(s_+) - Omega(s_-)] f_2,   Omega' = W(s)
    F_N(q)  = 2 m_S Gamma int dtheta G(m_S |sinh theta|)/(H p^2),  p = q a_T = (m_S/2) e^theta,
    G(w)    = int_w^inf dp p f/E

Method: f on Gauss-Legendre panels in ln q; 2 <-> 2 by a dense kernel at every stage of scipy's
adaptive Radau; the resonance (or the on-shell decay h <-> SS) by product integration, int dE_2 f_2
between the exact kinematic limits, so that its sharp edges cost nothing. Gain and loss share M:
equilibrium is an exact fixed point. Start at T = 2000 m_S; the history ends where Y_S has fallen
to 1e-16 of its maximum.
"""

from typing import NamedTuple

import numpy as np
from numpy.polynomial import legendre
from scipy.integrate import Radau, solve_ivp
from scipy.interpolate import CubicSpline
from scipy.linalg import lu_factor, lu_solve

from spectra import constants as c
from tests.oracles.scalar_rates import Grid, omega_table, on_shell_nodes

YIELD = 45.0 / (4.0 * np.pi**4 * c.ENTROPY_DEGREES_OF_FREEDOM_TODAY)
RHO_N_UNIT = 1e15  # of rho_N / a_T^4: keeps its row of the Jacobian below the diagonals


class Level(NamedTuple):
    """Resolution: panels in ln q of 8 nodes, relative tolerance, largest step in x."""

    panels: int
    tolerance: float
    step: float


class Bath:
    """T and H of the Standard Model as functions of x = -ln a_T."""

    def __init__(self, case):
        if case.constant_g:
            self.shift = np.log(case.constant_g / c.ENTROPY_DEGREES_OF_FREEDOM_TODAY) / 3.0
            self.log_t = lambda x: -x - self.shift
            log_g_rho = np.poly1d([np.log(case.constant_g)])
            self.x_of = lambda temperature: -np.log(temperature) - self.shift
        else:
            import jax

            jax.config.update("jax_enable_x64", True)
            from sterile.bath import thermodynamics as plasma

            t = np.linspace(np.log(1.01e-7), np.log(9e8), 8001)
            x = -np.log(np.asarray(plasma.comoving_temperature_gev(np.exp(t))))
            self.log_t = CubicSpline(x[::-1], t[::-1])
            log_g_rho = CubicSpline(t, np.log(np.asarray(plasma.g_rho(np.exp(t)))))
            self.x_of = lambda temperature: float(CubicSpline(t, x)(np.log(temperature)))
        self.log_g_rho = log_g_rho

    def rho(self, x):
        """Energy density [GeV^4]."""
        t = self.log_t(x)
        return np.pi**2 / 30.0 * np.exp(self.log_g_rho(t) + 4.0 * t)


class Scalar:
    """Right-hand side for y = (f at the nodes, rho_N / a_T^4 / RHO_N_UNIT)."""

    def __init__(self, case, level):
        self.case, self.bath = case, Bath(case)
        shrink = 1.0
        if case.scalar_mass_gev > 1.0:
            g = case.constant_g or 106.0
            shrink = (c.ENTROPY_DEGREES_OF_FREEDOM_TODAY / g) ** (1.0 / 3.0)
        self.grid = Grid(3e-4, 45.0 * shrink, level.panels)
        self.gamma = case.yukawa**2 * case.scalar_mass_gev / (16.0 * np.pi)
        self.broken, self.collisions, self.cache = False, True, {}
        self.tau, self.w, self.omega = omega_table(case)
        self.s_node, self.s_weight = on_shell_nodes(case)

    def momenta(self, x):
        p = self.grid.q * np.exp(-x)
        return p, np.hypot(p, self.case.scalar_mass_gev)

    def matrix(self, x):
        """M: loss rate (M f)_i, on the nodes."""
        key = (x, self.broken, self.collisions)
        if key not in self.cache:
            if len(self.cache) > 12:
                self.cache.clear()
            p, energy = self.momenta(x)
            if not self.collisions:
                m = np.zeros((p.size, p.size))
            elif not self.broken:
                rate = self.case.coupling**2 / (2.0 * np.pi**3)
                m = rate / energy[:, None] * (p**3 / energy * self.grid.weight)
            else:
                m = self.annihilation(p, energy) + self.resonance(x, p, energy)
            self.cache[key] = m
        return self.cache[key]

    def annihilation(self, p, energy):
        m2 = self.case.scalar_mass_gev**2
        pp, ee = np.outer(p, p), np.outer(energy, energy)
        # s/4m^2 - 1, both signs, without cancellation
        low = 0.5 * (p[:, None] - p) ** 2 / (ee + pp + m2)
        high = np.where(
            pp > m2, 0.5 * (ee + pp - m2) / m2, 0.5 * (p[:, None] + p) ** 2 / (ee - pp + m2)
        )
        difference = 4.0 * m2 * (self.primitive(high) - self.primitive(low))
        kernel = difference / (32.0 * np.pi**2 * (p * energy)[:, None])
        return kernel * (p**2 / energy * self.grid.weight)

    def primitive(self, delta):
        """Omega/4m^2 at s = 4m^2 (1 + delta): Hermite cubic in tau."""
        t = np.log1p(delta)
        index = np.clip(np.searchsorted(self.tau, t, side="right") - 1, 0, self.tau.size - 2)
        width = self.tau[index + 1] - self.tau[index]
        u = (t - self.tau[index]) / width
        left, right = self.omega[index], self.omega[index + 1]
        dl, dr = self.w[index] * width, self.w[index + 1] * width
        jump = right - left
        return left + u * (dl + u * (3 * jump - 2 * dl - dr + u * (dl + dr - 2 * jump)))

    def resonance(self, x, p, energy):
        """Product integration over E_2 between the kinematic limits at each s."""
        grid, count = self.grid, len(self.grid.edges) - 1
        m = np.zeros((p.size, count, grid.order))
        if self.s_node.size:
            m2, s = self.case.scalar_mass_gev**2, self.s_node[:, None]
            momentum = np.sqrt(s * (s - 4.0 * m2))
            upper = ((s - 2.0 * m2) * p + energy * momentum) / (2.0 * m2)
            lower = np.abs(p**2 - momentum**2 / (4.0 * m2)) / upper
            strength = self.s_weight[:, None] / (32.0 * np.pi**2 * p * energy)
            rows = np.broadcast_to(np.arange(p.size), upper.shape)
            full = np.zeros((p.size, count + 1))
            for limit, sign in ((lower, 1.0), (upper, -1.0)):
                log_q = np.log(np.maximum(limit, 1e-300)) + x
                if self.case.resonance == "decay":
                    mass, temperature = self.case.scalar_mass_gev, np.exp(self.bath.log_t(x))
                    panel, part = grid.locate_thermal(log_q, x, mass, temperature)
                else:  # E_2 stays within a few T of rest: the plain interpolant does
                    panel, part = grid.locate(log_q)
                flat = (rows * count + panel).ravel()
                for k in range(grid.order):
                    values = (sign * strength * part[..., k]).ravel()
                    m[:, :, k] += np.bincount(flat, values, p.size * count).reshape(p.size, count)
                opened = np.bincount(
                    (rows * (count + 1) + panel + 1).ravel(),
                    (sign * strength).ravel(),
                    p.size * (count + 1),
                )
                full += opened.reshape(p.size, count + 1)
            weight = grid.weight.reshape(count, grid.order)
            m += np.cumsum(full, axis=1)[:, :count, None] * weight
        return m.reshape(p.size, p.size) * (p**2 / energy)

    def densities(self, x, y):
        """rho_S and H."""
        _, energy = self.momenta(x)
        measure = self.grid.q**3 * self.grid.weight * np.exp(-3.0 * x) / (2.0 * np.pi**2)
        rho_weight = np.append(measure * energy, RHO_N_UNIT * np.exp(-4.0 * x))
        rho = self.bath.rho(x) + self.case.dark_sector * (rho_weight @ y)
        hubble = np.sqrt(rho / 3.0) / c.REDUCED_PLANCK_MASS_GEV
        return rho_weight[:-1] @ y[:-1], hubble

    def rate(self, x, y):
        """dy/dt."""
        f = y[:-1]
        m, (_, energy) = self.matrix(x), self.momenta(x)
        equilibrium = np.exp(-energy / np.exp(self.bath.log_t(x)))
        mass = self.case.scalar_mass_gev
        decay = mass * self.gamma / energy
        df = equilibrium * (m @ equilibrium) - f * (m @ f) - decay * f
        number = (self.grid.q**3 * self.grid.weight) @ f / (2.0 * np.pi**2)
        return np.append(df, mass * self.gamma * number * np.exp(x) / RHO_N_UNIT), m, decay

    def rhs(self, x, y):
        return self.rate(x, y)[0] / self.densities(x, y)[1]

    def jacobian(self, x, y):
        # dH/dy is left out: it is not stiff, and dense rows would spoil the pivots.
        _, m, decay = self.rate(x, y)
        f = y[:-1]
        jac = np.zeros((y.size, y.size))
        jac[:-1, :-1] = -f[:, None] * m
        jac[np.arange(f.size), np.arange(f.size)] -= m @ f + decay
        jac[-1, :-1] = (
            self.case.scalar_mass_gev * self.gamma * np.exp(x) / RHO_N_UNIT
            * self.grid.q**3 * self.grid.weight / (2.0 * np.pi**2)
        )  # fmt: skip
        return jac / self.densities(x, y)[1]

    def yield_of(self, f):
        return YIELD * f @ (self.grid.q**3 * self.grid.weight)


class ScaledRadau(Radau):
    """Radau with the linear systems scaled by |y|: modes span thirty decades, and partial pivoting
    without it mixes rounding of the large ones into the small, after which Newton stalls."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)

        def factor(matrix):
            scale = np.append(np.maximum(np.abs(self.y[:-1]), 1e-30), 1.0)
            self.nlu += 1
            return lu_factor(matrix / scale[:, None] * scale, check_finite=False), scale

        def solve(factors, right):
            lu, scale = factors
            return scale * lu_solve(lu, right / scale, check_finite=False)

        self.lu, self.solve_lu = factor, solve


def solve_scalar(case, level):
    """History on a fine lattice in x per segment: list of (x, y[n, P + 1]), and the Scalar."""
    scalar = Scalar(case, level)
    mass = case.scalar_mass_gev
    start = 2000.0 * mass
    x = scalar.bath.x_of(start)
    _, energy = scalar.momenta(x)
    equilibrium = np.exp(-energy / start)
    hubble = scalar.densities(x, np.zeros(energy.size + 1))[1]
    y = np.append(equilibrium * -np.expm1(-(scalar.matrix(x) @ equilibrium) / hubble), 0.0)
    stops = [mass / 60.0, 1e-6]
    if not case.contact_only and start > case.transition_gev:
        stops = sorted([case.transition_gev, *stops], reverse=True)
    segments, largest, previous = [], 0.0, start
    for stop in stops:
        scalar.broken = not case.contact_only and previous <= case.transition_gev
        if previous <= mass / 60.0:
            loss = np.max(scalar.matrix(x) @ y[:-1]) / scalar.densities(x, y)[1]
            scalar.collisions = loss > 1e-9

        def gone(x, y, floor=1e-16 * largest):
            return scalar.yield_of(y[:-1]) - floor

        gone.terminal, gone.direction = True, -1
        solution = solve_ivp(
            scalar.rhs, (x, scalar.bath.x_of(stop)), y, method=ScaledRadau, jac=scalar.jacobian,
            rtol=level.tolerance, atol=np.append(np.full(y.size - 1, 1e-30), 1e-60),
            max_step=level.step, first_step=1e-6, dense_output=True,
            events=gone if largest else None,
        )  # fmt: skip
        if solution.status < 0:
            raise RuntimeError(solution.message)
        lattice = np.linspace(x, solution.t[-1], max(8, int((solution.t[-1] - x) / 0.006)))
        segments.append((lattice, solution.sol(lattice).T))
        x, y, previous = solution.t[-1], solution.y[:, -1].copy(), stop
        largest = max(largest, *(scalar.yield_of(h[:-1]) for h in segments[-1][1]))
        if solution.status == 1 or scalar.yield_of(y[:-1]) < 1e-16 * largest:
            break
    return scalar, segments


def spectrum_grid(scalar, segments):
    """Panels in ln q_N out to momenta of the last decays."""
    last = 0.5 * scalar.case.scalar_mass_gev * np.exp(segments[-1][0][-1])
    highest = max(2.0 * last, 60.0)
    return Grid(2e-4, highest, int(np.ceil(np.log(highest / 2e-4) / 0.45)))


def neutrino_spectrum(scalar, segments, q):
    """Helicity-summed F_N(q) by the theta-clock integral."""
    mass, grid = scalar.case.scalar_mass_gev, scalar.grid
    node, weight = legendre.leggauss(8)
    geometric = np.concatenate([[0.0], np.geomspace(1e-8, 25.0, 56)])
    result = np.zeros(q.size)
    for x, history in segments:
        slices = prepare_slices(scalar, x, history)
        for i, momentum in enumerate(q):
            centre = np.log(2.0 * momentum / mass)  # theta = centre - x
            low, high = centre - x[-1], centre - x[0]
            edges = np.unique(np.clip(np.concatenate([-geometric, geometric]), low, high))
            half = 0.5 * np.diff(edges)[:, None]
            theta = (edges[:-1, None] + half * (1.0 + node)).ravel()
            step = (half * weight).ravel()
            time = centre - theta
            w_q = mass * np.abs(np.sinh(theta)) * np.exp(time)
            keep = w_q < np.exp(grid.edges[-1])
            p = 0.5 * mass * np.exp(theta[keep])
            g, hubble = interpolate_slices(grid, slices, time[keep], np.log(w_q[keep] + 1e-300))
            result[i] += np.sum(step[keep] * g / (hubble * p**2))
    return 2.0 * mass * scalar.gamma * result


def prepare_slices(scalar, x, history):
    """ln H and the integrand p^2 f/E of G at the lattice, with panel sums from above."""
    p = scalar.grid.q * np.exp(-x[:, None])
    energy = np.hypot(p, scalar.case.scalar_mass_gev)
    integrand = p**2 * history[:, :-1] / energy
    panels = (integrand * scalar.grid.weight).reshape(x.size, -1, scalar.grid.order).sum(-1)
    above = np.cumsum(panels[:, ::-1], axis=1)[:, ::-1] - panels
    hubble = np.array([scalar.densities(t, y)[1] for t, y in zip(x, history, strict=True)])
    return x, integrand.reshape(x.size, -1, scalar.grid.order), above, np.log(hubble)


def interpolate_slices(grid, slices, x, log_w):
    """G and H at (x, w): cubic Lagrange in x, panel interpolant in ln q."""
    lattice, integrand, above, log_hubble = slices
    step = lattice[1] - lattice[0]
    position = (x - lattice[0]) / step
    first = np.clip(position.astype(int) - 1, 0, lattice.size - 4)
    u = position - first
    cubic = np.array([
        -(u - 1) * (u - 2) * (u - 3) / 6, u * (u - 2) * (u - 3) / 2,
        -u * (u - 1) * (u - 3) / 2, u * (u - 1) * (u - 2) / 6,
    ])  # fmt: skip
    panel, part = grid.locate(log_w)
    g, h = 0.0, 0.0
    for k in range(4):
        row = first + k
        g = g + cubic[k] * (above[row, panel] + np.sum(integrand[row, panel] * part, axis=-1))
        h = h + cubic[k] * log_hubble[row]
    return g, np.exp(h)


def solve(case, level, grid_n=None):
    """Everything a golden file holds, at one resolution."""
    scalar, segments = solve_scalar(case, level)
    grid_n = grid_n or spectrum_grid(scalar, segments)
    f_n = neutrino_spectrum(scalar, segments, grid_n.q)
    moment = [np.sum(grid_n.weight * grid_n.q ** (3 + k) * f_n) for k in range(3)]
    x = np.concatenate([s[0] for s in segments])
    history = np.concatenate([s[1] for s in segments])
    yield_s = np.array([scalar.yield_of(h[:-1]) for h in history])
    energy = np.hypot(scalar.grid.q * np.exp(-x[:, None]), case.scalar_mass_gev)
    decays = history[:, :-1] / energy @ (scalar.grid.q**3 * scalar.grid.weight)
    decays *= 2.0 * YIELD * scalar.gamma * case.scalar_mass_gev
    density = np.array([scalar.densities(t, h) for t, h in zip(x, history, strict=True)])
    yield_n, before = [np.zeros(1)], 0.0
    for lattice, _ in segments:
        inside = slice(sum(map(len, yield_n)) - 1, None)
        rate = (decays / density[:, 1])[inside][: lattice.size]
        running = before + CubicSpline(lattice, rate).antiderivative()(lattice)
        yield_n.append(running)
        before = running[-1]
    return {
        "grid_n": grid_n, "q": grid_n.q, "f": f_n,
        "yield_n": YIELD * moment[0], "yield_n_direct": before, "yield_s_max": yield_s.max(),
        "q_mean": moment[1] / moment[0], "q_rms": np.sqrt(moment[2] / moment[0]),
        "rho_s_over_bath_max": np.max(density[:, 0] / scalar.bath.rho(x)),
        "history_temperature_gev": np.exp(scalar.bath.log_t(x)), "history_yield_s": yield_s,
        "history_yield_n": np.concatenate(yield_n[1:]),
        "scalar_q": scalar.grid.q, "scalar_f": history[:, :-1],
    }  # fmt: skip
