"""Double precision for every test, and a compilation cache so that a second run is quick."""

import os
from pathlib import Path

# before jax is imported anywhere: the command line, run as a child process, reads them too
os.environ.setdefault("JAX_ENABLE_X64", "1")
os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.setdefault(
    "STERILE_CACHE_DIR", str(Path(__file__).resolve().parent.parent / ".cache" / "sterile")
)

import jax
from hypothesis import settings

jax.config.update("jax_enable_x64", True)
jax.config.update("jax_compilation_cache_dir", os.environ["STERILE_CACHE_DIR"])
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)

# compilation makes first examples slow; speed is not what these tests are about
settings.register_profile("numerics", deadline=None, max_examples=50, derandomize=True)
settings.load_profile("numerics")
