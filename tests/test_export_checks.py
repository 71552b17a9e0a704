"""What a check says of other people's files, as their targets read them today.

The versions that each claim was read in stand in docs/export.md.
"""

from pathlib import Path

import numpy as np
import pytest
from export_cases import START, decay_spectrum, install_golden_tables
from hypothesis import given
from hypothesis import strategies as st

import spectra
from spectra import export
from spectra.export import checks

pytestmark = pytest.mark.invariants

CASES = Path(__file__).parent / "golden" / "cases"
# 500 Mpc/h and 32 a side: k from 0.013 to 0.35 h/Mpc, which the excerpts cover
RUN = export.simulation(500.0, 32, START)


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A file of each text format, of a spectrum that is cut off at 30 h/Mpc."""
    install_golden_tables()
    folder = tmp_path_factory.mktemp("written")

    def make(name, z):
        path = folder / f"{name}-{z:g}.dat"
        if not path.exists():
            at = None if name.startswith("2lpt") else z
            export.write(path, name, spectrum=decay_spectrum(), z=at)
        return path

    return make


def spoilt(path, folder, change):
    """A copy of a table without its companions, changed: rows of words, its header as it is."""
    lines = path.read_text().splitlines()
    header = [line for line in lines if line.startswith("#")]
    rows = np.array([line.split() for line in lines if not line.startswith("#")])
    target = folder / "spoilt.dat"
    rows = change(rows.astype(object))
    target.write_text("\n".join([*header, *(" ".join(row) for row in rows)]) + "\n")
    return target


UNSAFE = {
    "camb_total_zero.dat": ("camb", ["baryon is zero on every row", "total is zero on every row"]),
    "gevolution_spaced.dat": ("gevolution", ["a blank between the colon and the label"]),
    "psd_truncated_last_number.dat": ("class", ["f rises at its last row"]),
}


@pytest.mark.parametrize("case", UNSAFE)
def test_files_that_were_called_safe(case):
    name, said = UNSAFE[case]
    problems = export.check(CASES / case, name, RUN).problems
    for words in said:
        assert any(words in line for line in problems), problems


SAFE = {
    "music_camb_header.dat": "music-camb",
    "monofonic_mass_nu_0.dat": "monofonic",
    "mp_gadget_log10.txt": "mp-gadget",
    "2lpt_camb_z100.dat": "2lpt-camb",
    "psd_fd_100_rows_class_norm.dat": "class",
}


@pytest.mark.parametrize("case", SAFE)
def test_files_that_their_targets_read_well(case):
    report = export.check(CASES / case, SAFE[case], RUN)
    assert report.safe, report.problems


def column(index, value):
    def change(rows):
        rows[:, index] = value
        return rows

    return change


def entry(row, index, value):
    def change(rows):
        rows[row, index] = value
        return rows

    return change


def negated(index):
    def change(rows):
        rows[:, index] = [word[1:] if word[0] == "-" else f"-{word}" for word in rows[:, index]]
        return rows

    return change


def zero_row(rows):
    rows[50, 1:] = "0.0"
    return rows


@pytest.mark.parametrize(
    "change, said",
    [
        (column(6, "0.0"), "total is zero on every row"),
        (column(1, "0.0"), "CDM is zero on every row"),
        (column(10, "0.0"), "v_CDM is zero on every row"),
        (column(7, "0.0"), "no_nu is zero on every row"),
        (zero_row, "row 51: total = 0"),
        (entry(50, 2, "0.0"), "row 51: baryon = 0"),
        (negated(1), "CDM and baryon and total differ in sign"),
        (negated(6), "CDM and baryon and total differ in sign"),
        (entry(50, 2, "-1e4"), "row 51 (1 row(s)): CDM and baryon and total differ in sign"),
        (negated(11), "v_CDM and v_b differ in sign"),
    ],
)
def test_a_camb_table_with_holes_or_two_signs(change, said, written, tmp_path):
    path = spoilt(written("camb", START), tmp_path, change)
    problems = export.check(path, "camb", RUN).problems
    assert any(said in line for line in problems), problems


def test_no_massive_neutrinos_and_no_photons_are_no_holes(written, tmp_path):
    path = spoilt(written("camb", START), tmp_path, column([3, 4, 5], "0.0"))
    assert export.check(path, "camb", RUN).safe


HARMLESS = {
    "monofonIC never uses mass_nu": ("monofonic", 0.0, column(5, "0.0")),
    "nine columns of an older CAMB": ("monofonic", 0.0, lambda rows: rows[:, :9]),
    "MUSIC interpolates negative baryons": ("music-camb", START, entry(50, 2, "-1e3")),
    "MUSIC reads thirteen columns of more": (
        "music-camb",
        START,
        lambda rows: np.column_stack([rows, rows[:, 1]]),
    ),
    "genic floors P = 0": ("mp-gadget", START, entry(-1, 1, "0.0")),
    "2LPTic sorts": ("2lpt-camb", 0.0, lambda rows: rows[::-1]),
    "2LPTic normalises": ("2lpt-camb", 0.0, lambda rows: rows),
}


@pytest.mark.parametrize("claim", HARMLESS)
def test_what_does_no_harm(claim, written, tmp_path):
    name, z, change = HARMLESS[claim]
    path = spoilt(written(name, z), tmp_path, change)
    report = export.check(path, name, RUN)
    assert report.safe, report.problems


def test_an_amplitude_cannot_hurt_2lptic(written, tmp_path):
    """Delta^2 of z = 99 in gadget4's file is what 2LPTic reads too: normalised to Sigma8."""
    path = tmp_path / "p.txt"
    path.write_text(written("gadget4", START).read_text())
    report = export.check(path, "2lpt", RUN)
    assert report.safe, report.problems
    assert any("2LPTic normalises it" in line for line in report.notes)
    assert not export.check(path, "gadget4", export.simulation(500.0, 32, 49)).safe


