"""Audit of derivatives: forward, reverse and differences at thirty points, as a table.

    python runs/fit_gradients.py [FIRST LAST] [--reverse] [--second]   # an hour for all

A row per point: the largest |forward - difference| over the larger of 1e-6 and ten times the
differences' own error (above 1 is a failure), where it is, and the same for reverse against forward
in units of 1e-9.
"""

import sys
import time
from pathlib import Path

import jax
import numpy as np

jax.config.update("jax_enable_x64", True)
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from gradient_points import (  # noqa: E402
    OBSERVABLES,
    PARAMETERS,
    POINTS,
    by_grid,
    logarithms_at,
    start,
)

from sterile.fit import compare, second_derivatives  # noqa: E402

# away from thresholds
SECOND = (1, 3, 5, 23, 25)


def main():
    numbers = [int(word) for word in sys.argv[1:] if word.isdigit()] or [0, len(POINTS)]
    with_reverse, with_second = "--reverse" in sys.argv, "--second" in sys.argv
    print("| m_S [GeV], λ, y, m_N [keV] | worst ratio | where | difference | reverse − forward |")
    print("|---|---|---|---|---|")
    for index in by_grid(range(*numbers)):
        point, began = POINTS[index], time.monotonic()
        function = logarithms_at(point)
        found = compare(function, start(point), reverse=with_reverse)
        ratio = np.where(np.isfinite(found.value)[:, None], found.excess(), 0.0)
        bad = np.isfinite(found.value)[:, None] & ~np.isfinite(found.forward)
        ratio[bad] = np.inf
        i, j = np.unravel_index(np.argmax(ratio), ratio.shape)
        off = abs(found.forward[i, j] - found.difference[i, j])
        reverse = "–"
        if found.reverse is not None:
            scale = 1.0 + np.abs(found.forward)
            reverse = f"{np.nanmax(np.abs(found.reverse - found.forward) / scale):.0e}"
        words = ", ".join(f"{number:g}" for number in point)
        print(
            f"| {words} | {ratio[i, j]:.2g} | {OBSERVABLES[i]}, {PARAMETERS[j]} | {off:.0e} | "
            f"{reverse} |",
            flush=True,
        )
        if with_second and index in SECOND:
            direction = np.array([0.0, 1.0, -0.7, 0.5, 0, 0, 0, 0, 0, 0, 0])
            exact, difference = second_derivatives(function, start(point), direction)
            print("second:", exact, difference, flush=True)
        print(f"# {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
