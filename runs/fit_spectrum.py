"""A momentum spectrum from T^2(k): what data of one per cent say about f(q).

    python runs/fit_spectrum.py             # about two minutes on two cores

The data are those of a scalar-decay model of this package, with noise; the families do not contain
it exactly.
"""

import jax
import numpy as np

jax.config.update("jax_enable_x64", True)

import spectra  # noqa: E402
import sterile  # noqa: E402
from sterile import fit  # noqa: E402


def main():
    production = sterile.solve(sterile.ScalarDecay(100.0, 1e-8, 1e-8))
    dm = production.spectrum(omega_h2=0.12)
    k = np.geomspace(1.0, 60.0, 24)
    truth = np.asarray(spectra.transfer(dm, k_h_mpc=k).t2)
    data = truth + 0.01 * np.random.default_rng(1).normal(size=k.size)
    for family in ("thermal", "power-cutoff", "two-bumps"):
        found = fit.fit_spectrum(k, data, 0.01, family)
        values = ", ".join(f"{name} = {value:.4g}" for name, value in found.parameters.items())
        freedom = k.size - len(found.parameters)
        print(f"{family}: chi^2 = {found.chi_square:.1f} for {freedom}; {values}")
        for warning in found.warnings:
            print(f"  {warning}")


if __name__ == "__main__":
    main()
