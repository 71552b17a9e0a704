"""The edge of the half-mode test in the plane of both couplings, followed, and by a dense scan.

    python runs/fit_boundary.py [SIDE]      # SIDE = 24 points a side of the scan; 0 for none

Prints the line's points, how many evaluations it took, and how far the scan's own zero line,
interpolated linearly in its cells, is from it.
"""

import sys
import time

import jax
import numpy as np

jax.config.update("jax_enable_x64", True)

import jax.numpy as jnp  # noqa: E402

import sterile  # noqa: E402
from sterile import fit  # noqa: E402

MODEL = sterile.ScalarDecay(scalar_mass_gev=100.0, portal_coupling=1e-8, yukawa=1e-9)
PLANE, LOW, HIGH = ("portal_coupling", "yukawa"), (1e-9, 1e-10), (1e-3, 1e-7)
TEST = "half-mode-3.3keV"


def main():
    side = int(sys.argv[1]) if len(sys.argv) > 1 else 24
    began = time.monotonic()
    edge = fit.trace(TEST, PLANE, MODEL, low=LOW, high=HIGH)
    seconds = time.monotonic() - began
    for curve, closed in zip(edge.curves, edge.closed):
        print(f"{'closed' if closed else 'open'} line of {len(curve)} points:")
        for coupling, yukawa in curve:
            print(f"  {coupling:.5e}  {yukawa:.5e}")
    print(f"{edge.evaluations} evaluations with gradient, {seconds:.0f} s with compiling")
    if side:
        compare(edge, side)


def compare(edge, side: int):
    """Distance of a dense scan's zero line from the followed one, in its own cells."""
    pipeline = fit.pipeline(MODEL, vary=PLANE, observe=(TEST,))
    margin = jax.jit(lambda a, b, p: p({PLANE[0]: a, PLANE[1]: b}, (TEST,))[TEST].margin)
    x = [np.linspace(np.log(low), np.log(high), side) for low, high in zip(LOW, HIGH)]
    values = np.array(
        [[float(margin(jnp.exp(a), jnp.exp(b), pipeline)) for b in x[1]] for a in x[0]]
    )
    cells = [line[1] - line[0] for line in x]
    line = np.concatenate([np.log(curve) for curve in edge.refined(8)]) / cells
    worst = 0.0
    for i in range(side):
        for j in range(side):
            for k, m in ((i + 1, j), (i, j + 1)):
                if max(k, m) == side or (values[i, j] > 0) == (values[k, m] > 0):
                    continue
                share = values[i, j] / (values[i, j] - values[k, m])
                place = np.array([x[0][i], x[1][j]])
                place = place + share * (np.array([x[0][k], x[1][m]]) - place)
                worst = max(worst, np.min(np.linalg.norm(line - place / cells, axis=1)))
    print(f"dense scan of {side}^2 = {side**2} points: its line is within {worst:.3f} of a cell")


if __name__ == "__main__":
    main()
