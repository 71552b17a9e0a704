"""Reading phase-space files: good ones, and every bad one a user will bring."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import spectra
from spectra.psd import CLASS_FACTOR, abundance_doubt
from spectra.spectrum import omega_h2

pytestmark = pytest.mark.invariants

Q = np.geomspace(1e-3, 30.0, 40)
LINES = [f"{q:.8e} {np.exp(-q):.8e}" for q in Q]


def read(path):
    return spectra.read_psd(path, mass_kev=7.1, temperature_ratio=0.71377)


@pytest.fixture
def written(tmp_path):
    def write(lines, name="psd.dat"):
        path = tmp_path / name
        path.write_text("\n".join(lines) + "\n")
        return path

    return write


def test_reads_what_was_written(written):
    dm = read(written(LINES))
    assert np.allclose(dm.q, Q, rtol=1e-8)
    assert np.allclose(dm.f, np.exp(-Q), rtol=1e-8)
    assert (dm.mass_kev, dm.temperature_ratio) == (7.1, 0.71377)


def test_comments_blank_lines_and_a_first_row_at_zero_are_fine(written):
    dm = read(written(["# q f", "", "0.0 1.0", *LINES[:5], "  # half way", *LINES[5:]]))
    assert dm.q.shape == Q.shape


BAD_FILES = {
    "text": ([*LINES[:3], "1.0 abc", *LINES[3:]], "line 4: 'abc' is not a number"),
    "header": (["q f", *LINES], "line 1: 'q' is not a number"),
    "three columns": ([f"{line} 1.0" for line in LINES], "line 1: 3 column"),
    "ragged": ([*LINES[:3], "1.0", *LINES[3:]], "line 4: 1 column"),
    "one column": ([line.split()[0] for line in LINES], "line 1: 1 column"),
    "commas": ([line.replace(" ", ",") for line in LINES], "line 1: .* is not a number.* commas"),
    "decimal commas": ([line.replace(".", ",") for line in LINES], "line 1: .* commas"),
    "semicolons": ([line.replace(" ", ";") for line in LINES], "line 1: .* semicolons"),
    "Fortran exponents": (
        [*LINES[:3], LINES[3].replace("e", "D"), *LINES[4:]],
        "line 4: .* is not a number: it has a Fortran exponent",
    ),
    "Fortran exponents without a letter": (
        [*LINES, "31.0 1.2345-101"],
        "line 41: '1.2345-101' .* Fortran exponent",
    ),
    "nan": (["# header", *LINES[:3], f"{Q[3]} nan", *LINES[4:]], "line 5: f = nan"),
    "infinite": ([*LINES[:3], f"{Q[3]} inf", *LINES[4:]], "line 4: f = inf"),
    "negative f": ([*LINES[:3], f"{Q[3]} -1.0", *LINES[4:]], "line 4: f = -1"),
    "negative q": (["-1.0 1.0", *LINES], "line 1: q = -1"),
    "unsorted": ([*LINES[:2], LINES[3], "# x", LINES[2], *LINES[4:]], "line 5: q = .* sort"),
    "repeated": ([LINES[0], *LINES], "line 2: q = .* sort"),
    "one line": (LINES[:1], "1 usable line"),
    "empty": ([], "no data"),
    "only comments": (["# nothing", "#"], "no data"),
    "all zero": ([f"{q} 0.0" for q in Q], "zero on every line"),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_bad_files_name_the_file_and_the_line(case, written):
    lines, words = BAD_FILES[case]
    path = written(lines)
    with pytest.raises(ValueError, match=words) as caught:
        read(path)
    message = str(caught.value)
    assert str(path) in message
    assert "\n" not in message


def test_missing_file_directory_and_binary(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such file"):
        read(tmp_path / "nowhere.dat")
    with pytest.raises(ValueError, match="directory"):
        read(tmp_path)
    binary = tmp_path / "binary.dat"
    binary.write_bytes(bytes(range(256)) * 4)
    with pytest.raises(ValueError, match="binary.dat"):
        read(binary)


def test_byte_order_marks(tmp_path):
    """UTF-8's is skipped and told, as CLASS would stop at it; UTF-16 is no table."""
    text = "\n".join(LINES) + "\n"
    path = tmp_path / "bom.dat"
    path.write_bytes(text.encode("utf-8-sig"))
    with pytest.warns(UserWarning, match="bom.dat: starts with a byte-order mark"):
        dm = read(path)
    assert np.allclose(dm.f, np.exp(-Q), rtol=1e-8)
    path.write_bytes(text.encode("utf-16"))
    with pytest.raises(ValueError, match="bom.dat: starts with a byte-order mark of UTF-16"):
        read(path)


