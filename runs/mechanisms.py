"""T^2(k) of every way to make a sterile neutrino of 7 keV, with its verdict by the half-mode rule.

    python runs/mechanisms.py [FIGURE.png]

Each curve is a configuration in runs/templates, scaled to be all of dark matter: several minutes,
mostly compiling. Prints abundance, <q>, k(T = 1/2) and what forbids or constrains it.
"""

import sys
from pathlib import Path

import jax
import matplotlib.pyplot as plt

jax.config.update("jax_enable_x64", True)

import spectra  # noqa: E402
import sterile  # noqa: E402
from spectra import plots  # noqa: E402
from sterile import config  # noqa: E402

TEMPLATES = Path(__file__).parent / "templates"
COLOURS = (
    plots.BLACK, plots.BLUE, plots.VERMILION, plots.GREEN, plots.ORANGE, plots.PURPLE, plots.SKY,
)  # fmt: skip


def evaluated(path):
    """Point and failed verdicts of a configuration."""
    read = config.load(path)
    model, cosmology = config.model_of(read), config.cosmology_of(read)
    point = sterile.evaluate(
        model,
        cosmology,
        config.plasma_of(read),
        mass_kev=read.dark_matter.mass_kev,
        omega_h2=config.target_omega_h2(read),
    )
    report = spectra.verdicts(point.spectrum, point.transfer, cosmology)
    return point, report | sterile.bounds.verdicts(model, point, cosmology)


def main(output):
    with plt.style.context(plots.STYLE):
        figure, axes = plt.subplots(figsize=(9.0, 4.6), layout="constrained")
        for i, path in enumerate(sorted(TEMPLATES.glob("*.toml"))):
            point, report = evaluated(path)
            failed = [n for n, v in report.items() if v.status in ("forbidden", "constrained")]
            verdict = report["half-mode"].status
            axes.semilogx(
                point.transfer.k_h_mpc,
                point.transfer.t2,
                color=COLOURS[i % len(COLOURS)],
                linestyle="-" if i < len(COLOURS) else "--",
                label=f"{path.stem}: {verdict}",
            )
            print(
                f"{path.stem}: Omega h^2 = {float(point.omega_h2):.4g}, <q> = "
                f"{float(point.q_mean):.4g}, k = {float(point.k_t_half_h_mpc):.4g} h/Mpc; "
                f"{', '.join(failed) or 'allowed'}",
                flush=True,
            )
        axes.set(xlabel=r"$k$ [$h$/Mpc]", ylabel=r"$T^2(k)$", xlim=(1.0, 300.0), ylim=(0.0, 1.02))
        figure.legend(
            title=r"$m_N = 7$ keV, half-mode rule", fontsize="small", loc="outside right center"
        )
        plots.save(figure, output)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "docs/mechanisms.png")
