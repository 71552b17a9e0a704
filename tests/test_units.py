"""astropy quantities are converted where they come in, or refused: never stripped of their unit."""

import inspect

import astropy.units as u
import numpy as np
import pytest
from astropy.cosmology.units import littleh

import spectra
import spectra.class_like
import spectra.export
import sterile
import sterile.fit
from spectra.structure import lyman_alpha
from spectra.units import plain, wavenumbers_h_mpc
from sterile.models import parameters_of

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


# names that say a unit, and what a number without one is called
ENDINGS = ("_kev", "_gev", "_h_mpc", "_mpc", "_mpc_h", "_msun_h", "_msun", "_per_s", "_km_s", "_pc")
BARE = ("z", "omega_h2", "sin2_2theta", "abundance", "low", "high", "level", "target")
ENTRIES = [
    (place, name)
    for place in (
        spectra, spectra.structure, lyman_alpha, spectra.export, sterile, sterile.fit,
        sterile.bounds, sterile.xray, sterile.parents,
    )
    for name in dir(place)
]  # fmt: skip
# k in h/Mpc by the h of the cosmology that is given: tested above
OWN_H = {"transfer", "species_transfer"}
# of what has been converted: parts of public functions, and text for files
INSIDE = {"area_nodes", "covers", "with_companions"}


def numbers_of(function):
    """Arguments that may be quantities."""
    names = inspect.signature(function).parameters
    return [n for n in names if n.endswith(ENDINGS) or n in BARE]


def test_every_public_entry_looks_at_units():
    looked, silent = 0, []
    for place, name in ENTRIES:
        entry = getattr(place, name)
        if name.startswith("_") or not inspect.isfunction(entry) or name in OWN_H | INSIDE:
            continue
        if not entry.__module__.startswith(("spectra", "sterile")):
            continue
        for argument in numbers_of(entry):
            if place is sterile.fit and argument in ("z", "target") and name != "solve_for":
                continue  # coordinates of a fit, and its Target
            looked += 1
            signature = inspect.signature(entry).parameters
            others = {n: None for n, p in signature.items() if p.default is p.empty}
            # an acceleration is in nobody's unit; whatever else is asked for comes later
            value = {"anything": 1.0 * u.Gal} if argument == "target" else 1.0 * u.Gal
            try:
                entry(**others | {argument: value})
            except ValueError as error:
                if "has the unit [Gal]; give" in str(error):
                    continue
                said = str(error)
            except Exception as error:
                said = repr(error)
            else:
                said = "nothing"
            silent.append(f"{place.__name__}.{name}({argument}=1 Gal): {said[:80]}")
    assert not silent, "\n".join(silent)
    assert looked > 40


def test_quantities_are_the_numbers_in_the_unit_of_the_name():
    alpha = float(spectra.viel_shape(3.0).alpha)
    assert float(spectra.viel_shape(3000.0 * u.eV).alpha) == pytest.approx(alpha, rel=1e-14)
    rate = sterile.xray.decay_rate_per_s
    assert rate(7.1 * u.keV, 1e-9) == rate(7.1, 1e-9)
    k = np.array([1.0, 10.0])
    shape = spectra.viel_shape(3.0)
    given = spectra.shape_transfer(shape, k * littleh / u.Mpc)
    assert np.array_equal(given.t, spectra.shape_transfer(shape, k).t)
    with pytest.raises(ValueError, match="littleh"):
        spectra.shape_transfer(shape, k / u.Mpc)
    masses = spectra.structure.reference_masses((2.0, 3.3))
    assert spectra.structure.reference_masses([2.0 * u.keV, 3.3 * u.keV]) == masses
    found = spectra.structure.relic_masses_kev(1e8 * u.Msun)
    assert found == spectra.structure.relic_masses_kev(1e8)
    limit = sterile.xray.LineLimit([3.5e-3] * u.MeV, [1e-28] / u.s, "mine")
    assert float(limit.energy_kev[0]) == pytest.approx(3.5, rel=1e-14)
    parent = sterile.parents.Parent(1.0 * u.TeV, 1e-3 * u.eV)
    assert float(parent.mass_gev) == pytest.approx(1000.0, rel=1e-14)
    assert float(parent.width_gev) == pytest.approx(1e-12, rel=1e-14)


def test_where_names_are_those_of_another_program():
    cosmo = spectra.class_like.ClassLike(spectra.thermal_relic(3.0))
    assert cosmo.Hubble(1.0 * u.dimensionless_unscaled) == cosmo.Hubble(1.0)
    for call in (
        lambda: cosmo.Hubble(1.0 * u.Mpc),
        lambda: cosmo.pk_lin(1.0 * u.Mpc, 0.0),
        lambda: cosmo.sigma(8.0 * u.Mpc, 0.0, h_units=True),
        lambda: spectra.species_transfer(spectra.thermal_relic(3.0), z=1.0 * u.s),
    ):
        with pytest.raises(ValueError, match="has the unit"):
            call()


def test_every_parameter_of_every_model_looks_at_units():
    models = [entry.model for entry in sterile.kinds().values() if entry.model.kind != "sum"]
    for model in (sterile.Plasma, *models):
        stated = parameters_of(model)
        # what is not a parameter, such as a file, may be anything: numbers are converted before
        needed = [n for n, p in inspect.signature(model).parameters.items() if p.default is p.empty]
        for name in stated:
            values = {n: stated[n].typical if n in stated else "none" for n in needed}
            with pytest.raises(ValueError, match=r"has the unit \[Gal\]; give"):
                model(**values | {name: 1.0 * u.Gal})
