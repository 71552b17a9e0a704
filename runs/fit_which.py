"""Which mechanism a measurement prefers: the Bayes factor of two fits, and both by quadrature.

    python runs/fit_which.py [FOLDER]

Runs runs/fit-which-freeze-out.toml and runs/fit-which-decay.toml as `sterile fit` does; a minute or
two. Beside it the evidences are integrals over the priors, on a lattice of the pipeline's points.
"""

import math
import sys
import tomllib
from pathlib import Path

import jax

jax.config.update("jax_enable_x64", True)

import numpy as np  # noqa: E402

import sterile  # noqa: E402
import sterile.fit  # noqa: E402
from sterile import session  # noqa: E402

HERE = Path(__file__).parent
MEASURED = ("omega_h2", "q_mean")
NODES = 201


def likelihood(content, name, value):
    """exp(-pull^2/2) of a measurement of a fit's file."""
    term = content["fit"]["likelihood"][name]
    return np.exp(-0.5 * ((value - term["mean"]) / term["sigma"]) ** 2)


def prior(content, name):
    """ln of both ends of a log-uniform prior."""
    return np.log(content["fit"]["prior"][name]["log_uniform"])


def seen(model, name, values):
    """Omega h^2 and <q> of a model at each value of a parameter, (n,) each."""
    observe = sterile.fit.pipeline(model, observe=MEASURED)
    points = [observe({name: each}, MEASURED) for each in values]
    return [np.array([float(point[key]) for point in points]) for key in MEASURED]


def of_freeze_out(content) -> float:
    """One integral over ln S, about where the abundance fits: Omega h^2 ~ 1/S."""
    low, high = prior(content, "dilution")
    model = sterile.DilutedFreezeOut(7.0, 1.0, dilution=1.0)
    ((undiluted,), _) = seen(model, "dilution", [1.0])
    x = math.log(undiluted / 0.12) + np.linspace(-0.1, 0.1, NODES)
    both = zip(MEASURED, seen(model, "dilution", np.exp(x)))
    density = np.prod([likelihood(content, name, value) for name, value in both], axis=0)
    return math.log(np.trapezoid(density, x) / (high - low))


def of_decay(content) -> float:
    """One integral over the width, and one over the yield: Omega h^2 ~ Y, <q> does not know it."""
    low, high = prior(content, "width_gev")
    x = np.linspace(low, high, NODES)
    model = sterile.ParentDecay(7.0, 100.0, 1e-15, parent_yield=1e-5)
    abundance, mean = seen(model, "width_gev", np.exp(x))
    by_width = np.trapezoid(likelihood(content, "q_mean", mean), x) / (high - low)
    ends = prior(content, "parent_yield")
    y = np.linspace(*ends, 100_001)
    of_yield = likelihood(content, "omega_h2", abundance[0] * np.exp(y) / 1e-5)
    return math.log(by_width * np.trapezoid(of_yield, y) / (ends[1] - ends[0]))


def main(folder):
    session.start("once")
    found = {}
    for name, integral in (("freeze-out", of_freeze_out), ("decay", of_decay)):
        path = HERE / f"fit-which-{name}.toml"
        exact = integral(tomllib.loads(path.read_text()))
        summary = sterile.fit.run(path, Path(folder) / f"fit-which-{name}.h5")
        found[name] = summary["log_evidence"], summary["log_evidence_error"], exact
        print(
            f"{summary['kind']}: log evidence {found[name][0]:.3f} +- {found[name][1]:.3f}, by "
            f"quadrature {exact:.3f}",
            flush=True,
        )
        for each in summary["warnings"]:
            print(f"  {each}")
    (one, left, exact), (other, right, instead) = found.values()
    print(
        f"ln Bayes factor {one - other:.3f} +- {math.hypot(left, right):.3f}, by quadrature "
        f"{exact - instead:.3f}"
    )


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else ".")
