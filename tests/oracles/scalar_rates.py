"""Ingredients of the brute-force scalar solver: reduced cross sections and the momentum grid.

Own implementation in plain numpy; only the particle masses are shared with the package.
"""

from typing import NamedTuple

import numpy as np
from numpy.polynomial import legendre

from spectra import constants as c

FERMIONS = (
    (c.TOP_MASS_GEV, 3), (c.BOTTOM_MASS_GEV, 3), (c.CHARM_MASS_GEV, 3),
    (c.STRANGE_MASS_GEV, 3), (c.TAU_MASS_GEV, 1), (c.MUON_MASS_GEV, 1),
)  # fmt: skip
H2, V2 = c.HIGGS_MASS_GEV**2, c.HIGGS_VEV_GEV**2
OFF_SHELL_GEV2 = 100.0


class Case(NamedTuple):
    """One problem. ``resonance``: "decay" (explicit h <-> SS + off-shell propagator), "full"
    (Breit-Wigner resolved in s) or "smooth" (Breit-Wigner, resonance well outside s > 4 m_S^2)."""

    scalar_mass_gev: float
    coupling: float
    yukawa: float
    resonance: str = "smooth"
    higgs_width_gev: float = c.HIGGS_WIDTH_GEV
    dark_sector: bool = False
    contact_only: bool = False
    constant_g: float = 0.0
    transition_gev: float = 160.0


def beta(s, mass):
    return np.sqrt(np.clip(1.0 - 4.0 * mass**2 / s, 0.0, None))


def w_s_channel(s, d2):
    """W/lambda^2 through h*: |D|^2 = d2."""
    total = 0.0
    for mass, symmetry in ((c.W_MASS_GEV, 1.0), (c.Z_MASS_GEV, 0.5)):
        total += symmetry * 16.0 * (s**2 - 4.0 * s * mass**2 + 12.0 * mass**4) * beta(s, mass)
    for mass, colours in FERMIONS:
        total += 32.0 * colours * mass**2 * s * beta(s, mass) ** 3
    return total * d2 / (8.0 * np.pi)


def w_higgs_pair(s, scalar_mass, coupling, width):
    """W/lambda^2 of hh by Gauss-Legendre quadrature over the angle."""
    beta_h, beta_s = beta(s, c.HIGGS_MASS_GEV), beta(s, scalar_mass)
    cosine, weight = legendre.leggauss(64)
    a, b = (s / 2.0 - H2)[:, None], (s / 2.0 * beta_h * beta_s)[:, None] * cosine
    propagator = 1.0 / (s - H2 + 1j * c.HIGGS_MASS_GEV * width)
    amplitude = 1.0 + 3.0 * H2 * propagator[:, None] - 8.0 * coupling * V2 * a / (a**2 - b**2)
    average = 0.5 * (np.abs(amplitude) ** 2 @ weight)
    return np.where(beta_h > 0.0, 8.0 * average * beta_h / (8.0 * np.pi), 0.0)


def included_higgs_width():
    """Sum of the partial widths of the channels included at s = m_h^2 [GeV]."""
    return w_s_channel(H2, 1.0) / (32.0 * V2 * c.HIGGS_MASS_GEV)


def invisible_width(case):
    return case.coupling**2 * V2 / (2.0 * np.pi * c.HIGGS_MASS_GEV) * beta(H2, case.scalar_mass_gev)


def omega_table(case):
    """Nodes tau = ln(s/4m_S^2), W and Omega/(4 m_S^2) there, lambda^2 included."""
    s0 = 4.0 * case.scalar_mass_gev**2
    pairs = (c.W_MASS_GEV, c.Z_MASS_GEV, c.HIGGS_MASS_GEV, c.TOP_MASS_GEV)
    special = [np.log(s / s0) for s in (H2, *(4.0 * m**2 for m in pairs)) if s > s0 * (1.0 + 1e-9)]
    special += [0.0, 22.0]
    offsets = np.concatenate([[0.0], np.geomspace(1e-9, 2.0, 400)])
    clusters = [t + sign * offsets for t in special for sign in (-1.0, 1.0)]
    tau = np.unique(np.concatenate([np.linspace(0.0, 22.0, 6000), *clusters]))
    tau = tau[(tau >= 0.0) & (tau <= 22.0)]
    tau = tau[np.concatenate([[True], np.diff(tau) > 1e-12])]
    x, weight = legendre.leggauss(6)
    width = np.diff(tau)
    inner = tau[:-1, None] + 0.5 * width[:, None] * (1.0 + x)

    def w_of(t):
        s = s0 * np.exp(t)
        y = s - H2
        if case.resonance == "smooth":
            d2 = 1.0 / (y**2 + H2 * case.higgs_width_gev**2)
        else:
            d2 = (y**2 - OFF_SHELL_GEV2**2) / (y**2 + OFF_SHELL_GEV2**2) ** 2
        pair = w_higgs_pair(s, case.scalar_mass_gev, case.coupling, case.higgs_width_gev)
        return case.coupling**2 * (w_s_channel(s, d2) + pair)

    inside = w_of(inner.ravel()).reshape(inner.shape) * np.exp(inner)
    omega = np.concatenate([[0.0], np.cumsum(0.5 * width * (inside @ weight))])
    return tau, w_of(tau) * np.exp(tau), omega


