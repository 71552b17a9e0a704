"""Production by mixing in a plasma with lepton asymmetries, with their depletion (Shi-Fuller).

N mixes with neutrinos and Nbar with antineutrinos; with D, P as in :mod:`nonresonant`,

    df/dt = P (f_a - f),   P = (Gamma/4) D^2 s^2/[D^2 s^2 + Gamma^2/4 + (D c - V_T -+ V_L)^2],
    f_a = 1/(e^(p/T -+ mu_a/T) + 1),

upper signs N (Shi & Fuller 1999; Abazajian, Fuller & Patel 2001; 1507.06655). What N takes, the
flavour a loses: with Y_a = n_La/s and n = integral of p^2 f dp/(2 pi^2),

    dY_a = -d(n_N - n_Nbar)/s,

while Y_b of the others stay. V_L and mu_a follow from the asymmetries (:mod:`redistribution`).

Momenta are cells in ln q and f their mean. Over a step the distance from resonance is taken as
bilinear, and the rate is averaged over cell and step in closed form (:mod:`resonance`): a
crossing may be far narrower than both. Y_a at the end of a step is predicted, the step is made,
and made again with what came out, so that what is lost is what was made, to rounding.
"""

import functools
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from spectra.constants import ENTROPY_DEGREES_OF_FREEDOM_TODAY
from sterile.mixing.background import Background, background, momenta, momentum_edges
from sterile.mixing.opacities import width
from sterile.mixing.potentials import FLAVOURS, lepton_potential_unit, thermal_potential
from sterile.mixing.redistribution import Redistribution, equilibrium, redistribution
from sterile.mixing.resonance import mean_lorentzian

START_GEV, END_GEV = 10.0, 1e-3
_KEV_GEV = 1e-6
# integral of q^2 f dq to n/s, for each helicity
YIELD_PER_NUMBER = 45.0 / (4.0 * math.pi**4 * ENTROPY_DEGREES_OF_FREEDOM_TODAY)
_ENTROPY = 2.0 * math.pi**2 / 45.0
# steps are dense where resonances sweep through the populated momenta, and wider by this outside
_DENSE_GEV, _WIDER, _JOINT = (0.03, 2.0), 4.0, 0.3


class Clock(NamedTuple):
    """What does not depend on mass, mixing and asymmetries: (t,) steps, (n,) cells.

    Attributes
    ----------
    edges, bath : :class:`Background` at the ends of steps (t + 1,) and at their middle (t,).
    step : lengths in -ln T, (t,).
    thermal, lepton : potentials at the ends of steps, (t + 1,), see :mod:`potentials`.
    width : Gamma/T, (t, n).
    redistribution : at the ends of steps.
    """

    edges: Background
    bath: Background
    step: np.ndarray
    thermal: np.ndarray
    lepton: np.ndarray
    width: np.ndarray
    redistribution: Redistribution


def step_temperatures(steps: int) -> np.ndarray:
    """Ends of steps [GeV], (steps + 1,), falling."""
    fine = np.linspace(math.log(START_GEV), math.log(END_GEV), 4001)
    low, high = (math.log(edge) for edge in _DENSE_GEV)
    core = 0.5 * (np.tanh((fine - low) / _JOINT) - np.tanh((fine - high) / _JOINT))
    density = 1.0 / _WIDER + (1.0 - 1.0 / _WIDER) * core
    count = np.concatenate([[0.0], np.cumsum(0.5 * (density[1:] + density[:-1]))])
    return np.exp(np.interp(np.linspace(0.0, count[-1], steps + 1), count, fine))


@functools.lru_cache(maxsize=8)
def clock(
    steps, cells, flavour, rate_kind, rates_table, gstar_table, redistribution_table, constant_g
) -> Clock:
    """The clock of a model, a grid of ``steps`` and ``cells``, and ``plasma.constant_g``."""
    ends = step_temperatures(steps)
    edges = background(ends, gstar_table, constant_g)
    middle = background(np.sqrt(ends[1:] * ends[:-1]), gstar_table, constant_g)
    y = middle.ratio[:, None] * momenta(cells)[0]
    return Clock(
        edges=edges,
        bath=middle,
        step=np.log(ends[:-1] / ends[1:]),
        thermal=thermal_potential(ends, flavour),
        lepton=lepton_potential_unit(ends),
        width=width(middle.temperature_gev, y, flavour, rates_table, rate_kind),
        redistribution=redistribution(ends, flavour, redistribution_table),
    )


