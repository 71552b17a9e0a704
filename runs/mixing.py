"""Spectra, T²(k) and verdicts of mixing beside scalar decay, all at 7.1 keV.

    python runs/mixing.py [FIGURE.png]

Dodelson-Widrow, Shi-Fuller at three lepton asymmetries and scalar decay, the mixing angle or the
coupling of each solved for Omega h² = 0.12. Prints a table in Markdown; two minutes, mostly
compiling.
"""

import sys

import jax
import matplotlib.pyplot as plt
import numpy as np
from scipy.interpolate import CubicSpline

jax.config.update("jax_enable_x64", True)

import spectra  # noqa: E402
import sterile  # noqa: E402
import sterile.fit  # noqa: E402
from spectra import plots  # noqa: E402
from sterile import bounds, session  # noqa: E402

MASS_KEV, ABUNDANCE = 7.1, 0.12
ASYMMETRIES = {1e-3: r"$10^{-3}$", 3e-3: r"$3\times10^{-3}$", 1e-2: r"$10^{-2}$"}
COLOURS = (plots.BLACK, plots.SKY, plots.BLUE, plots.PURPLE, plots.VERMILION)
STYLES = ("--", "-", "-", "-", "-")


def models():
    """(label, model, what is varied, where from, where to, mass) of each."""
    old = sterile.DodelsonWidrow(MASS_KEV, 1e-9, "mu")
    yield "Dodelson–Widrow", old, "sin2_2theta", 1e-11, 1e-7, None
    for asymmetry, shown in ASYMMETRIES.items():
        resonant = sterile.ShiFuller(MASS_KEV, 1e-11, asymmetry, flavour="mu")
        yield f"Shi–Fuller, $L$ = {shown}", resonant, "sin2_2theta", 1e-13, 1e-8, None
    scalar = sterile.ScalarDecay(100.0, 1e-8, 1e-9)
    yield r"scalar decay, $y = 10^{-9}$", scalar, "portal_coupling", 1e-10, 1e-7, MASS_KEV


def main(output):
    session.start()
    drive = spectra.drive(spectra.Cosmology())
    print("| | solved for Ωh² = 0.12 | ⟨q⟩ | √⟨q²⟩ | k(T² = 1/2) [h/Mpc] | half-mode | X-rays |")
    print("|---|---|---|---|---|---|---|")
    with plt.style.context(plots.STYLE):
        figure, (left, right) = plt.subplots(1, 2, figsize=(10.4, 4.8), layout="constrained")
        right.axhline(0.5, color="0.75", lw=0.8, zorder=0)
        for (label, model, vary, low, high, mass), colour, style in zip(models(), COLOURS, STYLES):
            solution = sterile.fit.solve_for(
                {"omega_h2": ABUNDANCE}, vary, model, low=low, high=high, mass_kev=mass
            ).solutions[0]
            point = sterile.evaluate(solution.model, drive=drive, mass_kev=mass)
            verdicts = spectra.verdicts(point.spectrum, point.transfer)
            rays = bounds.verdicts(solution.model, point)
            failed = [
                n for n, v in rays.items() if n.startswith("xray") and v.status == "forbidden"
            ]
            has_line = hasattr(model, "sin2_2theta")
            line = (", ".join(failed) or "allowed") if has_line else "no line"
            print(
                f"| {label} | {vary} = {float(solution.value):.3e} | {float(point.q_mean):.3f} "
                f"| {float(point.q_rms):.3f} | {float(point.k_t2_half_h_mpc):.2f} "
                f"| {verdicts['half-mode'].status} | {line} |",
                flush=True,
            )
            q, f = np.asarray(point.spectrum.q), np.asarray(point.spectrum.f)
            density = q**3 * f / np.trapezoid(q**2 * f, q)
            left.semilogx(q, density, style, color=colour, label=label)
            k = np.geomspace(0.3, 100.0, 500)
            smooth = CubicSpline(np.log(point.transfer.k_h_mpc), point.transfer.t)
            right.semilogx(
                k, smooth(np.log(k)) ** 2, style, color=colour, label=verdicts["half-mode"].status
            )
        left.set(
            xlabel="$q = p/T_γ$ today", ylabel=r"particles in $\ln q$", xlim=(0.03, 100.0),
            ylim=(0.0, None),
        )  # fmt: skip
        right.set(xlabel=r"$k$ [$h$/Mpc]", ylabel=r"$T^2(k)$", xlim=(0.3, 100.0), ylim=(0.0, 1.02))
        right.legend(title="half-mode test", loc="lower left")
        figure.legend(*left.get_legend_handles_labels(), loc="outside upper center", ncols=3)
        plots.save(figure, output)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "docs/mixing.png")
