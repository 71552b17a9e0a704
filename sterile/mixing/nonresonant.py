"""Production by mixing without a lepton asymmetry, exact along characteristics (Dodelson-Widrow).

At fixed comoving momentum, with P the rate of conversion and f for one helicity,

    df/dt = P (f_a - f),   P = (Gamma/4) D^2 s^2/[D^2 s^2 + Gamma^2/4 + (D c - V_T)^2],

D = m^2/(2p), s = sin 2 theta, c = cos 2 theta, f_a = 1/(e^(p/T) + 1) (Abazajian, Fuller & Patel
2001, astro-ph/0101524). P does not depend on f, so that over a step of optical depth t

    f -> f + (f_a - f)(1 - e^(-t)),

and a spectrum f_i that was there before is left with its share S = e^(-sum of t): blocking is
built in, and 0 <= f <= max(f_a, f_i) whatever the step.
"""

import functools
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from sterile.mixing.background import HIGHEST_Q, Background, background, momenta
from sterile.mixing.opacities import opacity, width, with_factors
from sterile.mixing.potentials import thermal_potential

# made before 100 GeV, and after 1 MeV, where neutrinos decouple: below 1e-6 of all
START_GEV, END_GEV = 100.0, 1e-3
_KEV_GEV = 1e-6


class Clock(NamedTuple):
    """What does not depend on the mass and the mixing, on (t,) steps and (n,) momenta.

    Attributes
    ----------
    q : momenta, (n,).
    bath : :class:`Background` at the middle of each step, T falling.
    step : length of a step in -ln T.
    potential : of :func:`sterile.mixing.potentials.thermal_potential`, (t,).
    width : Gamma/T, (t, n).
    active : f_a, (t, n).
    hadronic : the part of it by hadrons and quarks, (t, n), where the model scales one of the two.
    """

    q: np.ndarray
    bath: Background
    step: float
    potential: np.ndarray
    width: np.ndarray | Array
    active: np.ndarray | Array
    hadronic: np.ndarray | Array | None = None


def step_ends(steps: int) -> np.ndarray:
    """T [GeV] at the ends of the steps, (steps + 1,), falling."""
    return np.geomspace(START_GEV, END_GEV, steps + 1)


@functools.lru_cache(maxsize=16)
def clock(
    steps,
    cells,
    flavour,
    rate_kind,
    rates_table,
    gstar_table,
    constant_g,
    highest=HIGHEST_Q,
    opacities="published",
    by_parts=False,
) -> Clock:
    """The clock of a model, a grid of ``steps`` and ``cells``, and ``plasma.constant_g``.

    ``highest``: of the momenta q. ``by_parts``: whether the model scales parts of the rates.
    """
    ends = step_ends(steps)
    step, temperature = math.log(ends[0] / ends[1]), np.sqrt(ends[1:] * ends[:-1])
    bath = background(temperature, gstar_table, constant_g)
    q = momenta(cells, highest)[0]
    y = np.asarray(bath.ratio)[:, None] * q
    return Clock(
        q,
        bath,
        step,
        thermal_potential(temperature, flavour),
        width(temperature, y, flavour, rates_table, rate_kind, opacities),
        1.0 / (np.exp(np.minimum(y, 700.0)) + 1.0),
        opacity(temperature, y, flavour, rate_kind).hadronic if by_parts else None,
    )


class Mixed(NamedTuple):
    """What mixing makes.

    Attributes
    ----------
    f : (n,) occupation of one helicity made by mixing alone.
    survival : (t + 1, n) share of what is there at the beginning of each step, and at the end,
        that is left at the end.
    made : (t, n) occupation after each step.
    """

    f: Array
    survival: Array
    made: Array


def optical_depth(model, at: Clock) -> Array:
    """Depth of each step, (t, n)."""
    mass_squared = (model.mass_kev * _KEV_GEV) ** 2
    y = at.bath.ratio[:, None] * at.q
    temperature = at.bath.temperature_gev[:, None]
    width = with_factors(model, at.width, at.hadronic)
    # in units of m^2/(2p): damping, and the distance from resonance
    damping = width * (y * temperature**2) / mass_squared
    distance = jnp.sqrt(1.0 - model.sin2_2theta)
    distance = distance + (y**2 * at.potential[:, None]) / mass_squared
    strength = width * (temperature * (0.25 * at.step * at.bath.time_gev)[:, None])
    probability = model.sin2_2theta / (model.sin2_2theta + damping**2 + distance**2)
    return strength * probability


def mix(model, at: Clock) -> Mixed:
    """Solve :class:`sterile.mixing.DodelsonWidrow` on a clock."""
    depth = optical_depth(model, at)

    def advance(f, step):
        deep, f_active = step
        f = f - (f_active - f) * jnp.expm1(-deep)
        return f, f

    f, made = jax.lax.scan(advance, jnp.zeros(at.q.size), (depth, jnp.asarray(at.active)))
    later = jnp.cumsum(depth[::-1], axis=0)[::-1]
    survival = jnp.exp(-jnp.concatenate([later, jnp.zeros((1, at.q.size))]))
    return Mixed(f, survival, made)
