"""Entropy released by a particle X that decays out of equilibrium, and what it makes of N.

X is cold, with a yield Y_X = n_X/s before its decay, mass M and width Gamma; a fraction B of its
decays is X -> N N, the rest heats the bath. In N = ln a,

    d ln(rho_X a^3)/dN = -Gamma/H,    d ln(s a^3)/dN = (1 - B) Gamma rho_X/(H T s),
    d(rho_N a^4)/dN = B Gamma rho_X a^4/H,    H^2 = (rho_SM + rho_X + rho_N)/(3 M_pl^2)

(Scherrer & Turner 1985). S = (s a^3)_after/(s a^3)_before, in the limit of a sudden reversal

    S = [1 + 2.95 (2 pi^2 g/45)^(1/3) (M Y_X)^(4/3)/(M_Pl Gamma)^(2/3)]^(3/4)

(Nemevsek, Senjanovic & Zhang 1205.0844; Bezrukov, Hettmansperger & Lindner 0912.4415). Neutrinos
of a decay at scale factor a have p = M/2 there: with q = p/T_gamma today,

    F(q) = 4 pi^2 B (Gamma/H) n_X a^3/q^3    in units of T_gamma today.
"""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from spectra.constants import ENTROPY_DEGREES_OF_FREEDOM_TODAY, REDUCED_PLANCK_MASS_GEV
from spectra.numerics import interpolate
from sterile.bath import expansion
from sterile.bath import thermodynamics as bath

STEPS = 1000
_EARLY = 1e3  # T/T_RH at the start: Gamma/H is below 1e-6
_LATE = 3.0  # e-folds after Gamma = H: Gamma t is above 100
_ENTROPY = 2.0 * math.pi**2 / 45.0 * ENTROPY_DEGREES_OF_FREEDOM_TODAY  # s/a_T^3


class Release(eqx.Module):
    """What the decay of X did.

    Attributes
    ----------
    dilution : S, scalar.
    reheating_temperature_gev : T at which H of radiation is Gamma, scalar.
    temperature_gev : (t,) photon temperature, from before the decay to after it.
    growth : (t,) (s a^3)/(s a^3)_before.
    hot_yield : (t,) n/s of the neutrinos from X -> N N.
    log_q, log_f : (t,) ln q and ln F of those neutrinos, ordered by q.
    """

    dilution: Array
    reheating_temperature_gev: Array
    temperature_gev: Array
    growth: Array
    hot_yield: Array
    log_q: Array
    log_f: Array


def release(
    mass_gev, width_gev, parent_yield, branching=0.0, constant_g=None, steps: int = STEPS
) -> Release:
    """Solve for the decay of X; works under jit, vmap and grad.

    Parameters
    ----------
    mass_gev, width_gev : M and Gamma of X [GeV], scalars.
    parent_yield : Y_X = n_X/s before the decay, all spin states, scalar.
    branching : B of X -> N N, scalar.
    constant_g : as in :func:`sterile.bath.thermodynamics.g_rho`.
    steps : of the solution, static; fourth order.
    """
    reheating = expansion.reheating_temperature_gev(width_gev, constant_g)
    start = bath.comoving_temperature_gev(_EARLY * reheating, constant_g)
    number = parent_yield * _ENTROPY * start**3  # n_X at a = 1
    density = mass_gev * number
    target = bath.energy_density_gev4(reheating, constant_g)
    radiation = jnp.log(start / bath.comoving_temperature_gev(reheating, constant_g))
    span = jnp.maximum(radiation, jnp.log(density / target) / 3.0) + _LATE
    step = span / steps

    def rates(n, state):
        """(d ln(rho_X a^3), d ln(s a^3), d(rho_N a^4))/dN and ln(Gamma/H), T."""
        left, entropy, hot = state
        comoving = start * jnp.exp(entropy / 3.0 - n)
        temperature = bath.temperature_of_comoving_gev(comoving, constant_g)
        parent = density * jnp.exp(left - 3.0 * n)
        total = bath.energy_density_gev4(temperature, constant_g) + parent + hot * jnp.exp(-4.0 * n)
        hubble = jnp.sqrt(total / 3.0) / REDUCED_PLANCK_MASS_GEV
        decay = width_gev / hubble
        heat = decay * parent
        gain = (1.0 - branching) * heat / (temperature * _ENTROPY * comoving**3)
        flow = (-decay, gain, branching * heat * jnp.exp(4.0 * n))
        return flow, jnp.log(decay), temperature

    def advance(state, index):
        n = step * index
        first, log_decay, temperature = rates(n, state)

        def moved(flow, by):
            return jax.tree.map(lambda x, slope: x + by * slope, state, flow)

        second, _, _ = rates(n + 0.5 * step, moved(first, 0.5 * step))
        third, _, _ = rates(n + 0.5 * step, moved(second, 0.5 * step))
        fourth, _, _ = rates(n + step, moved(third, step))
        flow = jax.tree.map(
            lambda a, b, c, d: (a + 2.0 * b + 2.0 * c + d) / 6.0, first, second, third, fourth
        )
        return moved(flow, step), (*state, log_decay, temperature)

    zero = jnp.zeros_like(span)
    last, kept = jax.lax.scan(advance, (zero, zero, zero), np.arange(steps, dtype=float))
    _, log_decay, temperature = rates(span, last)
    left, entropy, _, log_decay, temperature = (
        jnp.append(column, end) for column, end in zip(kept, (*last, log_decay, temperature))
    )
    n = step * np.arange(steps + 1.0)
    # a_T a stays at start e^(entropy/3) after the decay
    log_final = jnp.log(start) + entropy[-1] / 3.0
    log_q = jnp.log(0.5 * mass_gev) + n - log_final
    made = jnp.log(number) - 3.0 * log_final  # n_X a^3 in units of T_gamma today
    log_f = jnp.log(4.0 * math.pi**2 * jnp.maximum(branching, 1e-300)) + made
    growth = jnp.exp(entropy)
    return Release(
        dilution=growth[-1],
        reheating_temperature_gev=reheating,
        temperature_gev=temperature,
        growth=growth,
        hot_yield=2.0 * branching * parent_yield * -jnp.expm1(left) / growth,
        log_q=log_q,
        log_f=log_f + log_decay + left - 3.0 * log_q,
    )


def hot_spectrum(release: Release, q: Array) -> Array:
    """F(q) of the neutrinos from X -> N N, (n,): a power law below the first decays solved for."""
    x = jnp.log(q)
    inside = jnp.clip(x, release.log_q[0], release.log_q[-1])
    slope = release.log_f[1] - release.log_f[0]
    slope = slope / (release.log_q[1] - release.log_q[0])
    log_f = interpolate(inside, release.log_q, release.log_f)
    below = jnp.minimum(x - release.log_q[0], 0.0) * slope
    return jnp.where(x > release.log_q[-1], 0.0, jnp.exp(log_f + below))
