"""Scans: points per second and core over the plane, overhead, two cores, a million rows.

    python benchmarks/scan.py [--points 240] [--store-only]

Rates are taken after every worker has compiled its programs. Overhead is the share of a
worker's time that is not spent in the pipeline. "CPU" rates count the time of the core, not of the
clock, and so do not suffer from other jobs.
"""

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sterile.quantities import point_scalars
from sterile.scan.evaluation import Column, Pipeline

PLANE = {
    "portal_coupling": {"low": 1e-10, "high": 1e-3, "spacing": "log"},
    "yukawa": {"low": 1e-11, "high": 1e-6, "spacing": "log"},
}
_CLOCKS = ("began", "ended", "cpu", "process", "peak", "resident")
_warm = []


@dataclass(frozen=True)
class Timed:
    """A pipeline that also says when it worked, and has compiled before the first chunk counts."""

    pipeline: Pipeline

    def describe(self, values):
        found = self.pipeline.describe(values)
        clocks = {f"points/{name}": Column((), "<f8", "s", "clock") for name in _CLOCKS}
        return found._replace(columns={**found.columns, **clocks})

    def groups(self, values):
        return self.pipeline.groups(values)

    def compute(self, values, tight=False):
        if not _warm:
            # either grid, and dark matter so hot that hierarchies are followed
            for coupling, yukawa in ((1e-8, 1e-9), (1e-4, 1e-9), (1e-8, 1e-11)):
                ones = {"portal_coupling": np.array([coupling]), "yukawa": np.array([yukawa])}
                self.pipeline.compute(ones)
            _warm.append(True)
        count = len(values["yukawa"])
        began, cpu = time.time(), time.process_time()
        found = self.pipeline.compute(values, tight)
        numbers = (
            began,
            time.time(),
            (time.process_time() - cpu) / count,
            os.getpid(),
            resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0,
            int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 2**20,
        )
        clocks = {f"points/{n}": np.full(count, x) for n, x in zip(_CLOCKS, numbers)}
        return {**found, **clocks}


def measure(points: int, workers: int, batch: int) -> dict:
    """Rates of one scan of the plane."""
    import scan as this  # workers import the evaluation by this name

    import sterile.scan
    from sterile.scan.evaluation import pipeline_of
    from sterile.scan.settings import load

    content = {
        "model": {"kind": "scalar-decay", "scalar_mass_gev": 100.0},
        "scan": {"design": "sobol", "points": points, "batch": batch, "chunk": 8 * batch,
                 "parameters": PLANE},
    }  # fmt: skip
    evaluation = this.Timed(pipeline_of(load(content), tuple(PLANE)))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "plane.h5"
        summary = sterile.scan.run(content, path, workers=workers, evaluation=evaluation)
        found = sterile.scan.load(path).points
    starts = [found["began"][found["process"] == p].min() for p in np.unique(found["process"])]
    start, end = max(starts), found["ended"].max()
    counted = found["began"] >= start
    _, chunk = np.unique(found["began"], return_index=True)
    chunk = chunk[counted[chunk]]
    busy = (found["ended"] - found["began"])[chunk].sum()
    return {
        "rate": counted.sum() / (end - start),
        "cpu rate": 1.0 / found["cpu"].mean(),
        "overhead": 1.0 - busy / (len(starts) * (end - start)),
        "peak mb": found["peak"].max(),
        "resident mb": found["resident"].max(),
        "statuses": summary["statuses"],
    }


def invented_columns() -> dict[str, Column]:
    """Columns like the pipeline's: parameters, scalars, three verdicts."""
    names = (*PLANE, *point_scalars({}))
    columns = {f"points/{name}": Column((), "<f8", "1", "") for name in names}
    columns["points/status"] = Column((), "<i4", "1", "")
    for name in ("half-mode", "half-mode-2.0keV", "half-mode-3.3keV"):
        columns[f"verdicts/{name}/status"] = Column((), "<i4", "1", "")
        for part in ("value", "threshold", "margin"):
            columns[f"verdicts/{name}/{part}"] = Column((), "<f8", "1", "")
    return columns


def million_rows(rows: int, chunk: int = 16) -> None:
    """Write and read a results file of the pipeline's columns with invented rows; print costs."""
    from sterile.scan import results, store
    from sterile.scan.evaluation import blank_rows

    columns = invented_columns()
    generator = np.random.default_rng(0)
    parameters = {name: generator.random(rows) for name in PLANE}
    root = {"parameters": list(PLANE), "rounds": [rows], "identity": "{}", "config_toml": ""}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "million.h5"
        began = time.perf_counter()
        store.create(
            path, columns, parameters, generator.random((rows, 2)), shared={}, attributes={},
            root=root,
        )  # fmt: skip
        made = time.perf_counter()
        row = {name: blank_rows(column.dtype, chunk) for name, column in columns.items()}
        # two groups that share the plane, as the pipeline's grids do
        groups = [
            np.flatnonzero(parameters["yukawa"] < 0.5),
            np.flatnonzero(parameters["yukawa"] >= 0.5),
        ]
        with store.Writer(path, columns) as writer:
            for group in groups:
                for start in range(0, len(group), chunk):
                    taken = group[start : start + chunk]
                    for name in PLANE:
                        row[f"points/{name}"] = parameters[name][taken]
                    row["points/status"] = np.zeros(len(taken), dtype="<i4")
                    writer.write(taken, {name: array[: len(taken)] for name, array in row.items()})
        written = time.perf_counter()
        found = results.load(path)
        read = time.perf_counter()
        assert found.done.all() and np.array_equal(found.points["yukawa"], parameters["yukawa"])
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
        print(f"{rows} rows, {path.stat().st_size / 1e6:.0f} MB: made in {made - began:.1f} s, "
              f"written in chunks of {chunk} in {written - made:.1f} s "
              f"({(written - made) / rows * 1e6:.0f} us a point), read and verified in "
              f"{read - written:.1f} s; peak memory {peak:.2f} GB")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--points", type=int, default=240)
    parser.add_argument("--batches", type=int, nargs="*", default=[1, 2, 4])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--store-only", action="store_true")
    parser.add_argument("--million", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.million:
        million_rows(options.rows)
        return
    # alone in its process, so that its peak memory is its own
    command = [sys.executable, __file__, "--million", "--rows", str(options.rows)]
    subprocess.run(command, check=True)
    if options.store_only:
        return
    load = os.getloadavg()[0]
    print(f"{options.points} points, load average before: {load:.1f} on {os.cpu_count()} cores")
    single = {}
    for batch in options.batches:
        found = single[batch] = measure(options.points, 1, batch)
        print(f"1 worker, batch {batch}: {found['rate']:.2f} points/s, CPU {found['cpu rate']:.2f} "
              f"points/s/core, overhead {100 * found['overhead']:.1f} %")  # fmt: skip
    best = max(single, key=lambda batch: single[batch]["cpu rate"])
    double = measure(options.points, 2, best)
    print(f"2 workers, batch {best}: {double['rate']:.2f} points/s, CPU {double['cpu rate']:.2f} "
          f"points/s/core; {double['rate'] / single[best]['rate']:.2f} x one worker; "
          f"{double['statuses']}")  # fmt: skip


if __name__ == "__main__":
    main()
