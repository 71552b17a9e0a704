"""Which production of S matters where, in the plane of its mass and the portal coupling.

    python runs/study_regimes.py

Freeze-in by Higgs doublets above the electroweak transition, by h -> SS or by pairs below it, or
equilibrium and freeze-out, with N from S in equilibrium or from what freezes out. Into
docs/study-regimes.png; numbers to out/study-regimes.h5, from where they are taken the next time.
Three minutes.
"""

from pathlib import Path

import h5py
import jax
import matplotlib.pyplot as plt
import numpy as np
from scipy.interpolate import PchipInterpolator
from scipy.optimize import brentq
from scipy.special import kn
from study_plane import Surfaces, draw_word

jax.config.update("jax_enable_x64", True)

import sterile  # noqa: E402
from spectra import plots  # noqa: E402
from spectra.build_up import DECOUPLED  # noqa: E402
from spectra.constants import HIGGS_MASS_GEV  # noqa: E402
from sterile.bath import thermodynamics as bath  # noqa: E402

NUMBERS = Path("out/study-regimes.h5")
YUKAWA = 1e-9
# m_h/2 parts them: shares jump there
LIGHT = np.array([5.0, 7.0, 10.0, 15.0, 20.0, 30.0, 40.0, 50.0, 57.0, 60.5, 62.0, 62.55])
HEAVY = np.concatenate([[62.7, 63.0, 64.0, 66.0, 70.0, 76.0, 83.0], np.geomspace(92.0, 5e3, 14)])
COUPLINGS = np.geomspace(1e-10, 1e-2, 25)
MET = 0.5  # of Y_S/Y_eq while T > m_S, above which S has been in equilibrium
COLOURS = {
    "doublets": "#A9D5EF", "h": "#F5DD9E", "pairs": "#9ED8C5", "left": "#F1C29E", "met": "#E3C3D6",
}  # fmt: skip


def shares(mass_gev, coupling):
    """What the history of one model says.

    Y_S/Y_eq at its largest while T > m_S; the share of the scalars that were there at the
    electroweak transition; the share of N from S that collisions had left.
    """
    made = sterile.solve(sterile.ScalarDecay(mass_gev, coupling, YUKAWA))
    history, electroweak = made.history, float(made.plasma.electroweak_temperature_gev)
    temperature, scalars, neutrinos = (
        np.asarray(one) for one in (history.temperature_gev, history.yield_s, history.yield_n)
    )
    total = scalars + 0.5 * neutrinos
    hot = temperature > mass_gev
    number = mass_gev**2 * temperature[hot] * kn(2, mass_gev / temperature[hot])
    entropy = np.asarray(bath.entropy_density_gev3(temperature[hot]))
    early = np.interp(-np.log(electroweak), -np.log(temperature), total)
    decoupled = np.flatnonzero(np.abs(total / total[-1] - 1.0) > DECOUPLED)[-1] + 1
    return {
        "closeness": np.max(scalars[hot] / (number / (2.0 * np.pi**2) / entropy)),
        "unbroken": early / total[-1],
        "late": 1.0 - neutrinos[decoupled] / neutrinos[-1],
        "status": int(made.status),
    }


def map_of(masses):
    """Columns (masses, couplings) by name."""
    rows = [[shares(mass, coupling) for coupling in COUPLINGS] for mass in masses]
    return {name: np.array([[one[name] for one in row] for row in rows]) for name in rows[0][0]}


def maps():
    """The map on either side of m_h/2, from the file, which is made where there is none yet."""
    if not NUMBERS.exists():
        NUMBERS.parent.mkdir(exist_ok=True)
        found = {"light": map_of(LIGHT), "heavy": map_of(HEAVY)}
        with h5py.File(NUMBERS, "w") as file:
            file["portal_coupling"] = COUPLINGS
            file.attrs["yukawa"] = YUKAWA
            for (side, columns), masses in zip(found.items(), (LIGHT, HEAVY)):
                file[f"{side}/scalar_mass_gev"] = masses
                for name, column in columns.items():
                    file[f"{side}/{name}"] = column
    with h5py.File(NUMBERS) as file:
        return {
            side: {name: data[:] for name, data in file[side].items()}
            for side in ("light", "heavy")
        }


def draw_map(axes, side, columns):
    """Regions of one side and their edges; the surfaces of equilibrium and of late decays."""
    on = Surfaces(columns["scalar_mass_gev"], COUPLINGS)
    met = on.surface(np.log(columns["closeness"] / MET))
    # shares as logits: straight where they are small, and zero at one half
    late = on.surface(logit(columns["late"]))
    unbroken = on.surface(np.broadcast_to(logit(columns["unbroken"][:, :1]), columns["late"].shape))
    below = "h" if side == "light" else "pairs"
    for surface, region in (
        (-met, below), (np.minimum(-met, unbroken), "doublets"),
        (met, "met"), (np.minimum(met, late), "left"),
    ):  # fmt: skip
        axes.contourf(on.x, on.y, surface, levels=[0.0, np.inf], colors=[COLOURS[region]])
    for surface, style in (
        (met, {"color": plots.BLACK, "lw": 1.4}),
        (np.where(met < 0.0, unbroken, np.nan), {"color": "0.3", "lw": 1.1}),
        (np.where(met > 0.0, late, np.nan), {"color": "0.3", "lw": 1.1}),
    ):
        for line in on.traced(surface):
            axes.plot(*line.T, **style)
    return on, met, late


