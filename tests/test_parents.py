"""Other parents than S: against S itself, what is refused; closed forms: ``closed_forms.py``."""

import numpy as np
import pytest

import sterile
from sterile.parents.solution import FromDecay, FromPairs, Parent, solve_parent
from sterile.scalar.accuracy import COARSER, rescaled
from sterile.scalar.grids import FREEZE_OUT
from sterile.status import is_failure

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


# points that gave no finite number, lost it, or were not there when the decays began
_CORNERS = [
    # colder than the lattice, decays at T = 200 m_P, and its spectrum's end
    {"origin": "thermal", "parent_mass_gev": 3.16, "width_gev": 1e-20, "ratio": 0.0131},
    {"origin": "thermal", "parent_mass_gev": 25.1, "width_gev": 3.1e-11, "ratio": 0.487},
    {"origin": "thermal", "parent_mass_gev": 0.0156, "width_gev": 2.4e-17, "ratio": 0.923},
    # made and decaying thousands of times a Hubble time, and at T = 1e-8 m_P
    {"origin": "bath-decay", "parent_mass_gev": 2.27, "width_gev": 7e-11, "bath": (91.0, 2.3e-15)},
    {
        "origin": "bath-decay",
        "parent_mass_gev": 0.0255,
        "width_gev": 2.1e-9,
        "bath": (0.0793, 8.2e-12),
    },
    {"origin": "bath-decay", "parent_mass_gev": 5e3, "width_gev": 4e-26, "bath": (1.5e5, 3.5e-22)},
    # P of so much energy that H is its own: it decays at T = 4e-11 m_P, and half had not
    {"origin": "at-rest", "parent_mass_gev": 7.55e4, "width_gev": 4.1e-26, "parent_yield": 2.86e-3},
    {"origin": "pairs", "parent_mass_gev": 4.6e4, "width_gev": 1.7e-26, "pair_amplitude": 1.7e-15},
]


@pytest.mark.invariants
@pytest.mark.parametrize("corner", _CORNERS)
def test_number_balances_in_every_corner(corner):
    values = dict(corner)
    bath = values.pop("bath", None)
    if bath is not None:
        values |= {"bath_mass_gev": bath[0], "bath_width_gev": bath[1]}
    if "ratio" in values:
        values["parent_temperature_ratio"] = values.pop("ratio")
    production = sterile.solve(sterile.ParentDecay(mass_kev=1.0, **values))
    assert not is_failure(int(production.status))
    # 4e-4 is the worst of 120 points over the whole range
    assert float(production.yield_n_spectrum) == pytest.approx(float(production.yield_n), rel=5e-4)


@pytest.mark.invariants
def test_a_parent_that_is_gone_before_the_start_is_refused():
    with pytest.raises(ValueError, match="T > 100 m_P"):
        sterile.ParentDecay(7.0, 0.03, 1e-11, parent_yield=1e-6)
    # made in the plasma, it may decay as fast as it likes
    sterile.ParentDecay(7.0, 0.03, 1e-11, origin="pairs", pair_amplitude=1e-9)


@pytest.mark.invariants
def test_a_mode_that_is_gone_stays_gone():
    # P decays 1e8 times a Hubble time; of modes below 1e-60 the coarser solution made an inf
    model = sterile.ParentDecay(
        1.0, 3.791261, 4.003785e-13, origin="pairs", pair_amplitude=1.11736e-18
    )
    made = sterile.solve(model)
    coarse = sterile.solve(model, None, rescaled(sterile.choose_grid(model), COARSER))
    # the next finer grid moves Y_N by 4e-8 and <q> by 2e-6; the coarser one is off by 1.4e-5
    assert float(coarse.yield_n) == pytest.approx(float(made.yield_n), rel=5e-5)
    assert float(coarse.q_mean) == pytest.approx(float(made.q_mean), rel=5e-5)
