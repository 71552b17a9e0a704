"""Whether the packages of the extra ``fit`` are there."""

import importlib.util


def require(package: str) -> None:
    """Raise ``ValueError`` saying what to install unless ``package`` can be imported."""
    if importlib.util.find_spec(package) is None:
        raise ValueError(
            f"{package} is not installed, and this fit needs it; pip install 'sterile-spectra[fit]'"
        )
