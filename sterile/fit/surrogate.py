"""A stand-in for the observables of a fit: Gaussian processes through points that were computed.

The processes have a linear trend (universal kriging: Rasmussen & Williams 2006, sections 2.7 and
5.4.1). What is learned are the numbers of :class:`sterile.fit.target.Evaluated`, which are smooth;
priors and likelihoods of those numbers are exact.
"""

import itertools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from scipy.linalg import solve_triangular

from sterile.fit.target import WALL, Target, log_density_of

# correlation lengths that are tried, in units of the posterior's widths, times sqrt(d)
_LENGTHS = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0)
# and variances of noise, in units of the process's: interpolations inside the pipeline have kinks
_NOISES = (1e-9, 1e-6, 1e-3)
# points worse than the best by more than this in log density say nothing about the posterior
_FAR = 100.0
_RIDGE, _NOTHING = 1e-12, 1e-300
# eigenvalues of a metric's inverse are held above this: a flat prior's logit has 1.8^-2
_FLATTEST = 2.0**-2


class Surrogate(eqx.Module):
    """Numbers as functions of unbounded coordinates.

    Attributes
    ----------
    centre, whiten : (d,), (d, d): x = whiten (z - centre) are the coordinates of the processes.
    widen : (d, d) the inverse of ``whiten``.
    points : (n, d) where the numbers are known, in x. ``used`` : (n,) which of them count.
    weights : (k, n); ``trend`` : (k, d + 1); ``lengths`` : (k,) correlation lengths.
    """

    centre: Array
    whiten: Array
    widen: Array
    points: Array
    used: Array
    weights: Array
    trend: Array
    lengths: Array


def learn(
    z: np.ndarray,
    numbers: np.ndarray,
    log_densities: np.ndarray,
    centre: np.ndarray,
    whiten: np.ndarray,
) -> Surrogate:
    """The surrogate through known points.

    Parameters
    ----------
    z : (n, d) unbounded coordinates.
    numbers : (n, k) there.
    log_densities : (n,) there; minus infinity for rows that do not count. Rows far below the best
        are left out unless few are left.
    centre, whiten : as of :class:`Surrogate`; the posterior should have unit width in x.

    Lengths and noises are those of the largest restricted likelihood, for each number. By LAPACK
    on the host: XLA's batched factorisations wait for each other for ever when two chains make
    them on two cores.
    """
    n, d = z.shape
    ranked = np.sort(log_densities)[::-1]
    enough = min(2 * d + 1, n - 1)
    used = np.isfinite(log_densities)
    used &= log_densities >= min(ranked[0] - _FAR, ranked[enough])
    x = np.where(used[:, None], (z - centre) @ whiten.T, 0.0)
    near, values, basis = x[used], numbers[used], _basis(np, x[used])
    square = np.sum((near[:, None] - near) ** 2, axis=-1)
    k = numbers.shape[1]
    best = np.full(k, -np.inf)
    weights, trend, lengths = np.zeros((k, n)), np.zeros((k, d + 1)), np.ones(k)
    for length, noise in itertools.product(np.sqrt(d) * np.array(_LENGTHS), _NOISES):
        kernel = np.exp(-0.5 * square / length**2) + noise * np.eye(len(near))
        likelihood, own_weights, own_trend = _kriging(kernel, basis, values)
        better = likelihood > best
        best[better], lengths[better] = likelihood[better], length
        weights[np.ix_(better, used)] = own_weights[better]
        trend[better] = own_trend[better]
    widen = np.linalg.inv(whiten)
    return Surrogate(*map(jnp.asarray, (centre, whiten, widen, x, used, weights, trend, lengths)))


def _kriging(kernel, basis, values) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Log restricted likelihoods (k,), weights (k, n), trends (k, d + 1) of values (n, k)."""
    try:
        factor = np.linalg.cholesky(kernel)
    except np.linalg.LinAlgError:
        factor = np.full_like(kernel, np.nan)
    a, b = (
        solve_triangular(factor, table, lower=True, check_finite=False) for table in (basis, values)
    )
    gram = a.T @ a + _RIDGE * np.eye(basis.shape[1])
    trend = np.linalg.solve(gram, a.T @ b)
    left = b - a @ trend
    degrees = len(basis) - basis.shape[1]
    variance = np.sum(left**2, axis=0) / max(degrees, 1) + _NOTHING
    likelihood = (
        -0.5 * degrees * np.log(variance)
        - np.sum(np.log(np.diag(factor)))
        - 0.5 * np.linalg.slogdet(gram)[1]
    )
    weights = solve_triangular(factor, left, trans=1, lower=True, check_finite=False)
    # one that is not a number is never the better one
    return likelihood, weights.T, trend.T


def _basis(of, x):
    """1, x_1, ..., x_d of points (..., d), by numpy or by JAX."""
    return of.concatenate([of.ones((*x.shape[:-1], 1)), x], axis=-1)


def log_density(target: Target, surrogate: Surrogate, z: Array) -> tuple[Array, Array]:
    """Log density at ``z`` (d,) with the numbers of the ``surrogate``, and how far that leans out.

    Minus :data:`WALL` where it is not finite. The second is the squared distance, in x, from the
    nearest point that the surrogate knows.
    """
    x = surrogate.whiten @ (z - surrogate.centre)
    square = jnp.sum((surrogate.points - x) ** 2, axis=-1)
    kernel = jnp.exp(-0.5 * square / surrogate.lengths[:, None] ** 2)
    numbers = surrogate.trend @ _basis(jnp, x) + jnp.sum(surrogate.weights * kernel, axis=1)
    density = log_density_of(target, z, numbers)
    finite = jnp.isfinite(density)
    nearest = jnp.min(jnp.where(surrogate.used, square, jnp.inf))
    return jnp.where(finite, jnp.where(finite, density, 0.0), -WALL), nearest


def whitening(target: Target, surrogate: Surrogate, z: Array) -> np.ndarray:
    """(d, d) matrix that makes the surrogate's density one of unit width about ``z`` (d,).

    From the Hessian, eigenvalues by magnitude, widths held below 2. ``target``: whose density.
    """
    hessian = np.asarray(_hessian(target, surrogate, z))
    if not np.all(np.isfinite(hessian)):
        return np.asarray(surrogate.whiten)
    values, vectors = np.linalg.eigh(0.5 * (hessian + hessian.T))
    return np.sqrt(np.maximum(np.abs(values), _FLATTEST))[:, None] * vectors.T


@eqx.filter_jit
def _hessian(target, surrogate, z):
    return jax.hessian(lambda z: log_density(target, surrogate, z)[0])(z)
