"""Chains that a surrogate proposes and the exact density accepts: exact, whatever the surrogate."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from fit_cases import TOY
from scipy import stats

from sterile.fit import Normal, Prior, Target, posterior, sample
from sterile.fit.chains import advance, begin, pack, unpack
from sterile.fit.evidence import effective_size
from sterile.fit.target import evaluate, log_density_of, potential
from sterile.fit.transitions import SurrogateSampler

SAMPLER = SurrogateSampler(warmup=40)
WALLED = Target(
    TOY,
    {
        "portal_coupling": Prior("log_uniform", 1e-9, 1e-7),
        "mass_kev": Prior("log_uniform", 6.0, 9.0),
    },
    (Normal("omega_h2", 0.12, 0.0012), Normal("lambda_fs_mpc", 0.05, 0.01)),
)


class Line(eqx.Module):
    """x itself; nothing at all above ``end``."""

    end: jax.Array
    mass_kev: None = None

    def __call__(self, values, names):
        x = values["x"]
        return {"x": jnp.where(x > self.end, jnp.nan, x)}


# prior 0 +- 1, measured as 1.2 +- 0.6: the posterior is a Gaussian
def line(end=jnp.inf):
    return Target(
        Line(jnp.asarray(end)), {"x": Prior("normal", 0.0, 1.0)}, (Normal("x", 1.2, 0.6),)
    )


WIDTH = (1.0 + 0.6**-2) ** -0.5
MEAN = 1.2 * WIDTH**2 / 0.6**2


def lattice(target, *axes):
    """The posterior's weight in each coordinate, on ``axes``: (n,) and (n,)."""
    points = jnp.stack(jnp.meshgrid(*axes, indexing="ij"), axis=-1)
    weight = np.exp(-np.asarray(jax.vmap(jax.vmap(lambda z: potential(target, z)))(points)))
    return [weight.sum(axis=i) / weight.sum() for i in (1, 0)]


def drawn(target, sampler=SAMPLER, draws=1500, spoil=None, seed=2):
    """A chain, whose frozen surrogate was replaced by ``spoil`` of it."""
    start = jnp.asarray([0.38, 0.0][: len(target.names)])
    chain = begin(target, start, jax.random.PRNGKey(seed), sampler)
    advance(chain, target, sampler, sampler.warmup)
    if spoil is not None:
        chain.state = eqx.tree_at(lambda s: s.surrogate, chain.state, spoil(chain.state.surrogate))
    advance(chain, target, sampler, draws)
    tail = {name: values[sampler.warmup :] for name, values in chain.statistics.items()}
    return chain.draws[sampler.warmup :], tail, chain


def agree(values, mean, sd, cdf):
    """Mean, variance and quantiles of draws (n,) within 5 standard errors of the truth."""
    size = effective_size(values[None])
    assert abs(values.mean() - mean) < 5.0 * sd / np.sqrt(size)
    square = (values - mean) ** 2
    error = square.std() / np.sqrt(effective_size(square[None]))
    assert abs(square.mean() - sd**2) < 5.0 * error
    for share in (0.1, 0.5, 0.9):
        below = values < np.quantile(values, share)
        own = np.sqrt(share * (1.0 - share) / effective_size(below[None].astype(float)))
        assert abs(cdf(np.quantile(values, share)) - share) < 5.0 * own


@pytest.mark.analytic
@pytest.mark.parametrize(
    "name, factor, shift, rate",
    [("as learned", 1.0, 0.0, (0.99, 1.0)), ("bad", 0.6, 0.7, (0.3, 0.9)),
     ("hopeless", 1.0, 3.0, (0.0, 0.1))],
)  # fmt: skip
def test_draws_are_those_of_the_posterior_whatever_the_surrogate(name, factor, shift, rate):
    def spoil(surrogate):
        return eqx.tree_at(
            lambda s: (s.trend, s.weights),
            surrogate,
            (factor * surrogate.trend + shift * jnp.array([1.0, 0.0]), factor * surrogate.weights),
        )

    draws, statistics, chain = drawn(line(), spoil=spoil)
    truth = stats.norm(MEAN, WIDTH)
    agree(draws[:, 0], MEAN, WIDTH, truth.cdf)
    # what is said of a draw is exact, not the surrogate's
    np.testing.assert_allclose(
        statistics["lp"], -0.5 * draws[:, 0] ** 2 - 0.5 * ((draws[:, 0] - 1.2) / 0.6) ** 2
        - 0.5 * np.log(2.0 * np.pi), rtol=1e-12, atol=1e-12,
    )  # fmt: skip
    proposed = statistics["n_steps"] > 0
    assert rate[0] <= statistics["acceptance_rate"][proposed].mean() <= rate[1]
    # one draw in ten is a random walk's
    assert proposed.mean() == pytest.approx(0.9)


