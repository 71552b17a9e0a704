"""From a Lagrangian to the initial conditions of an N-body run, and what a reader finds in them.

    python runs/study_initial_conditions.py [PARTICLES_PER_SIDE]

Solves a model of scalar decay, exports P(k) and thermal velocities at the start, lays particles as
a code for initial conditions does (Zel'dovich, from the exported table alone), once for this dark
matter and once for cold dark matter with the same phases, writes both as GADGET HDF5 snapshots, and
adds the thermal velocities. Then reads the snapshots as anybody would and compares power, growth
and speeds with the model. Files and numbers go to out/initial-conditions/, the figure to
docs/study-initial-conditions.png. A minute of processor time and 2 GB with the default of 128 per
side.
"""

import sys
from pathlib import Path

import h5py
import jax
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.ticker import NullFormatter
from particle_load import read_ngenic, write_gadget, zeldovich
from particle_reader import bins_of, cloud_in_cell, measured, read_gadget, wavevectors

jax.config.update("jax_enable_x64", True)

import spectra  # noqa: E402
import sterile  # noqa: E402
from spectra import export, plots  # noqa: E402
from spectra.constants import SPEED_OF_LIGHT_KM_S  # noqa: E402
from spectra.export import snapshot  # noqa: E402

FOLDER = Path("out/initial-conditions")
MODEL = {"scalar_mass_gev": 100.0, "portal_coupling": 1.5e-5, "yukawa": 1e-9}
START_Z, PARTICLES, BOX_PER_PARTICLE_MPC_H = 99.0, 128, 5.0 / 128.0
SEED = 20170718
# step in ln(1 + z) of the tables whose difference is the growth rate
GROWTH_STEP = 0.01
# relative scatter of a bin above which the box decides, and not Zel'dovich's second order
ENOUGH_MODES = 0.02
TICKS = (2.0, 5.0, 10.0, 20.0, 40.0)
COLOURS = {"cold": plots.BLUE, "warm": plots.VERMILION}
NAMES = {"cold": "cold dark matter", "warm": "$N$ from scalar decay"}


def growth_tables(folder, dark_matter):
    """Exports at the start, and before and after it; returns k, and by name P and d ln D/d ln a.

    The names are "warm", this dark matter, and "cold". The file that a run would be given is
    power.txt, in the format of GADGET-4's N-GenIC; the others serve the growth rate alone.
    """
    tables = []
    for step in (-GROWTH_STEP, 0.0, GROWTH_STEP):
        path = folder / f"table{step:+.2f}.h5"
        z = float(np.expm1(np.log1p(START_Z) + step))
        export.write(path, "hdf5", spectrum=dark_matter, z=z, force=True)
        with h5py.File(path) as file:
            tables.append({name: file[name][:] for name in ("k_h_mpc", "power", "cold_power")})
    early, start, late = tables[2], tables[1], tables[0]
    found = {}
    for name, column in (("warm", "power"), ("cold", "cold_power")):
        growth = np.log(late[column] / early[column]) / (4.0 * GROWTH_STEP)
        found[name] = {"power": start[column], "growth": growth}
    export.write(folder / "power.txt", "gadget4", spectrum=dark_matter, z=START_Z, force=True)
    k, found["warm"]["power"] = read_ngenic(folder / "power.txt")
    return k, found


def expected(per_side, box, k_table, table, hubble):
    """P and growth rate times a H of a table, averaged over the modes of each of the bins."""
    size, total = bins_of(per_side, box)
    ln_k = np.log(np.maximum(size, k_table[0]))
    power = np.exp(np.interp(ln_k, np.log(k_table), np.log(table["power"])))
    growth = np.interp(ln_k, np.log(k_table), table["growth"])
    return {
        "power": total(power) / total(np.ones(size.shape)),
        "flow": hubble * total(power * growth) / total(power),
    }


