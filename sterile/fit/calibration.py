"""Whether a sampler's posteriors are right: simulation-based calibration.

Draw parameters from the priors, data from the likelihood, a posterior from the data: the rank of
the truth among the draws is uniform if, and in practice only if, priors, likelihood, coordinates
and sampler belong together (Talts et al. 2018, 1804.06788).
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from spectra.precision import require_x64
from sterile.fit import priors as prior_module
from sterile.fit.chains import Sampler, sample
from sterile.fit.target import Target, coordinates_of

Simulate = Callable[[dict[str, float], np.random.Generator], tuple[Target, Mapping[str, float]]]


class Ranks(NamedTuple):
    """Ranks of the truth.

    Attributes
    ----------
    names : the sampled parameters.
    ranks : (simulations, d), 0 to ``draws``.
    draws : independent draws that the truth was ranked among.
    chi_square, ecdf : parameter → p-value of uniformity: of counts in bins, and of the largest
        distance between the ranks' distribution and the uniform one (Kolmogorov).
    """

    names: tuple[str, ...]
    ranks: np.ndarray
    draws: int
    chi_square: dict[str, float]
    ecdf: dict[str, float]


def ranks(
    simulate: Simulate,
    priors: Mapping[str, prior_module.Prior],
    simulations: int,
    draws: int = 31,
    seed: int = 0,
    sampler: Sampler | None = None,
    thin: int = 8,
) -> Ranks:
    """Rank the truth in many simulated fits.

    Parameters
    ----------
    simulate : (true values, random generator) → the target with its simulated data, and the true
        values of all its parameters (the abundance where that is sampled).
    priors : from which the truth is drawn.
    simulations : number of fits. ``draws``: kept of each, evenly among ``draws * thin``.
    sampler : how each chain is run. ``seed``: of truths, data and chains.
    """
    require_x64()
    sampler = Sampler(warmup=150) if sampler is None else sampler
    random = np.random.default_rng(seed)
    rows, names = [], ()
    for number in range(simulations):
        drawn = {name: float(prior_module.draw(p, random, 1)[0]) for name, p in priors.items()}
        target, truth = simulate(drawn, random)
        names = target.names
        z = np.asarray(coordinates_of(target, truth))
        start = np.clip(z + random.normal(size=z.size), -3.0, 3.0)
        chain = sample(target, start, draws * thin, seed=seed + number, sampler=sampler)
        kept = chain.draws[thin - 1 :: thin]
        rows.append(np.sum(kept < z, axis=0))
    table = np.array(rows)
    return Ranks(
        names,
        table,
        draws,
        {name: _chi_square(table[:, i], draws) for i, name in enumerate(names)},
        {name: _ecdf(table[:, i], draws) for i, name in enumerate(names)},
    )


def _chi_square(ranks: np.ndarray, draws: int) -> float:
    from scipy.stats import chisquare

    # ten or more simulations a bin, bins of equal numbers of ranks, a middle and two ends at least
    bins = max(4, min(16, len(ranks) // 10))
    while (draws + 1) % bins:
        bins -= 1
    counts = np.histogram(ranks, bins, range=(-0.5, draws + 0.5))[0]
    return float(chisquare(counts).pvalue)


def _ecdf(ranks: np.ndarray, draws: int) -> float:
    from scipy.stats import kstest

    # ranks are spread over their unit by fixed, even shares: continuous, without extra noise
    order = np.argsort(np.argsort(ranks, kind="stable"), kind="stable")
    spread = (ranks + (order + 0.5) / len(ranks)) / (draws + 1.0)
    return float(kstest(spread, "uniform").pvalue)
