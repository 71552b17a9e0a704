"""Thermal velocities: the file, what is drawn from it, what is added to a snapshot."""

import os

import h5py
import numpy as np
import pytest
from export_cases import START, decay_spectrum
from scipy import stats

import spectra
from spectra import export
from spectra import spectrum as spectrum_module
from spectra.export import snapshot

C_KM_S = 299792.458
T_CMB_KEV = 2.7255 * 8.617333262e-8


def load(path):
    with h5py.File(path) as file:
        return (
            file["q"][()],
            file["cumulative"][()],
            file["speed_km_s"][()],
            dict(file.attrs),
        )


@pytest.fixture(scope="module")
def velocities(tmp_path_factory):
    path = tmp_path_factory.mktemp("velocities") / "v.h5"
    export.write(path, "velocities", spectrum=decay_spectrum(), z=START)
    return path


@pytest.fixture
def particles(tmp_path):
    """A GADGET snapshot of 200,000 dark-matter particles at rest, and some gas."""
    path = tmp_path / "snapshot.hdf5"
    with h5py.File(path, "w") as file:
        header = file.create_group("Header").attrs
        header["Redshift"], header["Time"] = START, 1.0 / (1.0 + START)
        for kind in (0, 1):
            group = file.create_group(f"PartType{kind}")
            group["Velocities"] = np.zeros((200_000, 3), dtype=np.float32)
    return path


@pytest.mark.analytic
@pytest.mark.parametrize("dm", [decay_spectrum(), spectra.thermal_relic(3.5)], ids=["decay", "FD"])
def test_moments_are_those_of_the_spectrum(dm, tmp_path):
    export.write(tmp_path / "v.h5", "velocities", spectrum=dm, z=START)
    _, cumulative, speed, attributes = load(tmp_path / "v.h5")
    unit = C_KM_S * (1.0 + START) * float(dm.temperature_ratio) * T_CMB_KEV / float(dm.mass_kev)
    # trapezoid rule on 0.005 in ln q, u^2 corrections of 1e-11
    assert attributes["mean_speed_km_s"] == pytest.approx(
        unit * float(spectrum_module.q_mean(dm)), rel=1e-4
    )
    assert attributes["rms_speed_km_s"] == pytest.approx(
        unit * float(spectrum_module.q_rms(dm)), rel=1e-4
    )
    assert cumulative[0] == 0.0 and cumulative[-1] == pytest.approx(1.0)
    assert np.all(np.diff(speed) > 0.0)


@pytest.mark.analytic
def test_thermal_relic_has_the_textbook_speed(tmp_path):
    """Omega h^2 = (T_x/T_nu)^3 m/94.1 eV, rms 3.597 T_x/m; 0.3 per cent is in the 94.1."""
    export.write(tmp_path / "v.h5", "velocities", spectrum=spectra.thermal_relic(1.0), z=0.0)
    temperature_ev = (4 / 11) ** (1 / 3) * 1e3 * T_CMB_KEV * (0.12 * 94.1 / 1e3) ** (1 / 3)
    found = load(tmp_path / "v.h5")[3]["rms_speed_km_s"]
    assert found == pytest.approx(3.597 * temperature_ev / 1e3 * C_KM_S, rel=5e-3)


@pytest.mark.invariants
def test_drawn_speeds_follow_the_distribution(velocities):
    q, cumulative, speed, attributes = load(velocities)
    drawn = snapshot.draw_velocities(
        200_000,
        q,
        cumulative,
        attributes["momentum_over_mass_today"],
        START,
        np.random.default_rng(7),
    )
    size = np.linalg.norm(drawn, axis=1)
    # statistical: 200,000 draws, relative scatter of the mean sigma/sqrt(N) = 1.4e-3
    assert size.mean() == pytest.approx(attributes["mean_speed_km_s"], rel=6e-3)
    assert np.sqrt((size**2).mean()) == pytest.approx(attributes["rms_speed_km_s"], rel=6e-3)
    test = stats.kstest(size, lambda v: np.interp(v, speed, cumulative))
    assert test.pvalue > 1e-3
    # directions: every component has a third of the variance and no mean
    assert np.allclose((drawn**2).mean(axis=0) / (size**2).mean(), 1 / 3, rtol=0.02)
    noise = attributes["rms_speed_km_s"] / np.sqrt(3 * 200_000)
    assert np.all(np.abs(drawn.mean(axis=0)) < 5 * noise)