def logit(share):
    inside = np.clip(share, 1e-6, 1.0 - 1e-6)
    return np.log(inside / (1.0 - inside))


def crossing(on, surface, mass, name):
    """The largest coupling at which a surface passes zero at this mass: where ``name`` is one half.

    Read off the surface and then solved for: between couplings the surface is off by a tenth.
    """
    column = surface[:, int(np.argmin(np.abs(on.fine_x - np.log(mass))))]
    guess = float(on.y[np.flatnonzero(np.diff(np.sign(column)))[-1]])
    return brentq(lambda x: shares(mass, x)[name] - 0.5, guess / 1.6, guess * 1.6, rtol=1e-3)


def draw_shares(axes, found):
    """Shares of the scalars that freeze in, by the process that made them, against their mass."""
    for side, below in (("light", "h"), ("heavy", "pairs")):
        masses, hot = found[side]["scalar_mass_gev"], found[side]["unbroken"][:, 0]
        fine = np.geomspace(masses[0], masses[-1], 300)
        curve = np.clip(PchipInterpolator(np.log(masses), hot)(np.log(fine)), 0.0, 1.0)
        axes.fill_between(fine, 0.0, curve, color=COLOURS["doublets"], lw=0.0)
        axes.fill_between(fine, curve, 1.0, color=COLOURS[below], lw=0.0)
        axes.plot(fine, curve, color="0.3", lw=1.1)
    axes.set(xscale="log", xlim=(LIGHT[0], HEAVY[-1]), ylim=(0.0, 1.0))
    axes.set(xlabel="$m_S$ [GeV]", ylabel="share of the scalars that freeze in")
    for x, y, word in ((18.0, 0.5, "III"), (110.0, 0.75, "II"), (700.0, 0.4, "I")):
        draw_word(axes, x, y, word, fontsize=13)


def report(side, columns, on, met, late):
    """What the page says, at some masses."""
    masses = columns["scalar_mass_gev"]
    for mass in (10.0, 30.0, 60.0) if side == "light" else (65.0, 75.0, 100.0, 500.0, 3e3):
        equilibrium = crossing(on, met, mass, "closeness")
        frozen = crossing(on, late, mass, "late")
        share = np.interp(np.log(mass), np.log(masses), columns["unbroken"][:, 0])
        print(
            f"m_S = {mass:g} GeV: equilibrium from lambda = {equilibrium:.2e}; N from frozen-out "
            f"S are most up to {frozen:.2e}; of the scalars that freeze in {share:.1%} do so above "
            "T_EW"
        )
    failed = np.count_nonzero(columns["status"])
    print(f"{side}: {failed} points of {columns['status'].size} have a status")
    if side == "heavy":
        half = np.exp(np.interp(0.5, columns["unbroken"][:, 0], np.log(masses)))
        print(f"half of the scalars freeze in above T_EW at m_S = {half:.3g} GeV")


def main():
    found = maps()
    with plt.style.context(plots.STYLE):
        figure, (left, right) = plt.subplots(
            1, 2, figsize=(12.0, 5.2), width_ratios=(1.5, 1.0), layout="constrained"
        )
        left.set(xscale="log", yscale="log", xlim=(LIGHT[0], HEAVY[-1]))
        left.set(ylim=COUPLINGS[[0, -1]], xlabel="$m_S$ [GeV]", ylabel=r"portal coupling $\lambda$")
        for side, columns in found.items():
            report(side, columns, *draw_map(left, side, columns))
        draw_shares(right, found)
        for axes in (left, right):
            axes.axvline(0.5 * HIGGS_MASS_GEV, color=plots.BLACK, lw=1.0, ls=":")
        for x, y, word in (
            (18.0, 7e-10, "III: $h\\to SS$\nfreeze-in"),
            (76.0, 7e-10, "II\npairs"),
            (600.0, 3e-9, "I: doublets, $T>T_{EW}$\nfreeze-in"),
            (18.0, 4e-7, "equilibrium,\n$N$ from what freezes out"),
            (600.0, 3e-6, "equilibrium,\n$N$ from what freezes out"),
            (180.0, 9e-4, "$N$ from $S$ in equilibrium"),
        ):
            draw_word(left, x, y, word, fontsize=10)
        plots.save(figure, "docs/study-regimes.png")


if __name__ == "__main__":
    main()
