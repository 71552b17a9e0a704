"""One implicit step of f_S: the equation of motion, its exact Jacobian and a Rodas5P step."""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from spectra.constants import REDUCED_PLANCK_MASS_GEV
from sterile.scalar.collisions import energy
from sterile.scalar.elastic_scattering import (
    Hops,
    hopping_rates,
    scattering,
    scattering_matrix,
)
from sterile.scalar.rates import (
    DEAD,
    Surroundings,
    blocking_of,
    expansion,
    fastest_rate,
    fullest,
    loss_matrix,
    occupation,
    rates_at,
)
from sterile.scalar.rosenbrock import rodas5p_step

_SWIFT = 1.0  # growth of 1 - u in a step above which it is not resolved
EMPTIEST = 1e-6  # share of a mode that collisions leave it in one step at least


class Fit(NamedTuple):
    """psi = scale exp(-balance (E/T - E_0/T_0) - free (e^{growth shift} - 1)/growth).

    Where S scatters, times exp(-kinetic ((E - m)/T - (E_0 - m)/T_0)).
    """

    scale: Array
    balance: Array
    exponent: Array
    free: Array
    growth: Array
    kinetic: Array | None = None
    kinetic_exponent: Array | None = None


class Stage(NamedTuple):
    """One node of a step with its fit psi: all of d(state)/dx that does not depend on the state."""

    around: Surroundings
    unit: Array  # scale psi, (n,)
    inverse_unit: Array
    drift: Array  # -d ln psi/dx, (n,)
    # sums over f, (3, n): rho_S [GeV^4], decays [GeV], their heat over a_T^4 [GeV]
    sums: Array
    hops: Hops | None


def stage_of(particle, around: Surroundings, fit, yields) -> Stage:
    """The stage at one node."""
    thermal = around.thermal
    log_psi, drift = psi(particle, thermal, fit)
    number = particle.states * particle.log_step * around.momentum_gev**3 / (2.0 * math.pi**2)
    density = number * around.energy_gev
    heat = density * around.decay / thermal.comoving_gev**4
    hops = None if thermal.elastic_gev is None else hopping(particle, thermal, around)
    return Stage(
        around,
        fit.scale * jnp.exp(log_psi),
        jnp.exp(-log_psi) / fit.scale,
        drift,
        jnp.stack([density, yields * around.decay, heat]),
        hops,
    )


def flow(particle, stage: Stage, state, for_matrix=False):
    """d(g, decayed yield, rho_N/a_T^4)/dx.

    ``for_matrix``: with derivatives for a step's matrix, in which a mode that is held at its
    fullest still answers to its hops: fast hops that the matrix does not know swing.
    """
    thermal, g, rest = stage.around.thermal, state[:-2], state[-1]
    u = g * stage.unit
    f = occupation(particle, thermal, u)
    rates = rates_at(particle, stage.around, f)
    scalars, decayed, heating = stage.sums @ f
    density = thermal.density_gev4
    if particle.gravitates:
        density = density + scalars + rest * thermal.comoving_gev**4
    hubble = jnp.sqrt(density / 3.0) / REDUCED_PLANCK_MASS_GEV
    blocking = blocking_of(particle, f)
    net = rates.source * stage.inverse_unit - (rates.loss + rates.decay) * g
    change = blocking * net / hubble + stage.drift * g
    if stage.hops is not None:
        hopping_f = f
        if for_matrix and particle.stimulated:
            held = jax.lax.stop_gradient((1.0 + f) ** 2 * (u >= fullest(particle, thermal)))
            hopping_f = f + held * (u - jax.lax.stop_gradient(u))
        elastic = scattering(stage.hops, hopping_f, particle.stimulated)
        change = change + blocking**2 * elastic / hubble * stage.inverse_unit
    return jnp.concatenate([change, jnp.stack([decayed, heating]) / hubble])


