"""Other parents than S: closed forms of decays at rest, in equilibrium, and of their production."""

import jax.numpy as jnp
import numpy as np
import pytest

import sterile
from spectra.constants import ENTROPY_DEGREES_OF_FREEDOM_TODAY, REDUCED_PLANCK_MASS_GEV
from sterile.parents.solution import FromDecay, FromPairs, FromRate, Parent, cold, solve_parent
from sterile.scalar.grids import FREEZE_IN, FREEZE_OUT
from sterile.scalar.lattice import YIELD_PER_NUMBER

G = 106.75
M0 = REDUCED_PLANCK_MASS_GEV * np.sqrt(90.0 / (np.pi**2 * G))
SCALE = (ENTROPY_DEGREES_OF_FREEDOM_TODAY / G) ** (1.0 / 3.0)
BATH = sterile.Plasma(constant_g=G, dark_sector_in_hubble=False)


@pytest.mark.analytic
def test_cold_parent_with_a_partner():
    # F = (8 pi^2 N/q_*^2) q^-1 exp(-q^2/q_*^2) for two massless daughters; a partner of 0.6 m
    # leaves r = 2 p_*/m = 0.64, and three spin states give one N each
    mass, number = 1e3, 1e-8
    width = 1e-6 * mass**2 / M0
    parent = Parent(mass, width, partner_mass_gev=0.6 * mass, states=3, neutrinos_per_decay=1)
    found = solve_parent(parent, cold(number), BATH, FREEZE_IN)
    q_star = np.sqrt(mass**2 / (2.0 * width * M0)) * SCALE
    expected = 3.0 * number * 2.0 * np.pi**2 * YIELD_PER_NUMBER
    # what the lattice's first node cuts off
    assert float(found.yield_n) == pytest.approx(expected, rel=1e-6)
    q = np.asarray(found.q) / 0.64
    f = 1.5 / 0.64**3 * 8.0 * np.pi**2 * number / q_star**2 / q * np.exp(-((q / q_star) ** 2))
    # momenta of X at its decay are 1e-5 of m: the shape is that of decay at rest to the steps' 1e-5
    inside = (q > 0.05 * q_star) & (q < 3.0 * q_star)
    np.testing.assert_allclose(np.asarray(found.f)[inside], f[inside], rtol=1e-4)
    assert int(found.status) == 0


@pytest.mark.analytic
@pytest.mark.slow
def test_fermion_in_equilibrium():
    # f = sum_k (-1)^(k-1) exp(-k E/T): F = 4 sqrt(pi) (Gamma M_0/m^2) x^(-1/2)
    # sum_k (-1)^(k-1) k^(-5/2) exp(-k x), twice for two spin states and half for one N a decay
    mass, width = 200.0, 1e-20
    parent = Parent(mass, width, states=2, neutrinos_per_decay=1, statistics="fermi-dirac")
    found = solve_parent(parent, FromRate(_fast), BATH, FREEZE_OUT)
    x = np.asarray(found.q) / SCALE
    series = sum((-1.0) ** (k - 1) * k**-2.5 * np.exp(-k * x) for k in range(1, 60))
    expected = 4.0 * np.sqrt(np.pi) * width * M0 / mass**2 * x**-0.5 * series
    inside = (x > 0.1) & (x < 8.0)
    ratio = np.asarray(found.f)[inside] / expected[inside]
    # 1e-4: early times, when X is on its way to equilibrium, and the steps
    np.testing.assert_allclose(ratio, 1.0, rtol=1e-4)


def _fast(p, temperature):
    """1e6 times the expansion rate, whatever the momentum, times f_eq."""
    energy = jnp.sqrt(p**2 + 200.0**2)
    return 1e6 * temperature**2 / M0 * jnp.exp(-energy / temperature)


@pytest.mark.analytic
@pytest.mark.slow
@pytest.mark.parametrize("two", [True, False])
def test_freeze_in_from_decay(two):
    # Y_X = kappa 135 g_B Gamma M_0/(8 pi^3 g M^2), whatever the masses of the products
    mass, heavy, width = 50.0, 400.0, 1e-22
    source = FromDecay(heavy, width, 150.0, states=3, parents_per_decay=2 if two else 1)
    parent = Parent(mass, 1e-22, states=2)
    found = solve_parent(parent, source, BATH, FREEZE_IN)
    expected = 3.0 * (2.0 if two else 1.0) * 135.0 * width * M0 / (8.0 * np.pi**3 * G * heavy**2)
    # 1e-4: X made before T = 2000 m and after m/30; steps
    assert float(found.yield_n) == pytest.approx(2.0 * expected, rel=1e-4)


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
