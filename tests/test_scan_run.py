"""Scans of a cheap evaluation: whoever computes and whatever dies, the file is the same."""

import copy
import json
import os
import random
import resource
import signal
import subprocess
import sys
import time

import h5py
import numpy as np
import pytest
from scan_cases import SCAN, Cheap, environment_of_worker, same

import sterile.scan as scan
from spectra.files import locked
from sterile.scan import evaluation, report, results
from sterile.scan.local import LocalWorkers
from sterile.scan.progress import Progress
from sterile.scan.work import tasks
from sterile.scan.worker import SINGLE_THREAD

pytestmark = pytest.mark.cli


def cheap(path, settings=SCAN, evaluation=Cheap(), **options):  # noqa: B008
    options = {"workers": 1} | options
    return scan.run(settings, path, evaluation=evaluation, **options)


@pytest.fixture(scope="module")
def serial(tmp_path_factory):
    path = tmp_path_factory.mktemp("serial") / "serial.h5"
    summary = cheap(path)
    assert summary["done"] == summary["points"] == 63 and summary["failed"] == 0
    return path


def test_the_number_of_workers_does_not_matter(serial, tmp_path):
    path = tmp_path / "two.h5"
    cheap(path, workers=2)
    same(path, serial)
    assert os.listdir(tmp_path) == ["two.h5"]


def test_reading_back(serial):
    found = scan.load(serial)
    coupling, yukawa = found.points["portal_coupling"], found.points["yukawa"]
    assert np.allclose(found.points["mass_kev"], (coupling / 1e-8) ** 0.5 * (yukawa / 1e-9) ** 0.25)
    assert found.shape == (9, 7) and found.done.all()
    assert set(found.verdicts["half-mode"]) == {"status", "margin"}
    frame = pytest.importorskip("pandas") and scan.load(serial, form="pandas")
    assert len(frame) == 63 and set(frame["status_name"]) == {"SUCCESS"}
    grid = pytest.importorskip("xarray") and scan.load(serial, form="xarray")
    assert grid["mass_kev"].dims == ("portal_coupling", "yukawa")
    picked = float(grid["mass_kev"].sel(portal_coupling=coupling[7], yukawa=yukawa[1]))
    assert picked == found.points["mass_kev"][8]


def test_a_file_is_never_overwritten_and_changes_are_refused(serial, tmp_path):
    before = serial.read_bytes()
    with pytest.raises(ValueError, match="--resume"):
        cheap(serial)
    other = copy.deepcopy(SCAN)
    other["scan"]["parameters"]["yukawa"]["high"] = 1e-5
    with pytest.raises(ValueError, match=r"parameters\.yukawa\.high: 1e-06 → 1e-05"):
        cheap(serial, other, resume=True)
    with pytest.raises(ValueError, match="nothing to retry"):
        cheap(tmp_path / "none.h5", retry_failed=True)
    with pytest.raises(ValueError, match="use one"):
        cheap(tmp_path / "none.h5", scheduler="tcp://localhost:1")
    assert cheap(serial, resume=True)["computed"] == 0
    assert serial.read_bytes() == before


def test_bad_points_are_recorded_and_retried(tmp_path):
    path, single = tmp_path / "r.h5", copy.deepcopy(SCAN)
    single["scan"]["chunk"] = 1
    evaluation = Cheap(nan_below=3e-11, raises_above=5e-7)
    summary = cheap(path, single, evaluation=evaluation)
    assert summary["statuses"] == {"SUCCESS": 45, "NON_FINITE": 9, "EVALUATION_FAILED": 9}
    assert summary["numerical"] == 18
    failure = summary["failures"][0]
    assert failure["status"] == "NON_FINITE" and failure["yukawa"] == 1e-11
    found = scan.load(path)
    bad = found.points["status"] != 0
    assert np.isnan(found.points["mass_kev"][bad]).all()
    again = cheap(path, single, evaluation=evaluation, retry_failed=True)
    assert again["statuses"] == {"SUCCESS": 54, "EVALUATION_FAILED": 9}
    assert scan.load(path).points["retries"].sum() == again["computed"] == bad.sum()
    assert cheap(path, single, evaluation=evaluation, retry_failed=True)["computed"] == 0


