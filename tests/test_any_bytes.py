"""Any bytes as an input file: a right result, or one line that names the file. Nothing else.

Half of the examples are changed from files that work, so that they get past the first line of a
reader. Readers are called in this process; a few go through the command line's own wrapper.
"""

import json
import os
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import spectra
from spectra import files
from spectra.spectrum import q_mean
from sterile import cli, config, xray
from sterile.fit import settings as fit_settings
from sterile.mixing import tables as mixing_tables
from sterile.scan import design
from sterile.scan import settings as scan_settings

pytestmark = pytest.mark.cli
ROOT = Path(__file__).parent.parent
LONGEST_MESSAGE = 1200


def documents(pattern: str) -> list[bytes]:
    return [path.read_bytes() for path in sorted((ROOT / "runs").glob(pattern))]


RUNS = [*documents("templates/*.toml"), *documents("freeze-*.toml")]
SCANS = [
    *documents("scan-*.toml"),
    b"""[model]
kind = "scalar-decay"
scalar_mass_gev = 100.0
[scan]
design = "sobol"
points = 64
where = "yukawa < 0.1 * portal_coupling"
[scan.parameters.portal_coupling]
low = 1e-10
high = 1e-3
spacing = "log"
[scan.parameters.yukawa]
low = "max(1e-11, 1e-3 * portal_coupling)"
high = "1e-2 * sqrt(portal_coupling)"
""",
]
FITS = documents("fit-*.toml")
PSD = [b"\n".join((ROOT / "runs/templates/spectrum-file.dat").read_bytes().splitlines()[:40])]
LISTS = [b"yukawa,mass_kev\n1e-9,3\n2e-9,7\n", b'# comment\nyukawa , mass_kev\n"1",2\n']
GSTAR = [b"temperature_mev,g_rho,g_s\n10,11,11\n100,20,20\n1000,70,70\n5000,80,80\n"]
LIMITS = [b"# keV, mixing\n1.0 1e-8\n7.0 2e-11\n20.0 1e-13\n"]

TOKENS = [
    "inf", "nan", "-1", "1e400", "1e-400", "-0.0", "0x" + "F" * 5000, "1" * 4301, "[", "]", "{",
    "}", '"', "'", '"""', "\x00", "\n", "\r", "\t", "=", ".", "#", ",", "(", "**", "max(",
    "[[model]]", "[scan]", "true", "1979-05-27", "9223372036854775808", '["a"]', "{a = 1}",
    "1_000", "a.b.c", "\u2028", "\ufeff", "1d-5", 'kind = "sum"', "\\u0000", "١",
    "[" * 2000, "a." * 2000,
]  # fmt: skip
EDITS = st.tuples(
    st.floats(0.0, 1.0),
    st.integers(0, 12),
    st.one_of(st.sampled_from(TOKENS).map(str.encode), st.binary(max_size=6)),
)


def changed(seed: bytes, edits) -> bytes:
    for place, removed, new in edits:
        at = int(place * len(seed))
        seed = seed[:at] + new + seed[at + removed :]
    return seed


def content_like(seeds: list[bytes]):
    """Bytes of any kind, and files of this kind with some changes."""
    spoilt = st.builds(changed, st.sampled_from(seeds), st.lists(EDITS, min_size=1, max_size=4))
    return st.one_of(st.binary(max_size=300), spoilt, spoilt)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("any")


def clean(path: Path, content: bytes, read):
    """What ``read`` makes of a file; None where it refuses with one line that names the file."""
    path.write_bytes(content)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            return read(path)
    except (ValueError, FileNotFoundError) as error:
        message = str(error)
        assert "\n" not in message and len(message) < LONGEST_MESSAGE
        assert path.name in message
        return None


@given(content=content_like(RUNS))
@example(b"[model]\nkind = " + b"[" * 100_000)
@example(b"a = " + b"{a = " * 3000)
@example(b".".join([b"a"] * 490_000) + b" = 1")
@example(b"x = {" + b" . ".join([b"'=,'"] * 100_000) + b" = 1}")
@example(b"[model]\nkind = 0x" + b"F" * 100_000)
@example(b'[model]\nkind = "' + b"x" * 900_000 + b'"')
@example(b"#" * 1_000_001)
@settings(max_examples=80)
def test_a_configuration(folder, content):
    read = clean(folder / "run.toml", content, config.load)
    if read is not None:
        try:
            config.model_of(read), config.plasma_of(read), config.cosmology_of(read)
        except ValueError as error:  # a range: the key is named
            assert "\n" not in str(error) and len(str(error)) < LONGEST_MESSAGE


