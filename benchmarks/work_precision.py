"""Work against precision: steps of three Rosenbrock schemes, and momenta, of one freeze-out.

    python benchmarks/work_precision.py [-o work-precision.png]

Freeze-out by contact annihilation (500 GeV, lambda = 1e-3, y = 1e-9): the hardest part of a solve,
without tables that compile for long. Errors of Y_N, <q> and q^2 F (over its peak) are those against
twice the finest steps of Rodas5P on the same momenta, and against a lattice of half the step.
Work is counted, not timed: stages (one operator and one solve each) for the steps, and momenta.

Beside Rodas5P: RODAS3 (Sandu et al. 1997, Atmos. Environ. 31, 3459: order three, L-stable, four
stages) and ROS2 (Verwer et al. 1999, SIAM J. Sci. Comput. 20, 1456: order two, L-stable), both
with the exact Jacobian, which need the operator at the ends of a step only.
"""

import argparse
import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np

jax.config.update("jax_enable_x64", True)

import sterile
from spectra import programs
from sterile import production
from sterile.scalar import grids, rosenbrock, step
from sterile.scalar.rosenbrock import NODES, inverse

MODEL = jax.tree.map(np.asarray, sterile.ScalarDecay(500.0, 1e-3, 1e-9))
PLASMA = sterile.Plasma(contact_only=True, constant_g=106.75, dark_sector_in_hubble=False)
_END = len(NODES) - 1
_ROS2 = 1.0 - 1.0 / math.sqrt(2.0)
# gamma; rows of a, of c, last row of a; weights of the time derivative; nodes of the stages
SCHEMES = {
    "RODAS3": (
        0.5,
        ((), (0.0,), (2.0, 0.0), (2.0, 0.0, 1.0)),
        ((), (4.0,), (1.0, -1.0), (1.0, -1.0, -8.0 / 3.0)),
        (2.0, 0.0, 1.0, 1.0),
        (0.5, 1.5, 0.0, 0.0),
        (0, 0, _END, _END),
    ),
    "ROS2": (
        _ROS2,
        ((), (1.0 / _ROS2,)),
        ((), (-2.0 / _ROS2,)),
        (1.5 / _ROS2, 0.5 / _ROS2),
        (_ROS2, -_ROS2),
        (0, _END),
    ),
}


def stepper(name: str):
    """A function like ``rosenbrock.rodas5p_step`` of another scheme."""
    gamma, a, c, last, d, nodes = SCHEMES[name]

    def advance(rhs, given, y, length, jacobian, time_derivative):
        solution = inverse(jnp.eye(y.size) / (length * gamma) - jacobian)
        increments = []
        for row_a, row_c, weight, node in zip(a, c, d, nodes):
            at = y + sum((w * u for w, u in zip(row_a, increments)), jnp.zeros_like(y))
            carried = sum((w * u for w, u in zip(row_c, increments)), jnp.zeros_like(y))
            here = jax.tree.map(lambda leaf: leaf[node], given)  # noqa: B023
            right = rhs(here, at) + carried / length + length * weight * time_derivative
            increments.append(solution @ right)
        return y + sum(w * u for w, u in zip(last, increments))

    return advance


def solved(grid, scheme: str = "Rodas5P"):
    """Y_N, <q>, and q, q^2 F."""
    own = rosenbrock.rodas5p_step if scheme == "Rodas5P" else stepper(scheme)
    step.rodas5p_step = own
    try:
        # the function itself: what has been traced with another scheme must not be taken for it
        solve = production.solve_compiled.__wrapped__
        lowered = jax.jit(lambda model: solve(model, PLASMA, grid, False)).lower(MODEL)
        found = lowered.compile(compiler_options=programs.EFFORTS["once"])(MODEL)
    finally:
        step.rodas5p_step = rosenbrock.rodas5p_step
    q = np.asarray(found.q)
    return float(found.yield_n), float(found.q_mean), q, q**2 * np.asarray(found.f)


def errors(one, reference):
    """Relative error of Y_N and <q>, and of q^2 F over its peak."""
    shape = np.interp(np.log(reference[2]), np.log(one[2]), one[3])
    gap = np.max(np.abs(shape - reference[3])) / np.max(reference[3])
    return abs(one[0] / reference[0] - 1.0), abs(one[1] / reference[1] - 1.0), gap


def with_steps(steps: int):
    return dataclasses.replace(
        grids.FREEZE_OUT, hot_steps=max(1, steps // 4), coupled_steps=steps, late_steps=steps
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("-o", help="where to draw")
    options = parser.parse_args()
    stages = {"Rodas5P": 8, "RODAS3": 4, "ROS2": 2}
    reference = solved(with_steps(16))
    curves = {}
    print(
        "| scheme | steps a unit | stages in all | Y_N | <q> | q^2 F |\n|---|---|---|---|---|---|"
    )
    for scheme, count in stages.items():
        for steps in (2, 4, 8):
            grid = with_steps(steps)
            found = errors(solved(grid, scheme), reference)
            work = (grid.times - 1) * count
            curves.setdefault(scheme, []).append((work, *found))
            cells = " | ".join(f"{each:.0e}" for each in found)
            print(f"| {scheme} | {steps} | {work} | {cells} |", flush=True)
    print("\n| step in ln q | momenta | Y_N | <q> | q^2 F |\n|---|---|---|---|---|")
    usual = grids.FREEZE_OUT
    # steps in time follow the unit, so that they stay as long
    lattices = [(0.4, 12), (0.3, 9), (0.2, 6), (0.1, 3)]
    made = {}
    for log_step, steps in lattices:
        ratio = usual.log_step / log_step
        grid = dataclasses.replace(
            usual,
            log_step=log_step,
            momenta=math.ceil((usual.momenta - 1) * ratio) + 1,
            hot_units=math.floor(usual.hot_units * ratio),
            coupled_units=math.ceil(usual.coupled_units * ratio),
            late_units=math.ceil(usual.late_units * ratio),
            coupled_steps=steps,
            hot_steps=max(1, round(1 / ratio)),
            late_steps=max(1, round(1 / ratio)),
        )
        made[log_step] = grid.momenta, solved(grid)
    for log_step, (momenta, found) in list(made.items())[:-1]:
        off = errors(found, made[0.1][1])
        curves.setdefault("momenta", []).append((momenta, *off))
        print(f"| {log_step} | {momenta} | " + " | ".join(f"{each:.0e}" for each in off) + " |")
    if options.o:
        draw(curves, options.o)


def draw(curves, path):
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(9.0, 3.6), sharey=True)
    for scheme, marker in (("Rodas5P", "o"), ("RODAS3", "s"), ("ROS2", "^")):
        work, *found = zip(*curves[scheme])
        for own, line in zip(found, ("-", "--", ":")):
            left.loglog(work, own, line, marker=marker, label=scheme if line == "-" else None)
    left.set(xlabel="stages in all", ylabel="relative error")
    left.legend(frameon=False)
    momenta, *found = zip(*curves["momenta"])
    for own, line, name in zip(found, ("-", "--", ":"), ("Y_N", "<q>", "q^2 F over its peak")):
        right.loglog(momenta, own, "k" + line, marker="o", label=name)
    right.set(xlabel="momenta")
    right.legend(frameon=False)
    figure.tight_layout()
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    main()