def hopping(particle, thermal, rates):
    """C_el as :func:`sterile.scalar.elastic_scattering.hopping_rates`."""
    bath_hubble = jnp.sqrt(thermal.density_gev4 / 3.0) / REDUCED_PLANCK_MASS_GEV
    fastest = fastest_rate(particle, thermal, 2, 9e6) * bath_hubble
    if particle.stimulated:
        # times 1 + f of the fullest that the lower mode may be
        fastest = fastest * jnp.minimum(32.0 * (1.0 - fullest(particle, thermal)[:-1]), 1.0)
    return hopping_rates(
        rates.momentum_gev,
        particle.mass_gev,
        thermal.temperature_gev,
        thermal.elastic_gev,
        particle.log_step,
        fastest,
    )


def psi(particle, thermal, fit):
    """ln(psi/scale) and -d ln psi/dx, each (n,)."""
    return psi_of_energy(particle, thermal, fit, jnp.exp(particle.log_q) * thermal.comoving_gev)


def psi_of_energy(particle, thermal, fit, p):
    """The same for momenta p [GeV]."""
    e = energy(p, particle.mass_gev)
    exponent = fit.balance * (e / thermal.temperature_gev - fit.exponent)
    swell = jnp.expm1(fit.growth * thermal.shift)
    cooling = (e / thermal.slope - p**2 / e) / thermal.temperature_gev  # d(E/T)/dx
    log_psi = -exponent - fit.free * swell / fit.growth
    drift = fit.balance * cooling + fit.free * (swell + 1.0)
    if fit.kinetic is not None:
        above_rest = (e - particle.mass_gev) / thermal.temperature_gev
        rest_cooling = particle.mass_gev / (thermal.temperature_gev * thermal.slope)
        log_psi = log_psi - fit.kinetic * (above_rest - fit.kinetic_exponent)
        drift = drift + fit.kinetic * (cooling - rest_cooling)
    return log_psi, drift


def follow(particle, thermal, rates, hubble, source, returned, f):
    """The fit of psi to what f is about to do.

    ``source``: what the bath gives [GeV], ``returned``: what comes back from N, each (n,).
    """
    blocking = blocking_of(particle, f)
    # g = 1 at the start: the implicit matrix is then dominated by its diagonal, row by row
    scale = jnp.maximum(f * blocking, DEAD)
    exponent = rates.energy_gev / thermal.temperature_gev
    # the source may lose its sign to interpolation once it is negligible
    production = blocking * jnp.maximum(source, 0.0) / hubble / scale
    balance = production / (production + exponent)
    unbalanced = (source + blocking * returned) / ((rates.loss + rates.decay) * scale)
    unbalanced = jnp.clip(1.0 - unbalanced, 0.0, 1.0)
    if particle.elastic is None:
        # scale is not the size of a mode below DEAD: psi would fall where f follows its source.
        # Where S scatters f follows other modes, and psi is one for all
        unbalanced = jnp.where(f * blocking > DEAD, unbalanced, 0.0)
    # the cap keeps psi from underflowing; faster decay is left to the implicit step
    free = unbalanced * jnp.minimum(blocking * rates.free / hubble, 300.0)
    growth = 2.0 + (rates.momentum_gev / rates.energy_gev) ** 2
    fit = Fit(scale, balance, exponent, free, growth)
    if particle.elastic is None:
        return fit
    hops = hopping(particle, thermal, rates)
    shared = (hops.up + hops.down) / (hops.up + hops.down + hubble)
    number = np.exp(3.0 * particle.log_q) * scale
    number = number / jnp.sum(number)

    def common(own):
        # psi that differed between modes that exchange S would make the exchange rate vary
        return own + shared * (jnp.sum(number * own) - own)

    balance = common(balance)
    exchange = thermal.elastic_gev / (thermal.elastic_gev + hubble)
    return fit._replace(
        balance=balance,
        free=common(free),
        growth=common(growth),
        kinetic=(1.0 - balance) * exchange,
        kinetic_exponent=exponent - particle.mass_gev / thermal.temperature_gev,
    )