class Resonant(NamedTuple):
    """What mixing makes.

    Attributes
    ----------
    f : (2, n) occupation of N and of Nbar, means over cells.
    asymmetry : (t + 1, 3) n_L/T^3 of each flavour at the ends of steps.
    asymmetry_yield : (t + 1,) n_L/s of the flavour that mixes.
    yield_n : (t + 1, 2) n/s of N and of Nbar.
    """

    f: Array
    asymmetry: Array
    asymmetry_yield: Array
    yield_n: Array


class _End(NamedTuple):
    """One end of a step: distance from resonance at edges (2, n + 1), mu_a/T, extra density."""

    distance: Array
    potential: Array
    extra: Array


def evolve(model, at: Clock, cells: int) -> Resonant:
    """Solve :class:`sterile.mixing.ShiFuller` on a clock."""
    own = FLAVOURS.index(model.flavour)
    q, log_step = momenta(cells)
    q_edges = momentum_edges(cells)
    weights = YIELD_PER_NUMBER * q**3 * log_step
    mass_squared = (model.mass_kev * _KEV_GEV) ** 2
    mixing, cosine = model.sin2_2theta, jnp.sqrt(1.0 - model.sin2_2theta)
    start = model.asymmetries() / (_ENTROPY * at.edges.g_s[0])
    sign = np.array([[1.0], [-1.0]])

    def end(asymmetry_yield, moment):
        asymmetries = start.at[own].set(asymmetry_yield) * (_ENTROPY * moment["g_s"])
        found = equilibrium(moment["redistribution"], asymmetries)
        y = moment["ratio"] * q_edges
        lepton = y * (moment["lepton"] * found.potential[own] / mass_squared)
        common = cosine + y**2 * (moment["thermal"] / mass_squared)
        return _End(common - sign * lepton, found.neutrino[own], found.extra_density)

    def convert(f, before, after, moment):
        """Occupations (2, n) after a step."""
        temperature = moment["temperature"]
        y = moment["ratio_middle"] * q
        damping = moment["width"] * y * temperature**2 / mass_squared
        spread = jnp.sqrt(mixing + damping**2)
        mean = mean_lorentzian(
            before.distance[:, :-1],
            before.distance[:, 1:],
            after.distance[:, :-1],
            after.distance[:, 1:],
            jnp.broadcast_to(spread, (2, cells)),
        )
        extra = 0.5 * (before.extra + after.extra)
        faster = jnp.sqrt(1.0 + extra / moment["density"])
        depth = 0.25 * moment["width"] * mixing / spread * mean
        depth = depth * (temperature * moment["time"] * moment["step"] / faster)
        potential = sign * (0.5 * (before.potential + after.potential))
        active = 1.0 / (jnp.exp(jnp.minimum(y - potential, 700.0)) + 1.0)
        return f - (active - f) * jnp.expm1(-depth)

    def advance(carry, moments):
        f, asymmetry, change, before = carry
        moment, then = moments

        def attempt(guess):
            after = end(asymmetry + guess, then)
            made = convert(f, before, after, moment)
            lost = jnp.sum(weights * ((made - f)[0] - (made - f)[1]))
            return made, -lost

        guess = attempt(change * moment["longer"])[1]
        made, gained = attempt(guess)
        asymmetry = asymmetry + gained
        carry = made, asymmetry, gained, end(asymmetry, then)
        return carry, (asymmetry, made @ weights)

    moments = {
        "temperature": at.bath.temperature_gev,
        "ratio_middle": at.bath.ratio,
        "time": at.bath.time_gev,
        "density": at.bath.density,
        "step": at.step,
        "width": at.width,
        # a step is so much longer than the one before
        "longer": at.step / np.concatenate([at.step[:1], at.step[:-1]]),
    }
    ends = {
        "g_s": at.edges.g_s,
        "ratio": at.edges.ratio,
        "thermal": at.thermal,
        "lepton": at.lepton,
        "redistribution": at.redistribution,
    }
    first = jax.tree.map(lambda leaf: leaf[0], ends)
    then = jax.tree.map(lambda leaf: leaf[1:], ends)
    initial = (jnp.zeros((2, cells)), start[own], jnp.zeros(()), end(start[own], first))
    (f, *_), (asymmetry, yields) = jax.lax.scan(
        jax.checkpoint(advance), initial, (moments, then)
    )
    asymmetry = jnp.concatenate([start[own][None], asymmetry])
    history = jnp.broadcast_to(start, (asymmetry.size, 3)).at[:, own].set(asymmetry)
    history = history * (_ENTROPY * at.edges.g_s)[:, None]
    return Resonant(f, history, asymmetry, jnp.concatenate([jnp.zeros((1, 2)), yields]))
