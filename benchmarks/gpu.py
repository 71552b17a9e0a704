"""A plane of scalar decay on a GPU: points a second, memory, difference from a core's numbers.

    python benchmarks/gpu.py [--points 100000] [--slice 16384] [--reference 64] [--output FILE]

One script of at most eight minutes, compiling included. Without a GPU it runs on the device that
JAX has, with few points, so that the script itself is tested.
"""

import argparse
import time

import jax

jax.config.update("jax_enable_x64", True)

import numpy as np
from scipy.stats import qmc

import sterile

LOW, HIGH = (1e-10, 1e-11), (1e-3, 1e-6)  # portal coupling and Yukawa, as in benchmarks/scan.py
SCALARS = ("yield_n", "q_mean", "mass_kev", "lambda_fs_mpc", "k_t2_half_h_mpc", "delta_a")
# numbers of order one, or one minus such: relative differences of a small delta_A are rounding
ABSOLUTE = ("t2", "delta_a")


def plane(points: int, mass_gev: float) -> sterile.ScalarDecay:
    """Sobol points, log-uniform in both couplings."""
    unit = qmc.Sobol(2, seed=1).random(points)
    couplings = np.exp(np.log(LOW) + unit * (np.log(HIGH) - np.log(LOW)))
    return sterile.ScalarDecay(np.full(points, mass_gev), *couplings.T)


def numbers(points) -> dict:
    """What is compared and kept of points: scalars, T^2 and status."""
    kept = {name: np.asarray(getattr(points, name)) for name in SCALARS}
    return kept | {"t2": np.asarray(points.transfer.t2), "status": np.asarray(points.status)}


def differences(found: dict, reference: dict) -> dict:
    """Largest difference of each number, relative or ABSOLUTE, and how many statuses differ."""
    rows = {}
    for name, value in reference.items():
        other = found[name][: len(value)]
        if name == "status":
            rows[name] = float(np.sum(value != other))
            continue
        scale = 1.0 if name in ABSOLUTE else np.abs(value)
        both = np.isfinite(value) & np.isfinite(other)
        if not np.array_equal(np.isfinite(value), np.isfinite(other)):
            rows[f"{name} NaN"] = float(np.sum(np.isfinite(value) != np.isfinite(other)))
        rows[name] = float(np.max(np.where(both, np.abs(other - value) / scale, 0.0)))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--points", type=int, default=100_000)
    parser.add_argument("--slice", type=int, default=16_384)
    parser.add_argument("--reference", type=int, default=64)
    parser.add_argument("--mass-gev", type=float, default=100.0)
    parser.add_argument("--device", default=None)
    parser.add_argument(
        "--hierarchies", default="where needed", help='"never": hot points are named'
    )
    parser.add_argument("--output", help="a file .npz for the numbers")
    given = parser.parse_args()
    device = jax.devices(given.device)[0]
    print(f"jax {jax.__version__}, {device.device_kind}", flush=True)
    models = plane(given.points, given.mass_gev)

    def part(start: int, stop: int):
        return jax.tree.map(lambda leaf: leaf[start:stop], models)

    found, seconds, fast = [], [], 0
    for start in range(0, given.points, given.slice):
        began = time.perf_counter()
        points = sterile.evaluate_many(
            part(start, start + given.slice), device=device, hierarchies=given.hierarchies
        )
        seconds.append(time.perf_counter() - began)
        fast += int(np.sum(np.asarray(points.transfer.fast)))
        found.append(numbers(points))
        memory = (device.memory_stats() or {}).get("peak_bytes_in_use", float("nan"))
        print(
            f"{start + len(found[-1]['status'])} points, {seconds[-1]:.1f} s, "
            f"{memory / 2**30:.1f} GiB",
            flush=True,
        )
    warm = seconds[1:] or seconds
    rows = sum(len(each["status"]) for each in found[1:]) or given.points
    joined = {name: np.concatenate([each[name] for each in found]) for name in found[0]}
    status, count = np.unique(joined["status"], return_counts=True)
    print(f"first slice with compiling {seconds[0]:.1f} s; then {rows / sum(warm):.0f} points/s")
    statuses = dict(zip(status.tolist(), count.tolist()))
    print(f"hot share {fast / given.points:.3f}; statuses {statuses}")
    if given.output:
        np.savez_compressed(given.output, **joined)
    if not given.reference:
        return
    began = time.perf_counter()
    core = jax.devices("cpu")[0]
    reference = numbers(
        sterile.evaluate_many(part(0, given.reference), device=core, hierarchies=given.hierarchies)
    )
    print(f"reference of {given.reference} points on the CPU: {time.perf_counter() - began:.1f} s")
    for name, difference in differences(joined, reference).items():
        print(f"  {name:18s} {difference:.1e}")


if __name__ == "__main__":
    main()
