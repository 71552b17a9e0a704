"""Expansion with an extra fluid, or a low reheating temperature: H(T), entropy, redshift.

``Plasma`` says what there is besides the Standard Model: a fluid of equation of state w with
rho_x/rho_SM given at a temperature T_x, which may decay from there on with a width Gamma; or a
reheating temperature, below an early era dominated by decaying matter (w = 0). Without either,
every function here is that of :mod:`sterile.bath.thermodynamics`.

A fluid that does not decay leaves entropy in a comoving volume alone: only H changes,

    rho_x = rho_x(T_x) (a_T(T)/a_T(T_x))^(3(1 + w)).

One that decays heats the bath. With N = ln a,

    d ln(rho_x a^(3(1+w)))/dN = -Gamma/H,    d ln(s a^3)/dN = Gamma rho_x/(H T s),

solved once for a table in N. "Comoving temperature" then is c = p/q, proportional to 1/a at all
times and equal to a_T = T (g_s/g_s0)^(1/3) once the entropy has been released: q = p/T_gamma today,
and n/s today is (45/(4 pi^4 g_s0)) integral of q^2 F, whenever the particles were made.

The reheating temperature is that at which H of radiation is Gamma (Giudice, Kolb & Riotto
hep-ph/0005123); before, T ~ a^(-3/8) and H ~ T^4.
"""

import dataclasses
import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from spectra.constants import ENTROPY_DEGREES_OF_FREEDOM_TODAY, REDUCED_PLANCK_MASS_GEV
from sterile.bath import thermodynamics as bath
from sterile.models import Plasma

_STEPS = 3000
_FIRST_GEV = 1e9  # T at which an era of decaying matter is taken up
_LATE = 3.0  # e-folds after Gamma = H: Gamma t is above 100
_ROOT_STEPS = 30
_ENTROPY = 2.0 * math.pi**2 / 45.0 * ENTROPY_DEGREES_OF_FREEDOM_TODAY  # s/a_T^3


class Release(eqx.Module):
    """A decaying fluid's history, on a uniform grid of N = ln a from T_x on.

    Attributes
    ----------
    step : of N, scalar.
    log_comoving : ln c at the first node, scalar; it falls by ``step`` a node.
    log_t, log_t_slope : (n,) ln T and d ln T/dN.
    log_density, log_density_slope : (n,) ln rho_x and its slope.
    power : 3(1 + w), scalar.
    """

    step: Array
    log_comoving: Array
    log_t: Array
    log_t_slope: Array
    log_density: Array
    log_density_slope: Array
    power: Array


def is_standard(plasma: Plasma) -> bool:
    """Whether nothing but the Standard Model expands."""
    return plasma.fluid_density_ratio is None and plasma.reheating_temperature_gev is None


def releases_entropy(plasma: Plasma) -> bool:
    """Whether a fluid decays."""
    return plasma.fluid_width_gev is not None or plasma.reheating_temperature_gev is not None


def reheating_temperature_gev(width_gev, constant_g=None) -> Array:
    """T [GeV] at which H of the bath alone is ``width_gev``; any shape.

    (90/(8 pi^3 g))^(1/4) sqrt(Gamma M_Pl), M_Pl = 1.22e19 GeV, with g at that temperature.
    """
    wanted = jnp.log(width_gev)
    g = 10.75 if constant_g is None else constant_g
    start = jnp.sqrt(width_gev * REDUCED_PLANCK_MASS_GEV * math.sqrt(90.0 / (math.pi**2 * g)))

    def step(log_t, _):
        # H ~ T^2: a contraction, ln g changes by less than 1 in ln T
        hubble = bath.hubble_gev(jnp.exp(log_t), constant_g)
        return log_t + 0.5 * (wanted - jnp.log(hubble)), None

    log_t, _ = jax.lax.scan(step, jnp.log(start), length=_ROOT_STEPS)
    return jnp.exp(log_t)


def tabulated(plasma: Plasma) -> Plasma:
    """The plasma with the history of its decaying fluid solved for, if it has one."""
    if not releases_entropy(plasma) or plasma.release is not None:
        return plasma
    return dataclasses.replace(plasma, release=_solve(plasma))


def _start(plasma: Plasma):
    """T_x, rho_x there [GeV^4], Gamma [GeV] and 3(1 + w)."""
    g = plasma.constant_g
    if plasma.reheating_temperature_gev is None:
        assert plasma.fluid_density_ratio is not None and plasma.fluid_w is not None
        assert plasma.fluid_width_gev is not None
        first = plasma.fluid_temperature_gev
        density = plasma.fluid_density_ratio * bath.energy_density_gev4(first, g)
        return first, density, plasma.fluid_width_gev, 3.0 * (1.0 + plasma.fluid_w)
    first = jnp.asarray(_FIRST_GEV)
    width = bath.hubble_gev(plasma.reheating_temperature_gev, g)
    # where radiation is what decays keep up, rho_SM = (2/5) Gamma rho_x/H
    radiation = bath.energy_density_gev4(first, g)
    root = 2.5 * radiation / (width * math.sqrt(3.0) * REDUCED_PLANCK_MASS_GEV)
    return first, root**2, width, jnp.asarray(3.0)


