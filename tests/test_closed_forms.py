"""Every row of ``closed_forms.py``: value, forward mode, reverse mode, differences."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from closed_forms import ROWS, ClosedForm

from sterile.fit import compare


def rows(check: str):
    """Rows as parameters; those whose check is heavy are slow. Grouped by row for the programs."""
    marked = [
        pytest.param(row, marks=pytest.mark.slow if check in row.slow else (), id=row.name)
        for row in ROWS
    ]
    return pytest.mark.parametrize("row", marked, scope="module")


# rows are tuples with arrays: found again by name
_BY_NAME = {row.name: row for row in ROWS}
assert len(_BY_NAME) == len(ROWS)


@functools.lru_cache(maxsize=2)
def derivatives(name: str, reverse: bool):
    """Jacobians of a row's function at its point; programs are shared with the row before."""
    row = _BY_NAME[name]
    return compare(row.solved, row.x, row.step, reverse)


def exact_slope(row: ClosedForm) -> np.ndarray:
    return np.asarray(jax.jacfwd(row.exact)(jnp.asarray(row.x)))


class TestClosedForms:
    """One tester for all of them."""

    @pytest.mark.analytic
    @rows("value")
    def test_value(self, row):
        found, expected = np.asarray(row.solved(jnp.asarray(row.x))), np.asarray(row.exact(row.x))
        there = np.isfinite(expected)
        assert there.any()
        np.testing.assert_allclose(found[there], expected[there], rtol=0.0, atol=row.value)

    @pytest.mark.gradients
    @rows("forward")
    def test_forward(self, row):
        expected = exact_slope(row)
        there = np.isfinite(np.asarray(row.exact(row.x)))
        found = derivatives(row.name, False).forward
        np.testing.assert_allclose(found[there], expected[there], rtol=0.0, atol=row.slope)

    @pytest.mark.gradients
    @rows("difference")
    def test_difference(self, row):
        # of everything the function gives, with a closed form or not
        assert np.max(derivatives(row.name, False).excess()) < 1.0

    @pytest.mark.gradients
    @rows("reverse")
    def test_reverse(self, row):
        found = derivatives(row.name, True)
        # the same derivative, summed in another order
        np.testing.assert_allclose(found.reverse, found.forward, rtol=1e-9, atol=1e-10)
