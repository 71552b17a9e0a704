"""Laws that a talk of 2017 states in passing, each with its number: python runs/study_claims.py.

Half a minute, mostly compiling. Numbers also go to out/study-claims.h5.
"""

from pathlib import Path

import h5py
import jax
import numpy as np

jax.config.update("jax_enable_x64", True)

import spectra  # noqa: E402
import sterile  # noqa: E402
from sterile import xray  # noqa: E402

NUMBERS = Path("out/study-claims.h5")
OMEGA_H2 = 0.12


def slope(model_of, low, high):
    """d ln Y_N/d ln of a parameter between two of its values."""
    yields = [float(sterile.solve(model_of(value)).yield_n) for value in (low, high)]
    return np.log(yields[1] / yields[0]) / np.log(high / low)


def scalar(coupling, yukawa=1e-9):
    return sterile.ScalarDecay(100.0, coupling, yukawa)


def laws():
    """Name → exponent or ratio."""
    late = sterile.solve(scalar(1e-8, 1e-10)), sterile.solve(scalar(1e-8, 1e-8))
    left = sterile.solve(scalar(1e-5, 1e-10)), sterile.solve(scalar(1e-5, 1e-8))
    return {
        "dodelson_widrow_exponent_of_mixing": slope(
            lambda s: sterile.DodelsonWidrow(7.1, s, "mu"), 1e-12, 1e-10
        ),
        "freeze_in_exponent_of_cross_section": 0.5 * slope(scalar, 1e-10, 1e-8),
        "freeze_out_exponent_of_cross_section": 0.5
        * slope(lambda coupling: scalar(coupling, 1e-11), 3e-6, 3e-5),
        "freeze_in_yield_at_100_times_the_yukawa": float(late[1].yield_n / late[0].yield_n),
        "freeze_in_momentum_at_100_times_the_yukawa": float(late[1].q_mean / late[0].q_mean),
        "freeze_out_yield_at_100_times_the_yukawa": float(left[1].yield_n / left[0].yield_n),
    }


def dodelson_widrow(mass_kev):
    """sin^2(2 theta) of all dark matter, over the strongest shipped line limit; half-mode margin.

    The margin is that against 3.3 keV.
    """
    made = sterile.evaluate(sterile.DodelsonWidrow(mass_kev, 1e-10, "mu"))
    mixing = 1e-10 * OMEGA_H2 / float(made.omega_h2)
    limits = [
        float(limit.rate_per_s[0])
        for limit in xray.shipped_limits().values()
        if abs(2.0 * float(limit.energy_kev[0]) / mass_kev - 1.0) < 0.02
    ]
    too_bright = float(xray.decay_rate_per_s(mass_kev, mixing)) / min(limits)
    margin = spectra.verdicts(made.spectrum, made.transfer)["half-mode-3.3keV"].margin
    return mixing, too_bright, float(margin)


def main():
    found = laws()
    for name, number in found.items():
        print(f"{name}: {number:.4g}")
    masses = (3.0, 7.1, 10.0, 20.0, 40.0)
    rows = [dodelson_widrow(mass) for mass in masses]
    for mass, (mixing, bright, margin) in zip(masses, rows):
        print(
            f"Dodelson-Widrow, {mass:g} keV: sin^2(2 theta) = {mixing:.2e}, "
            f"{bright:.3g} times the strongest limit on its line; half-mode 3.3 keV {margin:+.2f}"
        )
    NUMBERS.parent.mkdir(exist_ok=True)
    with h5py.File(NUMBERS, "w") as file:
        file.attrs.update(found)
        file["dodelson_widrow/mass_kev"] = masses
        file["dodelson_widrow/mixing_brightness_margin"] = rows


if __name__ == "__main__":
    main()
