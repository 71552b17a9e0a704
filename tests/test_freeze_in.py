"""Freeze-in as an integral over what is made, at the edge of where it may be one."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import sterile
from spectra import programs
from sterile.scalar import accuracy, freeze_in, grids
from sterile.scalar.distribution import solve_scalar

PLASMA = sterile.Plasma()
# m_S, lambda, y: 0.98 % of the equilibrium yield, decays late; the same, decays while it is made
# (Gamma = H at T = m_S); where the Higgs boson decays to it, and where T_EW is crossed late
EDGES = [
    (100.0, 1.335e-8, 1e-12),
    (100.0, 1.335e-8, 8.2e-8),
    (30.0, 8.05e-10, 4.3e-8),
    (3000.0, 7.32e-8, 4.5e-7),
]


@pytest.mark.analytic
@pytest.mark.parametrize("rate", [0.0, 0.3, 1e4])
def test_a_step_is_that_of_the_linear_equation(rate):
    """dg/dx = x^2 - rate g: polynomials are exact where nothing is lost, stiff ones balanced.

    Fifth order: the first of the terms left out is (0.3 h)^6/7200, below 1e-9 at h = 0.2.
    """
    length = 0.2
    x = length * freeze_in.RADAU_NODES
    kept, made = freeze_in._collocated(
        np.array([length]), jnp.full((1, 3, 1), rate), jnp.asarray(x**2)[None, :, None]
    )
    kept, made = float(kept[0, -1, 0]), float(made[0, -1, 0])
    if rate > 1.0:
        # g -> x^2/rate - 2 x/rate^2: what was there is forgotten, to the method's (rate h)^-1
        assert abs(kept) < 9.0 / (rate * length)
        assert made == pytest.approx(length**2 / rate - 2.0 * length / rate**2, rel=1e-3)
        return
    expected = length**3 / 3.0
    if rate > 0.0:
        polynomial = length**2 / rate - 2.0 * length / rate**2 + 2.0 / rate**3
        expected = polynomial - 2.0 / rate**3 * np.exp(-rate * length)
    assert kept == pytest.approx(np.exp(-rate * length), abs=1e-9)
    assert made == pytest.approx(expected, rel=1e-5)


@pytest.mark.invariants
def test_what_annihilates_has_converged(monkeypatch):
    """Where it is most, 2e-4 of Y_N: two rounds leave the square of that."""
    model = jax.tree.map(np.asarray, sterile.ScalarDecay(*EDGES[0]))
    grid = sterile.choose_grid(model, PLASMA)
    assert grid.late_is_free

    def decayed(rounds):
        monkeypatch.setattr(freeze_in, "_ROUNDS", rounds)
        solve = jax.jit(lambda model: solve_scalar(model, PLASMA, grid).decayed[-1])
        least = programs.EFFORTS["once"]
        return float(solve.lower(model).compile(compiler_options=least)(model))

    usual, many = (decayed(rounds) for rounds in (freeze_in._ROUNDS, 5))
    assert abs(usual / many - 1.0) < 1e-7


@pytest.mark.slow
@pytest.mark.invariants
@pytest.mark.parametrize("parameters", EDGES)
def test_it_is_what_the_implicit_steps_make(parameters):
    """A finer grid with collisions to the end is solved step by step.

    What it knows beside: annihilation after T = m_S/30, 1.5e-5 where S is still there.
    """
    model = sterile.ScalarDecay(*parameters)
    grid = grids.widened(sterile.choose_grid(model, PLASMA), PLASMA)
    assert grid.late_is_free
    found = sterile.solve(model, PLASMA, grid)
    finer = sterile.solve(model, PLASMA, accuracy.refined(grid))
    assert float(found.yield_n) == pytest.approx(float(finer.yield_n), rel=3e-5)
    assert float(found.q_mean) == pytest.approx(float(finer.q_mean), rel=1e-5)
    shape = finer.q**2 * finer.f
    ours = np.interp(np.log(finer.q), np.log(found.q), np.asarray(found.q**2 * found.f))
    # 3e-5 of the solver, the rest linear interpolation between other momenta
    assert np.max(np.abs(ours - shape)) < 1e-4 * np.max(shape)
