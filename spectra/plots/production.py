"""How a spectrum builds up, what it is made of."""

from collections.abc import Mapping

import numpy as np
from matplotlib import colormaps, rc_context
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from spectra.build_up import split_at_decoupling
from spectra.plots.style import (
    BLACK,
    BLUE,
    GREEN,
    STYLE,
    VERMILION,
    legend_above,
    short,
    tidy_logarithms,
)

_TIME_COLOURS = colormaps["viridis"]
# what of a spectrum is shown: the momenta with more than this of the peak
_VISIBLE = 1e-4


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
    with rc_context(STYLE):
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
    """Draw q^weight f of every snapshot, coloured by temperature; returns the colour scale.

    ``axes``: where to; ``temperature_gev`` (t,), ``q`` (n,), ``f`` (t, n).
    """
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
    tidy_logarithms(axes)
    return shown


def figure_spectrum(
    q: np.ndarray, f: np.ndarray, components: Mapping[str, np.ndarray] | None = None
) -> Figure:
    """The final spectrum as q^2 F(q), with its components.

    ``q``, ``f``: shape (n,). ``components``: label → part of f, shape (n,), optional.
    """
    with rc_context(STYLE):
        figure = Figure(figsize=(5.4, 5.0), layout="constrained")
        draw_spectrum(figure.subplots(), q, f, components)
        return figure


def draw_spectrum(axes, q, f, components=None) -> None:
    """Draw q^2 F over its peak, and its components, on ``axes``.

    ``q`` and ``f``: (n,); ``components``: label → F of a part, (n,).
    """
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
        legend_above(axes)


def early_and_late(
    history_temperature_gev: np.ndarray,
    yield_s: np.ndarray,
    yield_n: np.ndarray,
    snapshot_temperature_gev: np.ndarray,
    snapshot_f: np.ndarray,
) -> dict[str, np.ndarray]:
    """Split the final spectrum by when it was produced.

    Parameters
    ----------
    history_temperature_gev, yield_s, yield_n : shape (n_t,), temperature falling [GeV].
    snapshot_temperature_gev : shape (m,), falling [GeV]; ``snapshot_f`` : shape (m, n).

    Returns
    -------
    label → part of the last snapshot, shape (n,); see :func:`spectra.build_up.split_at_decoupling`.
    """
    split = split_at_decoupling(
        history_temperature_gev, yield_s, yield_n, snapshot_temperature_gev, snapshot_f
    )
    return {
        f"made while $S$ couples, $T$ > {short(split.temperature_gev)} GeV": split.early,
        "decays of what is left": split.late,
    }
