"""Two chains side by side against one alone: gradients of the posterior per second, one run.

    python benchmarks/chains.py     # compiles for a minute or two; two free cores

The target is that of runs/fit-posterior.toml on freeze-out. With LAPACK on one thread, as
`session.start` leaves it, and on two, as it comes.
"""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sterile import session

session.start()

import jax  # noqa: E402
from threadpoolctl import threadpool_limits  # noqa: E402

from sterile.fit import settings, value_and_gradient  # noqa: E402
from sterile.fit.problem import target_of  # noqa: E402
from sterile.fit.target import coordinates_of  # noqa: E402
from sterile.scalar.grids import FREEZE_OUT  # noqa: E402

FIT = Path(__file__).parent.parent / "runs" / "fit-posterior.toml"
CALLS, ROUNDS = 8, 3


def main():
    target = target_of(settings.load(FIT), FREEZE_OUT)
    starts = [
        coordinates_of(target, {"portal_coupling": coupling, "yukawa": 3e-9, "omega_h2": 0.12})
        for coupling in (2.0e-6, 2.3e-6)
    ]

    def chain(z):
        for _ in range(CALLS):
            jax.block_until_ready(value_and_gradient(target, z))

    def seconds(number):
        """Shortest wall-clock time a gradient of ``number`` chains side by side."""
        found = []
        with ThreadPoolExecutor(number) as pool:
            for _ in range(ROUNDS):
                began = time.perf_counter()
                list(pool.map(chain, starts[:number]))
                found.append((time.perf_counter() - began) / (number * CALLS))
        return min(found)

    chain(starts[0])
    for threads in (1, 2):
        with threadpool_limits(threads, user_api="blas"):
            alone, both = seconds(1), seconds(2)
        print(
            f"LAPACK on {threads} thread(s): a gradient in {1e3 * alone:.0f} ms alone, in "
            f"{1e3 * both:.0f} ms with two chains ({both / alone:.2f} times)",
            flush=True,
        )


if __name__ == "__main__":
    main()