def test_a_last_number_without_its_exponent_is_told(written):
    """The kind of a file that lost its end: 2.06e-9 became 2.06."""
    with pytest.warns(UserWarning, match="f rises at its last row, from .* at q = 30"):
        read(written([*LINES[:-1], "3.0e+01 2.06"]))


HEADS = {
    "thermal": lambda q: 1.0 / (np.exp(q) + 1.0),
    "decay": lambda q: q**-0.5 * np.exp(-q),
    "late decay": lambda q: np.exp(-(q**2)) / q,
    "Bose": lambda q: 1.0 / (np.exp(q) - 1.0),
    "line": lambda q: np.exp(-0.5 * ((q - 3.0) / 0.3) ** 2),
    "resonance on a plateau": lambda q: 0.01 + np.exp(-0.5 * ((q - 3.0) / 0.8) ** 2),
    "linear rise": lambda q: q * np.exp(-q),
}


@pytest.mark.parametrize("head", HEADS)
def test_moments_taken_for_f(head, written):
    """q^2 f of a flat or falling head is told; f itself, of any kind, is not."""
    q = np.geomspace(1e-3, 20.0, 200)
    f = HEADS[head](q) + 1e-300

    def lines(values):
        return [f"{a:.8e} {b:.8e}" for a, b in zip(q, values)]

    read(written(lines(f)))  # warnings are errors here
    if head in ("thermal", "decay"):
        with pytest.warns(UserWarning, match="looks like q.2 f; give f itself"):
            read(written(lines(q**2 * f)))


def test_the_second_column_may_be_of_three_kinds(written):
    """CLASS's own example: f = F/(2 pi)^3; for 11.29 eV at the neutrinos' temperature
    Omega h^2 = 0.12 (94.1 eV a unit)."""
    q = np.linspace(0.0, 12.0, 100)  # as psd_FD_single.dat of CLASS v3.4.1
    rows = [f"{a:.7e} {b:.7e}" for a, b in zip(q, 2.0 / (np.exp(q) + 1.0) / (2.0 * np.pi) ** 3)]
    path = written(rows)
    found = {
        kind: float(omega_h2(spectra.read_psd(path, 0.01129, 0.71377, normalisation=kind)))
        for kind in ("occupation", "class", "free")
    }
    # the table holds all but 6e-4 of the particles
    assert found["class"] == pytest.approx(0.12, rel=2e-3)
    assert found["occupation"] == found["free"]
    assert found["class"] / found["occupation"] == pytest.approx((2.0 * np.pi) ** 3, rel=1e-12)
    with pytest.raises(ValueError, match="normalisation = 'CLASS' .* occupation, class, free"):
        spectra.read_psd(path, 7.0, 0.7, normalisation="CLASS")


@pytest.mark.parametrize(
    "share, words",
    [
        (1.0, None),
        (0.5, None),
        (5e-3, None),
        (1e-6, None),
        (1.0 / CLASS_FACTOR, "normalisation = class"),
        (0.2 / CLASS_FACTOR, "normalisation = class"),
        (0.5 * CLASS_FACTOR, "without the .2 pi..3 of CLASS's convention it would be 0.06"),
        (3600.0, "over-close the universe; if the file gives a shape only"),
    ],
)
def test_abundances_that_the_other_convention_explains(share, words):
    doubt = abundance_doubt(share * 0.12, 0.12)
    assert doubt is None if words is None else re.search(words, doubt)


def test_a_million_lines(tmp_path):
    path = tmp_path / "long.dat"
    q = np.geomspace(1e-4, 40.0, 10**6)
    np.savetxt(path, np.column_stack([q, np.exp(-q)]), fmt="%.9e")
    dm = read(path)
    assert dm.q.shape == (10**6,)


@given(st.text(max_size=200))
def test_no_text_whatever_makes_a_traceback(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("any") / "psd.dat"
    path.write_text(text, encoding="utf-8", errors="replace")
    try:
        dm = read(path)
    except ValueError as error:
        assert "psd.dat" in str(error) and "\n" not in str(error)
    else:
        assert dm.q.shape[0] >= 4