@pytest.mark.parametrize("name", ["2lpt", "2lpt-camb"])
def test_2lptic_needs_the_nyquist_wavenumber_only(name, written):
    """The table ends at 2000 h/Mpc."""
    enough = export.simulation(1.0, 1990.0 / np.pi, 199.0)
    too_few = export.simulation(1.0, 2010.0 / np.pi, 199.0)
    assert not [p for p in export.check(written(name, 0.0), name, enough).problems if "ends" in p]
    assert [p for p in export.check(written(name, 0.0), name, too_few).problems if "k ends at" in p]


@pytest.mark.parametrize("comment", ["# made by: someone\n", "# kept: no\n", "# a\n#\n"])
def test_comments_before_the_header_of_gevolution(comment, written, tmp_path):
    path = tmp_path / "t.dat"
    path.write_text(comment + written("gevolution", START).read_text())
    report = export.check(path, "gevolution", RUN)
    assert report.safe, report.problems


def test_gevolution_without_one_of_its_columns(written, tmp_path):
    path = tmp_path / "t.dat"
    path.write_text(written("gevolution", START).read_text().replace("t_cdm", "t_dcm"))
    problems = export.check(path, "gevolution", RUN).problems
    assert any("but no t_cdm" in line for line in problems), problems


def logarithms(rows):
    return [[f"{np.log10(float(word)):.8f}" for word in row] for row in rows]


def test_genic_takes_logarithms_and_indented_comments(written, tmp_path):
    path = spoilt(written("mp-gadget", START), tmp_path, logarithms)
    assert export.check(path, "mp-gadget", RUN).safe
    path.write_text("  # indented\n\t# and with a tab\n" + path.read_text())
    assert export.check(path, "mp-gadget", RUN).safe


@pytest.mark.parametrize(
    "low, high, safe", [(0.09, 0.24, True), (0.11, 0.0, False), (0.0, 0.26, False)]
)
def test_genic_goes_on_a_little_beyond_its_table(low, high, safe, written, tmp_path):
    """0.1 dex below, 0.25 dex above the table; beyond, it stops."""
    first, last = RUN.fundamental * 10.0**low, 3.0**0.5 * RUN.nyquist / 10.0**high
    k = np.geomspace(first, last, 60)
    power = np.asarray(spectra.cold_power(k, spectra.power_table(), z=START))
    path = tmp_path / "p.txt"
    path.write_text("".join(f"{a:.8e} {b:.8e}\n" for a, b in zip(k, power)))
    report = export.check(path, "mp-gadget", RUN)
    assert report.safe is safe, report.problems
    # sigma_8 is integrated from larger scales than these
    assert any("integrates sigma_8 from 2e-05" in line for line in report.notes)


def test_genic_has_the_scales_that_its_sigma8_needs(written):
    notes = export.check(written("mp-gadget", START), "mp-gadget", RUN).notes
    assert not any("integrates sigma_8" in line for line in notes)


