"""Linear perturbations: any momentum spectrum f(q) to its transfer function T(k)."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
