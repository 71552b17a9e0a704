"""Freeze-in or freeze-out: the two sheets on which a coupling gives an abundance."""

import equinox as eqx
import jax
import jax.numpy as jnp

from spectra.programs import program
from sterile.models import Plasma
from sterile.scalar.lattice import Grid
from sterile.scalar.model import ScalarDecay
from sterile.scalar.production import solve

BRANCHES = ("freeze-in", "freeze-out")
# dln Y_N/dln lambda is 2 in freeze-in; below this S has come to share the bath's temperature
_RISING = 0.0


def branch(model: ScalarDecay, plasma: Plasma, grid: Grid) -> tuple[str, float]:
    """The branch of a concrete model, "freeze-in" where Y_N rises with lambda, and the slope."""
    slope = float(coupling_slope(model, plasma, grid))
    return (BRANCHES[0] if slope > _RISING else BRANCHES[1]), slope


@program
def coupling_slope(model: ScalarDecay, plasma: Plasma, grid: Grid):
    """dln Y_N/dln lambda."""

    def ln_yield(shift):
        moved = eqx.tree_at(
            lambda m: m.portal_coupling, model, model.portal_coupling * jnp.exp(shift)
        )
        return jnp.log(solve(moved, plasma, grid, False).yield_n)

    return jax.jvp(ln_yield, (jnp.zeros(()),), (jnp.ones(()),))[1]
