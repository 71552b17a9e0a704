"""The spectrum of N with Pauli blocking and inverse decays, along the path of each momentum.

A neutrino of comoving momentum q, n = F_N per helicity state, obeys

    dn/dx = A - B n,    A = a <1 - n'>,    B = a <1 - n' + s n'/f>,    a = 2 m_S Gamma G/(g H p^2),

where <.> averages over dE f above E_min and n' belongs to its partner at E - p. a is the decay
integral of :mod:`sterile.scalar.decay_products`, with all its sharpness; the averages vary slowly,
and come from f_S and n on the lattice. A <= B, so n <= 1. In theta the path runs from theta > 0,
the faster daughter, p = (E_min + w)/2, through theta = 0 to theta < 0, the slower one.
"""

import jax
import jax.numpy as jnp
import numpy as np

from spectra.numerics import lagrange
from sterile.bath import expansion as bath
from sterile.models import HELICITY_STATES, Plasma
from sterile.scalar.amplitudes import scalar_decay_width_gev
from sterile.scalar.collisions import energy
from sterile.scalar.decay_products import (
    decay_angles,
    decay_spectrum,
    interpolate,
    log_rate_table,
    refinement,
)
from sterile.scalar.rates import prompt_width_gev

_TINY = 1e-140  # its square, in derivatives, does not underflow
_NODES = 640  # on either side of theta = 0
_NONE = -600.0  # ln of an occupation that does not matter


def neutrino_spectrum(history, model, plasma: Plasma, grid, q, clock_end):
    """F_N(q), summed over helicities; as :func:`sterile.scalar.decay_products.decay_spectrum`.

    With ``plasma.inverse_decays``, blocked and with N N -> S.
    """
    if not plasma.inverse_decays:
        return decay_spectrum(history, model, grid, q, clock_end)
    states = HELICITY_STATES[model.neutrino]
    log_q, table = log_rate_table(history, model, grid)
    width = scalar_decay_width_gev(model.scalar_mass_gev, model.yukawa, model.neutrino)
    hubble = bath.hubble_gev(history.temperature_gev, plasma)
    table = table + jnp.log(prompt_width_gev(width, hubble) / width)[:, None]
    refine = refinement(grid)
    below = np.flatnonzero(refine[:, 0] == 1.0)[-1]  # the row of the lattice's first node
    refine[:below] = refine[below]  # constant below the lattice
    stimulated = plasma.bath_statistics == "quantum"

    def side(sign):
        theta, weight, log_w, x = decay_angles(history, model, grid, q, clock_end, sign, _NODES)
        kept, removed = jax.lax.map(
            lambda row: _averages(model, grid, refine[below:], sign, stimulated, *row),
            (history.clock, history.f, history.occupation),
        )
        # whole weights at the ends too: intervals between nodes are what is summed
        weight = weight.at[:, np.array([0, -1])].multiply(2.0)
        unit = weight * jnp.exp(-2.0 * theta) * 4.0 / (states * model.scalar_mass_gev**2)

        def rate(log_average):
            full = table + log_average @ refine.T
            return unit * jnp.exp(interpolate(history, model, grid, log_q, full, log_w + x, x))

        return rate(jnp.log(kept)), rate(jnp.log(removed))

    # in the order of time: theta > 0 from far to near, then theta < 0
    n = jnp.zeros_like(q)
    for sign, order in ((1.0, -1), (-1.0, 1)):
        n = _advance(n, *(rate[:, ::order] for rate in side(sign)))
    return states * jnp.minimum(n, 1.0)


def _averages(model, grid, refine, sign, stimulated, clock, f, occupation):
    """<1 - n'> and <1 - n' + s n'/f> at w = each lattice momentum, (n,) each, at one time."""
    mass = model.scalar_mass_gev
    # scalars on a finer lattice: f falls by factors from node to node
    fine = grid.log_q[0] + grid.log_step * np.linspace(0.0, grid.momenta - 1.0, refine.shape[0])
    f = jnp.exp(refine @ jnp.log(jnp.maximum(f, 1e-290)))
    p = jnp.exp(fine - clock)
    e = energy(p, mass)
    parts = (refine.shape[0] - 1) // (grid.momenta - 1)
    fast = 0.5 * (e + p)[::parts]
    own = fast if sign > 0 else 0.25 * mass**2 / fast
    partner = e[None, :] - own[:, None]  # of daughters at w = p_i from scalars at p_j > p_i
    distance = np.arange(refine.shape[0]) - parts * np.arange(grid.momenta)[:, None]
    above = np.where(distance > 0, 1.0, np.where(distance == 0, 0.5, 0.0))
    log_n = jnp.log(jnp.maximum(occupation, jnp.exp(_NONE)))
    position = jnp.log(jnp.maximum(partner, 1e-300)) + clock
    position = (position - grid.log_q[0]) / grid.log_step
    inside = position <= grid.momenta - 1.0
    position = jnp.clip(position, 0.0, grid.momenta - 1.0)
    first = jnp.clip(jnp.floor(position).astype(jnp.int32) - 1, 0, grid.momenta - 4)
    line = sum(
        c * log_n[first + j] for j, c in enumerate(lagrange(position - first.astype(float), 4))
    )
    n = jnp.exp(jnp.where(inside, jnp.minimum(line, 0.0), _NONE))
    weight = above * (p**2 / e)[None, :]
    total = jnp.maximum(weight @ f, _TINY)
    blocked = (weight * n) @ f / total
    returned = jnp.sum(weight * n, axis=1)
    if stimulated:
        returned = returned + blocked * total
    kept = jnp.maximum(1.0 - blocked, 1e-30)
    return kept, kept + returned / total


def _advance(n, gain, loss):
    """n after dn = gain - loss n over the nodes of one side, in time order; (q,) and (q, nodes)."""
    gain_left, gain_right = gain[:, :-1], gain[:, 1:]
    loss_left, loss_right = loss[:, :-1], loss[:, 1:]
    depth = 0.5 * (loss_left + loss_right)
    thick = depth > 1e-6
    safe = jnp.where(thick, depth, 1.0)
    gone = -jnp.expm1(-safe)
    # gain/loss runs linearly in depth from one end of an interval to the other
    end = jnp.where(thick, 1.0 - gone / safe, 0.5 * depth)
    start = jnp.where(thick, gone / safe - 1.0 + gone, 0.5 * depth)

    def ratio(gain, loss):
        """Gain over the interval's loss where that is thin, over the loss there where thick."""
        mean = depth * (1.0 + loss) / (1.0 + depth)
        return gain / jnp.maximum(mean, _TINY)

    made = end * ratio(gain_right, loss_right) + start * ratio(gain_left, loss_left)
    later = jnp.cumsum(depth[:, ::-1], axis=1)[:, ::-1]
    return n * jnp.exp(-later[:, 0]) + jnp.sum(made * jnp.exp(depth - later), axis=1)
