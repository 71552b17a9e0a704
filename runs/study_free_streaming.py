"""The free-streaming cut against the half-mode rule on the plane of the scalar-decay model.

    python runs/study_free_streaming.py [MASS_GEV ...]

Takes the planes of runs/study_plane.py, which it makes where there are none, and writes
docs/study-free-streaming.png. Prints how much of what the rule leaves the cut takes away.
"""

import sys

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from study_plane import MILD, STRICT, Surfaces, draw_word, panels_of, plane, straightened

from spectra import plots
from spectra.structure import COLD_BELOW_MPC, HOT_ABOVE_MPC

JUDGES = {MILD: "2.0 keV", STRICT: "3.3 keV", "half-mode-5.3keV": "5.3 keV"}
DASHES = {MILD: ":", STRICT: "-", "half-mode-5.3keV": "--"}
STRICTER, LAXER, BOTH, NEITHER = plots.ORANGE, plots.VERMILION, "#9ED8C5", "0.88"


def compare(x, y, columns, judge=STRICT):
    """Surfaces on the fine grid: the rule's margin, ln of the horizon over the cut."""
    on = Surfaces(x, y)
    margin = on.surface(straightened(columns[f"margin/{judge}"]))
    horizon = on.surface(np.log(columns["lambda_fs_mpc"] / HOT_ABOVE_MPC))
    return on, margin, horizon


def draw(axes, x, y, columns):
    on, margin, horizon = compare(x, y, columns)
    axes.set(xscale="log", yscale="log", xlim=on.x[[0, -1]], ylim=on.y[[0, -1]])
    axes.set(xlabel=r"portal coupling $\lambda$", facecolor=NEITHER)
    strict = np.minimum(margin, horizon)  # above zero: passes the rule, fails the cut
    lax = np.minimum(-margin, -horizon)
    both = np.minimum(margin, -horizon)
    for surface, colour in ((both, BOTH), (strict, STRICTER), (lax, LAXER)):
        axes.contourf(on.x, on.y, surface, levels=[0.0, np.inf], colors=[colour])
    for judge, dash in DASHES.items():
        surface = on.surface(straightened(columns[f"margin/{judge}"]))
        for line in on.traced(surface):
            axes.plot(*line.T, color=plots.BLACK, ls=dash, lw=1.1)
    for cut in (COLD_BELOW_MPC, HOT_ABOVE_MPC):
        for line in on.traced(horizon, np.log(cut / HOT_ABOVE_MPC)):
            axes.plot(*line.T, color=plots.BLUE, lw=1.8)
            low, high = np.log([(on.x[0], on.y[0]), (on.x[-1], on.y[-1])])
            share = (np.log(line) - low) / (high - low)
            far = np.minimum(share, 1.0 - share).min(axis=1)  # from the panel's frame
            best = int(far.argmax())
            draw_word(axes, *line[best], f"{cut:g}", color=plots.BLUE, fontsize=9)


def main(masses_gev):
    with plt.style.context(plots.STYLE):
        figure, panels = panels_of(masses_gev)
        for axes, mass in zip(panels, masses_gev):
            data = plane(mass)
            draw(axes, *data)
            for judge, relic in JUDGES.items():
                _, margin, horizon = compare(*data, judge)
                passes, hot = margin >= 0.0, horizon > 0.0
                print(
                    f"m_S = {mass:g} GeV, half-mode against {relic}: passes {passes.mean():.1%} of "
                    f"the plane; of that 'hot' {(passes & hot).sum() / passes.sum():.1%}; of what "
                    f"is not 'hot' fails {(~passes & ~hot).sum() / (~hot).sum():.1%}"
                )
        handles = [
            Patch(color=BOTH, label="pass both"),
            Patch(color=STRICTER, label="cut too strict"),
            Patch(color=LAXER, label="cut too lax"),
            Patch(color=NEITHER, label="fail both"),
            Line2D([], [], color=plots.BLUE, lw=1.8, label=r"$\lambda_{\rm fs}$ [Mpc]"),
            *(
                Line2D([], [], color=plots.BLACK, ls=DASHES[judge], lw=1.1, label=f"rule, {relic}")
                for judge, relic in JUDGES.items()
            ),
        ]
        figure.legend(handles=handles, loc="outside lower center", ncols=4, fontsize="small")
        plots.save(figure, "docs/study-free-streaming.png")


if __name__ == "__main__":
    main([float(mass) for mass in sys.argv[1:]] or [65.0, 100.0])
