"""Kinds of N, mixing of S with h, and a universe that S dominates, against closed forms."""

from types import SimpleNamespace

import numpy as np
import pytest
from scipy.integrate import solve_ivp

import spectra
import sterile
from spectra.constants import (
    ENTROPY_DEGREES_OF_FREEDOM_TODAY,
    HIGGS_MASS_GEV,
    HIGGS_VEV_GEV,
    REDUCED_PLANCK_MASS_GEV,
)
from sterile import bounds, xray
from sterile.scalar import higgs_mixing
from sterile.scalar.amplitudes import scalar_decay_width_gev
from sterile.scalar.grids import FREEZE_IN, FREEZE_OUT
from sterile.scalar.lattice import YIELD_PER_NUMBER

G = 106.75
M0 = REDUCED_PLANCK_MASS_GEV * np.sqrt(90.0 / (np.pi**2 * G))
SCALE = (ENTROPY_DEGREES_OF_FREEDOM_TODAY / G) ** (1.0 / 3.0)
CONTACT = sterile.Plasma(contact_only=True, constant_g=G, dark_sector_in_hubble=False)
GRAVITY = sterile.Plasma(contact_only=True, constant_g=G)


@pytest.mark.slow
@pytest.mark.analytic
def test_dirac_neutrino():
    majorana = sterile.ScalarDecay(500.0, 1e-10, np.sqrt(2.0) * 1e-9)
    dirac = sterile.ScalarDecay(500.0, 1e-10, 1e-9, neutrino="dirac")
    one, two = (sterile.solve(model, CONTACT, FREEZE_IN) for model in (majorana, dirac))
    # twice the width at the same y, two particles a decay in both: F knows only y's size. 1e-12:
    # rounding of sqrt(2)
    np.testing.assert_allclose(two.f, one.f, rtol=1e-12)
    assert float(two.yield_n) == pytest.approx(float(one.yield_n), rel=1e-12)
    # the same particles in twice the states
    assert float(two.occupation_max) == pytest.approx(0.5 * float(one.occupation_max), rel=1e-12)
    spectrum = two.spectrum(mass_kev=7.0)
    limits = [float(bounds.pauli(spectrum, states).threshold) for states in (2, 4)]
    assert limits[1] == pytest.approx(limits[0] / 2.0**0.25, rel=1e-12)
    # rho_N and m^4 F_max are sums over states whatever their number
    assert float(bounds.phase_space(spectrum).threshold) == pytest.approx(
        float(bounds.phase_space(one.spectrum(mass_kev=7.0)).threshold), rel=1e-12
    )
    report = bounds.spectrum_verdicts(spectrum, helicity_states=4)
    assert float(report["tremaine-gunn-pauli"].threshold) == limits[1]
    assert xray.decay_rate_per_s(7.0, 1e-10, "dirac") == pytest.approx(
        0.5 * float(xray.decay_rate_per_s(7.0, 1e-10)), rel=1e-12
    )
    with pytest.raises(ValueError, match='"majorana" and "dirac"'):
        sterile.ScalarDecay(500.0, 1e-10, 1e-9, neutrino="weyl")


@pytest.mark.analytic
def test_mixing_angle_and_widths():
    # small angles: theta = 4 lambda v v_S/(m_h^2 - m_S^2), else the eigenvectors of the 2x2 matrix
    mass, coupling = 100.0, 1e-6
    for vev in (1e2, 1e6, 1e7):
        off = 4.0 * coupling * HIGGS_VEV_GEV * vev
        _, vectors = np.linalg.eigh([[mass**2, off], [off, HIGGS_MASS_GEV**2]])
        angle = float(higgs_mixing.mixing_angle(mass, coupling, vev))
        assert np.abs(np.sin(angle)) == pytest.approx(np.abs(vectors[0, 1]), rel=1e-9)
    assert float(higgs_mixing.mixing_angle(HIGGS_MASS_GEV, 1e-9, 1.0)) == pytest.approx(np.pi / 4.0)
    # the widths of W, Z and h pairs become those of four massless scalars; corrections m_h^2/m_S^2
    broken, unbroken = map(float, higgs_mixing.bath_widths_gev(1e4, 1e-9, 1.0))
    assert broken == pytest.approx(unbroken, rel=2e-3)
    # continuous where hh opens
    around = [higgs_mixing.bath_widths_gev(m, 1e-9, 1.0)[0].item() for m in (250.499, 250.501)]
    assert around[0] == pytest.approx(around[1], rel=1e-2)


