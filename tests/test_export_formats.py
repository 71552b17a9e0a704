"""Every export format: read back as its target does, and the files that target would misread."""

import dataclasses
import errno
import os
import re
import shutil
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from export_cases import GOLDEN, START, WRITTEN_AT, decay_spectrum, install_golden_tables, write_all

import spectra
import spectra.structure.cold_transfers as cold_species_module
from spectra import export
from spectra.export import camb, gevolution
from spectra.export import checks as _check
from spectra.export.linear_state import linear_state, power_of, total_column
from spectra.structure.cold_transfers import COLUMNS, camb_species
from spectra.structure.power import sigma8

RUN = export.simulation(20.0, "512", START)
WITH_POWER = [name for name, one in export.FORMATS.items() if one.for_a_box]
WITH_POWER.remove("velocities")
THIRTEEN = ("camb", "monofonic", "music-camb")


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return write_all(tmp_path_factory.mktemp("export"))


@pytest.fixture(scope="module")
def state():
    install_golden_tables()
    return linear_state(decay_spectrum(), spectra.Cosmology(), START)


def findings(path, name, run=RUN):
    return export.FORMATS[name].check(Path(path), run, spectra.Cosmology())


@pytest.mark.invariants
@pytest.mark.parametrize("name", export.FORMATS)
def test_what_is_written_is_safe(name, files):
    report = export.check(files[name], name, RUN)
    assert report.safe, report.problems


@pytest.mark.invariants
@pytest.mark.parametrize("name", export.FORMATS)
def test_parameters_and_a_note_lie_beside_the_data(name, files):
    if name == "class":
        assert sorted(os.listdir(files[name])) == ["class.ini", "psd.dat", "psd.dat.note.txt"]
        return
    beside = files[name].with_name(f"{files[name].name}.params.txt").read_text()
    note = files[name].with_name(f"{files[name].name}.note.txt").read_text()
    z = WRITTEN_AT.get(name, START) or 0.0
    assert beside.startswith(f"# sterile-spectra export: format={name} z={z:g}\n")
    assert export.declared_format(files[name]) == name
    assert len(note) > 100 and note.isascii()


@pytest.mark.invariants
@pytest.mark.parametrize("name", WITH_POWER)
def test_the_reader_finds_the_same_power(name, files):
    """P(k, z) of the public functions at the redshift the target expects."""
    z = START if WRITTEN_AT.get(name, START) else 0.0
    found = findings(files[name], name)
    k = found.k_h_mpc
    table = spectra.power_table()
    cold = np.asarray(spectra.cold_power(k, table, z=z))
    if name != "gevolution":  # another gauge: its densities differ at the horizon
        low = k < 0.05
        # T(0.05) of this spectrum is 1 - 1e-6
        assert np.allclose(found.power[low], cold[low], rtol=1e-5)
    some, species = solved(k, z)
    ratio = species.t_matter[0]
    bright = np.abs(ratio) > 0.03
    assert bright.sum() > 100
    expected = (cold[some] * ratio**2)[bright]
    # gevolution's matter is the sum of its species, whose weights are CAMB's
    tolerance = 2e-3 if name == "gevolution" else 1e-6
    assert np.allclose(found.power[some][bright], expected, rtol=tolerance)


def solved(k, z):
    """Which rows from 0.15 to 40 h/Mpc, as many as the export solves for, and their ratios."""
    some = np.flatnonzero(k > 0.15)[::2][:281]
    return some, spectra.species_transfer(decay_spectrum(), z=np.array([z]), k_h_mpc=k[some])


@pytest.mark.invariants
def test_every_species_has_its_own_ratio(files, state):
    table = np.loadtxt(files["camb"])
    some, species = solved(state.k_h_mpc, START)
    for column, ratio in (
        ("cdm", species.t_dark_matter),
        ("baryon", species.t_baryon),
        ("total", species.t_matter),
        ("velocity_cdm", species.t_velocity_dark_matter),
        ("velocity_baryon", species.t_velocity_baryon),
    ):
        written = table[some, COLUMNS.index(column)]
        bright = np.abs(ratio[0]) > 0.03
        expected = state.cold[column][some] * ratio[0]
        assert np.allclose(written[bright], expected[bright], rtol=1e-6), column
    dark, baryon = species.t_dark_matter[0], species.t_baryon[0]
    assert np.max(np.abs(dark / baryon - 1.0)) > 5e-3  # they do differ


