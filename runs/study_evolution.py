"""f_S and F_N as they evolve: three ways in which a scalar makes neutrinos, and one as a film.

    python runs/study_evolution.py

Snapshots of h -> SS, of annihilation in the unbroken phase with decays at once, and of freeze-out
with two kinds of N, into docs/study-evolution.png; the third as an animation into
docs/study-evolution.gif. Numbers go to out/study-evolution.h5. A minute, mostly compiling.
"""

from pathlib import Path

import h5py
import jax
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.animation import FuncAnimation, PillowWriter

jax.config.update("jax_enable_x64", True)

import sterile  # noqa: E402
from spectra import plots  # noqa: E402
from sterile.scalar import neutrino_spectrum  # noqa: E402

MODELS = {
    r"$h\to SS$, $S$ decays late": (30.0, 1e-9, 1e-9),
    r"$\Phi\Phi\to SS$, $S$ decays at once": (500.0, 1e-8, 1e-6),
    r"freeze-out, two kinds of $N$": (100.0, 1.5e-5, 1e-9),
}
FRAMES = 48
NUMBERS = Path("out/study-evolution.h5")


def panels_of(productions):
    figure, rows = plt.subplots(2, 3, figsize=(12.6, 7.6), layout="constrained")
    for (label, production), (upper, lower) in zip(productions.items(), rows.T):
        taken = sterile.snapshots(production)
        plots.draw_build_up(upper, taken.temperature_gev, taken.scalar_q, taken.scalar_f, weight=0)
        shown = plots.draw_build_up(lower, taken.temperature_gev, taken.q, taken.f, weight=2)
        mass, coupling, yukawa = MODELS[label]
        point = rf"$m_S={mass:g}$ GeV, $\lambda={tex(coupling)}$, $y={tex(yukawa)}$"
        upper.set_title(f"{label}\n{point}", fontsize=11)
        bar = figure.colorbar(shown, ax=lower, orientation="horizontal", pad=0.02)
        bar.set_label(r"plasma temperature $T$ [GeV]")
        bar.ax.invert_xaxis()
    rows[0, 0].set_ylabel(r"scalar, $f_S(q)$")
    rows[1, 0].set_ylabel(r"sterile neutrino, $q^2 F_N(q)$")
    return figure


def tex(number):
    digits, power = f"{number:.1e}".split("e")
    digits = digits.removesuffix(".0")
    power = f"10^{{{int(power)}}}"
    return power if digits == "1" else rf"{digits}\cdot {power}"


def film_of(production):
    """Rows of the clock, and F_N (rows, q) from the decays until then."""
    scalar, grid, model = production.scalar, production.grid, production.model
    made = np.asarray(production.history.yield_n) / float(production.history.yield_n[-1])
    clock = np.asarray(scalar.clock)
    first, last = np.searchsorted(made, [1e-5, 1.0 - 1e-4])
    even = np.linspace(clock[first], clock[last], FRAMES)
    rows = np.unique(np.searchsorted(clock, even))
    until = jax.jit(
        lambda ends: jax.lax.map(
            lambda end: neutrino_spectrum(
                scalar, model, production.plasma, grid, production.q, end
            ),
            ends,
        )
    )
    return rows, np.asarray(until(clock[rows]))


def film(production, rows, neutrinos, path):
    """Particles in ln q of S and of N, and below both yields, frame by frame."""
    history, scalar_q = production.history, np.exp(np.asarray(production.scalar.log_q))
    q, temperature = np.asarray(production.q), np.asarray(history.temperature_gev)
    scalars = scalar_q**3 * np.asarray(production.scalar.f)[rows]
    neutrinos = q**3 * neutrinos
    top = max(scalars.max(), neutrinos.max())
    figure, (upper, lower) = plt.subplots(
        2, 1, figsize=(5.6, 6.0), height_ratios=(2.0, 1.0), layout="constrained"
    )
    upper.set(xscale="log", yscale="log", xlim=(0.02, 200.0), ylim=(1e-5 * top, 3.0 * top))
    upper.set(xlabel="comoving momentum $q$", ylabel=r"particles in $\ln q$: $q^3 f$")
    (one,) = upper.plot([], [], color=plots.BLUE, label="$S$")
    (other,) = upper.plot([], [], color=plots.VERMILION, label="$N$")
    upper.legend(loc="upper left")
    word = upper.text(0.97, 0.94, "", transform=upper.transAxes, ha="right", va="top")
    lower.loglog(temperature, history.yield_s, color=plots.BLUE)
    lower.loglog(temperature, history.yield_n, color=plots.VERMILION)
    seen = temperature[rows]
    lower.set(xlim=(1.5 * seen[0], seen[-1] / 1.5), xlabel="plasma temperature $T$ [GeV]")
    lower.set(ylim=(1e-9, 1e-2), ylabel="$Y_S$, $Y_N$")
    now = lower.axvline(seen[0], color="0.5", lw=1.0)

    def frame(i):
        one.set_data(scalar_q, scalars[i])
        other.set_data(q, neutrinos[i])
        word.set_text(f"$T$ = {seen[i]:.3g} GeV")
        now.set_xdata([seen[i], seen[i]])
        return one, other, word, now

    FuncAnimation(figure, frame, frames=len(rows)).save(path, PillowWriter(fps=8), dpi=80)
    plt.close(figure)


def main():
    productions = {
        label: sterile.solve(sterile.ScalarDecay(*point)) for label, point in MODELS.items()
    }
    rows, neutrinos = film_of(production := productions[list(MODELS)[-1]])
    NUMBERS.parent.mkdir(exist_ok=True)
    with h5py.File(NUMBERS, "w") as file:
        for label, made in productions.items():
            group = file.create_group(label.replace("/", " over "))
            group.attrs.update(yield_n=float(made.yield_n), q_mean=float(made.q_mean))
            taken = sterile.snapshots(made)
            for name in ("temperature_gev", "scalar_q", "scalar_f", "q", "f"):
                group[name] = np.asarray(getattr(taken, name))
            print(f"{label}: Y_N = {float(made.yield_n):.4g}, <q> = {float(made.q_mean):.4g}")
        file["film/temperature_gev"] = np.asarray(production.history.temperature_gev)[rows]
        file["film/f"] = neutrinos
    with plt.style.context(plots.STYLE):
        plots.save(panels_of(productions), "docs/study-evolution.png")
        film(production, rows, neutrinos, "docs/study-evolution.gif")


if __name__ == "__main__":
    main()
