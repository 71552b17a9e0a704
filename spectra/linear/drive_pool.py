"""Wavenumbers of a drive are independent: a few child processes take them one at a time.

Children are plain interpreters fed through pipes, not ``multiprocessing``: that would run the
user's own script again in each of them. ``python -m spectra.linear.drive_worker`` is a child.
"""

import contextlib
import os
import pickle
import queue
import struct
import subprocess
import sys
import threading

from spectra.processes import ONE_THREAD

_LENGTH = struct.Struct("<Q")


def run(setup, tasks, workers, progress=lambda done, total: None) -> list:
    """[one_wavenumber(setup, task) for task in tasks], computed by ``workers`` child processes.

    Tasks are started in the order given. The first error stops everything and is raised.
    """
    waiting: queue.SimpleQueue = queue.SimpleQueue()
    for index, task in enumerate(tasks):
        waiting.put((index, task))
    finished: queue.SimpleQueue = queue.SimpleQueue()
    children = [_child() for _ in range(min(workers, len(tasks)))]
    threads = [
        threading.Thread(target=_feed, args=(child, setup, waiting, finished), daemon=True)
        for child in children
    ]
    results = [None] * len(tasks)
    progress(0, len(tasks))
    try:
        for thread in threads:
            thread.start()
        for done in range(len(tasks)):
            index, result = finished.get()
            if isinstance(result, Exception):
                raise result
            results[index] = result
            progress(done + 1, len(tasks))
    finally:
        for child in children:
            child.kill()
        for child in children:
            child.wait()
        for thread in threads:
            if thread.ident is not None:
                # its stream ended with the child
                thread.join()
        for child in children:
            assert child.stdin is not None and child.stdout is not None
            for stream in (child.stdin, child.stdout):
                with contextlib.suppress(OSError):  # what was never read
                    stream.close()
    return results


def _child() -> subprocess.Popen:
    environment = {**os.environ, **ONE_THREAD}
    environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    # the children are the parallelism; XLA's own would only get in their way
    environment["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    environment["JAX_PLATFORMS"] = "cpu"
    return subprocess.Popen(
        [sys.executable, "-m", "spectra.linear.drive_worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment,
    )


def _feed(child, setup, waiting, finished) -> None:
    """Thread of one child: hand it tasks until there are none left."""
    try:
        send(child.stdin, setup)
        while True:
            try:
                index, task = waiting.get_nowait()
            except queue.Empty:
                return
            send(child.stdin, task)
            finished.put((index, receive(child.stdout)))
    except (EOFError, OSError):
        finished.put((None, RuntimeError("a process that was running CLASS ended; out of memory?")))


def send(stream, value) -> None:
    data = pickle.dumps(value)
    stream.write(_LENGTH.pack(len(data)) + data)
    stream.flush()


def receive(stream):
    header = stream.read(_LENGTH.size)
    if len(header) < _LENGTH.size:
        raise EOFError
    return pickle.loads(stream.read(_LENGTH.unpack(header)[0]))
