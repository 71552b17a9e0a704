"""Several dark-matter species as one distribution of velocities and a cold rest."""

import warnings
from functools import reduce
from operator import add

import jax.numpy as jnp
import numpy as np
from jax import Array

from spectra.cosmology import Cosmology, as_float
from spectra.linear.deposit import VelocityGrid, log_velocity_histogram
from spectra.psd import abundance_doubt
from spectra.spectrum import Spectrum, omega_h2
from spectra.tracing import is_traced

_ROUNDING = 1e-6


def species_shares(dm, composition, cosmology: Cosmology) -> tuple[tuple[Spectrum, ...], Array]:
    """The species and their shares (ns,) of omega_dm; what is missing to one is cold.

    ``dm`` and ``composition`` as in :func:`spectra.transfer`, whose errors these are.
    """
    species = (dm,) if isinstance(dm, Spectrum) else tuple(dm)
    if not species or not all(isinstance(each, Spectrum) for each in species):
        raise ValueError(
            f"dm is {type(dm).__name__} without a Spectrum in every place; give a Spectrum or a "
            "sequence of them"
        )
    if not isinstance(composition, str):
        return species, _given_shares(composition, len(species))
    if composition == "rescale":
        if len(species) == 1:
            return species, jnp.ones(1)
        densities = jnp.stack([omega_h2(each, cosmology) for each in species])
        return species, densities / jnp.sum(densities)
    if composition != "cold-remainder":
        raise ValueError(
            f'composition = {composition!r} is unknown; use "rescale", "cold-remainder", or the '
            "share of omega_dm of every species"
        )
    shares = jnp.stack([omega_h2(each, cosmology) for each in species]) / cosmology.omega_dm
    if not is_traced(shares):
        _check_abundances(np.asarray(shares), float(cosmology.omega_dm))
    return species, shares


def _check_abundances(shares: np.ndarray, omega_dm: float) -> None:
    """Refuse more than all dark matter; warn of what the other convention of f would explain."""
    doubts = [abundance_doubt(float(share) * omega_dm, omega_dm) for share in shares]
    if float(shares.sum()) > 1.0 + _ROUNDING:
        why = next((f" ({doubt})" for doubt in doubts if doubt is not None), "")
        raise ValueError(
            f"the species have omega_h2 = {float(shares.sum()) * omega_dm:.4g}, more than "
            f'cosmology omega_dm = {omega_dm:.4g}; lower f, or use composition="rescale"{why}'
        )
    for place, doubt in enumerate(doubts):
        if doubt is not None:
            warnings.warn(f"species {place}: {doubt}", stacklevel=5)


def _given_shares(composition, count: int) -> Array:
    shares = jnp.atleast_1d(as_float(composition))
    if shares.shape != (count,):
        raise ValueError(
            f"composition has shape {shares.shape} for {count} species; give each its share of "
            "omega_dm"
        )
    if not is_traced(shares):
        values = np.asarray(shares)
        if not (np.all(values >= 0.0) and values.sum() <= 1.0 + _ROUNDING):
            raise ValueError(
                f"composition = {values.tolist()} must be shares of omega_dm, none negative, "
                "together at most 1"
            )
    return shares


def velocity_histogram(species, shares: Array, grid: VelocityGrid) -> tuple[Array, Array]:
    """Share of omega_dm per node of a grid of ln u (ny,), and beyond its end (scalar)."""
    made = [log_velocity_histogram(each, grid) for each in species]
    number = reduce(add, (share * histogram for share, (histogram, _) in zip(shares, made)))
    return number, reduce(add, (share * fast for share, (_, fast) in zip(shares, made)))
