"""Guards of precision: no silent promotion, no NaN on the way, the same numbers every time.

Tracing is enough to see promotions: every operation is met once, and nothing is compiled.
"""

import os
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import spectra
import sterile
from sterile.scalar.grids import FREEZE_IN, FREEZE_OUT, FREEZE_OUT_NARROW

BEST = sterile.Plasma(
    bath_statistics="quantum",
    electroweak_transition="crossover",
    higgs_width="running",
    elastic_scattering=True,
)


def _solved(model, plasma, grid):
    return jax.eval_shape(lambda model: sterile.solve(model, plasma, grid), model)


def _slope(coupling):
    model = sterile.ScalarDecay(100.0, coupling, 1e-9)
    return sterile.solve(model, sterile.Plasma(), FREEZE_IN).yield_n


def _judged(mass):
    relic = spectra.thermal_relic(mass)
    found = spectra.verdicts(relic, spectra.transfer(relic, hierarchies="never"))
    return {name: verdict.margin for name, verdict in found.items()}


CALLS = {
    "freeze-in": lambda: _solved(
        sterile.ScalarDecay(100.0, 1e-8, 1e-9), sterile.Plasma(), FREEZE_IN
    ),
    "resonance": lambda: _solved(
        sterile.ScalarDecay(30.0, 1e-6, 1e-9), sterile.Plasma(), FREEZE_OUT_NARROW
    ),
    "all effects": lambda: _solved(sterile.ScalarDecay(100.0, 1e-6, 1e-9), BEST, FREEZE_OUT),
    "inverse decays": lambda: _solved(
        sterile.ScalarDecay(100.0, 1e-6, 1e-9), sterile.Plasma(inverse_decays=True), FREEZE_OUT
    ),
    "derivative": lambda: jax.eval_shape(jax.grad(_slope), 1e-8),
    "dodelson-widrow": lambda: jax.eval_shape(
        lambda angle: sterile.solve(sterile.DodelsonWidrow(7.0, angle)), 1e-9
    ),
    "shi-fuller": lambda: jax.eval_shape(
        lambda angle: sterile.solve(sterile.ShiFuller(7.0, angle, 1e-3)), 1e-10
    ),
    "transfer": lambda: jax.eval_shape(
        lambda mass: spectra.transfer(spectra.thermal_relic(mass)).t2, 3.0
    ),
    "verdicts": lambda: jax.eval_shape(_judged, 3.0),
    "free streaming": lambda: jax.eval_shape(spectra.free_streaming, spectra.thermal_relic(3.0)),
}


@pytest.mark.invariants
@pytest.mark.parametrize("name", CALLS)
def test_no_silent_promotion(name):
    # programs that are traced already would hide what they do
    jax.clear_caches()
    spectra.drive()
    with jax.numpy_rank_promotion("raise"), jax.numpy_dtype_promotion("strict"):
        CALLS[name]()


@pytest.mark.invariants
def test_the_guard_sees_promotions():
    with jax.numpy_rank_promotion("raise"), jax.numpy_dtype_promotion("strict"):
        with pytest.raises(ValueError, match="rank_promotion"):
            jax.eval_shape(lambda a: a + jnp.ones((2, 3)), jnp.ones(3))
        with pytest.raises(Exception, match="dtype_promotion"):
            jax.eval_shape(lambda a: a + jnp.arange(3), jnp.ones(3))


@pytest.mark.invariants
def test_no_nan_on_the_way():
    # of every program that is called, and of every operation outside of one
    with jax.debug_nans(True):
        made = sterile.solve(sterile.ScalarDecay(100.0, 1e-8, 1e-9))
        dm = made.spectrum(omega_h2=0.12)
        horizon = spectra.free_streaming(dm)
        curve = spectra.transfer(dm)
        slope = jax.grad(lambda mass: jnp.sum(spectra.thermal_relic(mass).f))(3.0)
    assert int(made.status) == 0 and float(made.yield_n) > 0.0
    assert int(curve.status) == 0
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(horizon))
    assert np.isfinite(slope)


_CHILD = """
import os, sys
if sys.argv[1] == "1":
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:1])
import jax
jax.config.update("jax_enable_x64", True)
import numpy as np
import spectra, sterile
made = sterile.solve(sterile.ScalarDecay(100.0, 1e-8, 1e-9))
t2 = spectra.transfer(spectra.thermal_relic(3.0), k_h_mpc=np.geomspace(1.0, 50.0, 12)).t2
for number in [made.yield_n, made.q_mean, made.q_rms, *made.f[made.f > 1e-12 * made.f.max()], *t2]:
    print(float(number).hex())
"""


def _numbers(threads: int) -> np.ndarray:
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
    command = [sys.executable, "-c", _CHILD, str(threads)]
    out = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return np.array([float.fromhex(line) for line in out.stdout.split()])


@pytest.mark.slow
@pytest.mark.invariants
@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs Linux")
@pytest.mark.skipif((os.cpu_count() or 1) < 2, reason="needs two cores")
def test_results_are_reproducible():
    first, again, alone = _numbers(2), _numbers(2), _numbers(1)
    assert first.size > 50
    np.testing.assert_allclose(again, first, rtol=1e-12, atol=0.0)
    # sums over threads may come in another order
    np.testing.assert_allclose(alone, first, rtol=1e-10, atol=0.0)
