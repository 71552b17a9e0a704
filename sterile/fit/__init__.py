"""Inference on exact derivatives: inversion, boundaries, best fits, Fisher matrices, posteriors.

    found = sterile.fit.solve_for({"omega_h2": 0.12}, "portal_coupling", at=model, mass_kev=7.1)
    edge = sterile.fit.trace("half-mode-3.3keV", ("portal_coupling", "yukawa"), at=model)
    summary = sterile.fit.run("fit.toml", "fit.h5")

Names are loaded on first use.
"""

import importlib

_HOMES = {
    "solve_for": "inversion",
    "Solution": "inversion",
    "Inversion": "inversion",
    "trace": "boundary",
    "Boundary": "boundary",
    "Prior": "priors",
    "Normal": "likelihoods",
    "Margin": "likelihoods",
    "Published": "likelihoods",
    "Target": "target",
    "pipeline": "observables",
    "maximum": "optimum",
    "Maximum": "optimum",
    "fisher": "forecasts",
    "Forecast": "forecasts",
    "sample": "chains",
    "ranks": "calibration",
    "tabulate": "table",
    "Tabulated": "table",
    "bridge": "evidence",
    "combine": "posterior",
    "diagnostics": "posterior",
    "sampled": "posterior",
    "summarise": "posterior",
    "evaluate": "target",
    "value_and_gradient": "target",
    "values_at": "target",
    "coordinates_of": "target",
    "compare": "derivatives",
    "second_derivatives": "derivatives",
    "fit_spectrum": "spectrum",
    "FAMILIES": "families",
    "run": "runner",
    "FitStopped": "settings",
    "Fit": "store",
    "load": "store",
    "write": "store",
    "figure_corner": "corner",
}
__all__ = list(_HOMES)


def __getattr__(name):
    if name not in _HOMES:
        raise AttributeError(f"module 'sterile.fit' has no attribute '{name}'")
    value = getattr(importlib.import_module(f"sterile.fit.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__():
    return __all__
