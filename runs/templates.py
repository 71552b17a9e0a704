"""Every configuration in runs/templates: q^2 F by parts, and T^2(k) with its verdicts.

    python runs/templates.py [FOLDER]

Two pages of six, templates-1.png and templates-2.png. Each is scaled to be all of dark matter;
several minutes, mostly compiling.
"""

import sys
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from mechanisms import TEMPLATES, evaluated

import spectra
import sterile
from spectra import plots
from sterile import session

PAGE = 6
COLOURS = (plots.BLUE, plots.VERMILION, plots.GREEN, plots.ORANGE, plots.PURPLE)
# q^2 F over its peak that is shown
LOWEST, HIGHEST = 1e-4, 100.0  # with room for the parts' names
MOMENTA = (2e-3, 60.0)


def parts_of(production) -> dict[str, tuple]:
    """Label → (q, F) of what a spectrum is made of, or was made from; none where it is one."""
    q, f, model = production.q, production.f, production.model
    kind = model.kind
    if kind == "sum":
        return {p.model.kind: (p.q, p.f) for p in production.parts}
    if kind == "scalar-decay+mixing":
        return {"decays": (q, f - production.f_mixing), "mixing": (q, production.f_mixing)}
    if kind == "shi-fuller":
        return {"N": (q, production.f_n), "N̄": (q, production.f_nbar)}
    if kind == "late-thermalisation":
        (start,) = model.parts
        before = sterile.solve(start, production.plasma)
        return {"before": (before.q, before.f)}
    if kind == "diluted-freeze-out":
        x = q / production.temperature_ratio
        thermal = 2.0 / (np.exp(np.minimum(x, 700.0)) + 1.0)
        return {"freeze-out": (q, thermal), "X → NN": (q, np.maximum(f - thermal, 0.0))}
    return {}


def draw(name, path, left, right):
    """One template: its spectrum, its T^2 beside that of a thermal relic of the same mass."""
    point, report = evaluated(path)
    made = point.production
    top = float((made.q**2 * made.f).max())
    for (label, (q, f)), colour in zip(parts_of(made).items(), COLOURS):
        if (q**2 * f).max() > LOWEST * top:
            left.loglog(q, q**2 * f / top, color=colour, label=label)
    left.loglog(made.q, made.q**2 * made.f / top, "--" if left.lines else "-", color=plots.BLACK)
    left.set(xlim=MOMENTA, ylim=(LOWEST, HIGHEST), ylabel=r"$q^2F$ / peak")
    left.set_title(name, loc="left")
    if len(left.lines) > 1:
        left.legend(loc="upper left", handlelength=1.2)
    relic = spectra.transfer(spectra.thermal_relic(7.0))
    grey = dict(color="0.7", linewidth=1.2, label="thermal relic")
    right.semilogx(relic.k_h_mpc, relic.t2, **grey)
    right.semilogx(point.transfer.k_h_mpc, point.transfer.t2, color=plots.BLACK)
    right.set(xlim=(0.5, 300.0), ylim=(0.0, 1.02), ylabel="$T^2$")
    failed = [verdict.status for verdict in report.values()]
    forbidden = f"{failed.count('forbidden')} of {len(failed)} tests forbid"
    right.set_title(f"half-mode {report['half-mode'].status}, {forbidden}", loc="right", fontsize=9)
    print(
        f"{name}: k(T = 1/2) = {float(point.k_t_half_h_mpc):.4g} h/Mpc, half-mode "
        f"{report['half-mode'].status}, {forbidden}",
        flush=True,
    )


def main(folder):
    session.start("once")
    paths = sorted(TEMPLATES.glob("*.toml"))
    with plt.style.context(
        [plots.STYLE, {"savefig.dpi": 110, "font.size": 9, "legend.fontsize": 8}]
    ):
        for number, first in enumerate(range(0, len(paths), PAGE), start=1):
            figure, axes = plt.subplots(3, 4, figsize=(12.0, 8.2), layout="constrained")
            for path, (left, right) in zip(paths[first : first + PAGE], axes.reshape(-1, 2)):
                draw(path.stem, path, left, right)
            axes[0, 1].legend(loc="lower left", handlelength=1.2)
            for left, right in axes[-1].reshape(-1, 2):
                left.set_xlabel("$q$")
                right.set_xlabel(r"$k$ [$h$/Mpc]")
            plots.save(figure, Path(folder) / f"templates-{number}.png")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "docs")
