"""The posterior of (lambda, y, m_N) on both branches: inversion, tables, NUTS, evidence, figure.

    python runs/fit_posterior.py [OUT.h5] [FIGURE.png]     # some minutes on two cores

A scalar of 100 GeV, a prior on the mass, the measured abundance, the Milky Way's satellites. Where
the abundance and the mass can agree, two couplings do it: on each branch the pipeline is tabulated
around its coupling, sampled, weighed by its evidence, and checked against the pipeline itself.
`sterile fit runs/fit-posterior.toml` samples the same posterior with no table.
"""

import json
import math
import sys
import time

import jax
import numpy as np

jax.config.update("jax_enable_x64", True)

import jax.numpy as jnp  # noqa: E402

import sterile  # noqa: E402
from sterile import fit  # noqa: E402

MODEL = sterile.ScalarDecay(scalar_mass_gev=100.0, portal_coupling=1e-8, yukawa=1e-9)
COUPLING = fit.Prior("log_uniform", 1e-10, 2e-5)
PRIORS = {
    "yukawa": fit.Prior("log_uniform", 1e-9, 3e-8),
    "mass_kev": fit.Prior("log_normal", 20.0, 0.5),
}
# the table's box: three and a half standard deviations of the mass's prior
MASSES = fit.Prior("log_uniform", 20.0 * math.exp(-1.75), 20.0 * math.exp(1.75))
TERMS = (fit.Normal("omega_h2", 0.12, 0.0012), fit.Published("milky-way-satellites"))
OBSERVED, ALLOWANCE = 63.0, 6.0
SAMPLES, CHAINS = 500, 2


class Satellites:
    """What the constraint's own likelihood says of a number of satellites."""

    def __init__(self, count):
        missing = jnp.maximum(OBSERVED - count, 0.0)
        self.log_likelihood = -0.5 * (missing / ALLOWANCE) ** 2


class Branch(fit.Tabulated):
    """A table of yields and satellites, asked as the pipeline is."""

    def __call__(self, values, names):
        at = dict(values)
        if "mass_kev" not in at:
            at["mass_kev"] = jnp.exp(0.5 * sum(MASSES.edges))
            ratio = super().__call__(at, ("omega_h2",))["omega_h2"]
            at["mass_kev"] = at["mass_kev"] * values["omega_h2"] / ratio
        found = super().__call__(at, self.names)
        found["mass_kev"] = at["mass_kev"]
        found["milky-way-satellites"] = Satellites(found["n_satellites"])
        return {name: found[name] for name in names}


def couplings(branch: str) -> fit.Prior:
    """The range of lambda that the table's masses need."""
    ends = []
    for mass in (MASSES.first, MASSES.second):
        low, high = (1e-10, 1e-6) if branch == "freeze-in" else (3e-7, 1e-4)
        found = fit.solve_for(
            {"omega_h2": 0.12},
            "portal_coupling",
            MODEL,
            mass_kev=mass,
            low=low,
            high=high,
            points=5,
        )
        ends.append(float(found[branch].value))
    # beyond this freeze-out the decays of S in equilibrium make the neutrinos, whatever lambda is
    high = 1.07 * max(ends) if branch == "freeze-in" else COUPLING.second
    return fit.Prior("log_uniform", 0.93 * min(ends), high)


def sampled(branch: str, seed: int) -> dict:
    """Draws of one branch and what they say."""
    prior = couplings(branch)
    box = {"portal_coupling": prior, "mass_kev": MASSES, "yukawa": PRIORS["yukawa"]}
    middle = sterile.ScalarDecay(100.0, math.sqrt(prior.first * prior.second), 5e-9)
    pipeline = fit.pipeline(
        middle, mass_kev=7.0, grid=sterile.choose_grid(middle), observe=("omega_h2", "n_satellites")
    )
    table = fit.tabulate(pipeline, box, ("omega_h2", "n_satellites"), nodes=7)
    print(f"{branch}: lambda {prior.first:.3g} to {prior.second:.3g}, table good to {table.error}")
    table = Branch(table.priors, table.names, table.coefficients, table.error)
    target = fit.Target(table, {"portal_coupling": prior, **PRIORS}, TERMS)
    begun = time.monotonic()
    start = fit.maximum(target, jnp.zeros(3), stretch=True).z
    chains = [
        fit.sample(target, start + 0.3 * (-1) ** i, SAMPLES, seed=10 * seed + i)
        for i in range(CHAINS)
    ]
    seconds = time.monotonic() - begun
    draws = np.stack([chain.draws for chain in chains])
    statistics = {
        name: np.stack([chain.statistics[name] for chain in chains])
        for name in chains[0].statistics
    }
    evidence = fit.bridge(
        draws, statistics["lp"], lambda z: -float(fit.value_and_gradient(target, z)[0]), 400, seed
    )
    values = fit.sampled(target, draws)
    # one number more of each draw, for the figure: the derived mass
    masses = jax.vmap(lambda z: fit.evaluate(target, z).values["mass_kev"])(draws.reshape(-1, 3))
    values["mass_kev"] = np.asarray(masses).reshape(draws.shape[:2])
    found = fit.diagnostics(draws, statistics, seconds)
    # the prior of lambda is that of the whole range, the branch has a part of it
    share = (prior.edges[1] - prior.edges[0]) / (COUPLING.edges[1] - COUPLING.edges[0])
    found |= {"log_evidence": evidence.log_value + math.log(share)}
    found |= {"log_evidence_error": evidence.error}
    off = []
    for z in draws.reshape(-1, 3)[:: CHAINS * SAMPLES // 40]:
        seen = fit.values_at(target, jnp.asarray(z))
        exact = pipeline(seen, ("n_satellites", "omega_h2", "mass_kev"))
        ours = table(seen, ("n_satellites", "mass_kev"))
        off.append(
            [
                float(exact["n_satellites"] / ours["n_satellites"]) - 1.0,
                float(exact["mass_kev"] / ours["mass_kev"]) - 1.0,
            ]
        )
    found["largest_table_error"] = np.abs(off).max(axis=0).tolist()
    code = {"freeze-in": 0, "freeze-out": 1}[branch]
    values["branch"] = np.full(draws.shape[:2], code)
    return {"found": found, "groups": {"posterior": values, "sample_stats": statistics}}


def main():
    output = sys.argv[1] if len(sys.argv) > 1 else "fit-posterior.h5"
    figure = sys.argv[2] if len(sys.argv) > 2 else "fit-posterior.png"
    parts = {name: sampled(name, i) for i, name in enumerate(("freeze-in", "freeze-out"))}
    logs = np.array([part["found"]["log_evidence"] for part in parts.values()])
    weights = np.exp(logs - logs.max())
    weights /= weights.sum()
    groups = fit.combine([part["groups"] for part in parts.values()], weights, seed=1)
    summary = {
        "method": "nuts",
        "branches": {
            name: part["found"] | {"weight": float(weight)}
            for (name, part), weight in zip(parts.items(), weights)
        },
        "parameters": fit.summarise(groups["posterior"]),
    }
    print(json.dumps(summary, indent=1))
    fit.write(output, fit.Fit(groups, summary))
    from spectra import plots

    plots.save(fit.figure_corner(fit.load(output)), figure)


if __name__ == "__main__":
    main()
