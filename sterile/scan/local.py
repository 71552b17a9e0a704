"""Workers on this machine: one single-threaded process per core."""

import concurrent.futures
import contextlib
import os
import pickle
import subprocess
import sys
import tempfile
import threading
from typing import IO, NamedTuple, cast

from sterile.scan.worker import single_thread_environment


class WorkerDied(RuntimeError):
    """The process of a task ended before it answered."""


class _Worker(NamedTuple):
    process: subprocess.Popen
    questions: IO[bytes]
    answers: IO[bytes]
    errors: IO[bytes]

    def end(self) -> str:
        """Kill the process and close its files; returns its exit code and last words."""
        self.process.kill()
        words = f"code {self.process.wait()}{_last_line(self.errors)}"
        for file in (self.questions, self.answers, self.errors):
            with contextlib.suppress(OSError):  # what the dead did not read cannot be flushed
                file.close()
        return words


class LocalWorkers:
    """A pool of worker processes; a context manager. Tasks are futures of ``concurrent.futures``.

    Unlike a process pool of the standard library it says which task killed its process, goes on
    without that process, needs no ``__main__`` guard in the caller's script, and leaves no process
    behind when the caller is killed.

    Attributes
    ----------
    slots : tasks that are worth having in flight.
    """

    def __init__(self, workers: int):
        self.workers = workers
        self._own = threading.local()
        self._workers: set[_Worker] = set()
        self._closed = False
        self._starting = threading.Lock()
        self._threads = concurrent.futures.ThreadPoolExecutor(workers)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with self._starting:
            self._closed = True
        self._threads.shutdown(wait=False, cancel_futures=True)
        for worker in list(self._workers):
            worker.process.kill()
        # whoever waits for an answer now sees that there will be none
        self._threads.shutdown()
        for worker in self._workers:
            worker.end()

    @property
    def slots(self) -> int:
        return 2 * self.workers

    def submit(self, function, *arguments) -> concurrent.futures.Future:
        """Run ``function(*arguments)`` in a worker; raises :class:`WorkerDied` in the future."""
        return self._threads.submit(self._call, function, arguments)

    def wait(self, futures, timeout: float) -> set:
        """Those of ``futures`` that are done, after the first is or ``timeout`` seconds."""
        first = concurrent.futures.FIRST_COMPLETED
        return concurrent.futures.wait(futures, timeout=timeout, return_when=first).done

    def _call(self, function, arguments):
        worker: _Worker | None = getattr(self._own, "worker", None)
        if worker is not None and worker.process.poll() is not None:
            self._workers.discard(worker)
            worker.end()
            worker = None
        if worker is None:
            worker = self._own.worker = self._start()
        try:
            pickle.dump((function, arguments), worker.questions, protocol=pickle.HIGHEST_PROTOCOL)
            worker.questions.flush()
            good, answer = pickle.load(worker.answers)
        except (EOFError, OSError, pickle.UnpicklingError):
            self._workers.discard(worker)
            self._own.worker = None
            raise WorkerDied(f"a worker process ended with {worker.end()}") from None
        if good:
            return answer
        raise answer

    def _start(self) -> _Worker:
        environment = single_thread_environment(os.environ)
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, sys.path))
        with self._starting:
            if self._closed:
                raise WorkerDied("the scan is ending")
            errors = tempfile.TemporaryFile()
            process = subprocess.Popen(
                [sys.executable, "-m", "sterile.scan.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                env=environment,
                # Ctrl-C is for the scan to handle
                start_new_session=True,
            )
            # pipes were asked for, so they are there
            questions, answers = cast(IO[bytes], process.stdin), cast(IO[bytes], process.stdout)
            worker = _Worker(process, questions, answers, errors)
            self._workers.add(worker)
        return worker


def _last_line(errors) -> str:
    errors.seek(0)
    lines = errors.read().decode(errors="replace").split("\n")
    lines = [line.strip() for line in lines if line.strip()]
    return f" ({lines[-1][:200]})" if lines else ""
