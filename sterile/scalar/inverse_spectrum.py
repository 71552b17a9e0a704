"""The spectrum of N with Pauli blocking and inverse decays, along the path of each momentum.

A neutrino of comoving momentum q, n = F_N per helicity state, obeys

    dn/dx = A - B n,    A = a <1 - n'>,    B = a <1 - n' + s n'/f>,    a = 2 m_S Gamma G/(g H p^2),

where <.> averages over dE f above E_min and n' belongs to its partner at E - p. a is the decay
integral of :mod:`sterile.scalar.decay_products`, with all its sharpness; the averages vary slowly,
and come from f_S and n on the lattice. Partners of fast N are slow, and within one cell of scalars'
momenta n' falls by powers of ten: its integral is taken over their own energies. A <= B, so n <= 1.
In theta the path runs from theta > 0, the faster daughter, p = (E_min + w)/2, through theta = 0 to
theta < 0, the slower one.
"""

import jax
import jax.numpy as jnp
import numpy as np

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
_RING = 0.1  # how far ln n between two nodes may lie beyond them


def neutrino_spectrum(history, model, plasma: Plasma, grid, q, clock_end):
    """F_N(q), summed over helicities; as :func:`sterile.scalar.decay_products.decay_spectrum`.

    With ``plasma.inverse_decays``, blocked and with N N -> S.
    """
    if not plasma.inverse_decays:
        return decay_spectrum(history, model, grid, q, clock_end)
    states = HELICITY_STATES[model.neutrino]
    log_q, table = log_rate_table(history, model, grid)
    width = scalar_decay_width_gev(model.scalar_mass_gev, model.yukawa, model.neutrino)
    refine = refinement(grid)
    below = np.flatnonzero(refine[:, 0] == 1.0)[-1]  # the row of the lattice's first node
    refine[:below] = refine[below]  # constant below the lattice
    parts = (refine.shape[0] - 1 - below) // (grid.momenta - 1)
    per_rate = history.hubble_gev / (2.0 * model.scalar_mass_gev * width)
    scalars = jnp.exp(table[:, below::parts]) * per_rate[:, None]  # integral of f dE [GeV]
    hubble = bath.hubble_gev(history.temperature_gev, plasma)
    table = table + jnp.log(prompt_width_gev(width, hubble) / width)[:, None]
    stimulated = plasma.bath_statistics == "quantum"

    def side(sign):
        theta, weight, log_w, x = decay_angles(history, model, grid, q, clock_end, sign, _NODES)
        kept, removed = jax.lax.map(
            lambda row: _averages(model, grid, refine[below:], sign, stimulated, *row),
            (history.clock, history.f, history.occupation, scalars),
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


def _averages(model, grid, refine, sign, stimulated, clock, f, occupation, scalars):
    """<1 - n'> and <1 - n' + s n'/f> at w = each lattice momentum, (n,) each, at one time.

    ``scalars``: integral of f dE above each, (n,) [GeV].
    """
    mass = model.scalar_mass_gev
    # scalars on a finer lattice: f falls by factors from node to node
    parts = (refine.shape[0] - 1) // (grid.momenta - 1)
    step = grid.log_step / parts
    fine = grid.log_q[0] + step * np.arange(refine.shape[0])
    f = jnp.exp(refine @ jnp.log(jnp.maximum(f, 1e-290)))
    p = jnp.exp(fine - clock)
    e = energy(p, mass)
    fast = 0.5 * (e + p)[::parts]
    own = fast if sign > 0 else 0.25 * mass**2 / fast
    partner = e[None, :] - own[:, None]  # of daughters at w = p_i from scalars at p_j > p_i
    log_n = _refined(jnp.log(jnp.maximum(occupation, jnp.exp(_NONE))), refine, parts)
    above = _above(log_n, fine - clock, step, partner)
    returned = above[np.arange(grid.momenta), parts * np.arange(grid.momenta)]
    # cell by cell: n' integrated, f at its mean
    inside = np.arange(refine.shape[0] - 1) >= parts * np.arange(grid.momenta)[:, None]
    mean = 0.5 * (f[1:] + f[:-1])
    total = jnp.maximum(inside.astype(float) @ (mean * jnp.diff(e)), _TINY)
    blocked = jnp.where(inside, above[:, :-1] - above[:, 1:], 0.0) @ mean / total
    scalars = jnp.maximum(scalars, _TINY)
    if stimulated:
        returned = returned + blocked * scalars
    kept = jnp.clip(1.0 - blocked, 1e-30, 1.0)
    return kept, kept + returned / scalars


def _refined(log_n, refine, parts):
    """ln n on the finer lattice, near what its neighbours are: it must not ring beside nothing."""
    left = np.clip(np.arange(refine.shape[0]) // parts, 0, log_n.shape[0] - 2)
    low, high = (pick(log_n[left], log_n[left + 1]) for pick in (jnp.minimum, jnp.maximum))
    return jnp.minimum(jnp.clip(refine @ log_n, low - _RING, high + _RING), 0.0)


def _above(log_n, log_k, step, at):
    """Integral of n dk above k = ``at`` [GeV], any shape; ln n and ln k, (m,), ``step`` apart.

    A power of k between nodes, constant below them, nothing above.
    """
    log_full = log_n + log_k
    full = jnp.exp(log_full)
    rise = jnp.diff(log_full)
    flat = jnp.abs(rise) < 1e-6
    slope = jnp.where(flat, 1.0, rise)
    cells = step * jnp.where(flat, full[:-1], jnp.diff(full) / slope)
    nodes = jnp.append(jnp.cumsum(cells[::-1])[::-1], 0.0)
    position = (jnp.log(jnp.maximum(at, 1e-300)) - log_k[0]) / step
    inner = jnp.clip(position, 0.0, cells.shape[0] * 1.0)
    first = jnp.clip(jnp.floor(inner).astype(jnp.int32), 0, cells.shape[0] - 1)
    offset = inner - first.astype(float)
    here = jnp.exp(log_full[first] + rise[first] * offset)
    part = jnp.where(
        flat[first], full[first] * (1.0 - offset), (full[first + 1] - here) / slope[first]
    )
    lowest = jnp.exp(log_k[0])
    return nodes[first + 1] + step * part + jnp.exp(log_n[0]) * jnp.maximum(lowest - at, 0.0)


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
