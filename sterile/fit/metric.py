"""The local shape of a density: what a sampler's mass matrix starts from."""

import jax.numpy as jnp
import numpy as np
from scipy.optimize import minimize

from sterile.fit.target import Target, value_and_gradient

_ITERATIONS = 40
_STEP = 1e-3  # of the differences of exact gradients, in unbounded coordinates
_WIDEST = 2.0  # a standard deviation; that of a flat prior's logit is 1.8


def local_covariance(target: Target, start) -> np.ndarray:
    """Covariance of the Gaussian that the density resembles at its maximum uphill of ``start``.

    An inverse Hessian whose eigenvalues are taken by magnitude and held below 2^2, so that it
    serves as a metric wherever the climb ends.

    Parameters
    ----------
    start : (d,) unbounded coordinates.

    Returns
    -------
    (d, d), symmetric and positive definite.
    """

    def potential(z):
        value, gradient = value_and_gradient(target, jnp.asarray(z))
        return float(value), np.asarray(gradient)

    top = minimize(
        potential,
        np.asarray(start, dtype=float),
        jac=True,
        method="BFGS",
        options={"maxiter": _ITERATIONS, "gtol": 1e-2},
    ).x
    slopes = [
        (potential(top + move)[1] - potential(top - move)[1]) / (2.0 * _STEP)
        for move in _STEP * np.eye(top.size)
    ]
    hessian = np.stack(slopes)
    values, vectors = np.linalg.eigh(0.5 * (hessian + hessian.T))
    return (vectors / np.maximum(np.abs(values), _WIDEST**-2)) @ vectors.T