@given(content=content_like(SCANS))
@example(SCANS[-1].replace(b"64", b"1" + b"0" * 400))
@example(SCANS[-1].replace(b"64", b"20000000000"))
@example(SCANS[-1].replace(b"yukawa <", b"yukawa ** 9 ** 9 ** 9 ** 9 <"))
@settings(max_examples=60)
def test_a_scan(folder, content):
    path = folder / "scan.toml"
    read = clean(path, content, scan_settings.load)
    if read is not None and read.scan.file is None:
        try:
            many = read.scan.design != "grid" and 1000 < read.scan.count() <= design.MAX_POINTS
            if not many:
                points = design.points(read)
                assert all(column.shape == (points.count,) for column in points.values.values())
        except ValueError as error:
            assert "\n" not in str(error)


@given(content=content_like(FITS))
@settings(max_examples=60)
def test_a_fit_and_its_likelihoods(folder, content):
    read = clean(folder / "fit.toml", content, fit_settings.load)
    if read is not None:
        assert read.fit.prior and set(read.priors()) == set(read.fit.prior)


@given(content=content_like(PSD))
@example(b"1 1\n" * 3)
@example(b"1e-400 1\n1e-399 1\n1e300 1\n1e308 1\n1.7e308 1\n")
@settings(max_examples=80)
def test_a_psd(folder, content):
    dm = clean(folder / "psd.dat", content, lambda path: spectra.read_psd(path, 7.0, 0.7))
    if dm is not None:
        # a right result: what numpy reads from the same lines
        rows = [line.split(b"#")[0].split() for line in content.replace(b"\r", b"\n").split(b"\n")]
        table = np.array([[float(word) for word in row] for row in rows if row])
        table = table[1:] if table[0, 0] == 0.0 else table
        assert np.array_equal(dm.q, table[:, 0]) and np.array_equal(dm.f, table[:, 1])
        assert not np.isnan(float(q_mean(dm))) or np.max(dm.q) > 1e60


@given(content=content_like(LISTS))
@settings(max_examples=60)
def test_a_list_of_points(folder, content):
    found = clean(folder / "p.csv", content, lambda p: design.read_list(p, ["yukawa", "mass_kev"]))
    assert found is None or all(np.isfinite(column).all() for column in found.values())


@given(content=st.one_of(content_like(GSTAR), content_like(LIMITS)))
@settings(max_examples=60)
def test_tables_of_a_users_own(folder, content):
    clean(folder / "g.csv", content, mixing_tables.read_gstar)
    clean(folder / "r.csv", content, mixing_tables.read_rates)
    clean(folder / "x.dat", content, xray.read_limit)


def test_damaged_hdf5_files_of_every_kind(tmp_path):
    script = Path(__file__).parent / "fuzz_hdf5.py"
    words = [sys.executable, "-X", "faulthandler", str(script), str(tmp_path), "1", "40"]
    environment = {**os.environ, "JAX_ENABLE_X64": "1"}
    done = subprocess.run(words, capture_output=True, text=True, timeout=300, env=environment)
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout)
    assert len(found) == 10
    # damage is noticed often enough to have been tried, and not everything is refused
    assert all(refused > 5 for kind, (_, refused, _) in found.items() if kind != "velocities")
    assert all(good > 0 for kind, (good, _, _) in found.items())


def test_files_without_an_end(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="longer than 1 MB"):
        config.load("/dev/zero")
    monkeypatch.setattr("spectra.psd.MOST_TABLE_BYTES", 10_000)
    with pytest.raises(ValueError, match="longer than 0.01 MB"):
        spectra.read_psd("/dev/zero", 7.0, 0.7)
    assert files.read_text(Path("/dev/null"), 10) == ""


COMMANDS = [
    ("solve", [], ".toml"),
    ("scan", ["-o", "out.h5"], ".toml"),
    ("fit", ["-o", "out.h5"], ".toml"),
    ("transfer", ["--mass-kev", "7", "--temperature-ratio", "0.7"], ".dat"),
    ("plot", ["-o", "out.png"], ".h5"),
    ("verdict", [], ".h5"),
    ("citation", [], ".h5"),
    ("explain", [], ".h5"),
    ("export", ["--format", "class", "-o", "out"], ".h5"),
]
WRONG = {
    "empty": b"",
    "zeros": bytes(2000),
    "every byte": bytes(range(256)),
    "nested": b"a = " + b"[" * 50_000,
    "HDF5 by its first bytes": b"\x89HDF\r\n\x1a\n" + bytes(range(256)) * 8,
}


@pytest.mark.parametrize("command, words, suffix", COMMANDS, ids=[c[0] for c in COMMANDS])
def test_a_command_says_one_line(command, words, suffix, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / f"input{suffix}"
    for content in WRONG.values():
        path.write_bytes(content)
        monkeypatch.setattr(sys, "argv", ["sterile", command, str(path), *words])
        capsys.readouterr()
        assert cli.run() == 2
        out, err = capsys.readouterr()
        assert out == "" and err.startswith("error: ") and err.count("\n") == 1
        assert path.name in err and len(err) < LONGEST_MESSAGE and "unexpected" not in err
    assert os.listdir(tmp_path) == [path.name]
