"""T^2(k) against converged CLASS runs of every kind of spectrum (golden/transfer/*.h5)."""

from pathlib import Path

import h5py
import numpy as np
import pytest

import spectra
from spectra.spectrum import with_omega_h2

pytestmark = pytest.mark.golden

FILES = sorted((Path(__file__).parent / "golden" / "transfer").glob("*.h5"))
# The project's bounds. The references are good to 3e-4 above T^2 = 0.005, to 5e-5 above 0.1.
BOUNDS = ((0.1, 1e-3), (0.01, 3e-3), (0.001, 1e-2))
NEAR_ZERO = 1e-4  # absolute, next to zeros of T, where relative errors mean nothing


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_reference(path):
    with h5py.File(path) as data:
        k, expected = data["k_h_mpc"][()], data["t2"][()]
        omega = float(data.attrs["omega_h2"])
        dm = spectra.Spectrum(
            data["q"][()], data["f"][()], data.attrs["mass_kev"], data.attrs["temperature_ratio"]
        )
    cosmology = spectra.Cosmology()
    mixed = omega < float(cosmology.omega_dm) * (1 - 1e-9)
    if mixed:
        dm = with_omega_h2(dm, omega, cosmology)
    result = spectra.transfer(
        dm, cosmology, k_h_mpc=k, composition="cold-remainder" if mixed else "rescale"
    )
    assert result.status == spectra.Status.SUCCESS
    error = np.abs(np.asarray(result.t2) - expected)
    for above, bound in BOUNDS:
        here = expected > above
        assert np.all(error[here] <= np.maximum(bound * expected[here], NEAR_ZERO)), (
            f"T2 > {above}: {np.max(error[here] / expected[here]):.1e}"
        )
