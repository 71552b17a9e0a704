"""The CLASS export: its files, and what the real CLASS makes of them."""

import os
from types import SimpleNamespace

import numpy as np
import pytest

import spectra
from spectra import spectrum as spectrum_module
from spectra.export import class_code


def write(folder, dm, **options):
    return spectra.export.write(folder, "class", spectrum=dm, **options)


def parameters(ini):
    """The input file as CLASS reads it: name = value, # starts a comment."""
    pairs = (line.split("#")[0].split("=", 1) for line in ini.read_text().splitlines())
    return {pair[0].strip(): pair[1].strip() for pair in pairs if len(pair) == 2}


def decay_spectrum(scale=1.0, mass_kev=7.0):
    q = np.geomspace(1e-3, 60.0, 400)
    return spectra.Spectrum(scale * q, q**-0.5 * np.exp(-q), mass_kev, 0.3321)


def line_spectrum():
    q = np.geomspace(1e-2, 10.0, 400)
    return spectra.Spectrum(q, np.exp(-(((q - 1.0) / 0.06) ** 2)), 7.0, 0.75)


SPECTRA = {
    "thermal": lambda: spectra.thermal_relic(3.5),
    "decay": decay_spectrum,
    "late decay": lambda: decay_spectrum(scale=300.0, mass_kev=2000.0),
    "line": line_spectrum,
}


@pytest.mark.invariants
@pytest.mark.parametrize("case", SPECTRA)
def test_the_file_holds_the_same_distribution(case, tmp_path):
    dm = SPECTRA[case]()
    psd, ini, _ = write(tmp_path, dm)
    given = parameters(ini)
    back = spectra.read_psd(psd, dm.mass_kev, float(given["T_ncdm"]))
    # momenta in units of the photon temperature; 1e-4 is the power law put in below the table
    for moment in (spectrum_module.q_mean, spectrum_module.q_rms):
        assert moment(back) * back.temperature_ratio == pytest.approx(
            float(moment(dm) * dm.temperature_ratio), rel=1e-4
        )
    number = spectrum_module.moment(back, 0.0) * back.temperature_ratio**3
    original = spectrum_module.moment(dm, 0.0) * dm.temperature_ratio**3
    # the line has five nodes per width: monotone cubics flatten its peak a little
    assert number == pytest.approx(float(original), rel=1e-3 if case == "line" else 1e-4)
    assert float(given["m_ncdm"]) == pytest.approx(1e3 * float(dm.mass_kev))


@pytest.mark.invariants
@pytest.mark.parametrize("case", SPECTRA)
def test_the_traps_of_the_format(case, tmp_path):
    dm = SPECTRA[case]()
    psd, ini, _ = write(tmp_path, dm)
    text = psd.read_text()
    assert "#" not in text  # a header would be read as data
    table = np.loadtxt(psd)
    assert np.all(np.diff(table[:, 0]) > 0.0)
    assert np.all(table[:, 1] > 0.0)  # trailing zeros hang CLASS
    mean = (table[:, 0] ** 4 * table[:, 1]).sum() / (table[:, 0] ** 3 * table[:, 1]).sum()
    assert table[0, 0] < 1e-4 * mean  # f is constant below the first node
    given = parameters(ini)
    assert given["ncdm_psd_filenames"] == "psd.dat"
    assert given["ncdm_fluid_approximation"] == "3"
    assert {"omega_ncdm", "m_ncdm", "T_ncdm", "Omega_k", "N_ur", "YHe"} <= set(given)


@pytest.mark.invariants
def test_heads_are_continued_as_power_laws():
    q, f = class_code.psd_table(np.geomspace(1e-2, 50, 300), np.geomspace(1e-2, 50, 300) ** -0.5)
    head = q < 1e-2
    assert head.any()
    assert np.allclose(f[head], q[head] ** -0.5, rtol=1e-6)


@pytest.mark.invariants
def test_leading_and_inner_zeros_become_small_numbers_and_trailing_ones_go():
    q = np.geomspace(0.1, 10.0, 100)
    f = np.where((q > 0.5) & (q < 1.0) | (q > 2.0) & (q < 4.0), 1.0, 0.0)
    new_q, new_f = class_code.psd_table(q, f)
    assert new_q[-1] < 4.0 and np.all(new_f > 0.0)
    assert new_f[new_q < 0.4].max() < 1e-20 and new_f[(new_q > 1.2) & (new_q < 1.8)].max() < 1e-20


@pytest.mark.invariants
def test_k_max_follows_the_transfer_function(tmp_path):
    k = np.geomspace(0.1, 300.0, 71)
    curve = SimpleNamespace(k_h_mpc=k, t2=np.where(k < 30.0, 1.0, 0.0))
    _, ini, _ = write(tmp_path, decay_spectrum(), transfer=curve)
    assert 30.0 <= float(parameters(ini)["P_k_max_h/Mpc"]) < 35.0


