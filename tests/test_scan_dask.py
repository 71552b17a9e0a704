"""Scans on a real Dask scheduler with worker processes, one of which is killed."""

import copy
import gc
import json
import os
import subprocess
import sys
import time

import pytest
from scan_cases import SCAN, Cheap, same

import sterile.scan as scan
from sterile.scan.progress import Progress

distributed = pytest.importorskip("distributed")
pytestmark = pytest.mark.cli

ENVIRONMENT = {
    **os.environ,
    "PYTHONPATH": os.pathsep.join(filter(None, [os.path.dirname(__file__), *sys.path])),
    "DASK_DISTRIBUTED__COMM__TIMEOUTS__CONNECT": "5s",
}


def dask(*words):
    return subprocess.Popen(
        [sys.executable, "-m", *words],
        env=ENVIRONMENT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


@pytest.fixture
def scheduler(tmp_path):
    """(address, start a worker, the scheduler's process); all is ended afterwards."""
    file, processes = tmp_path / "scheduler.json", []

    def begin(*words):
        processes.append(dask(*words))
        return processes[-1]

    main = begin(
        "distributed.cli.dask_scheduler", "--port", "0", "--host", "127.0.0.1", "--no-dashboard",
        "--scheduler-file", str(file),
    )  # fmt: skip
    while not file.exists():
        assert main.poll() is None
        time.sleep(0.05)
    time.sleep(0.1)
    address = json.loads(file.read_text(encoding="utf-8"))["address"]

    def worker():
        return begin(
            "distributed.cli.dask_worker", address, "--nthreads", "1", "--no-nanny",
            "--no-dashboard", "--local-directory", str(tmp_path / "dask"),
        )  # fmt: skip

    yield address, worker, main
    for process in reversed(processes):
        process.kill()
        process.wait()


class At(Progress):
    """Does something once, when a number of points is done."""

    def __init__(self, points, action):
        super().__init__(quiet=True)
        self._points, self._action = points, action

    def add(self, points, failed, again=False):
        super().add(points, failed, again)
        if self._action is not None and self.done >= self._points:
            action, self._action = self._action, None
            action()


@pytest.mark.slow
def test_a_worker_is_killed_and_the_file_is_that_of_a_serial_run(scheduler, tmp_path):
    address, worker, _ = scheduler
    processes = [worker() for _ in range(3)]
    serial, path = tmp_path / "serial.h5", tmp_path / "r.h5"
    scan.run(SCAN, serial, workers=1, evaluation=Cheap())
    progress = At(8, processes[1].kill)
    summary = scan.run(
        SCAN, path, scheduler=address, evaluation=Cheap(seconds=0.1), progress=progress
    )
    assert summary["statuses"] == {"SUCCESS": 63}
    assert processes[1].wait(5) != 0
    same(path, serial)


def test_a_scheduler_that_goes_away_loses_nothing(scheduler, tmp_path):
    address, worker, main = scheduler
    worker()
    path = tmp_path / "r.h5"
    with pytest.raises(scan.ScanStopped, match="scheduler went away.*are safe.*--resume"):
        scan.run(
            SCAN, path, scheduler=address, evaluation=Cheap(seconds=0.2), progress=At(8, main.kill)
        )
    assert 8 <= scan.load(path).done.sum() < 63
    summary = scan.run(SCAN, path, workers=1, evaluation=Cheap(), resume=True)
    assert summary["done"] == 63 and summary["computed"] <= 63 - 8


def test_a_scheduler_that_is_not_there(tmp_path, monkeypatch):
    monkeypatch.setattr("sterile.scan.cluster.CONNECT_SECONDS", 1.0)
    with pytest.raises(ValueError, match="no Dask scheduler answers"):
        scan.run(SCAN, tmp_path / "r.h5", scheduler="tcp://127.0.0.1:1", evaluation=Cheap())
    with pytest.raises(ValueError, match="no Dask scheduler answers"):
        scan.run(SCAN, tmp_path / "r.h5", scheduler="nonsense:", evaluation=Cheap())


# dask-jobqueue starts its local jobs and never asks for them again
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_batch_systems_by_dask_jobqueue(tmp_path, monkeypatch):
    jobqueue = pytest.importorskip("dask_jobqueue")
    monkeypatch.setenv("PYTHONPATH", ENVIRONMENT["PYTHONPATH"])
    settings = copy.deepcopy(SCAN)
    for cluster, words in [
        ({"kind": "slurmm", "jobs": 1}, "slurmm"),
        ({"kind": "local"}, "jobs"),
        ({"kind": "local", "jobs": 1, "coors": 2}, "coors"),
    ]:
        settings["scan"]["cluster"] = cluster
        with pytest.raises(ValueError, match=words):
            scan.run(settings, tmp_path / "r.h5", evaluation=Cheap())
    # dask-jobqueue's own stand-in for a batch system: jobs are processes here
    settings["scan"]["cluster"] = {
        "kind": "local", "jobs": 2, "memory": "2GB", "interface": "lo",
        "local_directory": str(tmp_path / "dask"),
    }  # fmt: skip
    summary = scan.run(settings, tmp_path / "r.h5", evaluation=Cheap())
    assert summary["statuses"] == {"SUCCESS": 63}
    # and what it would hand to SLURM
    cluster = jobqueue.SLURMCluster(cores=4, processes=4, memory="8GB", queue="long")
    assert "--nthreads 1" in cluster.job_script() and "-p long" in cluster.job_script()
    cluster.close()
    gc.collect()  # while these warnings are ignored
