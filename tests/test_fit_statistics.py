"""Priors, chains, evidence, Fisher matrices and calibration, where the answers are known."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from fit_cases import TOY, Given, Toy
from scipy import integrate, stats

import sterile
from sterile.fit import (
    Normal,
    Prior,
    Target,
    fisher,
    maximum,
    pipeline,
    ranks,
    sample,
    tabulate,
)
from sterile.fit import priors as prior_module
from sterile.fit.chains import Sampler, advance, begin, pack, unpack
from sterile.fit.evidence import bridge, effective_size, mixture, split_r_hat
from sterile.fit.forecasts import forecast
from sterile.fit.limits import Limit
from sterile.fit.metric import local_covariance
from sterile.fit.target import coordinates_of, evaluate, potential, values_at

PRIORS = {
    "portal_coupling": Prior("log_uniform", 1e-9, 1e-7),
    "mass_kev": Prior("log_normal", 7.0, 0.4),
}
TERMS = (Normal("omega_h2", 0.12, 0.0012), Normal("lambda_fs_mpc", 0.05, 0.01))
TARGET = Target(TOY, PRIORS, TERMS)


@pytest.mark.analytic
@pytest.mark.parametrize(
    "prior",
    [
        Prior("log_uniform", 1e-9, 1e-3),
        Prior("uniform", -2.0, 3.0),
        Prior("log_normal", 7.0, 0.3),
        Prior("normal", 0.97, 0.004),
    ],
)
def test_priors_are_densities_in_z(prior):
    # 30 standard deviations of a logistic; 1e-8 is the quadrature
    def density(z):
        z = jnp.asarray(z)
        s = prior_module.natural(prior, z)
        ln_density = prior_module.log_density(prior, s) + prior_module.log_stretch(prior, z)
        return float(jnp.exp(ln_density))

    assert integrate.quad(density, -30.0, 30.0, limit=200)[0] == pytest.approx(1.0, abs=1e-8)
    value = prior_module.value_of(prior, prior_module.natural(prior, jnp.asarray(0.7)))
    assert float(prior_module.unbounded(prior, value)) == pytest.approx(0.7, abs=1e-9)
    drawn = prior_module.draw(prior, np.random.default_rng(0), 2000)
    z = np.asarray(prior_module.unbounded(prior, drawn))
    law = stats.logistic if prior.bounded else stats.norm
    assert stats.kstest(z, law.cdf).pvalue > 1e-3


@pytest.mark.analytic
@pytest.mark.parametrize(
    "kind, numbers, words",
    [
        ("flat", (0.0, 1.0), "unknown"),
        ("log_uniform", (0.0, 1.0), "positive"),
        ("uniform", (2.0, 1.0), "below"),
        ("normal", (0.0, 0.0), "standard deviation"),
        ("normal", (math.nan, 1.0), "finite"),
    ],
)
def test_senseless_priors_are_refused(kind, numbers, words):
    with pytest.raises(ValueError, match=words):
        Prior(kind, *numbers)


@pytest.mark.analytic
def test_sampling_the_abundance_in_place_of_the_mass_changes_no_probability():
    # the density in (ln lambda, ln Omega) is that in (ln lambda, ln m)
    assert TARGET.names == ("portal_coupling", "omega_h2")

    def density_in_ln_mass(coupling, mass):
        abundance = TOY({"portal_coupling": coupling, "mass_kev": mass}, ("omega_h2",))["omega_h2"]
        z = coordinates_of(TARGET, {"portal_coupling": coupling, "omega_h2": abundance})
        found = evaluate(TARGET, z)
        assert float(found.values["mass_kev"]) == pytest.approx(mass, rel=1e-12)
        return float(found.log_prior + found.log_likelihood)

    def by_hand(coupling, mass):
        seen = TOY({"portal_coupling": coupling, "mass_kev": mass}, ("omega_h2", "lambda_fs_mpc"))
        prior = stats.norm(math.log(7.0), 0.4).logpdf(math.log(mass)) - math.log(math.log(100.0))
        chi = ((seen["omega_h2"] - 0.12) / 0.0012) ** 2 + (
            (seen["lambda_fs_mpc"] - 0.05) / 0.01
        ) ** 2
        return float(prior - 0.5 * chi)

    for point in [(1e-8, 17.0), (1.5e-8, 7.8)]:
        assert density_in_ln_mass(*point) == pytest.approx(by_hand(*point), rel=1e-10)


@pytest.mark.analytic
def test_maximum_and_fisher_of_a_linear_problem():
    # logarithms of powers are linear: the maximum is the weighted mean, Fisher's matrix exact
    terms = (Normal("yield_n", 2.5e-5, 1e-7),)
    target = Target(TOY, {"portal_coupling": Prior("log_normal", 1e-8, 0.5)}, terms)
    best = maximum(target, jnp.array([0.6]))
    assert best.converged and best.at_bound == ()
    assert best.values["portal_coupling"] == pytest.approx(1e-8, rel=1e-6)
    made = fisher(target, best.values)
    # (dY/dln lambda/sigma)^2 + 1/0.5^2
    assert made.matrix[0, 0] == pytest.approx((2.0 * 2.5e-5 / 1e-7) ** 2 + 4.0, rel=1e-9)
    assert made.names == ("ln portal_coupling",)


@pytest.mark.analytic
def test_a_direction_that_nothing_measures_is_named():
    free = {
        "portal_coupling": Prior("log_uniform", 1e-9, 1e-7),
        "yukawa": Prior("log_uniform", 1e-10, 1e-7),
    }
    target = Target(TOY, free, (Normal("yield_n", 2.5e-5, 1e-6),))
    made = fisher(target, {"portal_coupling": 1e-8, "yukawa": 1e-9})
    assert made.degenerate == ({"ln yukawa": 1.0},)
    # a flat prior's own standard deviation; 1e-6 is the quadrature
    assert made.sigma[1] == pytest.approx(math.log(1e3) / math.sqrt(12.0), rel=1e-6)
    # sigma_Y/(dY/dln lambda): ends 115 standard deviations away change nothing
    assert made.sigma[0] == pytest.approx(1e-6 / (2.0 * 2.5e-5), rel=1e-9)
    assert made.warnings == ("not measured: ln yukawa; its error is the width of its prior",)


@pytest.mark.analytic
def test_fisher_of_the_shipped_problem():
    # runs/fit-fisher.toml on powers: ln m = ln Omega - 2 ln lambda - 1e-5 ln y, its priors and
    # errors; y is measured by nothing, but shares every derivative of lambda
    terms = (Normal("omega_h2", 0.12, 0.0012),)
    priors = {
        "portal_coupling": Prior("log_uniform", 1e-9, 1.2e-8),
        "yukawa": Prior("log_uniform", 1e-10, 1e-7),
        "mass_kev": Prior("log_normal", 20.0, 0.1),
        "n_s": Prior("normal", 0.9649, 0.0042),
    }
    target = Target(Toy(jnp.asarray(1.0), 1e-5), priors, terms)
    at = {"portal_coupling": 9.3e-9, "yukawa": 1e-9, "omega_h2": 0.12, "n_s": 0.9649}
    made = fisher(target, at)
    sigma = dict(zip(made.names, made.sigma))
    width = math.log(1e3) / math.sqrt(12.0)
    # y adds (1e-5 width/2)^2; an end at 5 sigma takes 4e-5 away
    assert sigma["ln portal_coupling"] == pytest.approx(math.hypot(0.1, 0.01) / 2.0, rel=1e-4)
    assert sigma["ln yukawa"] == pytest.approx(width, rel=1e-4)
    assert sigma["n_s"] == pytest.approx(0.0042, rel=1e-9)
    assert sigma["ln omega_h2"] == pytest.approx(0.01, rel=1e-4)
    assert made.derived == {"ln mass_kev": pytest.approx(0.1, rel=1e-4)}
    assert made.degenerate == ({"ln yukawa": 1.0},)


@pytest.mark.analytic
def test_fisher_of_a_degenerate_pair():
    # only lambda^2 m is measured: ln m = -2 ln lambda + const is free as far as the priors reach,
    # which for the mass's is half as far in ln lambda
    priors = {
        "portal_coupling": Prior("log_uniform", 1e-9, 1e-7),
        "mass_kev": Prior("log_uniform", 1.0, 100.0),
    }
    target = Target(TOY, priors, (Normal("omega_h2", 0.12, 0.0012),))
    made = fisher(target, {"portal_coupling": 1e-8, "omega_h2": 0.12})
    assert len(made.degenerate) == 1 and set(made.degenerate[0]) == {"ln portal_coupling"}
    width = math.log(1e2) / math.sqrt(12.0)
    # the abundance's 1 % blurs the ends: (0.01/1.3)^2 of the variance
    assert made.sigma[0] == pytest.approx(width / 2.0, rel=3e-4)
    assert made.derived == {"ln mass_kev": pytest.approx(width, rel=3e-4)}


# a + b measured to eps, both flat within -1/2 .. 1/2: the marginal of a is a difference of error
# functions
@pytest.mark.analytic
@pytest.mark.parametrize("units", [(1.0, 1.0), (1e-9, 1e6)])
@pytest.mark.parametrize("eps", [3.0, 0.3, 1e-2, 1e-4, 1e-8])
def test_degeneracies_end_where_the_priors_do(eps, units):
    def marginal(a):
        return stats.norm.cdf((a + 0.5) / eps) - stats.norm.cdf((a - 0.5) / eps)

    moments = [
        integrate.quad(weight, -0.5, 0.5, points=[0.0], limit=400)[0]
        for weight in (marginal, lambda a: a**2 * marginal(a))
    ]
    made = forecast(
        ("a", "b"),
        {"sum": np.array([units]) / eps},
        [Limit(row * units, -0.5, 0.5) for row in np.eye(2)],
    )
    # 5e-4: the quadrature of a corner, 2^15 points
    expected = math.sqrt(moments[1] / moments[0]) / np.array(units)
    np.testing.assert_allclose(made.sigma, expected, rtol=5e-4)
    # the difference is what only the ends know; they narrow the sum, at eps = 3, by 98 %
    assert len(made.degenerate) == 1 and set(made.degenerate[0]) == {"a", "b"}


@pytest.mark.analytic
@pytest.mark.parametrize("units", [np.ones(3), np.array([1e-9, 1e5, 1e-3])])
def test_what_nothing_bounds_is_infinite_and_the_rest_is_right(units):
    # a + b is measured, c has a sigma of 1/4 and a covariance with the sum
    rows = np.array([[1e6, 1e6, 0.0], [0.0, 0.0, 4.0]]) * units
    made = forecast(("a", "b", "c"), {"data": rows}, derived={"a + b": units * [1.0, 1.0, 0.0]})
    assert np.isinf(made.sigma[:2]).all() and np.isinf(np.diag(made.covariance)[:2]).all()
    assert made.sigma[2] * units[2] == pytest.approx(0.25, rel=1e-12)
    # no infinity beside a finite number: covariances with what is unknown are undefined
    assert np.isnan(made.covariance[:2, 2]).all() and np.isnan(made.covariance[0, 1])
    (direction,) = made.degenerate
    ratio = direction["b"] * units[1] / (direction["a"] * units[0])
    assert set(direction) == {"a", "b"} and ratio == pytest.approx(-1.0, rel=1e-9)
    assert "give it a prior" in made.warnings[0]
    # near degeneracy, with nothing to bound it: closed form of [[1, 1], [1, 1 + e]]/s
    for small in (1e-3, 1e-9):
        near = np.array([[1.0, 1.0], [0.0, small]]) * units[:2]
        made = forecast(("a", "b"), {"data": near})
        assert made.degenerate == ()
        np.testing.assert_allclose(
            made.sigma * units[:2], [math.hypot(1.0, 1.0 / small), 1.0 / small], rtol=1e-6
        )


@pytest.mark.analytic
def test_an_end_cuts_a_gaussian():
    # scipy's truncated normal; 5e-5 is the tail beyond the last of 2^15 points
    for low in (0.0, -0.4, -3.0):
        made = forecast(("a",), {"data": np.array([[10.0]])}, [Limit(np.ones(1), low / 10.0, 4.0)])
        assert made.sigma[0] == pytest.approx(0.1 * stats.truncnorm(low, 40.0).std(), rel=5e-5)


@pytest.mark.analytic
def test_truncated_gaussians_against_a_lattice():
    # two rows for three coordinates, one of them a prior on a combination
    rows = np.array([[3.0, 1.0, -2.0], [0.2, -1.0, 0.5]])
    limits = [
        Limit(np.array([1.0, 0.0, 0.0]), -0.2, 0.9),
        Limit(np.array([0.0, 1.0, 0.0]), -0.5, 0.3),
        Limit(np.array([0.0, 0.5, 1.0]), -0.4, 0.6),
    ]
    made = forecast(("a", "b", "c"), {"data": rows}, limits)
    u = np.stack(
        np.meshgrid(
            *[
                limit.low + (limit.high - limit.low) * (np.arange(120) + 0.5) / 120
                for limit in limits
            ],
            indexing="ij",
        ),
        axis=-1,
    ).reshape(-1, 3)
    x = u @ np.linalg.inv(np.stack([limit.row for limit in limits])).T
    weight = np.exp(-0.5 * np.sum((x @ rows.T) ** 2, axis=1))
    exact = np.cov(x.T, aweights=weight, ddof=0)
    # midpoint rule 1e-5, points 1e-3
    np.testing.assert_allclose(made.sigma, np.sqrt(np.diag(exact)), rtol=2e-3)
    scale = np.sqrt(np.outer(np.diag(exact), np.diag(exact)))
    np.testing.assert_allclose(made.covariance / scale, exact / scale, atol=3e-3)


@pytest.mark.invariants
def test_a_chain_cut_into_blocks_has_the_same_bits():
    sampler = Sampler(warmup=30)
    start, key = jnp.zeros(2), jax.random.PRNGKey(5)
    whole = begin(TARGET, start, key, sampler)
    advance(whole, TARGET, sampler, 60)
    first = begin(TARGET, start, key, sampler)
    advance(first, TARGET, sampler, 23)
    stored = [leaf.copy() for leaf in pack(first)]
    again = unpack(begin(TARGET, start + 1.0, jax.random.PRNGKey(9), sampler), stored)
    advance(again, TARGET, sampler, 37)
    np.testing.assert_array_equal(np.concatenate([first.draws, again.draws]), whole.draws)


@pytest.mark.analytic
def test_draws_have_the_moments_of_the_posterior():
    # moments by quadrature; 5 standard errors of 1500 draws
    chain = sample(TARGET, jnp.zeros(2), 1500, seed=2)
    x = np.linspace(-6.0, 6.0, 241)
    lattice = jnp.asarray(np.stack(np.meshgrid(x, x, indexing="ij"), axis=-1).reshape(-1, 2))
    weight = np.exp(-np.asarray(jax.vmap(lambda z: potential(TARGET, z))(lattice)))
    weight /= weight.sum()
    for i in range(2):
        mean = np.sum(weight * np.asarray(lattice[:, i]))
        sd = np.sqrt(np.sum(weight * (np.asarray(lattice[:, i]) - mean) ** 2))
        error = sd / np.sqrt(effective_size(chain.draws[None, :, i]))
        assert abs(chain.draws[:, i].mean() - mean) < 5.0 * error
        assert chain.draws[:, i].std() == pytest.approx(sd, rel=0.15)


@pytest.mark.analytic
def test_evidence_by_bridge_sampling():
    # a skewed density in two dimensions with a known integral; 5 of its own standard errors
    random = np.random.default_rng(3)
    draws = np.stack([random.gumbel(size=(2, 600)), random.normal(1.0, 2.0, (2, 600))], axis=-1)

    def log_density(z):
        return 3.0 - z[0] - np.exp(-z[0]) - 0.5 * ((z[1] - 1.0) / 2.0) ** 2

    lp = np.apply_along_axis(log_density, 2, draws)
    found = bridge(draws, lp, log_density, 500, seed=1)
    truth = 3.0 + math.log(2.0 * math.sqrt(2.0 * math.pi))
    assert found.error < 0.1
    assert abs(found.log_value - truth) < 5.0 * found.error


@pytest.mark.analytic
def test_mixture_takes_branches_by_weight():
    branch, index = mixture(
        np.array([0.3, 0.7]), np.array([100, 100]), 100, np.random.default_rng(0)
    )
    assert (branch == 0).sum() == 30 and index.max() < 100
    # draws of a branch are spread evenly over its chain
    assert np.diff(np.sort(index[branch == 1])).max() <= 2


@pytest.mark.analytic
def test_diagnostics_against_arviz():
    arviz = pytest.importorskip("arviz")
    random = np.random.default_rng(1)
    noise = random.normal(size=(4, 400))
    walk = np.empty_like(noise)
    walk[:, 0] = noise[:, 0]
    for i in range(1, 400):
        walk[:, i] = 0.8 * walk[:, i - 1] + noise[:, i]
    walk[0] += 0.5
    assert split_r_hat(walk) == pytest.approx(float(arviz.rhat(walk)), rel=1e-6)
    # ours does not split chains
    assert effective_size(walk) == pytest.approx(float(arviz.ess(walk, method="mean")), rel=0.3)


def _simulate(width):
    """Data for a truth; ``width`` of the analysis over that of the data: 1 is right."""

    def simulate(truth, random):
        seen = TOY(truth, ("omega_h2", "lambda_fs_mpc"))
        data = {
            name: float(value) * (1.0 + share * random.normal())
            for (name, value), share in zip(seen.items(), (0.02, 0.1))
        }
        terms = tuple(
            Normal(name, data[name], share * float(seen[name]) * width)
            for name, share in (("omega_h2", 0.02), ("lambda_fs_mpc", 0.1))
        )
        full = dict(truth) | {"omega_h2": float(seen["omega_h2"])}
        return Target(TOY, PRIORS, terms), full

    return simulate


@pytest.mark.slow
@pytest.mark.invariants
def test_calibration():
    # 60 fits; a p-value below 1e-3 by chance once in 250 (four of them)
    found = ranks(_simulate(1.0), PRIORS, 60, seed=4, thin=5)
    assert found.ranks.shape == (60, 2)
    assert min(*found.chi_square.values(), *found.ecdf.values()) > 1e-3


@pytest.mark.slow
@pytest.mark.invariants
def test_calibration_notices_errors_that_are_too_small():
    found = ranks(_simulate(0.4), PRIORS, 40, seed=4, thin=5)
    assert min(found.chi_square.values()) < 1e-3


@pytest.mark.analytic
def test_table_reproduces_its_function():
    box = {"portal_coupling": PRIORS["portal_coupling"], "mass_kev": PRIORS["mass_kev"]}
    table = tabulate(TOY, box, ("omega_h2",), nodes=4, checks=5)
    # ln Omega is linear in the logarithms: a polynomial of four coefficients is exact
    assert float(table.error[0]) < 1e-12
    values = {"portal_coupling": jnp.asarray(2e-8), "mass_kev": jnp.asarray(9.0)}
    exact = Toy(jnp.asarray(1.0))(values, ("omega_h2",))["omega_h2"]
    assert float(table(values, ("omega_h2",))["omega_h2"]) == pytest.approx(float(exact), rel=1e-12)
    assert set(values_at(TARGET, jnp.zeros(2))) == {"portal_coupling", "omega_h2"}


@pytest.mark.slow
@pytest.mark.invariants
def test_calibration_on_the_pipelines_own_yields():
    # lambda and y from the abundance at 7 keV and the free-streaming horizon: Y_N(lambda, y) and
    # <q>(lambda, y) are tabulated from the pipeline, freeze-in
    box = {
        "portal_coupling": Prior("log_uniform", 5e-9, 5e-8),
        "yukawa": Prior("log_uniform", 5e-10, 5e-9),
    }
    model = sterile.ScalarDecay(100.0, 1e-8, 1e-9)
    observe = pipeline(
        model, mass_kev=7.0, grid=sterile.choose_grid(model), observe=("omega_h2", "q_mean")
    )
    table = tabulate(observe, box, ("omega_h2", "q_mean"), nodes=7)
    # a tenth of the smaller error that is simulated
    assert float(table.error.max()) < 2e-3

    def simulate(truth, random):
        seen = table({n: jnp.asarray(v) for n, v in truth.items()}, ("omega_h2", "q_mean"))
        terms = []
        for name, share in (("omega_h2", 0.05), ("q_mean", 0.02)):
            sigma = share * float(seen[name])
            terms.append(Normal(name, float(seen[name]) + sigma * random.normal(), sigma))
        observer = Given(table, jnp.asarray(7.0))
        return Target(observer, box, tuple(terms)), truth

    # 200 fits; a p-value below 1e-3 by chance once in 250
    found = ranks(simulate, box, 200, seed=8, thin=5)
    assert min(*found.chi_square.values(), *found.ecdf.values()) > 1e-3


@pytest.mark.analytic
def test_first_mass_matrix_is_the_inverse_hessian():
    start = coordinates_of(TARGET, {"portal_coupling": 3e-9, "omega_h2": 0.115})
    found = local_covariance(TARGET, start)
    top = maximum(TARGET, start, stretch=True).z
    hessian = np.asarray(jax.hessian(lambda z: potential(TARGET, z))(top))
    # differences of exact gradients at a maximum found to 1e-2 of a slope
    assert np.allclose(found @ hessian, np.eye(2), atol=0.05)
    # a flat direction is no wider than a flat prior's logit, and the metric stays a metric
    flat = Target(TOY, PRIORS | {"yukawa": Prior("log_uniform", 1e-10, 1e-8)}, TERMS[:1])
    middle = {"portal_coupling": 1e-8, "yukawa": 1e-9, "omega_h2": 0.12}
    widths = np.linalg.eigvalsh(local_covariance(flat, coordinates_of(flat, middle)))
    assert np.all(widths > 0.0) and np.all(widths <= 4.0 + 1e-9)


@pytest.mark.analytic
def test_first_mass_matrix_of_a_near_degeneracy():
    # lambda is measured to 1 %, y shares 1e-5 of its slope: no part of it may leak into lambda's
    target = Target(
        Toy(jnp.asarray(1.0), 1e-5),
        PRIORS | {"yukawa": Prior("log_uniform", 1e-10, 1e-8)},
        (Normal("yield_n", 2.5e-5, 2.5e-7), Normal("omega_h2", 0.12, 0.0012)),
    )
    start = coordinates_of(target, {"portal_coupling": 1.05e-8, "yukawa": 1e-9, "omega_h2": 0.1205})
    found = local_covariance(target, start)
    top = maximum(target, start, stretch=True).z
    hessian = np.asarray(jax.hessian(lambda z: potential(target, z))(top))
    # as above; steps of 1e-3 see the logit's curvature, 1e-3
    assert np.allclose(np.linalg.eigvals(found @ hessian), 1.0, atol=0.05)
