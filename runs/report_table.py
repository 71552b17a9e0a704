"""The tables of docs/verdicts.md and its figure: python runs/report_table.py [FIGURE].

Twelve spectra by every method, twelve spectra by every published bound, the relics of a half-mode
mass, thermal relics by this solver and by published fits, suppressions of haloes.
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
    CALIBRATIONS,
    bounds_table,
    halo_suppression,
    lyman_alpha,
    measure,
    published_bounds,
    reference_masses,
    reference_relics,
    relic_masses_kev,
    viel_shape,
    vogel_shape,
)
from spectra.structure.halos import mass_function  # noqa: E402
from spectra.structure.shapes import shape_transfer, shape_wavenumber  # noqa: E402

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


COLD_AND_WARM = "20 % thermal relic of 1 keV, the rest cold"
LETTERS = "abcdefghijkl"


def main() -> None:
    power = spectra.power_table()
    relics = reference_relics(reference_masses(), power=power)
    published = published_bounds("all")
    head = ["spectrum", "k(T²=½)", "m_eq k", "m_eq A", "λ_fs, label", "δ_A", "N_sub", "log n_gal"]
    print("| " + " | ".join(head + list(COLUMNS.values())) + " |")
    print("|" + "---|" * (len(head) + len(COLUMNS)))
    reports = {}
    for letter, (name, dm) in zip(LETTERS, {**shapes(), COLD_AND_WARM: None}.items()):
        if dm is None:
            curve = spectra.transfer(spectra.thermal_relic(1.0), composition=0.2)
            horizon, label = "", "–"
        else:
            curve = spectra.transfer(dm)
            length = float(spectra.free_streaming(dm))
            horizon, label = f"{length:.3f}, ", spectra.free_streaming_class(length)
        found = spectra.verdicts(dm, curve, power=power, references=relics, bounds=published)
        reports[letter] = found
        numbers = measure(curve, power)
        half = numbers.half_mode
        cells = [
            f"{letter}: {name}"
            + (f" ({float(dm.mass_kev):.3g} keV)" if name.startswith("S ") else ""),
            "> 300" if int(half.status_t2) else f"{float(half.k_t2_half_h_mpc):.3g}",
            f"{float(spectra.viel_mass_kev(half.k_t2_half_h_mpc)):.2f}".replace("nan", "–"),
            f"{float(lyman_alpha.area_mass_kev(numbers.delta_a, power)):.2f}",
            horizon + label,
            f"{float(numbers.delta_a):.3f}",
            f"{float(numbers.n_satellites):.3g}",
            f"{np.log10(float(numbers.n_galaxies_z6_mpc3)):.2f}",
            *(SHORT[found[c].status] if c in found else "–" for c in COLUMNS),
        ]
        print("| " + " | ".join(cells) + " |")
    _bounds(reports)
    _half_modes()
    _relics()
    _haloes(power)
    if len(sys.argv) > 1:
        plots.save(plots.figure_free_streaming_misleads(_comparison(relics)), sys.argv[1])


def _bounds(reports: dict) -> None:
    print("\n| bound | year | bound on | " + " | ".join(reports) + " |")
    print("|" + "---|" * (3 + len(reports)))
    units = {"kev": " keV", "msun": " M_⊙", "kev:share": " keV : share"}
    for bound in bounds_table():
        value = bound.value + units.get(bound.unit, "")
        if bound.unit == "log10-msun":
            value = f"10^{bound.value} M_⊙"
        if bound.relic not in ("", "solver"):
            value += f" ({bound.relic})"
        marks = [
            SHORT.get(found[bound.name].status, "+" if found[bound.name].margin > 0.0 else "(–)")
            if bound.name in found
            else ""
            for found in reports.values()
        ]
        print(f"| `{bound.name}` | {bound.year} | {value} | " + " | ".join(marks) + " |")


def _half_modes() -> None:
    print("\n| log₁₀ M_hm/M_⊙ | viel2005 | vogel2023 | solver |\n|---|---|---|---|")
    for log_mass in (7.0, 7.2, 7.4, 7.5, np.log10(3.8e7), 7.6, 7.8, 8.0, 9.0):
        masses = relic_masses_kev(10.0**log_mass)
        kinds = ("viel2005", "vogel2023", "solver")
        print(f"| {log_mass:.3g} | " + " | ".join(f"{masses[k]:.2f}" for k in kinds) + " |")


def _relics() -> None:
    print("\n| m [keV] | k(T²=½): solver | vogel2023 | viel2005 | largest T² − T²(vogel2023) |")
    print("|---|---|---|---|---|")
    for mass in (1.0, 1.5, 2.0, 3.0, 5.0, 7.0, 10.0, 15.0, 20.0, 30.0, 50.0, 100.0):
        curve = spectra.transfer(spectra.thermal_relic(mass))
        solved = float(spectra.half_mode(curve).k_t2_half_h_mpc)
        fits = [float(shape_wavenumber(f(mass))) for f in (vogel_shape, viel_shape)]
        cells = [f"{k:.4g} ({100.0 * (k / solved - 1.0):+.1f} %)" for k in fits]
        if np.isnan(solved):
            cells = [f"{k:.4g}" for k in fits]
        away = curve.t2 - shape_transfer(vogel_shape(mass), curve.k_h_mpc).t2
        largest = float(away[np.abs(np.asarray(away)).argmax()])
        name = "> 300" if np.isnan(solved) else f"{solved:.4g}"
        print(f"| {mass:g} | {name} | {cells[0]} | {cells[1]} | {largest:+.4f} |")
    for mass in (2.0, 5.0, 10.0):
        curve = spectra.transfer(spectra.thermal_relic(mass))
        shape, left = spectra.structure.fit_shape(curve)
        print(
            f"{mass:g} keV: beta {float(shape.beta):.3f} gamma {float(shape.gamma):.3f} {left:.1e}"
        )


def _haloes(power) -> None:
    masses = np.array([1e7, 3e7, 1e8, 3e8, 1e9, 1e10])
    relic = spectra.transfer(spectra.thermal_relic(3.0))
    cold = shape_transfer(spectra.structure.Shape(0.0, 2.0, -1.0), relic.k_h_mpc)
    sharp_k = mass_function(masses, relic, power)[0] / mass_function(masses, cold, power)[0]
    print("\n| n/n_CDM, 3 keV, z = 0 | " + " | ".join(f"{m:.0e}" for m in masses) + " |")
    print("|" + "---|" * (1 + masses.size))
    rows = {"sharp-k, Schneider 1412.2133": (sharp_k, np.ones(masses.size, bool))}
    for name in CALIBRATIONS:
        found = halo_suppression(masses, relic, calibration=name)
        rows[f"`{name}`"] = found.ratio, found.valid
    for name, (ratio, valid) in rows.items():
        cells = [f"{float(r):.3f}" if v else f"({float(r):.3f})" for r, v in zip(ratio, valid)]
        print(f"| {name} | " + " | ".join(cells) + " |")


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
