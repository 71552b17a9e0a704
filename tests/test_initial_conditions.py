"""The study of initial conditions, small: particles laid from an export, and read back."""

import h5py
import numpy as np
import pytest
from scipy import stats

import spectra

PER_SIDE = 32


@pytest.fixture(scope="module")
def initial_conditions(study):
    return study("study_initial_conditions")


@pytest.fixture(scope="module")
def chain(initial_conditions, tmp_path_factory):
    """Folder and findings for a relic whose T^2 falls to one half in the range of k of the box."""
    folder = tmp_path_factory.mktemp("chain")
    return folder, initial_conditions.run(
        spectra.thermal_relic(4.0), folder, PER_SIDE, amplitude=0.1
    )


@pytest.mark.slow
@pytest.mark.invariants
def test_the_ratio_of_the_snapshots_is_the_models(initial_conditions, chain):
    """Same phases, a tenth of the amplitude, so that all is linear (1e-4).

    What is left is the weight of modes within a bin a quarter wide: 0.004 with 32 particles.
    """
    ratio, t2 = initial_conditions.ratios(chain[1])
    assert t2.min() < 0.5
    assert np.abs(ratio - t2).max() < 0.008


@pytest.mark.invariants
def test_power_and_growth_are_those_asked_for(chain):
    """Power within the scatter of so few modes, mean chi^2 of 8 bins; growth without one.

    Growth: the mesh's images and float32 leave 1 %.
    """
    for one in chain[1].values():
        seen, asked = one["measured"], one["expected"]
        away = (seen["power"] / asked["power"] - 1.0) / seen["scatter"]
        assert np.mean(away**2) < 2.5  # p = 0.01
        assert seen["flow"] == pytest.approx(asked["flow"], rel=0.02)


@pytest.mark.invariants
def test_the_kicks_are_the_spectrums(initial_conditions, chain):
    folder, _ = chain
    drawn, (speed, below, mean, rms) = initial_conditions.kicks(folder)
    # 32768 draws of a relative scatter of 0.56
    assert drawn.mean() == pytest.approx(mean, rel=0.015)
    assert np.sqrt(np.mean(drawn**2)) == pytest.approx(rms, rel=0.015)
    assert stats.kstest(drawn, lambda v: np.interp(v, speed, below)).pvalue > 1e-3


@pytest.mark.invariants
def test_the_snapshot_holds_the_matter_of_its_box(initial_conditions, chain):
    folder, _ = chain
    with h5py.File(folder / "kicked.hdf5") as file:
        header = file["Header"].attrs
        density = header["MassTable"][1] * header["NumPart_Total"][1] / header["BoxSize"] ** 3
        # G of GADGET's own rho_crit has six digits
        assert density == pytest.approx(27.7536627 * header["Omega0"], rel=1e-4)
        box, positions = header["BoxSize"], file["PartType1/Coordinates"][:]
    assert np.all((positions >= 0.0) & (positions <= box))
