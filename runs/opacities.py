"""Figure and tables of docs/opacities.md: rates by flavour and reaction, and what their band does.

    python runs/opacities.py [FIGURE.png] [--ghiglieri-laine FOLDER] [--sterile-dm FILE]

The two options draw public tables beside ours: the folder of hatIQ_M0007_alpha{1,2,3}_..., and a
CSV file temperature_mev,q,gamma_over_gf2_t5 of loss rates of muon neutrinos. A minute.
"""

import argparse
from pathlib import Path

import jax

jax.config.update("jax_enable_x64", True)

import matplotlib.pyplot as plt  # noqa: E402
import numpy as np  # noqa: E402

import sterile  # noqa: E402
from sterile.mixing import (  # noqa: E402
    background,
    grids,
    nonresonant,
    opacities,
    production,
    resonant,
)
from sterile.mixing.potentials import FERMI_GEV2, FLAVOURS  # noqa: E402
from sterile.mixing.rates import build, crossover  # noqa: E402

MOMENTUM = 3.0
GAIN = 1.0 + np.exp(-MOMENTUM)
TEMPERATURES_MEV = (5.0, 50.0, 150.0, 300.0, 1000.0, 1e4)
NAMES = {"e": r"$\nu_e$", "mu": r"$\nu_\mu$", "tau": r"$\nu_\tau$"}
# label -> (group, what the names of its reactions begin with), the first that fits
ROWS = {
    "neutrinos": ("leptons", ("neutrinos",)),
    "charged leptons, 2 ↔ 2": ("leptons", ("neutral", "charged")),
    "decays of μ and τ, 3 → 1": ("leptons", ()),
    "on-shell W and Z": ("leptons", ("W and Z",)),
    "fusion to π, K": ("hadrons", ("charged current, pi", "charged current, K")),
    "π π, K K, π K": ("hadrons", ("charged current on pi", "charged current on K",
                                  "neutral current on pi", "neutral current on K")),
    "fusion to ω, φ, a₁": ("hadrons", ("neutral current, ", "charged current, a1")),
    "continuum above resonances": ("hadrons", ("charged current, continuum",
                                               "neutral current, continuum")),
    "nucleons": ("hadrons", ("charged current on nuc", "neutral current on nuc")),
    "Z on quarks": ("quarks", ("neutral",)),
    "W on quarks": ("quarks", ("charged",)),
}  # fmt: skip


def strength(temperature_gev, flavour, edge="central"):
    """Gamma/(G_F^2 p T^4) at p/T = 3, leptonic and whole."""
    momentum = np.full((temperature_gev.size, 1), MOMENTUM)
    found = opacities.components(temperature_gev, momentum, flavour, edge=edge)
    unit = FERMI_GEV2**2 * MOMENTUM * temperature_gev**4
    return found.leptonic[:, 0] / unit, (found.leptonic + found.hadronic)[:, 0] / unit


def draw(path, ghiglieri_laine, sterile_dm):
    temperature = np.geomspace(1e-3, 10.0, 400)
    figure, panels = plt.subplots(1, 3, figsize=(12, 4), sharey=True)
    for number, (flavour, panel) in enumerate(zip(FLAVOURS, panels)):
        leptonic, whole = strength(temperature, flavour)
        low, high = (strength(temperature, flavour, edge)[1] for edge in ("low", "high"))
        mev = 1e3 * temperature
        panel.fill_between(mev, low, high, alpha=0.3, lw=0, label="band")
        panel.plot(mev, whole, label="this work")
        panel.plot(mev, leptonic, ls="--", lw=1, color="C0", label="leptons alone")
        if ghiglieri_laine:
            [file] = Path(ghiglieri_laine).glob(f"hatIQ_M0007_alpha{number + 1}_*.dat")
            panel.plot(*_at_momentum(np.loadtxt(file)), color="C1", lw=1, label="1506.06752")
        if sterile_dm and flavour == "mu":
            rows = np.genfromtxt(sterile_dm, delimiter=",", comments="#")
            rows = rows[np.isfinite(rows).all(axis=1)]
            rows[:, 2] *= (1.0 + np.exp(-rows[:, 1])) / rows[:, 1]
            panel.plot(*_at_momentum(rows), "k.", ms=3, label="1507.06655, as width")
        panel.set(xscale="log", xlabel="T [MeV]", title=NAMES[flavour], xlim=(1, 1e4), ylim=(0, 11))
        panel.legend(fontsize=7, loc="upper left")
    panels[0].set_ylabel(r"$\Gamma/(G_F^2\, p\, T^4)$ at p/T = 3")
    figure.tight_layout()
    figure.savefig(path, dpi=130)


