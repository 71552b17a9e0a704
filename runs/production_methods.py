"""When does momentum space matter? Y_N of four treatments over (m_S, lambda), as Markdown tables.

    python runs/production_methods.py [FILE.csv]

Momentum by momentum with elastic scattering is the reference; beside it the same without elastic
scattering (the published treatment), number and temperature ("moments", with scattering), and
kinetic equilibrium ("number-density"). Half an hour on one core.
"""

import csv
import sys

import jax

jax.config.update("jax_enable_x64", True)

import numpy as np  # noqa: E402

import sterile  # noqa: E402

MASSES_GEV = (10, 30, 45, 50, 53, 55, 56, 57, 58, 59, 60, 61, 62, 62.5, 63, 65, 80, 100, 500)
COUPLINGS = (1e-8, 1e-7, 3e-7, 1e-6, 3e-6, 1e-5, 1e-4, 1e-3)
YUKAWA = 1e-10  # S decays long after it has left the bath
TREATMENTS = {
    "momentum, no elastic": {},
    "moments": {"elastic_scattering": True, "method": "moments"},
    "number-density": {"method": "number-density"},
}


def yields(mass: float, **treatment) -> list[float]:
    """Y_N for every coupling, NaN where the solver reports a failure; a caveat is none."""
    plasma = sterile.Plasma(dark_sector_in_hubble=False, **treatment)
    # one grid for all couplings: that of freeze-out serves freeze-in
    grid = sterile.choose_grid(sterile.ScalarDecay(mass, 1e-3, YUKAWA), plasma)
    found = []
    for coupling in COUPLINGS:
        production = sterile.solve(sterile.ScalarDecay(mass, coupling, YUKAWA), plasma, grid)
        failed = sterile.is_failure(int(production.status))
        found.append(np.nan if failed else float(production.yield_n))
    return found


def main() -> None:
    rows = []
    for mass in MASSES_GEV:
        reference = yields(mass, elastic_scattering=True)
        others = {name: yields(mass, **treatment) for name, treatment in TREATMENTS.items()}
        for index, coupling in enumerate(COUPLINGS):
            values = [other[index] for other in others.values()]
            rows.append((mass, coupling, reference[index], *values))
        print(f"m_S = {mass} GeV done", file=sys.stderr, flush=True)
    if len(sys.argv) > 1:
        with open(sys.argv[1], "w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["scalar_mass_gev", "portal_coupling", "reference", *TREATMENTS])
            writer.writerows(rows)
    for column, name in enumerate(TREATMENTS, start=3):
        print(f"\nY_N({name})/Y_N(momentum, elastic)\n")
        print("| m_S [GeV] | " + " | ".join(f"λ = {coupling:.0e}" for coupling in COUPLINGS) + " |")
        print("|" + "---|" * (len(COUPLINGS) + 1))
        for mass in MASSES_GEV:
            ratios = [f"{row[column] / row[2]:.3f}" for row in rows if row[0] == mass]
            print(f"| {mass} | " + " | ".join(ratios) + " |")


if __name__ == "__main__":
    main()
