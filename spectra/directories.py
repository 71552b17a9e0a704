"""Where what is kept between runs lies, and who may write there."""

import functools
import os
import stat
import warnings
from pathlib import Path

import platformdirs

CACHE_VARIABLE = "STERILE_CACHE_DIR"
_ROOT = 0


def cache_root() -> Path:
    """``STERILE_CACHE_DIR`` if set, else ``sterile`` in the user's cache directory."""
    chosen = os.environ.get(CACHE_VARIABLE)
    return Path(chosen) if chosen else platformdirs.user_cache_path("sterile")


def make_private(folder: Path) -> None:
    """Make a directory of a cache, readable by its owner only; raises ``OSError``."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.mkdir(mode=0o700, exist_ok=True)


def is_trusted(folder: Path) -> bool:
    """Whether only this user (or root) can have written into ``folder``, or it is not there.

    What lies in a cache becomes machine code and numbers: a directory that everybody may write
    to, or that is another user's, is not used, and that is said once.
    """
    return _is_trusted(folder)


@functools.cache
def _is_trusted(folder: Path) -> bool:
    try:
        found = folder.stat()
    except OSError:
        return True
    if not hasattr(os, "geteuid"):  # no such owners on Windows
        return True
    foreign = found.st_uid not in (os.geteuid(), _ROOT)
    if not foreign and not found.st_mode & stat.S_IWOTH:
        return True
    who = "belongs to another user" if foreign else "can be written by everybody"
    warnings.warn(
        f"the cache {folder} {who} and is not used, as it could hold anybody's programs; chmod it, "
        f"or set {CACHE_VARIABLE} to a directory of your own",
        stacklevel=4,
    )
    return False
