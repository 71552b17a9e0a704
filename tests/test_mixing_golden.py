"""Mixing against sterile-dm (1507.06655): runs of that code, and their converged limit.

tests/golden/oscillation: reruns of ntveem/sterile-dm
e448626 (nr_*.h5, attributes say how), and its equations solved to convergence in momenta with the
same tables (*_converged.csv: q = p/T at 10 MeV, f_N, f_Nbar; noisy at 1 % from node to node).

The code's tables belong to it and are not here. ``STERILE_MIXING_TABLES`` names the folder of
rate_total_mu.csv (temperature_mev,q,gamma_over_gf2_t5), SMgstar.dat and dmudLmu.dat.
"""

import os
from pathlib import Path

import h5py
import mixing_cases
import numpy as np
import pytest

import sterile
from sterile.mixing.background import background

FOLDER = os.environ.get("STERILE_MIXING_TABLES")
pytestmark = [
    pytest.mark.external,
    pytest.mark.golden,
    pytest.mark.skipif(FOLDER is None, reason="STERILE_MIXING_TABLES is not set"),
]
TABLES = {
    "rates_table": "rate_total_mu.csv",
    "gstar_table": "SMgstar.dat",
    "redistribution_table": "dmudLmu.dat",
}


def tables(*names):
    return {name: Path(FOLDER) / TABLES[name] for name in names} | {"rate_kind": "loss"}


def ratio_at_end(model) -> float:
    """p/T at 10 MeV over q."""
    return float(background(np.array([0.01]), model.gstar_table).ratio[0])


@pytest.mark.parametrize(
    "name, mass, mixing", [("nr_mu_7p1keV_1e-9", 7.1, 1e-9), ("nr_mu_20keV_1e-11", 20.0, 1e-11)]
)
def test_non_resonant(name, mass, mixing):
    model = sterile.DodelsonWidrow(mass, mixing, "mu", **tables("rates_table", "gstar_table"))
    with h5py.File(mixing_cases.GOLDEN / f"{name}.h5") as file:
        q, f = file["q"][:], file["f_N"][:] + file["f_Nbar"][:]
    number, mean, root, gap = mixing_cases.against_reference(
        sterile.solve(model), ratio_at_end(model), q, f
    )
    # the issue asks for 0.3 %, its aim is 0.1 %; the reference has L/T^3 = 1e-6, 1e-4 of the sum
    assert max(abs(number), abs(mean), abs(root)) < 1e-3
    assert np.max(np.abs(gap)) < 2e-3


@pytest.mark.parametrize(
    "name, mass, mixing, asymmetry",
    [
        ("sf_mu_7p115keV_4e-11", 7.115, 4e-11, 0.0029710969201557167),
        ("sf_mu_10keV_2e-11_L2e-3", 10.0, 2e-11, 2e-3),
    ],
)
def test_resonant(name, mass, mixing, asymmetry):
    model = sterile.ShiFuller(mass, mixing, asymmetry, "mu", **tables(*TABLES))
    q, f, fbar = np.loadtxt(
        mixing_cases.GOLDEN / f"{name}_converged.csv", delimiter=",", skiprows=1, unpack=True
    )
    number, mean, root, gap = mixing_cases.against_reference(
        sterile.solve(model), ratio_at_end(model), q, f + fbar
    )
    # the reference itself is good to 0.5 %
    assert max(abs(number), abs(mean), abs(root)) < 5e-3
    # its nodes scatter by up to 11 %: a tenth in q at a time
    assert np.max(np.abs(np.convolve(gap, np.ones(16) / 16.0, "same"))) < 0.03
    assert np.sqrt(np.mean(gap[q > 0.1] ** 2)) < 0.02


def test_the_code_s_own_grid_is_not_converged():
    """With its 1000 bins sterile-dm makes 7 % less, and warmer: for ours no bins matter."""
    model = sterile.ShiFuller(10.0, 2e-11, 2e-3, "mu", **tables(*TABLES))
    found = sterile.solve(model)
    # Omega h^2 0.10213 there; T_nu = (4/11)^(1/3) T_gamma and p/T at 10 MeV, g_s = 10.73
    ours = 275.9 * 10.0 * float(found.yield_n) * ratio_at_end(model) ** 3 * 4.0 / 11.0
    assert 1.06 < ours / 0.10213 < 1.09