def golden_columns():
    with h5py.File(GOLDEN / "camb_z99.h5") as file:
        k = file["k_h_mpc"][()]
        return [(name, file[name][()], k) for name in COLUMNS]


@pytest.mark.golden
def test_cold_columns_are_those_of_camb(state):
    """Without suppression, CAMB's table comes back (its nodes; 1e-3 is its own accuracy)."""
    ones = np.ones_like(state.k_h_mpc)
    names = [name for name in vars(state) if name.startswith("t_")]
    cold = dataclasses.replace(state, **dict.fromkeys(names, ones))
    for name, values, k in golden_columns():
        if name in ("k_h_mpc", "photon", "massless_neutrino", "massive_neutrino"):
            continue  # radiation oscillates between the nodes; nobody reads it
        inside = (k > 1e-4) & (k < 300.0)
        found = np.interp(np.log(k), np.log(cold.k_h_mpc), cold.columns[name])
        assert np.allclose(found[inside], values[inside], rtol=2e-3), name


@pytest.mark.golden
def test_power_convention_of_camb():
    """2 pi^2 h^4 k A_s T^2 of CAMB's own table is CAMB's own P(k), as the shipped table has it."""
    columns = {name: values for name, values, _ in golden_columns()}
    k = columns["k_h_mpc"]
    inside = (k > 1e-3) & (k < 300.0)
    found = power_of(k[inside], columns["total"][inside], spectra.Cosmology())
    expected = spectra.cold_power(k[inside], spectra.power_table(), z=START)
    # two runs of CAMB of different accuracy
    assert np.allclose(found, expected, rtol=2e-3)


@pytest.mark.external
def test_camb_makes_the_golden_tables():
    tables, _ = camb_species(spectra.Cosmology(), START)
    for name, values, _ in golden_columns():
        if "neutrino" not in name and name != "photon":
            assert np.allclose(tables[name], values, rtol=1e-3), name


@pytest.mark.external_fast
def test_class_agrees_in_the_newtonian_gauge(state):
    """gevolution's columns for cold dark matter against CLASS, a few seconds."""
    from classy import Class

    names = [name for name in vars(state) if name.startswith("t_")]
    cold = dataclasses.replace(state, **dict.fromkeys(names, np.ones_like(state.k_h_mpc)))
    columns = gevolution.newtonian_columns(cold)
    solver = Class()
    solver.set(
        {
            "h": 0.6736,
            "omega_b": 0.02237,
            "omega_cdm": 0.12,
            "N_ur": 3.044,
            "T_cmb": 2.7255,
            "YHe": 0.2454,
            "output": "mTk,vTk,mPk",
            "gauge": "newtonian",
            "P_k_max_h/Mpc": 8.0,
            "z_pk": START,
            "z_max_pk": START,
        }
    )
    solver.compute()
    table = solver.get_transfer(START)
    solver.struct_cleanup()
    k = table["k (h/Mpc)"]
    inside = (k > 2e-4) & (k < 7.0)
    # t_tot leaves radiation's momentum out
    for name, tolerance in {
        "d_cdm": 2e-3,
        "d_b": 2e-3,
        "d_tot": 2e-3,
        "t_cdm": 2e-3,
        "t_b": 2e-3,
        "t_tot": 0.06,
    }.items():
        found = np.interp(np.log(k), np.log(columns["k (h/Mpc)"]), columns[name])
        assert np.allclose(found[inside], table[name][inside], rtol=tolerance), name


def drop_final_newline(text):
    return text.rstrip("\n")


def add_header(text):
    return "# k T\n" + text


def replace_entry(row, column, value):
    def change(text):
        lines = text.splitlines()
        words = lines[row].split()
        words[column] = value
        lines[row] = " ".join(words)
        return "\n".join(lines) + "\n"

    return change


def swap_rows(text):
    lines = text.splitlines()
    lines[20], lines[21] = lines[21], lines[20]
    return "\n".join(lines) + "\n"


def add_empty_line(text):
    return text + "\n"


def strip_header(text):
    return "\n".join(line for line in text.splitlines() if not line.startswith("#")) + "\n"


def add_column(text):
    return "\n".join(f"{line} 1.0" for line in text.splitlines()) + "\n"


def linear_columns(text):
    rows = 10.0 ** np.array([line.split() for line in text.splitlines()], dtype=float)
    return "\n".join(f"{k:.8e} {d:.8e}" for k, d in rows) + "\n"


