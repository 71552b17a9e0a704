"""What a command needs around it: double precision, a compilation cache, progress on stderr."""

import ctypes
import hashlib
import math
import os
import platform
import sys
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import platformdirs

from spectra.directories import CACHE_VARIABLE, is_trusted, make_private

# glibc's mallopt(3): one arena, of at most 64 MB otherwise; no mappings; up to 1 GiB is kept
_ALLOCATOR = {-8: 1, -4: 0, -1: 1 << 30}  # M_ARENA_MAX, M_MMAP_MAX, M_TRIM_THRESHOLD
_PROGRESS_AFTER_SECONDS = 1.0


def cache_directory() -> Path:
    """Where compiled programs are kept between runs.

    ``STERILE_CACHE_DIR`` if set, else ``JAX_COMPILATION_CACHE_DIR``, else ``sterile`` in the
    user's cache directory, by processor: machine code of one is not for another.
    """
    chosen = os.environ.get(CACHE_VARIABLE) or os.environ.get("JAX_COMPILATION_CACHE_DIR")
    if chosen:
        return Path(chosen)
    return platformdirs.user_cache_path("sterile") / _processor()


def _processor() -> str:
    description = platform.machine() + platform.processor()
    try:
        with open("/proc/cpuinfo", encoding="ascii", errors="replace") as file:
            description += next(
                (line for line in file if line.startswith(("flags", "Features"))), ""
            )
    except OSError:
        pass
    return hashlib.sha256(description.encode()).hexdigest()[:12]


def start(effort: str = "some") -> None:
    """Make the process ready to compute; called by every command, and worth calling in scripts.

    JAX in double precision, its compilation cache on, freed memory kept. ``effort``: how hard the
    compiler tries, "once" for one evaluation, "many" for very many, see
    :mod:`spectra.programs`.
    """
    _keep_freed_memory()
    # the compiler's notes about its cache would mix with the progress lines
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import jax

    from spectra.programs import set_usual_effort

    jax.config.update("jax_enable_x64", True)
    # source lines in programs are a tenth of the time that it takes to load them
    jax.config.update("jax_traceback_in_locations_limit", 0)
    set_usual_effort(effort)
    folder = cache_directory()
    try:
        make_private(folder)
    except OSError:
        return  # a cache is a convenience: without one the run only takes longer
    if os.access(folder, os.W_OK) and is_trusted(folder):
        jax.config.update("jax_compilation_cache_dir", str(folder))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)


def _keep_freed_memory() -> None:
    """Have glibc keep what is freed: a gradient's work space of tens of MB would else be given
    back to the system and faulted in again at every call, a quarter of its time.
    """
    with suppress(OSError, AttributeError, TypeError):
        for parameter, value in _ALLOCATOR.items():
            ctypes.CDLL(None).mallopt(parameter, value)


@contextmanager
def progress(label: str):
    """Say on stderr what is being done, once it has taken a second, and how long it took."""
    began = time.monotonic()
    said = threading.Event()

    def say():
        said.set()
        print(f"{label} ...", file=sys.stderr, flush=True)

    timer = threading.Timer(_PROGRESS_AFTER_SECONDS, say)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        if said.is_set():
            print(f"{label}: {time.monotonic() - began:.1f} s", file=sys.stderr, flush=True)


def counter(label: str, seconds: float = 5.0):
    """Say on stderr how far a long computation is: a function of (done, total), for a callback."""
    began = time.monotonic()
    said = [-math.inf]

    def say(done, total):
        now = time.monotonic()
        if now - said[0] >= seconds or done == total:
            said[0] = now
            print(f"{label}: {done} of {total}, {now - began:.0f} s", file=sys.stderr, flush=True)

    return say
