"""The plane of a scan: what is allowed, the masses, where freeze-in turns into freeze-out."""

import json
import re
from collections.abc import Mapping

import numpy as np
from matplotlib import rc_context
from matplotlib.artist import Artist
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import LogLocator, NullFormatter

from spectra.plots import BLACK, BLUE, GREEN, ORANGE, STYLE, VERMILION
from spectra.structure import COLD_BELOW_MPC, HOT_ABOVE_MPC
from sterile import xray
from sterile.contract import Mechanism
from sterile.mechanisms import mechanism
from sterile.models import parameters_of
from sterile.quantities import TARGETS
from sterile.scan import edges, mass_plane
from sterile.scan.raster import Raster
from sterile.scan.results import Results
from sterile.status import Status, is_failure, name_of

# in the order of VerdictStatus
_REGION_COLOURS = {"allowed": GREEN, "constrained": ORANGE, "forbidden": VERMILION}
_REGION_ALPHA = 0.38
_TARGET_OMEGA_H2 = 0.12
_MASSES_KEV = (0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 50.0, 1e2, 1e3, 1e4, 1e5, 1e6)
_MOST_PANELS = 6
# a logarithmic axis that spans less is labelled in numbers
_FEW_DECADES = 300.0
_HATCHES = ("///", "\\\\\\", "|||", "---")
# files written before kinds were kept in them
_FIRST_KIND = "scalar-decay"


