"""The plane of a scan whose model has a mass of its own: how warm N is where it is dark matter."""

import numpy as np
from matplotlib import rc_context
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from spectra.plots import BLACK, GREEN, VERMILION
from sterile import xray
from sterile.models import parameters_of
from sterile.quantities import PRODUCTION
from sterile.scan import edges
from sterile.scan.abundance import Crossing, crossing
from sterile.scan.raster import Raster
from sterile.status import is_failure

# axes on which an X-ray limit is a point or a curve
XRAY_PLANE = ("mass_kev", "sin2_2theta")
# values of a third parameter, at least, for the one that gives the abundance
FEWEST_VALUES = 3
_COLOUR_MAP, _ALPHA = "coolwarm", 0.75
# levels of contours of a parameter that spans decades
_MANTISSAS = (1.0, 3.0)
# limits are drawn as what they are, and the abundance is the target everywhere
_DRAWN_OTHERWISE = ("xray-", "overclosure")
# of the colours' range, in percent of the pixels: corners do not decide it
_RANGE = (1.0, 99.0)


def draw_mean_momentum(axes, raster: Raster, points, good) -> None:
    """<q> as colour."""
    _colour(axes, raster, raster.between(np.where(good, points["q_mean"], np.nan)))


def draw_edges(axes, raster: Raster, verdicts) -> None:
    """Where the mildest and the strictest of the half-mode tests fail, in words."""
    ends = edges.HALF_MODE_TESTS[0], edges.HALF_MODE_TESTS[-1]
    for name, word in zip(ends, ("forbidden below", "allowed above")):
        if name in verdicts:
            surface = raster.edge(verdicts[name]["margin"])
            if edges.is_crossed(surface):
                lines = axes.contour(raster.x, raster.y, surface, levels=[0.0], colors="0.25")
                axes.clabel(lines, fmt=lambda level: word, fontsize=8)  # noqa: B023


def draw_abundance(axes, results, names, panels, here, target: float) -> None:
    """Omega h^2 = ``target`` of every panel, this one's thicker and the others labelled."""
    for title, chosen in panels:
        points = {name: column[chosen & results.done] for name, column in results.points.items()}
        if points["omega_h2"].size < 4:
            continue
        raster = Raster(points[names[0]], points[names[1]])
        surface = raster.between(_excess(points, target))
        if not edges.is_crossed(surface):
            continue
        own = chosen is here
        lines = axes.contour(
            raster.x,
            raster.y,
            surface,
            levels=[0.0],
            colors=BLACK,
            linewidths=2.0 if own else 0.9,
        )
        word = rf"$\Omega h^2 = {target:g}$" if own else title
        axes.clabel(lines, fmt=lambda level: word, fontsize=8)  # noqa: B023


def draw_solved(axes, raster: Raster, results, entry, names, third, target, handles) -> None:
    """Contours of the ``third`` parameter that gives ``target``; <q> and verdicts with it."""
    values = np.unique(results.points[third])
    chosen = [results.done & (results.points[third] == value) for value in values]
    parts = [{name: c[which] for name, c in results.points.items()} for which in chosen]
    rasters = [raster.of(part[names[0]], part[names[1]]) for part in parts]

    def stacked(surface_of):
        return np.stack([surface_of(i).ravel() for i in range(len(values))])

    excess = stacked(lambda i: rasters[i].between(_excess(parts[i], target), smooth=True))
    found = crossing(values, target * np.exp(excess), target)

    def solved(surface_of):
        return found.of(stacked(surface_of)).reshape(raster.mesh.shape[:2])

    def margin(name):
        column = results.verdicts[name]["margin"]
        return solved(lambda i: rasters[i].edge(column[chosen[i]]))

    _colour(axes, raster, solved(lambda i: rasters[i].between(_good(parts[i], "q_mean"))), target)
    _draw_half_mode(axes, raster, margin, results.verdicts, handles)
    shown = [
        name
        for name in edges.others(results.verdicts, entry.excluded)
        if not name.startswith(_DRAWN_OTHERWISE)
    ]
    edges.draw(axes, raster, {name: margin(name) for name in shown}, handles)
    _draw_values(axes, raster, found, parameters_of(entry.model)[third].symbol)
    _draw_without(axes, raster, excess, values, parameters_of(entry.model)[third].symbol, target)


