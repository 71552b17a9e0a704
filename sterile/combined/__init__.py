"""Models made of other models: sums, and what happens to a spectrum after its production."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
