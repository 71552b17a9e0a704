"""Mock spectra with one mean momentum: x^2 f(x), T^2(k), what the half-mode rule says.

    python runs/study_mean_momentum.py [FIGURE.png]

Mass and <p>/T of all are those of a thermal relic of 3.3 keV, so that every one has its mean
velocity. A minute, mostly compiling. Numbers also go to out/study-mean-momentum.h5.
"""

import sys
from pathlib import Path

import h5py
import jax
import matplotlib.pyplot as plt
import numpy as np
from scipy.interpolate import CubicSpline

jax.config.update("jax_enable_x64", True)

import spectra  # noqa: E402
from spectra import plots  # noqa: E402

MASS_KEV = 3.3
HOT_SHARE, HOT_FACTOR = 0.1, 8.0
NUMBERS = Path("out/study-mean-momentum.h5")
COLOURS = (plots.BLACK, plots.GREEN, plots.BLUE, plots.VERMILION, plots.ORANGE)


def bell(x, width=0.4):
    """f of a bell in ln x, of unit height in x^3 f."""
    return np.exp(-0.5 * (np.log(x) / width) ** 2) / x**3


def mock_spectra():
    """Label -> spectrum, all of the mean momentum of the first."""
    relic = spectra.thermal_relic(MASS_KEV)
    x = np.geomspace(1e-4, 400.0, 1500)
    bump = 1.0 / (np.exp(x) + 1.0)
    hot = 1.0 / (np.exp(x / HOT_FACTOR) + 1.0) / HOT_FACTOR**3
    shapes = {
        "a narrow bump": bell(x),
        r"$x^{-1/2}e^{-x}$ (two-body decay)": np.exp(-x) / np.sqrt(x),
        f"thermal, one in ten {HOT_FACTOR:g} times hotter": (
            (1.0 - HOT_SHARE) * bump + HOT_SHARE * hot
        ),
        r"$x^{-2}e^{-x}$ (many slow, some fast)": np.exp(-x) / x**2,
    }
    target = mean(np.asarray(relic.q), np.asarray(relic.f))
    found = {f"thermal relic, {MASS_KEV:g} keV": relic}
    for label, f in shapes.items():
        q = x * target / mean(x, f)
        found[label] = spectra.Spectrum(q, f, MASS_KEV, relic.temperature_ratio)
    return found


def mean(q, f):
    return np.trapezoid(q**4 * f, np.log(q)) / np.trapezoid(q**3 * f, np.log(q))


def main(output):
    NUMBERS.parent.mkdir(exist_ok=True)
    with plt.style.context(plots.STYLE), h5py.File(NUMBERS, "w") as file:
        figure, (left, right) = plt.subplots(1, 2, figsize=(9.6, 4.4), layout="constrained")
        right.axhline(0.5, color="0.75", lw=0.8, zorder=0)
        for (label, dm), colour in zip(mock_spectra().items(), COLOURS):
            curve = spectra.transfer(dm)
            report = spectra.verdicts(dm, curve)
            half = float(spectra.half_mode(curve).k_t2_half_h_mpc)
            status = report["half-mode"].status
            q, f = np.asarray(dm.q), np.asarray(dm.f)
            x = q / mean(q, f)
            density = x**2 * f / np.trapezoid(x**3 * f, np.log(x))
            style = "--" if label.startswith("thermal relic") else "-"
            left.semilogx(x, x * density, style, color=colour, label=label)
            k, smooth = np.geomspace(1.0, 200.0, 400), CubicSpline(np.log(curve.k_h_mpc), curve.t)
            right.semilogx(k, smooth(np.log(k)) ** 2, style, color=colour)
            group = file.create_group(label.replace("/", " over "))
            group.attrs.update(k_t2_half_h_mpc=half, half_mode=str(status))
            group.attrs["lambda_fs_mpc"] = float(spectra.free_streaming(dm))
            for name, values in (
                ("x", x), ("x_density", x * density), ("k_h_mpc", curve.k_h_mpc), ("t2", curve.t2),
            ):  # fmt: skip
                group[name] = np.asarray(values)
            margins = ", ".join(
                f"{m} keV {float(report[f'half-mode-{m}keV'].margin):+.2f}" for m in ("2.0", "3.3")
            )
            print(
                f"{label}: k(T^2 = 1/2) = {half:.3g} h/Mpc, "
                f"lambda_fs = {group.attrs['lambda_fs_mpc']:.4g} Mpc, {status}; margins {margins}",
                flush=True,
            )
        left.axvline(1.0, color="0.75", lw=0.8, zorder=0)
        left.set(
            xlabel=r"$x/\langle x\rangle$", ylabel=r"particles in $\ln x$", xlim=(3e-3, 20.0),
            ylim=(0.0, 1.3),
        )  # fmt: skip
        right.set(xlabel=r"$k$ [$h$/Mpc]", ylabel=r"$T^2(k)$", xlim=(1.0, 200.0), ylim=(0.0, 1.02))
        figure.legend(loc="outside upper center", ncols=3, fontsize="small")
        plots.save(figure, output)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "docs/study-mean-momentum.png")