def draw_xray(axes, limits, handles) -> None:
    """Curves, and of single numbers the strictest at each mass, with what is excluded above."""
    strictest: dict[float, float] = {}
    (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
    for limit in limits.values():
        mass = 2.0 * np.asarray(limit.energy_kev)
        mixing = np.asarray(limit.rate_per_s) / np.asarray(xray.decay_rate_per_s(mass, 1.0))
        if mass.size > 1:
            axes.plot(mass, mixing, color=VERMILION, lw=1.6)
            axes.fill_between(mass, mixing, high, color=VERMILION, alpha=0.12, lw=0)
            handles["X-ray limit: excluded above"] = Line2D([], [], color=VERMILION, lw=1.6)
        else:
            key = round(float(mass[0]), 1)
            strictest[key] = min(float(mixing[0]), strictest.get(key, np.inf))
    for mass, mixing in strictest.items():
        if left <= mass <= right and mixing <= high:
            axes.plot([mass, mass], [mixing, high], color=VERMILION, lw=1.4)
            axes.plot([mass], [mixing], marker="_", ms=12, mew=2.2, color=VERMILION)
            label = "X-ray limits, at single masses: excluded above"
            handles[label] = Line2D([], [], color=VERMILION, marker="_", ms=10, mew=2.2, lw=0)
    axes.set(xlim=(left, right), ylim=(low, high))


def _excess(points, target: float):
    """ln of Omega h^2 over the target; NaN where there is none."""
    with np.errstate(all="ignore"):
        return np.log(
            np.where(points["omega_h2"] > 0.0, _good(points, "omega_h2"), np.nan) / target
        )


def _good(points, name):
    return np.where(is_failure(points["status"]), np.nan, points[name])


def _colour(axes, raster, surface, target: float | None = None) -> None:
    finite = surface[np.isfinite(surface)]
    low, high = np.percentile(finite, _RANGE) if finite.size else (None, None)
    mesh = axes.pcolormesh(
        raster.x, raster.y, surface, cmap=_COLOUR_MAP, alpha=_ALPHA, rasterized=True, linewidth=0,
        vmin=low, vmax=high,
    )  # fmt: skip
    where = "" if target is None else rf", where $\Omega h^2 = {target:g}$"
    label = f"mean momentum {PRODUCTION['q_mean'].symbol}{where}"
    axes.figure.colorbar(mesh, ax=axes, label=label, extend="both")


def _draw_half_mode(axes, raster, margin, verdicts, handles) -> None:
    """Hatched where the mildest of the half-mode tests fails; a line where the strictest is met."""
    mildest, strictest = edges.HALF_MODE_TESTS[0], edges.HALF_MODE_TESTS[-1]
    if mildest in verdicts:
        surface = margin(mildest)
        if np.nanmin(surface, initial=np.inf) < 0.0:
            with rc_context({"hatch.color": "0.35", "hatch.linewidth": 0.6}):
                axes.contourf(
                    raster.x, raster.y, surface, levels=[-2.0, 0.0], colors="none", hatches=["///"]
                )
            handles["half-mode: forbidden"] = Patch(fill=False, hatch="///", ec="0.35", lw=0)
    if strictest in verdicts:
        surface = margin(strictest)
        if edges.is_crossed(surface):
            axes.contour(raster.x, raster.y, surface, levels=[0.0], colors=GREEN, linewidths=2.2)
            handles["half-mode: allowed inside"] = Line2D([], [], color=GREEN, lw=2.2)


def _draw_values(axes, raster, found: Crossing, symbol: str) -> None:
    surface = found.value.reshape(raster.mesh.shape[:2])
    low, high = np.nanmin(surface, initial=np.inf), np.nanmax(surface, initial=-np.inf)
    if not low < high:
        return
    if not found.logarithmic:
        lines = axes.contour(raster.x, raster.y, surface, colors=BLACK, linewidths=1.0)
        axes.clabel(lines, fontsize=9)
        return
    decades = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
    levels = [m * 10.0**n for n in decades for m in _MANTISSAS if low < m * 10.0**n < high]
    if levels:
        lines = axes.contour(
            raster.x, raster.y, np.log(surface), levels=np.log(levels), colors=BLACK,
            linewidths=1.0, linestyles="-",
        )  # fmt: skip
        axes.clabel(lines, fmt=lambda level: f"{symbol} = {_power(np.exp(level))}", fontsize=9)


def _power(value: float) -> str:
    exponent = int(np.floor(np.log10(value) + 1e-9))
    mantissa = value / 10.0**exponent
    power = rf"10^{{{exponent}}}"
    return f"${power}$" if abs(mantissa - 1.0) < 1e-6 else rf"${mantissa:.2g}\times{power}$"


def _draw_without(axes, raster, excess, values, symbol, target) -> None:
    """Grey where the first value already makes too much, or the last too little."""
    shape = raster.mesh.shape[:2]
    for row, sign, word, value in (
        (excess[0], 1.0, ">", values[0]),
        (excess[-1], -1.0, "<", values[-1]),
    ):
        outside = (sign * row > 0.0).reshape(shape)
        if not outside.any():
            continue
        axes.contourf(raster.x, raster.y, outside.astype(float), levels=[0.5, 1.5], colors="0.88")
        axes.contour(raster.x, raster.y, row.reshape(shape), levels=[0.0], colors="0.4")
        x, y = raster.mesh[outside].mean(axis=0)
        axes.text(
            x, y, rf"$\Omega h^2 {word} {target:g}$" + f"\nat {symbol} = {_power(value)}",
            transform=axes.transAxes, ha="center", va="center", fontsize=9, color="0.25",
            bbox={"color": "0.88", "pad": 1.5}, clip_on=True,
        )  # fmt: skip
