"""Where one point's time goes: stage by stage and regime by regime, in units of CLASS.

    taskset -c 0 python benchmarks/stages.py [freeze-in freeze-out ...]     # compiles for minutes

Every number is taken in this one run: CLASS (default precision, a thermal relic to 100 h/Mpc)
before and after, each regime's stages in turns. Median of the processor times, with the fastest
and the slowest; operations counted by hand from the shapes; lines of StableHLO and seconds to
compile. The last table is Markdown.
"""

import os
import platform
import sys
import time

os.environ.setdefault(
    "XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
)

import jax

jax.config.update("jax_enable_x64", True)

import numpy as np  # noqa: E402
from transfer import class_seconds  # noqa: E402

import spectra  # noqa: E402
import sterile  # noqa: E402
from spectra import programs  # noqa: E402
from spectra.linear import drive_for  # noqa: E402
from sterile import pipeline  # noqa: E402
from sterile.scalar import decay_products, grids, inverse_spectrum, lattice  # noqa: E402
from sterile.scalar.distribution import solve_scalar  # noqa: E402

# m_S, lambda, y, and what issue 21 aims at: CLASS over the whole pipeline
CASES = {
    "freeze-in": ((100.0, 1e-8, 1e-9), 500),
    "freeze-out": ((100.0, 1e-4, 1e-9), 200),
    "thermalised, h <-> SS": ((30.0, 1e-6, 1e-9), 150),
    "freeze-out, h <-> SS": ((50.0, 1e-4, 1e-9), 150),
    "resonance": ((62.6, 1e-9, 1e-9), 80),
}
ROUNDS = 15