def on_shell_nodes(case):
    """s and weights W ds (with lambda^2) of the resonance the off-shell propagator leaves out."""
    if case.resonance == "decay":
        return np.array([H2]), np.array([32.0 * np.pi * case.coupling**2 * V2])
    if case.resonance == "smooth":
        return np.empty(0), np.empty(0)
    epsilon = c.HIGGS_MASS_GEV * case.higgs_width_gev
    lowest = 4.0 * case.scalar_mass_gev**2 - H2
    outer = epsilon * 2.5 ** np.arange(0.0, 15.0)
    # sqrt(s - 4 m_S^2) enters the limits: grade towards threshold as well
    graded = lowest + epsilon * 2.5 ** np.arange(-14.0, 15.0)
    edges = np.unique(np.concatenate([[lowest, 0.0], outer, -outer, graded]))
    edges = edges[(edges >= lowest) & (edges < 2e5)]
    node, weight = legendre.leggauss(6)
    half = 0.5 * np.diff(edges)[:, None]
    y = (edges[:-1, None] + half * (1.0 + node)).ravel()
    g2 = OFF_SHELL_GEV2**2
    d2 = 1.0 / (y**2 + epsilon**2) - (y**2 - g2) / (y**2 + g2) ** 2
    return H2 + y, case.coupling**2 * w_s_channel(H2 + y, d2) * (half * weight).ravel()


class Grid:
    """Gauss-Legendre panels in ln q with partial-panel integration of the interpolant."""

    order = 8

    def __init__(self, low, high, panels):
        node, weight = legendre.leggauss(self.order)
        self.edges = np.linspace(np.log(low), np.log(high), panels + 1)
        self.half = 0.5 * (self.edges[1] - self.edges[0])
        self.log_q = (self.edges[:-1, None] + self.half * (1.0 + node)).ravel()
        self.q = np.exp(self.log_q)
        self.weight = np.tile(self.half * weight, panels)  # d ln q
        # int_xi^1 of each Lagrange polynomial, as coefficients in powers of xi
        lagrange = np.linalg.inv(np.vander(node, increasing=True)).T
        powers = np.arange(1, self.order + 1)
        primitive = lagrange / powers
        self.lagrange = lagrange.T
        self.above = np.concatenate([primitive.sum(1)[:, None], -primitive], axis=1).T * self.half

    def locate(self, log_q):
        """Panel index, and int above log_q inside it of each of its 8 Lagrange polynomials."""
        count = len(self.edges) - 1
        inside = np.clip(log_q, self.edges[0], self.edges[-1])
        position = (inside - self.edges[0]) / (2.0 * self.half)
        panel = np.minimum(position.astype(int), count - 1)
        xi = 2.0 * (position - panel) - 1.0
        return panel, xi[..., None] ** np.arange(self.order + 1) @ self.above

    def locate_thermal(self, log_q, x, mass, temperature):
        """The same with interpolation of f e^{E/T} instead of f p^2/E: accurate in the far tail."""
        panel, _ = self.locate(log_q)
        low = np.clip(log_q, self.edges[panel], self.edges[panel + 1])
        node, weight = legendre.leggauss(16)
        half = 0.5 * (self.edges[panel + 1] - low)[..., None]
        inner = low[..., None] + half * (1.0 + node)

        def measure(log_q):
            p = np.exp(log_q - x)
            energy = np.hypot(p, mass)
            return p**2 / energy, energy / temperature

        jacobian, exponent = measure(inner)
        at_node, at_exponent = measure(self.log_q.reshape(-1, self.order)[panel])
        xi = (inner - self.edges[panel][..., None]) / self.half - 1.0
        basis = xi[..., None] ** np.arange(self.order) @ self.lagrange
        basis *= np.exp(at_exponent[..., None, :] - exponent[..., None])
        return panel, np.einsum("...g,...gk->...k", half * weight * jacobian, basis) / at_node
