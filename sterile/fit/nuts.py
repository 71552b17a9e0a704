"""Methods "nuts" and "surrogate": chains on every branch, in blocks, written now and then."""

import dataclasses
import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from sterile.citation import citation_of
from sterile.fit import optimum, posterior, store
from sterile.fit import settings as reading
from sterile.fit.chains import Sampler, advance, begin, pack, unpack
from sterile.fit.evidence import Evidence, bridge, total_evidence
from sterile.fit.metric import local_covariance
from sterile.fit.problem import target_of
from sterile.fit.settings import FitStopped, Progress
from sterile.fit.target import evaluated, values_at
from sterile.fit.transitions import SEEN, TERM, SurrogateSampler
from sterile.models import parameters_of
from sterile.production import choose_grid

# chains are written this often [s], at the next whole block of draws
_SAVE_SECONDS = 30.0
_BLOCK = 10
_BRIDGE_DRAWS = 200


class Chains:
    """Chains per branch, advanced in blocks, written now and then."""

    def __init__(self, settings, output: Path, say: Progress, threads: int | None):
        self.settings, self.output, self.say = settings, output, say
        self.threads = threads
        self.identity = reading.identity(settings)
        self.mechanism = settings.run.model.mechanism
        self.seconds = 0.0

    def run(self, resume: bool) -> dict:
        fit = self.settings.fit
        tables = store.read_checkpoint(self.output, self.identity) if resume else None
        self.say("preparing")
        self.sampler = self._sampler()
        if tables is None:
            starts = self._find_starts()
        else:
            starts = {
                b: tables[f"starts/{b}"] for b in self.mechanism.branches if f"starts/{b}" in tables
            }
            self.seconds = float(tables["seconds"])
        self.branches = tuple(starts)
        self.starts = starts
        self.targets = {branch: self._target_at(starts[branch]) for branch in starts}
        key = jax.random.PRNGKey(fit.seed)
        self.chains = {}
        for number, branch in enumerate(self.branches):
            shape = None  # resumed chains bring their own
            if tables is None and fit.method == "nuts":
                self.say(f"{branch}: climbing to the maximum")
                shape = local_covariance(self.targets[branch], starts[branch][0])
            self.say(f"{branch}: compiling the sampler")
            self.chains[branch] = [
                begin(
                    self.targets[branch],
                    z,
                    jax.random.fold_in(jax.random.fold_in(key, number), i),
                    self.sampler,
                    shape,
                )
                for i, z in enumerate(starts[branch])
            ]
        if tables is not None:
            self._restore(tables)
        try:
            self._advance()
        except BaseException:
            self._save(finished=False)
            raise
        self._save(finished=False)
        return self._finish()

    def _sampler(self) -> Sampler | SurrogateSampler:
        fit = self.settings.fit
        if fit.method == "nuts":
            return Sampler(fit.warmup, fit.acceptance, fit.depth)
        # every scalar is kept as it is computed: draws need not be evaluated again
        names = posterior.followed(target_of(self.settings))
        return SurrogateSampler(fit.warmup, fit.acceptance, names)

    def _find_starts(self) -> dict[str, np.ndarray]:
        """Per branch, the best draws from the priors: one per chain, (chains, d)."""
        fit = self.settings.fit
        target = target_of(self.settings)
        self.say("looking for starts (compiling)")
        seeds = optimum.starts(
            target,
            optimum.LOOKED * max(fit.chains, fit.starts),
            fit.seed,
            posterior.followed(target),
        )
        if not seeds:
            raise FitStopped(
                "no draw from the priors has a finite density; check priors and likelihoods"
            )
        found: dict[str, list] = {}
        wanted = self.mechanism.branches if fit.branches == "both" else (fit.branches,)
        for _, z in seeds:
            if all(len(found.get(branch, ())) >= fit.chains for branch in wanted):
                break
            label = self._branch_of(target, z)
            if label in wanted:
                found.setdefault(label, []).append(np.asarray(z))
        if not found:
            raise FitStopped(f"no start was found on the {fit.branches} branch; widen the priors")
        # fewer than one a chain: chains share starts, their keys differ
        return {
            branch: np.stack([found[branch][i % len(found[branch])] for i in range(fit.chains)])
            for branch in self.mechanism.branches
            if branch in found
        }

    def _branch_of(self, target, z) -> str:
        observe = target.observe
        return self.mechanism.branch(self._model(target, z), observe.plasma, observe.grid)[0]

    @staticmethod
    def _model(target, z):
        values = values_at(target, z)
        own = {
            name: values[name]
            for name in parameters_of(type(target.observe.model))
            if name in values
        }
        return dataclasses.replace(target.observe.model, **own)

    def _target_at(self, starts):
        """The target on the grid that the starts of a branch need."""
        target = target_of(self.settings)
        grids = {
            choose_grid(self._model(target, z), target.observe.plasma) for z in np.asarray(starts)
        }
        return target if len(grids) > 1 else target_of(self.settings, grids.pop())

    def _total(self) -> int:
        return self.settings.fit.warmup + self.settings.fit.samples

    def _advance(self) -> None:
        """Draw until every chain is as long as asked, chains side by side."""
        began = saved = time.monotonic()
        before, total = self.seconds, self._total()
        # freeze-out's chains take longest, so they begin
        everything = [(b, chain) for b in reversed(self.branches) for chain in self.chains[b]]
        wanted = [True]

        def block(branch, chain):
            draws = min(_BLOCK, total - chain.length)
            advance(chain, self.targets[branch], self.sampler, draws, lambda: wanted[0])

        with ThreadPoolExecutor(self.threads or os.cpu_count() or 1) as pool:
            try:
                while any(chain.length < total for _, chain in everything):
                    list(pool.map(lambda each: block(*each), everything))
                    self.seconds = before + time.monotonic() - began
                    self.say(self._line(total))
                    if time.monotonic() - saved > _SAVE_SECONDS:
                        self._save(finished=False)
                        saved = time.monotonic()
            except BaseException:
                wanted[0] = False
                raise

    def _line(self, total: int) -> str:
        lengths = [chain.length for chains in self.chains.values() for chain in chains]
        divergent = sum(
            int(chain.statistics["diverging"][self.settings.fit.warmup :].sum())
            for chains in self.chains.values()
            for chain in chains
        )
        done = sum(lengths) / len(lengths)
        phase = "warm-up" if done < self.settings.fit.warmup else "sampling"
        left = self.seconds / done * (total - done) if done else 0.0
        return (
            f"{phase}: {done:.0f} of {total} draws, {len(lengths)} chains, {self.seconds:.0f} s, "
            f"{left:.0f} s left, {divergent} divergent"
        )

    def _save(self, finished: bool, groups=None, summary=None) -> None:
        """The checkpoint, and, once there are draws after the warm-up, the result as it is."""
        tables: dict[str, np.ndarray] = {"seconds": np.array(self.seconds)}
        for branch in self.branches:
            tables[f"starts/{branch}"] = self.starts[branch]
            for i, chain in enumerate(self.chains[branch]):
                tables[f"{branch}/{i}/draws"] = chain.draws
                for j, values in enumerate(chain.statistics.values()):
                    tables[f"{branch}/{i}/statistics/{j:03d}"] = values
                for j, leaf in enumerate(pack(chain)):
                    tables[f"{branch}/{i}/state/{j:03d}"] = leaf
        store.write_checkpoint(self.output, self.identity, tables)
        if groups is None:
            kept = {branch: self._kept(branch) for branch in self.branches}
            if not all(draws.shape[1] for draws, _ in kept.values()):
                return
            parts = [self._tables(branch, *each) for branch, each in kept.items()]
            # side by side: what the branches weigh is known at the end only
            groups = {
                group: {
                    name: np.concatenate([part[group][name] for part in parts])
                    for name in parts[0][group]
                }
                for group in parts[0]
            }
            summary = {
                "method": self.settings.fit.method,
                "finished": False,
                "kind": self.mechanism.kind,
                "seconds": self.seconds,
            }
        citation = citation_of(self.mechanism.citations)
        store.write(
            self.output, store.Fit(groups, summary or {}, self.settings.text, citation=citation)
        )

    def _restore(self, tables) -> None:
        for branch in self.branches:
            for i, chain in enumerate(self.chains[branch]):
                prefix = f"{branch}/{i}/"
                chain.draws = tables[prefix + "draws"]
                chain.statistics = {
                    name: tables[f"{prefix}statistics/{j:03d}"]
                    for j, name in enumerate(chain.statistics)
                }
                states = sorted(name for name in tables if name.startswith(prefix + "state/"))
                unpack(chain, [tables[name] for name in states])

    def _kept(self, branch) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Draws (c, n, d) and statistics (c, n) after the warm-up, as far as all chains are."""
        first, chains = self.settings.fit.warmup, self.chains[branch]
        last = min(min(chain.length for chain in chains), self._total())
        draws = np.stack([chain.draws[first:last] for chain in chains])
        statistics = {
            name: np.stack([chain.statistics[name][first:last] for chain in chains])
            for name in chains[0].statistics
        }
        return draws, statistics

    def _tables(self, branch, draws, statistics) -> dict[str, dict[str, np.ndarray]]:
        """Groups of one branch without what needs the pipeline."""
        target = self.targets[branch]
        code = np.full(draws.shape[:2], self.mechanism.branches.index(branch))
        own = {name: v for name, v in statistics.items() if not name.startswith((SEEN, TERM))}
        return {
            "posterior": posterior.sampled(target, draws) | {"branch": code},
            "sample_stats": own,
            "unconstrained_posterior": {name: draws[..., i] for i, name in enumerate(target.names)},
        }

    def _finish(self) -> dict:
        fit = self.settings.fit
        parts, found, warnings, evidences = [], {}, [], []
        followed = posterior.followed(next(iter(self.targets.values())))
        for branch in self.branches:
            target = self.targets[branch]
            draws, statistics = self._kept(branch)
            part = self._tables(branch, draws, statistics)
            flat = draws.reshape(-1, draws.shape[-1])
            scalars, part["log_likelihood"] = self._derived(branch, draws, statistics)
            part["posterior"] |= scalars
            likelihood = sum(part["log_likelihood"].values(), start=np.zeros(draws.shape[:2]))
            part["sample_stats"] |= {"chi_square": -2.0 * likelihood}
            parts.append(part)
            found[branch] = posterior.diagnostics(draws, statistics, self.seconds)
            if fit.method == "surrogate":
                proposed = statistics["n_steps"] > 0
                rate = statistics["acceptance_rate"][proposed].mean() if proposed.any() else 1.0
                found[branch]["surrogate_acceptance"] = float(rate)
            found[branch]["divergence_cause"] = self._cause(part)
            found[branch] |= posterior.outcomes(scalars["status"].ravel())
            strayed = self._strayed(target, flat, branch)
            if strayed:
                warnings.append(
                    f"{branch}: {strayed} of the draws looked at lie on the other branch; the "
                    "branches are connected and their weights mean nothing, sample one of them"
                )
            self.say(f"{branch}: evidence")

            def log_density(z, target=target):
                return float(evaluated(target, jnp.asarray(z), followed).log_density)

            evidence = bridge(draws, statistics["lp"], log_density, _BRIDGE_DRAWS, fit.seed)
            evidences.append(evidence)
            found[branch] |= _evidence(evidence)
        total, weights = total_evidence(evidences)
        for each, weight in zip(found.values(), weights):
            each["weight"] = float(weight)
        groups = posterior.combine(parts, weights, fit.seed)
        for branch, each in found.items():
            warnings += posterior.warnings_of(branch, each, fit.chains)
        summary = {
            "method": fit.method,
            "finished": True,
            "kind": self.mechanism.kind,
            "chains": fit.chains,
            "samples": fit.samples,
            "seconds": self.seconds,
            **_evidence(total),
            "branches": found,
            "parameters": posterior.summarise(groups["posterior"]),
            "warnings": warnings,
        }
        self._save(True, groups, summary)
        return json.loads(json.dumps(summary))

    def _derived(self, branch, draws, statistics) -> tuple[dict, dict]:
        """Scalars and log likelihoods of draws (c, n, d), name → (c, n)."""
        if self.settings.fit.method == "surrogate":
            kept = statistics.items()
            scalars = {n.removeprefix(SEEN): v for n, v in kept if n.startswith(SEEN)}
            return scalars, {n.removeprefix(TERM): v for n, v in kept if n.startswith(TERM)}
        scalars, terms = posterior.derived(
            self.targets[branch],
            draws.reshape(-1, draws.shape[-1]),
            lambda i, n: self.say(f"{branch}: derived {i} of {n}"),
        )
        shape = draws.shape[:2]
        scalars = {name: values.reshape(shape) for name, values in scalars.items()}
        return scalars, {name: values.reshape(shape) for name, values in terms.items()}

    def _cause(self, part) -> str:
        """What divergent trajectories have in common."""
        prior = self.targets[self.branches[0]].priors.get("mass_kev")
        divergent = part["sample_stats"]["diverging"] > 0
        if not divergent.any():
            return "none"
        if prior is not None and prior.bounded and "mass_kev" in part["posterior"]:
            mass = part["posterior"]["mass_kev"][divergent]
            near = np.minimum(
                np.abs(np.log(mass / prior.first)), np.abs(np.log(mass / prior.second))
            )
            share = int(np.sum(near < 0.25))
            return (
                f"{share} of them from within 25 % of an end of the mass's prior, a wall in the "
                "sampled coordinates: harmless, or give the mass a log_normal prior"
            )
        if self.settings.fit.method == "surrogate":
            return (
                "the surrogate leads where the density is zero or nothing comes out; narrow the "
                "priors, or ask for a longer warmup"
            )
        return "raise acceptance, or narrow the priors"

    def _strayed(self, target, flat, branch) -> int:
        """How many of some twenty draws are on the other branch."""
        looked = flat[:: max(1, len(flat) // 20)]
        return sum(self._branch_of(target, z) != branch for z in looked)


def _evidence(found: Evidence) -> dict[str, float | None]:
    """As a summary has it: null where draws do not give one."""
    known = np.all(np.isfinite(found))
    return {
        "log_evidence": found.log_value if known else None,
        "log_evidence_error": found.error if known else None,
    }