@pytest.mark.slow
@pytest.mark.analytic
def test_walls_and_a_surrogate_that_puts_them_in_the_wrong_place():
    axes = np.linspace(0.1, 0.8, 401), np.linspace(-6.0, 6.0, 401)
    weights, total = lattice(WALLED, *axes), {}

    def moved(surrogate):  # the mass 10 % too large, so that walls are where they are not
        return eqx.tree_at(lambda s: s.trend, surrogate, surrogate.trend.at[-1, 0].add(0.1))

    for name, spoil in (("own", None), ("moved", moved)):
        draws, statistics, _ = drawn(WALLED, draws=1000, spoil=spoil)
        total[name] = statistics
        for values, x, weight in zip(draws.T, axes, weights):
            mean = weight @ x
            below = np.cumsum(weight) - 0.5 * weight
            agree(
                values, mean, np.sqrt(weight @ (x - mean) ** 2),
                lambda at, x=x, below=below: np.interp(at, x, below),
            )  # fmt: skip
        assert np.isfinite(statistics["lp"]).all()
    assert total["moved"]["acceptance_rate"].mean() < total["own"]["acceptance_rate"].mean() - 0.05
    # proposals beyond the true wall are counted
    assert total["moved"]["diverging"].sum() > 20


@pytest.mark.analytic
def test_where_nothing_comes_out_nothing_is_drawn():
    end = MEAN + 0.5 * WIDTH
    draws, statistics, _ = drawn(line(end))
    truth = stats.truncnorm(-np.inf, 0.5, loc=MEAN, scale=WIDTH)
    assert draws.max() <= end
    agree(draws[:, 0], truth.mean(), truth.std(), truth.cdf)
    assert statistics["diverging"].sum() > 100


@pytest.mark.slow
@pytest.mark.invariants
def test_the_surrogate_is_frozen_after_the_warm_up():
    chain = begin(WALLED, jnp.asarray([0.38, 0.0]), jax.random.PRNGKey(1), SAMPLER)
    advance(chain, WALLED, SAMPLER, SAMPLER.learning - 1)
    before = chain.state
    advance(chain, WALLED, SAMPLER, 1)
    frozen = chain.state
    assert not np.array_equal(before.surrogate.weights, frozen.surrogate.weights)
    advance(chain, WALLED, SAMPLER, 30)
    fixed = (frozen.surrogate, frozen.step_size, frozen.points)
    after = (chain.state.surrogate, chain.state.step_size, chain.state.points)
    for old, new in zip(jax.tree.leaves(fixed), jax.tree.leaves(after)):
        np.testing.assert_array_equal(old, new)


@pytest.mark.invariants
@pytest.mark.parametrize(
    "cut", [7, *(pytest.param(cut, marks=pytest.mark.slow) for cut in (37, 55))]
)
def test_a_chain_cut_and_resumed_has_the_same_bits(cut):
    start, key = jnp.asarray([0.38, 0.0]), jax.random.PRNGKey(5)
    whole = begin(WALLED, start, key, SAMPLER)
    advance(whole, WALLED, SAMPLER, 60)
    first = begin(WALLED, start, key, SAMPLER)
    advance(first, WALLED, SAMPLER, cut)
    stored = [leaf.copy() for leaf in pack(first)]
    again = unpack(begin(WALLED, start + 0.1, jax.random.PRNGKey(9), SAMPLER), stored)
    advance(again, WALLED, SAMPLER, 60 - cut)
    np.testing.assert_array_equal(np.concatenate([first.draws, again.draws]), whole.draws)
    for name, values in whole.statistics.items():
        both = np.concatenate([first.statistics[name], again.statistics[name]])
        np.testing.assert_array_equal(both, values)


@pytest.mark.analytic
def test_priors_alone_accept_everything():
    # nothing to learn: the surrogate is the density
    target = Target(TOY, {"yukawa": Prior("log_normal", 1e-9, 0.5)}, ())
    chain = sample(target, jnp.ones(1), 500, sampler=SAMPLER)
    proposed = chain.statistics["n_steps"] > 0
    np.testing.assert_allclose(chain.statistics["acceptance_rate"][proposed], 1.0, rtol=1e-12)
    agree(chain.draws[:, 0], 0.0, 1.0, stats.norm.cdf)


@pytest.mark.invariants
def test_the_exact_numbers_give_the_exact_density():
    for z in ([0.3, -0.4], [-1.0, 1.0]):
        found = evaluate(WALLED, jnp.asarray(z))
        again = log_density_of(WALLED, jnp.asarray(z), found.numbers)
        assert float(again) == pytest.approx(float(found.log_density), rel=1e-12)


@pytest.mark.cli
def test_a_bad_surrogate_and_a_long_stand_are_said():
    draws = np.arange(60.0).reshape(1, 60, 1)
    draws[0, 20:45] = 3.0
    assert posterior.longest_stand(draws[0]) == 25
    good = {"r_hat": 1.0, "ess": 500.0, "divergences": 0, "draws": 60}
    (sentence,) = posterior.warnings_of("freeze-in", good | {"longest_stand": 25}, 1)
    assert "repeats one draw 25 times" in sentence
    assert posterior.warnings_of("freeze-in", good | {"surrogate_acceptance": 0.9}, 1) == []
    (sentence,) = posterior.warnings_of("freeze-in", good | {"surrogate_acceptance": 0.1}, 1)
    assert "only 10 % of what the surrogate proposes" in sentence and '"nuts"' in sentence
