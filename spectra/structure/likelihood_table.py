"""Likelihoods as tables: of one or two measured numbers, from a TOML file.

source = "where it comes from"
[axes]                                   # one or two, in the order of the table's indices
log10_m_hm_msun = [6.0, 7.0, 8.0]
[table]
relative_likelihood = [1.0, 0.6, 0.1]    # or log_likelihood; of two axes a list of rows
[prior]                                  # of an axis that no spectrum fixes: marginalised over
"""

import tomllib
from importlib import resources
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from spectra.cosmology import as_float
from spectra.files import MOST_DOCUMENT_BYTES, read_text
from spectra.numerics import monotone_cubic

# numbers of a transfer function that an axis may be
AXES = (
    "log10_m_hm_msun",
    "log10_k_t2_half_h_mpc",
    "delta_a",
    "n_satellites",
    "log10_n_galaxies_z6_mpc3",
)
# largest deviation of the best likelihood from one, by rounding
_NORMALISED = 1e-3


class LikelihoodTable(eqx.Module):
    """A tabulated log-likelihood, 0 at its best.

    Attributes
    ----------
    grids : one or two arrays (n,), increasing: the values of ``axes``.
    log_likelihood : (n,) or (n, m).
    axes : names among :data:`AXES`.
    source : where it comes from.
    """

    grids: tuple[Array, ...]
    log_likelihood: Array
    axes: tuple[str, ...] = eqx.field(static=True)
    source: str = eqx.field(static=True)

    def __call__(self, *values: Array) -> Array:
        """Log-likelihood at a value of each axis, scalars.

        Monotone cubics in each axis. Beyond the table it goes on with the slope at its end where
        that falls, and stays as it is where it would rise.
        """
        table = self.log_likelihood
        if table.ndim == 2:
            table = jax.vmap(lambda row: _continued(values[1], self.grids[1], row))(table)
        return _continued(values[0], self.grids[0], table)


# one function of a program for all tables of one size
@jax.jit
def _continued(value: Array, x: Array, y: Array) -> Array:
    inside = jnp.clip(value, x[0], x[-1])
    below, above = jnp.maximum(x[0] - value, 0.0), jnp.maximum(value - x[-1], 0.0)
    first, last = (y[1] - y[0]) / (x[1] - x[0]), (y[-1] - y[-2]) / (x[-1] - x[-2])
    beyond = above * jnp.minimum(last, 0.0) - below * jnp.maximum(first, 0.0)
    return monotone_cubic(inside, x, y) + beyond


def shipped_likelihood(name: str) -> LikelihoodTable:
    """A table of the package by its file's name."""
    with resources.as_file(resources.files("spectra") / "data" / name) as path:
        return read_likelihood(path)


def read_likelihood(path: str | Path) -> LikelihoodTable:
    """A likelihood from a TOML file of the form above.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is not TOML, an axis is unknown or does not increase, the table is not rectangular,
        does not fit the axes, holds numbers that are no likelihood, or is not normalised to one
        (zero) at its best: one line with the file's name and the fix.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file; check the path of the likelihood")
    try:
        return _table(tomllib.loads(read_text(path, MOST_DOCUMENT_BYTES)), path.name)
    except UnicodeDecodeError:
        raise ValueError(f"{path}: not a text file; give a TOML file") from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ValueError(f"{path}: not valid TOML: {error}") from None
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _table(content: dict[str, Any], name: str) -> LikelihoodTable:
    unknown = set(content) - {"source", "axes", "table", "prior"}
    if unknown:
        raise ValueError(f"unknown key {min(unknown)}; known keys: source, axes, table, prior")
    axes, table, prior = (content.get(part) for part in ("axes", "table", "prior"))
    if not isinstance(axes, dict) or not 1 <= len(axes) <= 2:
        raise ValueError("[axes] must name one or two axes, such as log10_m_hm_msun = [6.0, 7.0]")
    kinds = {"relative_likelihood", "log_likelihood"}
    if not isinstance(table, dict) or len(table) != 1 or not set(table) <= kinds:
        raise ValueError("[table] must hold relative_likelihood or log_likelihood, one of them")
    grids = {axis: _numbers(f"axis {axis}", grid) for axis, grid in axes.items()}
    for axis, grid in grids.items():
        if grid.ndim != 1 or grid.size < 2 or not (np.diff(grid) > 0.0).all():
            raise ValueError(f"axis {axis} must be two or more increasing numbers; sort them")
    ((kind, given),) = table.items()
    values = _numbers(kind, given)
    shape = tuple(grid.size for grid in grids.values())
    if values.shape != shape:
        raise ValueError(f"{kind} has shape {values.shape}, its axes {shape}; give a row for each")
    if kind == "log_likelihood":
        values = np.exp(values)
    elif not (values > 0.0).all():
        raise ValueError("relative_likelihood must be positive everywhere; leave out what is zero")
    values, grids = _marginal(values, grids, prior)
    unknown = set(grids) - set(AXES)
    if unknown:
        raise ValueError(
            f"axis {min(unknown)} is nothing that a spectrum fixes; use {', '.join(AXES)}, or give "
            "its [prior] to marginalise over it"
        )
    best = values.max()
    if prior is None and abs(best - 1.0) > _NORMALISED:
        fix = "divide by that" if kind[0] == "r" else f"subtract {np.log(best):.4g}"
        raise ValueError(f"{kind} is not normalised: exp of it at its best is {best:.4g}; {fix}")
    return LikelihoodTable(
        grids=tuple(as_float(grid) for grid in grids.values()),
        log_likelihood=as_float(np.log(values / best)),
        axes=tuple(grids),
        source=str(content.get("source", name)),
    )


def _marginal(values: np.ndarray, grids: dict, prior) -> tuple[np.ndarray, dict]:
    """Without the axis of which ``prior`` gives the weights, if there is one."""
    if prior is None:
        return values, grids
    if not isinstance(prior, dict) or len(prior) != 1 or not set(prior) < set(grids):
        raise ValueError("[prior] must give the weights of one of two axes")
    ((axis, given),) = prior.items()
    weights = _numbers(f"[prior] {axis}", given)
    if weights.shape != grids[axis].shape or not (weights >= 0.0).all() or not weights.any():
        raise ValueError(f"[prior] {axis} must be {grids[axis].size} weights, none negative")
    index = list(grids).index(axis)
    rest = {name: grid for name, grid in grids.items() if name != axis}
    return np.tensordot(values, weights, axes=([index], [0])), rest


def _numbers(what: str, given) -> np.ndarray:
    try:
        values = np.asarray(given, dtype=float)
    except (TypeError, ValueError):
        raise ValueError(f"{what} is not a rectangular list of numbers; fill it up") from None
    if values.ndim == 0 or not np.isfinite(values).all():
        raise ValueError(f"{what} must be a list of finite numbers")
    return values
