"""The whole way from a model to structure, and its transformations."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from production_cases import PAPER

import spectra
import sterile
from sterile.scalar.grids import FREEZE_IN

COSMOLOGY = spectra.Cosmology()
MODEL = sterile.ScalarDecay(100.0, 1e-8, 1e-8)


@pytest.fixture(scope="module")
def point():
    return sterile.evaluate(MODEL, COSMOLOGY, PAPER)


@pytest.mark.invariants
def test_abundance_fixes_the_mass(point):
    # omega_h2 from the yield and from the spectrum's own moment: 1e-5 is the number balance,
    # 2e-6 the difference of 275.939 to the cosmology's photon temperature
    assert float(point.omega_h2) == pytest.approx(0.12, rel=1e-12)
    moment = spectra.spectrum.omega_h2(point.spectrum, COSMOLOGY)
    assert float(moment) == pytest.approx(0.12, rel=3e-5)
    assert int(point.status) == 0


@pytest.mark.invariants
def test_point_agrees_with_its_parts(point):
    transfer = spectra.transfer(point.spectrum, COSMOLOGY)
    half = spectra.half_mode(transfer, COSMOLOGY)
    assert float(half.k_t2_half_h_mpc) == pytest.approx(float(point.k_t2_half_h_mpc), rel=1e-9)
    lambda_fs = spectra.free_streaming(point.spectrum, COSMOLOGY)
    assert float(lambda_fs) == pytest.approx(float(point.lambda_fs_mpc), rel=1e-9)
    production = sterile.solve(MODEL, PAPER)
    assert float(production.yield_n) == pytest.approx(float(point.yield_n), rel=1e-9)
    # what a fit of the abundance alone computes
    names = ("mass_kev", "status")
    alone = sterile.fit.pipeline(
        MODEL, plasma=PAPER, grid=sterile.choose_grid(MODEL, PAPER), observe=names
    )
    seen = alone({}, names)
    assert float(seen["mass_kev"]) == pytest.approx(float(point.mass_kev), rel=1e-9)
    assert int(seen["status"]) == 0


@pytest.mark.slow
@pytest.mark.invariants
def test_given_mass_gives_the_abundance(point):
    given = sterile.evaluate(MODEL, COSMOLOGY, PAPER, mass_kev=7.1)
    expected = 0.12 * 7.1 / float(point.mass_kev)
    assert float(given.omega_h2) == pytest.approx(expected, rel=1e-9)


@pytest.mark.invariants
def test_a_mass_beyond_half_the_scalars_is_a_status():
    # so few neutrinos that the abundance needs m_N > m_S/2; the yields are still there
    model = sterile.ScalarDecay(100.0, 1e-12, 1e-8)
    poor = sterile.evaluate(model, COSMOLOGY, PAPER)
    assert int(poor.status) == sterile.Status.MASS_ABOVE_KINEMATIC_LIMIT
    assert float(poor.yield_n) > 0.0
    assert any("m_S/2" in line for line in sterile.bounds.warnings(model, poor))


@pytest.mark.invariants
@pytest.mark.parametrize(
    "arguments, words",
    [
        ({"mass_kev": 6e7}, "m_S/2"),
        ({"mass_kev": -1.0}, "mass_kev"),
        ({"omega_h2": 0.0}, "omega_h2"),
        ({"omega_h2": float("nan")}, "omega_h2"),
    ],
)
def test_senseless_targets_are_refused(arguments, words):
    with pytest.raises(ValueError, match=words):
        sterile.evaluate(MODEL, COSMOLOGY, PAPER, **arguments)


@pytest.mark.invariants
@pytest.mark.parametrize("name", ["scalar_mass_gev", "portal_coupling", "yukawa"])
@pytest.mark.parametrize("value", [-1.0, 0.0, float("nan"), float("inf"), 1e5])
def test_parameters_outside_their_range_are_refused(name, value):
    values = {"scalar_mass_gev": 100.0, "portal_coupling": 1e-8, "yukawa": 1e-9, name: value}
    with pytest.raises(ValueError, match=name):
        sterile.ScalarDecay(**values)


@pytest.mark.slow
@pytest.mark.invariants
def test_traced_parameters_outside_their_range_are_a_status():
    solve = jax.jit(lambda coupling: sterile.solve(_model(coupling), PAPER, FREEZE_IN).status)
    assert int(solve(0.5)) == sterile.Status.OUT_OF_RANGE


def _model(coupling):
    return sterile.ScalarDecay(100.0, coupling, 1e-9)


@pytest.mark.slow
@pytest.mark.invariants
def test_many_models_in_their_own_order():
    couplings = jnp.array([1e-8, 1e-6, 3e-9])
    models = sterile.ScalarDecay(jnp.full(3, 100.0), couplings, jnp.full(3, 1e-9))
    many = sterile.evaluate_many(models, COSMOLOGY, PAPER)
    for index, coupling in enumerate(couplings):
        one = sterile.solve(sterile.ScalarDecay(100.0, coupling, 1e-9), PAPER)
        # vmap reorders sums: rounding, amplified by the stiff steps
        assert float(many.yield_n[index]) == pytest.approx(float(one.yield_n), rel=1e-9)
    assert np.all(np.asarray(many.status) == 0)


@pytest.mark.slow
@pytest.mark.invariants
def test_jit_without_a_grid_takes_the_right_regime():
    traced = jax.jit(lambda m, c, y: sterile.solve(sterile.ScalarDecay(m, c, y), PAPER).yield_n)
    for parameters in [(30.0, 1e-9, 1e-9), (62.5, 1e-9, 1e-9), (100.0, 1e-6, 1e-8)]:
        chosen = sterile.solve(sterile.ScalarDecay(*parameters), PAPER)
        # another lattice: both are good to 1e-4
        assert float(traced(*parameters)) == pytest.approx(float(chosen.yield_n), rel=1e-4)


@pytest.mark.slow
@pytest.mark.invariants
def test_a_batch_without_a_grid_is_its_points_one_by_one():
    """As a user writes it: every point computes its own regime, with the grid it is given alone."""
    points = [(100.0, 1e-8), (100.0, 1e-3), (100.0, 1e-6), (30.0, 1e-9), (62.5, 1e-9)]
    masses, couplings = np.array(points).T
    models = sterile.ScalarDecay(masses, couplings, np.full(len(points), 1e-9))
    batch = jax.jit(jax.vmap(sterile.evaluate))(models)
    for index, (mass, coupling) in enumerate(points):
        alone = sterile.evaluate(sterile.ScalarDecay(mass, coupling, 1e-9))
        assert int(batch.status[index]) == int(alone.status) == 0
        for name in ("yield_n", "q_mean", "k_t2_half_h_mpc"):
            # another lattice, as under jit: both are good to 1e-4, cut-offs to three times that;
            # NaN in both where T^2 never falls to one half
            close = pytest.approx(float(getattr(alone, name)), rel=3e-4, nan_ok=True)
            assert float(getattr(batch, name)[index]) == close, (name, points[index])


@pytest.mark.slow
@pytest.mark.gradients
def test_gradient_of_the_half_mode():
    # one direction through everything: forward against Richardson differences, absolute 1e-5 in
    # the logarithmic derivative; 2e-4 steps stay clear of lattice threshold kinks
    grid = sterile.choose_grid(MODEL, PAPER)
    start = jnp.log(jnp.array((100.0, 1e-8, 1e-8)))
    direction = jnp.array((1.0, -0.5, 0.7))
    drive = spectra.drive(COSMOLOGY)

    @eqx.filter_jit
    def along(t):
        model = sterile.ScalarDecay(*jnp.exp(start + t * direction))
        result = sterile.evaluate(
            model, COSMOLOGY, PAPER, drive=drive, grid=grid, hierarchies="never"
        )
        return jnp.log(jnp.stack([result.k_t2_half_h_mpc, result.mass_kev]))

    _, forward = eqx.filter_jit(lambda t: jax.jvp(along, (t,), (jnp.ones(()),)))(jnp.zeros(()))
    step = 2e-4
    wide = (along(jnp.asarray(step)) - along(jnp.asarray(-step))) / (2.0 * step)
    near = (along(jnp.asarray(step / 2)) - along(jnp.asarray(-step / 2))) / step
    np.testing.assert_allclose(forward, (4.0 * near - wide) / 3.0, rtol=0.0, atol=1e-5)
