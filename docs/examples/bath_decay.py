"""A mechanism of one's own: N from the decays of a particle B of the bath, B -> N + light.

B is in equilibrium with a Maxwell-Boltzmann bath of constant g; N is never many enough to matter.
Freeze-in is then a closed form: with y = p/T,

    F_N(y) = 2 sqrt(pi) g_B Gamma M_0/M^2 y^(-1/2) e^(-y),    M_0 = M_pl sqrt(90/(pi^2 g)).
"""

import math
from typing import ClassVar

import jax.numpy as jnp
from jax import Array

import sterile
from spectra.constants import ENTROPY_DEGREES_OF_FREEDOM_TODAY, REDUCED_PLANCK_MASS_GEV

DEGREES_OF_FREEDOM = 106.75


class BathDecay(sterile.Model):
    """A particle B of the bath that decays to N and something light, B -> N X."""

    kind: ClassVar[str] = "bath-decay"
    bath_mass_gev: Array = sterile.parameter("GeV", "mass M of B", 1.0, 1e5, 100.0)
    width_gev: Array = sterile.parameter("GeV", "width of B -> N X", 1e-25, 1e-10, 1e-17)
    states: Array = sterile.parameter("1", "spin states of B", 1.0, 100.0, 2.0, symbol="$g_B$")


def solve(model, plasma, grid, error_estimate) -> sterile.Production:
    """The closed form, Y_N = 135 g_B Gamma M_0/(8 pi^3 g M^2), and <y> = 5/2, <y^2> = 35/4."""
    planck = REDUCED_PLANCK_MASS_GEV * math.sqrt(90.0 / (math.pi**2 * DEGREES_OF_FREEDOM))
    strength = model.states * model.width_gev * planck / model.bath_mass_gev**2
    cooled = (ENTROPY_DEGREES_OF_FREEDOM_TODAY / DEGREES_OF_FREEDOM) ** (1.0 / 3.0)
    y = jnp.geomspace(1e-4, 40.0, 1200)
    f = 2.0 * math.sqrt(math.pi) * strength * jnp.exp(-y) / jnp.sqrt(y)
    yield_n = 135.0 * strength / (8.0 * math.pi**3 * DEGREES_OF_FREEDOM)
    end = model.bath_mass_gev / 100.0  # T at which no B are left
    return sterile.Production(
        q=y * cooled,
        f=f,
        yield_n=yield_n,
        q_mean=jnp.asarray(2.5 * cooled),
        q_rms=jnp.asarray(math.sqrt(8.75) * cooled),
        history=sterile.History(end[None], yield_n[None]),
        status=jnp.where(sterile.in_range(model), 0, sterile.Status.OUT_OF_RANGE).astype("int32"),
        model=model,
        plasma=plasma,
        grid=grid,
    )


sterile.register(sterile.Mechanism(model=BathDecay, solve=solve))
