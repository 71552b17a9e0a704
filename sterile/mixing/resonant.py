"""Production by mixing in a plasma with lepton asymmetries, with their depletion (Shi-Fuller).

N mixes with neutrinos and Nbar with antineutrinos; with D, P as in
:mod:`sterile.mixing.nonresonant`,

    df/dt = P (f_a - f),   P = (Gamma/4) D^2 s^2/[D^2 s^2 + Gamma^2/4 + (D c - V_T -+ V_L)^2],
    f_a = 1/(e^(p/T -+ mu_a/T) + 1),

upper signs N (Shi & Fuller 1999; Abazajian, Fuller & Patel 2001; 1507.06655). What N takes, the
flavour a loses: with Y_a = n_La/s and n = integral of p^2 f dp/(2 pi^2),

    dY_a = -d(n_N - n_Nbar)/s,

while Y_b of the others stay. V_L and mu_a follow from the asymmetries
(:mod:`sterile.mixing.redistribution`).

Momenta are cells in ln q and f their mean. Over a step the distance from resonance is taken as
linear on two triangles, and the rate is averaged over cell and step in closed form
(:mod:`sterile.mixing.resonance`): a crossing may be far narrower than both. Y_a at the end of a
step is predicted, the step is made, and made again until what comes out is what went in
(:mod:`sterile.mixing.balance`); what is lost is what was made, to rounding. Steps are even in ln T,
and shorter where V_L runs away: resonances sweep through the momenta evenly.
"""

import functools
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from spectra.constants import ENTROPY_DEGREES_OF_FREEDOM_TODAY
from sterile.mixing.background import background, momenta, momentum_edges
from sterile.mixing.balance import Trial, balanced
from sterile.mixing.opacities import opacity, width, with_factors
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
# a change of ln V_L counts as so much of one of ln T; V_L smaller than this share of what the
# asymmetries make at first counts as that much
_RUNAWAY, _SMALLEST = 1.0, 0.02
# what rounds off the absolute value of that change, so that all is smooth
_AT_REST = 0.05
# below this g' of :mod:`sterile.mixing.balance` each step overshoots: error times (1 + g')/(1 - g')
_SWINGING = -1.0
# of all steps, those that are left for it
_SPARE = 2.0
# nodes of the tables per unit of ln T: the bath changes over 0.1 of it, splines miss 1e-6
_PER_LOG = 50.0


class Table(NamedTuple):
    """Cubic B-splines in ln T, evenly spaced: ``first`` ln T, ``step``, coefficients (m, ...)."""

    first: float
    step: float
    coefficients: np.ndarray

    def __call__(self, log_temperature: Array | float) -> Array:
        """Values (...) at a scalar ln T."""
        position = (log_temperature - self.first) / self.step
        cell = jnp.clip(jnp.floor(position).astype(int), 1, self.coefficients.shape[0] - 3)
        u = position - cell.astype(float)
        rows = jax.lax.dynamic_slice_in_dim(jnp.asarray(self.coefficients), cell - 1, 4)
        v = 1.0 - u
        weights = (
            v**3,
            4.0 - 6.0 * u**2 + 3.0 * u**3,
            4.0 - 6.0 * v**2 + 3.0 * v**3,
            u**3,
        )
        found = sum(weight / 6.0 * row for weight, row in zip(weights, rows))
        assert isinstance(found, Array)  # no empty sum
        return found


class Clock(NamedTuple):
    """What does not depend on mass, mixing and asymmetries.

    Attributes
    ----------
    ends : ln g_s, then -V_T and V_L as logarithms, see
        :mod:`sterile.mixing.potentials`, and rho/T^4.
    response, density, energy : :class:`Redistribution`.
    middle : ln of T dt/d(-ln T), then ln Gamma/T of each cell; where the model scales parts of the
        rates, then the share of hadrons and quarks.
    """

    ends: Table
    response: Table
    density: Table
    energy: Table
    middle: Table


@functools.lru_cache(maxsize=8)
def clock(
    cells,
    flavour,
    rate_kind,
    rates_table,
    gstar_table,
    redistribution_table,
    constant_g,
    opacities="published",
    by_parts=False,
) -> Clock:
    """The clock of a model, a grid of ``cells``, and ``plasma.constant_g``.

    ``by_parts``: whether the model scales parts of the rates.
    """
    from scipy.ndimage import spline_filter1d  # slow to import, needed only here

    margin = 6.0 / _PER_LOG  # what the spline's ends spoil stays outside
    first, last = math.log(END_GEV) - margin, math.log(START_GEV) + margin
    nodes = np.linspace(first, last, math.ceil((last - first) * _PER_LOG) + 1)
    temperature = np.exp(nodes)
    bath = background(temperature, gstar_table, constant_g)
    chemistry = redistribution(temperature, flavour, redistribution_table)
    y = np.asarray(bath.ratio)[:, None] * momenta(cells)[0]
    rates = width(temperature, y, flavour, rates_table, rate_kind, opacities)
    share = [opacity(temperature, y, flavour, rate_kind).hadronic / rates] if by_parts else []

    def table(values):
        coefficients = spline_filter1d(values, order=3, axis=0, mode="mirror")
        return Table(nodes[0], nodes[1] - nodes[0], coefficients)

    potentials = thermal_potential(temperature, flavour), lepton_potential_unit(temperature)
    duration = np.log(temperature * bath.time_gev)
    return Clock(
        ends=table(np.stack([np.log(bath.g_s), *np.log(potentials), bath.density], axis=1)),
        response=table(chemistry.response),
        density=table(chemistry.density),
        energy=table(chemistry.energy),
        middle=table(np.concatenate([duration[:, None], np.log(rates), *share], axis=1)),
    )


