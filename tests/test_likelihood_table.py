"""Tabulated likelihoods: the values of the table, smooth between, errors in one line."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from spectra.numerics import monotone_cubic
from spectra.structure import read_likelihood
from spectra.structure.likelihood_table import shipped_likelihood

GALACTICUS, NBODY = (shipped_likelihood(f"jwst_iv_{p}.toml") for p in ("galacticus", "nbody"))
PLAIN = "[axes]\nlog10_m_hm_msun = [6, 7, 8]\n[table]\nrelative_likelihood = [1.0, 0.6, 0.1]\n"


@pytest.mark.golden
def test_the_lenses():
    assert float(jnp.exp(GALACTICUS(6.04))) == pytest.approx(0.583, abs=1e-12)
    assert float(jnp.exp(NBODY(8.20))) == pytest.approx(0.008, abs=1e-12)
    # the abstract's bounds are odds of 10:1: its tables say so
    assert float(jnp.exp(GALACTICUS(7.4))) == pytest.approx(0.1, abs=0.012)
    assert float(jnp.exp(NBODY(7.2))) == pytest.approx(0.1, abs=0.012)
    # colder than the table: its best; hotter: goes on falling
    assert GALACTICUS(2.0) == 0.0 and GALACTICUS(9.5) < GALACTICUS(8.92) < np.log(0.0011)


@pytest.mark.gradients
def test_smooth_and_falling():
    x = jnp.linspace(4.2, 9.2, 401)
    slope = jax.vmap(jax.grad(GALACTICUS))(x)
    assert np.all(slope <= 0.0)
    # continuous slopes: from point to point they change by less than a twentieth of the steepest
    assert np.abs(np.diff(slope)).max() < 0.3
    step = 1e-5
    middle = (jax.vmap(GALACTICUS)(x + step) - jax.vmap(GALACTICUS)(x - step)) / (2.0 * step)
    assert np.allclose(slope, middle, atol=1e-4)


@pytest.mark.analytic
def test_monotone_cubic():
    x = jnp.asarray([0.0, 1.0, 1.5, 4.0])
    line = 2.0 - 3.0 * x
    new = jnp.linspace(0.0, 4.0, 37)
    assert np.allclose(monotone_cubic(new, x, line), 2.0 - 3.0 * new, atol=1e-13)
    step = monotone_cubic(new, x, jnp.asarray([0.0, 0.0, 1.0, 1.0]))
    assert np.all(np.diff(step) >= -1e-15) and step.min() >= 0.0 and step.max() <= 1.0


@pytest.mark.invariants
def test_two_axes(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(
        "[axes]\nlog10_m_hm_msun = [6.0, 7.0, 8.0]\ndelta_a = [0.1, 0.3]\n"
        "[table]\nlog_likelihood = [[0.0, -1.0], [-0.5, -1.5], [-2.0, -3.0]]\n"
    )
    table = read_likelihood(path)
    assert table.axes == ("log10_m_hm_msun", "delta_a") and table.source == "mine.toml"
    assert table(7.0, 0.3) == pytest.approx(-1.5)
    assert table(6.5, 0.2) == pytest.approx(float(table(6.5, 0.1)) - 0.5)
    # an axis that no spectrum fixes: the mean over its prior, 0 at the best of what is left
    path.write_text(
        "[axes]\nlog10_m_hm_msun = [6.0, 7.0]\nsigma_sub = [1.0, 2.0]\n"
        "[table]\nrelative_likelihood = [[0.8, 0.2], [0.4, 0.1]]\n[prior]\nsigma_sub = [1.0, 3.0]\n"
    )
    table = read_likelihood(path)
    assert table.axes == ("log10_m_hm_msun",) and table(6.0) == 0.0
    assert float(jnp.exp(table(7.0))) == pytest.approx(0.7 / 1.4)


@pytest.mark.invariants
@pytest.mark.parametrize(
    "change, said",
    [
        (("[1.0, 0.6, 0.1]", "[0.5, 0.3, 0.1]"), "not normalised.*0.5; divide by that"),
        (("relative_likelihood = [1.0", "log_likelihood = [-1.0"), "subtract 0.6"),
        (("[1.0, 0.6, 0.1]", "[1.0, 0.6]"), "shape"),
        (("[1.0, 0.6, 0.1]", "[[1.0, 0.6], [0.1]]"), "not a rectangular"),
        (("[1.0, 0.6, 0.1]", "[1.0, 0.6, 0.0]"), "must be positive"),
        (("[1.0, 0.6, 0.1]", "[1.0, 0.6, nan]"), "finite"),
        (("[6, 7, 8]", "[6, 8, 7]"), "increasing"),
        (("log10_m_hm_msun", "sigma_sub"), r"nothing that a spectrum fixes.*\[prior\]"),
        (("[table]\n", "[tables]\n"), "unknown key tables"),
        (("relative_likelihood", "likelihood"), "relative_likelihood or log_likelihood"),
        (("[axes]\n", "[axes\n"), "not valid TOML"),
    ],
)
def test_bad_tables_are_one_line(tmp_path, change, said):
    path = tmp_path / "mine.toml"
    assert change[0] in PLAIN
    path.write_text(PLAIN.replace(*change))
    with pytest.raises(ValueError, match=said) as caught:
        read_likelihood(path)
    assert (
        "mine.toml" in str(caught.value)
        and len(str(caught.value).splitlines()) == 1
        or ("TOML" in said)
    )
