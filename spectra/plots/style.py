"""Colours, type and small helpers that all figures share; how a figure is saved."""

from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from spectra.files import write_atomically

# Okabe & Ito: distinguishable with every kind of colour blindness
BLACK, ORANGE, SKY, GREEN, BLUE, VERMILION, PURPLE = (
    "#000000", "#E69F00", "#56B4E9", "#009E73", "#0072B2", "#D55E00", "#CC79A7",
)  # fmt: skip
STYLE: dict[Any, Any] = {
    "font.size": 11,
    "axes.labelsize": 12,
    "axes.titlesize": 12,
    "legend.fontsize": 10,
    "legend.frameon": False,
    "axes.linewidth": 0.8,
    "lines.linewidth": 1.8,
    "xtick.direction": "in",
    "ytick.direction": "in",
    "xtick.top": True,
    "ytick.right": True,
    "mathtext.fontset": "dejavusans",
    "savefig.dpi": 200,
}


def tidy_logarithms(axes) -> None:
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(numticks=8))
        axis.set_minor_formatter(NullFormatter())


def legend_above(axes) -> None:
    # outside the axes: nowhere inside is free for every spectrum
    axes.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), labelspacing=0.3)


def short(number: float) -> str:
    return f"{number:.2g}" if 1e-2 <= number < 1e4 else f"{number:.0e}"


def save(figure: Figure, path) -> Path:
    """Write ``figure`` to ``path`` (png, pdf, svg, ...), whole or not at all.

    Raises ``ValueError`` if the file type is unknown or the path is not writable.
    """
    path = Path(path)
    suffix = path.suffix.lstrip(".").lower()
    known = sorted(Figure().canvas.get_supported_filetypes())
    if suffix not in known:
        raise ValueError(
            f"{path}: unknown figure type '{path.suffix}'; end the name with one of "
            f"{', '.join('.' + name for name in known)}"
        )
    return write_atomically(path, lambda temporary: figure.savefig(temporary, format=suffix))
