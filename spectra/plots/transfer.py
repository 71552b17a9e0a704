"""T^2(k) of spectra beside that of reference relics."""

from collections.abc import Mapping

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from spectra.plots.style import (
    BLACK,
    BLUE,
    GREEN,
    ORANGE,
    PURPLE,
    SKY,
    STYLE,
    VERMILION,
    legend_above,
)

_REFERENCE_COLOURS = (ORANGE, GREEN, PURPLE, SKY)


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
    with rc_context(STYLE):
        figure = Figure(figsize=(5.4, 5.0), layout="constrained")
        draw_transfer(figure.subplots(), k_h_mpc, t2, references, k_t2_half_h_mpc, label)
        return figure


def draw_transfer(axes, k_h_mpc, t2, references=None, k_t2_half_h_mpc=None, label="this spectrum"):
    """Draw T^2(k), the references and the half-mode on ``axes``.

    Parameters
    ----------
    axes : where to.
    k_h_mpc, t2 : (n,) wavenumbers [h/Mpc] and T^2.
    references : label → T^2 (n,) of others, or None.
    k_t2_half_h_mpc : where T^2 = 1/2 [h/Mpc], or None.
    label : of the curve.
    """
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
    legend_above(axes)


def figure_free_streaming_misleads(data: Mapping) -> Figure:
    """T^2 of spectra with one free-streaming horizon, beside reference relics.

    ``data``: "k_h_mpc" (n,) [h/Mpc], "curves" and "references" label → T^2 (n,), "horizon_mpc"
    the common horizon [comoving Mpc].
    """
    with rc_context(STYLE):
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
        legend_above(axes)
        return figure
