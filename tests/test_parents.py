"""Other parents than S: against S itself, what is refused; closed forms: ``closed_forms.py``."""

import numpy as np
import pytest

import sterile
from sterile.parents.solution import FromDecay, FromPairs, Parent, solve_parent
from sterile.scalar.grids import FREEZE_OUT

G = 106.75
BATH = sterile.Plasma(constant_g=G, dark_sector_in_hubble=False)


@pytest.mark.analytic
@pytest.mark.slow
def test_annihilation_with_any_cross_section():
    # W constant is the contact annihilation of S above T_EW, in freeze-in and freeze-out
    mass, coupling, yukawa = 500.0, 1e-3, 1e-9
    plasma = sterile.Plasma(contact_only=True, constant_g=G, dark_sector_in_hubble=False)
    scalar = sterile.solve(sterile.ScalarDecay(mass, coupling, yukawa), plasma, FREEZE_OUT)
    parent = Parent(mass, yukawa**2 * mass / (16.0 * np.pi))
    found = solve_parent(parent, FromPairs(_constant), BATH, FREEZE_OUT)
    assert float(found.yield_n) == pytest.approx(float(scalar.yield_n), rel=1e-6)
    np.testing.assert_allclose(found.f, scalar.f, rtol=1e-5)


def _constant(s):
    return 4e-6 / np.pi + 0.0 * s


@pytest.mark.invariants
def test_what_is_refused():
    with pytest.raises(ValueError, match="statistics"):
        Parent(1.0, 1e-20, statistics="anyons")
    with pytest.raises(ValueError, match="neutrinos_per_decay = 3"):
        Parent(1.0, 1e-20, neutrinos_per_decay=3)
    with pytest.raises(ValueError, match="partner_mass_gev"):
        Parent(1.0, 1e-20, partner_mass_gev=0.5)
    with pytest.raises(ValueError, match="must be positive"):
        Parent(1.0, -1e-20)
    with pytest.raises(ValueError, match="outside the allowed range"):
        solve_parent(Parent(10.0, 1e-20), FromDecay(15.0, 1e-20, parents_per_decay=2))