def _start_of_step(particle, around: Surroundings, yields, step, f, decayed, rest):
    """The fit psi, the state (g, ...) and the Jacobian at the start of a step.

    It is exact but where a mode far above equilibrium leaves it faster than the step resolves.
    """
    thermal, operator = around.thermal, around.operator
    rates = rates_at(particle, around, f)
    hubble, density, number = expansion(particle, thermal, rates, f, rest)
    blocking = blocking_of(particle, f)
    u = f * blocking
    source = rates.source
    fit = follow(particle, thermal, rates, hubble, source, 0.0, f)
    scale = fit.scale
    g = u / scale
    _, drift = psi(particle, thermal, fit)
    net = source / scale - (rates.loss + rates.decay) * g
    change = blocking * net / hubble
    stretch = scale / blocking**2  # df/dg
    hop_stretch = stretch  # not zero where f is held: see flow
    if particle.stimulated:
        held = u >= fullest(particle, thermal)
        stretch = jnp.where(held, 0.0, stretch)
    yield_row = yields * rates.decay * stretch / hubble
    heat_row = number * rates.energy_gev * rates.decay * stretch
    heat_row = heat_row / (hubble * thermal.comoving_gev**4)
    pull = -g[:, None] * loss_matrix(particle, operator, f)
    diagonal = drift - blocking * (rates.loss + rates.decay) / hubble
    if particle.stimulated:
        gain = rates.equilibrium / scale
        made = gain[:, None] * operator * rates.equilibrium[None, :]
        pull = jnp.expand_dims(blocking, 1) * (pull + made)
        diagonal = diagonal - jnp.where(held, 0.0, net * scale / hubble)
        # f >> 1 that decays is 1 - u that grows: a step that cannot follow it would turn its sign
        diagonal = jnp.where(diagonal * step > _SWIFT, -diagonal, diagonal)
    block = pull * stretch[None, :] / hubble + jnp.diag(diagonal)
    if particle.elastic is not None:
        hops = hopping(particle, thermal, rates)
        weight = blocking**2 / hubble / scale  # dg/df
        elastic = scattering(hops, f, particle.stimulated)
        change = change + weight * elastic
        hop = scattering_matrix(hops, f, particle.stimulated)
        block = block + weight[:, None] * hop * hop_stretch[None, :]
        if particle.stimulated:
            block = block - jnp.diag(2.0 * blocking * elastic / hubble)
    jacobian = jnp.concatenate([block, yield_row[None], heat_row[None]])
    jacobian = jnp.pad(jacobian, ((0, 0), (0, 2)))
    if particle.gravitates:
        lost = blocking * g
        flow = jnp.concatenate(
            [change, jnp.sum(yield_row * lost)[None], jnp.sum(heat_row * lost)[None]]
        )
        gravity = jnp.concatenate(
            [number * rates.energy_gev * stretch, jnp.zeros(1), thermal.comoving_gev[None] ** 4]
        )
        jacobian = jacobian - flow[:, None] * (gravity / (2.0 * density))[None, :]
    return fit, jnp.concatenate([g, decayed[None], rest[None]]), jacobian


def implicit_step(particle, yields, around: Surroundings, slopes: Surroundings, step, carry):
    """One Rodas5P step from (f, decayed, rest).

    ``around``: at the nodes of the step, with a leading axis; ``slopes``: d/dx of it at the first.
    """
    first = jax.tree.map(lambda leaf: leaf[0], around)
    fit, state, jacobian = _start_of_step(particle, first, yields, step, *carry)
    start = state[:-2]
    _, derivative = jax.jvp(
        lambda around: flow(particle, stage_of(particle, around, fit, yields), state),
        (first,),
        (slopes,),
    )
    stages = jax.vmap(lambda around: stage_of(particle, around, fit, yields))(around)
    state = rodas5p_step(
        lambda stage, y: flow(particle, stage, y),
        stages,
        state,
        step,
        jacobian,
        derivative,
    )
    last = jax.tree.map(lambda leaf: leaf[-1], around.thermal)
    # f stays positive wherever it matters; a mode emptied by collisions may overshoot, and one at
    # zero beside full ones leaves the next matrix without digits
    g = jnp.maximum(state[:-2], EMPTIEST * start)
    return occupation(particle, last, g * stages.unit[-1]), state[-2], state[-1]
