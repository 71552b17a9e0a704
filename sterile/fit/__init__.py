"""Inference on exact derivatives: inversion, boundaries, best fits, Fisher matrices, posteriors.

    found = sterile.fit.solve_for({"omega_h2": 0.12}, "portal_coupling", at=model, mass_kev=7.1)
    edge = sterile.fit.trace("half-mode-3.3keV", ("portal_coupling", "yukawa"), at=model)
    summary = sterile.fit.run("fit.toml", "fit.h5")

Names are loaded on first use.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
