"""A reaction channel of one's own: X X <-> f f through a light mediator, then X -> N N.

L = mu/2 phi X^2 + g phi f-bar f with massless f and m_phi < 2 m_X gives the reduced cross section

    W(s) = (mu g)^2 s/(4 pi (s - m_phi^2)^2),    sigma v_Moller = W/(4 E_1 E_2),

from which the solver of ``sterile.parents`` makes gain, loss and freeze-out.
"""

import dataclasses
import math
from typing import ClassVar

import equinox as eqx
import jax.numpy as jnp
from jax import Array

import sterile
from sterile.parents import FromPairs, Parent, solve_parent


class Mediator(eqx.Module):
    """W(s), s in GeV^2: a module, so that its numbers can be scanned and differentiated."""

    coupling_gev: Array  # mu g
    mass_gev: Array  # m_phi

    def __call__(self, s):
        return self.coupling_gev**2 * s / (4.0 * math.pi * (s - self.mass_gev**2) ** 2)


class MediatedDecay(sterile.Model):
    """A scalar X that comes and goes in pairs through a light mediator, and decays to N N."""

    kind: ClassVar[str] = "mediated-decay"
    parent_mass_gev: Array = sterile.parameter("GeV", "mass of X", 5.0, 1e4, 100.0)
    mediator_share: Array = sterile.parameter("1", "m_phi/m_X", 0.0, 1.5, 0.5)
    coupling_gev: Array = sterile.parameter("GeV", "product mu g", 1e-12, 1e2, 1e-6)
    width_gev: Array = sterile.parameter("GeV", "width of X -> N N", 1e-25, 1e-12, 1e-18)


def solve(model, plasma, grid, error_estimate) -> sterile.Production:
    """The parents' solver with this channel."""
    channel = Mediator(model.coupling_gev, model.mediator_share * model.parent_mass_gev)
    parent = Parent(model.parent_mass_gev, model.width_gev)
    found = solve_parent(parent, FromPairs(channel), plasma)
    status = jnp.where(sterile.in_range(model), found.status, sterile.Status.OUT_OF_RANGE)
    return dataclasses.replace(found, model=model, status=status.astype("int32"))


sterile.register(sterile.Mechanism(model=MediatedDecay, solve=solve))
