"""The margins of all verdicts, side by side."""

from collections.abc import Mapping

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import NullLocator

from spectra.plots.style import BLACK, GREEN, ORANGE, STYLE, VERMILION

_STATUS_COLOURS = {
    "allowed": GREEN,
    "constrained": ORANGE,
    "forbidden": VERMILION,
    "undecided": "0.6",
    "not-a-verdict": "0.8",
}
_MARGIN_TICKS = (-100, -10, -1, -0.5, 0, 0.5, 1, 10, 100)
_LINEAR_MARGIN = 1.0  # beyond, margins are drawn on a logarithmic scale


def figure_verdicts(verdicts: Mapping[str, Mapping]) -> Figure:
    """Margins of a report as bars, coloured by status.

    ``verdicts``: name → entry with "status" and, unless undecided, "margin"; in any order.
    """
    names = list(verdicts)
    margins = np.array([verdicts[name].get("margin", 0.0) for name in names])
    with rc_context(STYLE):
        figure = Figure(figsize=(7.6, 1.2 + 0.27 * len(names)), layout="constrained")
        axes = figure.subplots()
        colours = [_STATUS_COLOURS[verdicts[name]["status"]] for name in names]
        axes.barh(np.arange(len(names)), margins, color=colours, height=0.7)
        axes.axvline(0.0, color=BLACK, lw=0.8)
        axes.set_xscale("symlog", linthresh=_LINEAR_MARGIN, linscale=1.5)
        reach = max(1.0, 1.3 * np.abs(margins).max())
        axes.set(
            xlim=(-reach if margins.min() < 0.0 else -0.3, reach if margins.max() > 0.0 else 0.3),
            ylim=(len(names) - 0.4, -0.6),
            xlabel="margin (positive: passed; linear between -1 and 1)",
        )
        ticks = [tick for tick in _MARGIN_TICKS if abs(tick) <= reach]
        axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_yticks(np.arange(len(names)), names)
        axes.tick_params(axis="y", length=0)
        seen = dict.fromkeys(verdicts[name]["status"] for name in names)
        handles = [Patch(color=_STATUS_COLOURS[status], label=status) for status in seen]
        axes.legend(handles=handles, loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=len(seen))
        return figure
