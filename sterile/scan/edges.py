"""Edges of verdicts in the plane of a scan."""

import numpy as np
from matplotlib.lines import Line2D

from spectra.plots import BLUE, PURPLE, SKY
from spectra.structure import REFERENCE_MASSES_KEV, bounds_table

SUMMARY = "half-mode"
# from the mildest to the strictest
HALF_MODE_TESTS = tuple(f"{SUMMARY}-{mass:.1f}keV" for mass in sorted(REFERENCE_MASSES_KEV))
_COLOURS = (PURPLE, SKY, BLUE, "#8B4513", "#555555")
# verdicts that are only labels
_LABELS_ONLY = ("free-streaming", "warmness")


def others(verdicts, excluded) -> list[str]:
    """Names of verdicts that are not drawn otherwise; of a family, the summary's."""
    # an older file has bounds without their summary
    family = {bound.name for bound in bounds_table()} if "bounds" in verdicts else set()
    return [
        name
        for name in sorted(verdicts.keys() - family)
        if not name.startswith(SUMMARY)
        and not name.endswith("keV")
        and name not in (*_LABELS_ONLY, *excluded)
    ]


def is_crossed(surface: np.ndarray) -> bool:
    """Whether a surface passes zero."""
    return bool(np.nanmin(surface, initial=np.inf) < 0.0 < np.nanmax(surface, initial=-np.inf))


def draw(axes, raster, surfaces, handles) -> None:
    """The zero of each surface (pixels, pixels) of a name, in colours that they keep."""
    for (name, surface), colour in zip(surfaces.items(), _COLOURS * 3):
        if is_crossed(surface):
            axes.contour(raster.x, raster.y, surface, levels=[0.0], colors=colour, linewidths=1.5)
            handles[name] = Line2D([], [], color=colour, lw=1.5)
