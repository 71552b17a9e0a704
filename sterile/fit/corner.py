"""The corner figure of a fit: every parameter by itself and every pair, branches in colours."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from spectra.plots import BLUE, GREEN, ORANGE, PURPLE, STYLE, VERMILION
from sterile.contract import Mechanism
from sterile.fit.store import Fit
from sterile.mechanisms import mechanism
from sterile.models import parameters_of
from sterile.quantities import COSMOLOGY, point_scalars

_BRANCH_COLOURS = (BLUE, VERMILION, GREEN, ORANGE, PURPLE)
_BINS, _SHARES = 24, (0.95, 0.68)
# a spread beyond this ratio of the 95 % quantiles is drawn on a logarithmic axis
_WIDE = 3.0
_TWO_DECADES = 100.0
# what is shown beside the model's parameters, in this order, as far as it varies
_SHOWN = ("mass_kev", "omega_h2", *COSMOLOGY, "k_t2_half_h_mpc", "n_satellites")
# files written before kinds were kept in them
_FIRST_KIND = "scalar-decay"


def figure_corner(fit: Fit, names: Sequence[str] | None = None) -> Figure:
    """Histograms and pairwise regions of 68 and 95 % of a posterior's draws.

    Parameters
    ----------
    fit : of :func:`sterile.fit.load`.
    names : variables of its posterior; by default the parameters that vary, the half-mode and the
        satellites.

    Raises
    ------
    ValueError
        If there are fewer than ten draws, or a name is unknown.
    """
    posterior = fit.groups["posterior"]
    draws = {name: np.ravel(values) for name, values in posterior.items()}
    if len(next(iter(draws.values()))) < 10:
        raise ValueError("a corner figure needs ten draws or more; this fit has fewer")
    entry = mechanism(fit.summary.get("kind", _FIRST_KIND))
    labels = _labels(entry)
    wanted = [*parameters_of(entry.model), *_SHOWN] if names is None else list(names)
    if names is None:
        wanted = [name for name in wanted if name in draws and _varies(draws[name])]
    shown = list(dict.fromkeys(wanted))
    for name in shown:
        if name not in draws:
            raise ValueError(f"no '{name}' in the posterior; there are {', '.join(draws)}")
    branch = draws.get("branch", np.zeros(len(draws[shown[0]])))
    size = len(shown)
    style: dict[Any, Any] = STYLE | {"font.size": 9, "axes.labelsize": 10}
    with rc_context(style):
        figure = Figure(figsize=(1.75 * size + 0.8, 1.75 * size + 0.8))
        panels = figure.subplots(size, size, squeeze=False)
        scales = {name: _scale(draws[name]) for name in shown}
        for row, below in enumerate(shown):
            for column, across in enumerate(shown):
                axes = panels[row][column]
                if column > row:
                    axes.set_visible(False)
                    continue
                if row == column:
                    _histogram(axes, draws[across], branch, scales[across])
                else:
                    _pair(axes, draws[across], draws[below], branch, scales[across], scales[below])
                _decorate(axes, across, below, row, column, size, scales, labels)
        styles = list(zip(entry.branches, _BRANCH_COLOURS))
        present = [styles[int(code)] for code in np.unique(branch)]
        handles = [Line2D([], [], color=colour, label=label) for label, colour in present]
        figure.legend(handles=handles, loc="upper right", bbox_to_anchor=(0.95, 0.95), fontsize=11)
        figure.subplots_adjust(
            left=0.13, bottom=0.12, right=0.98, top=0.98, wspace=0.08, hspace=0.08
        )
    return figure


def _labels(entry: Mechanism) -> dict[str, str]:
    """TeX symbol of every variable that has one."""
    stated = parameters_of(entry.model)
    known = {**point_scalars(dict(entry.numbers)), **COSMOLOGY, **stated}
    return {name: quantity.symbol for name, quantity in known.items() if quantity.symbol}


def _varies(values) -> bool:
    finite = values[np.isfinite(values)]
    return finite.size > 1 and finite.max() > finite.min()


def _scale(values):
    """(logarithmic, low, high) of an axis."""
    finite = values[np.isfinite(values)]
    low, high = np.quantile(finite, [0.002, 0.998])
    logarithmic = bool(low > 0.0 and high / low > _WIDE)
    if logarithmic:
        pad = (high / low) ** 0.06
        return True, low / pad, high * pad
    pad = 0.06 * (high - low) or 0.1
    return False, low - pad, high + pad


def _edges(scale):
    logarithmic, low, high = scale
    if logarithmic:
        return np.geomspace(low, high, _BINS + 1)
    return np.linspace(low, high, _BINS + 1)


def _histogram(axes, values, branch, scale) -> None:
    edges = _edges(scale)
    for code, colour in enumerate(_BRANCH_COLOURS):
        part = values[(branch == code) & np.isfinite(values)]
        if part.size:
            axes.hist(part, edges, histtype="stepfilled", color=colour, alpha=0.25)
            axes.hist(part, edges, histtype="step", color=colour, linewidth=1.2)
    axes.set_yticks([])


def _pair(axes, x, y, branch, scale_x, scale_y) -> None:
    for code, colour in enumerate(_BRANCH_COLOURS):
        inside = (branch == code) & np.isfinite(x) & np.isfinite(y)
        if inside.sum() < 5:
            axes.plot(x[inside], y[inside], ".", color=colour, markersize=3)
            continue
        # on the branch's own ranges: the panel's may be decades wider
        own = [_padded(v[inside], s) for v, s in ((x, scale_x), (y, scale_y))]
        edges = _edges(own[0]), _edges(own[1])
        counts, _, _ = np.histogram2d(x[inside], y[inside], edges)
        smooth = _smoothed(counts)
        centres = [np.sqrt(e[1:] * e[:-1]) if s[0] else 0.5 * (e[1:] + e[:-1])
                   for e, s in zip(edges, (scale_x, scale_y))]  # fmt: skip
        levels = _levels(smooth)
        if len(levels) > 1:
            filled = [*levels, smooth.max() * 1.01]
            axes.contourf(*centres, smooth.T, filled, colors=[colour], alpha=0.18)
            axes.contour(*centres, smooth.T, levels, colors=[colour], linewidths=0.9)
        axes.plot(x[inside], y[inside], ".", color=colour, markersize=1.2, alpha=0.5)


def _padded(values, scale):
    logarithmic = scale[0]
    s = np.log(values) if logarithmic else values
    pad = 0.15 * (s.max() - s.min()) + 1e-300
    ends = np.array([s.min() - pad, s.max() + pad])
    low, high = np.exp(ends) if logarithmic else ends
    return logarithmic, low, high


def _smoothed(counts):
    kernel = np.exp(-0.5 * (np.arange(-3, 4) / 1.2) ** 2)
    kernel /= kernel.sum()

    def smooth(line):
        return np.convolve(line, kernel, mode="same")

    for axis in (0, 1):
        counts = np.apply_along_axis(smooth, axis, counts)
    return counts


def _levels(density):
    order = np.sort(density.ravel())[::-1]
    share = np.cumsum(order) / order.sum()
    levels = [order[np.searchsorted(share, each)] for each in _SHARES]
    return sorted(set(levels))


def _decorate(axes, across, below, row, column, size, scales, labels) -> None:
    for which, scale, name in (("x", scales[across], across), ("y", scales[below], below)):
        if which == "y" and row == column:
            continue
        axis = getattr(axes, f"{which}axis")
        getattr(axes, f"set_{which}lim")(scale[1:])
        if scale[0]:
            getattr(axes, f"set_{which}scale")("log")
            narrow = scale[2] / scale[1] < _TWO_DECADES
            axis.set_major_locator(LogLocator(subs=(1.0, 3.0) if narrow else (1.0,), numticks=6))
            if narrow:
                axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            axis.set_minor_formatter(NullFormatter())
        else:
            axis.set_major_locator(MaxNLocator(3))
        last = row == size - 1 if which == "x" else column == 0
        if last:
            getattr(axes, f"set_{which}label")(labels.get(name, name.replace("_", " ")))
            axes.tick_params(axis="x", labelrotation=40 if which == "x" else 0)
        else:
            axis.set_tick_params(labelbottom=False, labelleft=False, which="both")