@pytest.mark.analytic
def test_decays_to_the_bath():
    mass, coupling, yukawa, vev = 500.0, 1e-10, 3e-11, 20.0
    model = sterile.ScalarDecay(mass, coupling, yukawa, vev)
    production = sterile.solve(model, CONTACT, FREEZE_IN)
    _, to_bath = higgs_mixing.bath_widths_gev(mass, coupling, vev)
    width = float(scalar_decay_width_gev(mass, yukawa))
    total = width + float(to_bath)
    contact = 135.0 * coupling**2 * M0 / (256.0 * np.pi**5 * G * mass)
    inverse = 135.0 * float(to_bath) * M0 / (8.0 * np.pi**3 * G * mass**2)
    # neither is small here, and each S gives 2 Gamma_N/Gamma neutrinos
    assert inverse > 0.1 * contact and to_bath > 0.1 * width
    expected = float(2.0 * (contact + inverse) * width / total)
    assert float(production.yield_n) == pytest.approx(expected, rel=1e-5)
    # decay at rest with the whole width
    q_star = np.sqrt(mass**2 / (2.0 * total * M0)) * SCALE
    assert float(production.q_rms) == pytest.approx(q_star, rel=1e-4)


@pytest.mark.analytic
@pytest.mark.slow
def test_decays_to_the_bath_in_equilibrium():
    # S stays in equilibrium through h-S mixing alone: N as from any thermal S
    model = sterile.ScalarDecay(500.0, 1e-6, 1e-9, 1e5)
    production = sterile.solve(model, CONTACT, FREEZE_OUT)
    width = float(scalar_decay_width_gev(500.0, 1e-9))
    x = np.asarray(production.q) / SCALE
    expected = 4.0 * np.sqrt(np.pi) * width * M0 / 500.0**2 * x**-0.5 * np.exp(-x)
    inside = (x > 0.3) & (x < 8.0)
    ratio = np.asarray(production.f)[inside] / expected[inside]
    # as for annihilation, in closed_forms.py, but no freeze-out at large x
    assert np.max(np.abs(ratio - 1.0)) < 1e-4
    assert int(production.status) == 0


@pytest.fixture(scope="module")
def dominated():
    """S outweighs the bath some 270 times before it decays."""
    return sterile.solve(sterile.ScalarDecay(500.0, 5e-7, 1e-12), GRAVITY, FREEZE_OUT)


def _decay_at_rest(number, width, mass):
    """N_S(x), rho_N/a_T^4 and F of scalars at rest in their own expansion, by scipy."""
    bath = np.pi**2 / 30.0 * G * SCALE**4

    def hubble(x, scalars, rest):
        comoving = np.exp(-x)
        density = (bath + rest) * comoving**4 + mass * scalars * comoving**3
        return np.sqrt(density / 3.0) / REDUCED_PLANCK_MASS_GEV

    def rate(x, state):
        scalars, rest = np.exp(state[0]), state[1]
        decays = width / hubble(x, scalars, rest)
        return [-decays, decays * scalars * mass * np.exp(x)]

    start, end = -np.log(mass / 100.0), -np.log(mass) + np.log(5e7)
    solution = solve_ivp(
        rate, (start, end), [np.log(number), 0.0], "LSODA", rtol=1e-10, atol=1e-12,
        dense_output=True,
    )  # fmt: skip

    def spectrum(q):
        x = np.log(2.0 * q / mass)
        scalars, rest = np.exp(solution.sol(x)[0]), solution.sol(x)[1]
        return 4.0 * np.pi**2 * width * scalars / (hubble(x, scalars, rest) * q**3)

    return spectrum, hubble, solution


