"""Where what is kept between runs lies."""

import os
from pathlib import Path

import platformdirs

CACHE_VARIABLE = "STERILE_CACHE_DIR"


def cache_root() -> Path:
    """``STERILE_CACHE_DIR`` if set, else ``sterile`` in the user's cache directory."""
    chosen = os.environ.get(CACHE_VARIABLE)
    return Path(chosen) if chosen else platformdirs.user_cache_path("sterile")
