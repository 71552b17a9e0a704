"""``python -m spectra.linear.drive_worker``: a child that computes wavenumbers of a drive."""

import os
import sys

import jax

from spectra.linear.drive_build import one_wavenumber
from spectra.linear.drive_pool import receive, send


def main() -> None:
    """Answer what comes in on stdin, on stdout, until stdin ends."""
    # what CLASS prints must not mix with the answers
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    jax.config.update("jax_enable_x64", True)
    setup = receive(sys.stdin.buffer)
    while True:
        try:
            task = receive(sys.stdin.buffer)
        except EOFError:
            return
        try:
            answer = one_wavenumber(setup, task)
        except Exception as error:
            answer = RuntimeError(f"CLASS failed at k = {task[1]:g} h/Mpc: {error}")
        send(answers, answer)


if __name__ == "__main__":
    main()
