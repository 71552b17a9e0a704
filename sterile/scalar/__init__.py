"""A scalar S made through the Higgs portal that decays to sterile neutrinos."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
