"""The plasma on the nodes of a clock, from high to low temperature: on the host, once per grid."""

import functools
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from spectra.constants import ENTROPY_DEGREES_OF_FREEDOM_TODAY, REDUCED_PLANCK_MASS_GEV
from sterile.bath import expansion, thermodynamics
from sterile.mixing.tables import Table
from sterile.models import Plasma


class Background(NamedTuple):
    """The bath at temperatures T, each (n,).

    Attributes
    ----------
    temperature_gev : T.
    g_s : degrees of freedom in entropy; g_s0 (p/T over q)^3 in another expansion.
    ratio : p/T over q, (g_s/g_s0)^(1/3).
    time_gev : dt/d(-ln T) = (1 + dln g_s/dln T/3)/H [1/GeV].
    density : rho/T^4 of all that gravitates.
    """

    temperature_gev: np.ndarray
    g_s: np.ndarray | Array
    ratio: np.ndarray | Array
    time_gev: np.ndarray | Array
    density: np.ndarray | Array


def background(
    temperature_gev: np.ndarray, gstar: Table | None = None, constant_g: float | None = None
) -> Background:
    """The bath at ``temperature_gev`` (n,).

    ``gstar``: a user's g_rho and g_s, splines in ln T, constant beyond the table; Saikawa & Shirai
    2018 when left out. ``constant_g``: of :class:`sterile.Plasma`.
    """
    temperature = np.asarray(temperature_gev)
    if gstar is not None and constant_g is None:
        g_rho, g_s, slope = _of_table(temperature, gstar)
    else:
        with jax.ensure_compile_time_eval():
            g_rho = np.asarray(thermodynamics.g_rho(temperature, constant_g))
            g_s = np.asarray(thermodynamics.g_s(temperature, constant_g))
            slope = thermodynamics.comoving_temperature_slope(temperature, constant_g)
            slope = np.asarray(slope)
    density = math.pi**2 / 30.0 * g_rho
    hubble = np.sqrt(density / 3.0) * temperature**2 / REDUCED_PLANCK_MASS_GEV
    ratio = np.cbrt(g_s / ENTROPY_DEGREES_OF_FREEDOM_TODAY)
    return Background(temperature, g_s, ratio, slope / hubble, density)


def in_expansion(temperature_gev: np.ndarray, plasma: Plasma) -> Background:
    """The bath at ``temperature_gev`` (n,) beside the extra fluid of ``plasma``, which may decay.

    Works under jit and grad: the plasma's history of what decays is solved for.
    """
    comoving = expansion.comoving_temperature_gev(temperature_gev, plasma)
    density = expansion.energy_density_gev4(temperature_gev, comoving, plasma)
    slope = expansion.comoving_temperature_slope(temperature_gev, comoving, plasma)
    hubble = jnp.sqrt(density / 3.0) / REDUCED_PLANCK_MASS_GEV
    ratio = comoving / temperature_gev
    g_s = ENTROPY_DEGREES_OF_FREEDOM_TODAY * ratio**3
    return Background(temperature_gev, g_s, ratio, slope / hubble, density / temperature_gev**4)


def _of_table(temperature, table):
    from scipy.interpolate import CubicSpline  # slow to import, needed only here

    nodes = np.log(table.temperature_gev)
    x = np.clip(np.log(temperature), nodes[0], nodes[-1])
    g_rho, g_s = (CubicSpline(nodes, np.log(column)) for column in table.values.T)
    inside = (temperature >= table.temperature_gev[0]) & (temperature <= table.temperature_gev[-1])
    return np.exp(g_rho(x)), np.exp(g_s(x)), 1.0 + np.where(inside, g_s(x, 1), 0.0) / 3.0


# q^3 f of what mixing makes is below 1e-8 of its peak outside, whatever the lepton asymmetry
LOWEST_Q, HIGHEST_Q = 2e-4, 25.0


@functools.cache
def momenta(cells: int, highest: float = HIGHEST_Q) -> tuple[np.ndarray, float]:
    """Centres (cells,) of momenta q = p/T_gamma today, even in ln q, and their distance in ln q."""
    edges = momentum_edges(cells, highest)
    return np.sqrt(edges[1:] * edges[:-1]), math.log(edges[1] / edges[0])


def momentum_edges(cells: int, highest: float = HIGHEST_Q) -> np.ndarray:
    """Edges (cells + 1,) of the momenta of :func:`momenta`."""
    return np.geomspace(LOWEST_Q, highest, cells + 1)
