"""How fast collisions of S may be: what a step bears, and what it has to follow."""

from types import SimpleNamespace

import numpy as np
import pytest

from spectra.constants import REDUCED_PLANCK_MASS_GEV
from sterile.scalar import rates


@pytest.mark.invariants
def test_rates_are_held_in_a_step_and_released_between_steps():
    particle = SimpleNamespace(transition_gev=159.5, mass_gev=20.0)

    def held(start, shift, over_hubble, decays=0.0):
        """What is left of a rate, over H, at ``shift`` into a step that begins at T = start.

        ``decays``: their rate over H.
        """
        temperature = start * np.exp(-shift)
        density = temperature**4
        hubble = np.sqrt(density / 3.0) / REDUCED_PLANCK_MASS_GEV
        thermal = rates.Thermal(shift, temperature, temperature, density, 1.0)
        rate = over_hubble * hubble
        return over_hubble * rates._bound(particle, thermal, rate, decays * hubble)

    # a stiff rate that grows by e^0.4 in a step swings
    along = np.array([float(held(100.0, shift, 1e12)) for shift in (0.0, 0.02, 0.0375)])
    np.testing.assert_allclose(along, along[0], rtol=1e-9)
    # 30 H at T_c, and no bound where modes that are held one by one would swing, at T = 8 GeV
    assert float(held(159.5, 0.0, 1e12)) == pytest.approx(30.0, rel=1e-6)
    assert float(held(16.0, 0.0, 1e12)) == pytest.approx(1e12, rel=1e-3)
    # decays keep S from equilibrium, and all that is made counts: what they outrun is not held
    assert float(held(159.5, 0.0, 1e3, decays=1e3)) == pytest.approx(1e3, rel=1e-6)
    assert float(held(159.5, 0.0, 1e12, decays=1e3)) == pytest.approx(30.0 * 1001.0, rel=1e-6)