class Resonant(NamedTuple):
    """What mixing makes.

    Attributes
    ----------
    f : (2, n) occupation of N and of Nbar, means over cells.
    temperature_gev : (t + 1,) ends of steps, falling.
    asymmetry : (t + 1, 3) n_L/T^3 of each flavour.
    asymmetry_yield : (t + 1,) n_L/s of the flavour that mixes.
    yield_n : (t + 1, 2) n/s of N and of Nbar.
    missed : how far, at most, what a step leaves of the asymmetry is from what it was made with,
        over the largest asymmetry.
    jump : the largest change of the asymmetry within a step, over the largest at the start.
    """

    f: Array
    temperature_gev: Array
    asymmetry: Array
    asymmetry_yield: Array
    yield_n: Array
    missed: Array
    jump: Array


class _Pace(NamedTuple):
    """How the asymmetry moves.

    Attributes
    ----------
    change, step : of the asymmetry that steps are made with, over the last one, and its length in
        ln T.
    slope : of the rate of change.
    response : change of what a step gains with the asymmetry at its end, per unit of its length.
    potential : the asymmetry's share of V_L at the start of the last one.
    swings : whether L has overshot what it is held at.
    """

    change: Array
    step: Array
    slope: Array
    response: Array
    potential: Array
    swings: Array


class _End(NamedTuple):
    """One end of a step: distance from resonance at edges (2, n + 1), and scalars."""

    distance: Array
    asymmetry_potential: Array
    chemical_potential: Array
    extra: Array


def _density_of_steps(log_temperature):
    low, high = (math.log(edge) for edge in _DENSE_GEV)
    core = jnp.tanh((log_temperature - low) / _JOINT) - jnp.tanh((log_temperature - high) / _JOINT)
    return 1.0 / _WIDER + (1.0 - 1.0 / _WIDER) * 0.5 * core


def _left(log_temperature):
    """Integral of the density of steps from ln T to the end."""

    def log_cosh(x, edge):
        z = (x - math.log(edge)) / _JOINT
        return _JOINT * jnp.logaddexp(z, -z)

    def primitive(x):
        core = log_cosh(x, _DENSE_GEV[0]) - log_cosh(x, _DENSE_GEV[1])
        return x / _WIDER + (1.0 - 1.0 / _WIDER) * 0.5 * core

    return primitive(log_temperature) - primitive(math.log(END_GEV))


