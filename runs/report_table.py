"""The report of ten spectra as a Markdown table, and the figure of docs/verdicts.md.

python runs/report_table.py [FIGURE.png]; prints the table.
"""

import sys

import jax

jax.config.update("jax_enable_x64", True)

import numpy as np  # noqa: E402

import spectra  # noqa: E402
import sterile  # noqa: E402
from spectra import plots  # noqa: E402
from spectra.constants import NEUTRINO_TEMPERATURE_RATIO  # noqa: E402
from spectra.structure import (  # noqa: E402
    lyman_alpha,
    reference_masses,
    reference_relics,
    structure_numbers,
)

# to 100 times the hottest population's temperature
Q = np.geomspace(1e-5, 2000.0, 1400)
# T_x/T_gamma of particles that left the full Standard Model bath
COOLED = (3.91 / 106.75) ** (1.0 / 3.0)
SHORT = {"allowed": "+", "constrained": "o", "forbidden": "–", "undecided": "?"}
COLUMNS = {
    "half-mode": "half-mode",
    "lyman-alpha-area": "Ly-α area",
    "milky-way-satellites": "satellites",
    "galaxies-z6": "galaxies",
    "lensing-gilman2020": "lensing",
    "warmness": "warmness",
}


def shapes() -> dict[str, spectra.Spectrum]:
    """Name -> spectrum."""
    fermi, decay = np.exp(-Q) / (1.0 + np.exp(-Q)), Q**-0.5 * np.exp(-Q)

    def bump(q, width):
        return np.exp(-0.5 * ((Q - q) / width) ** 2)

    # two populations of one particle, number ratio 3 : 1 and ten times apart in momentum
    late = 0.1 * Q
    hot_part = late**-0.5 * np.exp(-late) / 10.0**3
    return {
        "thermal relic, 2.5 keV": spectra.thermal_relic(2.5),
        "thermal relic, 5.5 keV": spectra.thermal_relic(5.5),
        "Dodelson–Widrow, 7 keV": spectra.Spectrum(Q, fermi, 7.0, NEUTRINO_TEMPERATURE_RATIO),
        "Dodelson–Widrow, 40 keV": spectra.Spectrum(Q, fermi, 40.0, NEUTRINO_TEMPERATURE_RATIO),
        "two-body decay, 7 keV": spectra.Spectrum(Q, decay, 7.0, COOLED),
        "two-body decay, 17 keV": spectra.Spectrum(Q, decay, 17.0, COOLED),
        "bimodal decay, 25 % ten times hotter, 40 keV": spectra.Spectrum(
            Q, decay + hot_part / 3.0, 40.0, COOLED
        ),
        "bimodal decay, 13 % ten times hotter, 12 keV": spectra.Spectrum(
            Q, decay + 0.15 * hot_part, 12.0, COOLED
        ),
        "narrow line, 7 keV": spectra.Spectrum(Q, bump(3.0, 0.1), 7.0, COOLED),
    } | {
        name: sterile.evaluate(model).spectrum
        for name, model in {
            "S freeze-in, 100 GeV": sterile.ScalarDecay(100.0, 1e-8, 3e-8),
            "S freeze-out, 100 GeV": sterile.ScalarDecay(100.0, 1e-4, 1e-9),
        }.items()
    }


def main() -> None:
    power = spectra.power_table()
    relics = reference_relics(reference_masses(), power=power)
    head = ["spectrum", "k(T²=½)", "m_eq k", "m_eq A", "λ_fs, label", "δ_A", "N_sub", "log n_gal"]
    print("| " + " | ".join(head + list(COLUMNS.values())) + " |")
    print("|" + "---|" * (len(head) + len(COLUMNS)))
    for name, dm in shapes().items():
        curve = spectra.transfer(dm)
        report = spectra.verdicts(dm, curve, power=power, references=relics)
        numbers = structure_numbers(curve, power)
        half = spectra.half_mode(curve)
        horizon = float(spectra.free_streaming(dm))
        label = spectra.free_streaming_class(horizon)
        cells = [
            f"{name} ({float(dm.mass_kev):.3g} keV)" if name.startswith("S ") else name,
            "> 300" if int(half.status_t2) else f"{float(half.k_t2_half_h_mpc):.3g}",
            f"{float(spectra.viel_mass_kev(half.k_t2_half_h_mpc)):.2f}".replace("nan", "–"),
            f"{float(lyman_alpha.area_mass_kev(numbers['delta_a'], power)):.2f}",
            f"{horizon:.3f}, {label}",
            f"{float(numbers['delta_a']):.3f}",
            f"{float(numbers['n_satellites']):.3g}",
            f"{np.log10(float(numbers['n_galaxies_z6_mpc3'])):.2f}",
            *(SHORT[report[column].status] for column in COLUMNS),
        ]
        print("| " + " | ".join(cells) + " |")
    if len(sys.argv) > 1:
        plots.save(plots.figure_free_streaming_misleads(_comparison(relics)), sys.argv[1])


def _comparison(relics) -> dict:
    """Spectra of one free-streaming horizon and different fates."""
    fermi, decay = np.exp(-Q) / (1.0 + np.exp(-Q)), Q**-0.5 * np.exp(-Q)
    late = 0.05 * Q
    mixed = decay + 0.05 * late**-0.5 * np.exp(-late) / 20.0**3
    found = {}
    for label, f in (
        ("Fermi–Dirac", fermi),
        (r"$q^{-1/2}e^{-q}$", decay),
        ("5 % twenty times hotter", mixed),
    ):
        low, high = 0.5, 500.0
        for _ in range(60):  # the horizon falls with the mass
            mass = np.sqrt(low * high)
            horizon = float(spectra.free_streaming(spectra.Spectrum(Q, f, mass, COOLED)))
            low, high = (mass, high) if horizon > 0.09 else (low, mass)
        dm = spectra.Spectrum(Q, f, mass, COOLED)
        curve = spectra.transfer(dm)
        report = spectra.verdicts(dm, curve, references=relics)
        found[label] = (curve, report["half-mode"].status, report["lyman-alpha-area"].status)
    return {
        "k_h_mpc": np.asarray(curve.k_h_mpc),
        "curves": {
            f"{label}: half-mode {half}, area {area}": np.asarray(c.t2)
            for label, (c, half, area) in found.items()
        },
        "references": {
            f"thermal, {mass:g} keV": np.asarray(relics.transfer(mass).t2) for mass in (2.0, 3.3)
        },
        "horizon_mpc": 0.09,
    }


if __name__ == "__main__":
    main()