@pytest.mark.invariants
def test_existing_files_are_kept_unless_forced(tmp_path):
    write(tmp_path, decay_spectrum())
    with pytest.raises(ValueError, match="psd.dat exists"):
        write(tmp_path, decay_spectrum())
    write(tmp_path, decay_spectrum(), force=True)
    assert sorted(os.listdir(tmp_path)) == ["class.ini", "psd.dat", "psd.dat.note.txt"]


@pytest.mark.invariants
def test_unknown_format_and_bad_path(tmp_path):
    with pytest.raises(ValueError, match="did you mean 'class'"):
        spectra.export.write(tmp_path, "clas", spectrum=decay_spectrum())
    with pytest.raises(ValueError, match="known formats: class"):
        spectra.export.write(tmp_path, "xyz", spectrum=decay_spectrum())
    file = tmp_path / "file"
    file.write_text("x")
    with pytest.raises(ValueError, match="is a file"):
        write(file, decay_spectrum())


def class_background_density(folder):
    """Omega h^2 of the species in a background-only run of CLASS on the exported files."""
    from classy import Class

    given = parameters(folder / "class.ini")
    given["ncdm_psd_filenames"] = str(folder / "psd.dat")
    for name in ("output", "P_k_max_h/Mpc", "z_pk", "gauge", "l_max_ncdm"):
        given.pop(name)
    solver = Class()
    solver.set(given)
    solver.compute()
    table = solver.get_background()
    h = float(given["h"])
    density = table["(.)rho_ncdm[0]"][-1] / table["(.)rho_crit"][-1] * h**2
    solver.struct_cleanup()
    return density


# not marked external: one fast run of the real code belongs to every test run
@pytest.mark.invariants
def test_class_reads_the_export(tmp_path):
    write(tmp_path, decay_spectrum())
    assert class_background_density(tmp_path) == pytest.approx(0.12, rel=1e-3)


@pytest.mark.external
@pytest.mark.parametrize("case", SPECTRA)
def test_class_finds_the_abundance(case, tmp_path):
    write(tmp_path, SPECTRA[case]())
    assert class_background_density(tmp_path) == pytest.approx(0.12, rel=1e-3)


def bimodal_spectrum(mass_kev=1.4):
    """Two scales a factor of eight apart, 70 per cent of the particles in the colder one."""
    q = np.geomspace(1e-3, 120.0, 600)
    bump = q**-0.5 * np.exp(-q)
    hot = (q / 8.0) ** -0.5 * np.exp(-q / 8.0)
    f = 0.7 * bump / np.trapezoid(q**2 * bump, q) + 0.3 * hot / np.trapezoid(q**2 * hot, q)
    return spectra.Spectrum(q, f, mass_kev, 0.3321)


# masses small enough that T^2 falls within a few h/Mpc: high k cost CLASS minutes
PROOFS = {
    "thermal": lambda: spectra.thermal_relic(0.5),
    "decay": lambda: decay_spectrum(mass_kev=1.0),
    "bimodal": bimodal_spectrum,
}


@pytest.mark.external
@pytest.mark.parametrize("case", PROOFS)
def test_class_finds_the_same_transfer_function(case, tmp_path):
    """CLASS on the exported input against this package's T^2: a minute or two of CLASS."""
    from classy import Class

    dm = PROOFS[case]()
    everywhere = spectra.transfer(dm)
    # five k between T^2 = 0.95 and 0.12
    k = np.interp([-0.95, -0.75, -0.5, -0.3, -0.12], -np.asarray(everywhere.t2), everywhere.k_h_mpc)
    expected = np.asarray(spectra.transfer(dm, k_h_mpc=k).t2)
    write(tmp_path, dm)
    given = parameters(tmp_path / "class.ini")
    given["ncdm_psd_filenames"] = str(tmp_path / "psd.dat")
    given["P_k_max_h/Mpc"] = str(1.2 * k[-1])
    cold = {name: value for name, value in given.items() if "ncdm" not in name}
    cold["omega_cdm"] = given["omega_ncdm"]
    power = []
    for settings in (given, cold):
        solver = Class()
        solver.set(settings)
        solver.compute()
        power.append([solver.pk(wavenumber * float(given["h"]), 0.0) for wavenumber in k])
        if settings is given:
            table = solver.get_background()
            omega = table["(.)rho_ncdm[0]"][-1] / table["(.)rho_crit"][-1] * float(given["h"]) ** 2
        solver.struct_cleanup()
    # the promise of the export: 1 per cent where T^2 > 0.1, and the abundance to 0.1 per cent
    assert np.allclose(np.divide(*power), expected, rtol=0.01), np.divide(*power) / expected
    assert omega == pytest.approx(0.12, rel=1e-3)
