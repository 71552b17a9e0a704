"""Reading phase-space files: good ones, and every bad one a user will bring."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import spectra

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
    "commas": ([line.replace(" ", ",") for line in LINES], "line 1: .* is not a number"),
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
