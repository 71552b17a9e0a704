"""The plane of portal and Yukawa coupling: half-mode regions with traced edges, masses, branches.

    python runs/study_plane.py [MASS_GEV ...]

One panel for each mass of the scalar, 65 and 100 GeV when none is given, into
docs/study-plane.png; with masses given their numbers are added to the name. N is produced at every
point of a grid, structure follows where N is not hopelessly fast. Numbers go to
out/study-plane-MASS.h5 and are taken from there the next time. A minute or two for both, compiling
included. Prints where the edges are.
"""

import sys
from pathlib import Path

import contourpy
import h5py
import jax
import matplotlib.patheffects as effects
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from scipy.interpolate import Akima1DInterpolator

jax.config.update("jax_enable_x64", True)

import spectra  # noqa: E402
import sterile  # noqa: E402
from spectra import plots  # noqa: E402

COUPLINGS = np.concatenate([
    np.geomspace(3e-9, 3e-8, 6), np.geomspace(6e-8, 6e-7, 4), np.geomspace(1e-6, 3e-4, 14),
])  # fmt: skip
# where h -> SS makes S, and where it is too heavy for what is made below the electroweak transition
COUPLINGS_AT = {
    30.0: np.concatenate([
        np.geomspace(5e-11, 5e-9, 9), np.geomspace(1e-8, 3e-6, 4), np.geomspace(6e-6, 1e-3, 11),
    ]),
    500.0: np.concatenate([
        np.geomspace(1e-9, 1e-7, 9), np.geomspace(2e-7, 1.6e-6, 4), np.geomspace(3e-6, 1e-3, 11),
    ]),
}  # fmt: skip
YUKAWAS = np.geomspace(1e-10, 1e-6, 9)
MASSES_GEV = [65.0, 100.0]
OMEGA_H2 = 0.12
# both half-mode tests fail by far below this m_N/<q>, with <q> in temperatures of today's photons:
# relics of 2.0 and 3.3 keV pass them above about 5 and 10 keV
HOPELESS_KEV, HOPELESS_MARGIN = 1.5, -100.0
MILD, STRICT = "half-mode-2.0keV", "half-mode-3.3keV"
# of structure, NaN where N is hopeless
MEASURED = (
    "k_t2_half_h_mpc", "m_hm_t_half_msun_h", "delta_a", "n_satellites", "n_galaxies_z6_mpc3",
)  # fmt: skip
MASSES_KEV = (0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
# Okabe & Ito's vermilion, orange and green, each with white
REGIONS = {"forbidden": "#F1C29E", "constrained": "#F5DD9E", "allowed": "#9ED8C5"}
FINE = 600


def solved(mass_gev, couplings=COUPLINGS, yukawas=YUKAWAS):
    """Columns (couplings, yukawas) by name of the plane for a scalar of this mass; no file."""
    x, y = (one.ravel() for one in np.meshgrid(couplings, yukawas, indexing="ij"))
    models = sterile.ScalarDecay(np.full(x.size, mass_gev), x, y)
    # heavy N is slow: production with no hot structure to follow; the mass for 0.12 afterwards
    heavy_kev = 1e3
    made = sterile.evaluate_many(models, mass_kev=heavy_kev)
    mass_kev = heavy_kev * OMEGA_H2 / made.omega_h2
    horizons = jax.vmap(lambda q, f, m: spectra.free_streaming(spectra.Spectrum(q, f, m, 1.0)))
    columns = {
        "mass_kev": mass_kev,
        "q_mean": made.q_mean,
        "yield_n": made.yield_n,
        "occupation_max": made.occupation_max,
        "lambda_fs_mpc": np.array(horizons(made.spectrum.q, made.spectrum.f, mass_kev)),
        "status": made.status,
        **{name: np.full(x.size, np.nan) for name in MEASURED},
    }
    some = np.flatnonzero(mass_kev / made.q_mean > HOPELESS_KEV)
    points = sterile.evaluate_many(jax.tree.map(lambda leaf: leaf[some], models))
    for name in MEASURED:
        columns[name][some] = getattr(points, name)
    for i, row in enumerate(some):
        one = jax.tree.map(lambda leaf: leaf[i], (points.spectrum, points.transfer))  # noqa: B023
        for name, verdict in spectra.verdicts(*one).items():
            margin = columns.setdefault(f"margin/{name}", np.full(x.size, HOPELESS_MARGIN))
            margin[row] = verdict.margin
    shape = (len(couplings), len(yukawas))
    return {name: np.asarray(column).reshape(shape) for name, column in columns.items()}


def plane(mass_gev):
    """(x, y, columns) of the plane: from its file, which is made where there is none yet."""
    path = Path("out") / f"study-plane-{mass_gev:g}.h5"
    if not path.exists():
        couplings = COUPLINGS_AT.get(mass_gev, COUPLINGS)
        columns = solved(mass_gev, couplings)
        path.parent.mkdir(exist_ok=True)
        with h5py.File(path, "w") as file:
            file["portal_coupling"], file["yukawa"] = couplings, YUKAWAS
            file.attrs["scalar_mass_gev"] = mass_gev
            for name, column in columns.items():
                file[f"points/{name}"] = column
    columns = {}
    with h5py.File(path, "r") as file:

        def keep(name, item):
            if isinstance(item, h5py.Dataset):
                columns[name] = item[:]

        file["points"].visititems(keep)
        return file["portal_coupling"][:], file["yukawa"][:], columns


def straightened(margin):
    """-ln(1 - margin): zero where the margin is, and near there linear in ln(m_N/<q>).

    Cold dark matter has margin 1, at infinity; cut at 0.999.
    """
    return -np.log(np.maximum(1.0 - margin, 1e-3))


def _curves(at, values, axis):
    return Akima1DInterpolator(at, values, axis=axis, method="makima")


class Surfaces:
    """Columns of a full grid as smooth surfaces over ln x and ln y, drawn on a finer one.

    Between points: modified Akima cubics, first along x, then along y, which hardly overshoot.
    """

    def __init__(self, x, y):
        self.ln_x, self.ln_y = np.log(x), np.log(y)
        self.fine_x = np.linspace(self.ln_x[0], self.ln_x[-1], FINE)
        self.fine_y = np.linspace(self.ln_y[0], self.ln_y[-1], FINE)
        self.x, self.y = np.exp(self.fine_x), np.exp(self.fine_y)

    def surface(self, values):
        """(FINE, FINE), y first, of values (x, y) on the grid."""
        along = _curves(self.ln_x, values, 0)(self.fine_x)
        return _curves(self.ln_y, along, 1)(self.fine_y).T

    def traced(self, surface, level=0.0):
        """Lines (n, 2) of x and y on which a surface has this level."""
        lines = contourpy.contour_generator(self.fine_x, self.fine_y, surface).lines(level)
        return [np.exp(line) for line in lines]


def draw(axes, x, y, columns):
    """Regions, their edges, lines of equal mass and the two branches of one plane.

    Returns the edges of the half-mode rule by the name of its test: lists of lines (n, 2).
    """
    on = Surfaces(x, y)
    axes.set(xscale="log", yscale="log", xlim=on.x[[0, -1]], ylim=on.y[[0, -1]])
    axes.set(xlabel=r"portal coupling $\lambda$", facecolor=REGIONS["forbidden"])
    edges = {}
    for name, region in ((MILD, "constrained"), (STRICT, "allowed")):
        surface = on.surface(straightened(columns[f"margin/{name}"]))
        colour = REGIONS[region]
        axes.contourf(on.x, on.y, surface, levels=[0.0, np.inf], colors=[colour])
        edges[name] = on.traced(surface)
        for line in edges[name]:
            axes.plot(*line.T, color="0.3", lw=1.3)
    draw_masses(axes, on, on.surface(np.log(columns["mass_kev"])))
    draw_branches(axes, on, on.surface(np.log(columns["yield_n"])))
    draw_crowded(axes, on, on.surface(np.log(columns["occupation_max"])))
    return edges


def draw_masses(axes, on, surface):
    row = FINE // 12
    for mass in MASSES_KEV:
        level = np.log(mass)
        for line in on.traced(surface, level):
            axes.plot(*line.T, color=plots.BLACK, lw=0.7)
        over = surface[row] - level
        for i in np.flatnonzero(np.diff(np.sign(over))):
            if 0.03 * FINE < i < 0.97 * FINE:
                box = {"fc": REGIONS["forbidden"], "ec": "none", "pad": 0.5}
                word = f"{mass:g} keV"
                draw_word(axes, on.x[i], on.y[row], word, rotation=90, bbox=box)


def draw_word(axes, x, y, word, **style):
    outline = [effects.withStroke(linewidth=2.5, foreground="white")]
    style = {"fontsize": 8, "ha": "center", "va": "center", **style}
    axes.text(x, y, word, path_effects=outline, zorder=6, **style)


def draw_branches(axes, on, surface):
    """The largest yield at each y: S freezes in to its left, freezes out to its right."""
    turn = surface.argmax(axis=1)
    # further up N comes from S in equilibrium: the more of it, the larger either coupling
    smooth = np.flatnonzero(np.abs(np.diff(turn)) > FINE // 100)
    last = smooth[0] if smooth.size else FINE
    axes.plot(on.x[turn[:last]], on.y[:last], color=plots.BLUE, ls=(0, (5, 3)), lw=1.6)
    row = int(0.4 * FINE)
    for shift, word, side in ((0.85, "freeze-in", "right"), (1.15, "freeze-out", "left")):
        x = on.x[turn[row]] * shift
        draw_word(axes, x, on.y[row], word, ha=side, fontsize=10, color=plots.BLUE)


def draw_crowded(axes, on, surface):
    """Where F_N exceeds one and the papers' equations, without blocking, fail."""
    with plt.rc_context({"hatch.color": "0.55", "hatch.linewidth": 0.5}):
        axes.contourf(on.x, on.y, surface, levels=[0.0, np.inf], colors="none", hatches=["//"])


def panels_of(masses_gev):
    """A figure with a plane of the couplings for each mass, titled: the figure and its axes."""
    figure, (panels,) = plt.subplots(
        1, len(masses_gev), figsize=(1.0 + 4.6 * len(masses_gev), 4.9), sharey=True,
        squeeze=False, layout="constrained",
    )  # fmt: skip
    panels[0].set_ylabel("Yukawa coupling $y$")
    for axes, mass in zip(panels, masses_gev):
        axes.set_title(rf"$m_S = {mass:g}$ GeV")
    return figure, panels


def main(masses_gev):
    name = "" if masses_gev == MASSES_GEV else "".join(f"-{mass:g}" for mass in masses_gev)
    with plt.style.context(plots.STYLE):
        figure, panels = panels_of(masses_gev)
        for axes, mass in zip(panels, masses_gev):
            edges = draw(axes, *plane(mass))
            for test, lines in edges.items():
                report(mass, test, lines)
        handles = [Patch(color=colour, label=name) for name, colour in REGIONS.items()]
        handles += [
            Line2D([], [], color="0.3", lw=1.3, label="half-mode rule: 2.0 and 3.3 keV"),
            Line2D([], [], color=plots.BLACK, lw=0.7, label=r"$m_N$ for $\Omega h^2 = 0.12$"),
            Line2D([], [], color=plots.BLUE, ls=(0, (5, 3)), lw=1.6, label="largest yield"),
            Patch(fill=False, hatch="///", ec="0.55", lw=0.0, label="$F_N > 1$: equations fail"),
        ]
        figure.legend(handles=handles, loc="outside lower center", ncols=4, fontsize="small")
        plots.save(figure, f"docs/study-plane{name}.png")


def report(mass, name, lines):
    """Where each edge crosses the decades of y."""
    for line in lines:
        ln_x, ln_y = np.log(line).T
        found = []
        for y in (3e-10, 1e-9, 1e-8, 1e-7):
            over = ln_y - np.log(y)
            for i in np.flatnonzero(np.diff(np.sign(over))):
                share = over[i] / (over[i] - over[i + 1])
                found.append((y, float(np.exp(ln_x[i] + share * (ln_x[i + 1] - ln_x[i])))))
        words = ", ".join(f"lambda = {x:.2e} at y = {y:g}" for y, x in found)
        print(f"m_S = {mass:g} GeV, {name}: {words}")


if __name__ == "__main__":
    main([float(mass) for mass in sys.argv[1:]] or MASSES_GEV)
