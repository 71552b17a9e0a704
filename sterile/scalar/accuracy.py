"""How far off a solution is: the same model on a coarser lattice and clock, beside it.

The lattice's step is the clock's unit, so that one factor coarsens both, and the decay angles with
them: what they miss of F_N is in no other number. Y_N and <q> of the coarser solution come from its
decayed number and energy,

    <q> = 2 pi^2 (45/(4 pi^4 g_s0)) (rho_N/a_T^4)/Y_N,

and need no spectrum; F_N is compared at every second momentum. The difference is the error of the
coarser solution, far above that of the finer one: a bound, not an estimate of its size.
"""

import dataclasses
import math

import jax.numpy as jnp
import numpy as np

from sterile.contract import ErrorEstimate
from sterile.scalar.distribution import solve_scalar
from sterile.scalar.inverse_spectrum import neutrino_spectrum
from sterile.scalar.lattice import YIELD_PER_NUMBER, Grid

# What no refinement shows, relative: the start at T = 2000 m_S, the ends of the lattice, the
# quadrature of F_N, and the annihilations that freeze-in grids leave out. At most 1.2e-5 in any
# case of the tests.
FLOOR = 2e-5
COARSER = 2.0
_FINER = 1.5
_EVERY = 2


def rescaled(grid: Grid, factor: float) -> Grid:
    """The grid coarser by ``factor`` in all but the resonance, over the same momenta and times."""

    def nodes(count):
        return math.ceil((count - 1) / factor - 1e-9) + 1

    return dataclasses.replace(
        grid,
        log_step=grid.log_step * factor,
        momenta=nodes(grid.momenta),
        angles=nodes(grid.angles),
        # the hot phase must not reach T_EW, the others may last longer
        hot_units=math.floor(grid.hot_units / factor + 1e-9),
        coupled_units=math.ceil(grid.coupled_units / factor - 1e-9),
        late_units=math.ceil(grid.late_units / factor - 1e-9),
    )


def refined(grid: Grid) -> Grid:
    """The next finer grid, with collisions to the end."""
    return dataclasses.replace(rescaled(grid, 1.0 / _FINER), late_is_free=False)


def energy_q_mean(scalar):
    """<q> of N from the energy it was given."""
    density = 2.0 * math.pi**2 * YIELD_PER_NUMBER * scalar.neutrino_density[-1]
    return density / (2.0 * scalar.decayed[-1])


def coarser_solution(model, plasma, grid: Grid, q):
    """(Y_N, <q>, F_N) on a coarser grid, F_N at every second of ``q``."""
    coarse = rescaled(grid, COARSER)
    scalar = solve_scalar(model, plasma, coarse)
    f = neutrino_spectrum(scalar, model, plasma, coarse, q[::_EVERY], scalar.clock[-1])
    return 2.0 * scalar.decayed[-1], energy_q_mean(scalar), f


def difference(q, f, yields, means, coarser) -> ErrorEstimate:
    """Error of a solution.

    Parameters
    ----------
    q, f : its momenta and F_N, as computed.
    yields : Y_N, and that of the spectrum.
    means : <q> of the spectrum, and that from the energy.
    coarser : from :func:`coarser_solution`.
    """
    coarse_yield, coarse_mean, coarse_f = coarser

    def relative(values, coarse):
        value, other = values
        spread = jnp.maximum(jnp.abs(coarse / other - 1.0), jnp.abs(other / value - 1.0))
        return spread + FLOOR

    shape = q**2 * f
    gap = jnp.max(jnp.abs(q[::_EVERY] ** 2 * coarse_f - shape[::_EVERY])) / jnp.max(shape)
    return ErrorEstimate(
        relative(yields[::-1], coarse_yield), relative(means, coarse_mean), gap + FLOOR
    )


def between(finer, coarser) -> ErrorEstimate:
    """Error of the finer of two :class:`sterile.Production` of one model."""
    q = np.asarray(finer.q)
    inside = (q >= float(coarser.q[0])) & (q <= float(coarser.q[-1]))
    f = np.exp(np.interp(np.log(q), np.log(coarser.q), np.log(coarser.f)))
    shape = q**2 * np.asarray(finer.f)
    gap = np.max(np.abs(q**2 * f - shape)[inside]) / np.max(shape)
    own = jnp.abs(finer.yield_n_spectrum / finer.yield_n - 1.0)
    return ErrorEstimate(
        jnp.maximum(jnp.abs(coarser.yield_n / finer.yield_n - 1.0), own) + FLOOR,
        jnp.abs(coarser.q_mean / finer.q_mean - 1.0) + FLOOR,
        jnp.asarray(gap) + FLOOR,
    )