@pytest.mark.parametrize(
    "name, z, change, said",
    [
        ("monofonic", START, entry(50, 11, "-1.0"), "v_b = -1"),
        ("music", 0.0, entry(50, 1, "0.0"), "total = 0"),
        ("music-camb", 0.0, entry(50, 1, "0.0"), "cdm = 0"),
        ("camb", 0.0, entry(50, 6, "0.0"), "total = 0"),
        ("camb", 0.0, lambda rows: rows[[0, 1, 3, 2, *range(4, len(rows))]], "does not increase"),
        ("mp-gadget", 0.0, entry(50, 1, "-1.0"), "P(k) = -1"),
        ("gevolution", 0.0, negated(7), "sign of d_cdm"),
        ("gadget4", 0.0, entry(50, 1, "nan"), "not a number"),
    ],
)
def test_a_redshift_is_not_hidden_behind_another_problem(name, z, change, said, written, tmp_path):
    path = spoilt(written(name, z), tmp_path, change)
    problems = export.check(path, name, RUN).problems
    assert any(said in line for line in problems), problems
    assert any("the amplitude is that of 1 + z" in line for line in problems), problems


def test_nor_the_one_that_was_written_behind_a_header(written, tmp_path):
    path = written("music", 0.0)
    target = tmp_path / "t.dat"
    target.write_text("# k T\n" + path.read_text())
    beside = path.with_name(f"{path.name}.params.txt")
    target.with_name("t.dat.params.txt").write_text(beside.read_text())
    problems = export.check(target, "music", RUN).problems
    assert any("a comment, which MUSIC reads as data" in line for line in problems), problems
    assert any("written for z = 0" in line for line in problems), problems


@pytest.mark.parametrize("name", ["csv", "2lpt", "2lpt-camb", "gadget4", "mp-gadget"])
def test_the_numbers_of_something_else(name, written, tmp_path):
    """k^3 P for P, or P for k^3 P: whatever is normalised later."""
    path = written(name, START if name not in ("2lpt", "2lpt-camb") else 0.0)
    if name == "csv":
        rows = np.loadtxt(path, delimiter=",", skiprows=1)
        text = "k_h_mpc,power\n" + "".join(f"{k:e},{k**3 * p:e}\n" for k, p in rows[:, :2])
    else:
        rows = np.loadtxt(path)
        shift = 3.0 * rows[:, 0] if name in ("2lpt", "gadget4") else rows[:, 0] ** 3
        place = 6 if name == "2lpt-camb" else 1
        rows[:, place] = rows[:, place] - shift if "2lpt" == name else rows[:, place] * shift
        text = "".join(" ".join(f"{word:e}" for word in row) + "\n" for row in rows)
    target = tmp_path / "t.dat"
    target.write_text(text)
    problems = export.check(target, name, RUN).problems
    assert any("not the numbers that the target wants" in line for line in problems), problems


def test_no_power_beyond_the_end_does_no_harm_where_the_target_goes_on(tmp_path):
    """A table that ends at 300 h/Mpc with T^2 = 5e-5, for a grid whose corner is at 357 h/Mpc."""
    k = np.geomspace(1e-3, 300.0, 2000)
    cold = np.asarray(spectra.cold_power(k, spectra.power_table(), z=START))
    run = export.simulation(20.0, 357.0 * 20.0 / np.pi / 3.0**0.5, START)
    for t2, safe in ((1.0 / (1.0 + (k / 60.0) ** 6.1), True), (np.ones(k.size), False)):
        path = tmp_path / "p.txt"
        delta2 = k**3 * cold * t2 / (2.0 * np.pi**2)
        path.write_text("".join(f"{np.log10(a):e} {np.log10(b):e}\n" for a, b in zip(k, delta2)))
        report = export.check(path, "gadget4", run)
        assert report.safe is safe, report.problems
        assert any("no power there" in line for line in report.notes) is safe
    # but a target that stops does not care
    path.write_text("".join(f"{a:e} {b:e}\n" for a, b in zip(k, cold / (1.0 + (k / 60.0) ** 6.1))))
    far = export.simulation(20.0, 600.0 * 20.0 / np.pi / 3.0**0.5, START)
    assert not export.check(path, "mp-gadget", far).safe


def test_own_exports_reach_beyond_the_solver(written):
    """Where T^2 has fallen below a per cent: to 2000 h/Mpc, falling on."""
    run = export.simulation(20.0, 357.0 * 20.0 / np.pi / 3.0**0.5, START)
    for name in ("gadget4", "monofonic", "gevolution", "mp-gadget", "music"):
        z = 0.0 if name == "monofonic" else START
        report = export.check(written(name, z), name, run)
        assert report.safe, (name, report.problems)
    rows = np.loadtxt(written("gadget4", START))
    beyond = rows[10.0 ** rows[:, 0] > 300.0]
    assert 10.0 ** beyond[-1, 0] == pytest.approx(2000.0)
    assert np.all(np.diff(beyond[:, 1]) < 0.5)  # T held at its floor: k^3 P grows like ln^2 k


