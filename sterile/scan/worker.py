"""One worker process: tasks come in on stdin, results go out on stdout, both pickled.

When the scan's process dies, however it dies, the worker ends too.
"""

import os
import pickle
import threading
import time

from spectra.processes import ONE_THREAD

# the cores are shared out among processes. XLA's own pool has as many threads as NPROC
SINGLE_THREAD = {**ONE_THREAD, "NPROC": "1"}
_LOOK_SECONDS = 1.0
_XLA_SINGLE_THREAD = "--xla_cpu_multi_thread_eigen=false"


def single_thread_environment(environment) -> dict[str, str]:
    """``environment`` with everything that starts threads told to start none."""
    flags = environment.get("XLA_FLAGS", "")
    if _XLA_SINGLE_THREAD not in flags:
        flags = f"{flags} {_XLA_SINGLE_THREAD}".strip()
    return {**environment, **SINGLE_THREAD, "XLA_FLAGS": flags}


def call(function, *arguments):
    """Run one task in this process; of use where the process is not ours to start."""
    # XLA reads it when it first computes
    os.environ.update(single_thread_environment(os.environ))
    return function(*arguments)


def serve(incoming, outgoing) -> None:
    """Answer tasks (function, arguments) with (True, result) or (False, exception)."""
    while True:
        try:
            function, arguments = pickle.load(incoming)
        except EOFError:
            return
        try:
            answer = True, function(*arguments)
        except Exception as error:
            answer = False, error
        try:
            data = pickle.dumps(answer, protocol=pickle.HIGHEST_PROTOCOL)
        except Exception as error:
            data = pickle.dumps((False, RuntimeError(f"{type(answer[1]).__name__}: {error}")))
        outgoing.write(data)
        outgoing.flush()


def _end_with(parent: int) -> None:
    """End this process soon after its parent, even in the middle of a task."""
    while os.getppid() == parent:
        time.sleep(_LOOK_SECONDS)
    os._exit(1)


def main() -> None:
    """Serve on stdin and stdout; what tasks print goes to stderr."""
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    incoming = os.fdopen(os.dup(0), "rb")
    outgoing = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    try:
        serve(incoming, outgoing)
    except BrokenPipeError:
        pass


if __name__ == "__main__":
    main()