def _at_momentum(rows):
    """T and the third column at p/T = 3 of rows (T, p/T, value)."""
    temperatures = np.unique(rows[:, 0])
    values = []
    for temperature in temperatures:
        here = rows[rows[:, 0] == temperature]
        here = here[np.argsort(here[:, 1])]
        values.append(np.interp(MOMENTUM, here[:, 1], here[:, 2]))
    return temperatures, values


def contributions(flavour):
    print(f"\n| {flavour} | " + " | ".join(f"{t:g}" for t in TEMPERATURES_MEV) + " |")
    print("|---|" + "---|" * len(TEMPERATURES_MEV))
    table = {label: [] for label in ROWS}
    totals = []
    for temperature in TEMPERATURES_MEV:
        found = build.reactions(1e-3 * temperature, MOMENTUM, flavour)
        share = crossover.shares(np.array([1e-3 * temperature]))
        factors = {"leptons": 1.0, "hadrons": share.hadrons[0], "quarks": share.quarks[0]}
        sums = dict.fromkeys(ROWS, 0.0)
        for group, rates in found.items():
            for name, rate in rates.items():
                label = _row_of(group, name)
                factor = factors[group] * GAIN / MOMENTUM
                three = rate.three_to_one if group == "leptons" else 0.0
                sums["decays of μ and τ, 3 → 1"] += factor * three
                sums[label] += factor * (sum(rate) - three)
        for label, value in sums.items():
            table[label].append(value)
        totals.append(sum(sums.values()))
    for label, values in table.items():
        print(f"| {label} | " + " | ".join(_short(value) for value in values) + " |")
    print("| **all** | " + " | ".join(_short(value) for value in totals) + " |")
    for edge in ("low", "high"):
        values = strength(1e-3 * np.array(TEMPERATURES_MEV), flavour, edge)[1]
        print(f"| {edge} edge | " + " | ".join(_short(value) for value in values) + " |")


def _row_of(group, name):
    for label, (owner, begins) in ROWS.items():
        if owner == group and name.startswith(begins):
            return label
    raise ValueError(name)


def _short(value):
    return "" if value < 5e-5 else f"{value:.4f}" if value < 0.1 else f"{value:.3f}"


def abundance(flavour, edge=None, sources=crossover.SOURCES, leptons=1.0):
    """Omega h^2 and <q> of 7.1 keV and sin^2(2 theta) = 1e-9; published rates without an ``edge``.

    As :func:`sterile.solve`, step by step, without compiling a program for each table.
    """
    model = sterile.DodelsonWidrow(7.1, 1e-9, flavour)
    grid = grids.NON_RESONANT
    clock = production.clock_of(model, sterile.Plasma(), grid)
    if edge is not None:
        y = clock.bath.ratio[:, None] * clock.q
        temperature = clock.bath.temperature_gev
        parts = opacities.components(temperature, y, flavour, edge=edge, sources=sources)
        clock = clock._replace(width=leptons * parts.leptonic + parts.hadronic)
    depth, active = (np.asarray(part) for part in nonresonant.optical_depth(model, clock))
    f = np.zeros(clock.q.size)
    for deep, thermal in zip(depth, active):
        f = f - (thermal - f) * np.expm1(-deep)
    q, step = background.momenta(grid.cells)
    number = np.sum(q**3 * f) * step
    yield_n = 2.0 * resonant.YIELD_PER_NUMBER * number
    return 275.9 * 7.1 * yield_n, np.sum(q**4 * f) * step / number


def abundances():
    print("\n| | Ωh² published | ⟨q⟩ | first principles | ⟨q⟩ | low | high | leptons +1 % | "
          "joint | quarks | hadrons |")  # fmt: skip
    print("|---|" + "---|" * 10)
    for flavour in FLAVOURS:
        centre = abundance(flavour, "central")
        row = [*abundance(flavour), *centre]
        row += [abundance(flavour, edge)[0] for edge in ("low", "high")]
        print(f"| {flavour} | " + " | ".join(f"{value:.4g}" for value in row), end="")
        more = abundance(flavour, "central", leptons=1.01)[0] / centre[0] - 1.0
        print(f" | {100 * more:+.2f} %", end="")
        for source in crossover.SOURCES:
            ends = [
                abundance(flavour, edge, (source,))[0] / centre[0] - 1.0 for edge in ("low", "high")
            ]
            print(f" | {100 * ends[0]:+.1f}, {100 * ends[1]:+.1f} %", end="")
        print(" |")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("figure", nargs="?", default="out/opacities.png")
    parser.add_argument("--ghiglieri-laine")
    parser.add_argument("--sterile-dm")
    options = parser.parse_args()
    draw(options.figure, options.ghiglieri_laine, options.sterile_dm)
    for flavour in FLAVOURS:
        contributions(flavour)
    abundances()


if __name__ == "__main__":
    main()
