"""Without 64-bit floats every public entry says so, first: nothing runs in single precision."""

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.invariants

# names → what a user types; objects that cannot exist without 64-bit floats are stood in for
ENTRIES = """
spectra.Cosmology()
spectra.Spectrum(q, np.exp(-q), 7.0, 0.3)
spectra.thermal_relic(3.5)
spectra.thermal_relic(3.5, omega_h2=0.12, cosmology=anything)
spectra.read_psd("no-such-file.dat", 7.0, 0.3)
spectra.drive()
spectra.transfer(anything)
spectra.species_transfer(anything)
spectra.half_mode(curve)
spectra.free_streaming(anything)
spectra.fit_shape(curve)
spectra.Shape(0.1, 2.0, -4.0)
spectra.shape_transfer(anything, k)
spectra.viel_shape(3.0)
spectra.viel_mass_kev(10.0)
spectra.power_table()
spectra.cold_power(k, anything)
spectra.matter_power(curve, anything)
spectra.reference_relics(3.0)
spectra.verdicts(anything, curve)
spectra.export.write("no-such-folder/x", "class", spectrum=anything)
spectra.export.check("no-such-file", "class")
sterile.ScalarDecay(scalar_mass_gev=100.0, portal_coupling=1e-8, yukawa=1e-9)
sterile.DodelsonWidrow(mass_kev=7.1, sin2_2theta=1e-9, flavour="mu")
sterile.ShiFuller(mass_kev=7.1, sin2_2theta=1e-9, flavour="mu", lepton_asymmetry=1e-3)
sterile.ThermalRelic(mass_kev=3.5)
sterile.Plasma()
sterile.solve(anything)
sterile.evaluate(anything)
sterile.evaluate_many(anything)
sterile.parents.solve_parent(anything, anything, anything)
sterile.fit.fit_spectrum(k, np.ones(k.size), 0.1)
sterile.fit.solve_for({}, "mass_kev", anything)
sterile.fit.trace("omega_h2", ("a", "b"), anything)
sterile.fit.fisher(anything, {})
sterile.fit.maximum(anything, q)
sterile.fit.sample(anything, q, 10)
sterile.fit.compare(np.sin, 1.0)
sterile.fit.second_derivatives(np.sin, 1.0, 1.0)
""".split("\n")[1:-1]

PROGRAM = """
import sys
from types import SimpleNamespace
import numpy as np
import spectra, sterile, sterile.fit, sterile.parents
k, q = np.geomspace(0.2, 100.0, 30), np.geomspace(1e-3, 20.0, 50)
anything, t = object(), 1.0 / (1.0 + k)
curve = SimpleNamespace(k_h_mpc=k, t=t, t2=t * t, status=0)
for entry in sys.stdin.read().splitlines():
    try:
        eval(entry)
        print(entry, "ran in single precision", sep=" | ")
    except Exception as error:
        print(entry, type(error).__name__, error, sep=" | ")
"""


def test_every_public_entry_says_so_first():
    """In one process of its own, without the variable that the tests run with."""
    environment = {name: value for name, value in os.environ.items() if name != "JAX_ENABLE_X64"}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        input="\n".join(ENTRIES),
        env=environment,
        capture_output=True,
        text=True,
    )
    said = done.stdout.splitlines()
    assert len(said) == len(ENTRIES), done.stderr
    wrong = [line for line in said if " | ValueError | jax_enable_x64 is False" not in line]
    assert not wrong, "\n".join(wrong)
