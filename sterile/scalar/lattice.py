"""The lattice of momenta and times on which the scalar is solved, and what comes out."""

import math
from typing import NamedTuple

import equinox as eqx
import numpy as np
from jax import Array

from spectra.constants import ENTROPY_DEGREES_OF_FREEDOM_TODAY

YIELD_PER_NUMBER = 45.0 / (4.0 * math.pi**4 * ENTROPY_DEGREES_OF_FREEDOM_TODAY)


class Grid(eqx.Module):
    """Resolution of the solver, all static.

    Attributes
    ----------
    log_step : step of the momentum lattice in ln q, and the unit of the clock.
    momenta : number of lattice momenta, from ``q_min``.
    q_min : lowest comoving momentum.
    hot_units, coupled_units, late_units : lengths of the three phases in units of ``log_step``.
    hot_steps, coupled_steps, late_steps : steps a unit in each phase.
    late_is_free : whether collisions are over in the last phase.
    resonance : how the Higgs resonance is integrated, see ``resonance.resonance_peak``.
    angles : nodes of the decay angle on either side of the scalar's rest frame.
    start : T/m_S at the first node: at 2000 contact freeze-in has made less than 3e-6 of its yield.
    """

    log_step: float = eqx.field(static=True, default=0.2)
    momenta: int = eqx.field(static=True, default=44)
    q_min: float = eqx.field(static=True, default=3e-3)
    hot_units: int = eqx.field(static=True, default=20)
    coupled_units: int = eqx.field(static=True, default=42)
    late_units: int = eqx.field(static=True, default=65)
    hot_steps: int = eqx.field(static=True, default=1)
    coupled_steps: int = eqx.field(static=True, default=4)
    late_steps: int = eqx.field(static=True, default=1)
    late_is_free: bool = eqx.field(static=True, default=False)
    resonance: str = eqx.field(static=True, default="none")
    angles: int = eqx.field(static=True, default=80)
    start: float = eqx.field(static=True, default=2000.0)

    @property
    def times(self) -> int:
        """Length of the clock: the start, and the end of every step."""
        return 1 + sum(phase.units * phase.steps for phase in phases(self))

    @property
    def log_q(self) -> np.ndarray:
        return math.log(self.q_min) + self.log_step * np.arange(self.momenta)


class ScalarHistory(NamedTuple):
    """f_S on the lattice at every step of the clock.

    Attributes
    ----------
    log_q : (n,) ln q of the lattice.
    clock : (t,) x = -ln(a_T/GeV), increasing.
    temperature_gev : (t,) photon temperature.
    hubble_gev : (t,) expansion rate, dark sector included where asked for.
    f : (t, n) occupation of S.
    decayed : (t,) yield of S that has decayed.
    electroweak_index : index into the clock at which the phase changes.
    density_ratio : (t,) rho_S/rho_SM.
    neutrino_density : (t,) rho_N/a_T^4.
    radiation_ratio : (t,) rho_N/rho_SM.
    occupation : (t, n) f_N per helicity state on the lattice, or None without inverse decays.
    """

    log_q: Array
    clock: Array
    temperature_gev: Array
    hubble_gev: Array
    f: Array
    decayed: Array
    electroweak_index: Array
    density_ratio: Array
    neutrino_density: Array
    radiation_ratio: Array
    occupation: Array | None = None


def yield_weights(grid: Grid) -> np.ndarray:
    """w with n/s = sum w f, shape (n,): 45/(4 pi^4 g_s0) integral q^3 f d ln q."""
    return YIELD_PER_NUMBER * grid.log_step * np.exp(3.0 * grid.log_q)


class Phase(NamedTuple):
    """A stretch of uniform steps: its first unit of the clock, its length, and steps a unit."""

    first_unit: int
    units: int
    steps: int


def phases(grid: Grid) -> tuple[Phase, Phase, Phase]:
    """The hot, the coupled and the late phase."""
    hot, coupled = grid.hot_units, grid.coupled_units
    return (
        Phase(0, hot, grid.hot_steps),
        Phase(hot, coupled, grid.coupled_steps),
        Phase(hot + coupled, grid.late_units, grid.late_steps),
    )


def lagrange(offset, count):
    """Weights of ``count`` unit-spaced nodes 0..count-1 at ``offset``; a leading axis of count."""
    weights = []
    for j in range(count):
        others = [k for k in range(count) if k != j]
        scale = math.prod(j - k for k in others)
        product = 1.0
        for k in others:
            product = product * (offset - k)
        weights.append(product / scale)
    return weights


def polynomial_weights(nodes, at, derivative=False) -> np.ndarray:
    """Weights of values at ``nodes`` (k,) in the polynomial through them, or in its slope.

    ``at``: where, any shape; the weights have one axis of k more.
    """
    powers = np.arange(nodes.size)
    inverse = np.linalg.inv(nodes[:, None] ** powers)
    at = np.asarray(at)[..., None]
    basis = powers * at ** np.maximum(powers - 1, 0) if derivative else at**powers
    return basis @ inverse
