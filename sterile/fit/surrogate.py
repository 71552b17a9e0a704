"""A stand-in for the observables of a fit: Gaussian processes through points that were computed.

The processes have a linear trend (universal kriging: Rasmussen & Williams 2006, sections 2.7 and
5.4.1). What is learned are the numbers of :class:`sterile.fit.target.Evaluated`, which are smooth;
priors and likelihoods of those numbers are exact.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array

from sterile.fit.target import WALL, Target, log_density_of

# correlation lengths that are tried, in units of the posterior's widths, times sqrt(d)
_LENGTHS = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
# and variances of noise, in units of the process's: interpolations inside the pipeline have kinks
_NOISES = (1e-9, 1e-6, 1e-3)
# points worse than the best by more than this in log density say nothing about the posterior
_FAR = 100.0
_RIDGE = 1e-12
# eigenvalues of a metric's inverse are held above this: a flat prior's logit has 1.8^-2
_FLATTEST = 2.0**-2


class Surrogate(eqx.Module):
    """Numbers as functions of unbounded coordinates.

    Attributes
    ----------
    centre, whiten : (d,), (d, d): x = whiten (z - centre) are the coordinates of the processes.
    points : (n, d) where the numbers are known, in x. ``used`` : (n,) which of them count.
    weights : (k, n); ``trend`` : (k, d + 1); ``lengths`` : (k,) correlation lengths.
    """

    centre: Array
    whiten: Array
    points: Array
    used: Array
    weights: Array
    trend: Array
    lengths: Array


@jax.jit
def learn(
    z: Array, numbers: Array, log_densities: Array, centre: Array, whiten: Array
) -> Surrogate:
    """The surrogate through known points.

    Parameters
    ----------
    z : (n, d) unbounded coordinates.
    numbers : (n, k) there.
    log_densities : (n,) there; minus infinity for rows that do not count. Rows far below the best
        are left out unless few are left.
    centre, whiten : as of :class:`Surrogate`; the posterior should have unit width in x.

    Lengths and noises are those of the largest restricted likelihood, for each number.
    """
    used = jnp.isfinite(log_densities) & jnp.all(jnp.isfinite(numbers), axis=1)
    ranked = jnp.sort(jnp.where(used, log_densities, -jnp.inf))[::-1]
    enough = min(2 * z.shape[1] + 1, z.shape[0] - 1)
    used &= log_densities >= jnp.minimum(ranked[0] - _FAR, ranked[enough])
    x = jnp.where(used[:, None], (z - centre) @ whiten.T, 0.0)
    values = jnp.where(used[:, None], numbers, 0.0)
    basis = _basis(x) * used[:, None]
    square = jnp.sum((x[:, None] - x) ** 2, axis=-1)
    pairs = used[:, None] & used
    scale = jnp.sqrt(z.shape[1])

    def one(length, noise):
        kernel = jnp.where(pairs, jnp.exp(-0.5 * square / length**2), 0.0)
        factor = jnp.linalg.cholesky(kernel + jnp.diag(jnp.where(used, noise, 1.0)))

        def solved(table):
            return jax.scipy.linalg.solve_triangular(factor, table, lower=True)

        a, b = solved(basis), solved(values)
        gram = a.T @ a + _RIDGE * jnp.eye(basis.shape[1])
        trend = jnp.linalg.solve(gram, a.T @ b)
        left = b - a @ trend
        degrees = jnp.sum(used) - basis.shape[1]
        variance = jnp.sum(left**2, axis=0) / jnp.maximum(degrees, 1.0) + 1e-300
        likelihood = (
            -0.5 * degrees * jnp.log(variance)
            - jnp.sum(jnp.log(jnp.diag(factor)))
            - 0.5 * jnp.linalg.slogdet(gram)[1]
        )
        weights = jax.scipy.linalg.solve_triangular(factor, left, trans=1, lower=True)
        likelihood = jnp.where(jnp.isfinite(likelihood), likelihood, -jnp.inf)
        return likelihood, weights.T, trend.T

    lengths = jnp.repeat(scale * jnp.asarray(_LENGTHS), len(_NOISES))
    noises = jnp.tile(jnp.asarray(_NOISES), len(_LENGTHS))
    likelihoods, weights, trends = jax.vmap(one)(lengths, noises)
    best = jnp.argmax(likelihoods, axis=0)
    each = jnp.arange(numbers.shape[1])
    return Surrogate(
        centre, whiten, x, used, weights[best, each], trends[best, each], lengths[best]
    )


def _basis(x: Array) -> Array:
    return jnp.concatenate([jnp.ones((*x.shape[:-1], 1)), x], axis=-1)


def log_density(target: Target, surrogate: Surrogate, z: Array) -> tuple[Array, Array]:
    """Log density at ``z`` (d,) with the numbers of the ``surrogate``, and how far that leans out.

    Minus :data:`WALL` where it is not finite. The second is the squared distance, in x, from the
    nearest point that the surrogate knows.
    """
    x = surrogate.whiten @ (z - surrogate.centre)
    square = jnp.sum((surrogate.points - x) ** 2, axis=-1)
    kernel = jnp.exp(-0.5 * square / surrogate.lengths[:, None] ** 2)
    numbers = surrogate.trend @ _basis(x) + jnp.sum(surrogate.weights * kernel, axis=1)
    density = log_density_of(target, z, numbers)
    finite = jnp.isfinite(density)
    nearest = jnp.min(jnp.where(surrogate.used, square, jnp.inf))
    return jnp.where(finite, jnp.where(finite, density, 0.0), -WALL), nearest


@eqx.filter_jit
def whitening(target: Target, surrogate: Surrogate, z: Array) -> Array:
    """(d, d) matrix that makes the surrogate's density one of unit width about ``z`` (d,).

    From the Hessian, eigenvalues by magnitude, widths held below 2. ``target``: whose density.
    """
    hessian = jax.hessian(lambda z: log_density(target, surrogate, z)[0])(z)
    hessian = jnp.where(jnp.all(jnp.isfinite(hessian)), hessian, jnp.eye(z.size))
    values, vectors = jnp.linalg.eigh(0.5 * (hessian + hessian.T))
    return jnp.sqrt(jnp.maximum(jnp.abs(values), _FLATTEST))[:, None] * vectors.T