def end_of_release_gev(plasma: Plasma) -> Array:
    """T [GeV] at which H of radiation is the width of what decays, scalar."""
    if plasma.reheating_temperature_gev is not None:
        return plasma.reheating_temperature_gev
    return reheating_temperature_gev(plasma.fluid_width_gev, plasma.constant_g)


@eqx.filter_jit
def _solve(plasma: Plasma) -> Release:
    g = plasma.constant_g
    first, density, width, power = _start(plasma)
    comoving = bath.comoving_temperature_gev(first, g)
    reheating = reheating_temperature_gev(width, g)
    target = bath.energy_density_gev4(reheating, g)
    radiation = jnp.log(comoving / bath.comoving_temperature_gev(reheating, g))
    span = jnp.maximum(radiation, jnp.log(density / target) / power) + _LATE
    step = span / _STEPS

    def rates(n, left, entropy):
        """d ln(rho_x a^power)/dN, d ln(s a^3)/dN and ln T."""
        at = comoving * jnp.exp(entropy / 3.0 - n)
        temperature = bath.temperature_of_comoving_gev(at, g)
        fluid = density * jnp.exp(left - power * n)
        total = bath.energy_density_gev4(temperature, g) + fluid
        decay = width * math.sqrt(3.0) * REDUCED_PLANCK_MASS_GEV / jnp.sqrt(total)
        return -decay, decay * fluid / (temperature * _ENTROPY * at**3), jnp.log(temperature)

    def advance(state, index):
        n, (left, entropy) = step * index, state
        a, x, log_t = rates(n, left, entropy)
        b, y, _ = rates(n + 0.5 * step, left + 0.5 * step * a, entropy + 0.5 * step * x)
        c, z, _ = rates(n + 0.5 * step, left + 0.5 * step * b, entropy + 0.5 * step * y)
        d, w, _ = rates(n + step, left + step * c, entropy + step * z)
        moved = (
            left + step / 6.0 * (a + 2.0 * b + 2.0 * c + d),
            entropy + step / 6.0 * (x + 2.0 * y + 2.0 * z + w),
        )
        return moved, (left, entropy, a, x, log_t)

    zero = jnp.zeros_like(span)
    end, kept = jax.lax.scan(advance, (zero, zero), np.arange(_STEPS, dtype=float))
    last = (*end, *rates(span, *end))
    left, entropy, decay, heating, log_t = (
        jnp.append(column, value) for column, value in zip(kept, last)
    )
    n = step * np.arange(_STEPS + 1.0)
    slope = bath.comoving_temperature_slope(jnp.exp(log_t), g)
    return Release(
        step=step,
        # c = a_T once all entropy is there
        log_comoving=jnp.log(comoving) + entropy[-1] / 3.0,
        log_t=log_t,
        log_t_slope=(heating / 3.0 - 1.0) / slope,
        log_density=jnp.log(density) + left - power * n,
        log_density_slope=decay - power,
        power=power,
    )


def _hermite(values, slopes, position, step):
    """Cubic through values and slopes at whole positions, and its slope in N."""
    index = jnp.clip(jnp.floor(position).astype(jnp.int32), 0, values.size - 2)
    u = position - index
    left, right = values[index], values[index + 1]
    a, b = step * slopes[index], step * slopes[index + 1]
    change = right - left
    value = left + u * (a + u * (3.0 * change - 2.0 * a - b + u * (a + b - 2.0 * change)))
    slope = a + u * (2.0 * (3.0 * change - 2.0 * a - b) + 3.0 * u * (a + b - 2.0 * change))
    return value, slope / step


def _position(comoving_gev, release: Release):
    """Where c is on the table, in nodes; and whether before it or after it."""
    last = release.log_t.size - 1
    position = (release.log_comoving - jnp.log(comoving_gev)) / release.step
    return jnp.clip(position, 0.0, last), position < 0.0, position > last


def _before(comoving_gev, release: Release, constant_g):
    """T before the table, where c and a_T are in proportion."""
    first = bath.comoving_temperature_gev(jnp.exp(release.log_t[0]), constant_g)
    scaled = comoving_gev * first * jnp.exp(-release.log_comoving)
    return bath.temperature_of_comoving_gev(scaled, constant_g)


