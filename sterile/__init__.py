"""Production of keV sterile neutrinos out of equilibrium, and the way from there to structure.

Names are loaded on first use, so that ``import sterile`` costs nothing.
"""

import importlib

_HOMES = {
    "ScalarDecay": "models",
    "Plasma": "models",
    "PRESETS": "config",
    "Production": "production",
    "Grid": "scalar",
    "solve": "production",
    "snapshots": "production",
    "choose_grid": "production",
    "Point": "pipeline",
    "evaluate": "pipeline",
    "evaluate_many": "pipeline",
    "Status": "status",
    "bounds": None,
    "fit": None,
    "scan": None,
}
__all__ = list(_HOMES)


def __getattr__(name):
    if name not in _HOMES:
        raise AttributeError(f"module 'sterile' has no attribute '{name}'")
    home = _HOMES[name]
    if home is None:
        return importlib.import_module(f"sterile.{name}")
    value = getattr(importlib.import_module(f"sterile.{home}"), name)
    globals()[name] = value
    return value


def __dir__():
    return __all__
