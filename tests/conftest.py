"""Double precision, a compiler in a hurry, and a cache so that a second run is quick.

What takes the tests' time is XLA. They run each program a few times, so it compiles without
optimising: a third of the time, and numbers that differ by rounding (tests/test_programs.py).
"""

import importlib
import os
import sys
from importlib.metadata import version
from pathlib import Path

# before jax is imported anywhere: the command line, run as a child process, reads them too
os.environ.setdefault("JAX_ENABLE_X64", "1")
os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.setdefault(
    "STERILE_CACHE_DIR", str(Path(__file__).resolve().parent.parent / ".cache" / "sterile")
)
import gc

import jax
import pytest
from hypothesis import settings

from spectra.programs import IDLE_PASSES, Program, set_usual_effort

# the programs that the tests themselves jit; XLA reads it before its first program, and child
# processes do. A flag that it does not know ends the process without a word: the last is gone since
# 0.11
os.environ.setdefault(
    "XLA_FLAGS",
    f"--xla_backend_optimization_level=0 --xla_disable_hlo_passes={','.join(IDLE_PASSES)}"
    + " --xla_cpu_use_fusion_emitters=false"
    * (tuple(map(int, version("jaxlib").split(".")[:2])) < (0, 11)),
)
# looking for garbage takes a twelfth of the time of tracing
gc.set_threshold(50_000, 50, 100)
jax.config.update("jax_enable_x64", True)
jax.config.update("jax_compilation_cache_dir", os.environ["STERILE_CACHE_DIR"])
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
# lines of source in programs are a quarter of the time that it takes to lower them
jax.config.update("jax_traceback_in_locations_limit", 0)
set_usual_effort("once")

# compilation makes first examples slow; speed is not what these tests are about
settings.register_profile("numerics", deadline=None, max_examples=50, derandomize=True)
settings.load_profile("numerics")

# a process may have 65,530 mappings of memory on Linux, and every program takes a few: beyond, LLVM
# aborts
_MOST_MAPPINGS = 25_000

# files that take longest, longest first: begun last, one of them would run alone at the end
_LONGEST = (
    "fit_surrogate code_blocks transfer_analytic transfer_gradients halo_calibrations mixing "
    "verdicts production_invariants cli mechanism kinds export_formats thermal promotion "
    "production_golden explain drive scan_run structure occupation mixing_expansion programs "
    "transfer_fast species"
).split()


def pytest_collection_modifyitems(items):
    """Long files first; the rest, and tests in a file, as they were."""
    place = {f"test_{name}": index for index, name in enumerate(_LONGEST)}
    items.sort(key=lambda item: place.get(item.path.stem, len(place)))


def _mappings() -> int:
    try:
        with open("/proc/self/maps", "rb") as file:
            return sum(1 for _ in file)
    except OSError:
        return 0


@pytest.fixture(scope="module", autouse=True)
def _free_programs():
    """Programs of files that are done are given back where they are many."""
    yield
    if _mappings() > _MOST_MAPPINGS:
        for one in gc.get_objects():
            if isinstance(one, Program):
                one._made.clear()
        jax.clear_caches()
        gc.collect()


@pytest.fixture(scope="module")
def study():
    """Imports a script of runs/ by its name; scripts find each other, as where they are run."""
    runs = str(Path(__file__).resolve().parent.parent / "runs")
    sys.path.insert(0, runs)
    yield importlib.import_module
    sys.path.remove(runs)
