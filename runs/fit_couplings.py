"""Which couplings give the dark matter, on both branches, and how they change with everything else.

python runs/fit_couplings.py            # about two minutes on two cores, the first time
"""

import jax
import jax.numpy as jnp

jax.config.update("jax_enable_x64", True)

import sterile  # noqa: E402
from sterile import fit  # noqa: E402

MODEL = sterile.ScalarDecay(scalar_mass_gev=100.0, portal_coupling=1e-8, yukawa=1e-9)


def main():
    for mass in (0.01, 7.1, 50.0):
        found = fit.solve_for({"omega_h2": 0.12}, "portal_coupling", MODEL, mass_kev=mass)
        print(f"m_N = {mass:g} keV, {found.evaluations} evaluations")
        for solution in found.solutions:
            print(f"  {solution.branch}: lambda = {float(solution.value):.6g}, "
                  f"dln Y/dln lambda = {solution.slope:+.3f}")  # fmt: skip
        for branch, why in found.absent.items():
            print(f"  no {branch}: {why}")

    def ln_coupling(x):
        model = sterile.ScalarDecay(jnp.exp(x[0]), 1e-8, jnp.exp(x[1]))
        found = fit.solve_for(
            {"omega_h2": jnp.exp(x[3])}, "portal_coupling", model, mass_kev=jnp.exp(x[2]),
            low=1e-9, high=1e-6, points=4,
        )  # fmt: skip
        return jnp.log(found["freeze-in"].value)

    x = jnp.log(jnp.array([100.0, 1e-9, 7.1, 0.12]))
    slopes = [jax.jvp(ln_coupling, (x,), (v,))[1] for v in jnp.eye(4)]
    for name, slope in zip(("m_S", "y", "m_N", "Omega h^2"), slopes):
        print(f"dln lambda/dln {name} = {float(slope):+.6f}")


if __name__ == "__main__":
    main()
