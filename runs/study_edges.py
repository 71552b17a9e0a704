"""Where freeze-out begins to be allowed at 65 GeV: the published treatment, and all effects.

    python runs/study_edges.py

Half-mode margins against 2.0 and 3.3 keV at five portal couplings, y = 1e-9, and the coupling at
which each passes zero, by straight lines in ln lambda. Three minutes the first time.
"""

import jax
import numpy as np

jax.config.update("jax_enable_x64", True)

import spectra  # noqa: E402
import sterile  # noqa: E402

SCALAR_MASS_GEV, YUKAWA = 65.0, 1e-9
PORTAL_COUPLINGS = np.array([0.8e-5, 1.13e-5, 1.5e-5, 1.88e-5, 2.5e-5])
TREATMENTS = {"published": {}, "best": sterile.PRESETS["best"]}
TESTS = ("half-mode-2.0keV", "half-mode-3.3keV")


def edges(margins):
    """The coupling at which margins (n,) that rise pass zero."""
    return np.exp(np.interp(0.0, margins, np.log(PORTAL_COUPLINGS)))


def main():
    for name, switches in TREATMENTS.items():
        rows = []
        for coupling in PORTAL_COUPLINGS:
            model = sterile.ScalarDecay(SCALAR_MASS_GEV, float(coupling), YUKAWA)
            point = sterile.evaluate(model, plasma=sterile.Plasma(**switches), omega_h2=0.12)
            report = spectra.verdicts(point.spectrum, point.transfer)
            rows.append([float(report[test].margin) for test in TESTS])
            numbers = f"{float(point.mass_kev):.2f} keV, <q> = {float(point.q_mean):.3f}"
            print(f"{name}, lambda = {coupling:.3g}: {numbers}, margins {rows[-1]}", flush=True)
        for test, margins in zip(TESTS, np.transpose(rows)):
            print(f"{name}: {test} passed from lambda = {edges(margins):.4g} on")


if __name__ == "__main__":
    main()
