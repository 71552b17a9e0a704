"""The quadrature over decay angles, divided where f_S jumps."""

from types import SimpleNamespace

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import erf

from sterile.scalar.decay_products import decay_angles
from sterile.scalar.grids import FREEZE_OUT

pytestmark = pytest.mark.invariants
MASS = 100.0


def _sides(q, nodes, divided, after=3.0):
    """Integral of exp(-theta^2), ``after`` times that after T_EW, over both sides; q (n,)."""
    history = SimpleNamespace(clock=np.linspace(-20.0, 12.0, 161), electroweak_index=58)
    wall = history.clock[history.electroweak_index]
    model = SimpleNamespace(scalar_mass_gev=MASS)
    found = 0.0
    for sign in (1.0, -1.0):
        theta, weight, _, x = decay_angles(
            history, model, FREEZE_OUT, q, history.clock[-1], sign, nodes, divided=divided
        )
        assert theta.shape == (q.size, nodes + 2 * divided)
        # both nodes at T_EW lie where they should
        values = jnp.exp(-(theta**2)) * jnp.where(x > wall, after, 1.0)
        found = found + np.asarray(jnp.sum(weight * values, axis=1))
    # x = ln(2 q/m) - theta; the lattice ends at theta < 0
    at_wall = np.log(2.0 * q / MASS) - wall
    reach = np.exp(FREEZE_OUT.log_q[-1] + 0.5 * FREEZE_OUT.log_step) / q
    last = -0.5 * np.log1p(reach)
    return found, np.sqrt(np.pi) / 2.0 * (1.0 - after * erf(last) + (after - 1.0) * erf(at_wall))


# T_EW from far before to far after the peak of these momenta
Q = np.geomspace(2e-3, 0.05, 60)


@pytest.mark.parametrize("nodes, most, across", [(80, 5e-4, 1e-2), (160, 2e-4, 5e-3)])
def test_a_jump_is_integrated(nodes, most, across):
    found, exact = _sides(Q, nodes, True)
    np.testing.assert_allclose(found, exact, rtol=most)
    found, _ = _sides(Q, nodes, False)
    assert np.max(np.abs(found / exact - 1.0)) > across


def test_nothing_changes_without_a_jump():
    divided, plain = (_sides(Q, 80, divided, after=1.0)[0] for divided in (True, False))
    np.testing.assert_allclose(divided, plain, rtol=1e-8)
