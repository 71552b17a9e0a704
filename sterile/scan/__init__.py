"""Scans: one pipeline, many points, any machine, nothing lost.

    summary = sterile.scan.run("scan.toml", "results.h5")
    results = sterile.scan.load("results.h5")

Names are loaded on first use.
"""

import importlib

_HOMES = {
    "run": "runner",
    "ScanStopped": "runner",
    "load": "results",
    "Results": "results",
    "to_pandas": "results",
    "to_xarray": "results",
    "figure_plane": "plane",
}
__all__ = list(_HOMES)


def __getattr__(name):
    if name not in _HOMES:
        raise AttributeError(f"module 'sterile.scan' has no attribute '{name}'")
    value = getattr(importlib.import_module(f"sterile.scan.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__():
    return __all__
