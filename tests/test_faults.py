"""Kills, full disks, read-only directories, wrong caches, clocks, signals, missing packages."""

import contextlib
import importlib.util
import json
import os
import resource
import shutil
import signal
import stat
import subprocess
import sys
from pathlib import Path

import fault_cases
import h5py
import numpy as np
import pytest

import spectra
import sterile
from spectra import cache, directories, programs, store
from spectra.structure import camb_run
from sterile import cli
from sterile.fit import extra
from sterile.scan import cluster, results

pytestmark = pytest.mark.cli
TESTS = os.path.dirname(__file__)


def test_every_kind_of_write_killed_at_every_step(tmp_path):
    words = [sys.executable, os.path.join(TESTS, "fault_cases.py"), str(tmp_path)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    kills = json.loads(done.stdout)
    assert kills.keys() == fault_cases.WRITES.keys()
    assert all(count > 4 for count, _ in kills.values())
    # the rows of a scan are written in place: nothing can be left beside it
    assert kills["scan, rows"][1] == 0


@contextlib.contextmanager
def disk_of(size: int):
    """No file longer than this: what a process can have of a full disk."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def figure(folder):
    from matplotlib.figure import Figure

    from spectra import plots

    plots.save(Figure(), folder / "f.png")


# what raises; caches say it and go on
WRITES = {
    "result": lambda f: store.write(f / "r.h5", fault_cases.record(2.0)),
    "tables": lambda f: cache.write_tables(f / "t.h5", *fault_cases.tables(2.0)),
    "export": lambda f: fault_cases.exports(f, "new"),
    "fit": lambda f: fault_cases.fit_store.write(f / "f.h5", fault_cases.fit(2.0)),
    "scan": fault_cases.make_scan,
    "snapshot": fault_cases.kick,
    "figure": figure,
}


@pytest.mark.parametrize("kind", WRITES)
def test_a_full_disk_is_one_line_and_leaves_what_was_there(kind, tmp_path):
    fault_cases.make_snapshot(tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with disk_of(100), pytest.raises(ValueError, match="could not be written|no room") as caught:
        WRITES[kind](tmp_path)
    assert str(tmp_path) in str(caught.value) and "\n" not in str(caught.value)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_cache_on_a_full_disk_is_made_every_time(tmp_path):
    with disk_of(100), pytest.warns(UserWarning, match="made again next time"):
        assert fault_cases.kept(tmp_path, 2.0) == 2.0
    assert fault_cases.kept(tmp_path, 1.0) == 1.0


@contextlib.contextmanager
def read_only(folder: Path):
    """A directory that this process may not write to, root or not."""
    mode = folder.stat().st_mode
    folder.chmod(stat.S_IRUSR | stat.S_IXUSR | stat.S_IRGRP | stat.S_IXGRP | stat.S_IROTH | 1)
    is_root, nobody = os.geteuid() == 0, 65534
    if is_root:  # root may write anywhere: be nobody for a while
        os.setresuid(nobody, nobody, 0)
    try:
        yield
    finally:
        if is_root:
            os.setresuid(0, 0, 0)
        folder.chmod(mode)


@pytest.fixture
def open_path(tmp_path):
    """A directory whose parents everybody may enter."""
    for folder in (tmp_path, *tmp_path.parents):
        if folder.owner() == tmp_path.owner() and folder != Path("/"):
            folder.chmod(folder.stat().st_mode | 0o555)
    return tmp_path


@pytest.mark.parametrize("kind", WRITES)
def test_a_read_only_directory_is_named(kind, open_path):
    fault_cases.make_snapshot(open_path)
    before = sorted(os.listdir(open_path))
    with read_only(open_path), pytest.raises(ValueError, match="not writable") as caught:
        WRITES[kind](open_path)
    assert str(open_path) in str(caught.value)
    assert sorted(os.listdir(open_path)) == before


def test_a_cache_in_a_read_only_directory_is_made_every_time(open_path):
    (open_path / "tables").mkdir()
    with read_only(open_path / "tables"), pytest.warns(UserWarning, match="made again next time"):
        assert fault_cases.kept(open_path, 2.0) == 2.0


DAMAGES = {
    "cut": lambda content, at: content[: len(content) // 2],
    "changed": lambda content, at: content[:at] + b"\xff" * 8 + content[at + 8 :],
    "empty": lambda content, at: b"",
    "text": lambda content, at: b"not a table\n",
    "zeros": lambda content, at: bytes(len(content)),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_cache_is_made_anew(damage, tmp_path):
    assert fault_cases.kept(tmp_path, 2.0) == 2.0
    path = tmp_path / "tables" / "k.h5"
    with h5py.File(path) as file:
        at = file["a"].id.get_chunk_info(0).byte_offset
    path.write_bytes(DAMAGES[damage](path.read_bytes(), at))
    with pytest.warns(UserWarning, match="made anew"):
        assert fault_cases.kept(tmp_path, 1.0) == 1.0
    assert fault_cases.kept(tmp_path, 3.0) == 1.0  # it was mended


def test_a_changed_attribute_of_a_cache_is_noticed(tmp_path):
    """The cosmology of a table is an attribute: another number there is another cosmology."""
    fault_cases.kept(tmp_path, 2.0)
    with h5py.File(tmp_path / "tables" / "k.h5", "r+") as file:
        file.attrs["made"] = 2.5
    with pytest.warns(UserWarning, match="checksum"):
        assert fault_cases.kept(tmp_path, 1.0) == 1.0


def test_a_cache_under_the_name_of_another_is_not_taken(tmp_path):
    fault_cases.kept(tmp_path, 2.0)
    folder = tmp_path / "tables"
    shutil.copy(folder / "k.h5", folder / "other.h5")
    with pytest.warns(UserWarning, match="under this name"):
        found = cache.kept_tables(["other.h5"], lambda: fault_cases.tables(1.0))
    assert found[1]["made"] == 1.0
    programs._write(folder / "a.bin", "[]", b"a")
    shutil.copy(folder / "a.bin", folder / "b.bin")
    assert programs._read(folder / "a.bin") and programs._read(folder / "b.bin") is None


MAKE = """
import os, sys, time
from pathlib import Path
sys.path.insert(0, {tests!r})
import numpy as np
from spectra.cache import kept_tables
def make():
    with open({log!r}, "a") as file:
        file.write("made ")
    time.sleep(0.5)
    return {{"a": np.ones(10)}}, {{}}
print(kept_tables(["k.h5"], make)[0]["a"].sum())
"""


def test_two_processes_that_share_a_cache_make_it_once(tmp_path):
    log = tmp_path / "log"
    code = MAKE.format(tests=TESTS, log=str(log))
    environment = {**os.environ, "STERILE_CACHE_DIR": str(tmp_path / "cache")}
    both = [
        subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE)
        for _ in range(2)
    ]
    assert [process.communicate(timeout=60)[0] for process in both] == [b"10.0\n"] * 2
    assert log.read_text() == "made "


@pytest.mark.parametrize("why", ["everybody", "another user"])
def test_a_cache_that_others_may_write_is_not_used(why, tmp_path, monkeypatch):
    fault_cases.kept(tmp_path, 2.0)
    folder = tmp_path / "tables"
    path = tmp_path / "programs" / "p.bin"
    programs._write(path, "[]", b"a")
    for made in (folder, path.parent):
        assert stat.S_IMODE(made.stat().st_mode) == 0o700
        if why == "everybody":
            made.chmod(0o777)
    if why == "another user":
        monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 12345)
        monkeypatch.setattr(directories, "_ROOT", -1)
    directories._is_trusted.cache_clear()
    with pytest.warns(UserWarning, match=why) as said:
        assert fault_cases.kept(tmp_path, 1.0) == fault_cases.kept(tmp_path, 1.0) == 1.0
        assert programs._read(path) is None
    assert len(said) == 2  # once for each of the two
    monkeypatch.undo()
    directories._is_trusted.cache_clear()


def test_a_clock_that_is_set_back_hides_no_change(tmp_path):
    """A spectrum's file with other content and the same time of change is read again."""
    path, q = tmp_path / "psd.dat", np.geomspace(1e-3, 30.0, 60)
    model = sterile.SpectrumFile(7.0, temperature_ratio=0.5, file=str(path))
    found = []
    for factor in (1.0, 2.0):
        np.savetxt(path, np.column_stack([q, factor * np.exp(-q)]))
        os.utime(path, (1e9, 1e9))
        found.append(float(sterile.solve(model).yield_n))
    assert found[1] == pytest.approx(2.0 * found[0], rel=1e-12)
    # caches ask no clock
    fault_cases.kept(tmp_path, 2.0)
    for moment in (0.0, 4e9):
        os.utime(tmp_path / "tables" / "k.h5", (moment, moment))
        assert fault_cases.kept(tmp_path, 1.0) == 2.0


# what follows a KeyboardInterrupt of a scan is in test_scan_run, "ctrl_c"
STOPPED = """
import signal, sys, time
{before}
from sterile.cli.options import ComputationFailed, stoppable
try:
    with stoppable(lambda: "3 of 9 points are safe"):
        print("started", flush=True)
        # a signal just before a sleep is seen after it: short ones
        for _ in range(int(10 * {seconds})):
            time.sleep(0.1)
except ComputationFailed as error:
    sys.exit(str(error))
"""


@pytest.mark.parametrize(
    "before, number, seconds, expected",
    [
        ("", signal.SIGTERM, 60, (1, "3 of 9 points are safe\n")),
        # a suite under nohup hands its deafness on
        (
            "signal.signal(signal.SIGHUP, signal.SIG_DFL)",
            signal.SIGHUP,
            60,
            (1, "3 of 9 points are safe\n"),
        ),
        ("signal.signal(signal.SIGHUP, signal.SIG_IGN)", signal.SIGHUP, 0.5, (0, "")),
    ],
    ids=["SIGTERM", "SIGHUP", "nohup"],
)
def test_signals_end_a_long_command_with_a_sentence(before, number, seconds, expected):
    process = subprocess.Popen(
        [sys.executable, "-c", STOPPED.format(before=before, seconds=seconds)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout.readline() == "started\n"
    process.send_signal(number)
    _, err = process.communicate(timeout=50)
    assert (process.returncode, err) == expected


@pytest.mark.parametrize(
    "package, call, words",
    [
        ("numpyro", lambda: extra.require("numpyro"), "sterile-spectra[fit]"),
        ("optimistix", lambda: extra.require("optimistix"), "sterile-spectra[fit]"),
        ("distributed", lambda: cluster.DaskWorkers("tcp://x:1"), "sterile-spectra[cluster]"),
        ("pandas", lambda: results.to_pandas(None), "sterile-spectra[frames]"),
        ("xarray", lambda: results.to_xarray(None), "sterile-spectra[frames]"),
        (
            "camb",
            lambda: camb_run.run_camb(spectra.Cosmology(), [0.0], 1.0, 1, "this"),
            "pip install camb",
        ),
        (
            "classy",
            lambda: spectra.drive(spectra.Cosmology(omega_dm=0.1234)),
            "sterile-spectra[cosmology]",
        ),
    ],
)
def test_a_missing_package_is_named_with_what_installs_it(package, call, words, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    assert importlib.util.find_spec(package) is None
    with pytest.raises((ValueError, ImportError)) as caught:
        call()
    message = str(caught.value)
    assert words in message and "\n" not in message


def test_output_that_nobody_reads(tmp_path):
    """A pipe that closes, a full device: an exit code and no traceback."""
    code = "import sys; sys.argv[0] = 'sterile'; from sterile.cli import main; main()"
    for target, expected in (("/dev/full", {1, 2}),):
        with open(target, "w") as out:
            done = subprocess.run(
                [sys.executable, "-c", code, "kinds"],
                stdout=out, stderr=subprocess.PIPE, text=True,
            )  # fmt: skip
        assert done.returncode in expected and "Traceback" not in done.stderr, done.stderr


def test_no_memory_is_one_line(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["sterile", "citation", "x.h5"])

    def full(path):
        raise MemoryError

    monkeypatch.setattr(store, "citation", full)
    assert cli.run() == 1
    assert capsys.readouterr().err == "error: not enough memory\n"
