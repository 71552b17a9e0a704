"""Double precision, a compiler in a hurry, and a cache so that a second run is quick.

What takes the tests' time is XLA. They run each program a few times, so it compiles without
optimising: a third of the time, and numbers that differ by rounding (tests/test_programs.py).
"""

import os
from pathlib import Path

# before jax is imported anywhere: the command line, run as a child process, reads them too
os.environ.setdefault("JAX_ENABLE_X64", "1")
os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.setdefault(
    "STERILE_CACHE_DIR", str(Path(__file__).resolve().parent.parent / ".cache" / "sterile")
)
# the programs that the tests themselves jit; child processes read it too
os.environ.setdefault(
    "XLA_FLAGS", "--xla_cpu_use_fusion_emitters=false --xla_backend_optimization_level=0"
)

import jax
from hypothesis import settings

from spectra.programs import set_usual_effort

jax.config.update("jax_enable_x64", True)
jax.config.update("jax_compilation_cache_dir", os.environ["STERILE_CACHE_DIR"])
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
set_usual_effort("once")

# compilation makes first examples slow; speed is not what these tests are about
settings.register_profile("numerics", deadline=None, max_examples=50, derandomize=True)
settings.load_profile("numerics")
