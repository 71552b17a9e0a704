"""Identities that the solver of S has to reproduce; closed forms are in ``closed_forms.py``."""

import numpy as np
import pytest
from production_cases import PAPER

import sterile
from spectra.constants import HIGGS_MASS_GEV, REDUCED_PLANCK_MASS_GEV
from sterile.contract import abundance_per_kev, relic_mass_kev
from sterile.scalar.amplitudes import higgs_decay_width_gev
from sterile.scalar.collisions import w_hat_smooth

G = 106.75
M0 = REDUCED_PLANCK_MASS_GEV * np.sqrt(90.0 / (np.pi**2 * G))


@pytest.mark.analytic
def test_freeze_in_below_the_electroweak_temperature():
    # The integrated equations, without momentum space: with K_1 from scipy,
    # contact, T > T_EW:    dn/dt = W [m T K_1(m/T)]^2/(16 pi^4), W = 4 lambda^2/pi
    # annihilation:         dn/dt = T/(64 pi^4) int ds W(s) sqrt(s - 4m^2) K_1(sqrt(s)/T)
    # Higgs decay (2 S):    dn/dt = 2 Gamma m_h^2 T K_1(m_h/T)/(2 pi^2)
    from scipy.integrate import trapezoid
    from scipy.special import k1

    mass, coupling = 30.0, 1e-11
    width = float(higgs_decay_width_gev(mass, coupling))
    # steps of 0.01 in ln T and of 0.005 in ln s: trapezoid errors below 1e-5
    temperature = np.exp(np.linspace(np.log(0.5), np.log(160.0), 600))[:, None]
    s = 4.0 * mass**2 * np.exp(np.linspace(1e-9, 1.0, 3001) ** 2 * 9.0)
    w_hat = coupling**2 * np.asarray(w_hat_smooth(s, mass, coupling, "narrow"))
    kernel = w_hat * np.sqrt(s - 4.0 * mass**2) * k1(np.sqrt(s) / temperature)
    pairs = trapezoid(kernel, s, axis=1) * temperature[:, 0] / (64.0 * np.pi**4)
    temperature = temperature[:, 0]
    decays = 2.0 * width * HIGGS_MASS_GEV**2 * temperature * k1(HIGGS_MASS_GEV / temperature)
    rate = pairs + decays / (2.0 * np.pi**2)

    def produced(temperature, rate):
        entropy = 2.0 * np.pi**2 / 45.0 * G * temperature**3
        return trapezoid(rate / (entropy * temperature**2 / M0), np.log(temperature))

    above = np.exp(np.linspace(np.log(160.0), np.log(2000.0 * mass), 1200))
    contact_rate = 4.0 * coupling**2 / np.pi * (mass * above * k1(mass / above)) ** 2
    expected = produced(temperature, rate) + produced(above, contact_rate / (16.0 * np.pi**4))

    plasma = sterile.Plasma(constant_g=G, dark_sector_in_hubble=False)
    production = sterile.solve(sterile.ScalarDecay(mass, coupling, 1e-9), plasma)
    # the narrow resonance's off-shell part and the lattice are good to 3e-5
    assert 0.5 * float(production.yield_n) == pytest.approx(expected, rel=1e-4)


@pytest.mark.analytic
def test_relic_density_conversions():
    # 0.12 = 275.9 (m/keV) Y; m_N = 4.3488e-4 keV/Y_N
    assert abundance_per_kev() == pytest.approx(275.939, rel=1e-5)
    assert relic_mass_kev(1e-5, 0.12) == pytest.approx(4.3488e1, rel=1e-4)


@pytest.mark.slow
@pytest.mark.analytic
def test_equilibrium_is_the_fixed_point():
    # with everything fast, f follows exp(-E/T)
    scalar = sterile.solve(sterile.ScalarDecay(30.0, 1e-3, 1e-12), PAPER).scalar
    temperature = np.asarray(scalar.temperature_gev)
    p = np.exp(np.asarray(scalar.log_q) - np.asarray(scalar.clock)[:, None])
    energy = np.sqrt(p**2 + 30.0**2) / temperature[:, None]
    typical = (energy < 12.0) & ((temperature < 1e4) & (temperature > 15.0))[:, None]
    ratio = np.asarray(scalar.f)[typical] * np.exp(energy[typical])
    # the lag behind equilibrium is H over the rate, 1e-6 and less at this coupling, but for pairs
    # too slow to meet the resonance
    assert np.max(np.abs(ratio - 1.0)) < 1e-4