def power_instead_of_delta2(text):
    rows = np.array([line.split() for line in text.splitlines()], dtype=float)
    power = rows[:, 1] - 3.0 * rows[:, 0] + np.log10(2.0 * np.pi**2)
    return "\n".join(f"{k:.8e} {p:.8e}" for k, p in zip(rows[:, 0], power)) + "\n"


def comment_with_colon(text):
    return "# made by: someone\n" + text


def indented_comment(text):
    return "  # indented\n" + text


def space_labels(text):
    return text.replace(":", ": ")


def scaled(column, factor):
    def change(text):
        lines = []
        for line in text.splitlines():
            words = line.split()
            if not line.startswith("#"):
                words[column] = repr(float(words[column]) * factor)
            lines.append(" ".join(words))
        return "\n".join(lines) + "\n"

    return change


TRAPS = [
    ("camb", drop_final_newline, "no newline"),
    ("camb", replace_entry(50, 6, "nan"), "not a number"),
    ("monofonic", drop_final_newline, "no newline"),
    ("monofonic", replace_entry(50, 11, "-1.0"), "v_b = -1"),
    ("monofonic", swap_rows, "does not increase"),
    ("monofonic", add_column, "14 columns"),
    ("music", add_header, "comment"),
    ("music", drop_final_newline, "no newline"),
    ("music", replace_entry(50, 1, "0.0"), "total = 0"),
    ("music", add_column, "7 columns"),
    ("music-camb", replace_entry(50, 1, "-1e3"), "cdm = -1000"),
    ("music-camb", replace_entry(50, 2, "0.0"), "baryon = 0"),
    ("music-camb", add_empty_line, "an empty line"),
    ("gadget4", add_header, "reading stops at '#'"),
    ("gadget4", linear_columns, "log10 k"),
    ("gadget4", power_instead_of_delta2, "amplitude"),
    ("gadget4", replace_entry(50, 1, "nan"), "not a number"),
    ("2lpt", add_header, "reading stops at '#'"),
    ("2lpt", linear_columns, "log10 k"),
    ("2lpt-camb", add_header, "reading stops at '#'"),
    ("2lpt-camb", add_column, "8 columns"),
    ("mp-gadget", add_empty_line, "empty line"),
    ("mp-gadget", replace_entry(50, 1, "-1.0"), "P(k) = -1"),
    ("mp-gadget", replace_entry(50, 0, "-1.0"), "k is negative"),
    ("mp-gadget", scaled(1, 1 / 0.6736**3), "amplitude"),
    ("gevolution", strip_header, "no header"),
    ("gevolution", space_labels, "a blank between the colon and the label"),
    ("gevolution", indented_comment, "line 1: a line without #"),
    ("gevolution", drop_final_newline, "no newline"),
    ("gevolution", add_empty_line, "empty line"),
    ("gevolution", swap_rows, "does not increase"),
    ("gevolution", scaled(7, -1.0), "sign of d_cdm"),
    ("csv", replace_entry(0, 0, "# k,power"), "no columns"),
]


@pytest.mark.invariants
@pytest.mark.parametrize(
    "name, spoil, said", TRAPS, ids=lambda value: getattr(value, "__name__", value)
)
def test_the_file_we_could_have_written_wrongly_is_caught(name, spoil, said, files, tmp_path):
    path = tmp_path / "spoilt.dat"  # without the parameter file: the reader has the data only
    path.write_text(spoil(files[name].read_text()))
    problems = export.check(path, name, RUN).problems
    assert any(said in line for line in problems), problems


@pytest.mark.invariants
@pytest.mark.parametrize("name", WITH_POWER)
def test_wavenumbers_must_cover_the_box(name, files):
    small = export.simulation(1.0, "1024^3", START)
    problems = export.check(files[name], name, small).problems
    assert any("k ends at" in line for line in problems)
    huge = export.simulation(1e6, 512, START)
    problems = export.check(files[name], name, huge).problems
    assert any("k begins at" in line for line in problems)


@pytest.mark.invariants
def test_monofonic_wants_a_margin(files):
    # k ends at 2000: enough for the corner of the grid at 1900, not with monofonIC's 20 per cent
    run = export.simulation(20.0, 1900.0 * 20.0 / np.pi / 3.0**0.5, START)
    assert not export.check(files["monofonic"], "monofonic", run).safe
    assert export.check(files["music"], "music", run).safe


