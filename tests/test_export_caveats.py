"""Exports tell what they know: refused, or with the warning wherever the file goes."""

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import h5py
import numpy as np
import pytest
from export_cases import START, decay_spectrum, install_golden_tables

import spectra
from spectra import export, store
from sterile import cli
from sterile.status import Status

pytestmark = pytest.mark.invariants

CASES = Path(__file__).parent / "golden" / "cases"
RUN = export.simulation(20.0, 256, START)
MAY_HAVE_A_HEADER = (
    "camb",
    "monofonic",
    "music-camb",
    "mp-gadget",
    "gevolution",
    "hmf",
    "21cmfast",
)


def fermi_dirac(last, mass_kev=2.0):
    """A thermal relic whose table ends at q = ``last``: the particles beyond are missing."""
    q = np.geomspace(1e-3, last, 300)
    return spectra.Spectrum(q, 2.0 / (np.exp(q) + 1.0), mass_kev, 0.12)


def truncated():
    with pytest.warns(UserWarning, match="f rises at its last row"):
        return spectra.read_psd(CASES / "psd_truncated_last_number.dat", 7.0, 0.2)


def z_of(name):
    return START if export.FORMATS[name].other_z else None


@pytest.fixture(autouse=True)
def tables():
    install_golden_tables()


@pytest.mark.parametrize("name", export.FORMATS)
def test_what_is_not_resolved_is_refused(name, tmp_path):
    for dm in (truncated(), fermi_dirac(4.0)):
        with pytest.raises(ValueError, match="is not exported: .* T.2 = 1; or use force"):
            export.write(tmp_path / "x", name, spectrum=dm, z=z_of(name))
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", export.FORMATS)
def test_who_insists_has_the_warning_everywhere(name, tmp_path):
    path = tmp_path / "x"
    with pytest.warns(UserWarning, match="written because force was given, but .* = 1"):
        export.write(path, name, spectrum=fermi_dirac(4.0), z=z_of(name), force=True)
    note = path / "psd.dat.note.txt" if name == "class" else path.with_name("x.note.txt")
    assert note.read_text().startswith("WARNING: written because force was given, but the momentum")
    if name in ("hdf5", "velocities", "galacticus"):
        with h5py.File(path) as file:
            assert "estimated error" in file.attrs["warnings"]
    elif name in MAY_HAVE_A_HEADER:
        assert "# WARNING, written because force was given" in path.read_text().partition("\n")[0]
    elif name == "class":
        assert (path / "class.ini").read_text().startswith("# WARNING, ")
        assert "#" not in (path / "psd.dat").read_text()
    else:
        assert "WARNING" not in path.read_text()  # its target takes no comments
    problems = export.check(path, name, RUN).problems
    assert any("written because force was given" in line for line in problems), problems
    # the file is whole: that is all its target could complain of, but for CLASS, which sees it
    assert len(problems) == (2 if name == "class" else 1), problems


def test_a_small_error_is_told_and_no_reason_to_refuse(tmp_path):
    """Fermi-Dirac up to q = 12, as CLASS's example: 4e-3 of T^2."""
    path = tmp_path / "x"
    with pytest.warns(UserWarning, match="x: the momentum table .*; estimated error of T.2 = 0.00"):
        export.write(path, "mp-gadget", spectrum=fermi_dirac(12.0), z=START)
    assert path.with_name("x.note.txt").read_text().startswith("WARNING: the momentum table")
    report = export.check(path, "mp-gadget", RUN)
    assert report.safe and any("estimated error" in line for line in report.notes)


def curve(**changes):
    k = np.geomspace(0.1, 300.0, 71)
    fields = {"k_h_mpc": k, "t2": np.ones(71), "status": 0}
    fields |= {name: np.full(71, 1e-4) for name in ("t2_error", "table_error")}
    return SimpleNamespace(**{**fields, **changes})