def test_a_worker_that_dies_once_costs_nothing(serial, tmp_path):
    path = tmp_path / "r.h5"
    assert cheap(path, evaluation=Cheap(die_once=str(tmp_path / "died")))["failed"] == 0
    assert (tmp_path / "died").exists()
    same(path, serial)


@pytest.mark.slow
def test_a_point_that_kills_its_worker_is_found_and_the_others_are_kept(serial, tmp_path):
    small = copy.deepcopy(SCAN)
    small["scan"]["parameters"]["portal_coupling"]["points"] = 2
    deadly = float(scan.load(serial).points["yukawa"][3])
    path = tmp_path / "r.h5"
    summary = cheap(path, small, evaluation=Cheap(deadly=deadly), workers=2)
    assert summary["statuses"] == {"SUCCESS": 12, "WORKER_DIED": 2}
    assert {failure["row"] for failure in summary["failures"]} == {3, 10}


def test_workers_that_cannot_start(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(scan.ScanStopped, match="workers cannot start"):
        cheap(tmp_path / "r.h5")


RUN = """
import signal
import sys
# a suite that runs in the background is started with SIGINT ignored, and so are its children
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.path.insert(0, {tests!r})
from scan_cases import SCAN, Cheap
import sterile.scan
try:
    print("started", flush=True)
    sterile.scan.run(SCAN, {path!r}, workers=1, resume=True, evaluation=Cheap(seconds={seconds}))
except KeyboardInterrupt:
    from sterile.scan.runner import interrupted
    print(interrupted({path!r}), file=sys.stderr)
    sys.exit(1)
"""


def start(path, seconds=0.05):
    """A process that scans into ``path``; by default about a second from start to end."""
    code = RUN.format(tests=os.path.dirname(__file__), path=str(path), seconds=seconds)
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "started\n"
    return process


def kill_and_resume(path, serial, kills, seed):
    """Kill a scan again and again at random moments; what was computed must stay."""
    moments, computed = random.Random(seed), 0
    for _ in range(kills):
        process = start(path)
        while process.poll() is None and not path.exists():
            time.sleep(0.01)
        time.sleep(moments.uniform(0.0, 0.3))
        process.kill()
        process.communicate()
        found = scan.load(path)
        assert found.done.sum() >= computed and found.damaged <= SCAN["scan"]["chunk"]
        computed = int(found.done.sum())
    cheap(path, resume=True)
    same(path, serial)
    return computed


def test_kill_at_random_moments_then_resume(serial, tmp_path):
    kill_and_resume(tmp_path / "r.h5", serial, kills=2, seed=1)


@pytest.mark.external
def test_kill_at_fifty_random_moments_then_resume(serial, tmp_path):
    for number in range(5):
        kill_and_resume(tmp_path / f"{number}.h5", serial, kills=10, seed=number)


def test_ctrl_c_ends_cleanly(serial, tmp_path):
    path = tmp_path / "r.h5"
    process = start(path, seconds=0.5)  # slow enough not to end before the signal
    while not path.exists() or scan.load(path).done.sum() == 0:
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=20)
    assert process.returncode == 1 and "--resume" in err and "Traceback" not in err
    assert os.listdir(tmp_path) == ["r.h5"]
    assert 0 < scan.load(path).done.sum() < 63
    cheap(path, resume=True)
    same(path, serial)


