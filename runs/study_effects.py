"""What each effect beyond the papers changes: the table of runs/production_effects.py as a figure.

    python runs/study_effects.py

Y_N, <q> and the mean speed of N today at ten points, each effect alone and all but inverse decays
together, over the published treatment, into docs/study-effects.png. Numbers go to
out/study-effects.h5 and are taken from there the next time. Eight minutes, mostly compiling. A
point that fails is left out and named.
"""

from pathlib import Path

import h5py
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import FuncFormatter, NullFormatter
from production_effects import EFFECTS, POINTS, numbers

from spectra import plots

NUMBERS = Path("out/study-effects.h5")
# inverse decays change least, and with them the rest had no result at eight of the ten points
CHOSEN = {name: switches for name, switches in EFFECTS.items() if name != "best"}
CHOSEN["together"] = {**EFFECTS["best"], "inverse_decays": False}
WORDS = {
    "quantum": "quantum statistics", "crossover": "electroweak crossover",
    "running": "running widths, off-shell $W$, $Z$", "elastic": "elastic scattering",
    "inverse": "inverse decays, blocking", "together": "all but inverse decays",
}  # fmt: skip
MARKS = dict(zip(WORDS, "os^DvP"))
COLOURS = dict(zip(WORDS, (
    plots.BLUE, plots.GREEN, plots.ORANGE, plots.PURPLE, plots.SKY, plots.VERMILION,
)))  # fmt: skip


def compared():
    """Effect → (points, 3): Y_N and <q> over the published, and the status."""
    NUMBERS.parent.mkdir(exist_ok=True)
    with h5py.File(NUMBERS, "a") as file:
        if "published" not in file:
            file["points"], file["published"] = POINTS, [numbers(point, {}) for point in POINTS]
        for name, switches in CHOSEN.items():
            if f"effects/{name}" not in file:
                found = np.array([numbers(point, switches) for point in POINTS])
                found[:, :2] /= file["published"][:, :2]
                file[f"effects/{name}"] = found
        return {name: file[f"effects/{name}"][:] for name in CHOSEN}


def draw(found):
    figure, panels = plt.subplots(1, 3, figsize=(12.4, 6.0), sharey=True, layout="constrained")
    rows = np.arange(len(POINTS))[::-1]
    for axes, label in zip(panels, ("$Y_N$", r"$\langle q\rangle$", "mean speed of $N$ today")):
        axes.axvline(1.0, color="0.6", lw=0.8)
        for row in rows[::2]:
            axes.axhspan(row - 0.5, row + 0.5, color="0.95", lw=0.0)
        axes.set(xscale="log", title=label, ylim=(-0.5, len(rows) - 0.5))
        axes.set_xlabel("over the published")
    for shift, (name, values) in zip(np.linspace(0.32, -0.32, len(found)), found.items()):
        good = values[:, 2] == 0
        # at a given abundance m_N goes as 1/Y_N
        speed = values[:, 0] * values[:, 1]
        for axes, ratio in zip(panels, (values[:, 0], values[:, 1], speed)):
            axes.plot(
                ratio[good], (rows + shift)[good], MARKS[name], color=COLOURS[name], ms=6,
                label=WORDS[name],
            )  # fmt: skip
    ticks = {0: (0.8, 1.0, 1.2, 1.5, 1.8), 1: (0.85, 0.9, 0.95, 1.0, 1.05), 2: (0.8, 1.0, 1.2, 1.5)}
    for number, axes in enumerate(panels):
        axes.margins(x=0.06)
        axes.set_xticks(ticks[number])
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
    panels[0].set_yticks(rows, [words_of(*point) for point in POINTS])
    panels[0].tick_params(axis="y", length=0)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=3)
    return figure


def words_of(mass_gev, coupling, yukawa):
    powers = [f"{value:.0e}".split("e") for value in (coupling, yukawa)]
    words = [("" if d == "1" else rf"{d}\cdot ") + f"10^{{{int(p)}}}" for d, p in powers]
    return rf"{mass_gev:g} GeV, $\lambda={words[0]}$, $y={words[1]}$"


def main():
    found = compared()
    for name, values in found.items():
        for point, status in zip(POINTS, values[:, 2]):
            if status != 0:
                print(f"left out: {name} at {point}, status {int(status)}")
        good = values[values[:, 2] == 0]
        speed = good[:, 0] * good[:, 1]
        for what, ratio in (("Y_N", good[:, 0]), ("<q>", good[:, 1]), ("speed", speed)):
            print(f"{name}: {what} changes by {ratio.min() - 1:+.2%} to {ratio.max() - 1:+.2%}")
    with plt.style.context(plots.STYLE):
        plots.save(draw(found), "docs/study-effects.png")


if __name__ == "__main__":
    main()
