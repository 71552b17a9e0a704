"""Time one warm model through production and the pipeline, against the brute-force solver.

    python benchmarks/production.py            # a few minutes; the brute-force side dominates

One core (set XLA_FLAGS as printed to pin it). Prints a row per case: milliseconds, the ratio to the
independent adaptive-Radau solver of tests/oracles on the same case in the same run, the error of
Y_N against its result, and the cost of a reverse-mode gradient of (ln Y_N, ln <q>) over a value.
"""

import argparse
import os
import sys
import time
from pathlib import Path

os.environ.setdefault(
    "XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
)
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import equinox as eqx
import jax
import jax.numpy as jnp

jax.config.update("jax_enable_x64", True)

import spectra
import sterile
import sterile.scalar.amplitudes

CASES = {
    "freeze-in": (100.0, 1e-8, 1e-9),
    "freeze-out": (100.0, 1e-4, 1e-9),
    "mixed": (100.0, 1e-6, 1e-8),
    "freeze-in, h -> SS": (30.0, 1e-9, 1e-9),
    "freeze-out, h <-> SS": (50.0, 1e-4, 1e-9),
    "resonance": (62.5, 1e-9, 1e-9),
}


def best(function, repeats=7):
    """Shortest wall time in seconds, after one warm-up call."""
    jax.block_until_ready(function())
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        jax.block_until_ready(function())
        times.append(time.perf_counter() - start)
    return min(times)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--brute-force", action="store_true", help="also run the slow solver")
    parser.add_argument("--gradients", action="store_true", help="also compile and time gradients")
    options = parser.parse_args()
    cosmology = spectra.Cosmology()
    drive = spectra.drive(cosmology)
    plasma = sterile.Plasma(dark_sector_in_hubble=False)
    print(f"jax {jax.__version__}, {jax.devices()[0]}, XLA_FLAGS={os.environ['XLA_FLAGS']}")
    print(f"{'case':24} {'solve':>9} {'evaluate':>9}")
    for name, parameters in CASES.items():
        model = sterile.ScalarDecay(*parameters)
        grid = sterile.choose_grid(model, plasma)
        solve = best(lambda: sterile.solve(model, plasma, grid).yield_n)  # noqa: B023
        whole = best(lambda: sterile.evaluate(model, cosmology, plasma, drive=drive).transfer.t2)  # noqa: B023
        row = f"{name:24} {1e3 * solve:6.1f} ms {1e3 * whole:6.1f} ms"
        if options.gradients:

            def logarithms(x):
                production = sterile.solve(sterile.ScalarDecay(*jnp.exp(x)), plasma, grid)  # noqa: B023
                return jnp.log(production.yield_n) + jnp.log(production.q_mean)

            gradient = eqx.filter_jit(jax.grad(logarithms))
            cost = best(lambda: gradient(jnp.log(jnp.array(parameters))), 3)  # noqa: B023
            row += f"  gradient/value {cost / solve:4.1f}"
        if options.brute_force:
            from tests.oracles.scalar_brute_force import Level
            from tests.oracles.scalar_brute_force import solve as brute_force
            from tests.oracles.scalar_rates import Case

            resonance = {"none": "smooth", "narrow": "decay", "broad": "full"}[grid.resonance]
            width = float(sterile.scalar.amplitudes.higgs_width_included_gev())
            start = time.perf_counter()
            reference = brute_force(
                Case(*parameters, resonance=resonance, higgs_width_gev=width), Level(16, 3e-7, 0.05)
            )
            slow = time.perf_counter() - start
            error = float(sterile.solve(model, plasma, grid).yield_n) / reference["yield_n"] - 1.0
            row += f"  brute force {slow:6.1f} s, {slow / solve:8.0f} x, Y_N {error:+.1e}"
        print(row, flush=True)


if __name__ == "__main__":
    main()