def evolve(model, at: Clock, steps: int, cells: int) -> Resonant:
    """Solve :class:`sterile.mixing.ShiFuller` in a number of steps."""
    own = FLAVOURS.index(model.flavour)
    q, log_step = momenta(cells)
    q_edges = momentum_edges(cells)
    weights = YIELD_PER_NUMBER * q**3 * log_step
    mass_squared = (model.mass_kev * _KEV_GEV) ** 2
    mixing, cosine = model.sin2_2theta, jnp.sqrt(1.0 - model.sin2_2theta)
    x_start, x_end = math.log(START_GEV), math.log(END_GEV)
    start = model.asymmetries() / (_ENTROPY * jnp.exp(at.ends(x_start)[0]))
    sign = np.array([[1.0], [-1.0]])
    longest = _SPARE * _left(x_start) / steps

    def ratio(log_g_s):
        return jnp.exp((log_g_s - math.log(ENTROPY_DEGREES_OF_FREEDOM_TODAY)) / 3.0)

    def chemistry(x, log_g_s, asymmetry):
        asymmetries = start.at[own].set(asymmetry) * (_ENTROPY * jnp.exp(log_g_s))
        parts = Redistribution(at.response(x), at.density(x), at.energy(x))
        return equilibrium(parts, asymmetries)

    def end(x, asymmetry):
        log_g_s, thermal, lepton, density = at.ends(x)
        found = chemistry(x, log_g_s, asymmetry)
        y = ratio(log_g_s) * q_edges
        strength = jnp.exp(lepton) * found.potential[own] / mass_squared
        common = cosine + y**2 * (jnp.exp(thermal) / mass_squared)
        return _End(
            common[None, :] - sign * (y * strength)[None, :],
            found.potential[own],
            found.neutrino[own],
            found.extra_density / density,
        )

    def convert(f, x, step, before, after):
        """Occupations (2, n) after a step in the middle of which ln T is ``x``."""
        log_duration, *_ = middle = at.middle(x)
        rate = jnp.exp(middle[1 : cells + 1])
        if middle.size > cells + 1:
            rate = with_factors(model, rate, rate * middle[cells + 1 :])
        y = ratio(at.ends(x)[0]) * q
        damping = rate * y * jnp.exp(2.0 * x) / mass_squared
        spread = jnp.sqrt(mixing + damping**2)
        mean = mean_lorentzian(
            before.distance[:, :-1],
            before.distance[:, 1:],
            after.distance[:, :-1],
            after.distance[:, 1:],
            jnp.broadcast_to(spread, (2, cells)),
        )
        faster = jnp.sqrt(1.0 + 0.5 * (before.extra + after.extra))
        depth = (
            (0.25 * jnp.exp(log_duration) * step / faster)
            * (rate * mixing / spread)[None, :]
            * mean
        )
        potential = 0.5 * (before.chemical_potential + after.chemical_potential)
        active = 1.0 / (jnp.exp(jnp.minimum(y[None, :] - sign * potential, 700.0)) + 1.0)
        return f - (active - f) * jnp.expm1(-depth)

    smallest = _SMALLEST**2 * jnp.sum(model.asymmetries() ** 2) + 1e-60
    largest = jnp.sqrt(jnp.sum(start**2) + 1e-60)

    def advance(carry, steps_left):
        f, x, asymmetry, taken_for, pace, runaway, before = carry
        # where V_L has run away so often that too few steps are left, longer ones, rounded off
        short = _left(x) / steps_left - longest
        short = 0.5 * (short + jnp.sqrt(short**2 + (_AT_REST * longest) ** 2))
        step = (longest / (1.0 + _RUNAWAY * runaway) + short) / _density_of_steps(x)
        step = jnp.minimum(step, x - x_end)

        def attempt(taken_for):
            after = end(x - step, taken_for)
            made = convert(f, x - 0.5 * step, step, before, after)
            difference = (made - f)[0] - (made - f)[1]
            return Trial(taken_for, asymmetry - jnp.sum(weights * difference), (made, after))

        between = 0.5 * (step + pace.step)
        guess = taken_for + step * (pace.change / pace.step + pace.slope * between)
        found, response, missed = balanced(attempt, guess, asymmetry, pace.response * step, largest)
        # what the next step begins with is what this one was made with: no momentum is crossed
        # twice or left out
        made, after = found.made
        potential, earlier = after.asymmetry_potential, pace.potential
        size = jnp.sqrt(0.5 * (potential**2 + earlier**2) + smallest)
        moving = step > 0.0
        taken = jnp.where(moving, step, pace.step)
        # over two steps: where L is held at what it leaves, it swings about that from step to step
        rate = (potential - earlier) / (size * (taken + pace.step))
        rate = jnp.sqrt(rate**2 + _AT_REST**2)
        # lengths that follow swings are chaotic: derivatives are those at fixed steps from there on
        swings = pace.swings | (response < _SWINGING)
        rate = jnp.where(swings, jax.lax.stop_gradient(rate), rate)
        change = found.at - taken_for
        slope = (change / taken - pace.change / pace.step) / between
        pace = _Pace(change, taken, slope, response / taken, before.asymmetry_potential, swings)
        x = x - step
        carry = made, x, found.left, found.at, pace, rate, after
        return carry, (x, found.left, made @ weights, missed)

    zero = jnp.zeros(())
    first = end(x_start, start[own])
    initial = (
        jnp.zeros((2, cells)),
        jnp.asarray(x_start),
        start[own],
        start[own],
        _Pace(zero, longest, zero, zero, first.asymmetry_potential, zero > 0.0),
        zero,
        first,
    )
    (f, *_), (x, asymmetry, yields, missed) = jax.lax.scan(
        jax.checkpoint(advance), initial, jnp.arange(steps, 0, -1.0)
    )
    x = jnp.concatenate([jnp.full(1, x_start), x])
    asymmetry = jnp.concatenate([start[own][None], asymmetry])
    history = jnp.broadcast_to(start, (asymmetry.size, 3)).at[:, own].set(asymmetry)
    log_g_s = jax.vmap(at.ends)(x)[:, 0]
    return Resonant(
        f=f,
        temperature_gev=jnp.exp(x),
        asymmetry=history * (_ENTROPY * jnp.exp(log_g_s))[:, None],
        asymmetry_yield=asymmetry,
        yield_n=jnp.concatenate([jnp.zeros((1, 2)), yields]),
        missed=jnp.max(missed),
        jump=jnp.max(jnp.abs(jnp.diff(asymmetry))) / largest,
    )
