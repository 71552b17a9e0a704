"""Workers on many machines: Dask distributed, on a scheduler that runs or on a batch system."""

import time
from typing import Any

from sterile.scan.local import WorkerDied
from sterile.scan.worker import call

INSTALL = "pip install 'sterile-spectra[cluster]'"
_ASK_SECONDS = 2.0
CONNECT_SECONDS = 15.0
# times a task may be on a worker that dies before Dask gives it up
_ALLOWED_FAILURES = 3


class SchedulerLost(ConnectionError):
    """The scheduler does not answer any more."""


class DaskWorkers:
    """The workers of a Dask scheduler; a context manager with the interface of ``LocalWorkers``.

    ``address``: of the scheduler, such as "tcp://host:8786". ``cluster``: settings of a
    dask-jobqueue cluster instead: ``kind`` ("slurm", "pbs", ...), ``jobs``, and the keyword
    arguments of its class. Raises ``ValueError`` when either cannot be reached or started.
    """

    def __init__(self, address: str | None = None, cluster: dict | None = None):
        try:
            import distributed
        except ImportError:
            raise ValueError(f"many machines need Dask; {INSTALL}") from None
        self._distributed = distributed
        self._cluster = _start_cluster(cluster) if cluster is not None else None
        target = self._cluster if self._cluster is not None else address
        try:
            self._client = distributed.Client(target, timeout=CONNECT_SECONDS, set_as_default=False)
        except (OSError, ValueError, TimeoutError) as error:
            if self._cluster is not None:
                self._cluster.close()
            raise ValueError(
                f"no Dask scheduler answers at {address} ({str(error).splitlines()[0]}); start one "
                "with `dask scheduler` and workers with `dask worker ADDRESS --nthreads 1`"
            ) from None
        self._asked, self._slots = -float("inf"), 1

    def __enter__(self):
        return self

    def __exit__(self, *_):
        timeout = 5
        self._client.close(timeout=timeout)
        if self._cluster is not None:
            self._cluster.close(timeout=timeout)

    @property
    def slots(self) -> int:
        """Tasks that are worth having in flight: two for each thread of the workers now there."""
        if time.monotonic() - self._asked > _ASK_SECONDS:
            self._check()
            try:
                threads: Any = self._client.nthreads()
            except Exception as error:
                raise self._lost() from error
            self._slots = max(1, 2 * sum(threads.values()))
            self._asked = time.monotonic()
        return self._slots

    def submit(self, function, *arguments):
        """A Dask future of ``function(*arguments)``."""
        self._check()
        future = self._client.submit(
            call, function, *arguments, pure=False, retries=0, allow_other_workers=False
        )
        return _Future(future, self)

    def wait(self, futures, timeout: float) -> set:
        """Those of ``futures`` that are done, after the first is or ``timeout`` seconds."""
        done = {future for future in futures if future.done()}
        if not done:
            try:
                self._distributed.wait(
                    [future.dask for future in futures],
                    timeout=timeout,
                    return_when="FIRST_COMPLETED",
                )
            except TimeoutError:
                pass
            except Exception:
                self._check()  # cancelled: with the scheduler, or it says so as a result
            done = {future for future in futures if future.done()}
        if not done:
            self._check()
        return done

    def _check(self) -> None:
        if self._client.status != "running":
            raise self._lost()

    def _lost(self) -> SchedulerLost:
        return SchedulerLost("the Dask scheduler went away")


class _Future:
    def __init__(self, dask, workers):
        self.dask, self._workers = dask, workers

    def done(self) -> bool:
        return self.dask.done()

    def cancel(self) -> None:
        self.dask.cancel()

    def result(self):
        from distributed import KilledWorker

        if self.dask.status in ("lost", "cancelled"):
            raise self._workers._lost()
        try:
            result = self.dask.result(timeout=30)
        except KilledWorker as error:
            raise WorkerDied(str(error).splitlines()[0]) from None
        self.dask.release()
        return result


def _require_single_lines(value: Any, name: str = "") -> None:
    """``ValueError`` if a text among the settings has more than one line.

    They go into a job script: each may be a line of it, none may begin another.
    """
    if isinstance(value, dict):
        for key, part in value.items():
            _require_single_lines(part, f"{name}.{key}".strip("."))
    elif isinstance(value, list):
        for part in value:
            _require_single_lines(part, name)
    elif isinstance(value, str) and not value.isprintable():
        raise ValueError(
            f"[scan.cluster] {name} = {value[:60]!r} has more than one line, or a control "
            "character; give one line, or a list of lines where the setting takes one"
        )


def _start_cluster(settings: dict):
    """A dask-jobqueue cluster with its jobs asked for."""
    from sterile.scan.settings import CLUSTERS

    options = dict(settings)
    kind, jobs = options.pop("kind", None), options.pop("jobs", None)
    if kind not in CLUSTERS:
        raise ValueError(f"[scan.cluster] kind = {kind!r} must be one of {', '.join(CLUSTERS)}")
    if not isinstance(jobs, int) or jobs < 1:
        raise ValueError(f"[scan.cluster] jobs = {jobs!r} must be a positive number of batch jobs")
    _require_single_lines(options)
    try:
        from dask_jobqueue.htcondor import HTCondorCluster
        from dask_jobqueue.local import LocalCluster
        from dask_jobqueue.lsf import LSFCluster
        from dask_jobqueue.oar import OARCluster
        from dask_jobqueue.pbs import PBSCluster
        from dask_jobqueue.sge import SGECluster
        from dask_jobqueue.slurm import SLURMCluster
    except ImportError:
        raise ValueError(f"[scan.cluster] needs dask-jobqueue; {INSTALL}") from None
    classes = {
        "slurm": SLURMCluster,
        "pbs": PBSCluster,
        "lsf": LSFCluster,
        "sge": SGECluster,
        "htcondor": HTCondorCluster,
        "oar": OARCluster,
        "local": LocalCluster,
    }
    # one thread a process, as many processes as cores, unless the file says otherwise
    options = {"cores": 1, "memory": "4GB", **options}
    options.setdefault("processes", options["cores"])
    try:
        cluster = classes[kind](**options)
    except (TypeError, ValueError) as error:
        raise ValueError(f"[scan.cluster] {error}") from None
    cluster.scale(jobs=jobs)
    return cluster
