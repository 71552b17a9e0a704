"""Sterile neutrinos from mixing with active ones: Dodelson-Widrow and Shi-Fuller."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
