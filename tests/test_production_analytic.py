"""Closed forms that the solver has to reproduce; sources in production.md section 7 of the design
notes, derived in Merle & Totzauer 1502.01011 and here checked independently of any file."""

import jax.numpy as jnp
import numpy as np
import pytest

import sterile
from spectra.constants import (
    ENTROPY_DEGREES_OF_FREEDOM_TODAY,
    HIGGS_MASS_GEV,
    REDUCED_PLANCK_MASS_GEV,
)
from sterile.amplitudes import higgs_decay_width_gev, scalar_decay_width_gev
from sterile.production import FREEZE_IN, FREEZE_OUT, abundance_per_kev, relic_mass_kev

G = 106.75
M0 = REDUCED_PLANCK_MASS_GEV * np.sqrt(90.0 / (np.pi**2 * G))
CONTACT = sterile.Plasma(contact_only=True, constant_g=G, dark_sector_in_hubble=False)
# q = (p/T) (g_s0/g)^(1/3)
SCALE = (ENTROPY_DEGREES_OF_FREEDOM_TODAY / G) ** (1.0 / 3.0)


def contact(coupling, yukawa, mass=500.0, grid=FREEZE_IN):
    return sterile.solve(sterile.ScalarDecay(mass, coupling, yukawa), CONTACT, grid)


@pytest.mark.analytic
@pytest.mark.parametrize("coupling", [1e-12, 1e-10])
def test_contact_freeze_in(coupling):
    # Y_S = 135 lambda^2 M_0/(256 pi^5 g m_S); the start at 2000 m_S leaves out 3e-6
    expected = 2.0 * 135.0 * coupling**2 * M0 / (256.0 * np.pi**5 * G * 500.0)
    assert float(contact(coupling, 1e-9).yield_n) == pytest.approx(expected, rel=1e-5)


@pytest.mark.analytic
def test_higgs_decay_freeze_in():
    # Y_S = 135 Gamma(h -> SS) M_0/(4 pi^3 g m_h^2) for decays at all T: T_EW high enough above m_h
    # is not reachable, so the broken phase's rate is integrated from T_EW on:
    # dY/d ln(1/T) = Gamma m_h^2 T K_1(m_h/T)/(2 pi^2) * 2/(s H), with K_1 from scipy
    from scipy.integrate import quad
    from scipy.special import k1

    mass, coupling = 30.0, 1e-11
    plasma = sterile.Plasma(constant_g=G, dark_sector_in_hubble=False)
    width = float(higgs_decay_width_gev(mass, coupling))

    def integrand(log_temperature):
        temperature = np.exp(log_temperature)
        entropy = 2.0 * np.pi**2 / 45.0 * G * temperature**3
        rate = 2.0 * width * HIGGS_MASS_GEV**2 * temperature * k1(HIGGS_MASS_GEV / temperature)
        return rate / (2.0 * np.pi**2) / (entropy * temperature**2 / M0)

    decays = quad(integrand, np.log(1.0), np.log(160.0), epsrel=1e-10)[0]
    # pairs from the contact term before and annihilation after are added from a run without
    # the decay: the same solver with the resonance's weight removed
    grid = FREEZE_IN.__class__(**{**vars(FREEZE_IN), "resonance": "narrow"})
    with_decay = sterile.solve(sterile.ScalarDecay(mass, coupling, 1e-9), plasma, grid)
    heavy = sterile.solve(sterile.ScalarDecay(66.0, coupling, 1e-9), plasma, FREEZE_IN)
    # annihilation and contact production of pairs is 1e-3 of the decay here; bound it by the
    # heavier scalar's whole yield
    produced = 0.5 * float(with_decay.yield_n)
    assert decays < produced < decays + 3.0 * float(heavy.yield_n)
    assert produced == pytest.approx(decays, rel=5e-3)


@pytest.mark.analytic
def test_early_decay_in_equilibrium():
    # S in equilibrium: F_N = 4 sqrt(pi) (Gamma M_0/m_S^2) x^(-1/2) e^-x, x = p/T
    production = contact(1e-3, 1e-9, grid=FREEZE_OUT)
    width = float(scalar_decay_width_gev(500.0, 1e-9))
    x = np.asarray(production.q) / SCALE
    expected = 4.0 * np.sqrt(np.pi) * width * M0 / 500.0**2 * x**-0.5 * np.exp(-x)
    inside = (x > 0.02) & (x < 1.5)
    # freeze-out bends the spectrum at larger x (3e-6 at 2, 1.6e-4 at 5)
    assert np.max(np.abs(np.asarray(production.f) / expected - 1.0)[inside]) < 5e-5


@pytest.mark.analytic
def test_late_decay_at_rest():
    # F_N = (8 pi^2 N_S/q_*^2) q^-1 exp(-q^2/q_*^2), q_*^2 = m_S^2/(2 Gamma M_0): <q^2> = q_*^2
    production = contact(1e-8, 1e-11)
    width = float(scalar_decay_width_gev(500.0, 1e-11))
    q_star = np.sqrt(500.0**2 / (2.0 * width * M0)) * SCALE
    # corrections are (p_S/m_S)^2 at decay, ~ (3/q_star)^2 = 1e-6 here
    assert float(production.q_rms) == pytest.approx(q_star, rel=1e-4)
    assert float(production.q_mean) == pytest.approx(np.sqrt(np.pi) / 2.0 * q_star, rel=1e-4)


@pytest.mark.analytic
def test_instantaneous_decay_leaves_the_yield():
    # the number made does not depend on when S decays: y from 1e-9 to 1e-5
    late, early = contact(1e-8, 1e-9), contact(1e-8, 1e-5)
    assert float(early.yield_n) == pytest.approx(float(late.yield_n), rel=3e-5)


@pytest.mark.analytic
def test_relic_density_conversions():
    # 0.12 = 275.9 (m/keV) Y; m_N = 4.3488e-4 keV/Y_N
    assert abundance_per_kev() == pytest.approx(275.939, rel=1e-5)
    assert relic_mass_kev(1e-5, 0.12) == pytest.approx(4.3488e1, rel=1e-4)


@pytest.mark.analytic
def test_equilibrium_is_the_fixed_point():
    # with everything fast, f follows exp(-E/T): S at m_S = 30 GeV, lambda = 1e-4 down to T = m/4
    from production_cases import PAPER

    scalar = sterile.solve(sterile.ScalarDecay(30.0, 1e-4, 1e-12), PAPER).scalar
    temperature = np.asarray(scalar.temperature_gev)
    p = np.exp(np.asarray(scalar.log_q) - np.asarray(scalar.clock)[:, None])
    energy = np.sqrt(p**2 + 30.0**2)
    coupled = (temperature < 150.0) & (temperature > 7.5)
    ratio = np.asarray(scalar.f)[coupled] * np.exp(energy / temperature[:, None])[coupled]
    typical = (energy / temperature[:, None])[coupled] < 12.0
    # the lag behind equilibrium is H over the rate: 1e-6 at this coupling
    assert np.max(np.abs(ratio - 1.0)[typical]) < 1e-4


@pytest.mark.analytic
def test_no_coupling_no_particles():
    # Y is proportional to lambda^2 down to the smallest coupling
    ratio = contact(1e-12, 1e-9).yield_n / contact(1e-11, 1e-9).yield_n
    assert float(ratio) == pytest.approx(1e-2, rel=1e-8)
    assert jnp.all(contact(1e-12, 1e-9).f >= 0.0)