def test_a_spectrum_that_is_not_cut_ends_with_the_solver(tmp_path):
    from spectra.linear import K_RANGE_H_MPC

    install_golden_tables()
    path = tmp_path / "p.txt"
    export.write(path, "gadget4", spectrum=decay_spectrum(mass_kev=100.0), z=START)
    assert 10.0 ** np.loadtxt(path)[-1, 0] == pytest.approx(K_RANGE_H_MPC[1])
    run = export.simulation(20.0, 357.0 * 20.0 / np.pi / 3.0**0.5, START)
    assert any("k ends at 300" in line for line in export.check(path, "gadget4", run).problems)


def psd(folder, q, f):
    path = folder / "psd.dat"
    path.write_text("".join(f"{a:.8e} {b:.8e}\n" for a, b in zip(q, f)))
    return path


Q = np.geomspace(1e-3, 30.0, 300)


@pytest.mark.parametrize(
    "q, f, said",
    [
        (Q, 1.0 / (np.exp(Q) + 1.0), None),
        (np.append(0.0, Q), np.append(0.5, 1.0 / (np.exp(Q) + 1.0)), None),
        # CLASS adds a fifth of the particles; of Fermi-Dirac they happen to be right
        (Q[Q < 4.0], 1.0 / (np.exp(Q[Q < 4.0]) + 1.0), "the table ends at q = 3"),
        (Q[Q > 0.5], 1.0 / (np.exp(Q[Q > 0.5]) + 1.0), "the table begins at q = 0.5"),
        (Q, np.append(np.exp(-Q)[:-1], 9.4), "f rises at its last row"),
        (Q[Q < 8.0], np.maximum(np.exp(-Q[Q < 8.0]), 1e-2), "f does not fall at its last row"),
        (Q, Q**2 * np.exp(-Q), "looks like q^2 f"),
        (Q, np.where(Q > 20.0, 0.0, np.exp(-Q)), "f ends with zeros"),
        (Q, np.where(Q > 29.0, np.exp(-Q), np.exp(-Q) - 1e-9), "f is negative"),
    ],
)
def test_distributions_for_class(q, f, said, tmp_path):
    """Without a box: a psd file is for no simulation."""
    problems = export.check(psd(tmp_path, q, f), "class").problems
    assert not problems if said is None else any(said in line for line in problems), problems


def test_all_that_is_wrong_with_a_psd_is_listed(tmp_path):
    path = psd(tmp_path, Q, np.append(np.exp(-Q)[:-1], 9.4))
    path.write_text("# q f\n" + path.read_text())
    problems = export.check(path, "class").problems
    assert any("'#', a header or comment, after 0 row(s)" in line for line in problems)
    assert any("f rises at its last row" in line for line in problems)
    # fscanf reads pairs, not lines
    words = " ".join(f"{a:.8e} {b:.8e}" for a, b in zip(Q, np.exp(-Q)))
    path.write_text(words + "\n\n")
    assert export.check(path, "class").safe


def test_other_formats_are_checked_for_a_box(written):
    with pytest.raises(ValueError, match="gadget4 is checked for a simulation"):
        export.check(written("gadget4", START), "gadget4")


def test_words_that_streams_do_not_read():
    assert checks.numbers("1.0 +2e-3 .5 3. -4E+05 nan") == pytest.approx(
        [1.0, 2e-3, 0.5, 3.0, -4e5, float("nan")], nan_ok=True
    )
    for word in ("1_000", "1.0D-03", "1,0", "\ufeff1", "0x1p3", "\u0661"):
        assert checks.numbers(f"2 {word} 3") == [2.0]


WORDS = st.sampled_from(
    ["nan", "inf", "1e308", "-1e308", "1e-320", "1e400", "0", "-1", "-300", "300", "#", ":", "1:k"]
    + ["\n", "\r", "\n\n", "\x0c", "\ufeff", "1,2", "1D3", "d_cdm", "1e-3", "2e-3", "5e-2", "0.1"]
)
TEXTS = [name for name in export.FORMATS if name not in ("hdf5", "velocities")]


@given(name=st.sampled_from(TEXTS), words=st.lists(WORDS, max_size=60))
def test_no_words_whatever_make_a_traceback(name, words, tmp_path_factory):
    """Numbers that overflow among them: every one is told, and none of these is a table."""
    path = tmp_path_factory.mktemp("any") / "t.dat"
    path.write_text(" ".join(words), encoding="utf-8", newline="")
    report = export.check(path, name, RUN)
    assert not report.safe and all("\n" not in line for line in report.problems)
