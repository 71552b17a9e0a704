"""The brute-force solver behind tests/golden/production: limits, and that its files are its own.

Coarse levels keep this quick; the files themselves are made at two finer ones.
"""

import h5py
import numpy as np
import pytest

from spectra.constants import REDUCED_PLANCK_MASS_GEV
from tests.oracles.production_golden import CASES, GOLDEN
from tests.oracles.scalar_brute_force import Level, solve
from tests.oracles.scalar_rates import Case

COARSE = Level(12, 1e-6, 0.08)


@pytest.mark.analytic
def test_contact_freeze_in_and_late_decay_at_rest():
    mass, coupling, yukawa, g = 500.0, 1e-9, 1e-11, 106.75
    case = Case(mass, coupling, yukawa, contact_only=True, constant_g=g)
    result = solve(case, COARSE)
    planck = REDUCED_PLANCK_MASS_GEV * np.sqrt(90.0 / (np.pi**2 * g))
    produced = 135.0 * coupling**2 * planck / (256.0 * np.pi**5 * g * mass)
    # annihilation of what was produced is of relative order lambda^4, discretisation 1e-7;
    # F_N on its finite grid loses 1e-7 of the number
    assert result["yield_n"] == pytest.approx(2.0 * produced, rel=1e-5)
    assert result["yield_n_direct"] == pytest.approx(result["yield_n"], rel=1e-6)
    q_star = mass / np.sqrt(2.0 * yukawa**2 * mass / (16.0 * np.pi) * planck)
    q_star /= (g / 3.931) ** (1.0 / 3.0)
    # motion of S at decay: relative order (q_S/q_star)^2 times a logarithm, q_star = 4e4
    assert result["q_mean"] == pytest.approx(np.sqrt(np.pi) / 2.0 * q_star, rel=1e-4)
    assert result["q_rms"] == pytest.approx(q_star, rel=1e-4)


@pytest.mark.golden
def test_files_are_reproduced():
    name = "dark_energy_density_1000"
    with h5py.File(GOLDEN / f"{name}.h5") as file:
        expected = {key: file.attrs[key] for key in ("yield_n", "q_mean", "q_rms", "yield_s_max")}
        shape = file["q"][:] ** 2 * file["f"][:]
    result = solve(CASES[name], COARSE)
    for key, value in expected.items():
        # the coarse level is good to 1e-6 in freeze-in
        assert result[key] == pytest.approx(value, rel=5e-6)
    assert result["q"].size == pytest.approx(shape.size, abs=64)


@pytest.mark.golden
@pytest.mark.parametrize("name", sorted(CASES))
def test_files_are_consistent(name):
    with h5py.File(GOLDEN / f"{name}.h5") as file:
        q, f, attrs = file["q"][:], file["f"][:], dict(file.attrs)
    assert attrs["provenance"] and attrs["scalar_mass_gev"] == CASES[name].scalar_mass_gev
    # every decay makes two N: the moment of F_N against the integral of the decay rate; 2e-6 for
    # the momenta below the lowest q of the file
    assert attrs["yield_n"] == pytest.approx(attrs["yield_n_direct"], rel=2e-6)
    # the largest error of any file; see its attributes for its own
    assert max(attrs[f"error_{key}"] for key in ("yield_n", "q_mean", "q_rms")) < 1e-5
    # quadrature leaves rounding of either sign where F_N is nothing
    assert np.all(np.diff(q) > 0.0) and np.all(q**2 * f > -1e-9 * np.max(q**2 * f))
