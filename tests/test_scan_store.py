"""The results file: whatever happens to it, rows are either whole or not computed."""

import os

import h5py
import numpy as np
import pytest

from spectra.files import locked
from sterile.scan import recovery, results, store
from sterile.scan.evaluation import Column

pytestmark = pytest.mark.cli

COUNT = 40
COLUMNS = {
    "points/yukawa": Column((), "<f8", "1", "scanned parameter"),
    "points/status": Column((), "<i4", "1", "status"),
    "points/mass_kev": Column((), "<f8", "keV", "mass"),
    "transfer/t2": Column((3,), "<f8", "1", "curve"),
}
PARAMETERS = {"yukawa": np.arange(COUNT) + 1.0}


def make(path, count=COUNT):
    store.create(
        path,
        COLUMNS,
        {"yukawa": PARAMETERS["yukawa"][:count]},
        np.zeros((count, 1)),
        shared={"transfer/k_h_mpc": (np.arange(3.0), "h/Mpc", "wavenumber")},
        attributes={},
        root={"parameters": ["yukawa"], "rounds": [count], "identity": "{}", "config_toml": ""},
    )


def values(rows):
    rows = np.asarray(rows)
    return {
        "points/yukawa": rows + 1.0,
        "points/status": np.zeros(len(rows), dtype="<i4"),
        "points/mass_kev": np.sqrt(rows),
        "transfer/t2": rows[:, None] * np.ones(3),
    }


def write(path, *chunks):
    with store.Writer(path, COLUMNS) as writer:
        for rows in chunks:
            writer.write(np.asarray(rows), values(rows))


def test_layout_and_units(tmp_path):
    path = tmp_path / "r.h5"
    make(path)
    write(path, [3, 4, 9])
    with h5py.File(path) as file:
        assert file.attrs["format_version"] == 1 and file.attrs["created_utc"]
        for name in file["points"]:
            assert file["points"][name].shape == (COUNT,)
            assert file["points"][name].attrs["unit"] and file["points"][name].attrs["description"]
        assert file["transfer/t2"][9].tolist() == [9.0, 9.0, 9.0]
    found = results.load(path)
    assert np.flatnonzero(found.done).tolist() == [3, 4, 9]
    assert np.isnan(found.points["mass_kev"][0]) and found.points["mass_kev"][9] == 3.0
    assert found.points["yukawa"].tolist() == PARAMETERS["yukawa"].tolist()
    assert found.damaged == 0 and found.shared["transfer/k_h_mpc"].tolist() == [0.0, 1.0, 2.0]