def run(dark_matter, folder, per_side=PARTICLES, amplitude=1.0):
    """All of the chain in ``folder``: by name, what the tables say and what the snapshots hold.

    ``amplitude``: of the white noise; far below 1 all is linear, and P is that of 1 by its square.

    The names are "warm" and "cold"; each has ``measured``, and ``expected``: P and the growth rate
    times a H at the same k. Thermal velocities are added to a copy of the first, kicked.hdf5.
    """
    folder.mkdir(parents=True, exist_ok=True)
    box, cosmology = per_side * BOX_PER_PARTICLE_MPC_H, spectra.Cosmology()
    k_table, tables = growth_tables(folder, dark_matter)
    case = export.simulation(box, per_side, START_Z)
    report = export.check(folder / "power.txt", "gadget4", case)
    assert report.safe, report.problems
    a = 1.0 / (1.0 + START_Z)
    hubble = (
        a
        * SPEED_OF_LIGHT_KM_S
        * float(spectra.cosmology.hubble_mpc(a, cosmology))
        / float(cosmology.h)
    )
    noise = amplitude * np.random.default_rng(SEED).standard_normal((per_side,) * 3)
    found = {}
    for name, table in tables.items():
        path = folder / f"{name}.hdf5"
        laid = zeldovich(noise, box, k_table, table, hubble)
        write_gadget(path, box, *laid, cosmology, START_Z)
        found[name] = {
            "measured": measured(path),
            "expected": expected(per_side, box, k_table, table, hubble),
        }
        found[name]["measured"]["power"] /= amplitude**2
    export.write(
        folder / "velocities.h5", "velocities", spectrum=dark_matter, z=START_Z, force=True
    )
    snapshot.add_to_snapshot(
        folder / "velocities.h5", folder / "warm.hdf5", folder / "kicked.hdf5", seed=SEED
    )
    return found


def kicks(folder):
    """Sizes of what was added to each particle [km/s], sorted, and the model's table of them.

    The table: speeds [km/s], share of particles below, and the mean and rms [km/s].
    """
    before, after = (read_gadget(folder / f"{name}.hdf5")[2] for name in ("warm", "kicked"))
    with h5py.File(folder / "velocities.h5") as file:
        moments = [float(file.attrs[f"{name}_speed_km_s"]) for name in ("mean", "rms")]
        table = file["speed_km_s"][:], file["cumulative"][:], *moments
    return np.sort(np.linalg.norm(after - before, axis=1)), table


def ratios(found):
    """P over that of cold dark matter, (bins,): as read, and as asked for."""
    return [
        found["warm"][what]["power"] / found["cold"][what]["power"]
        for what in ("measured", "expected")
    ]


def agreement(found):
    """Name -> number: how far what was measured is from what was asked for."""
    numbers = {}
    for name, one in found.items():
        seen, asked = one["measured"], one["expected"]
        away = seen["power"] / asked["power"] - 1.0
        low = seen["scatter"] > ENOUGH_MODES
        numbers[f"power_chi2_{name}"] = float(np.mean((away / seen["scatter"])[low] ** 2))
        numbers[f"power_worst_beyond_{name}"] = float(np.max(np.abs(away[~low]), initial=0.0))
        numbers[f"flow_worst_{name}"] = float(np.abs(seen["flow"] / asked["flow"] - 1.0).max())
    ratio, t2 = ratios(found)
    numbers["t2_worst"] = float(np.abs(ratio - t2).max())
    return numbers


