"""How fast collisions of S may be: what a step bears, and what it has to follow."""

from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from production_cases import jacobians

import sterile
from spectra.constants import REDUCED_PLANCK_MASS_GEV
from sterile.scalar import rates, step, wall
from sterile.scalar.resonance import resonance_peak
from sterile.scalar.rosenbrock import NODES


def _particle(stimulated):
    return rates.Particle(
        mass_gev=jnp.asarray(30.0),
        width_gev=jnp.asarray(1e-17),
        contact=0.0,
        log_q=np.log(np.array([0.5, 1.0, 2.0])),
        log_step=float(np.log(2.0)),
        peak=resonance_peak(30.0, jnp.asarray(1e-8), "narrow"),
        star=(1.0, 1.0),
        gravitates=False,
        stimulated=stimulated,
    )


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


@pytest.mark.invariants
@pytest.mark.parametrize("stimulated", [False, True])
def test_a_loss_is_not_read_as_a_gain(stimulated):
    # the third mode's weights subtract more than they add where f jumps, as the resonance's may
    operator = jnp.array([[3.0, 1.0, 0.5], [1.0, 2.0, 1.0], [2.0, 1.0, -4.0]]) * 1e-14
    particle = _particle(stimulated)
    thermal = rates.thermal_at(jnp.asarray(-5.0), jnp.asarray(-5.0), sterile.Plasma())
    around = rates.surroundings_of(particle, thermal, operator)
    loss_of = jax.jit(lambda f: rates.rates_at(particle, around, f).loss)
    smooth, jumping = jnp.array([0.3, 0.2, 0.1]), jnp.array([0.03, 0.02, 0.4])
    exact = operator @ smooth
    np.testing.assert_array_equal(loss_of(smooth), exact)
    loss = loss_of(jumping)
    assert float((operator @ jumping)[2]) < 0.0 < float(loss[2])
    # the others' as they are; two ways to sum differ by rounding
    np.testing.assert_allclose(loss[:2], (operator @ jumping)[:2], rtol=1e-14)
    found = rates.loss_matrix(particle, operator, jumping)
    slope = jax.jit(jax.jacfwd(loss_of))(jumping)
    np.testing.assert_allclose(found, slope, rtol=1e-14)
    # and the step's own matrix is that of its equation
    carry = jumping, jnp.asarray(1e-4), jnp.asarray(1e-3)
    yields = jnp.ones(3)
    jacobian, exact = jacobians(particle, around, yields, carry)
    np.testing.assert_allclose(jacobian, exact, rtol=1e-10, atol=1e-12)


@pytest.mark.invariants
def test_a_stiff_rate_that_falls_is_followed_in_parts():
    # 200 collisions in the step, at a rate that falls by e^2 in it: one step would multiply by 3.9
    # what a mode is off its balance, and parts take it there
    particle = _particle(False)
    length = 0.1

    def along(fall):
        def at(node):
            clock = jnp.asarray(-5.0) + node * length
            thermal = rates.thermal_at(clock, jnp.asarray(-5.0), sterile.Plasma())
            return rates.surroundings_of(particle, thermal, strength * jnp.exp(-fall * node))

        return jax.jit(jax.vmap(at))(jnp.asarray(NODES))

    clock = jnp.asarray(-5.0)
    thermal = rates.thermal_at(clock, clock, sterile.Plasma())
    hubble = jnp.sqrt(thermal.density_gev4 / 3.0) / REDUCED_PLANCK_MASS_GEV
    equilibrium = rates.surroundings_of(particle, thermal, jnp.zeros((3, 3))).equilibrium
    strength = 2e3 * hubble * jnp.eye(3) / equilibrium[:, None]
    nothing = jnp.zeros(())
    balanced, off = equilibrium, 1.1 * equilibrium
    steep, gentle = along(2.0), along(0.3)
    assert bool(wall.changes_fast(particle, steep, length, off, nothing))
    assert not bool(wall.changes_fast(particle, steep, length, balanced, nothing))
    assert not bool(wall.changes_fast(particle, gentle, length, off, nothing))
    carry = off, nothing, nothing
    end, *_ = jax.jit(
        lambda carry: wall.step_in_parts(
            step.implicit_step, particle, jnp.ones(3), steep, length, carry, False
        )
    )(carry)
    later = jnp.exp(-steep.energy_gev[-1] / steep.thermal.temperature_gev[-1])
    # behind by E/T changing at 5 a unit of the clock beside 270 collisions: 2 %
    np.testing.assert_allclose(end / later, 1.0, atol=0.03)
