"""Results that depend on a drive alone, kept for the next call."""

from functools import lru_cache, wraps

import jax
import numpy as np

from spectra.tracing import is_traced


class _Identity:
    """Hashes a drive by the identity of its response table, which it keeps alive."""

    def __init__(self, drive):
        self.drive = drive

    def __hash__(self):
        return id(self.drive.response)

    def __eq__(self, other):
        mine, theirs = jax.tree.leaves(self.drive), jax.tree.leaves(other.drive)
        return len(mine) == len(theirs) and all(a is b for a, b in zip(mine, theirs))


def remembered(function):
    """``function(drive, *arrays)``, evaluated once for the same concrete arguments."""

    @lru_cache(maxsize=8)
    def evaluate(key, *arrays):
        with jax.ensure_compile_time_eval():
            return function(key.drive, *(np.asarray(values) for values in arrays))

    @wraps(function)
    def call(drive, *arrays):
        if is_traced((drive, arrays)):
            return function(drive, *arrays)
        return evaluate(_Identity(drive), *(tuple(np.asarray(x).tolist()) for x in arrays))

    return call