@pytest.mark.invariants
@pytest.mark.parametrize("unit", [None, 1e5, 1e4])
def test_snapshot_gets_gadget_velocities(velocities, particles, tmp_path, unit):
    if unit is not None:
        with h5py.File(particles, "r+") as file:
            file.create_group("Parameters").attrs["UnitVelocity_in_cm_per_s"] = unit
    out = snapshot.add_to_snapshot(velocities, particles, tmp_path / "warm.hdf5", seed=3)
    with h5py.File(out) as file:
        added, gas = file["PartType1/Velocities"][()], file["PartType0/Velocities"][()]
    assert added.dtype == np.float32 and not gas.any()
    # GADGET: peculiar velocity = sqrt(a) times the number in the file
    peculiar = added * np.sqrt(1.0 / (1.0 + START)) * (unit or 1e5) / 1e5
    _, _, _, attributes = load(velocities)
    size = np.linalg.norm(peculiar.astype(float), axis=1)
    assert np.sqrt((size**2).mean()) == pytest.approx(attributes["rms_speed_km_s"], rel=6e-3)
    # the mean is subtracted: what is left is single-precision rounding
    assert np.all(np.abs(added.astype(float).mean(axis=0)) < 1e-5 * np.abs(added).max())
    with h5py.File(particles) as file:
        assert not file["PartType1/Velocities"][()].any()


@pytest.mark.invariants
def test_the_snapshots_own_redshift_counts(velocities, particles, tmp_path):
    with h5py.File(particles, "r+") as file:
        file["Header"].attrs["Redshift"] = 0.0
    out = snapshot.add_to_snapshot(velocities, particles, tmp_path / "warm.hdf5")
    with h5py.File(out) as file:
        size = np.linalg.norm(file["PartType1/Velocities"][()].astype(float), axis=1)
    expected = load(velocities)[3]["rms_speed_km_s"] / (1.0 + START)
    assert np.sqrt((size**2).mean()) == pytest.approx(expected, rel=6e-3)


@pytest.mark.invariants
def test_velocities_are_added_once(velocities, particles, tmp_path):
    out = snapshot.add_to_snapshot(velocities, particles, tmp_path / "warm.hdf5")
    with pytest.raises(ValueError, match="before"):
        snapshot.add_to_snapshot(velocities, out, tmp_path / "twice.hdf5")
    assert sorted(os.listdir(tmp_path)) == ["snapshot.hdf5", "warm.hdf5"]


@pytest.mark.cli
def test_command_of_the_applier(velocities, particles, tmp_path, capsys):
    out = tmp_path / "warm.hdf5"
    assert snapshot.main([str(velocities), str(particles), "-o", str(out)]) == 0
    assert out.exists()
    for words in (
        [str(tmp_path / "none"), str(particles), "-o", str(tmp_path / "y")],
        [str(particles), str(particles), "-o", str(tmp_path / "y")],
        [str(velocities), str(velocities), "-o", str(tmp_path / "y")],
        [str(velocities), str(tmp_path / "none"), "-o", str(tmp_path / "y")],
    ):
        capsys.readouterr()
        assert snapshot.main(words) == 2
        error = capsys.readouterr().err
        assert error.startswith("error: ") and error.count("\n") == 1
    assert not (tmp_path / "y").exists()


@pytest.mark.invariants
def test_wrong_velocity_files_are_caught(velocities, tmp_path):
    def spoilt(change):
        path = tmp_path / "v.h5"
        path.write_bytes(velocities.read_bytes())
        with h5py.File(path, "r+") as file:
            change(file)
        return export.check(path, "velocities", export.simulation(20, 512, START)).problems

    assert spoilt(lambda file: None) == ()

    def root_a(file):
        file["speed_km_s"][...] *= np.sqrt(1.0 + START)

    def falling(file):
        file["cumulative"][...] = file["cumulative"][()][::-1]

    def shares(file):
        file["cumulative"][...] *= 0.5

    for change, said in ((root_a, "sqrt(a)"), (falling, "falls"), (shares, "from 0 to 1")):
        assert any(said in line for line in spoilt(change)), said
    other = export.check(velocities, "velocities", export.simulation(20, 512, 49))
    assert "written for z = 99" in other.problems[0]


def split(path, folder, counts, name="part.{}.hdf5", total=None):
    """The snapshot of one file as a set: ``counts`` particles of type 1 a file."""
    with h5py.File(path) as file:
        whole = file["PartType1/Velocities"][()]
    start = 0
    for index, count in enumerate(counts):
        with h5py.File(folder / name.format(index), "w") as file:
            header = file.create_group("Header").attrs
            header["Redshift"], header["NumFilesPerSnapshot"] = START, len(counts)
            header["NumPart_ThisFile"] = np.array([0, count, 0, 0, 0, 0], dtype=np.uint32)
            everything = len(whole) if total is None else total
            header["NumPart_Total"] = np.array([0, everything, 0, 0, 0, 0], dtype=np.uint32)
            if count:
                file["PartType1/Velocities"] = whole[start : start + count]
        start += count
    return [folder / name.format(index) for index in range(len(counts))]


