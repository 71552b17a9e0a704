"""What each effect beyond the papers costs, in plain solves timed in the same run.

    python benchmarks/effects.py [EFFECT ...]      # minutes, nearly all compiling

One core, processor time, plain and with the effect in turns; the shortest of nine each.
"""

import os
import sys
import time

os.environ.setdefault(
    "XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
)

import jax

jax.config.update("jax_enable_x64", True)

import sterile

POINTS = {
    "freeze-in": (100.0, 1e-8, 1e-9),
    "freeze-out": (100.0, 1e-4, 1e-9),
    "freeze-in, h -> SS": (30.0, 1e-9, 1e-9),
    "freeze-out, h <-> SS": (30.0, 1e-6, 1e-9),
}
EFFECTS = {
    "quantum": {"bath_statistics": "quantum"},
    "elastic": {"elastic_scattering": True},
    "crossover": {"electroweak_transition": "crossover"},
    "inverse": {"inverse_decays": True},
    "best": sterile.PRESETS["best"],
}
_REPEATS = 9


def solve_once(model, plasma, error_estimate=False):
    start = time.process_time()
    jax.block_until_ready(sterile.solve(model, plasma, error_estimate=error_estimate))
    return time.process_time() - start


def main():
    chosen = sys.argv[1:] or [*EFFECTS, "error estimate"]
    print(f"jax {jax.__version__}, {jax.devices()[0]}, XLA_FLAGS={os.environ['XLA_FLAGS']}")
    print(f"{'case':22} {'plain':>8} " + " ".join(f"{name:>14}" for name in chosen))
    for case, point in POINTS.items():
        model = sterile.ScalarDecay(*point)
        plain = sterile.Plasma()
        solve_once(model, plain)
        ratios, base = [], float("inf")
        for name in chosen:
            plasma = sterile.Plasma(**EFFECTS.get(name, {}))
            asked = name == "error estimate"
            solve_once(model, plasma, asked)
            with_effect, without = [], []
            for _ in range(_REPEATS):
                without.append(solve_once(model, plain))
                with_effect.append(solve_once(model, plasma, asked))
            base = min(base, *without)
            ratios.append(min(with_effect) / min(without))
        print(
            f"{case:22} {1e3 * base:5.0f} ms " + " ".join(f"{ratio:14.2f}" for ratio in ratios),
            flush=True,
        )


if __name__ == "__main__":
    main()
