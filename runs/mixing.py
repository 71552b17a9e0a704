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

import spectra
import sterile
import sterile.fit
from sterile import bounds, session

MASS_KEV, ABUNDANCE = 7.1, 0.12
ASYMMETRIES = (1e-3, 3e-3, 1e-2)


def resonant(asymmetry):
    return sterile.ShiFuller(MASS_KEV, 1e-11, asymmetry, flavour="mu")


def models():
    """Label → (model, what is varied, where from, where to, mass)."""
    found = {
        "Dodelson–Widrow": (
            sterile.DodelsonWidrow(MASS_KEV, 1e-9, "mu"),
            "sin2_2theta",
            1e-11,
            1e-7,
            None,
        )
    }
    for asymmetry in ASYMMETRIES:
        name = f"Shi–Fuller, L = {asymmetry:g}"
        found[name] = (resonant(asymmetry), "sin2_2theta", 1e-13, 1e-8, None)
    scalar = sterile.ScalarDecay(100.0, 1e-8, 1e-9)
    found["scalar decay"] = (scalar, "portal_coupling", 1e-10, 1e-7, MASS_KEV)
    return found


def main(figure_path):
    session.start()
    drive = spectra.drive(spectra.Cosmology())
    figure, (left, right) = plt.subplots(1, 2, figsize=(11.0, 4.5), layout="constrained")
    print("| | solved for Ωh² = 0.12 | ⟨q⟩ | √⟨q²⟩ | k(T² = 1/2) [h/Mpc] | half-mode | X-rays |")
    print("|---|---|---|---|---|---|---|")
    for label, (model, vary, low, high, mass) in models().items():
        solution = sterile.fit.solve_for(
            {"omega_h2": ABUNDANCE}, vary, model, low=low, high=high, mass_kev=mass
        ).solutions[0]
        point = sterile.evaluate(solution.model, drive=drive, mass_kev=mass)
        verdicts = spectra.verdicts(point.spectrum, point.transfer)
        rays = bounds.verdicts(solution.model, point)
        failed = [n for n, v in rays.items() if n.startswith("xray") and v.status == "forbidden"]
        has_line = hasattr(model, "sin2_2theta")
        line = (", ".join(failed) or "allowed") if has_line else "no line"
        print(
            f"| {label} | {vary} = {float(solution.value):.3e} | {float(point.q_mean):.3f} "
            f"| {float(point.q_rms):.3f} | {float(point.k_t2_half_h_mpc):.2f} "
            f"| {verdicts['half-mode'].status} | {line} |",
            flush=True,
        )
        q, f = np.asarray(point.spectrum.q), np.asarray(point.spectrum.f)
        left.plot(q, q**2 * f / np.trapezoid(q**2 * f, q), label=label)
        word = f"{label}: {verdicts['half-mode'].status}"
        right.plot(point.transfer.k_h_mpc, point.transfer.t2, label=word)
    left.set(xlim=(0.0, 8.0), xlabel="$q = p/T_γ$ today", ylabel="$q^2 F$, normalised")
    right.set(
        xscale="log", xlim=(1.0, 100.0), ylim=(0.0, 1.05), xlabel="$k$ [$h$/Mpc]", ylabel="$T^2$"
    )
    left.set_title(f"{MASS_KEV} keV, Ωh² = {ABUNDANCE}")
    left.legend()
    right.legend(title="half-mode test")
    figure.savefig(figure_path, dpi=130)


if __name__ == "__main__":
    jax.config.update("jax_enable_x64", True)
    main(sys.argv[1] if len(sys.argv) > 1 else "mixing.png")
