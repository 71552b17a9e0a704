"""Fisher matrices and forecasts, from exact Jacobians of what is measured."""

from collections.abc import Mapping, Sequence
from functools import reduce
from operator import add

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from scipy.linalg import qr

from spectra.precision import require_x64
from sterile.fit import priors
from sterile.fit.limits import Limit, Local, local
from sterile.fit.target import Target, coordinates_of, evaluate

# a direction counts as not measured if the ends of priors reduce its variance below this share of
# what data leave: its error is then within 1/2 % of that of the ends alone
_UNMEASURED = 0.01
# a coordinate is named in such a direction if it moves by more than this share of its own error
_NAMED = 1e-2
# part in a direction without any information, below which a coordinate is known all the same
_ROUNDING = 1e-6
# unbounded coordinates beyond are at an end of a prior: derivatives there stay numbers
_FARTHEST = 30.0


class Forecast(eqx.Module):
    """What measurements of given errors say about parameters, to second order.

    Attributes
    ----------
    names : the coordinates: "ln NAME" for parameters with a logarithmic prior, else "NAME".
    matrix : (d, d) Fisher matrix in them, sum of ``contributions``.
    covariance : (d, d) of the Gaussian that it stands for, inside the ends of bounded priors
        (:mod:`sterile.fit.limits`): its inverse, where they are far away. A coordinate without any
        information, not even ends, has an infinite variance, and covariances with others that are
        NaN: undefined.
    sigma : (d,) marginal standard deviations.
    correlation : (d, d); NaN where a variance is infinite, 1 on the diagonal.
    derived : "ln NAME" or "NAME" of a number that follows from the parameters → its standard
        deviation, to first order.
    degenerate : unit vectors {coordinate: part} of directions that nothing measures but the ends
        of priors, or nothing at all.
    contributions : term, or "prior" for all with a sigma → its (d, d) part of the matrix.
    """

    names: tuple[str, ...]
    matrix: np.ndarray
    covariance: np.ndarray
    sigma: np.ndarray
    correlation: np.ndarray
    derived: dict[str, float]
    degenerate: tuple[dict[str, float], ...]
    contributions: dict[str, np.ndarray]

    @property
    def warnings(self) -> tuple[str, ...]:
        """A sentence for every direction that is not measured."""
        sentences = []
        for direction in self.degenerate:
            words = " ".join(f"{part:+.3g} ({name})" for name, part in direction.items())
            words = f"the combination {words}" if len(direction) > 1 else next(iter(direction))
            free = any(np.isinf(self.sigma[self.names.index(name)]) for name in direction)
            fate = "give it a prior" if free else "its error is the width of its prior"
            sentences.append(f"not measured: {words}; {fate}")
        return tuple(sentences)


def fisher(target: Target, values: Mapping[str, float]) -> Forecast:
    """The Fisher matrix at a point: sum of J^T J over the residuals, plus what the priors say.

    A term with log L = -r^2/2 contributes (dr/ds)^2, exact for a normal likelihood; for a
    constraint's own likelihood or a margin it is the Gauss-Newton part of the curvature, zero where
    the likelihood is flat. A prior with a sigma contributes its precision; one with ends cuts the
    Gaussian off there, which changes nothing where the parameter is measured well inside them.

    Parameters
    ----------
    values : parameter → value, of ``target.names``.

    Returns
    -------
    :class:`Forecast`, in natural coordinates. With the abundance sampled in place of the mass,
    "ln omega_h2" stands for ln m_N, which it equals but for the other coordinates' effect on Y_N;
    the error of the mass is in ``derived``.
    """
    require_x64()
    names = tuple(_natural_name(name, _logarithmic(target, name)) for name in target.names)
    reach = jnp.asarray([_FARTHEST if _bounded(target, n) else jnp.inf for n in target.names])
    z = jnp.clip(coordinates_of(target, values), -reach, reach)
    jacobian, mass_slope, mass = _jacobian(target, z)
    rows = {term.observable: row[None] for term, row in zip(target.terms, np.asarray(jacobian))}
    axes = dict(zip(target.names, np.eye(len(names))))
    prior_rows, limits = [], []
    for name, prior in target.priors.items():
        if name in axes:
            s = priors.natural(prior, z[target.names.index(name)])
            row = axes[name]
        else:  # a mass that follows from all coordinates together
            s = jnp.log(mass) if prior.logarithmic else mass
            row = np.asarray(mass_slope)
        if prior.bounded:
            low, high = prior.edges
            limits.append(Limit(row, low - float(s), high - float(s)))
        else:
            prior_rows.append(row / prior.second)
    rows["prior"] = np.stack(prior_rows) if prior_rows else np.zeros((1, len(names)))
    if mass is None:
        return forecast(names, rows, limits)
    mass_name = _natural_name("mass_kev", _logarithmic(target, "mass_kev"))
    return forecast(names, rows, limits, {mass_name: np.asarray(mass_slope)})