@pytest.mark.parametrize(
    "changes, refused, words",
    [
        ({}, False, None),
        ({"status": 4}, False, "does not resolve"),
        ({"t2_error": np.full(71, 0.3)}, True, "T^2 is not well known; .* = 0.3"),
        ({"t2_error": np.full(71, np.nan)}, False, "there is no estimate"),
        ({"t2": np.full(71, np.nan)}, True, "not finite"),
        ({"t2": np.full(71, 0.01), "status": 4}, False, "0.01 at 0.1 h/Mpc already: too hot"),
    ],
)
def test_statuses_and_estimates_of_a_given_transfer_function(changes, refused, words, tmp_path):
    def write():
        export.write(
            tmp_path / "x",
            "gadget4",
            spectrum=decay_spectrum(),
            z=START,
            transfer=curve(**changes),
        )

    pattern = None if words is None else words.replace("^", ".")
    if pattern is None:
        write()  # warnings are errors here
    elif refused:
        with pytest.raises(ValueError, match=f"not exported: .*{pattern}"):
            write()
    else:
        with pytest.warns(UserWarning, match=pattern):
            write()


@pytest.fixture
def run(monkeypatch, capsys):
    def call(*words):
        monkeypatch.setattr(sys, "argv", ["sterile", *map(str, words)])
        capsys.readouterr()
        code = cli.run()
        return code, *capsys.readouterr()

    return call


def result(path, dm, **summary):
    """A result file of a spectrum, as `sterile solve` and `sterile transfer` write them."""
    numbers = {name: float(getattr(dm, name)) for name in ("mass_kev", "temperature_ratio")}
    cosmology = {name: float(value) for name, value in vars(spectra.Cosmology()).items()}
    groups = {"spectrum": numbers, "cosmology": cosmology, "summary": summary}
    store.write(path, store.Record({"spectrum/q": dm.q, "spectrum/f": dm.f}, groups))
    return path


@pytest.mark.cli
def test_the_command_line_says_it_on_stderr(run, tmp_path):
    """By the spectrum itself: a result file of any version tells."""
    file, out = result(tmp_path / "r.h5", fermi_dirac(4.0), status=0), tmp_path / "p.txt"
    code, stdout, err = run("export", file, "--format", "gadget4", "--z", 99, "-o", out)
    assert code == 2 and "--force" in err.splitlines()[-1] and not out.exists()
    words = ("export", file, "--format", "gadget4", "--z", 99, "-o", out, "--force", "--json")
    code, stdout, err = run(*words)
    assert code == 0 and json.loads(stdout)["files"][0] == str(out)
    told = [line for line in err.splitlines() if line.startswith("warning: ")]
    assert len(told) == 1 and "written because force was given, but" in told[0]
    box = ("--box-mpc-h", 20, "--particles", 256, "--z", 99)
    code, stdout, _ = run("export", "--check", out, *box)
    assert code == 1 and "problem: written because force was given" in stdout


@pytest.mark.cli
def test_a_production_that_failed_is_refused_too(run, tmp_path):
    file = result(tmp_path / "r.h5", decay_spectrum(), status=int(Status.NOT_CONVERGED))
    words = ("export", file, "--format", "gadget4", "-o", tmp_path / "p.txt")
    code, _, err = run(*words)
    assert code == 2 and "the decayed number" in err.splitlines()[-1]
    code, _, err = run(*words, "--force")
    assert code == 0 and "warning: " in err and "the decayed number" in err


@pytest.mark.cli
@pytest.mark.parametrize(
    "summary, said",
    [
        ({"status": int(Status.TOLERANCE_NOT_MET)}, "above the tolerance"),
        ({"status": 0, "spectrum_error": 0.07}, "q^2 f is known to 0.07 of its peak only"),
        ({"status": int(spectra.Status.HALF_MODE_ABOVE_RANGE)}, None),
    ],
)
def test_what_production_knows_is_told(summary, said, run, tmp_path):
    out = tmp_path / "p.txt"
    file = result(tmp_path / "r.h5", decay_spectrum(), **summary)
    code, _, err = run("export", file, "--format", "gadget4", "-o", out)
    told = [line for line in err.splitlines() if line.startswith("warning: ")]
    assert code == 0 and len(told) == (said is not None) and all(said in line for line in told)
    assert ("WARNING: " in out.with_name("p.txt.note.txt").read_text()) is (said is not None)


@pytest.mark.cli
def test_a_psd_is_checked_without_a_box(run):
    case = CASES / "psd_fd_100_rows_class_norm.dat"
    code, stdout, _ = run("export", "--check", case, "--format", "class", "--json")
    answer = json.loads(stdout)
    assert code == 0 and answer["safe"] is True and answer["k_min_h_mpc"] is None
    code, stdout, _ = run(
        "export", "--check", CASES / "psd_truncated_last_number.dat", "--format", "class"
    )
    assert code == 1 and "NOT safe for class\n" in stdout
