"""How scans scale: workers and batches on this machine, and what the coordinator can feed.

    python benchmarks/scaling.py [--points 240] [--batches 1 2 4 8] [--workers 1 2]
    python benchmarks/scaling.py --coordinator 10000 100000 1000000 10000000   # no pipeline
    python benchmarks/scaling.py --dask 100000 [--machines 1000]     # no pipeline, a real scheduler

Prints Markdown tables. The first runs the pipeline over the plane of benchmarks/scan.py. The others
pretend: rows of the pipeline's columns, invented at once. "Coordinator" has a thousand simulated
workers in its own process, each with a chunk at any time, so that what is timed is the design, the
file, the tasks and the writing. "Dask" has as many worker objects, in one process of their own, on
a scheduler in another: every chunk goes through the network's layers and both processes' queues.
"""

import argparse
import contextlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scan import PLANE, invented_columns, measure

import sterile.scan
from sterile.scan import runner
from sterile.scan.evaluation import Description, blank_rows

CHUNK = 16
MACHINES = 1000
# a scheduler and a thousand workers on two cores take their time to start
_START_SECONDS = 1200.0

WORKERS = """
import asyncio, sys
import dask

# a thousand that share a process would do little else than watch it
dask.config.set({
    "distributed.worker.profile.enabled": False,
    "distributed.admin.system-monitor.interval": "1h",
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": False,
    "distributed.worker.memory.monitor-interval": "1h",
})
from distributed import Worker

async def main(address, number, folder):
    workers = [
        Worker(address, nthreads=1, local_directory=folder, dashboard=False, name=i,
               host="127.0.0.1", memory_limit=0)
        for i in range(number)
    ]
    for start in range(0, number, 50):
        await asyncio.gather(*workers[start:start + 50])
    await asyncio.gather(*(worker.finished() for worker in workers))

asyncio.run(main(sys.argv[1], int(sys.argv[2]), sys.argv[3]))
"""


@dataclass(frozen=True)
class Pretended:
    """Rows that are invented at once, of the pipeline's columns, in two groups as its grids are."""

    def describe(self, values):
        return Description(invented_columns(), {}, {})

    def groups(self, values):
        return (values["portal_coupling"] > 1e-6).astype(int)

    def compute(self, values, tight=False):
        count = len(values["yukawa"])
        columns = invented_columns()
        found = {name: blank_rows(column.dtype, count) for name, column in columns.items()}
        found["points/yield_n"] = values["portal_coupling"] ** 2
        found["points/status"] = np.zeros(count, dtype="<i4")
        return found