def forecast(
    names: tuple[str, ...],
    rows: Mapping[str, np.ndarray],
    limits: Sequence[Limit] = (),
    derived: Mapping[str, np.ndarray] | None = None,
) -> Forecast:
    """The forecast of independent measurements.

    Parameters
    ----------
    names : of the d coordinates.
    rows : term → (m, d) derivatives of its residuals, in units of their errors.
    limits : ends of priors, from the point of the expansion.
    derived : name → (d,) derivatives of a number that follows from the coordinates.
    """
    parts = {name: np.asarray(part, dtype=float) for name, part in rows.items()}
    found = local(np.concatenate(list(parts.values())), limits, _UNMEASURED)
    free = np.any(np.abs(found.null) > _ROUNDING, axis=1)
    covariance = found.root @ found.root.T
    covariance[free] = covariance[:, free] = np.nan
    covariance[free, free] = np.inf
    sigma = np.sqrt(np.diag(covariance))
    with np.errstate(invalid="ignore"):
        correlation = covariance / np.outer(sigma, sigma)
    np.fill_diagonal(correlation, 1.0)
    contributions = {name: part.T @ part for name, part in parts.items()}
    return Forecast(
        names=tuple(names),
        matrix=reduce(add, contributions.values()),
        covariance=covariance,
        sigma=sigma,
        correlation=correlation,
        derived={
            name: np.inf if np.any(row[free] != 0.0) else float(np.linalg.norm(row @ found.root))
            for name, row in (derived or {}).items()
        },
        degenerate=_directions(names, found, sigma),
        contributions=contributions,
    )


def _directions(names, found: Local, sigma) -> tuple[dict[str, float], ...]:
    """Directions that only the ends of priors measure, then those that nothing does."""
    unit = np.where(np.isfinite(sigma), sigma, 1.0 / found.scale)
    directions = []
    for basis, least in (
        (found.held / unit[:, None], _NAMED),
        (found.null / (found.scale * unit)[:, None], _ROUNDING),
    ):
        count = basis.shape[1]
        if count == 0:
            continue
        # each direction with a coordinate that no other has: which basis came out is chance
        *_, order = qr(basis.T, pivoting=True, mode="economic")
        basis = basis @ np.linalg.inv(basis[np.sort(order[:count])])
        for column in basis.T:
            moved = np.abs(column) > least * np.abs(column).max()
            direction = np.where(moved, column * unit, 0.0)
            direction /= np.linalg.norm(direction) * np.sign(direction[moved][0])
            directions.append({n: float(p) for n, p, m in zip(names, direction, moved) if m})
    return tuple(directions)


def _natural_name(name: str, logarithmic: bool) -> str:
    return f"ln {name}" if logarithmic else name


def _logarithmic(target, name) -> bool:
    prior = target.priors.get(name)
    return prior is None or prior.logarithmic


def _bounded(target, name) -> bool:
    return name in target.priors and target.priors[name].bounded


@eqx.filter_jit
def _jacobian(target, z):
    """Residuals by natural coordinate (m, d); of a mass that follows its slope (d,), and itself."""

    def seen(z):
        found = evaluate(target, z)
        if target.measured_abundance is None:
            return (found.residuals, None), None
        mass = found.values["mass_kev"]
        natural = jnp.log(mass) if _logarithmic(target, "mass_kev") else mass
        return (found.residuals, natural), mass

    stretch = jnp.stack([_stretch(target, name, number) for name, number in zip(target.names, z)])
    slopes, mass = jax.jacfwd(seen, has_aux=True)(z)
    residuals, mass_slope = jax.tree.map(lambda slope: slope / stretch, slopes)
    return residuals, mass_slope, mass


def _stretch(target, name, number):
    if name in target.priors:
        return jnp.exp(priors.log_stretch(target.priors[name], number))
    return target.measured_abundance.sigma / target.measured_abundance.mean
