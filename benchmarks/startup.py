"""How long a user waits for the first answer, and for the next: whole commands, as medians.

    python benchmarks/startup.py [RUNS]        # RUNS = 3

Each command runs with an empty cache directory and again with everything cached; beside it, in the
same run, ``python -c "import jax"`` and CLASS at its default settings, whose ratios are what to
compare between machines. ``benchmarks/programs.py`` has the sizes of the programs behind it.
"""

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
STERILE = [sys.executable, "-m", "sterile"]
CUT_OFF = ["--alpha", "0.02", "--beta", "2.24", "--gamma", "-4.46", "--json"]
CLASS = "from classy import Class; c = Class(); c.set({'output': 'mPk'}); c.compute()"
# the whole allowed range of the README, on one core: six grids, and hot dark matter
MANY = """
import os; os.sched_setaffinity(0, {0})
from sterile import session; session.start()
import numpy as np, sterile
from scipy.stats import qmc
low, high = np.log([5.0, 1e-12, 1e-12]), np.log([1e4, 1e-2, 1e-5])
unit = qmc.Sobol(3, rng=np.random.default_rng(1)).random(128)
points = sterile.evaluate_many(sterile.ScalarDecay(*np.exp(low + (high - low) * unit).T))
assert points.yield_n.shape == (128,)
"""


def seconds(command: list[str], cache: str) -> tuple[float, float]:
    """Wall and processor time [s] of one run."""
    environment = {**os.environ, "STERILE_CACHE_DIR": cache, "PYTHONPATH": str(ROOT)}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    subprocess.run(command, check=True, env=environment, cwd=ROOT, capture_output=True)
    wall = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return wall, used


def commands(folder: Path) -> dict[str, list[str]]:
    psd = folder / "psd.dat"
    rows = (f"{0.01 * 1.01**i:.8e} {2.718281828 ** -(0.01 * 1.01**i):.8e}" for i in range(800))
    psd.write_text("\n".join(rows) + "\n")
    spectrum = [str(psd), "--mass-kev", "7.1", "--temperature-ratio", "0.3"]
    return {
        "solve, freeze-in": [*STERILE, "solve", "runs/freeze-in.toml"],
        "solve, freeze-out": [*STERILE, "solve", "runs/freeze-out.toml"],
        "transfer of a psd file": [*STERILE, "transfer", *spectrum],
        "verdict of a cut-off": [*STERILE, "verdict", *CUT_OFF],
        "128 models of the plane": [sys.executable, "-c", MANY],
        "help": [*STERILE, "--help"],
    }


def main(runs: int) -> None:
    peers = {
        "import jax": [sys.executable, "-c", "import jax"],
        "CLASS, default": [sys.executable, "-c", CLASS],
    }
    times = {name: seconds(command, "") for name, command in peers.items()}  # warm disks
    for name, command in peers.items():
        found = [seconds(command, "") for _ in range(runs)]
        times[name] = tuple(statistics.median(column) for column in zip(*found))
        print(f"{name:28} {times[name][0]:6.2f} s wall {times[name][1]:6.2f} s processor")
    unit, boltzmann = (times[name][0] for name in peers)
    print(f"{'':28} {'wall':>8} {'processor':>10} {'/ import jax':>13} {'/ CLASS':>8}")
    with tempfile.TemporaryDirectory() as folder:
        for name, command in commands(Path(folder)).items():
            for state in ("empty", "cached"):
                found = []
                for number in range(runs):
                    cache = f"{folder}/{name}-{number if state == 'empty' else 0}"
                    found.append(seconds(command, cache))
                wall, used = (statistics.median(column) for column in zip(*found))
                label = f"{name}, {state}"
                print(
                    f"{label:28} {wall:8.2f} {used:10.2f} {wall / unit:13.1f}"
                    f" {wall / boltzmann:8.1f}"
                )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
