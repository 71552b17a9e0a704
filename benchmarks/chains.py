"""Chains on the pipeline: effective draws a second, and what a draw and a gradient cost.

    python benchmarks/chains.py [--method surrogate] [--branch freeze-in] [--samples 200]
    python benchmarks/chains.py --gradients    # compiles for minutes; two free cores

The target is that of runs/fit-posterior.toml, two chains side by side. Processor time is that of
all threads of the process. ``--gradients``: gradients of the posterior in freeze-out a second, two
chains against one alone, with LAPACK on one thread, as `session.start` leaves it, and on two, as it
comes.
"""

import argparse
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sterile import session

session.start()

import jax  # noqa: E402
import numpy as np  # noqa: E402
from threadpoolctl import threadpool_limits  # noqa: E402

from sterile.fit import settings, value_and_gradient  # noqa: E402
from sterile.fit.chains import Sampler, advance, begin  # noqa: E402
from sterile.fit.evidence import effective_size, split_r_hat  # noqa: E402
from sterile.fit.posterior import followed  # noqa: E402
from sterile.fit.problem import target_of  # noqa: E402
from sterile.fit.target import coordinates_of, evaluated  # noqa: E402
from sterile.fit.transitions import SurrogateSampler  # noqa: E402
from sterile.scalar.grids import FREEZE_IN, FREEZE_OUT  # noqa: E402

FIT = Path(__file__).parent.parent / "runs" / "fit-posterior.toml"
CALLS, ROUNDS = 8, 3
BRANCHES = {
    "freeze-in": (FREEZE_IN, ((9.3e-9, 3e-9), (1.1e-8, 5e-9))),
    "freeze-out": (FREEZE_OUT, ((2.0e-6, 3e-9), (2.3e-6, 3e-9))),
}


def starts(target, branch: str) -> list:
    """One start a chain."""
    return [
        coordinates_of(target, {"portal_coupling": coupling, "yukawa": yukawa, "omega_h2": 0.12})
        for coupling, yukawa in BRANCHES[branch][1]
    ]


class Clocks:
    """Seconds of the clock and of the processor inside a ``with`` block."""

    def __enter__(self):
        self._began = time.perf_counter(), time.process_time()
        return self

    def __exit__(self, *_):
        self.clock = time.perf_counter() - self._began[0]
        self.processor = time.process_time() - self._began[1]


def draws(method: str, branch: str, samples: int, warmup: int) -> None:
    """Two chains on one branch; prints a row of a table."""
    read = settings.load(FIT)
    target = target_of(read, BRANCHES[branch][0])
    if method == "nuts":
        sampler = Sampler(warmup)
    else:
        sampler = SurrogateSampler(warmup, also=followed(target))
    places = starts(target, branch)
    keys = jax.random.split(jax.random.PRNGKey(1))
    with Clocks() as compiling:
        chains = [begin(target, z, key, sampler) for z, key in zip(places, keys)]
    with ThreadPoolExecutor(len(chains)) as pool:

        def onward(number: int) -> Clocks:
            with Clocks() as clocks:
                list(pool.map(lambda chain: advance(chain, target, sampler, number), chains))
            return clocks

        warm, kept = onward(warmup), onward(samples)
    with Clocks() as values:
        for z in (zs := chains[0].draws[-CALLS:]):
            jax.block_until_ready(evaluated(target, jax.numpy.asarray(z), followed(target)))
    table = np.stack([chain.draws[warmup:] for chain in chains])
    size = min(effective_size(table[..., i]) for i in range(table.shape[-1]))
    hat = max(split_r_hat(table[..., i]) for i in range(table.shape[-1]))
    steps = np.mean([chain.statistics["n_steps"][warmup:] for chain in chains])
    rate = np.mean([chain.statistics["acceptance_rate"][warmup:] for chain in chains])
    print(
        f"| {branch} | {method} | {compiling.processor:.0f} s | {warm.processor:.1f} s | "
        f"{1e3 * values.processor / len(zs):.0f} ms | "
        f"{1e3 * kept.processor / (len(chains) * samples):.0f} ms | {rate:.2f} | {steps:.0f} | "
        f"{hat:.3f} | {size:.0f} of {len(chains) * samples} | {size / kept.processor:.2f} | "
        f"{size / kept.clock:.2f} |",
        flush=True,
    )


def gradients() -> None:
    """What a gradient takes, alone and with another beside it."""
    target = target_of(settings.load(FIT), FREEZE_OUT)
    places = starts(target, "freeze-out")

    def chain(z):
        for _ in range(CALLS):
            jax.block_until_ready(value_and_gradient(target, z))

    def seconds(number):
        """Shortest wall-clock time a gradient of ``number`` chains side by side."""
        found = []
        with ThreadPoolExecutor(number) as pool:
            for _ in range(ROUNDS):
                with Clocks() as clocks:
                    list(pool.map(chain, places[:number]))
                found.append(clocks.clock / (number * CALLS))
        return min(found)

    chain(places[0])
    for threads in (1, 2):
        with threadpool_limits(threads, user_api="blas"):
            alone, both = seconds(1), seconds(2)
        print(
            f"LAPACK on {threads} thread(s): a gradient in {1e3 * alone:.0f} ms alone, in "
            f"{1e3 * both:.0f} ms with two chains ({both / alone:.2f} times)",
            flush=True,
        )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--method", choices=("surrogate", "nuts"), default="surrogate")
    parser.add_argument("--branch", choices=tuple(BRANCHES), action="append")
    parser.add_argument("--samples", type=int, default=200)
    parser.add_argument("--warmup", type=int, default=100)
    parser.add_argument("--gradients", action="store_true")
    options = parser.parse_args()
    if options.gradients:
        gradients()
        return
    print(
        "| branch | method | compiling, processor | warm-up, processor | an evaluation | a draw | "
        "acceptance | leapfrog steps | R-hat | effective draws | a second of processor time | "
        "a second by the clock |\n|---|---|---|---|---|---|---|---|---|---|---|---|"
    )
    for branch in options.branch or BRANCHES:
        draws(options.method, branch, options.samples, options.warmup)


if __name__ == "__main__":
    main()
