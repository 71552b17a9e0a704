"""astropy quantities are converted where they come in, or refused: never stripped of their unit."""

import astropy.units as u
import numpy as np
import pytest
from astropy.cosmology.units import littleh

import spectra
import sterile
from spectra.units import plain, wavenumbers_h_mpc

pytestmark = pytest.mark.invariants


def test_masses_temperatures_and_hubble_constants_are_converted():
    assert float(spectra.thermal_relic(3.5 * u.keV).mass_kev) == 3.5
    assert float(spectra.thermal_relic(3500.0 * u.eV).mass_kev) == pytest.approx(3.5, rel=1e-14)
    q = np.geomspace(0.1, 10.0, 8)
    dm = spectra.Spectrum(q, np.exp(-q), 7.1e-3 * u.MeV, 0.3321)
    assert float(dm.mass_kev) == pytest.approx(7.1, rel=1e-14)
    cosmology = spectra.Cosmology(h=70.0 * u.km / u.s / u.Mpc, t_cmb_kelvin=2725.5 * u.mK)
    assert float(cosmology.h) == pytest.approx(0.7, rel=1e-14)
    assert float(cosmology.t_cmb_kelvin) == pytest.approx(2.7255, rel=1e-14)


def test_parameters_of_models_and_of_the_plasma_are_converted():
    given = {"portal_coupling": 1e-8, "yukawa": 1e-9 * u.dimensionless_unscaled}
    model = sterile.ScalarDecay(scalar_mass_gev=0.1 * u.TeV, **given)
    assert float(model.scalar_mass_gev) == pytest.approx(100.0, rel=1e-14)
    mixing = sterile.DodelsonWidrow(mass_kev=7100.0 * u.eV, sin2_2theta=1e-9, flavour="mu")
    assert float(mixing.mass_kev) == pytest.approx(7.1, rel=1e-14)
    plasma = sterile.Plasma(
        electroweak_temperature_gev=159.5e3 * u.MeV, reheating_temperature_gev=5.0 * u.MeV
    )
    assert float(plasma.electroweak_temperature_gev) == pytest.approx(159.5, rel=1e-14)
    assert float(plasma.reheating_temperature_gev) == pytest.approx(5e-3, rel=1e-14)


@pytest.mark.parametrize(
    "make, said",
    [
        (lambda: spectra.thermal_relic(3.5 * u.m), r"3.5 m has the unit \[m\]; give \[keV\]"),
        (lambda: spectra.Cosmology(omega_b=0.02 * u.kg), "give a number without a unit"),
        (lambda: sterile.ScalarDecay(1.0 * u.s, 1e-8, 1e-9), r"give \[GeV\]"),
        (
            lambda: spectra.transfer(spectra.thermal_relic(3.0), k_h_mpc=[1.0] * u.Mpc),
            r"give \[1 / Mpc\]",
        ),
    ],
    ids=["length for a mass", "mass for a density", "time for a mass", "length for a wavenumber"],
)
def test_another_dimension_is_refused_in_one_line(make, said):
    with pytest.raises(ValueError, match=said) as caught:
        make()
    assert "\n" not in str(caught.value)


def test_wavenumbers_have_their_h():
    k = np.array([1.0, 10.0])
    # 1/kpc to 1/Mpc to h/Mpc; littleh is what the k of everybody's papers is in
    assert np.allclose(wavenumbers_h_mpc(1e-3 * k / u.kpc, 0.7), k / 0.7, rtol=1e-14)
    assert np.allclose(wavenumbers_h_mpc(k * littleh / u.Mpc, 0.7), k, rtol=1e-14)
    assert wavenumbers_h_mpc(k, 0.7) is k


def test_what_is_no_quantity_comes_back_as_it_is():
    for value in (None, 3, 3.0, np.ones(3), "3"):
        assert plain(value, "keV") is value
