"""Half-mode rule, Lyman-alpha area, satellites, galaxies and lenses on the plane of the couplings.

    python runs/study_tests.py [MASS_GEV ...]

Above, each test with its own bound; below, all against one relic, so that only the methods differ.
Takes the planes of runs/study_plane.py, which it makes where there are none, and writes
docs/study-tests.png, and the shares that it prints to out/study-tests.h5.
"""

import sys
from pathlib import Path

import h5py
import jax
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.lines import Line2D
from study_plane import STRICT, Surfaces, plane, straightened

jax.config.update("jax_enable_x64", True)

import spectra  # noqa: E402
from spectra import plots  # noqa: E402
from spectra.structure import measure  # noqa: E402

RELIC_KEV = 3.3  # of STRICT
# test → its verdict, and the number that it looks at with the sign of "more is colder"
TESTS = {
    "half-mode": (STRICT, None),
    r"Lyman-$\alpha$ area": ("lyman-alpha-area", ("delta_a", -1.0)),
    "satellites": ("milky-way-satellites", ("n_satellites", 1.0)),
    "galaxies, $z=6$": ("galaxies-z6", ("n_galaxies_z6_mpc3", 1.0)),
    "lenses": ("lensing-gilman2020", ("m_hm_t_half_msun_h", -1.0)),
}
COLOURS = (plots.BLACK, plots.BLUE, plots.VERMILION, plots.ORANGE, plots.GREEN)
# ln of a number over the limit, where N is hopeless; far below any edge
FAR = -3.0
NUMBERS = Path("out/study-tests.h5")


def limits():
    """Words → name → the number at which a test stops a spectrum: its own, or a relic's."""
    dm = spectra.thermal_relic(RELIC_KEV)
    curve = spectra.transfer(dm)
    report = spectra.verdicts(dm, curve)
    own = {
        number[0]: float(report[verdict].threshold)
        for verdict, number in TESTS.values()
        if number is not None
    }
    own["n_galaxies_z6_mpc3"] = 10.0 ** own["n_galaxies_z6_mpc3"]  # judged in dex
    relic = measure(curve, spectra.power_table()).numbers()
    return {
        "own bounds": own,
        f"all as a relic of {RELIC_KEV:g} keV": {name: float(relic[name]) for name in own},
    }


def surfaces_of(on, columns, limit):
    """Test → surface of ln of its number over the limit, positive where colder."""
    found = {"half-mode": on.surface(straightened(columns[f"margin/{STRICT}"]))}
    for test, (_, number) in TESTS.items():
        if number is not None:
            name, sign = number
            colder = sign * np.log(columns[name] / limit[name])
            # no half-mode within the solver's range: colder than any
            beyond = np.isnan(colder) & (columns["delta_a"] < limit["delta_a"])
            # of hot dark matter the area has lost all there is
            hot = np.log(limit["delta_a"]) if name == "delta_a" else FAR
            colder = np.where(beyond, -FAR, np.nan_to_num(colder, nan=hot))
            found[test] = on.surface(np.clip(colder, FAR, -FAR))
    return found


def draw(axes, on, surfaces):
    axes.set(xscale="log", yscale="log", xlim=on.x[[0, -1]], ylim=on.y[[0, -1]])
    passed = np.array([surface > 0.0 for surface in surfaces.values()])
    shade = passed.sum(axis=0) / len(passed)
    axes.contourf(on.x, on.y, passed.all(axis=0), levels=[0.5, 1.5], colors=["#D5EDE6"])
    axes.contourf(on.x, on.y, (shade > 0.0) & (shade < 1.0), levels=[0.5, 1.5], colors=["#FBEFD0"])
    for surface, colour in zip(surfaces.values(), COLOURS):
        for line in on.traced(surface):
            axes.plot(*line.T, color=colour, lw=1.5)


def shares_of(surfaces):
    """Test → share of the plane that it lets pass, and what half-mode and it judge differently."""
    rule = surfaces["half-mode"] > 0.0
    return {
        test: (
            (surface > 0.0).mean(),
            ((surface > 0.0) & ~rule).mean(),
            (~(surface > 0.0) & rule).mean(),
        )
        for test, surface in surfaces.items()
    }


def main(masses_gev):
    against = limits()
    NUMBERS.parent.mkdir(exist_ok=True)
    with plt.style.context(plots.STYLE), h5py.File(NUMBERS, "w") as file:
        figure, rows = plt.subplots(
            2, len(masses_gev), figsize=(1.0 + 4.6 * len(masses_gev), 8.6), sharey=True,
            sharex="col", squeeze=False, layout="constrained",
        )  # fmt: skip
        for mass, (upper, lower) in zip(masses_gev, rows.T):
            x, y, columns = plane(mass)
            on = Surfaces(x, y)
            for axes, (words, limit) in zip((upper, lower), against.items()):
                surfaces = surfaces_of(on, columns, limit)
                draw(axes, on, surfaces)
                axes.set_title(rf"$m_S = {mass:g}$ GeV, {words}")
                for test, (passes, only, lost) in shares_of(surfaces).items():
                    print(
                        f"{mass:g} GeV, {words}, {test}: passes {passes:.1%} of the plane; passes "
                        f"where half-mode fails {only:.2%}, fails where it passes {lost:.2%}"
                    )
                    path = f"{mass:g} GeV/{words}/{test.replace('$', '')}"
                    file[path] = [passes, only, lost]
            lower.set_xlabel(r"portal coupling $\lambda$")
        for axes in rows[:, 0]:
            axes.set_ylabel("Yukawa coupling $y$")
        handles = [
            Line2D([], [], color=colour, lw=1.5, label=test) for test, colour in zip(TESTS, COLOURS)
        ]
        figure.legend(handles=handles, loc="outside lower center", ncols=5, fontsize="small")
        plots.save(figure, "docs/study-tests.png")


if __name__ == "__main__":
    main([float(mass) for mass in sys.argv[1:]] or [65.0, 100.0])
