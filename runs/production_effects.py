"""Y_N and <q> at ten points over the plane with each effect beyond the papers switched on alone.

    python runs/production_effects.py [EFFECT ...]

Prints a table in Markdown: paper's values, then the ratio to them of each effect, and of all
together (``preset = "best"``). Some ten minutes the first time, mostly compiling.
"""

import sys

import jax

import sterile

jax.config.update("jax_enable_x64", True)

# m_S [GeV], lambda, y
POINTS = (
    (65.0, 3e-9, 1e-9),
    (100.0, 1e-8, 1e-9),
    (30.0, 1e-9, 1e-9),
    (30.0, 1e-6, 1e-9),
    (57.0, 1e-5, 1e-9),
    (65.0, 1e-4, 1e-9),
    (100.0, 1e-6, 1e-8),
    (100.0, 1e-4, 1e-9),
    (500.0, 1e-8, 1e-6),
    (500.0, 1e-3, 1e-9),
)
EFFECTS = {
    "quantum": {"bath_statistics": "quantum"},
    "crossover": {"electroweak_transition": "crossover"},
    "running": {"higgs_width": "running"},
    "elastic": {"elastic_scattering": True},
    "inverse": {"inverse_decays": True},
    "best": sterile.PRESETS["best"],
}


def numbers(point, switches):
    """Y_N, <q> and the status."""
    production = sterile.solve(sterile.ScalarDecay(*point), sterile.Plasma(**switches))
    return float(production.yield_n), float(production.q_mean), int(production.status)


def main(chosen):
    print("| m_S, λ, y | Y_N | ⟨q⟩ | " + " | ".join(chosen) + " |")
    print("|---" * (3 + len(chosen)) + "|")
    for point in POINTS:
        paper_yield, paper_mean, _ = numbers(point, {})
        cells = []
        for name in chosen:
            number, mean, status = numbers(point, EFFECTS[name])
            flag = "" if status == 0 else f" (status {status})"
            cells.append(f"{number / paper_yield:.4f}, {mean / paper_mean:.4f}{flag}")
        mass, coupling, yukawa = point
        head = f"| {mass:g}, {coupling:g}, {yukawa:g} | {paper_yield:.4e} | {paper_mean:.4f} | "
        print(head + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:] or list(EFFECTS))