def temperature_of_comoving_gev(comoving_gev, plasma: Plasma) -> Array:
    """T [GeV] at the comoving temperature c [GeV]; any shape."""
    release, g = plasma.release, plasma.constant_g
    standard = bath.temperature_of_comoving_gev(comoving_gev, g)
    if release is None:
        return standard
    position, before, after = _position(comoving_gev, release)
    log_t, _ = _hermite(release.log_t, release.log_t_slope, position, release.step)
    during = jnp.where(before, _before(comoving_gev, release, g), jnp.exp(log_t))
    return jnp.where(after, standard, during)


def comoving_temperature_gev(temperature_gev, plasma: Plasma) -> Array:
    """c [GeV] at T [GeV]: p/q of every particle; any shape."""
    release, g = plasma.release, plasma.constant_g
    standard = bath.comoving_temperature_gev(temperature_gev, g)
    if release is None:
        return standard
    log_t = jnp.log(temperature_gev)
    # T falls: Newton from the linear inverse of the table
    falling = -release.log_t
    position = jnp.interp(-log_t, falling, np.arange(falling.size, dtype=float))
    for _ in range(3):
        value, slope = _hermite(release.log_t, release.log_t_slope, position, release.step)
        position = position - (value - log_t) / (slope * release.step)
        position = jnp.clip(position, 0.0, falling.size - 1.0)
    during = jnp.exp(release.log_comoving - release.step * position)
    first = bath.comoving_temperature_gev(jnp.exp(release.log_t[0]), g)
    before = standard / first * jnp.exp(release.log_comoving)
    during = jnp.where(log_t > release.log_t[0], before, during)
    return jnp.where(log_t < release.log_t[-1], standard, during)


def state_of_comoving(comoving_gev, plasma: Plasma) -> tuple[Array, Array, Array]:
    """T [GeV], energy density [GeV^4] and d ln c/d ln T [1] at c [GeV], together; any shape."""
    if is_standard(plasma):
        return bath.state_of_comoving(comoving_gev, plasma.constant_g)
    temperature = temperature_of_comoving_gev(comoving_gev, plasma)
    return (
        temperature,
        energy_density_gev4(temperature, comoving_gev, plasma),
        comoving_temperature_slope(temperature, comoving_gev, plasma),
    )


def fluid_density_gev4(comoving_gev, plasma: Plasma) -> Array:
    """rho_x [GeV^4] of the extra fluid at c [GeV]; any shape."""
    release = plasma.release
    if release is None:
        assert plasma.fluid_density_ratio is not None and plasma.fluid_w is not None
        first = bath.comoving_temperature_gev(plasma.fluid_temperature_gev, plasma.constant_g)
        density = bath.energy_density_gev4(plasma.fluid_temperature_gev, plasma.constant_g)
        power = 3.0 * (1.0 + plasma.fluid_w)
        return plasma.fluid_density_ratio * density * (comoving_gev / first) ** power
    position, before, after = _position(comoving_gev, release)
    log_density, _ = _hermite(
        release.log_density, release.log_density_slope, position, release.step
    )
    growth = jnp.where(before, jnp.log(comoving_gev) - release.log_comoving, 0.0)
    return jnp.where(after, 0.0, jnp.exp(log_density + release.power * growth))


def energy_density_gev4(temperature_gev, comoving_gev, plasma: Plasma) -> Array:
    """Energy density [GeV^4] of the bath and the extra fluid at T and c, both [GeV]."""
    standard = bath.energy_density_gev4(temperature_gev, plasma.constant_g)
    if is_standard(plasma):
        return standard
    return standard + fluid_density_gev4(comoving_gev, plasma)


def hubble_gev(temperature_gev, plasma: Plasma) -> Array:
    """H [GeV] of the bath and the extra fluid at T [GeV]; any shape."""
    if is_standard(plasma):
        return bath.hubble_gev(temperature_gev, plasma.constant_g)
    comoving = comoving_temperature_gev(temperature_gev, plasma)
    density = energy_density_gev4(temperature_gev, comoving, plasma)
    return jnp.sqrt(density / 3.0) / REDUCED_PLANCK_MASS_GEV


def comoving_temperature_slope(temperature_gev, comoving_gev, plasma: Plasma) -> Array:
    """d ln c/d ln T [1] at T and c: dt = -(d ln T/H) times this."""
    release, g = plasma.release, plasma.constant_g
    standard = bath.comoving_temperature_slope(temperature_gev, g)
    if release is None:
        return standard
    position, before, after = _position(comoving_gev, release)
    _, slope = _hermite(release.log_t, release.log_t_slope, position, release.step)
    return jnp.where(before | after, standard, -1.0 / slope)
