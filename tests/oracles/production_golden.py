"""Golden files of scalar production, made with the brute-force solver at two resolutions.

Regenerate with ``python -m tests.oracles.production_golden [NAME ...]`` from the repository root;
a case takes half a minute to a few minutes on one core.
"""

import sys
import time
from pathlib import Path

import h5py
import numpy as np

from tests.oracles.scalar_brute_force import Level, solve
from tests.oracles.scalar_rates import Case, included_higgs_width, invisible_width

GOLDEN = Path(__file__).parents[1] / "golden" / "production"
BASE, FINE = Level(16, 3e-7, 0.05), Level(24, 3e-8, 0.03)


def near_resonance(scalar_mass_gev, coupling=1e-9, yukawa=1e-9):
    """Case across m_h/2: full Breit-Wigner whose width is the sum of what it can decay to."""
    case = Case(scalar_mass_gev, coupling, yukawa, "full")
    return case._replace(higgs_width_gev=float(included_higgs_width() + invisible_width(case)))


CASES = {
    "resonance_62_5": near_resonance(62.5),
    "resonance_62_63": near_resonance(62.63),
    "resonance_63": near_resonance(63.0),
    "thermal_below_resonance_30": Case(30.0, 1e-6, 1e-9, "decay"),
    "thermal_below_resonance_50": Case(50.0, 1e-4, 1e-9, "decay"),
    "thermal_below_resonance_5": Case(5.0, 1e-3, 1e-8, "decay"),
    "freeze_in_10": Case(10.0, 1e-10, 1e-10, "decay"),
    "dark_energy_density_1000": Case(1000.0, 1e-9, 1e-12, dark_sector=True),
    "domination_10000": Case(1e4, 1e-7, 1e-12, dark_sector=True),
    "strong_200": Case(200.0, 1e-2, 1e-8),
    "mixed_100": Case(100.0, 1e-7, 1e-7),
    "strong_late_100": Case(100.0, 1e-2, 1e-12),
}
SCALARS = ("yield_n", "yield_n_direct", "yield_s_max", "q_mean", "q_rms", "rho_s_over_bath_max")


def write(path, case, levels=(BASE, FINE)):
    """Solve at two resolutions and write one golden file; errors are |base/fine - 1|."""
    began = time.time()
    fine = solve(case, levels[1])
    base = solve(case, levels[0], fine["grid_n"])
    peak = np.max(fine["q"] ** 2 * fine["f"])
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    with h5py.File(temporary, "w") as h:
        h.attrs["provenance"] = (
            "independent brute-force solution, tests/oracles/production_golden.py"
        )
        h.attrs["resolution"] = f"fine {tuple(levels[1])}, base {tuple(levels[0])}"
        h.attrs.update(case._asdict())
        for name in SCALARS:
            h.attrs[name] = fine[name]
            h.attrs["error_" + name] = abs(base[name] / fine[name] - 1.0)
        difference = fine["q"] ** 2 * (base["f"] - fine["f"]) / peak
        h.attrs["error_q2f_over_peak"] = np.max(np.abs(difference))
        for name in ("q", "f", "scalar_q"):
            h[name] = fine[name]
        count = fine["history_temperature_gev"].size
        thin = np.unique(np.linspace(0, count - 1, 200).astype(int))
        for name in ("history_temperature_gev", "history_yield_s", "history_yield_n"):
            h[name] = fine[name][thin]
        mass = case.scalar_mass_gev
        wanted = mass / np.array([0.1, 0.5, 1.0, 3.0, 10.0, 20.0, 30.0])
        rows = [int(np.argmin(np.abs(np.log(fine["history_temperature_gev"] / t)))) for t in wanted]
        h["snapshot_temperature_gev"] = fine["history_temperature_gev"][rows]
        h["snapshot_scalar_f"] = fine["scalar_f"][rows]
        report = {name: float(h.attrs[name]) for name in SCALARS}
        report |= {n: float(h.attrs[n]) for n in h.attrs if n.startswith("error")}
    temporary.replace(path)
    print(path.stem, f"{time.time() - began:.0f} s", report, flush=True)


if __name__ == "__main__":
    for name in sys.argv[1:] or CASES:
        write(GOLDEN / f"{name}.h5", CASES[name])
