"""The HDF5 schema: round trip, units, and files that are not ours."""

import h5py
import numpy as np
import pytest

from spectra import store

pytestmark = pytest.mark.invariants


def example():
    q = np.geomspace(1e-3, 30.0, 50)
    return store.Record(
        datasets={
            "spectrum/q": q,
            "spectrum/f": np.exp(-q),
            "transfer/k_h_mpc": q,
            "transfer/t2": q,
        },
        attributes={
            "spectrum": {"mass_kev": 7.1, "temperature_ratio": 0.33},
            "verdicts/half-mode": {"status": "allowed", "value": 0.1, "source": "somewhere"},
            "summary": {"q_mean": 2.5, "status": 0},
        },
        config_toml="[model]\nkind = 'scalar-decay'\n",
        citation="@article{}",
        warnings=("first", "second"),
    )


def test_round_trip(tmp_path):
    path = store.write(tmp_path / "out.h5", example())
    back = store.read(path)
    for name, values in example().datasets.items():
        assert np.array_equal(back.datasets[name], values)
    for group, entries in example().attributes.items():
        assert back.attributes[group] == entries
    assert (back.config_toml, back.citation) == (example().config_toml, example().citation)
    assert back.warnings == example().warnings
    assert back.created_utc and back.package_version


def test_every_dataset_has_unit_and_description(tmp_path):
    path = store.write(tmp_path / "out.h5", example())
    with h5py.File(path) as file:
        assert file.attrs["format_version"] == store.FORMAT_VERSION
        for name in example().datasets:
            assert file[name].attrs["unit"] and file[name].attrs["description"]
        assert file["transfer/k_h_mpc"].attrs["unit"] == "h/Mpc"


def test_writing_replaces_and_leaves_nothing_else(tmp_path):
    path = tmp_path / "out.h5"
    path.write_text("old")
    store.write(path, example())
    assert [entry.name for entry in tmp_path.iterdir()] == ["out.h5"]
    assert store.read(path).datasets


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "out.h5"
    path.write_text("old")
    broken = store.Record(datasets={"spectrum/q": np.array([object()])}, attributes={})
    with pytest.raises(TypeError):
        store.write(path, broken)
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["out.h5"]


def test_unknown_names_are_refused(tmp_path):
    with pytest.raises(ValueError, match="spectrum/x"):
        store.write(tmp_path / "a.h5", store.Record({"spectrum/x": np.ones(2)}, {}))
    with pytest.raises(ValueError, match="'misc'"):
        store.write(tmp_path / "a.h5", store.Record({}, {"misc": {"a": 1}}))


def test_paths_that_cannot_be_written(tmp_path):
    with pytest.raises(ValueError, match="does not exist"):
        store.write(tmp_path / "nowhere" / "out.h5", example())
    with pytest.raises(ValueError, match="is a directory"):
        store.write(tmp_path, example())


def test_files_that_are_not_ours(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such file"):
        store.read(tmp_path / "nowhere.h5")
    with pytest.raises(ValueError, match="directory"):
        store.read(tmp_path)
    text = tmp_path / "text.h5"
    text.write_text("not HDF5")
    with pytest.raises(ValueError, match="not a readable HDF5"):
        store.read(text)
    foreign = tmp_path / "foreign.h5"
    with h5py.File(foreign, "w") as file:
        file["x"] = np.ones(3)
    with pytest.raises(ValueError, match="not a result of this package"):
        store.read(foreign)
    newer = tmp_path / "newer.h5"
    with h5py.File(newer, "w") as file:
        file.attrs["format_version"] = store.FORMAT_VERSION + 1
    with pytest.raises(ValueError, match="newer than"):
        store.read(newer)


@pytest.mark.parametrize("keep", [0.2, 0.5, 0.9])
def test_truncated_files(tmp_path, keep):
    path = store.write(tmp_path / "out.h5", example())
    content = path.read_bytes()
    path.write_bytes(content[: int(keep * len(content))])
    with pytest.raises(ValueError, match="out.h5"):
        store.read(path)


def test_missing_datasets_are_named(tmp_path):
    record = store.read(store.write(tmp_path / "out.h5", example()))
    with pytest.raises(ValueError, match="transfer/reference_t2"):
        store.require(record, "out.h5", "spectrum/q", "transfer/reference_t2")
