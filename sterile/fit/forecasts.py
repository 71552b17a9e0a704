"""Fisher matrices and forecasts, from exact Jacobians of what is measured."""

from collections.abc import Mapping
from functools import reduce
from operator import add

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from spectra.precision import require_x64
from sterile.fit import priors
from sterile.fit.target import Target, coordinates_of, evaluate, values_at

# eigenvalue of the matrix with unit diagonal below which a direction counts as not measured
_DEGENERATE = 1e-8
# share in a direction that nothing measures, below which a coordinate is not part of it
_NAMED = 1e-3


class Forecast(eqx.Module):
    """What measurements of given errors say about parameters, to second order.

    Attributes
    ----------
    names : the coordinates: "ln NAME" for parameters with a logarithmic prior, else "NAME".
    matrix : (d, d) Fisher matrix in them.
    covariance : (d, d) its inverse, in the measured directions; infinite variances where a
        coordinate has a part (above 1e-3) in a direction that is not measured.
    sigma : (d,) marginal standard deviations.
    correlation : (d, d).
    degenerate : unit vectors {coordinate: part} of directions that nothing measures.
    contributions : term or "prior" → its (d, d) part of the matrix.
    """

    names: tuple[str, ...]
    matrix: np.ndarray
    covariance: np.ndarray
    sigma: np.ndarray
    correlation: np.ndarray
    degenerate: tuple[dict[str, float], ...]
    contributions: dict[str, np.ndarray]

    @property
    def warnings(self) -> tuple[str, ...]:
        """A sentence for every direction that is not measured."""
        sentences = []
        for direction in self.degenerate:
            words = " ".join(f"{part:+.3f} ({name})" for name, part in direction.items())
            sentences.append(f"not measured: the combination {words}; give it a prior")
        return tuple(sentences)


def fisher(target: Target, values: Mapping[str, float]) -> Forecast:
    """The Fisher matrix at a point: sum of J^T J over the residuals, plus the priors' precision.

    A term with log L = -r^2/2 contributes (dr/ds)^2, exact for a normal likelihood; for a
    constraint's own likelihood or a margin it is the Gauss-Newton part of the curvature, zero where
    the likelihood is flat.

    Parameters
    ----------
    values : parameter → value, of ``target.names``.

    Returns
    -------
    :class:`Forecast`, in natural coordinates. With the abundance sampled in place of the mass,
    "ln omega_h2" stands for ln m_N, which it equals but for the other coordinates' effect on Y_N.
    """
    require_x64()
    names = tuple(f"ln {name}" if _logarithmic(target, name) else name for name in target.names)
    z = coordinates_of(target, values)
    jacobian, prior = (np.asarray(part) for part in _jacobian(target, z))
    contributions = {
        term.observable: np.outer(row, row) for term, row in zip(target.terms, jacobian)
    }
    contributions["prior"] = prior
    return forecast(names, contributions)


def forecast(names: tuple[str, ...], contributions: Mapping[str, np.ndarray]) -> Forecast:
    """The forecast of Fisher matrices added up; ``contributions``: name → (d, d)."""
    matrix = reduce(add, contributions.values())
    scale = np.sqrt(np.where(np.diag(matrix) > 0.0, np.diag(matrix), 1.0))
    values, vectors = np.linalg.eigh(matrix / np.outer(scale, scale))
    flat = values < _DEGENERATE
    kept = vectors[:, ~flat]
    covariance = (kept / values[~flat]) @ kept.T / np.outer(scale, scale)
    directions = []
    for vector in vectors[:, flat].T:
        direction = vector / scale
        direction = direction / np.linalg.norm(direction)
        direction = direction * np.sign(direction[np.argmax(np.abs(direction))])
        parts = {n: float(p) for n, p in zip(names, direction) if abs(p) > _NAMED}
        directions.append(parts)
        for i, part in enumerate(direction):
            if abs(part) > _NAMED:
                covariance[i, i] = np.inf
    sigma = np.sqrt(np.diag(covariance))
    with np.errstate(invalid="ignore"):
        correlation = covariance / np.outer(sigma, sigma)
    np.fill_diagonal(correlation, 1.0)
    return Forecast(
        names=tuple(names),
        matrix=matrix,
        covariance=covariance,
        sigma=sigma,
        correlation=correlation,
        degenerate=tuple(directions),
        contributions=dict(contributions),
    )


def _logarithmic(target, name) -> bool:
    prior = target.priors.get(name)
    return prior is None or prior.logarithmic


@eqx.filter_jit
def _jacobian(target, z):
    """Residuals by natural coordinate (m, d), and the priors' precision (d, d)."""

    def residuals(z):
        return evaluate(target, z).residuals

    stretch = jnp.stack([_stretch(target, name, number) for name, number in zip(target.names, z)])
    diagonal = [
        0.0 if name not in target.priors else priors.precision(target.priors[name])
        for name in target.names
    ]
    prior = jnp.diag(jnp.asarray(diagonal))
    mass = target.priors.get("mass_kev")
    if target.measured_abundance is not None and mass is not None and not mass.bounded:
        # the prior is on what follows from all coordinates together
        row = jax.jacfwd(lambda z: _natural_mass(target, z))(z) / stretch
        prior = prior + jnp.outer(row, row) * priors.precision(mass)
    return jax.jacfwd(residuals)(z) / stretch, prior


def _stretch(target, name, number):
    if name in target.priors:
        return jnp.exp(priors.log_stretch(target.priors[name], number))
    return target.measured_abundance.sigma / target.measured_abundance.mean


def _natural_mass(target, z):
    mass = target.observe(values_at(target, z), ("mass_kev",))["mass_kev"]
    return jnp.log(mass) if target.priors["mass_kev"].logarithmic else mass
