"""Figures: how a spectrum builds up, what it is made of, what it does to structure.

Every function takes arrays and returns a matplotlib Figure, drawn without a display.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib import colormaps, rc_context
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import LogLocator, NullFormatter, NullLocator

from spectra.store import Record, require, write_atomically

# Okabe & Ito: distinguishable with every kind of colour blindness
BLACK, ORANGE, SKY, GREEN, BLUE, VERMILION, PURPLE = (
    "#000000", "#E69F00", "#56B4E9", "#009E73", "#0072B2", "#D55E00", "#CC79A7",
)  # fmt: skip
_REFERENCE_COLOURS = (ORANGE, GREEN, PURPLE, SKY)
_TIME_COLOURS = colormaps["viridis"]
_STYLE = {
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
# what of a spectrum is shown: the momenta with more than this of the peak
_VISIBLE = 1e-4
# the scalars count as decoupled once n_S + n_N/2 is within 1% of its final value
_DECOUPLED = 1e-2


def figure_build_up(
    temperature_gev: np.ndarray,
    scalar_q: np.ndarray,
    scalar_f: np.ndarray,
    neutrino_temperature_gev: np.ndarray,
    neutrino_q: np.ndarray,
    neutrino_f: np.ndarray,
) -> Figure:
    """f_S and q^2 f_N as they build up.

    Parameters
    ----------
    temperature_gev : plasma temperature of the scalar's snapshots [GeV], shape (m,).
    scalar_q, scalar_f : shapes (n_s,) and (m, n_s), dimensionless.
    neutrino_temperature_gev, neutrino_q, neutrino_f : likewise, shapes (l,), (n,), (l, n).
    """
    with rc_context(_STYLE):
        figure = Figure(figsize=(10.5, 4.2), layout="constrained")
        left, right = figure.subplots(1, 2)
        draw_build_up(left, temperature_gev, scalar_q, scalar_f, weight=0)
        left.set_ylabel(r"$f_S(q)$")
        left.set_title("scalar")
        shown = draw_build_up(right, neutrino_temperature_gev, neutrino_q, neutrino_f, weight=2)
        right.set_ylabel(r"$q^2 F_N(q)$")
        right.set_title("sterile neutrino")
        bar = figure.colorbar(shown, ax=[left, right], pad=0.02)
        bar.set_label(r"plasma temperature $T$ [GeV]")
        bar.ax.invert_yaxis()
        return figure


def draw_build_up(axes, temperature_gev, q, f, weight: int) -> ScalarMappable:
    """Draw q^weight f of every snapshot, coloured by temperature; returns the colour scale."""
    curves = q**weight * f
    scale = LogNorm(temperature_gev.min(), temperature_gev.max())
    shown = ScalarMappable(norm=scale, cmap=_TIME_COLOURS.reversed())
    for temperature, curve in zip(temperature_gev, curves):
        if curve.max() > 0.0:
            axes.plot(
                q, np.where(curve > 0.0, curve, np.nan), color=shown.to_rgba(temperature), lw=1.5
            )
    peak = curves.max()
    axes.set(xscale="log", yscale="log", xlabel=r"$q = (p/T)\,(g_{s0}/g_s)^{1/3}$")
    # f itself may peak at q → 0; what matters is where the particles are
    number = (q**3 * f).max(axis=1, keepdims=True)
    visible = (q**3 * f > 1e-3 * _VISIBLE * number).any(axis=0) & (number > 0).any()
    if peak > 0.0 and visible.any():
        axes.set_xlim(q[visible][0], q[visible][-1])
        shown_peak = curves[:, visible].max()
        axes.set_ylim(1e-7 * shown_peak, 3.0 * shown_peak)
    _tidy_logarithms(axes)
    return shown


def figure_spectrum(
    q: np.ndarray, f: np.ndarray, components: Mapping[str, np.ndarray] | None = None
) -> Figure:
    """The final spectrum as q^2 F(q), with its components.

    ``q``, ``f``: shape (n,). ``components``: label → part of f, shape (n,), optional.
    """
    with rc_context(_STYLE):
        figure = Figure(figsize=(5.4, 5.0), layout="constrained")
        draw_spectrum(figure.subplots(), q, f, components)
        return figure


def draw_spectrum(axes, q, f, components=None) -> None:
    """Draw q^2 F over its peak, and its components, on ``axes``."""
    peak = (q**2 * f).max()
    axes.plot(q, q**2 * f / peak, color=BLACK, label="all")
    for (label, part), colour, dash in zip(
        (components or {}).items(), (BLUE, VERMILION, GREEN), ("--", "-.", ":")
    ):
        axes.fill_between(q, q**2 * part / peak, color=colour, alpha=0.12, lw=0)
        axes.plot(q, q**2 * part / peak, color=colour, ls=dash, label=label)
    # both axes logarithmic: a second, hotter population may be a thousand times lower
    number = q**3 * f
    visible = number > _VISIBLE * number.max()
    axes.set(
        xscale="log",
        yscale="log",
        xlim=(q[visible][0], q[visible][-1]),
        ylim=(0.3 * (q**2 * f)[visible].min() / peak, 2.0),
        xlabel=r"$q = p/T_{\rm ref}$ today",
        ylabel=r"$q^2 F(q)$ / peak",
    )
    axes.xaxis.set_minor_formatter(NullFormatter())
    if components:
        _legend_above(axes)


def figure_transfer(
    k_h_mpc: np.ndarray,
    t2: np.ndarray,
    references: Mapping[str, np.ndarray] | None = None,
    k_t2_half_h_mpc: float | None = None,
    label: str = "this spectrum",
) -> Figure:
    """T^2(k) with reference relics and the half-mode marked.

    ``k_h_mpc`` [h/Mpc], ``t2``: shape (n,). ``references``: label → T^2, shape (n,).
    ``k_t2_half_h_mpc``: where T^2 = 1/2 [h/Mpc], left out when not crossed.
    """
    with rc_context(_STYLE):
        figure = Figure(figsize=(5.4, 5.0), layout="constrained")
        draw_transfer(figure.subplots(), k_h_mpc, t2, references, k_t2_half_h_mpc, label)
        return figure


def draw_transfer(axes, k_h_mpc, t2, references=None, k_t2_half_h_mpc=None, label="this spectrum"):
    """Draw T^2(k), the references and the half-mode on ``axes``."""
    references = references or {}
    for (name, reference), colour in zip(references.items(), _REFERENCE_COLOURS):
        axes.plot(k_h_mpc, reference, color=colour, lw=1.4, ls="--", label=name)
    axes.plot(k_h_mpc, t2, color=BLACK, label=label)
    axes.axhline(0.5, color="0.6", lw=0.8, zorder=0)
    axes.text(
        0.02, 0.515, r"$T^2 = 1/2$", color="0.4", fontsize=9, transform=axes.get_yaxis_transform()
    )
    if k_t2_half_h_mpc is not None and np.isfinite(k_t2_half_h_mpc):
        axes.plot([k_t2_half_h_mpc] * 2, [0.0, 0.5], color=VERMILION, lw=1.0, ls=":")
        axes.plot(
            k_t2_half_h_mpc,
            0.5,
            "o",
            color=VERMILION,
            ms=6,
            zorder=5,
            label=rf"half-mode, $k = {k_t2_half_h_mpc:.3g}\ h$/Mpc",
        )
    curves = np.stack([t2, *references.values()])
    # from where the first curve bends to where the last has gone
    interesting = np.flatnonzero((curves.min(axis=0) < 0.995) & (curves.max(axis=0) > 1e-3))
    if interesting.size == 0:
        interesting = np.array([0, k_h_mpc.size - 1])
    axes.set(
        xscale="log",
        xlim=(k_h_mpc[max(interesting[0] - 1, 0)], k_h_mpc[interesting[-1]]),
        ylim=(0.0, 1.06),
        xlabel=r"$k$ [$h$/Mpc]",
        ylabel=r"$T^2(k) = P(k)/P_{\rm CDM}(k)$",
    )
    axes.xaxis.set_minor_formatter(NullFormatter())
    _legend_above(axes)


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
    with rc_context(_STYLE):
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


def figure_free_streaming_misleads(data: Mapping) -> Figure:
    """T^2 of spectra with one free-streaming horizon, beside reference relics.

    ``data``: "k_h_mpc" (n,) [h/Mpc], "curves" and "references" label → T^2 (n,), "horizon_mpc"
    the common horizon [comoving Mpc].
    """
    with rc_context(_STYLE):
        figure = Figure(figsize=(6.4, 5.8), layout="constrained")
        axes = figure.subplots()
        for (label, t2), colour in zip(data["references"].items(), ("0.35", "0.6")):
            axes.plot(data["k_h_mpc"], t2, color=colour, lw=1.4, ls="--", label=label)
        for (label, t2), colour in zip(data["curves"].items(), (BLUE, GREEN, VERMILION, PURPLE)):
            axes.plot(data["k_h_mpc"], t2, color=colour, label=label)
        axes.axhline(0.5, color="0.8", lw=0.8, zorder=0)
        axes.set(
            xscale="log",
            xlim=(1.0, 200.0),
            ylim=(0.0, 1.06),
            xlabel=r"$k$ [$h$/Mpc]",
            ylabel=r"$T^2(k)$",
        )
        text = rf"all solid: $\lambda_{{\rm fs}} = {data['horizon_mpc']:g}$ Mpc, 'warm'"
        axes.text(0.03, 0.05, text, transform=axes.transAxes)
        axes.xaxis.set_minor_formatter(NullFormatter())
        _legend_above(axes)
        return figure


def early_and_late(
    history_temperature_gev: np.ndarray,
    yield_s: np.ndarray,
    yield_n: np.ndarray,
    snapshot_temperature_gev: np.ndarray,
    snapshot_f: np.ndarray,
) -> dict[str, np.ndarray]:
    """Split the final spectrum by when it was produced.

    Early: while the scalars exchange number with the plasma, that is until Y_S + Y_N/2
    stays within 1% of its final value; late: the decays of the scalars left over then.

    Parameters
    ----------
    history_temperature_gev, yield_s, yield_n : shape (n_t,), temperature falling [GeV].
    snapshot_temperature_gev : shape (m,), falling [GeV]; ``snapshot_f`` : shape (m, n).

    Returns
    -------
    label → part of the last snapshot, shape (n,). Between snapshots f grows as Y_N does.
    """
    total = yield_s + 0.5 * yield_n
    moving = np.flatnonzero(np.abs(total / total[-1] - 1.0) > _DECOUPLED)
    decoupled = min(moving[-1] + 1 if moving.size else 0, total.size - 1)
    # interpolate in ln T, increasing order
    ln_t, snapshot_ln_t = np.log(history_temperature_gev), np.log(snapshot_temperature_gev)
    snapshot_yield = np.interp(-snapshot_ln_t, -ln_t, yield_n)
    target = yield_n[decoupled]
    later = min(int(np.searchsorted(snapshot_yield, target)), snapshot_yield.size - 1)
    if later == 0:
        gap, early = snapshot_yield[0], np.zeros_like(snapshot_f[0])
        before = 0.0
    else:
        early, before = snapshot_f[later - 1], snapshot_yield[later - 1]
        gap = snapshot_yield[later] - before
    share = np.clip((target - before) / gap, 0.0, 1.0) if gap > 0.0 else 0.0
    early = early + share * (snapshot_f[later] - early)
    temperature = history_temperature_gev[decoupled]
    return {
        f"made while $S$ couples, $T$ > {_short(temperature)} GeV": early,
        "decays of what is left": np.maximum(snapshot_f[-1] - early, 0.0),
    }


def figure_record(record: Record, path="") -> Figure:
    """One figure of all that a result file holds; ``path`` is named in errors.

    Raises ``ValueError`` if the record has no spectrum.
    """
    require(record, path, "spectrum/q", "spectrum/f")
    data = record.datasets
    with rc_context(_STYLE):
        has_production = "production/neutrino/f" in data
        has_transfer = "transfer/k_h_mpc" in data
        if has_production:
            figure = Figure(figsize=(10.8, 9.2), layout="constrained")
            panels = figure.subplots(2, 2)
            _draw_production(figure, panels[0], data)
            spectrum_axes, transfer_axes = panels[1]
        elif has_transfer:
            figure = Figure(figsize=(10.8, 5.0), layout="constrained")
            spectrum_axes, transfer_axes = figure.subplots(1, 2)
        else:
            figure = Figure(figsize=(5.4, 5.0), layout="constrained")
            spectrum_axes, transfer_axes = figure.subplots(), None
        components = _components(data) if has_production else None
        draw_spectrum(spectrum_axes, data["spectrum/q"], data["spectrum/f"], components)
        mass = record.attributes.get("spectrum", {}).get("mass_kev")
        if has_transfer:
            masses = data.get("transfer/reference_masses_kev", ())
            references = {
                f"thermal, {reference_mass:g} keV": curve
                for reference_mass, curve in zip(masses, data.get("transfer/reference_t2", ()))
            }
            draw_transfer(
                transfer_axes,
                data["transfer/k_h_mpc"],
                data["transfer/t2"],
                references,
                record.attributes.get("summary", {}).get("k_t2_half_h_mpc"),
                label=f"this spectrum, {mass:.4g} keV" if mass else "this spectrum",
            )
        elif transfer_axes is not None:
            transfer_axes.set_axis_off()
        return figure


def _draw_production(figure, panels, data) -> None:
    scalar = draw_build_up(
        panels[0],
        data["production/scalar/temperature_gev"],
        data["production/scalar/q"],
        data["production/scalar/f"],
        weight=0,
    )
    panels[0].set_ylabel(r"scalar $f_S(q)$")
    neutrino = draw_build_up(
        panels[1],
        data["production/neutrino/temperature_gev"],
        data["production/neutrino/q"],
        data["production/neutrino/f"],
        weight=2,
    )
    panels[1].set_ylabel(r"sterile neutrino $q^2 F_N(q)$")
    for axes, shown in zip(panels, (scalar, neutrino)):
        bar = figure.colorbar(shown, ax=axes, pad=0.02)
        bar.set_label(r"plasma temperature $T$ [GeV]")
        bar.ax.invert_yaxis()


def _components(data) -> dict[str, np.ndarray]:
    parts = early_and_late(
        data["production/history/temperature_gev"],
        data["production/history/yield_s"],
        data["production/history/yield_n"],
        data["production/neutrino/temperature_gev"],
        data["production/neutrino/f"],
    )
    q, target = data["production/neutrino/q"], data["spectrum/q"]
    return {
        label: np.interp(np.log(target), np.log(q), part, left=0.0, right=0.0)
        for label, part in parts.items()
    }


def _tidy_logarithms(axes) -> None:
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(numticks=8))
        axis.set_minor_formatter(NullFormatter())


def _legend_above(axes) -> None:
    # outside the axes: nowhere inside is free for every spectrum
    axes.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), labelspacing=0.3)


def _short(number: float) -> str:
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
