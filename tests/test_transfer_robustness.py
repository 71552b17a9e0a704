"""T^2(k) does not depend on how f was tabulated, within the error that comes with it."""

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import spectra
from spectra.linear.error_estimate import beyond_the_ends
from spectra.spectrum import Spectrum
from spectra.status import Status

pytestmark = pytest.mark.invariants

K = np.geomspace(1.0, 60.0, 12)
SHAPES = {
    "thermal": (lambda q: 1.0 / (np.exp(q) + 1.0), 30.0),
    "decay": (lambda q: np.exp(-q) / np.sqrt(q), 30.0),
    "decay in flight": (lambda q: np.exp(-(q**2)) / q, 5.0),
    "two bumps": (
        lambda q: (
            np.exp(-0.5 * (np.log(q / 0.4) / 0.5) ** 2) / q**3
            + 0.5 * np.exp(-0.5 * (np.log(q / 4.0) / 0.4) ** 2) / q**3
        ),
        30.0,
    ),
}
LOWEST = 1e-4


def transfer_of(name, q):
    return spectra.transfer(Spectrum(q, SHAPES[name][0](q), 5.0, 0.4), k_h_mpc=K)


def grid(nodes, low, high, spacing):
    """From linear (spacing 1) to logarithmic (0)."""
    p = spacing + 1e-3
    q = (low**p + (high**p - low**p) * np.linspace(0.0, 1.0, nodes)) ** (1.0 / p)
    q[0], q[-1] = low, high
    return q


@pytest.fixture(scope="module")
def dense():
    return {
        name: np.asarray(transfer_of(name, np.geomspace(LOWEST, high, 2000)).t2)
        for name, (_, high) in SHAPES.items()
    }


@pytest.mark.slow
@settings(max_examples=40, deadline=None, derandomize=True)
@example(name="decay", nodes=60, spacing=0.0, low=LOWEST, cut=1.0)
@example(name="two bumps", nodes=120, spacing=1.0, low=0.05, cut=0.5)
@given(
    name=st.sampled_from(sorted(SHAPES)),
    nodes=st.sampled_from([60, 120]),
    spacing=st.floats(0.0, 1.0),
    low=st.floats(LOWEST, 0.3),
    cut=st.floats(0.25, 1.0),
)
def test_any_table_gives_the_same_within_the_stated_error(dense, name, nodes, spacing, low, cut):
    result = transfer_of(name, grid(nodes, low, cut * SHAPES[name][1], spacing))
    error = np.abs(np.asarray(result.t2) - dense[name])
    assert np.all(error <= np.asarray(result.t2_error))
    # what is not flagged is good to a thousandth or two
    assert result.status == Status.SPECTRUM_UNRESOLVED or np.max(error) < 2e-3


def test_good_tables_are_not_accused(dense):
    """The estimate must not cry wolf: a hundred nodes over the spectrum are good to 1e-4."""
    for name, (_, high) in SHAPES.items():
        result = transfer_of(name, np.geomspace(1e-3, high, 120))
        assert result.status == Status.SUCCESS
        assert np.max(result.table_error) < 5e-4
        np.testing.assert_allclose(result.t2, dense[name], atol=1e-4)


@pytest.mark.parametrize("low, high", [(LOWEST, 4.0), (2.0, 30.0)])
def test_a_table_cut_too_early_is_measured(dense, low, high):
    result = transfer_of("thermal", np.geomspace(low, high, 120))
    error = np.abs(np.asarray(result.t2) - dense["thermal"])
    assert result.status == Status.SPECTRUM_UNRESOLVED
    assert np.all(error <= np.asarray(result.t2_error))
    # no more than an order of magnitude pessimistic
    assert np.max(result.table_error) < 20.0 * np.max(error)


def test_too_few_momenta_are_measured(dense):
    result = transfer_of("two bumps", np.geomspace(LOWEST, 30.0, 14))
    error = np.abs(np.asarray(result.t2) - dense["two bumps"])
    assert result.status == Status.SPECTRUM_UNRESOLVED
    assert np.all(error <= np.asarray(result.t2_error))


def test_what_lies_beyond_the_ends():
    """q e^-q above 5 and q^1/2 e^-q below 0.1, by their incomplete gamma functions."""
    q = np.geomspace(1e-5, 5.0, 4000)
    beyond = beyond_the_ends(Spectrum(q, np.exp(-q), 1.0, 1.0))
    tail = (25.0 + 10.0 + 2.0) * np.exp(-5.0)
    # the last chord's slope is that half a cell before the end
    np.testing.assert_allclose(beyond.fast, tail / (2.0 - tail), rtol=5e-3)
    tail = (625.0 + 500.0 + 300.0 + 120.0 + 24.0) * np.exp(-5.0)
    np.testing.assert_allclose(beyond.fast_square, tail / (24.0 - tail), rtol=5e-3)
    q = np.geomspace(0.1, 60.0, 4000)
    slow = beyond_the_ends(Spectrum(q, np.exp(-q) / np.sqrt(q), 1.0, 1.0)).slow
    # Gamma(5/2) = 1.3293404; a power law has no e^-q, 7 per cent at the end
    np.testing.assert_allclose(slow, 0.1**2.5 / 2.5 / 1.3293404, rtol=0.1)


def test_a_cut_that_ends_in_zero_is_a_cut():
    q = np.geomspace(LOWEST, 4.0, 120)
    f = np.where(q < 3.9, 1.0 / (np.exp(q) + 1.0), 0.0)
    beyond = beyond_the_ends(Spectrum(q, f, 1.0, 1.0))
    assert beyond.fast == beyond.fast_square == 0.0
    assert beyond.slow < 1e-8