def budget(grid, peaks: int) -> dict[str, tuple[float, float]]:
    """(Mflop, MB written) of the parts of a solve, counted by hand; ``peaks``: nodes in s.

    Exponentials, roots and logarithms count as twenty. Bytes are those of matrices that are made.
    """
    n, square = grid.momenta, grid.momenta**2
    free = linear = grid.late_is_free
    hot, coupled, late = lattice.phases(grid)
    known = [phase for phase in (hot, coupled, late) if not (free and phase == late)]
    steps = sum(phase.units * phase.steps for phase in known)
    stage = 2 * square + 2 * (n + 2) ** 2 + 60 * n
    step = 8 * stage + 8 / 3 * (n + 2) ** 3 + 20 * square + 6 * (10 * square + 60 * n)
    # freeze-in: three nodes a step, two rounds of loss, and equations of three a mode
    node = 2 * (2 * square + 300 * n)
    nodes, work = (3, 3 * node) if linear else (6, step)
    pairs = {p: (p.units - 1) * n + n * (n + 1) // 2 for p in known if p != hot}
    reads = sum(2 * nodes * p.steps * count for p, count in pairs.items())
    windows = 0
    if peaks:
        units = coupled.units + (0 if free or grid.resonance == "narrow" else late.units)
        windows = 5 * units
    one_window = 2 * peaks * n * 150 + 2 * n**3 + 12 * square
    kept = decay_products._COMPUTED * 2 * grid.angles
    return {
        "steps": (1e-6 * steps * work, 8e-6 * steps * nodes * square),
        "tables": (1e-6 * reads * 100, 8e-6 * reads),
        "windows": (1e-6 * windows * one_window, 8e-6 * windows * 3 * square),
        "decays": (1e-6 * kept * 250, 8e-6 * kept * 30),
    }


def compiled(function, *arguments):
    """The program, its lines of StableHLO and the processor time [s] of making it."""
    start = time.process_time()
    lowered = jax.jit(function).lower(*arguments)
    lines = lowered.as_text().count("\n")
    made = lowered.compile(compiler_options=programs.EFFORTS["many"])
    return made, lines, time.process_time() - start


def in_turns(calls: dict, rounds: int = ROUNDS) -> dict[str, np.ndarray]:
    """Processor times [ms] of every call, (rounds,), in turns, as a machine's speed drifts."""
    found: dict[str, list[float]] = {name: [] for name in calls}
    with programs.one_matrix_thread():
        for call in calls.values():
            jax.block_until_ready(call())
        for _ in range(rounds):
            for name, call in calls.items():
                start = time.process_time()
                jax.block_until_ready(call())
                found[name].append(1e3 * (time.process_time() - start))
    return {name: np.array(times) for name, times in found.items()}


def stages_of(name: str, cosmology, drive, power):
    """Times and sizes of one regime."""
    plasma = sterile.Plasma()
    model = jax.tree.map(np.asarray, sterile.ScalarDecay(*CASES[name][0]))
    grid = grids.widened(sterile.choose_grid(model, plasma), plasma)

    def scalar(model):
        return solve_scalar(model, plasma, grid)

    def decays(model, history):
        q = decay_products.momentum_grid(history, model)
        f = inverse_spectrum.neutrino_spectrum(history, model, plasma, grid, q, history.clock[-1])
        return decay_products.tabulate(q, f)

    def whole(model, drive, power):
        point = sterile.evaluate(
            model, cosmology, plasma, drive=drive, grid=grid, power=power, hierarchies="never"
        )
        return point.yield_n, point.transfer.t2, point.k_t2_half_h_mpc, point.delta_a

    solve, *solve_size = compiled(scalar, model)
    history = solve(model)
    decay, *decay_size = compiled(decays, model, history)
    point = sterile.evaluate(model, cosmology, plasma, drive=drive, grid=grid)
    made = point.production
    given = (made.q, made.f, made.yield_n, made.status, None, cosmology, None, np.asarray(0.12))
    pipeline.follow(*given, drive, power, "never")
    all_of_it, *whole_size = compiled(whole, model, drive, power)
    times = in_turns(
        {
            "f_S": lambda: solve(model),
            "decays": lambda: decay(model, history),
            "structure": lambda: pipeline.follow(*given, drive, power, "never"),
            "whole": lambda: all_of_it(model, drive, power),
        }
    )
    peaks = {"none": 0, "narrow": 1, "broad": 40}[grid.resonance]
    return grid, times, {"f_S": solve_size, "decays": decay_size, "whole": whole_size}, peaks


def main():
    chosen = sys.argv[1:] or list(CASES)
    cosmology = spectra.Cosmology()
    drive = drive_for(cosmology, spectra.drive(cosmology))
    power = spectra.power_table(cosmology)
    print(f"{platform.processor()}, jax {jax.__version__}, load {os.getloadavg()[0]:.1f}")
    seconds = [class_seconds()]
    rows = []
    for name in chosen:
        grid, times, sizes, peaks = stages_of(name, cosmology, drive, power)
        seconds.append(class_seconds())
        print(f"\n{name}: {grid.momenta} momenta, {grid.times - 1} steps")
        for stage, own in times.items():
            size = ""
            if stage in sizes:
                size = f"  {sizes[stage][0]} lines, {sizes[stage][1]:.1f} s to make"
            low, middle, high = np.min(own), np.median(own), np.max(own)
            print(f"  {stage:10} {middle:8.2f} ms ({low:.2f} to {high:.2f}){size}")
        for part, (operations, size) in budget(grid, peaks).items():
            print(f"  {part:10} {operations:8.1f} Mflop {size:8.1f} MB")
        rows.append((name, {stage: np.median(own) for stage, own in times.items()}))
        sys.stdout.flush()
    reference = 1e3 * np.median(seconds)
    spread = f"{min(seconds):.2f} to {max(seconds):.2f}"
    print(f"\nCLASS: {reference:.0f} ms, {spread} s, {len(seconds)} runs\n")
    print("| point | f_S | decays | structure | whole [ms] | CLASS over whole | aim |")
    print("|---|---|---|---|---|---|---|")
    for name, own in rows:
        cells = " | ".join(f"{own[stage]:.1f}" for stage in own)
        print(f"| {name} | {cells} | {reference / own['whole']:.0f} | {CASES[name][1]} |")


if __name__ == "__main__":
    main()
