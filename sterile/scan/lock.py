"""One scan at a time into one file."""

import contextlib
import fcntl
import os
import socket
from pathlib import Path


@contextlib.contextmanager
def locked(path):
    """Hold the lock of a results file; ``ValueError`` when another scan does."""
    path = Path(path)
    name = path.with_name(f".{path.name}.lock")
    with open(name, "a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read().strip() or "another process"
            raise ValueError(
                f"{path} is being written by another scan ({holder}); wait for it, stop it, or "
                "give another -o"
            ) from None
        if not name.exists() or not os.path.samestat(name.stat(), os.fstat(file.fileno())):
            raise ValueError(f"{path}: another scan has just ended; try again")
        file.seek(0)
        file.truncate()
        file.write(f"process {os.getpid()} on {socket.gethostname()}")
        file.flush()
        try:
            yield
        finally:
            # while still locked: whoever opens it next makes a new one
            name.unlink(missing_ok=True)
