"""Derivatives of mixing: forward, reverse and differences."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import qmc

import sterile
from sterile.mixing import grids
from sterile.mixing.potentials import FLAVOURS, lepton_potential_unit, thermal_potential
from sterile.mixing.redistribution import redistribution

pytestmark = pytest.mark.gradients
# what is differentiated is the solver, whatever its grid
COARSE = grids.Grid(320, 100)


def dodelson_widrow(x):
    found = sterile.solve(sterile.DodelsonWidrow(jnp.exp(x[0]), jnp.exp(x[1]), "mu"))
    return jnp.stack([jnp.log(found.yield_n), jnp.log(found.q_mean)])


def shi_fuller(x, grid=COARSE):
    model = sterile.ShiFuller(jnp.exp(x[0]), jnp.exp(x[1]), 1e-3 * x[2:], "mu")
    found = sterile.solve(model, grid=grid)
    return jnp.stack([jnp.log(found.yield_n), jnp.log(found.q_mean)])


def differences(function, x, step):
    """Central differences of the fourth order, one column per parameter."""
    columns = []
    for i in range(x.size):
        unit = step * np.eye(x.size)[i]
        inner, outer = (function(x + k * unit) - function(x - k * unit) for k in (1.0, 2.0))
        columns.append((8.0 * inner - outer) / (12.0 * step))
    return np.stack(columns, axis=1)


def closing(mass_kev, temperature_gev):
    """L_mu whose resonance closes at a temperature: V_L^2 = 2 m^2 |V_T|/p, in linear response."""
    at = np.array([temperature_gev])
    response = redistribution(at, "mu")
    own = FLAVOURS.index("mu")
    x = response.response[0, :, own]
    leptons = response.density[0, :, 0] * x[3:]
    bracket = x[:3].sum() / 6.0 + x[own] / 6.0 + 0.5 * leptons.sum() + leptons[own]
    # D = 1/y, |V_T| = y A and V_L = S L, all times 2 T/m^2
    thermal, lepton = thermal_potential(at, "mu")[0], lepton_potential_unit(at)[0] * bracket
    return math.sqrt(4.0 * thermal) * mass_kev * 1e-6 / lepton


def points():
    """Eight points of a Sobol sequence, and two whose resonance closes while N is made."""
    low = [math.log(2.0), math.log(1e-13), -3.0, -1.0, -3.0]
    high = [math.log(50.0), math.log(1e-9), 3.0, 10.0, 3.0]
    drawn = qmc.scale(qmc.Sobol(5, rng=0).random(8), low, high)
    closed = [
        [math.log(7.1), math.log(1e-10), 0.0, 1e3 * closing(7.1, temperature), 0.0]
        for temperature in (0.2, 0.3)
    ]
    return [*drawn, *np.array(closed)]


@pytest.mark.parametrize("mass, mixing", [(1.0, 1e-8), (7.1, 1e-9), (7.1, 1e-6), (50.0, 1e-12)])
def test_dodelson_widrow(mass, mixing):
    x = np.log([mass, mixing])
    if mass == 1.0:
        x = x + 0.01  # differences stay in range
    forward = jax.jit(jax.jacfwd(dodelson_widrow))(x)
    reverse = jax.jit(jax.jacrev(dodelson_widrow))(x)
    np.testing.assert_allclose(forward, reverse, rtol=1e-10, atol=1e-12)
    # truncation 1e-4^4, rounding 1e-12
    found = differences(jax.jit(dodelson_widrow), x, 1e-3)
    np.testing.assert_allclose(found, forward, rtol=1e-6, atol=1e-7)


SHI_FULLER = jax.jit(shi_fuller)
FORWARD, REVERSE = jax.jit(jax.jacfwd(shi_fuller)), jax.jit(jax.jacrev(shi_fuller))


@pytest.mark.slow
@pytest.mark.parametrize("x", points(), ids=lambda x: f"{np.exp(x[0]):.3g}keV-{x[3]:.2g}")
def test_shi_fuller(x):
    forward = FORWARD(x)
    np.testing.assert_allclose(forward, REVERSE(x), rtol=2e-8, atol=1e-10)
    # slopes change as edges of cells pass resonances of relative width 1e-5, which wants small
    # steps, and searches end within rounding of different numbers, which wants large ones
    gaps = [np.abs(differences(SHI_FULLER, x, step) - forward) for step in (1e-6, 1e-5)]
    assert min(np.max(gap / (1.0 + np.abs(forward))) for gap in gaps) < 1e-6


@pytest.mark.slow
@pytest.mark.parametrize(
    "mass, mixing, asymmetry", [(5.0, 1.8e-5, 2.9e-3), (13.27, 8.86e-5, -1.57e-4)]
)
def test_where_the_asymmetry_jumps(mass, mixing, asymmetry):
    """L is gone within a step, then swings about what it is held at: 15 and 1e16 once."""
    x = np.array([math.log(mass), math.log(mixing), 0.0, 1e3 * asymmetry, 0.0])

    def default(x):
        return shi_fuller(x, grids.RESONANT)

    forward = np.asarray(jax.jit(jax.jacfwd(default))(x))
    np.testing.assert_allclose(jax.jit(jax.jacrev(default))(x), forward, rtol=1e-7, atol=1e-9)
    # N is nearly in equilibrium; steps are chosen by swings, so that values scatter by 1e-6
    found = differences(jax.jit(default), x, 1e-2)
    np.testing.assert_allclose(forward[:, :2], found[:, :2], atol=1e-3)