def slab(path):
    """Overdensity (cells, cells) of a slab an eighth of the box deep, to 0.8 of the Nyquist's k."""
    box, positions, _ = read_gadget(path)
    per_side = round(len(positions) ** (1.0 / 3.0))
    modes = cloud_in_cell(positions, np.ones(len(positions)), box, 2 * per_side)
    _, size = wavevectors(2 * per_side, box)
    modes[(size > 0.8 * np.pi * per_side / box) | (size == 0.0)] = 0.0
    delta = np.fft.irfftn(modes) * (2 * per_side) ** 3
    return delta[:, :, : per_side // 4].mean(axis=2)


def draw(folder, found):
    figure = plt.figure(figsize=(12.6, 7.8), layout="constrained")
    (cold_map, warm_map, speeds), (power, ratio, quotient) = figure.subplots(2, 3)
    box = read_gadget(folder / "cold.hdf5")[0]
    maps = {name: slab(folder / f"{name}.hdf5") for name in found}
    limit = 3.0 * maps["cold"].std()
    for axes, name in ((cold_map, "cold"), (warm_map, "warm")):
        # few colours: a file of a third the size
        shown = axes.imshow(
            maps[name].T, origin="lower", extent=(0.0, box, 0.0, box), vmin=-limit, vmax=limit,
            cmap=plt.get_cmap("YlGnBu", 32),
        )  # fmt: skip
        axes.set(title=NAMES[name], xlabel=r"$x$ [Mpc/$h$]", ylabel=r"$y$ [Mpc/$h$]")
        figure.colorbar(shown, ax=axes, shrink=0.85, label=r"$\delta$ of a slab, $z = 99$")
    k = found["cold"]["measured"]["k_h_mpc"]
    quotient.axhline(1.0, color="0.75", lw=0.8)
    for shift, (name, one) in zip((0.985, 1.015), found.items()):
        seen, asked = one["measured"], one["expected"]
        dots = {"color": COLOURS[name], "fmt": "o", "ms": 4, "label": NAMES[name]}
        power.loglog(k, asked["power"], color=COLOURS[name], lw=1.2)
        power.errorbar(k, seen["power"], seen["power"] * seen["scatter"], **dots)
        quotient.errorbar(shift * k, seen["power"] / asked["power"], seen["scatter"], **dots)
        growth = {"color": COLOURS[name], "marker": "x", "ms": 5, "lw": 0.0}
        quotient.semilogx(shift * k, seen["flow"] / asked["flow"], **growth)
    measured_ratio, t2 = ratios(found)
    ratio.semilogx(k, t2, color=plots.BLACK, lw=1.2, label="the model's $T^2(k)$")
    ratio.semilogx(k, measured_ratio, "o", ms=4, color=plots.VERMILION, label="the two snapshots")
    for axes, label in (
        (power, r"$P(k)$ [(Mpc/$h$)$^3$]"),
        (ratio, r"$P/P_{\rm CDM}$, same phases"),
        (quotient, "read over asked for"),
    ):
        axes.set(xlabel=r"$k$ [$h$/Mpc]", ylabel=label)
        axes.set_xticks(TICKS, [f"{tick:g}" for tick in TICKS])
        axes.xaxis.set_minor_formatter(NullFormatter())
    for axes in (power, ratio):
        axes.legend(loc="lower left")
    quotient.plot([], [], "o", color="0.4", ms=4, label="power, with its scatter")
    quotient.plot([], [], "x", color="0.4", ms=5, label="growth rate")
    quotient.legend(handles=quotient.get_lines()[-2:], loc="lower right")
    quotient.set_ylim(0.4, 1.6)
    draw_speeds(speeds, folder)
    plots.save(figure, "docs/study-initial-conditions.png")


def draw_speeds(axes, folder):
    drawn, (speed, below, *_) = kicks(folder)
    edges = np.geomspace(*np.quantile(drawn, [1e-4, 1.0 - 1e-5]), 50)
    middle, widths = np.sqrt(edges[1:] * edges[:-1]), np.diff(np.log(edges))
    table = np.diff(np.interp(edges, speed, below)) / widths
    count = np.histogram(drawn, edges)[0] / drawn.size / widths
    axes.loglog(middle, table, color=plots.BLACK, lw=1.2, label="the model's $f(q)$")
    axes.loglog(middle, count, "o", ms=4, color=plots.VERMILION, label="added to the particles")
    axes.set(xlabel="thermal speed [km/s]", ylabel=r"share in $\ln v$", ylim=(1e-5, 2.0))
    axes.legend(loc="lower center")


def main(per_side):
    point = sterile.evaluate(sterile.ScalarDecay(**MODEL))
    print(
        f"m_N = {float(point.mass_kev):.4g} keV, <q> = {float(point.q_mean):.4g}, "
        f"k(T^2 = 1/2) = {float(point.k_t2_half_h_mpc):.4g} h/Mpc"
    )
    found = run(point.spectrum, FOLDER, per_side)
    numbers = agreement(found)
    drawn, (_, _, mean, rms) = kicks(FOLDER)
    bulk = read_gadget(FOLDER / "warm.hdf5")[2]
    numbers |= {
        "thermal_mean_km_s": mean, "thermal_rms_km_s": rms,
        "kicks_mean_over_table": float(drawn.mean() / mean),
        "kicks_rms_over_table": float(np.sqrt(np.mean(drawn**2)) / rms),
        "bulk_rms_km_s": float(np.sqrt(np.mean(np.sum(bulk**2, axis=1)))),
    }  # fmt: skip
    with h5py.File(FOLDER / "numbers.h5", "w") as file:
        file.attrs.update(MODEL)
        file.attrs.update(numbers)
        for name, one in found.items():
            for what, columns in one.items():
                for column, values in columns.items():
                    file[f"{name}/{what}/{column}"] = values
    for name, number in numbers.items():
        print(f"{name}: {number:.4g}")
    with plt.style.context({**plots.STYLE, "savefig.dpi": 130}):  # maps are large files
        draw(FOLDER, found)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else PARTICLES)
