"""What a gradient costs, in values of the same function timed in the same run.

    python benchmarks/gradients.py [freeze-in freeze-out resonance ...]     # compiles for minutes

One core, processor time, so that other programs on the machine count less. The function is that of
a fit: ln Omega h^2 plus the margin of a half-mode test, of (ln m_S, ln lambda, ln y, ln m_N).
"""

import functools
import os
import sys
import time

os.environ.setdefault(
    "XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
)

import jax
import jax.numpy as jnp

import sterile
from sterile import fit, session
from sterile.fit.observables import number_of

CASES = {
    "freeze-in": (100.0, 1e-8, 1e-9, 17.0),
    "freeze-out": (100.0, 1e-4, 1e-9, 500.0),
    "freeze-in, h -> SS": (30.0, 1e-9, 1e-9, 7.0),
    "freeze-out, h <-> SS": (50.0, 1e-4, 1e-9, 3000.0),
    "resonance": (62.5, 1e-9, 1e-9, 10.0),
}
session.start()
NAMES = ("scalar_mass_gev", "portal_coupling", "yukawa", "mass_kev")
ASKED = ("omega_h2", "half-mode-3.3keV")


def best(calls, rounds=20):
    """Shortest processor time [s] of each call; they take turns, as a machine's speed drifts."""
    for call in calls:
        jax.block_until_ready(call())
    times = [[] for _ in calls]
    for _ in range(rounds):
        for call, own in zip(calls, times):
            start = time.process_time()
            jax.block_until_ready(call())
            own.append(time.process_time() - start)
    return [min(own) for own in times]


def main():
    chosen = sys.argv[1:] or list(CASES)
    print(f"jax {jax.__version__}, {jax.devices()[0]}, XLA_FLAGS={os.environ['XLA_FLAGS']}")
    print(f"{'case':22} {'value':>9} {'reverse':>8} {'one direction':>14} (in values)")
    for name in chosen:
        parameters = CASES[name]
        model = sterile.ScalarDecay(*parameters[:3])
        pipeline = fit.pipeline(model, grid=sterile.choose_grid(model), vary=NAMES, observe=ASKED)

        def number(x, pipeline):
            seen = pipeline(dict(zip(NAMES, jnp.exp(x))), ASKED)
            return jnp.log(seen["omega_h2"]) + number_of(seen["half-mode-3.3keV"])

        x = jnp.log(jnp.array(parameters))
        value, reverse = jax.jit(number), jax.jit(jax.value_and_grad(number))

        @jax.jit
        def along(x, v, pipeline):
            return jax.jvp(lambda x: number(x, pipeline), (x,), (v,))  # noqa: B023

        calls = (
            functools.partial(value, x, pipeline),
            functools.partial(reverse, x, pipeline),
            functools.partial(along, x, jnp.ones(4), pipeline),
        )
        value, reverse, one = best(calls)
        print(
            f"{name:22} {1e3 * value:6.0f} ms {reverse / value:8.2f} {one / value:14.2f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