@pytest.mark.analytic
@pytest.mark.slow
def test_decays_in_a_universe_of_scalars(dominated):
    mass, width = 500.0, float(scalar_decay_width_gev(500.0, 1e-12))
    number = 0.5 * float(dominated.yield_n) / YIELD_PER_NUMBER / (2.0 * np.pi**2)
    spectrum, _, _ = _decay_at_rest(number, width, mass)
    q, f = np.asarray(dominated.q), np.asarray(dominated.f)
    peak = q[np.argmax(q**3 * f)]
    inside = (q > 0.05 * peak) & (q < 2.0 * peak)
    deviation = (f - spectrum(q)) * q**2
    # 9e-6: the solver's steps
    assert np.max(np.abs(deviation[inside])) < 5e-5 * np.max((q**2 * f)[inside])
    # matter domination long before the decay, a ~ t^(2/3): F = C q^(-3/2) exp(-(q/q_*)^(3/2)),
    # q_* from Gamma t = 2 Gamma/(3 H), 2.2 % away where rho_S/rho_SM is 20 and Gamma t is 0.01
    limit = 4.0 * np.pi**2 * width * np.sqrt(3.0 * number / mass) * REDUCED_PLANCK_MASS_GEV
    limit = limit / (0.5 * mass) ** 1.5 * q**-1.5
    early = np.argmin(np.abs(q - 0.05 * peak))
    assert f[early] == pytest.approx(limit[early], rel=0.03)
    slope = np.gradient(np.log(f), np.log(q))[early]
    assert slope == pytest.approx(-1.5, abs=0.05)  # -1 in radiation domination


@pytest.mark.invariants
@pytest.mark.slow
def test_energy_and_entropy_in_a_universe_of_scalars(dominated):
    scalar = dominated.scalar
    q, f = np.asarray(dominated.q), np.asarray(dominated.f)
    # rho_N by adding up what S gives away, and as a moment of F: two paths
    step = np.log(q[1] / q[0])
    energy = step * np.sum(q**4 * f) / (2.0 * np.pi**2)
    bath = np.pi**2 / 30.0 * G * SCALE**4
    # 4e-6: the solver's steps
    assert energy / bath == pytest.approx(float(scalar.radiation_ratio[-1]), rel=3e-5)
    # two neutrinos a scalar, per entropy of the Standard Model, which N does not share
    assert float(dominated.yield_n_spectrum) == pytest.approx(float(dominated.yield_n), rel=2e-5)
    # radiation after the decay: Delta N_eff of the spectrum is rho_N/rho_SM
    assert float(dominated.density_ratio_max) > 100.0
    expected = float(dominated.radiation_ratio_max)
    extra = bounds.extra_radiation(dominated.spectrum(mass_kev=1e-6), 1e-12, spectra.Cosmology())
    neutrino = 7.0 / 8.0 * (4.0 / 11.0) ** (4.0 / 3.0) * np.pi**2 / 15.0
    assert float(extra) * neutrino / bath == pytest.approx(expected, rel=1e-3)


@pytest.mark.invariants
def test_warnings():
    def said(model, **production):
        usual = {"occupation_max": 0.5, "density_ratio_max": 1e-3, "yield_s_max": 1e-3}
        production = usual | {"plasma": GRAVITY} | production
        point = SimpleNamespace(
            status=0,
            omega_h2=0.12,
            mass_kev=17.2,
            occupation_max=production["occupation_max"],
            production=SimpleNamespace(**production),
            transfer=SimpleNamespace(cosmology=None),
        )
        return " | ".join(bounds.warnings(model, point))

    own_mass = said(sterile.ScalarDecay(100.0, 1e-8, 1e-9))
    assert "if m_N = y <S>, then <S> = 1.72e+04 GeV, theta_hS = 3e-05" in own_mass
    assert "occupation of N reaches 0.5" in own_mass and "rho_S" not in own_mass
    # nothing to say where mixing is small, or where N N -> S is included
    blocked = sterile.Plasma(inverse_decays=True)
    assert said(sterile.ScalarDecay(100.0, 1e-12, 1e-5), plasma=blocked) == ""
    massless = sterile.Plasma(bath_statistics="quantum")
    assert "soft scalars lase" in said(sterile.ScalarDecay(100.0, 5e-8, 1e-9), plasma=massless)
    assert "lase" not in said(
        sterile.ScalarDecay(100.0, 1e-9, 1e-9), plasma=massless, yield_s_max=1e-7
    )
    given = said(sterile.ScalarDecay(100.0, 1e-8, 1e-9, 300.0), density_ratio_max=2.0)
    assert "<S> = 300 GeV" in given and "m_N = 17.2 keV is not y <S> = 0.3 keV" in given
    assert "rho_S/rho_SM reaches 2 before S decays; the heat" in given
