"""Many models side by side: on another device, and the hot ones followed again."""

import os
import subprocess
import sys
import textwrap

import jax
import numpy as np
import pytest

import spectra
import sterile
from sterile import many

MASSES = np.array([0.5, 1.0, 2.0, 3.3, 5.3])


def _relics(masses):
    return sterile.ThermalRelic(masses, np.full(masses.shape, 0.2))


@pytest.mark.invariants
def test_an_unknown_device_is_named():
    with pytest.raises(ValueError, match="device = 'abacus' is not here; JAX has cpu"):
        sterile.evaluate_many(_relics(MASSES), device="abacus")


@pytest.mark.slow
@pytest.mark.invariants
def test_a_batch_is_its_points_in_their_order():
    points = sterile.evaluate_many(_relics(MASSES))
    assert np.all(np.diff(points.k_t2_half_h_mpc) > 0.0) and points.production is None
    one = sterile.evaluate(_relics(np.float64(2.0)))
    # vmap reorders sums: rounding
    assert points.k_t2_half_h_mpc[2] == pytest.approx(float(one.k_t2_half_h_mpc), rel=1e-11)
    assert np.asarray(points.transfer.t2)[2] == pytest.approx(
        np.asarray(one.transfer.t2), abs=1e-12
    )


@pytest.mark.slow
@pytest.mark.invariants
def test_another_device_gives_the_same():
    code = """
    import jax
    jax.config.update("jax_enable_x64", True)
    import numpy as np, sterile
    masses = np.array([1.0, 3.3])
    models = sterile.ThermalRelic(masses, np.full(2, 0.2))
    first, second = (sterile.evaluate_many(models, device=each) for each in jax.devices())
    same = np.array_equal(first.transfer.t2, second.transfer.t2)
    # what is bound to one device may be given to the other
    bound = jax.device_put(np.asarray(0.2), jax.devices()[1])
    one = sterile.evaluate(sterile.ThermalRelic(1.0, bound))
    close = abs(float(one.k_t2_half_h_mpc) / first.k_t2_half_h_mpc[0] - 1.0) < 1e-11
    print(len(jax.devices()), same, close, type(second.transfer.t2).__name__)
    """
    flags = os.environ.get("XLA_FLAGS", "") + " --xla_force_host_platform_device_count=2"
    run = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        env=os.environ | {"XLA_FLAGS": flags},
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.split() == ["2", "True", "True", "ndarray"]


@pytest.mark.invariants
def test_an_unknown_way_is_named():
    with pytest.raises(ValueError, match="hierarchies = 'ever' is unknown"):
        sterile.evaluate_many(_relics(MASSES), hierarchies="ever")


@pytest.mark.slow
@pytest.mark.invariants
def test_hot_points_can_be_left_and_are_named():
    masses = np.array([0.03, 1.0, 0.1])
    points = sterile.evaluate_many(_relics(masses), hierarchies="never")
    left = spectra.Status.HIERARCHIES_NEEDED
    assert points.status.tolist() == [left, 0, left]


@pytest.mark.slow
@pytest.mark.invariants
@pytest.mark.parametrize("together", [8, 16])
def test_hot_points_are_followed_again(monkeypatch, together):
    """One by one as on a core, or in one program as on an accelerator."""
    monkeypatch.setattr(many, "models_together", lambda device: together)
    masses = np.array([0.03, 1.0, 0.1])
    points = sterile.evaluate_many(_relics(masses))
    assert np.asarray(points.transfer.fast).tolist() == [True, False, True]
    assert np.all(points.status == 0)
    for row in (0, 2):
        one = sterile.evaluate(_relics(masses[row]))
        assert points.transfer.t2[row] == pytest.approx(np.asarray(one.transfer.t2), abs=1e-11)
        assert points.delta_a[row] == pytest.approx(float(one.delta_a), rel=1e-9)


@pytest.mark.invariants
@pytest.mark.parametrize("rows, most, sizes", [(1, 8, [1]), (5, 8, [8]), (20, 8, [8, 8, 8])])
def test_few_sizes_of_programs(rows, most, sizes):
    chunks = many._chunks(np.arange(rows), most)
    assert [size for _, size in chunks] == sizes
    assert np.concatenate([part for part, _ in chunks]).tolist() == list(range(rows))


def test_memory_of_an_accelerator_decides():
    class Card:
        platform = "gpu"

        def __init__(self, memory):
            self.memory_stats = lambda: {"bytes_limit": memory}

    assert many.models_together(jax.devices("cpu")[0]) == many._MOST_ON_A_CORE
    sizes = [many.models_together(Card(gigabytes * 1e9)) for gigabytes in (8, 80, 1000)]
    assert sizes == sorted(sizes) and all(size & (size - 1) == 0 for size in sizes)
