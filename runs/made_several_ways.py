"""One neutrino of 7 keV made several ways at once: q^2 F of the parts, and T^2 of each and of all.

    python runs/made_several_ways.py [FIGURE.png]

The sum is runs/templates/sum.toml. Parts alone are scaled to be all of dark matter.
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

TEMPLATE = Path(__file__).parent / "templates" / "sum.toml"
COLOURS = (plots.BLUE, plots.VERMILION, plots.GREEN, plots.ORANGE, plots.PURPLE)


def main(output):
    read = config.load(TEMPLATE)
    model = config.model_of(read)
    point = sterile.evaluate(model, config.cosmology_of(read))
    production = point.production
    with plt.style.context(plots.STYLE):
        figure, (left, right) = plt.subplots(1, 2, figsize=(9.0, 3.8), layout="constrained")
        for part, made, colour in zip(model.parts, production.parts, COLOURS):
            left.loglog(made.q, made.q**2 * made.f, color=colour, label=part.kind)
            curve = spectra.transfer(made.spectrum(mass_kev=model.mass_kev))
            right.semilogx(curve.k_h_mpc, curve.t2, color=colour)
        left.loglog(
            production.q, production.q**2 * production.f, "--", color=plots.BLACK, label="sum"
        )
        right.semilogx(point.transfer.k_h_mpc, point.transfer.t2, "--", color=plots.BLACK)
        top = 3.0 * float((production.q**2 * production.f).max())
        left.set(xlabel="$q$", ylabel="$q^2 F(q)$", xlim=(1e-2, 60.0), ylim=(1e-5 * top, top))
        right.set(xlabel=r"$k$ [$h$/Mpc]", ylabel=r"$T^2(k)$", xlim=(1.0, 300.0))
        left.legend(fontsize="small", loc="upper right")
        plots.save(figure, output)
    shares = [float(getattr(point, f"part_{i + 1}_share")) for i in range(len(model.parts))]
    print("shares", ", ".join(f"{share:.3f}" for share in shares))
    print(f"k(T = 1/2) = {float(point.k_t_half_h_mpc):.4g} h/Mpc")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "docs/made-several-ways.png")
