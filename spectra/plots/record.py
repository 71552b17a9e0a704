"""One figure of all that a result file holds."""

from pathlib import Path

import numpy as np
from matplotlib import rc_context
from matplotlib.figure import Figure

from spectra.plots.production import draw_build_up, draw_spectrum, early_and_late
from spectra.plots.style import STYLE
from spectra.plots.transfer import draw_transfer
from spectra.store import Record, require


def figure_record(record: Record, path: str | Path = "") -> Figure:
    """One figure of all that a result file holds; ``path`` is named in errors.

    Raises ``ValueError`` if the record has no spectrum.
    """
    require(record, path, "spectrum/q", "spectrum/f")
    data = record.datasets
    with rc_context(STYLE):
        has_production = "production/scalar/f" in data
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
