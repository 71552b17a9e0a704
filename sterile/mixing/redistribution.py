"""Where a lepton asymmetry sits: chemical equilibrium of leptons, charge and baryon number.

With x = mu/T and densities over T^3, for b = e, mu, tau (1507.06655, section 3):

    n_b(x_b) + n_nu(x_nu_b) = L_b,     x_b = x_nu_b - x_Q,
    sum_b n_b = chi_Q x_Q + chi_QB x_B,     chi_QB x_Q + chi_B x_B = 0,

n_nu = x/6 + x^3/(6 pi^2) exactly, n_b to the fifth order in x with the lepton's mass. The linear
part is solved on the host once per temperature, the rest by iteration.
"""

import math
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jax import Array

from sterile.mixing.potentials import FLAVOURS, LEPTON_MASSES_GEV, thermal_average
from sterile.mixing.susceptibilities import susceptibilities
from sterile.mixing.tables import Table

# corrections are a few per cent at |L| = 0.1 and fall by as much each time
_ITERATIONS = 5


class Redistribution(NamedTuple):
    """Equilibrium at temperatures (n,).

    Attributes
    ----------
    response : (n, 6, 4): linear x of (nu_e, nu_mu, nu_tau, e, mu, tau) per L_e, L_mu, L_tau and
        per electric charge given from outside.
    density : (n, 3, 3): coefficients of x, x^3, x^5 in n_b/T^3, for each charged lepton.
    energy : (n, 3, 2): coefficients of x^2, x^4 in rho_b/T^4.
    """

    response: np.ndarray | Array
    density: np.ndarray | Array
    energy: np.ndarray | Array


def redistribution(
    temperature_gev: np.ndarray, flavour: str, table: Table | None = None
) -> Redistribution:
    """Equilibrium at ``temperature_gev`` (n,).

    ``table``: a user's dmu_X/dL of the ``flavour`` that mixes, splines in ln T, constant beyond the
    table; other asymmetries and what is not linear keep the built-in response.
    """
    temperature = np.asarray(temperature_gev)
    density, energy = _lepton_coefficients(temperature)
    response = _linear_response(temperature, density[:, :, 0])
    if table is not None:
        from scipy.interpolate import CubicSpline  # slow to import, needed only here

        nodes = np.log(table.temperature_gev)
        x = np.clip(np.log(temperature), nodes[0], nodes[-1])
        # the table's order is charged leptons first
        columns = CubicSpline(nodes, table.values[:, [3, 4, 5, 0, 1, 2]])(x)
        response[:, :, FLAVOURS.index(flavour)] = columns
    return Redistribution(response, density, energy)


def _lepton_coefficients(temperature):
    """Derivatives of f = 1/(e^E + 1): f' = -s, f'' = s u, ..., s = f (1 - f), u = 1 - 2f."""

    def first(energy, f):
        return f * (1.0 - f)

    def third(energy, f):
        s = f * (1.0 - f)
        return s - 6.0 * s**2

    def fifth(energy, f):
        s = f * (1.0 - f)
        return s - 30.0 * s**2 + 120.0 * s**3

    def second_energy(energy, f):
        return energy * f * (1.0 - f) * (1.0 - 2.0 * f)

    def fourth_energy(energy, f):
        s = f * (1.0 - f)
        return energy * (s - 12.0 * s**2) * (1.0 - 2.0 * f)

    def columns(terms):
        return np.stack(
            [
                np.stack([thermal_average(m / temperature, g) / k for g, k in terms], axis=1)
                for m in LEPTON_MASSES_GEV
            ],
            axis=1,
        )

    # two spins: n = 2 sum over odd k of x^k/k! times the average of -f^(k)
    density = columns([(first, 0.5), (third, 3.0), (fifth, 60.0)])
    return density, columns([(second_energy, 1.0), (fourth_energy, 12.0)])


def _linear_response(temperature, charged):
    """(n, 6, 4) from the eight linear equations, unknown x_nu_b, x_Q, x_B."""
    chi_q, chi_b, chi_qb = susceptibilities(temperature)
    equations = np.zeros((temperature.size, 5, 5))
    sources = np.zeros((temperature.size, 5, 4))
    for b in range(3):
        equations[:, b, b] = charged[:, b] + 1.0 / 6.0
        equations[:, b, 3] = -charged[:, b]
        sources[:, b, b] = 1.0
        equations[:, 3, b] = -charged[:, b]
    equations[:, 3, 3] = chi_q + charged.sum(axis=1)
    equations[:, 3, 4] = chi_qb
    sources[:, 3, 3] = 1.0
    # no baryon number; where there are no hadrons to carry it, no potential either
    equations[:, 4, 3] = np.where(chi_b > 0.0, chi_qb / np.maximum(chi_b, 1e-300), 0.0)
    equations[:, 4, 4] = 1.0
    found = np.linalg.solve(equations, sources)
    return np.concatenate([found[:, :3], found[:, :3] - found[:, 3:4]], axis=1)


class Equilibrium(NamedTuple):
    """What one set of asymmetries makes: scalars and shape (3,).

    Attributes
    ----------
    neutrino : x = mu/T of the three active neutrinos.
    potential : the bracket of V_L over T^3, for mixing with each flavour.
    extra_density : rho/T^4 beyond that without asymmetries.
    """

    neutrino: Array
    potential: Array
    extra_density: Array


def equilibrium(at: Redistribution, asymmetry: Array) -> Equilibrium:
    """Equilibrium of L_b = n_L/T^3 (3,) at one temperature, ``at`` without its first axis."""
    response, density, energy = (jnp.asarray(part) for part in at)
    asymmetries = jnp.concatenate([asymmetry, jnp.zeros(1)])

    def potentials(excess):
        neutrino, lepton = excess
        # what is beyond linear takes its share of L_b, and carries charge
        source = asymmetries - jnp.append(neutrino + lepton, -jnp.sum(lepton))
        return response @ source

    def beyond(x):
        neutrino, lepton = x[:3] ** 3, x[3:] ** 3
        return (
            neutrino / (6.0 * math.pi**2),
            lepton * (density[:, 1] + density[:, 2] * x[3:] ** 2),
        )

    x = potentials((jnp.zeros(3), jnp.zeros(3)))
    for _ in range(_ITERATIONS):
        x = potentials(beyond(x))
    neutrino_excess, lepton_excess = beyond(x)
    neutrino = x[:3] / 6.0 + neutrino_excess
    lepton = density[:, 0] * x[3:] + lepton_excess
    potential = jnp.sum(neutrino) + neutrino + 0.5 * jnp.sum(lepton) + lepton
    squares = x**2
    extra = jnp.sum(squares[:3] / 4.0 + squares[:3] ** 2 / (8.0 * math.pi**2))
    extra = extra + jnp.sum(squares[3:] * (energy[:, 0] + energy[:, 1] * squares[3:]))
    return Equilibrium(x[:3], potential, extra)