@pytest.mark.invariants
@pytest.mark.parametrize("beside", [True, False])
@pytest.mark.parametrize("name, z", [("monofonic", START), ("music", 0.0), ("music-camb", 0.0)])
def test_the_two_generators_want_opposite_redshifts(name, z, beside, tmp_path):
    """By what the parameter file says, and without it by the amplitude.

    monofonIC takes any target redshift, if it is told: its parameter file does.
    """
    install_golden_tables()
    path = tmp_path / "t.dat"
    spectra.export.write(path, name, spectrum=decay_spectrum(), z=z)
    beside_it = path.with_name("t.dat.params.txt")
    if name == "monofonic" and beside:
        report = export.check(path, name, RUN)
        assert report.safe and "set ztarget = 99: the table is of that redshift" in report.notes
        assert re.search(r"^ztarget *= 99$", beside_it.read_text(), re.MULTILINE)
        return
    if not beside:
        beside_it.unlink()
    problems = export.check(path, name, RUN).problems
    assert any("z = " in line for line in problems) and len(problems) == 1


@pytest.mark.invariants
def test_gadget4_of_today_is_to_be_normalised(tmp_path):
    path = tmp_path / "p.txt"
    export.write(path, "gadget4", spectrum=decay_spectrum())
    report = export.check(path, "gadget4", RUN)
    assert report.safe and "ReNormalizeInputSpectrum to 1" in report.notes[0]
    text = path.with_name("p.txt.params.txt").read_text()
    assert (
        "ReNormalizeInputSpectrum       1" in text and "PrimordialIndex                1.0" in text
    )


@pytest.mark.invariants
def test_sigma8_of_the_parameter_files(files):
    """That of this spectrum: the cut is far below 8 Mpc/h, so it is that of cold dark matter."""
    text = files["2lpt"].with_name("2lpt.dat.params.txt").read_text()
    given = next(float(line.split()[1]) for line in text.splitlines() if line[:6] == "Sigma8")
    assert given == pytest.approx(float(sigma8(spectra.power_table())), rel=1e-4)
    assert "WDM_On                          0" in text


@pytest.mark.invariants
def test_2lptic_variants_agree(files):
    """Delta^2 ~ k^4 T^2 with PrimordialIndex n_s is Delta^2 with PrimordialIndex 1."""
    logarithms, seven = np.loadtxt(files["2lpt"]), np.loadtxt(files["2lpt-camb"])
    delta2 = seven[:, 0] ** (4.0 + 0.9649 - 1.0) * seven[:, 6] ** 2
    ratio = 10.0 ** logarithms[:, 1] / delta2
    assert np.allclose(ratio, ratio[0], rtol=1e-6)


@pytest.mark.invariants
@pytest.mark.parametrize("particles", ["512", 512, "512^3", 512**3, "134217728", "512**3"])
def test_particles_per_side_or_in_all(particles):
    run = export.simulation(20.0, particles, 99)
    assert run.nyquist == pytest.approx(np.pi * 512 / 20.0)


@pytest.mark.invariants
@pytest.mark.parametrize(
    "bad", [("x", 512, 0), (20, "many", 0), (20, 0, 0), (-1, 512, 0), (20, 512, -1)]
)
def test_simulations_that_make_no_sense(bad):
    with pytest.raises(ValueError):
        export.simulation(*bad)


