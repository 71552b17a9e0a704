"""Terms of a likelihood: a measured number, a constraint's margin, a constraint's own likelihood.

Each gives a residual r with log L = -r^2/2, so that a Fisher matrix is that of least squares.
"""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array

from spectra.tracing import is_traced


class Normal(eqx.Module):
    """A scalar of the point, measured: log L = -((x - mean)/sigma)^2/2, 0 at its best.

    Attributes
    ----------
    observable : a scalar of :class:`sterile.Point`, such as "omega_h2".
    mean, sigma : floats in its unit; leaves, so that data may be traced.

    Raises
    ------
    ValueError
        If a concrete sigma is not positive.
    """

    observable: str = eqx.field(static=True)
    mean: Array = eqx.field(converter=lambda x: jnp.asarray(x, dtype=float))
    sigma: Array = eqx.field(converter=lambda x: jnp.asarray(x, dtype=float))

    def __check_init__(self):
        if not is_traced(self.sigma) and not float(self.sigma) > 0.0:
            raise ValueError(
                f"likelihood {self.observable} sigma = {float(self.sigma):g} must be positive"
            )


class Margin(eqx.Module):
    """A constraint that publishes no likelihood: log L = log Phi(margin/sigma), 0 far inside.

    The probability that the margin is above zero when its threshold is uncertain by ``sigma``
    (Gaussian): a convention of the user's, as a bound alone does not fix it.

    Attributes
    ----------
    observable : a constraint's name, such as "half-mode-3.3keV".
    sigma : width in the margin's unit, positive.
    """

    observable: str = eqx.field(static=True)
    sigma: float = eqx.field(static=True)

    def __check_init__(self):
        if not (math.isfinite(self.sigma) and self.sigma > 0.0):
            raise ValueError(
                f"likelihood {self.observable} margin_sigma = {self.sigma} must be positive"
            )


class Published(eqx.Module):
    """A constraint with a likelihood of its own, such as "milky-way-satellites".

    Attributes
    ----------
    observable : the constraint's name.
    """

    observable: str = eqx.field(static=True)


Term = Normal | Margin | Published


def log_likelihood(term: Term, seen) -> Array:
    """Log likelihood of one term, scalar; ``seen``: number (Normal) or Verdict.

    NaN where the observable does not exist: the target counts that as impossible. ``ValueError``
    if the constraint publishes no likelihood.
    """
    if isinstance(term, Normal):
        return -0.5 * ((seen - term.mean) / term.sigma) ** 2
    if isinstance(term, Margin):
        return jax.scipy.stats.norm.logcdf(seen.margin / term.sigma)
    if "no likelihood" in getattr(seen, "convention", ""):
        raise ValueError(
            f"constraint {term.observable} has no likelihood of its own; give "
            f"[fit.likelihood.{term.observable}] margin_sigma = 0.1, or a Margin: the width of its "
            "threshold in the margin"
        )
    return seen.log_likelihood


def residual(term: Term, seen) -> Array:
    """r with log L = -r^2/2, scalar; zero with zero slope where the likelihood is at its best."""
    if isinstance(term, Normal):
        return (seen - term.mean) / term.sigma
    chi_square = -2.0 * log_likelihood(term, seen)
    positive = chi_square > 0.0
    return jnp.where(positive, jnp.sqrt(jnp.where(positive, chi_square, 1.0)), 0.0)


def number(term: Term, seen) -> Array:
    """A number that is smooth in the parameters and gives the log likelihood, scalar.

    asinh(x/sigma) of a measured number, asinh(margin/sigma) of a margin: logarithms of what is
    many sigma from zero, linear near it, for either sign. Of a published likelihood its residual.
    """
    if isinstance(term, Normal):
        return jnp.arcsinh(seen / term.sigma)
    if isinstance(term, Margin):
        return jnp.arcsinh(seen.margin / term.sigma)
    return residual(term, seen)


def log_likelihood_of(term: Term, smooth: Array) -> Array:
    """The log likelihood of a term, scalar, from its :func:`number`.

    ``smooth`` of a published likelihood may be negative where one that was learned swings about
    zero: that is its best.
    """
    if isinstance(term, Normal):
        return -0.5 * (jnp.sinh(smooth) - term.mean / term.sigma) ** 2
    if isinstance(term, Margin):
        return jax.scipy.stats.norm.logcdf(jnp.sinh(smooth))
    return -0.5 * jnp.maximum(smooth, 0.0) ** 2
