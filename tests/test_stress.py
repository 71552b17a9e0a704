"""The stress test of benchmarks/stress.py on ten cheap points, killed on the way."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SETS = ("thermal-relic", "diluted")
pytestmark = pytest.mark.cli


def command(folder):
    script = str(ROOT / "benchmarks" / "stress.py")
    options = ["--points", "10", "--workers", "1", "--no-refined", "--only", ",".join(SETS)]
    return [sys.executable, script, str(folder), *options]


def rows(folder) -> list[str]:
    """All records as text, without the time that each took."""
    found = []
    for path in sorted(Path(folder).glob("*.jsonl")):
        for line in path.read_text().splitlines():
            record = json.loads(line)
            del record["seconds"]
            found.append(json.dumps({"file": path.name, **record}))
    return found


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    # as `make stress` does, a path that is not absolute
    folder = tmp_path_factory.mktemp("whole")
    subprocess.run(command("out"), check=True, capture_output=True, cwd=folder)
    return folder / "out"


@pytest.mark.slow
def test_every_point_ends_with_a_value_or_a_name(whole):
    found = json.loads((whole / "summary.json").read_text())
    assert found["points"] == found["asked"] == 10
    assert sum(found["statuses"].values()) == 10
    assert found["failures"] == [] and found["broken"] == []


@pytest.mark.slow
def test_a_killed_run_goes_on_where_it_was(whole, tmp_path):
    process = subprocess.Popen(command(tmp_path), cwd=ROOT, stdout=subprocess.DEVNULL)
    try:
        # the first set is on the disk, the second is not
        while not rows(tmp_path):
            assert process.poll() is None
            time.sleep(0.01)
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    (first,) = tmp_path.glob("*.jsonl")
    kept = first.read_bytes()
    # as a kill in the middle of a write leaves it
    with first.open("ab") as file:
        file.write(b'{"row": 3, "sta')
    subprocess.run(command(tmp_path), check=True, capture_output=True, cwd=ROOT)
    assert first.read_bytes() == kept
    assert rows(tmp_path) == rows(whole)


def test_another_run_is_not_mixed_in(tmp_path):
    process = subprocess.Popen(command(tmp_path), cwd=ROOT, stdout=subprocess.DEVNULL)
    note = tmp_path / "asked.json"
    try:
        # what was asked for is noted before anything is computed
        while not (note.exists() and note.stat().st_size):
            assert process.poll() is None
            time.sleep(0.01)
    finally:
        process.kill()
        process.wait()
    other = [*command(tmp_path), "--points", "11"]
    found = subprocess.run(other, capture_output=True, text=True, cwd=ROOT)
    assert found.returncode != 0 and "another folder" in found.stderr
    assert "Traceback" not in found.stderr
