"""Any dark-matter momentum spectrum to structure formation: f(q) → T²(k) → verdicts.

Names are loaded on first use, so that ``import spectra`` costs nothing.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