def test_a_kill_between_or_inside_any_two_writes_loses_one_chunk_at_most(tmp_path, monkeypatch):
    path, real = tmp_path / "r.h5", os.pwrite
    first, second = np.arange(0, 10), np.array([12, 13, 20, 21])
    chunks = 0
    for fatal in range(1000):
        make(path)
        write(path, first)
        calls = 0

        def pwrite(handle, block, offset):
            nonlocal calls
            calls += 1
            if calls > fatal:  # noqa: B023
                real(handle, block[: len(block) // 2], offset)
                raise KeyboardInterrupt
            return real(handle, block, offset)

        monkeypatch.setattr(os, "pwrite", pwrite)
        try:
            write(path, second)
            survived = True
        except KeyboardInterrupt:
            survived = False
        monkeypatch.setattr(os, "pwrite", real)
        done = np.flatnonzero(results.load(path).done)
        assert set(first) <= set(done) <= set(first) | set(second)
        if survived:
            assert len(done) == len(first) + len(second)
            break
        chunks += 1
    assert chunks > 10


def test_the_file_can_be_read_by_anybody_while_it_is_written(tmp_path):
    path = tmp_path / "r.h5"
    make(path)
    with store.Writer(path, COLUMNS) as writer, h5py.File(path) as reader:
        writer.write(np.arange(5), values(np.arange(5)))
        assert reader["points/mass_kev"][4] == 2.0
        assert results.load(path).done.sum() == 5


def test_every_flipped_byte_of_a_row_is_noticed(tmp_path):
    path = tmp_path / "r.h5"
    make(path)
    write(path, np.arange(COUNT))
    with h5py.File(path) as file:
        places = [
            (file[name].id.get_offset() + 7 * store.row_width(column), store.row_width(column))
            for name, column in store.all_columns(COLUMNS).items()
        ]
    whole = path.read_bytes()
    for offset, width in places:
        for byte in range(width):
            damaged = bytearray(whole)
            damaged[offset + byte] ^= 0x41
            path.write_bytes(damaged)
            found = results.load(path)
            assert found.damaged == 1 and not found.done[7] and found.done.sum() == COUNT - 1


@pytest.mark.parametrize("keep", [0.999, 0.7, 0.5, 0.2])
def test_a_truncated_file_says_so_and_is_recovered(tmp_path, keep):
    path = tmp_path / "r.h5"
    make(path)
    write(path, np.arange(COUNT))
    whole = path.read_bytes()
    path.write_bytes(whole[: int(keep * len(whole))])
    with pytest.raises(store.Damaged, match="--resume"):
        results.load(path)
    recovered, damaged = recovery.recover(path, COLUMNS, make)
    assert damaged.exists()
    found = results.load(path)
    assert found.done.sum() == recovered
    good = np.flatnonzero(found.done)
    assert np.array_equal(found.points["mass_kev"][good], np.sqrt(good))
    if keep > 0.9:
        assert recovered > COUNT / 2


def test_rows_outlive_a_destroyed_structure(tmp_path):
    path = tmp_path / "r.h5"
    make(path)
    write(path, np.arange(COUNT))
    damaged = bytearray(path.read_bytes())
    damaged[:200] = os.urandom(200)
    path.write_bytes(damaged)
    with pytest.raises(store.Damaged):
        results.load(path)
    recovered, _ = recovery.recover(path, COLUMNS, make)
    assert recovered == COUNT and results.load(path).done.all()


def test_files_of_other_kinds_and_versions(tmp_path):
    path = tmp_path / "r.h5"
    with pytest.raises(FileNotFoundError, match="no such file"):
        results.load(path)
    with pytest.raises(ValueError, match="directory"):
        results.load(tmp_path)
    path.write_text("no")
    with pytest.raises(ValueError, match="not a readable results file"):
        results.load(path)
    with h5py.File(path, "w") as file:
        file["x"] = 1.0
    with pytest.raises(ValueError, match="not the results of a scan"):
        results.load(path)
    for version, words in ((0, "older.*new file"), (99, "newer.*update")):
        make(path)
        with h5py.File(path, "r+") as file:
            file.attrs["format_version"] = version
        with pytest.raises(ValueError, match=words):
            results.load(path)
    with pytest.raises(ValueError, match="form = 'csv'"):
        results.load(path, form="csv")


def test_growing_keeps_the_rows(tmp_path):
    path = tmp_path / "r.h5"
    make(path, 10)
    write(path, np.arange(10))
    store.grow(path, PARAMETERS, np.zeros((COUNT, 1)), {"rounds": [10, COUNT]})
    found = results.load(path)
    assert found.done.sum() == 10 and found.points["mass_kev"][9] == 3.0
    assert found.attributes["rounds"] == [10, COUNT] and found.shared["transfer/k_h_mpc"].size == 3
    write(path, np.arange(10, COUNT))
    assert results.load(path).done.all()


def test_results_that_cannot_fit_are_refused_before_they_start(tmp_path, monkeypatch):
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr(store.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(ValueError, match="free some"):
        make(tmp_path / "r.h5")
    assert os.listdir(tmp_path) == []


def test_one_writer_at_a_time(tmp_path):
    path = tmp_path / "r.h5"
    with locked(path):
        with pytest.raises(ValueError, match=f"process {os.getpid()}"):
            with locked(path):
                pass
    with locked(path):
        pass
    assert os.listdir(tmp_path) == []
