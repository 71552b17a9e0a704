"""Files that an earlier version wrote are read by this one, with the same numbers in them.

``tests/golden/files/VERSION.zip`` holds a file of each kind as that version wrote it, the
configurations it came from, and ``expected.json``, what that version read back.
"""

import json
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest

import spectra
import sterile.scan as scan
from spectra import export, store
from spectra.cache import read_tables
from sterile import config
from sterile.fit import settings as fit_settings
from sterile.fit import store as fit_store
from sterile.scan import design
from sterile.scan import settings as scan_settings

pytestmark = pytest.mark.golden
ARCHIVES = sorted((Path(__file__).parent / "golden" / "files").glob("*.zip"))


@pytest.fixture(scope="module", params=ARCHIVES, ids=lambda path: path.stem)
def files(request, tmp_path_factory):
    """(folder of one version's files, what that version read in them)."""
    folder = tmp_path_factory.mktemp("files")
    with zipfile.ZipFile(request.param) as archive:
        archive.extractall(folder)
    return folder, json.loads((folder / "expected.json").read_text(encoding="utf-8"))


def test_the_first_version_is_among_them():
    assert "0.1.0" in {path.stem for path in ARCHIVES}


def test_configurations(files):
    folder, _ = files
    model = config.model_of(config.load(folder / "run.toml"))
    assert model.kind == "thermal-relic" and float(model.mass_kev) == 7.0
    scanned = design.points(scan_settings.load(folder / "scan.toml"))
    assert scanned.count == 4 and scanned.values["temperature_ratio"].tolist() == [0.1, 0.2] * 2
    assert fit_settings.load(folder / "fit.toml").fit.method == "fisher"
    chain = fit_settings.load(folder / "chain.toml")
    assert chain.priors()["temperature_ratio"] == ("log_uniform", 0.05, 0.5)


def test_a_result(files):
    folder, expected = files
    record, words = store.read(folder / "result.h5"), expected["result"]
    spectrum = store.numbers(record, "", "spectrum", "mass_kev", "temperature_ratio")
    assert spectrum == {name: words[name] for name in spectrum}
    assert record.attributes["summary"]["k_t2_half_h_mpc"] == words["k_t2_half_h_mpc"]
    assert record.attributes["verdicts/half-mode"]["status"] == words["half_mode"]
    assert record.datasets["spectrum/q"].size == words["nodes"]
    assert record.datasets["transfer/t2"][-1] == words["t2_last"]
    assert words["config"] in record.config_toml and "@" in store.citation(folder / "result.h5")
    # and it is enough to go on with
    spectra.Spectrum(record.datasets["spectrum/q"], record.datasets["spectrum/f"], **spectrum)
    fields = spectra.Cosmology.__dataclass_fields__
    assert spectra.Cosmology(**store.numbers(record, "", "cosmology", *fields)).omega_dm == 0.12


def test_a_scan(files):
    folder, expected = files
    found, words = scan.load(folder / "scan.h5"), expected["scan"]
    assert found.done.all() and found.damaged == 0
    assert found.points["mass_kev"].tolist() == words["mass_kev"]
    assert found.points["omega_h2"].tolist() == words["omega_h2"]
    assert found.verdicts["half-mode"]["status"].tolist() == words["half_mode"]
    assert list(found.arrays["transfer/t2"].shape) == words["t2_shape"]
    assert list(found.shape) == words["shape"]


def test_fits(files):
    folder, expected = files
    fisher, words = fit_store.load(folder / "fisher.h5"), expected["fisher"]
    assert fisher.summary["maximum"] == words["maximum"]
    assert list(fisher.coordinates) == words["coordinates"]
    assert sorted(fisher.groups) == words["groups"]
    chain = fit_store.load(folder / "chain.h5")
    assert chain.groups["posterior"]["mass_kev"].tolist() == expected["chain"]["mass_kev"]
    assert sorted(chain.groups) == expected["chain"]["groups"]


def test_a_checkpoint_which_is_a_file_of_tables(files):
    folder, expected = files
    tables, attributes = read_tables(folder / "chain.checkpoint.h5")
    assert attributes["identity"] == expected["checkpoint"]["identity"]
    assert sorted(tables) == expected["checkpoint"]["tables"]


def test_exports(files):
    folder, expected = files
    run = export.simulation(20.0, 128, 49.0)
    assert export.check(folder / "velocities.h5", "velocities", run).problems == ()
    with h5py.File(folder / "velocities.h5") as file:
        assert file.attrs["rms_speed_km_s"] == expected["velocities"]["rms_speed_km_s"]
    for name, format in {"hdf5.h5": "hdf5", "gadget4.dat": "gadget4"}.items():
        assert export.declared_format(folder / name) == format
        assert export.check(folder / name, format, run).problems == ()
    psd = spectra.read_psd(folder / "class" / "psd.dat", mass_kev=7.0, temperature_ratio=1.0)
    assert np.isfinite(psd.f).all()