class Simulated:
    """A thousand workers that have always done what they were asked first."""

    slots = 2 * MACHINES

    def __init__(self, workers: int):
        self._order: deque = deque()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def submit(self, function, *arguments):
        """An answer, computed at once."""
        answer = Answer(function(*arguments))
        self._order.append(answer)
        return answer

    def wait(self, futures, timeout: float) -> set:
        """Half of what is in flight: the others are still computing."""
        count = max(1, len(self._order) // 2)
        return {self._order.popleft() for _ in range(count)}


class Answer:
    """A future that is done."""

    def __init__(self, value):
        self._value = value

    def result(self):
        return self._value


def scan_of(points: int, chunk: int) -> dict:
    """A Sobol scan of the plane, two points to an evaluation."""
    return {
        "model": {"kind": "scalar-decay", "scalar_mass_gev": 100.0},
        "scan": {"design": "sobol", "points": points, "batch": 2, "chunk": chunk,
                 "parameters": PLANE},
    }  # fmt: skip


def pretend(points: int, chunk: int, scheduler: str | None = None) -> dict:
    """Rates of one scan with a pretended evaluation; ``scheduler``: on its workers."""
    import scaling as this  # workers import the evaluation by this name

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "pretended.h5"
        began, cpu = time.perf_counter(), time.process_time()
        summary = sterile.scan.run(
            scan_of(points, chunk), path, scheduler=scheduler, evaluation=this.Pretended()
        )
        seconds = time.perf_counter() - began
        size = path.stat().st_size / 1e6
    assert summary["statuses"] == {"SUCCESS": points}, summary["statuses"]
    return {
        "points": points,
        "seconds": seconds,
        "cpu": time.process_time() - cpu,
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0,
        "size": size,
    }


def row(found: dict) -> str:
    """One row of a table of pretended scans."""
    return (
        f"| {found['points']} | {found['points'] / found['seconds']:.0f} | "
        f"{found['points'] / found['cpu']:.0f} | {1e6 * found['cpu'] / found['points']:.0f} us | "
        f"{found['peak']:.0f} MB | {found['size']:.0f} MB |"
    )


HEAD = (
    "| points | points/s | points per second of the coordinator's core | its time a point | "
    "its peak memory | file |\n|---|---|---|---|---|---|"
)


def coordinator(points: list[int], chunk: int) -> None:
    """Simulated workers, each number of points in a process of its own for its peak memory."""
    print(f"{MACHINES} simulated workers, chunks of {chunk}\n\n{HEAD}", flush=True)
    for number in points:
        command = [sys.executable, __file__, "--one", str(number), "--chunk", str(chunk)]
        subprocess.run(command, check=True)


@contextlib.contextmanager
def cluster(machines: int):
    """The address of a scheduler with so many workers, in two processes that are ended."""
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), *filter(None, sys.path)]),
        "OMP_NUM_THREADS": "1",
    }
    quiet = {"env": environment, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "scheduler.json"
        words = ["--port", "0", "--host", "127.0.0.1", "--no-dashboard", "--scheduler-file", file]
        command = [sys.executable, "-m", "distributed.cli.dask_scheduler", *map(str, words)]
        processes = [subprocess.Popen(command, **quiet)]
        try:
            while not file.exists() or not file.stat().st_size:
                assert processes[0].poll() is None, "the scheduler ended"
                time.sleep(0.1)
            address = json.loads(file.read_text(encoding="utf-8"))["address"]
            command = [sys.executable, "-c", WORKERS, address, str(machines), folder]
            processes.append(subprocess.Popen(command, **quiet))
            yield address, processes
        finally:
            for process in reversed(processes):
                process.kill()
                process.wait()


def processor_seconds(process) -> float:
    """User and system time of a process that runs (Linux)."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def dask(points: list[int], chunk: int, machines: int) -> None:
    """A real scheduler; what it and its workers use is said, too."""
    import distributed

    with cluster(machines) as (address, processes):
        with distributed.Client(address, timeout=60, set_as_default=False) as client:
            began = time.perf_counter()
            client.wait_for_workers(machines, timeout=_START_SECONDS)
            print(f"{machines} workers of a Dask scheduler ({distributed.__version__}), started in "
                  f"{time.perf_counter() - began:.0f} s, chunks of {chunk}\n\n{HEAD}")  # fmt: skip
        for number in points:
            before = [processor_seconds(process) for process in processes]
            print(row(pretend(number, chunk, address)), flush=True)
            used = [processor_seconds(p) - b for p, b in zip(processes, before)]
            print(f"\nprocessor time a point: scheduler {1e6 * used[0] / number:.0f} us, all "
                  f"workers {1e6 * used[1] / number:.0f} us\n")  # fmt: skip


def machine(points: int, batches: list[int], workers: list[int]) -> None:
    """The pipeline itself."""
    load = os.getloadavg()[0]
    print(f"{points} points, load average before: {load:.1f} on {os.cpu_count()} cores\n")
    print("| workers | batch | points/s | points/s/core by processor time | overhead | "
          "memory of a worker, at its peak |\n|---|---|---|---|---|---|")  # fmt: skip
    for number in workers:
        for batch in batches:
            found = measure(points, number, batch)
            print(f"| {number} | {batch} | {found['rate']:.1f} | {found['cpu rate']:.1f} | "
                  f"{100 * found['overhead']:.1f} % | {found['resident mb']:.0f} MB, "
                  f"{found['peak mb']:.0f} MB |",
                  flush=True)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--points", type=int, default=240)
    parser.add_argument("--batches", type=int, nargs="*", default=[1, 2, 4, 8])
    parser.add_argument("--workers", type=int, nargs="*", default=[1, 2])
    parser.add_argument("--coordinator", type=int, nargs="+", metavar="POINTS")
    parser.add_argument("--dask", type=int, nargs="+", metavar="POINTS")
    parser.add_argument("--machines", type=int, default=MACHINES, help="workers of --dask")
    parser.add_argument("--chunk", type=int, default=CHUNK, help="points a task, without pipeline")
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        runner.LocalWorkers = Simulated
        print(row(pretend(options.one, options.chunk)), flush=True)
    elif options.coordinator:
        coordinator(options.coordinator, options.chunk)
    elif options.dask:
        dask(options.dask, options.chunk, options.machines)
    else:
        machine(options.points, options.batches, options.workers)


if __name__ == "__main__":
    main()