@pytest.mark.parametrize("damage", ["truncated", "rows", "header"])
def test_a_damaged_file_is_mended_by_resuming(serial, tmp_path, damage):
    path = tmp_path / "r.h5"
    whole = bytearray(serial.read_bytes())
    if damage == "truncated":
        whole = whole[: 3 * len(whole) // 4]
    elif damage == "header":
        whole[:64] = bytes(64)
    else:
        with h5py.File(serial) as file:
            offset = file["points/mass_kev"].id.get_offset()
        whole[offset : offset + 80] = os.urandom(80)
    path.write_bytes(whole)
    lines = []
    progress = Progress(quiet=True)
    progress.say = lines.append
    summary = cheap(path, resume=True, progress=progress)
    assert summary["done"] == 63 and summary["computed"] < 63
    same(path, serial)
    if damage != "rows":
        assert "recovered" in lines[0] and path.with_name("r.h5.damaged").exists()


def test_an_older_file_is_left_alone(serial, tmp_path):
    path = tmp_path / "r.h5"
    path.write_bytes(serial.read_bytes())
    with h5py.File(path, "r+") as file:
        file.attrs["format_version"] = 0
    before = path.read_bytes()
    with pytest.raises(ValueError, match="older"):
        cheap(path, resume=True)
    assert path.read_bytes() == before


def test_a_full_disk_stops_the_scan_with_a_sentence(serial, tmp_path, monkeypatch):
    path = tmp_path / "r.h5"
    real, room = os.pwrite, 60

    def pwrite(*arguments):
        nonlocal room
        room -= 1
        if room < 0:
            raise OSError(28, "No space left on device")
        return real(*arguments)

    monkeypatch.setattr(os, "pwrite", pwrite)
    with pytest.raises(scan.ScanStopped, match="No space left.*points are safe.*--resume"):
        cheap(path)
    monkeypatch.setattr(os, "pwrite", real)
    assert 0 < scan.load(path).done.sum() < 63
    cheap(path, resume=True)
    same(path, serial)


def test_a_disk_too_small_for_the_file_is_noticed_when_it_is_made(tmp_path):
    # a limit on the file's size is what a test can have of a full disk
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, hard))
    try:
        with pytest.raises(ValueError, match="could not be written"):
            cheap(tmp_path / "r.h5", evaluation=Cheap(width=1000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert os.listdir(tmp_path) == []


def test_two_scans_cannot_write_one_file(tmp_path):
    path = tmp_path / "r.h5"
    with locked(path):
        with pytest.raises(ValueError, match="being written by another scan"):
            cheap(path)


def test_refinement_spends_points_where_the_answer_changes(tmp_path):
    path, two = tmp_path / "r.h5", tmp_path / "two.h5"
    refined = copy.deepcopy(SCAN)
    refined["scan"]["refine"] = {"rounds": 2, "points": 30}
    cheap(path, refined)
    found = scan.load(path)
    new = slice(63, None)
    assert 63 + 30 < found.done.size <= 63 + 60 and found.done.all() and found.shape == ()
    margin = found.verdicts["half-mode"]["margin"]
    # far from the edge nothing is added: the margin changes by a decade of y in a cell
    assert np.abs(margin[new]).max() < 1.5 < np.abs(margin[:63]).max()
    assert np.abs(margin[new]).mean() < 0.4 * np.abs(margin[:63]).mean()
    cheap(two, refined, workers=2)
    same(path, two)
    # a refined file goes on from wherever it was
    assert cheap(path, refined, resume=True)["computed"] == 0
    refined["scan"]["refine"]["verdict"] = "nonsense"
    with pytest.raises(ValueError, match="nonsense"):
        cheap(tmp_path / "bad.h5", refined)


def test_progress_says_rate_time_left_and_failures():
    progress = Progress()
    progress.begin(100, 20, 1)
    assert "compiling" in progress.line()
    time.sleep(0.01)
    progress.add(10, 2)
    line = progress.line()
    assert line.startswith("scan: 30/100 points, ") and line.endswith("3 failed")
    assert "points/s" in line and "left" in line


def test_the_command_line(tmp_path):
    """Settings errors, JSON and exit codes, without computing anything."""
    path = tmp_path / "scan.toml"
    path.write_text('[model]\nkind = "scalar-decay"\n[scan]\ndesign = "grd"\n')
    words = [sys.executable, "-m", "sterile", "scan", str(path), "-o", str(tmp_path / "r.h5")]
    done = subprocess.run([*words, "--json"], capture_output=True, text=True)
    assert done.returncode == 2 and "design" in json.loads(done.stdout)["error"]
    assert os.listdir(tmp_path) == ["scan.toml"]


def test_no_worker_outlives_a_killed_scan(tmp_path):
    path = tmp_path / "r.h5"
    process = start(path)
    while not path.exists():
        assert process.poll() is None
        time.sleep(0.01)
    (worker,) = _children(process.pid)
    process.kill()
    process.communicate()
    for _ in range(100):
        if not _alive(worker):
            return
        time.sleep(0.1)
    raise AssertionError("the worker is still there")


def _children(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        found = file.read().split()
    for thread in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{thread}/children", encoding="ascii") as file:
            found += file.read().split()
    return {int(word) for word in found}


def _alive(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            return file.read().split(")")[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_workers_are_told_to_use_one_thread(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "8")
    with LocalWorkers(1) as pool:
        environment = pool.submit(environment_of_worker).result()
    assert {name: environment[name] for name in SINGLE_THREAD} == SINGLE_THREAD
    assert "--xla_cpu_multi_thread_eigen=false" in environment["XLA_FLAGS"]
    assert os.environ["OMP_NUM_THREADS"] == "8"


def test_tasks_do_not_depend_on_what_is_missing():
    values = {"yukawa": np.arange(10.0)}
    groups = np.array([0, 1] * 5)
    everything = tasks(values, groups, np.ones(10, dtype=bool), 2, 100)
    assert [task.rows.tolist() for task in everything] == [
        [100, 102], [101, 103], [104, 106], [108], [105, 107], [109],
    ]  # fmt: skip
    missing = np.zeros(10, dtype=bool)
    missing[4] = True
    (left,) = tasks(values, groups, missing, 2, 100)
    assert left.rows.tolist() == [104, 106] and left.values["yukawa"].tolist() == [4.0, 6.0]


def test_a_batch_that_raises_is_taken_apart_and_nan_is_no_success():
    def solve(values, size):
        assert size == 6
        if np.any(values["yukawa"] == 2.0):
            raise FloatingPointError
        good = np.where(values["yukawa"] == 3.0, np.nan, values["yukawa"])
        names = ("yield_n", "mass_kev", "omega_h2", "q_mean")
        status = np.zeros(len(good), dtype="<i4")
        return {f"points/{name}": good for name in names} | {"points/status": status}

    found = evaluation._guarded(solve, {"yukawa": np.arange(5.0)}, np.arange(5), 6)
    assert found["points/status"].tolist() == [0, 0, 40, 21, 0]
    assert np.array_equal(found["points/mass_kev"], [0, 1, np.nan, np.nan, 4], equal_nan=True)


def test_page_of_a_summary(serial):
    summary = results.summary(scan.load(serial))
    page = report.page(summary | {"file": "r.h5", "computed": 63, "seconds": 9.0,
                                  "points_per_second": 7.0})  # fmt: skip
    assert page.startswith("63 of 63 points, 0 failed") and page.endswith("written: r.h5")
    assert "half-mode: 23 allowed, 40 forbidden" in page
    mixed = {"file": "r.h5", "computed": 63, "seconds": 9.0, "points_per_second": 7.0}
    mixed |= {"statuses": {"SUCCESS": 62, "NOT_CONVERGED": 1}, "numerical": 1}
    assert "1 NOT_CONVERGED (1 about numerics, others about the model)" in report.page(
        summary | mixed
    )
