"""The evidence of a model and of its branches by bridge sampling, and the mixture of branches.

Meng & Wong 1996 with the optimal bridge; the proposal is a Gaussian through half of the draws, the
other half meets it (Overstall & Forster 2010). Error as in Fruehwirth-Schnatter 2004, with the
draws' autocorrelation.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

_ROUNDS, _TOLERANCE = 200, 1e-10


class Evidence(NamedTuple):
    """log of the integral of exp(log density), and its standard error."""

    log_value: float
    error: float


def bridge(
    draws: np.ndarray,
    log_density: np.ndarray,
    function: Callable[[np.ndarray], float],
    proposals: int,
    seed: int,
) -> Evidence:
    """The integral of an unnormalised density from draws of it.

    Parameters
    ----------
    draws : (chains, n, d), in coordinates without bounds. ``log_density`` : (chains, n).
    function : the log density at z (d,), called ``proposals`` times; minus infinity is allowed.
    seed : of the proposals.
    """
    half = draws.shape[1] // 2
    fitted = draws[:, :half].reshape(-1, draws.shape[-1])
    kept, lp = draws[:, half:], log_density[:, half:]
    mean, covariance = fitted.mean(axis=0), np.atleast_2d(np.cov(fitted.T))
    # wider than the draws: the tails have to be reached
    covariance = covariance * 1.3 + 1e-12 * np.eye(mean.size)
    factor = np.linalg.cholesky(covariance)
    random = np.random.default_rng(seed)
    proposed = mean + random.normal(size=(proposals, mean.size)) @ factor.T
    at_proposed = np.array([function(z) for z in proposed])

    def gaussian(z):
        white = np.linalg.solve(factor, (z - mean).T)
        log_volume = np.sum(np.log(np.diag(factor))) + 0.5 * mean.size * np.log(2.0 * np.pi)
        return -0.5 * np.sum(white**2, axis=0) - log_volume

    n2, n1 = proposals, effective_size(lp)
    ratio_draws = (lp.ravel() - gaussian(kept.reshape(-1, mean.size)))[None]
    ratio_proposed = (at_proposed - gaussian(proposed))[None]
    shift = np.median(ratio_draws)
    l1, l2 = np.exp(ratio_draws[0] - shift), np.exp(np.minimum(ratio_proposed[0] - shift, 700.0))
    s1, s2 = n1 / (n1 + n2), n2 / (n1 + n2)
    value = 1.0
    for _ in range(_ROUNDS):
        new = np.mean(l2 / (s1 * l2 + s2 * value)) / np.mean(1.0 / (s1 * l1 + s2 * value))
        done = abs(new / value - 1.0) < _TOLERANCE
        value = new
        if done:
            break
    upper = l2 / (s1 * l2 + s2 * value)
    lower = 1.0 / (s1 * l1 + s2 * value)
    variance = upper.var() / upper.mean() ** 2 / n2 + lower.var() / lower.mean() ** 2 / n1
    return Evidence(float(np.log(value) + shift), float(np.sqrt(variance)))


def total_evidence(branches: list[Evidence]) -> tuple[Evidence, np.ndarray]:
    """The evidence of a model, the sum of its branches', and the branches' weights (b,).

    Each branch has its part of one prior. Without finite evidences all weigh the same.
    """
    logs = np.array([branch.log_value for branch in branches])
    if not np.all(np.isfinite(logs)):
        return Evidence(float("nan"), float("nan")), np.full(len(branches), 1.0 / len(branches))
    shares = np.exp(logs - logs.max())
    weights = shares / shares.sum()
    error = np.linalg.norm(weights * [branch.error for branch in branches])
    return Evidence(float(logs.max() + np.log(shares.sum())), float(error)), weights


def mixture(
    weights: np.ndarray, lengths: np.ndarray, draws: int, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Which draw of which branch makes up one chain of the mixture.

    Parameters
    ----------
    weights, lengths : (b,) of the branches, and how many draws each has.

    Returns
    -------
    branch (draws,) and index (draws,): each branch as often as its weight says, rounded at random,
    its draws evenly spread, all in random order.
    """
    expected = weights * draws
    counts = np.floor(expected).astype(int)
    left = draws - counts.sum()
    if left:
        share = expected - counts
        counts += random.multinomial(left, share / share.sum())
    branch, index = [], []
    for number, (count, length) in enumerate(zip(counts, lengths)):
        offset = random.uniform()
        branch.append(np.full(count, number))
        index.append(((np.arange(count) + offset) * length / max(count, 1)).astype(int))
    order = random.permutation(draws)
    return np.concatenate(branch)[order], np.concatenate(index)[order]


def effective_size(chains: np.ndarray) -> float:
    """Effective number of independent draws of (c, n) values.

    Autocorrelations over chains, summed in pairs while positive and falling (Geyer 1992), with the
    variance between chains (Vehtari et al. 2021, 1903.08008, eq. 10-13).
    """
    c, n = chains.shape
    if n < 4:
        return float(c * n)
    centred = chains - chains.mean(axis=1, keepdims=True)
    size = 1 << (2 * n - 1).bit_length()
    spectrum = np.abs(np.fft.rfft(centred, size, axis=1)) ** 2
    covariance = np.fft.irfft(spectrum, size, axis=1)[:, :n] / n
    within = covariance[:, 0].mean() * n / (n - 1.0)
    if within == 0.0:
        return float(c * n)
    between = chains.mean(axis=1).var(ddof=1) if c > 1 else 0.0
    total = within * (n - 1.0) / n + between
    rho = 1.0 - (within - covariance.mean(axis=0)) / total
    rho[0] = 1.0
    pairs = rho[0 : n - n % 2 : 2] + rho[1 : n - n % 2 : 2]
    negative = np.flatnonzero(pairs < 0.0)
    pairs = np.minimum.accumulate(pairs[: negative[0] if negative.size else len(pairs)])
    time = max(-1.0 + 2.0 * pairs.sum(), 1.0 / np.log10(c * n))
    return float(c * n / time)


def split_r_hat(chains: np.ndarray) -> float:
    """Potential scale reduction of (c, n) values, each chain in halves, on ranks.

    Rank-normalised split R-hat, bulk and folded, the larger (Vehtari et al. 2021, 1903.08008).
    """
    from scipy.special import ndtri
    from scipy.stats import rankdata

    n = chains.shape[1] // 2
    if n < 2:
        return float("nan")
    halves = np.concatenate([chains[:, :n], chains[:, -n:]])

    def one(values):
        ranks = rankdata(values, axis=None).reshape(values.shape)
        scores = ndtri((ranks - 0.375) / (values.size + 0.25))
        within = scores.var(axis=1, ddof=1).mean()
        between = n * scores.mean(axis=1).var(ddof=1)
        return np.sqrt(((n - 1.0) / n * within + between / n) / within) if within > 0.0 else np.nan

    return float(max(one(halves), one(np.abs(halves - np.median(halves)))))
