"""How much active-sterile mixing changes neutrinos that scalar decays have made.

    python runs/study_mixing_after_decay.py [FIGURE.png]

Decays alone make all of dark matter; the mixing angle is then switched on. Against it: the changes
of Omega h^2, <q> and of k where T^2 = 1/2. Three minutes, mostly compiling. Numbers also go to
out/study-mixing-after-decay.h5.
"""

import sys
from pathlib import Path

import h5py
import jax
import matplotlib.pyplot as plt
import numpy as np

jax.config.update("jax_enable_x64", True)

import spectra  # noqa: E402
import sterile  # noqa: E402
import sterile.fit  # noqa: E402
from spectra import plots  # noqa: E402
from sterile import session, xray  # noqa: E402

ABUNDANCE, SCALAR_GEV = 0.12, 100.0
# (m_N [keV], y): with y = 1e-8 S decays as it is made, with 1e-9 it lives longer and N is hot
CASES = ((3.0, 1e-8), (7.1, 1e-8), (7.1, 1e-9), (20.0, 1e-8))
COLOURS = (plots.ORANGE, plots.BLUE, plots.VERMILION, plots.GREEN)
MIXINGS = np.geomspace(1e-14, 1e-7, 29)
SMALL = 0.05
NUMBERS = Path("out/study-mixing-after-decay.h5")
WHAT = {
    "omega_h2": r"$\Omega h^2$",
    "q_mean": r"$\langle q\rangle$",
    "k_t2_half_h_mpc": r"$k(T^2 = 1/2)$",
}


def strictest_mixing(mass_kev):
    """The smallest sin^2(2 theta) that a shipped X-ray limit of this mass excludes."""
    found = [
        float(limit.rate_per_s[0] / xray.decay_rate_per_s(mass_kev, 1.0))
        for limit in xray.shipped_limits().values()
        if abs(2.0 * float(limit.energy_kev[0]) - mass_kev) < 0.05
    ]
    return min(found)


def changes(mass_kev, yukawa, drive):
    """(n, 3) relative changes with mixing, and the smallest share of earlier N that is left."""
    scalar = sterile.ScalarDecay(SCALAR_GEV, 1e-8, yukawa)
    alone = sterile.fit.solve_for(
        {"omega_h2": ABUNDANCE}, "portal_coupling", scalar, low=1e-10, high=1e-7, mass_kev=mass_kev
    ).solutions[0].model  # fmt: skip
    before = sterile.evaluate(alone, drive=drive, mass_kev=mass_kev)
    rows, left = [], []
    for mixing in MIXINGS:
        model = sterile.ScalarDecayMixing(
            SCALAR_GEV, alone.portal_coupling, yukawa, mass_kev=mass_kev, sin2_2theta=mixing
        )
        point = sterile.evaluate(model, drive=drive)
        rows.append(
            [float(getattr(point, name)) / float(getattr(before, name)) - 1.0 for name in WHAT]
        )
        left.append(float(np.min(np.asarray(point.production.survival))))
    return np.array(rows), np.array(left), before


def at(mixing, column):
    """A change between the mixing angles, straight in logarithms of its size."""
    x = np.log(np.abs(column))
    size = np.exp(np.interp(np.log(mixing), np.log(MIXINGS), x))
    return size * np.sign(column[np.argmin(np.abs(np.log(MIXINGS / mixing)))])


def collect():
    """Solve all cases, write them to NUMBERS and print what stands in docs/studies.md."""
    drive = spectra.drive(spectra.Cosmology())
    NUMBERS.parent.mkdir(exist_ok=True)
    print("| m_N, y | ⟨q⟩ of decays | X-rays below | Ωh² there | ⟨q⟩ | k(T² = ½) | Ωh² + 5 % at |")
    print("|---|---|---|---|---|---|---|")
    with h5py.File(NUMBERS, "w") as file:
        file["sin2_2theta"] = MIXINGS
        for mass, yukawa in CASES:
            found, left, before = changes(mass, yukawa, drive)
            limit = strictest_mixing(mass)
            group = file.create_group(f"{mass:g} keV, y = {yukawa:g}")
            group.attrs.update(xray_limit=limit, q_mean=float(before.q_mean))
            group["survival"] = left
            for name, column in zip(WHAT, found.T):
                group[name] = column
            there = [f"{100.0 * at(limit, column):+.2g} %" for column in found.T]
            size = np.log(np.abs(found[:, 0]))
            five = np.exp(np.interp(np.log(SMALL), size, np.log(MIXINGS)))
            print(
                f"| {mass:g} keV, {yukawa:g} | {float(before.q_mean):.2f} | {limit:.2g} "
                f"| {' | '.join(there)} | {five:.2g} |",
                flush=True,
            )


def draw(output):
    """The figure, from NUMBERS."""
    with plt.style.context(plots.STYLE), h5py.File(NUMBERS, "r") as file:
        figure, panels = plt.subplots(1, 3, figsize=(12.6, 4.6), layout="constrained", sharey=True)
        for (mass, yukawa), colour in zip(CASES, COLOURS):
            group = file[f"{mass:g} keV, y = {yukawa:g}"]
            limit, warmth = group.attrs["xray_limit"], group.attrs["q_mean"]
            for axes, name in zip(panels, WHAT):
                column = group[name][:]
                there, below = np.abs(at(limit, column)), limit > MIXINGS
                axes.loglog(MIXINGS, np.abs(column), color=colour, lw=1.2, alpha=0.6)
                x, y = np.append(MIXINGS[below], limit), np.append(np.abs(column[below]), there)
                axes.loglog(x, y, color=colour, lw=2.6)
                axes.plot([limit], [there], "o", color=colour, ms=6)
            label = rf"{mass:g} keV, $y = 10^{{{np.log10(yukawa):.0f}}}$, decays alone: "
            label += rf"$\langle q\rangle = {warmth:.1f}$"
            panels[0].plot([], [], color=colour, lw=2.6, label=label)
        for axes, name in zip(panels, WHAT.values()):
            axes.axhline(SMALL, color="0.6", lw=0.8, ls="--", zorder=0)
            axes.set(xlabel=r"$\sin^2 2\theta$", title=f"change of {name}", ylim=(1e-5, 30.0))
            axes.set_xlim(MIXINGS[0], MIXINGS[-1])
        panels[0].set_ylabel("relative change by mixing")
        panels[0].text(2e-14, 1.15 * SMALL, "5 %", fontsize=9, color="0.4")
        panels[0].plot([], [], "ko", ms=6, label="strictest X-ray limit; thick: below it")
        figure.legend(loc="outside upper center", ncols=2, fontsize="small")
        plots.save(figure, output)


def main(output):
    session.start()
    collect()
    draw(output)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "docs/study-mixing-after-decay.png")
