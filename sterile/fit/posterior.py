"""Draws of chains as tables: parameters, what follows from them, diagnostics, branches mixed."""

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np

from sterile.fit.evidence import effective_size, mixture, split_r_hat
from sterile.fit.observables import production_scalars, scalars
from sterile.fit.target import Target, evaluated, values_at
from sterile.mechanisms import mechanism_of
from sterile.status import MESSAGES, Status, is_failure, name_of

# R-hat above which chains have not mixed, and effective draws per chain below which they are few
_MIXED, _FEW = 1.05, 25.0
_LARGE_WEIGHT_ERROR = 0.3
# acceptance below which a surrogate is a bad one; draws, or share of them, that a chain may repeat
_POOR, _STANDS = 0.3, (10, 0.05)


def sampled(target: Target, draws: np.ndarray) -> dict[str, np.ndarray]:
    """Parameter of ``target`` → values (...,) of unbounded draws (..., d)."""
    flat = draws.reshape(-1, draws.shape[-1])
    values = jax.vmap(lambda z: values_at(target, z))(jnp.asarray(flat))
    return {name: np.asarray(v).reshape(draws.shape[:-1]) for name, v in values.items()}


def derived(
    target: Target, draws: np.ndarray, progress: Callable[[int, int], None] | None = None
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """What follows from each draw (n, d): scalars name → (n,), log likelihoods term → (n,).

    Repeated draws, which a rejected trajectory leaves, are computed once.
    """
    different, back = np.unique(draws, axis=0, return_inverse=True)
    rows, names = [], followed(target)
    for i, z in enumerate(different):
        found = evaluated(target, jnp.asarray(z), names)
        rows.append(jax.device_get((found.seen, found.terms)))
        if progress is not None:
            progress(i + 1, len(different))
    tables = [
        {name: np.array([row[part][name] for row in rows])[back.ravel()] for name in rows[0][part]}
        for part in (0, 1)
    ]
    return tables[0], tables[1]


def followed(target: Target) -> tuple[str, ...]:
    """The scalars that are told of each draw: all that a ``target``'s likelihoods pay for."""
    terms = [term.observable for term in target.terms]
    entry = mechanism_of(target.observe.model)
    light = production_scalars(entry)
    return (*(light if set(terms) <= set(light) else scalars(entry)), "status")


def outcomes(codes: np.ndarray) -> dict:
    """How many draws have no usable result, and status → draws, of ``codes`` (n,)."""
    codes = np.asarray(codes, dtype=int)
    known, counts = np.unique(codes, return_counts=True)
    named = {name_of(code): int(n) for code, n in zip(known, counts) if code != Status.SUCCESS}
    return {"failed": int(np.sum(is_failure(codes))), "statuses": named}


def diagnostics(draws: np.ndarray, statistics: dict, seconds: float) -> dict:
    """R-hat, effective draws, divergences and the longest stand of chains (c, n, d) of one branch.

    ``draws``: (c, n, d), unbounded coordinates; ``statistics``: of the sampler, name → (c, n);
    ``seconds``: what they took.
    """
    hats = [split_r_hat(draws[..., i]) for i in range(draws.shape[-1])]
    sizes = [effective_size(draws[..., i]) for i in range(draws.shape[-1])]
    smallest = min(sizes)
    return {
        "draws": draws.shape[1],
        "r_hat": max(hats) if all(map(math.isfinite, hats)) else None,
        "ess": smallest,
        "ess_per_second": smallest / seconds if seconds > 0.0 else None,
        "divergences": int(np.sum(statistics["diverging"])),
        "acceptance_rate": float(np.mean(statistics["acceptance_rate"])),
        "leapfrog_steps": float(np.mean(statistics["n_steps"])),
        "longest_stand": max(longest_stand(chain) for chain in draws),
    }


def longest_stand(draws: np.ndarray) -> int:
    """The most draws in a row of a chain (n, d) that are the same."""
    moved = np.flatnonzero(np.any(draws[1:] != draws[:-1], axis=1)) + 1
    return int(np.diff(np.concatenate([[0], moved, [len(draws)]])).max())


def combine(branches: list[dict], weights: np.ndarray, seed: int) -> dict[str, dict]:
    """The posterior of all branches: tables group → name → (chain, draw), each chain a mixture.

    ``branches``: tables of the same names, leaves (c, n), in the order of ``weights``. With one
    branch its own chains come back. ``seed``: of the mixing.
    """
    if len(branches) == 1:
        return branches[0]
    shape = next(iter(branches[0]["posterior"].values())).shape
    random = np.random.default_rng(seed)
    lengths = np.array([next(iter(b["posterior"].values())).shape[1] for b in branches])
    picks = [mixture(weights, lengths, shape[1], random) for _ in range(shape[0])]
    mixed: dict[str, dict] = {}
    for group, variables in branches[0].items():
        mixed[group] = {
            name: np.stack(
                [
                    np.choose(
                        branch,
                        [
                            b[group][name][chain][np.minimum(index, length - 1)]
                            for b, length in zip(branches, lengths)
                        ],
                    )
                    for chain, (branch, index) in enumerate(picks)
                ]
            )
            for name in variables
        }
    return mixed


def summarise(posterior: dict[str, np.ndarray]) -> dict[str, dict[str, float]]:
    """Parameter → mean, standard deviation and quantiles of the finite draws.

    ``posterior``: parameter → draws, any shape.
    """
    table = {}
    for name, values in posterior.items():
        finite = values[np.isfinite(values)]
        if name in ("branch", "status") or finite.size == 0:
            continue
        low, middle, high = np.quantile(finite, [0.05, 0.5, 0.95])
        table[name] = {
            "mean": float(finite.mean()),
            "sd": float(finite.std()),
            "q05": float(low),
            "median": float(middle),
            "q95": float(high),
        }
    return table


def warnings_of(name: str, found: dict, chains: int) -> list[str]:
    """Sentences about a branch's diagnostics."""
    sentences = []
    if found["r_hat"] is not None and found["r_hat"] > _MIXED:
        sentences.append(
            f"{name}: R-hat = {found['r_hat']:.3f} is above {_MIXED}; the chains have not mixed, "
            "ask for more samples or a longer warmup"
        )
    if found["ess"] < _FEW * chains:
        sentences.append(f"{name}: only {found['ess']:.0f} effective draws; ask for more samples")
    if found["divergences"]:
        sentences.append(
            f"{name}: {found['divergences']} divergent trajectories; "
            f"{found.get('divergence_cause', 'raise acceptance')}"
        )
    stand = found.get("longest_stand", 0)
    if stand > max(_STANDS[0], _STANDS[1] * found.get("draws", 0)):
        sentences.append(f"{name}: a chain repeats one draw {stand} times; ask for a longer warmup")
    poor = found.get("surrogate_acceptance")
    if poor is not None and poor < _POOR:
        sentences.append(
            f"{name}: only {100 * poor:.0f} % of what the surrogate proposes is accepted; draws "
            'are right but few, ask for a longer warmup or use method = "nuts"'
        )
    if found.get("failed"):
        sentences.append(
            f"{name}: {found['failed']} draws have no usable result "
            f"({', '.join(found['statuses'])}); run `sterile solve` at one of them to see why, "
            "and narrow the priors"
        )
    for caveat in (Status.OCCUPATION_ABOVE_ONE, Status.ASYMMETRY_JUMPS):
        count = found.get("statuses", {}).get(caveat.name, 0)
        if count:
            sentences.append(f"{name}: {count} draws: {MESSAGES[caveat]}")
    error = found.get("log_evidence_error")
    if error is not None and error > _LARGE_WEIGHT_ERROR:
        sentences.append(
            f"{name}: log evidence known to {error:.2f} only; weights of branches and Bayes "
            "factors are uncertain, ask for more samples"
        )
    return sentences
