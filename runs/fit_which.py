"""Which mechanism a measurement prefers: the Bayes factor of two fits, and both by quadrature.

    python runs/fit_which.py [FOLDER]     # a quarter of an hour on a busy machine

Runs runs/fit-which-freeze-out.toml and runs/fit-which-decay.toml as `sterile fit` does. Beside it
the evidences are integrals over the priors: Omega h^2 is proportional to the yield, and k(T = 1/2)
depends on the shape alone, so that each is one integral over one parameter, taken on a lattice of
the pipeline's own points.
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
NODES = 201


def likelihood(content, name, value):
    """exp(-pull^2/2) of a measurement of a fit's file."""
    term = content["fit"]["likelihood"][name]
    return np.exp(-0.5 * ((value - term["mean"]) / term["sigma"]) ** 2)


def prior(content, name):
    """ln of both ends of a log-uniform prior."""
    return np.log(content["fit"]["prior"][name]["log_uniform"])


def of_freeze_out(content) -> float:
    """Y ~ 1/S and k ~ S^(1/3) nearly: where the abundance fits, k on a lattice of S."""
    low, high = prior(content, "dilution")
    sigma = content["fit"]["likelihood"]["omega_h2"]["sigma"] / 0.12
    at = float(sterile.evaluate(sterile.DilutedFreezeOut(7.0, 1.0, dilution=1.0)).omega_h2)
    middle = math.log(at / content["fit"]["likelihood"]["omega_h2"]["mean"])
    x = np.linspace(middle - 8.0 * sigma, middle + 8.0 * sigma, NODES)
    points = [
        sterile.evaluate(sterile.DilutedFreezeOut(7.0, 1.0, dilution=math.exp(each))) for each in x
    ]
    density = np.ones(NODES)
    for name in ("omega_h2", "k_t_half_h_mpc"):
        density *= likelihood(content, name, np.array([getattr(p, name) for p in points]))
    return math.log(np.trapezoid(density, x) / (high - low))


def of_decay(content) -> float:
    """One integral over the width, and one over the yield."""
    low, high = prior(content, "width_gev")
    x = np.linspace(low, high, NODES)

    def at(log_width):
        width = math.exp(log_width)
        return sterile.evaluate(sterile.ParentDecay(7.0, 100.0, width, parent_yield=1e-5))

    points = [at(each) for each in x]
    by_width = likelihood(content, "k_t_half_h_mpc", np.array([p.k_t_half_h_mpc for p in points]))
    ends = prior(content, "parent_yield")
    yields = np.linspace(*ends, 100_001)
    abundance = float(points[0].omega_h2) * np.exp(yields) / 1e-5
    by_yield = likelihood(content, "omega_h2", abundance)
    integrals = np.trapezoid(by_width, x) / (high - low), np.trapezoid(by_yield, yields)
    return math.log(integrals[0] * integrals[1] / (ends[1] - ends[0]))


def main(folder):
    session.start()
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