@pytest.fixture
def few(tmp_path, monkeypatch):
    """A snapshot of 5000 moving particles in one file; blocks of draws that end inside files."""
    monkeypatch.setattr(snapshot, "_CHUNK", 1024)
    path = tmp_path / "whole.hdf5"
    with h5py.File(path, "w") as file:
        header = file.create_group("Header").attrs
        header["Redshift"] = START
        moving = np.random.default_rng(5).normal(0.0, 1.0, (5000, 3))
        file["PartType1/Velocities"] = moving.astype(np.float32)
    return path


@pytest.mark.invariants
@pytest.mark.parametrize("name", ["part.{}.hdf5", "part.hdf5.{}"], ids=["GADGET", "monofonIC"])
@pytest.mark.parametrize("counts", [(2000, 3000), (1, 0, 4999, 0), (1024, 1024, 2952)])
def test_a_split_snapshot_is_one_snapshot(velocities, few, tmp_path, counts, name):
    """Every file of a set used to get the same kicks: now the set has those of the single file."""
    parts = split(few, tmp_path, counts, name)
    single = snapshot.add_to_snapshot(velocities, few, tmp_path / "one.hdf5", seed=3)
    with h5py.File(single) as file:
        expected = file["PartType1/Velocities"][()]
    first = snapshot.add_to_snapshot(velocities, parts[-1], tmp_path / "warm.hdf5", seed=3)
    warm = [tmp_path / name.replace("part", "warm").format(i) for i in range(len(counts))]
    assert first == warm[0]
    found = []
    for path, count in zip(warm, counts):
        with h5py.File(path) as file:
            assert file["Header"].attrs["ThermalVelocitiesAdded"] == 1
            if count:
                found.append(file["PartType1/Velocities"][()])
    assert np.array_equal(np.concatenate(found), expected)
    with h5py.File(few) as file:
        kicks = expected.astype(float) - file["PartType1/Velocities"][()]
    # no two particles have the same kick, and the momentum of the set stays
    assert len(np.unique(kicks[:, 0])) > 4900
    assert np.all(np.abs(kicks.mean(axis=0)) < 1e-5 * np.abs(kicks).max())


@pytest.mark.invariants
def test_an_incomplete_or_mixed_set_is_refused(velocities, few, tmp_path):
    def refused(path, words, output="warm.hdf5"):
        before = sorted(os.listdir(tmp_path))
        with pytest.raises(ValueError, match=words) as caught:
            snapshot.add_to_snapshot(velocities, path, tmp_path / output)
        assert "\n" not in str(caught.value) and sorted(os.listdir(tmp_path)) == before

    parts = split(few, tmp_path, (2000, 3000))
    refused(split(few, tmp_path, (1, 2), "short.{}.hdf5")[0], "says it has 5000 .* have 3")
    parts[1].rename(tmp_path / "elsewhere.hdf5")
    refused(parts[0], r"1 are not there, such as part\.1\.hdf5")
    refused(tmp_path / "elsewhere.hdf5", "does not end in .0.hdf5")
    (tmp_path / "elsewhere.hdf5").rename(parts[1])
    with h5py.File(parts[1], "r+") as file:
        file["Header"].attrs["Redshift"] = START - 1.0
    refused(parts[0], "differ from those of part.0.hdf5")
    with h5py.File(parts[1], "r+") as file:
        file["Header"].attrs["Redshift"] = START
    snapshot.add_to_snapshot(velocities, parts[0], tmp_path / "warm.hdf5")
    refused(tmp_path / "warm.1.hdf5", "before", "twice.hdf5")


@pytest.mark.invariants
@pytest.mark.parametrize("high", [0, 1])
def test_the_high_word_counts(velocities, few, tmp_path, high):
    """A set that says it has 2^32 + 5000 particles and has 5000 is not whole."""
    parts = split(few, tmp_path, (2000, 3000))
    for path in parts:
        with h5py.File(path, "r+") as file:
            file["Header"].attrs["NumPart_Total_HighWord"] = np.array([0, high, 0, 0, 0, 0])
    if high:
        with pytest.raises(ValueError, match="says it has 4294972296 particles"):
            snapshot.add_to_snapshot(velocities, parts[0], tmp_path / "warm.hdf5")
    else:
        assert snapshot.add_to_snapshot(velocities, parts[0], tmp_path / "warm.hdf5").exists()
