"""Scans: one pipeline, many points, any machine, nothing lost.

    summary = sterile.scan.run("scan.toml", "results.h5")
    results = sterile.scan.load("results.h5")

Names are loaded on first use.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
