"""Dark matter as a few shells of one speed each, by Gauss's rule for its own particles.

The response of matter to particles is a smooth function of their speed. A rule made for the
particles themselves (Golub & Welsch 1969, Math. Comp. 23, 221) takes a third of the shells that an
even spacing takes. What is exact for polynomials is taken in a power of the speed: slow particles
beside fast ones have shells of their own then.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from spectra.linear.deposit import VelocityGrid, ln_u_of, velocity_points

# 12 are enough for a relic, to 1e-5 of T^2, and 20 for a log-normal of width 1.5 in ln q, to 6e-4
# (docs/hot.md)
SHELLS = 20
_POWER = 1.0 / 3.0
# nodes are those of particles whose ln u is blurred by two cells of the drive's grid (0.08): a line
# has all of its shells beside it then, and a derivative across it is one of a smooth function
_BLUR = np.exp(-0.5 * (np.arange(-12.0, 13.0) / 2.0) ** 2)
_INSIDE = _BLUR.size // 2
_FEWEST = 4096  # points, some of them empty
_NARROWEST = 1e-3  # between neighbouring shells, of the mean, where there are no particles at all


class Particles(eqx.Module):
    """Dark matter as points.

    Attributes
    ----------
    ln_u : (n,) ln of u = q/m; share : (n,) of omega_dm at each.
    grid_ln_u, grid_share : (ny,) the same on an even grid, about: where shells are to be.
    """

    ln_u: Array
    share: Array
    grid_ln_u: Array
    grid_share: Array


class Shells(eqx.Module):
    """Dark matter by its speed: arguments of ``matter_growth``.

    Attributes
    ----------
    speed : (nu,) u = q/m; number : (nu,) share of omega_dm; gradient : (nu,) d number / d ln u less
        three times itself.
    """

    speed: Array
    number: Array
    gradient: Array


def particles_of(
    species, shares: Array, number: Array, gone: Array, grid: VelocityGrid
) -> Particles:
    """All particles of several species, whose ``shares`` (ns,) of omega_dm are given.

    ``number`` (ny,): their histogram on a grid of ln u; ``gone``: share of omega_dm above it. What
    is beyond either end counts as what is there: at no wavenumber that is solved for do the slower
    stream, or the faster cluster. Points are filled up with empty ones to a power of two: tables
    of many lengths give few shapes.
    """
    points = [velocity_points(dm, grid) for dm in species]
    ln_u = jnp.concatenate([ln_u for ln_u, _ in points])
    given = jnp.concatenate([share * each for share, (_, each) in zip(shares, points)])
    # as far from the ends as the blur reaches
    inner, ends = number[_INSIDE:-_INSIDE], (number[:_INSIDE], number[-_INSIDE:])
    below, above = jnp.sum(ends[0]), jnp.sum(ends[1]) + gone
    inner = jnp.pad(inner.at[0].add(below).at[-1].add(above), _INSIDE)
    blurred = jnp.convolve(jax.lax.stop_gradient(inner), jnp.asarray(_BLUR), mode="same")
    empty = (0, max(_FEWEST, 1 << (ln_u.shape[0] - 1).bit_length()) - ln_u.shape[0])
    ln_u, given = jnp.pad(ln_u, empty), jnp.pad(given, empty)
    grid_ln_u = ln_u_of(grid)
    # polynomials made for what is on the grid grow without bound outside
    ln_u = jnp.clip(ln_u, grid_ln_u[_INSIDE], grid_ln_u[-_INSIDE - 1])
    return Particles(ln_u, given, grid_ln_u, jnp.maximum(blurred, 0.0))


def shells_of(particles: Particles) -> Shells:
    """Shells whose sums over polynomials of degree ``SHELLS`` - 1 are those over the particles.

    Of the polynomial's derivative along ln u too. Derivatives are those of the sums: shells move
    with the mean of all particles, and relative to it they stay where they are.
    """
    x, share = jnp.exp(_POWER * particles.ln_u), particles.share
    total = jnp.sum(share)
    some = total > 0.0
    mean = jnp.where(some, jnp.sum(share * x) / jnp.where(some, total, 1.0), 1.0)
    where = jnp.exp(_POWER * particles.grid_ln_u) / mean
    given = jax.lax.stop_gradient((where, particles.grid_share))
    centre, beside = _recurrence(*given)
    between = jnp.diag(beside[:-1], 1)
    nodes, vectors = jnp.linalg.eigh(jnp.diag(centre) + between + between.T)

    # Lagrange's basis at the nodes is vectors[0] * sum_k p_k(x) vectors[k]
    def summed(polynomials, weights):
        return vectors[0] * ((polynomials @ weights) @ vectors)

    number = summed(_polynomials(x / mean, centre, beside), share)
    ones = jnp.ones_like(nodes)
    _, slopes = jax.jvp(lambda x: _polynomials(x, centre, beside), (nodes,), (ones,))
    along = summed(slopes, number * _POWER * nodes)
    return Shells((mean * nodes) ** (1.0 / _POWER), number, -along - 3.0 * number)


def sums_error(particles: Particles, shells: Shells, crossed: Array) -> Array:
    """How well shells stand for particles, a share of omega_dm: the largest difference, scalar.

    Of sums over what matter does to free particles, about: 1 / (1 + (k u D)^2), with ``crossed``
    (n,) = k D, wavenumbers times the distance that u = 1 goes.
    """
    felt = 1.0 / (1.0 + (crossed[:, None] * jnp.exp(particles.ln_u)[None]) ** 2) @ particles.share
    of_shells = 1.0 / (1.0 + (crossed[:, None] * shells.speed[None]) ** 2) @ shells.number
    return jnp.max(jnp.abs(of_shells - felt))


def _recurrence(x: Array, weight: Array) -> tuple[Array, Array]:
    """Of orthogonal polynomials for ``weight`` (n,) at ``x`` (n,), about one: (nu,) each.

    By Lanczos' iteration, every vector made orthogonal to all before it, twice.
    """
    first = jnp.sqrt(weight / jnp.maximum(jnp.sum(weight), jnp.finfo(float).tiny))

    def one(carry, index):
        kept, vector = carry
        kept = kept.at[index].set(vector)
        turned = x * vector
        # where there are no particles a vector is zero, and its centre one
        centre = vector @ turned + 1.0 - vector @ vector
        for _ in range(2):
            turned = turned - (kept @ turned) @ kept
        length = jnp.sqrt(turned @ turned)
        beside = jnp.maximum(length, _NARROWEST)
        vector = jnp.where(length < _NARROWEST, 0.0, turned / beside)
        return (kept, vector), (centre, beside)

    begun = jnp.zeros((SHELLS, x.shape[0])), first
    return jax.lax.scan(one, begun, np.arange(SHELLS))[1]


def _polynomials(x: Array, centre: Array, beside: Array) -> Array:
    """Orthogonal polynomials p_0 = 1, p_1, ... at ``x`` (n,); (nu, n)."""

    def one(carry, coefficients):
        now, before, last = carry
        centre, beside = coefficients
        after = ((x - centre) * now - last * before) / beside
        return (after, now, beside), now

    begun = jnp.ones_like(x), jnp.zeros_like(x), jnp.zeros(())
    return jax.lax.scan(one, begun, (centre, beside))[1]
