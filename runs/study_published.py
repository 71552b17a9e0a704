"""T^2 of neutrinos from the decay of a scalar: a published table, CLASS, and this package.

    python runs/study_published.py [FIGURE.png]

Needs classy. Twenty seconds, most of them CLASS. Numbers also go to out/study-published.h5.

Left: f of a scalar that decays in equilibrium, x^-1/2 sum_n e^(-nx) n^(-5/2) (Shaposhnikov &
Tkachev hep-ph/0604236, Petraki & Kusenko 0711.4646), at 7 keV and T_ref^3 = 3.91/g_* T_gamma^3,
against the T(k) of Abazajian & Kusenko 1907.11696 for N of 7 keV from Higgs decays, as tabulated
beside Zelko et al. 2205.09777; the table does not tell its f, g_* and cosmology. Right: x^-1/2
e^-x by CLASS at its defaults, and with nothing changed but the fluid approximation of non-cold
species, off.
"""

import sys
import tempfile
from pathlib import Path

import h5py
import jax
import matplotlib.pyplot as plt
import numpy as np
from classy import Class

jax.config.update("jax_enable_x64", True)

import spectra  # noqa: E402
from spectra import plots  # noqa: E402

MASS_KEV, G_STAR = 7.0, 106.75
RATIO = (3.91 / G_STAR) ** (1.0 / 3.0)
NUMBERS = Path("out/study-published.h5")
# k [h/Mpc] at T^2 = 1/2 of their curve for 7 keV, Higgs decay
PUBLISHED_H_MPC = 25.7
WAVENUMBERS = np.geomspace(5.0, 80.0, 12)


def equilibrium_decay(x):
    n = np.arange(1, 400)
    f = np.array([np.sum(np.exp(-n * one) * n**-2.5) for one in x])
    return f / np.sqrt(x)


def crossing(k, t2, level=0.5):
    """k where T^2 first falls to ``level``, linear in ln k."""
    i = int(np.argmax(t2 < level))
    share = (t2[i - 1] - level) / (t2[i - 1] - t2[i])
    return float(np.exp(np.log(k[i - 1]) + share * np.log(k[i] / k[i - 1])))


def by_class(table, dm, cosmology, **settings):
    """T^2 at WAVENUMBERS by CLASS as it comes, but for ``settings``; ``table``: a file for f."""
    np.savetxt(table, np.stack([dm.q, dm.f], axis=1))
    omega = float(cosmology.omega_dm)
    common = {
        "h": float(cosmology.h),
        "omega_b": float(cosmology.omega_b),
        "output": "mTk",
        "P_k_max_1/Mpc": 0.1,
        "k_output_values": ",".join(f"{k * float(cosmology.h):.10e}" for k in WAVENUMBERS),
    }
    warm = {
        "N_ncdm": 1,
        "use_ncdm_psd_files": 1,
        "ncdm_psd_filenames": str(table),
        "m_ncdm": 1e3 * float(dm.mass_kev),
        "T_ncdm": float(dm.temperature_ratio),
        "omega_ncdm": omega,
        "omega_cdm": 1e-10,
        **settings,
    }
    amplitude = []
    for name, given in (("d_ncdm[0]", warm), ("d_cdm", {"omega_cdm": omega})):
        solver = Class()
        solver.set({**common, **given})
        solver.compute()
        table = solver.get_transfer(0.0)
        nearest = [np.argmin(abs(table["k (h/Mpc)"] - k)) for k in WAVENUMBERS]
        baryons = float(cosmology.omega_b)
        amplitude.append(omega * table[name][nearest] + baryons * table["d_b"][nearest])
        solver.struct_cleanup()
    return (amplitude[0] / amplitude[1]) ** 2


def main(output):
    cosmology = spectra.Cosmology()
    x = np.geomspace(1e-5, 40.0, 3000)
    equilibrium = spectra.Spectrum(x, equilibrium_decay(x), MASS_KEV, RATIO)
    plain = spectra.Spectrum(x, np.exp(-x) / np.sqrt(x), MASS_KEV, RATIO)
    theirs, ours = spectra.transfer(equilibrium), spectra.transfer(plain)
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / "psd.dat"
        default = by_class(table, plain, cosmology)
        exact = by_class(table, plain, cosmology, ncdm_fluid_approximation=3)
    here = np.interp(np.log(WAVENUMBERS), np.log(ours.k_h_mpc), ours.t) ** 2
    own = crossing(np.asarray(theirs.k_h_mpc), np.asarray(theirs.t2))
    print(f"k(T^2 = 1/2): published {PUBLISHED_H_MPC:.2f}, ours {own:.2f} h/Mpc")
    for k, one, two, three in zip(WAVENUMBERS, here, default, exact):
        print(f"k = {k:.3g} h/Mpc: ours {one:.4f}, CLASS {two:.4f}, without fluid {three:.4f}")
    NUMBERS.parent.mkdir(exist_ok=True)
    with h5py.File(NUMBERS, "w") as file:
        for name, values in (
            ("published/k_half_h_mpc", PUBLISHED_H_MPC), ("published/k_half_h_mpc_ours", own),
            ("class/k_h_mpc", WAVENUMBERS), ("class/t2_ours", here),
            ("class/t2_default", default), ("class/t2_without_fluid", exact),
        ):  # fmt: skip
            file[name] = values
    draw(output, theirs, ours, default, exact)


def draw(output, theirs, ours, default, exact):
    with plt.style.context(plots.STYLE):
        figure, (left, right) = plt.subplots(
            1, 2, figsize=(9.6, 4.4), sharey=True, layout="constrained"
        )
        left.semilogx(theirs.k_h_mpc, theirs.t2, color=plots.BLACK, label="this package")
        left.semilogx(
            [PUBLISHED_H_MPC], [0.5], "o", color=plots.VERMILION, ms=7,
            label="Abazajian & Kusenko 2019, $T^2 = 1/2$",
        )  # fmt: skip
        right.semilogx(ours.k_h_mpc, ours.t2, color=plots.BLACK, label="this package")
        right.semilogx(
            WAVENUMBERS, exact, "o", color=plots.GREEN, ms=6, label="CLASS, no fluid approximation"
        )
        right.semilogx(
            WAVENUMBERS, default, "s", color=plots.VERMILION, ms=5, label="CLASS, its defaults"
        )
        left.set_ylabel(r"$T^2(k)$")
        for axes, title in (
            (left, "7 keV from a scalar in equilibrium"), (right, r"7 keV, $x^{-1/2}e^{-x}$"),
        ):  # fmt: skip
            axes.set(xlabel=r"$k$ [$h$/Mpc]", xlim=(3.0, 120.0), ylim=(0.0, 1.02), title=title)
            axes.legend(loc="lower left", fontsize="small")
        plots.save(figure, output)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "docs/study-published.png")
