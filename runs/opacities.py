"""Figure and tables of docs/opacities.md: rates by flavour and reaction, and what their band does.

    python runs/opacities.py [FIGURE.png] [--ghiglieri-laine FOLDER] [--sterile-dm FILE]

The two options draw public tables beside ours: the folder of hatIQ_M0007_alpha{1,2,3}_..., and a
CSV file temperature_mev,q,gamma_over_gf2_t5 of loss rates of muon neutrinos. Two minutes.
"""

import argparse
import tempfile
from pathlib import Path

import jax

jax.config.update("jax_enable_x64", True)

import matplotlib.pyplot as plt  # noqa: E402
import numpy as np  # noqa: E402

import sterile  # noqa: E402
from spectra import plots  # noqa: E402

FERMI_GEV2 = 1.1663787e-5  # PDG
SOURCES = ("join", "quarks", "hadrons")
MOMENTUM = 3.0
TEMPERATURES_MEV = (5.0, 50.0, 150.0, 300.0, 1000.0, 1e4)
NAMES = {"e": "ν_e", "mu": "ν_μ", "tau": "ν_τ"}
# label -> (group, what the names of its reactions begin with), the first that fits
ROWS = {
    "neutrinos": ("leptons", ("neutrinos",)),
    "charged leptons, 2 ↔ 2": ("leptons", ("neutral", "charged")),
    "decays of μ and τ, 3 → 1": ("leptons", ()),
    "on-shell W and Z": ("bosons", ("W", "Z")),
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
    found = sterile.mixing.opacity(temperature_gev, [MOMENTUM], flavour, edge=edge)
    unit = FERMI_GEV2**2 * MOMENTUM * temperature_gev**4
    return found.leptonic[:, 0] / unit, (found.leptonic + found.hadronic)[:, 0] / unit


def draw(path, ghiglieri_laine, sterile_dm):
    temperature = np.geomspace(1e-3, 10.0, 400)
    with plt.style.context(plots.STYLE):
        figure, panels = plt.subplots(1, 3, figsize=(12, 4.4), sharey=True, layout="constrained")
        for number, (flavour, panel) in enumerate(zip(NAMES, panels)):
            leptonic, whole = strength(temperature, flavour)
            low, high = (strength(temperature, flavour, edge)[1] for edge in ("low", "high"))
            mev = 1e3 * temperature
            panel.fill_between(mev, low, high, color=plots.SKY, alpha=0.4, lw=0, label="band")
            panel.plot(mev, whole, color=plots.BLUE, label="this work")
            panel.plot(mev, leptonic, color=plots.BLUE, ls="--", lw=1.2, label="leptons alone")
            if ghiglieri_laine:
                [file] = Path(ghiglieri_laine).glob(f"hatIQ_M0007_alpha{number + 1}_*.dat")
                rows = np.loadtxt(file)
                panel.plot(
                    *_at_momentum(rows), color=plots.VERMILION, ls="-.", lw=1.2, label="1506.06752"
                )
            if sterile_dm and flavour == "mu":
                rows = np.genfromtxt(sterile_dm, delimiter=",", comments="#")
                rows = rows[np.isfinite(rows).all(axis=1)]
                rows[:, 2] *= (1.0 + np.exp(-rows[:, 1])) / rows[:, 1]
                panel.plot(
                    *_at_momentum(rows), ".", color=plots.BLACK, ms=3, label="1507.06655, as width"
                )
            panel.set(xscale="log", xlabel="$T$ [MeV]", xlim=(1, 1e4), ylim=(0, 11))
            panel.set_title(f"${NAMES[flavour]}$")
            panel.legend(fontsize="small", loc="upper left")
        panels[0].set_ylabel(r"$\Gamma/(G_F^2\, p\, T^4)$ at $p/T = 3$")
        plots.save(figure, path)


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
    print(f"\n| {NAMES[flavour]} | " + " | ".join(f"{t:g}" for t in TEMPERATURES_MEV) + " |")
    print("|---|" + "---|" * len(TEMPERATURES_MEV))
    table = {label: [] for label in ROWS}
    totals = []
    for temperature in TEMPERATURES_MEV:
        sums = dict.fromkeys(ROWS, 0.0)
        found = sterile.mixing.reactions(1e-3 * temperature, MOMENTUM, flavour)
        for (group, name), rate in found.items():
            three = rate.three_to_one if group == "leptons" else 0.0
            sums["decays of μ and τ, 3 → 1"] += three
            sums[_row_of(group, name)] += sum(rate) - three
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


def solved(flavour, **options):
    """Omega h^2 and <q> of 7.1 keV and sin^2(2 theta) = 1e-9."""
    made = sterile.solve(sterile.DodelsonWidrow(7.1, 1e-9, flavour, **options))
    return 275.9 * 7.1 * float(made.yield_n), float(made.q_mean)


def at_edge(folder, flavour, edge, sources=SOURCES):
    """Omega h^2 with the rates of an edge of the band, as a user's own table of rates."""
    temperature, momentum = np.geomspace(1e-3, 100.0, 300), np.geomspace(0.01, 80.0, 64)
    rates = sterile.mixing.opacity(temperature, momentum, flavour, edge=edge, sources=sources)
    path = folder / "rates.csv"
    sterile.mixing.write_rates(path, temperature, momentum, rates.leptonic + rates.hadronic)
    return solved(flavour, rates_table=path)[0]


def abundances(folder):
    print("\n| | Ωh² published | ⟨q⟩ | first principles | ⟨q⟩ | low | high | leptons +1 % | "
          "join | quarks | hadrons |")  # fmt: skip
    print("|---|" + "---|" * 10)
    own = {"opacities": "first-principles"}
    for flavour in NAMES:
        centre = solved(flavour, **own)
        row = [*solved(flavour), *centre]
        row += [at_edge(folder, flavour, edge) for edge in ("low", "high")]
        print(f"| {NAMES[flavour]} | " + " | ".join(f"{value:.4g}" for value in row), end="")
        more = solved(flavour, **own, rate_scale_leptonic=1.01)[0] / centre[0] - 1.0
        print(f" | {100 * more:+.2f} %", end="")
        for source in SOURCES:
            low, high = (
                100.0 * (at_edge(folder, flavour, edge, (source,)) / centre[0] - 1.0)
                for edge in ("low", "high")
            )
            print(f" | {low:+.1f}, {high:+.1f} %", end="")
        print(" |", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("figure", nargs="?", default="opacities.png")
    parser.add_argument("--ghiglieri-laine")
    parser.add_argument("--sterile-dm")
    options = parser.parse_args()
    draw(options.figure, options.ghiglieri_laine, options.sterile_dm)
    for flavour in NAMES:
        contributions(flavour)
    with tempfile.TemporaryDirectory() as folder:
        abundances(Path(folder))


if __name__ == "__main__":
    main()