def figure_plane(
    results: Results, xray_limits: Mapping[str, xray.LineLimit] | None = None
) -> Figure:
    """Regions of a scan in the plane of two parameters, one panel for each value of a third.

    Parameters
    ----------
    results : of :func:`sterile.scan.load`.
    xray_limits : name -> :class:`sterile.xray.LineLimit`, drawn over mass and mixing; the single
        numbers of :func:`sterile.xray.shipped_limits` when left out.

    Colours: the half-mode verdict. Lines: m_N that gives Omega h^2 = 0.12; where the yield is
    largest in the first parameter, between the mechanism's two branches; every other verdict's
    edge; the free-streaming labels 0.01 and 0.1 Mpc. Hatched: where a bound on the mechanism itself
    fails, for scalar decay late decays (nucleosynthesis) and h -> S S. Crosses: points without a
    result; dots: with a caveat of the transfer function. Between points everything is interpolated.

    Where the mass is a parameter of the model, colours are the mean momentum, how warm N is. If a
    third parameter has three values or more, black lines are its value that gives Omega h^2 = 0.12
    (:func:`sterile.scan.abundance.crossing`), and all else is what it is with that value; grey
    where none does. Otherwise black lines are Omega h^2 = 0.12, one for each value of a third
    parameter, and lines with words the edges of the half-mode verdict.

    Raises
    ------
    ValueError
        If the scan has not two parameters with several values, or a third with more than six.
    """
    entry = _mechanism(results)
    axes_names = _axes_names(results, entry)
    others = [name for name in results.parameters if name not in axes_names]
    third = _solved_for(results, others, entry)
    panels = _panels(results, [] if third else others, entry)
    if xray_limits is None:
        xray_limits = xray.shipped_limits()
    with rc_context(STYLE):
        columns = min(len(panels), 3)
        rows = -(-len(panels) // columns)
        figure = Figure(figsize=(1.2 + 5.4 * columns, 0.9 + 5.0 * rows), layout="constrained")
        grid = figure.subplots(rows, columns, squeeze=False)
        handles: dict[str, Artist] = {}
        for axes, (title, chosen) in zip(grid.flat, panels):
            _draw(axes, results, entry, axes_names, chosen, third, handles)
            axes.set_title(title)
            if _carries_mass(entry) and third is None:
                mass_plane.draw_abundance(
                    axes, results, axes_names, panels, chosen, _TARGET_OMEGA_H2
                )
            if axes_names == mass_plane.XRAY_PLANE:
                mass_plane.draw_xray(axes, xray_limits, handles)
        for axes in grid.flat[len(panels) :]:
            axes.set_axis_off()
        if handles:
            figure.legend(
                list(handles.values()),
                list(handles),
                loc="outside lower center",
                ncols=min(3, columns + 1),
            )
        return figure


def _mechanism(results: Results) -> Mechanism:
    return mechanism(_model(results).get("kind", _FIRST_KIND))


def _label(entry: Mechanism, name: str) -> str:
    """What an axis says of a parameter."""
    known = {**TARGETS, **parameters_of(entry.model)}
    words = name.replace("_", " ")
    if name not in known or not known[name].symbol:
        return words
    symbol = known[name].symbol
    spelled_out = name.replace("_", "") == re.sub(r"[^a-z0-9]", "", symbol)
    return symbol if known[name].unit != "1" or spelled_out else f"{words} {symbol}"


def _axes_names(results: Results, entry: Mechanism) -> tuple[str, str]:
    varied = [name for name in results.parameters if len(np.unique(results.points[name])) > 2]
    if entry.plane is not None and set(entry.plane) <= set(varied):
        return entry.plane
    if len(varied) < 2:
        raise ValueError(
            "a plane needs two parameters with three values or more each; this scan varies "
            f"{', '.join(varied) or 'none'}: read it with sterile.scan.load and plot it as a curve"
        )
    return varied[0], varied[1]


def _solved_for(results: Results, others: list[str], entry: Mechanism) -> str | None:
    """The third parameter, where its value that gives the abundance is drawn."""
    if not _carries_mass(entry) or len(others) != 1:
        return None
    several = len(np.unique(results.points[others[0]])) >= mass_plane.FEWEST_VALUES
    return others[0] if several else None


def _panels(results: Results, others: list[str], entry: Mechanism) -> list[tuple[str, np.ndarray]]:
    count = results.done.size
    if not others:
        return [(_fixed(results, entry), np.ones(count, dtype=bool))]
    values = np.stack([results.points[name] for name in others], axis=1)
    combinations, member = np.unique(values, axis=0, return_inverse=True)
    if len(combinations) > _MOST_PANELS:
        raise ValueError(
            f"{', '.join(others)} takes {len(combinations)} values, too many for panels; load the "
            "results and draw the part that you want"
        )
    return [
        (
            ", ".join(f"{_label(entry, n)} = {v:g}" for n, v in zip(others, combination)),
            member.ravel() == index,
        )
        for index, combination in enumerate(combinations)
    ]


def _model(results: Results) -> dict:
    return json.loads(results.attributes["identity"]).get("model", {})


def _fixed(results: Results, entry: Mechanism) -> str:
    """The model's parameters that the scan left alone, such as "m_S = 100 GeV"."""
    words = []
    for name, value in _model(results).items():
        stated = parameters_of(entry.model).get(name)
        if stated is not None and stated.symbol:
            symbol = stated.symbol.removesuffix(f" [{stated.unit}]")
            unit = "" if stated.unit == "1" else f" {stated.unit}"
            words.append(f"{symbol} = {value:g}{unit}")
    return ", ".join(words)


def _draw(axes, results: Results, entry: Mechanism, names, chosen, third, handles) -> None:
    done = chosen & results.done
    points = {name: column[done] for name, column in results.points.items()}
    if done.sum() < 4:
        axes.text(0.5, 0.5, "too few points so far", transform=axes.transAxes, ha="center")
        return
    raster = Raster(points[names[0]], points[names[1]])
    # the scales first: labels of contours are placed on them
    axes.set(
        xscale="log" if raster.x_log else "linear",
        yscale="log" if raster.y_log else "linear",
        xlim=(raster.x[0], raster.x[-1]),
        ylim=(raster.y[0], raster.y[-1]),
        xlabel=_label(entry, names[0]),
        ylabel=_label(entry, names[1]),
    )
    for axis, logarithmic, span in (
        (axes.xaxis, raster.x_log, raster.x[-1] / raster.x[0]),
        (axes.yaxis, raster.y_log, raster.y[-1] / raster.y[0]),
    ):
        if logarithmic and span < _FEW_DECADES:
            axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
            axis.set_major_formatter("{x:g}")
            axis.set_minor_formatter(NullFormatter())
    if third is not None:
        target = _TARGET_OMEGA_H2
        mass_plane.draw_solved(axes, raster, results, entry, names, third, target, handles)
        return
    good = ~is_failure(points["status"])
    verdicts = {
        name: {part: np.where(good, column[done], np.nan) for part, column in parts.items()}
        for name, parts in results.verdicts.items()
    }
    if _carries_mass(entry):
        mass_plane.draw_mean_momentum(axes, raster, points, good)
        mass_plane.draw_edges(axes, raster, verdicts)
    else:
        _draw_regions(axes, raster, verdicts, handles)
        _draw_masses(axes, raster, points, good)
    if names == entry.plane and len(entry.branches) == 2:
        _draw_turn_over(axes, raster, points, entry.branches, handles)
    _draw_excluded(axes, raster, verdicts, entry.excluded, handles)
    shown = edges.others(verdicts, entry.excluded)
    edges.draw(
        axes, raster, {name: raster.edge(verdicts[name]["margin"]) for name in shown}, handles
    )
    _draw_horizon(axes, raster, points, good, handles)
    caveat = good & (points["status"] != Status.SUCCESS)
    for label, which, marker in (("no result", ~good, "x"), (_caveat(points, caveat), caveat, ".")):
        if which.any():
            x, y = (points[name][which] for name in names)
            handles[label] = axes.plot(x, y, marker, color="0.35", ms=3, mew=0.7, ls="")[0]


def _caveat(points, which) -> str:
    names = sorted({name_of(code).lower().replace("_", " ") for code in points["status"][which]})
    return ", ".join(names)


def _draw_regions(axes, raster, verdicts, handles) -> None:
    """Colour by the edges of the half-mode tests, from the mildest to the strictest."""
    if edges.SUMMARY not in verdicts:
        return
    tests = edges.HALF_MODE_TESTS
    status = raster.nearest(verdicts[edges.SUMMARY]["status"]).astype(float)
    if set(tests) <= verdicts.keys():
        margins = [raster.edge(verdicts[name]["margin"]) for name in tests]
        passed = np.sum([margin >= 0.0 for margin in margins], axis=0)
        worst = np.where(passed == len(tests), 0.0, np.where(margins[0] < 0.0, 2.0, 1.0))
        status = np.where(np.isfinite(margins).all(axis=0), worst, status)
    colours = ListedColormap(list(_REGION_COLOURS.values()))
    shown = np.where(status <= 2, status, np.nan)
    axes.pcolormesh(
        raster.x, raster.y, shown, cmap=colours, vmin=-0.5, vmax=2.5, alpha=_REGION_ALPHA,
        rasterized=True, linewidth=0,
    )  # fmt: skip
    for code, name in enumerate(_REGION_COLOURS):
        if (status == code).any():
            handles[name] = Patch(color=_REGION_COLOURS[name], alpha=_REGION_ALPHA, lw=0)


def _carries_mass(entry: Mechanism) -> bool:
    return "mass_kev" in parameters_of(entry.model)


def _draw_masses(axes, raster, points, good) -> None:
    if not {"mass_kev", "omega_h2"} <= points.keys():
        return
    with np.errstate(all="ignore"):
        mass = points["mass_kev"] * _TARGET_OMEGA_H2 / points["omega_h2"]
        surface = raster.between(np.where(good, np.log10(mass), np.nan))
    levels = [np.log10(m) for m in _MASSES_KEV]
    levels = [m for m in levels if np.nanmin(surface) < m < np.nanmax(surface)]
    if not levels:
        return
    lines = axes.contour(
        raster.x, raster.y, surface, levels=levels, colors=BLACK, linewidths=1.0, linestyles="-"
    )
    axes.clabel(lines, fmt=lambda level: _mass_label(10.0**level), fontsize=8, inline_spacing=3)


def _mass_label(mass_kev: float) -> str:
    if mass_kev >= 999.0:
        return f"{mass_kev / 1e3:.4g} MeV" if mass_kev < 9.99e5 else f"{mass_kev / 1e6:.4g} GeV"
    return f"{mass_kev:.3g} keV"


def _draw_turn_over(axes, raster, points, branches, handles) -> None:
    """Where the yield is largest in the first parameter at a fixed second one."""
    if "yield_n" not in points:
        return
    with np.errstate(all="ignore"):
        surface = raster.between(np.log(points["yield_n"]), smooth=True)
    filled = np.where(np.isfinite(surface), surface, -np.inf)
    peak = filled.argmax(axis=1)
    # a maximum proper, above both ends of its row
    ends = np.maximum(filled[:, 2], filled[:, -3])
    inside = filled.max(axis=1) > ends + 0.1
    if inside.sum() < 5:
        return
    x = np.where(inside, raster.x[peak], np.nan)
    line = axes.plot(x, raster.y, color=BLACK, ls=(0, (5, 3)), lw=1.6)[0]
    label = f"largest yield: {branches[0]} to the left, {branches[1]} to the right"
    handles[label] = line


def _draw_horizon(axes, raster, points, good, handles) -> None:
    if "lambda_fs_mpc" not in points:
        return
    with np.errstate(all="ignore"):
        surface = raster.between(np.where(good, np.log10(points["lambda_fs_mpc"]), np.nan))
    for value, dash in ((COLD_BELOW_MPC, ":"), (HOT_ABOVE_MPC, "-.")):
        level = np.log10(value)
        if np.nanmin(surface) < level < np.nanmax(surface):
            axes.contour(
                raster.x, raster.y, surface, levels=[level], colors=BLUE, linewidths=1.3,
                linestyles=[dash],
            )  # fmt: skip
            label = rf"$\lambda_{{\rm fs}} = {value:g}$ Mpc"
            handles[label] = Line2D([], [], color=BLUE, lw=1.3, ls=dash)


def _draw_excluded(axes, raster, verdicts, excluded, handles) -> None:
    """Hatch where a bound on the mechanism itself fails."""
    for (name, label), hatch in zip(excluded.items(), _HATCHES * 3):
        if name not in verdicts:
            continue
        surface = raster.edge(verdicts[name]["margin"])
        if np.nanmin(surface, initial=np.inf) < 0.0:
            with rc_context({"hatch.color": "0.4"}):
                axes.contourf(
                    raster.x, raster.y, surface, levels=[-2.0, 0.0], colors="none", hatches=[hatch]
                )
            handles[label] = Patch(fill=False, hatch=hatch, ec="0.4", lw=0.0)