@pytest.mark.invariants
@pytest.mark.parametrize(
    "name, options, said",
    [
        ("gadget", {}, "did you mean 'gadget4'"),
        ("monofonik", {}, "did you mean 'monofonic'"),
        ("music", {}, "starting redshift"),
        ("velocities", {}, "starting redshift"),
        ("2lpt", {"z": 99.0}, "always read at z = 0"),
        ("gadget4", {"z": 201.0}, "outside [0, 200]"),
        ("velocities", {"z": -1.0}, "outside [0, 200]"),
        ("gadget4", {"z": float("nan")}, "outside [0, 200]"),
        ("gadget4", {"spectrum": decay_spectrum(mass_kev=0.02)}, "too fast"),
        ("velocities", {"z": 199.0, "spectrum": decay_spectrum(mass_kev=1e-4)}, "not slow"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(name, options, said, tmp_path):
    with pytest.raises(ValueError) as error:
        export.write(tmp_path / "x.dat", name, **{"spectrum": decay_spectrum(), **options})
    assert said in str(error.value) and "\n" not in str(error.value)
    assert os.listdir(tmp_path) == []


@pytest.mark.invariants
def test_species_of_opposite_sign_need_a_signed_target(state):
    bad = dataclasses.replace(
        state,
        t_dark_matter=np.abs(state.t_dark_matter) + 0.1,
        t_baryon=np.where(state.k_h_mpc > 20.0, -0.1, 1.0),
    )
    with pytest.raises(ValueError, match="opposite signs.*gevolution"):
        bad.positive_columns("monofonic")
    assert np.min(bad.columns["baryon"]) < 0.0


@pytest.mark.invariants
@pytest.mark.parametrize("name", ["gadget4", "hdf5", "velocities"])
def test_existing_files_are_kept_unless_forced(name, tmp_path):
    path = tmp_path / "x.dat"
    spectrum = decay_spectrum()
    note = path.with_name("x.dat.note.txt")
    note.write_text("mine")
    with pytest.raises(ValueError, match="note.txt exists.*--force"):
        export.write(path, name, spectrum=spectrum, z=START)
    assert os.listdir(tmp_path) == ["x.dat.note.txt"] and note.read_text() == "mine"
    export.write(path, name, spectrum=spectrum, z=START, force=True)
    assert len(os.listdir(tmp_path)) == 3 and note.read_text() != "mine"


@pytest.mark.invariants
@pytest.mark.parametrize("name", ["gadget4", "class", "velocities"])
def test_a_full_disk_leaves_the_old_files(name, tmp_path, monkeypatch):
    path = tmp_path / "x"
    export.write(path, name, spectrum=decay_spectrum(), z=WRITTEN_AT.get(name, START))
    before = {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}
    real = Path.write_bytes

    def full(self, data):
        if "note" in self.name:  # the last file of each format
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(self, data)

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(ValueError, match="No space left on device"):
        export.write(
            path, name, spectrum=decay_spectrum(8.0), z=WRITTEN_AT.get(name, START), force=True
        )
    after = {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}
    assert after == before


@pytest.mark.invariants
@pytest.mark.parametrize("name", ["gadget4", "hdf5", "velocities"])
def test_a_limit_of_the_system_is_one_line(name, tmp_path):
    """A real failure to write, by the limit on the size of files (HDF5 would crash on it)."""
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with pytest.raises(ValueError, match="could not be written .File too large.") as error:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
        try:
            export.write(tmp_path / "x", name, spectrum=decay_spectrum(), z=START)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "\n" not in str(error.value) and os.listdir(tmp_path) == []


@pytest.mark.invariants
def test_no_permission_and_no_directory(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="does not exist"):
        export.write(tmp_path / "none" / "x", "gadget4", spectrum=decay_spectrum())
    with pytest.raises(ValueError, match="is a directory"):
        export.write(tmp_path, "gadget4", spectrum=decay_spectrum())
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(ValueError, match="not writable"):
        export.write(tmp_path / "x", "gadget4", spectrum=decay_spectrum())


@pytest.mark.invariants
def test_class_traps(files, tmp_path):
    for spoil, said in (
        (add_header, "header"),
        (lambda text: text + "1e9 0.0\n", "ends with zeros"),
        (swap_rows, "does not increase"),
        (lambda text: "\n".join(text.splitlines()[-300:]) + "\n", "begins at"),
        (lambda text: "\n".join(text.splitlines()[:900]) + "\n", "ends at"),
    ):
        folder = tmp_path / "class"
        shutil.copytree(files["class"], folder, dirs_exist_ok=True)
        (folder / "psd.dat").write_text(spoil((files["class"] / "psd.dat").read_text()))
        problems = export.check(folder, "class", RUN).problems
        assert any(said in line for line in problems), (said, problems)


@pytest.mark.invariants
def test_artefacts_are_told(files):
    """M_lim = 10.1 rho_m d/k_peak^2 with k_peak of the table's k^3 P."""
    found = findings(files["gadget4"], "gadget4")
    peak = found.k_h_mpc[np.argmax(found.k_h_mpc**3 * found.power)]
    density = 2.77536627e11 * (0.02237 + 0.12) / 0.6736**2
    limit = 10.1 * density * 20.0 / 512 / peak**2
    assert f"below {limit:.2g} Msun/h" in export.check(files["gadget4"], "gadget4", RUN).notes[-1]
    coarse = export.simulation(200.0, 64, START)
    assert (
        "beyond the particles' Nyquist"
        in export.check(files["gadget4"], "gadget4", coarse).notes[-1]
    )


@pytest.mark.invariants
@pytest.mark.parametrize("name", ["2lpt", "monofonic", "hdf5"])
def test_a_start_too_late_is_told(name, tmp_path):
    """The rms contrast of these particles is 0.07 at z = 99, 0.71 at 9, 1.76 at 3."""
    install_golden_tables()
    path = tmp_path / "t.dat"
    for z, safe, said in ((9.0, True, " is 0.71"), (3.0, False, " is 1.8 already")):
        at = {"hdf5": z}.get(name)
        export.write(path, name, spectrum=decay_spectrum(), z=at, force=True)
        report = export.check(path, name, export.simulation(20.0, 512, z))
        assert report.safe is safe
        assert any(said in line for line in report.problems + report.notes)


@pytest.mark.invariants
def test_missing_files(tmp_path):
    for name in export.FORMATS:
        with pytest.raises(FileNotFoundError):
            export.check(tmp_path / "none", name, RUN)


@pytest.mark.invariants
@pytest.mark.parametrize("name", export.FORMATS)
def test_rubbish_is_not_safe(name, tmp_path):
    path = tmp_path / "rubbish"
    for content in (b"", b"\x00\xff\x89HDF not really", b"hello: world\n1 2 3\n"):
        path.write_bytes(content)
        assert not export.check(path, name, RUN).safe


@pytest.mark.invariants
def test_other_names_of_formats():
    for name in ("lpt", "2LPTic", "N-GenIC", "MP-Gadget", "CLASS"):
        assert export.canonical(name) in export.FORMATS


@pytest.mark.invariants
def test_species_tables_are_kept_and_checked(tmp_path, monkeypatch):
    """One run of CAMB per cosmology and redshift; a damaged file is made again."""
    runs = []

    def camb_stands_still(cosmology, z):
        runs.append(z)
        return {name: np.arange(3.0) + z for name in COLUMNS}, {"z": z}

    monkeypatch.setattr(cold_species_module, "camb_species", camb_stands_still)
    monkeypatch.setenv("STERILE_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(cold_species_module, "_cached", cold_species_module._cached.__wrapped__)
    cosmology = spectra.Cosmology(h=0.7)
    first = cold_species_module.cold_species(cosmology, 5.0)
    again = cold_species_module.cold_species(cosmology, 5.0)
    assert runs == [5.0] and np.array_equal(first["cdm"], again["cdm"])
    cold_species_module.cold_species(spectra.Cosmology(h=0.7, n_s=0.9), 5.0)
    assert runs == [5.0]  # n_s does not matter
    (file,) = (tmp_path / "tables").iterdir()
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(bytes(content[:-200]))
    with pytest.warns(UserWarning, match="it is made anew"):
        cold_species_module.cold_species(cosmology, 5.0)
    cold_species_module.cold_species(cosmology, 6.0)
    assert runs == [5.0, 5.0, 6.0]
    with pytest.raises(ValueError, match="outside"):
        cold_species_module.cold_species(cosmology, 201.0)


@pytest.mark.invariants
def test_without_camb_the_way_out_is_said(monkeypatch):
    monkeypatch.setitem(sys.modules, "camb", None)
    with pytest.raises(ValueError, match="pip install camb"):
        camb_species(spectra.Cosmology(), 3.0)


@pytest.mark.analytic
def test_amplitude_tells_the_redshift():
    k = np.geomspace(1e-3, 10.0, 300)
    table = spectra.power_table()
    for z in (0.0, 9.0, 63.0, 190.0):
        found = _check.Findings(k_h_mpc=k, power=np.asarray(spectra.cold_power(k, table, z=z)))
        assert _check.amplitude_redshift(found) == pytest.approx(z, abs=0.02 * (1.0 + z))


@pytest.mark.analytic
def test_power_and_total_are_inverse():
    k, power = np.geomspace(1e-3, 10.0, 50), np.geomspace(1.0, 2.0, 50)
    cosmology = spectra.Cosmology()
    assert np.allclose(
        camb.power_of(k, total_column(k, power, cosmology), cosmology), power, rtol=1e-12
    )
