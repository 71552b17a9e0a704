"""Production of keV sterile neutrinos out of equilibrium, and the way from there to structure.

Names are loaded on first use, so that ``import sterile`` costs nothing.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
