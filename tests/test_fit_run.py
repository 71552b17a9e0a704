"""`sterile fit` and its files: settings, chains that stop and go on, ArviZ, the corner figure."""

import dataclasses
import json
import sys

import h5py
import jax.numpy as jnp
import numpy as np
import pytest
from fit_cases import TOY

from sterile import cli, fit
from sterile.fit import (
    Normal,
    Prior,
    Target,
    corner,
    nuts,
    posterior,
    problem,
    settings,
    store,
)
from sterile.scalar.grids import FREEZE_IN, FREEZE_OUT
from sterile.status import MESSAGES, Status

CONTENT = {
    "model": {"kind": "scalar-decay", "scalar_mass_gev": 100.0, "yukawa": 1e-9},
    "fit": {
        "method": "nuts",
        "chains": 2,
        "samples": 40,
        "warmup": 30,
        "seed": 1,
        "starts": 2,
        "prior": {
            "portal_coupling": {"log_uniform": [1e-9, 1e-7]},
            "mass_kev": {"log_normal": [7.0, 0.4]},
        },
        "likelihood": {"omega_h2": {"mean": 0.12, "sigma": 0.0012}},
    },
}
TARGET = Target(
    TOY,
    {
        "portal_coupling": Prior("log_uniform", 1e-9, 1e-7),
        "mass_kev": Prior("log_normal", 7.0, 0.4),
    },
    (Normal("omega_h2", 0.12, 0.0012), Normal("lambda_fs_mpc", 0.05, 0.01)),
)


@pytest.fixture
def toy(monkeypatch):
    """The runner on a closed form in place of the pipeline, its draws shared by both branches."""
    monkeypatch.setattr(problem, "target_of", lambda settings, grid=None: TARGET)
    monkeypatch.setattr(nuts.Chains, "_target_at", lambda self, starts: TARGET)
    monkeypatch.setattr(nuts.Chains, "_branch_of", lambda self, target, z: "freeze-in")
    monkeypatch.setattr(posterior, "followed", lambda target: ("mass_kev", "status"))


def cli_page(summary):
    from sterile.cli.fit import page

    return page(summary, "fit.h5")


def _changed(**keys):
    return CONTENT | {"fit": CONTENT["fit"] | keys}


@pytest.mark.cli
@pytest.mark.parametrize(
    "content, words",
    [
        ({"model": CONTENT["model"]}, "[fit] is missing"),
        (_changed(method="nutz"), "'map', 'fisher', 'nuts' or 'surrogate'"),
        (_changed(sampels=3), "did you mean 'samples'"),
        (_changed(prior={}), "nothing to fit"),
        (_changed(prior={"portal": {"uniform": [0.0, 1.0]}}), "did you mean 'portal_coupling'"),
        (_changed(prior={"yukawa": {"uniform": [0.0, 1.0]}}), "remove one"),
        (
            _changed(prior={"mass_kev": {"uniform": [1.0, 2.0], "normal": [1.0, 1.0]}}),
            "exactly one",
        ),
        (_changed(likelihood={"omega_h2": {"mean": 0.12}}), "both mean and sigma"),
        (_changed(likelihood={"half-mode": {"margin_sigma": -1.0}}), "greater than 0"),
        (CONTENT | {"dark_matter": {"omega_h2": 0.12}}, "each fixes the other"),
    ],
)
def test_wrong_settings_are_named(content, words):
    with pytest.raises(ValueError) as error:
        settings.check(content)
    assert words in str(error.value)


@pytest.mark.cli
def test_identity_ignores_the_number_of_samples_only():
    one = settings.identity(settings.check(CONTENT))
    assert settings.identity(settings.check(_changed(samples=80))) == one
    assert settings.identity(settings.check(_changed(seed=2))) != one


@pytest.mark.slow
@pytest.mark.cli
@pytest.mark.parametrize("method", ["nuts", "surrogate"])
def test_chains_stopped_and_resumed_have_the_same_bits(toy, tmp_path, monkeypatch, method):
    whole, part = tmp_path / "whole.h5", tmp_path / "part.h5"
    content = _changed(method=method)
    fit.run(content, whole)

    advance, calls = nuts.advance, []

    def interrupted(*arguments):
        calls.append(1)
        if len(calls) == 10:
            raise KeyboardInterrupt
        return advance(*arguments)

    monkeypatch.setattr(nuts, "advance", interrupted)
    with pytest.raises(KeyboardInterrupt):
        fit.run(content, part, threads=1)
    monkeypatch.setattr(nuts, "advance", advance)
    # what there is so far can be read
    stopped = store.load(part)
    assert stopped.summary["finished"] is False
    assert 0 < stopped.groups["posterior"]["portal_coupling"].shape[1] < 40
    summary = fit.run(content, part, resume=True)
    assert (
        summary["method"] == method
        and summary["finished"]
        and summary["branches"]["freeze-in"]["weight"] == 1.0
    )
    first, second = store.load(whole), store.load(part)
    for group, variables in first.groups.items():
        for name, values in variables.items():
            np.testing.assert_array_equal(values, second.groups[group][name], err_msg=name)
    # a finished fit is made longer, its first draws stay
    longer = fit.run(_changed(method=method, samples=60), part, resume=True)
    assert longer["samples"] == 60
    now = store.load(part).groups["posterior"]["portal_coupling"]
    np.testing.assert_array_equal(now[:, :40], first.groups["posterior"]["portal_coupling"])
    with pytest.raises(ValueError, match="another fit"):
        fit.run(_changed(method=method, seed=5), part, resume=True)


@pytest.mark.slow
@pytest.mark.cli
def test_a_surrogate_gives_the_same_file_as_nuts(toy, tmp_path):
    path = tmp_path / "fit.h5"
    summary = fit.run(_changed(method="surrogate", samples=100), path)
    made = store.load(path)
    found = summary["branches"]["freeze-in"]
    assert found["surrogate_acceptance"] > 0.9 and found["r_hat"] < 1.1
    assert set(made.groups["posterior"]) == {
        "portal_coupling", "omega_h2", "branch", "mass_kev", "status"
    }  # fmt: skip
    assert set(made.groups["sample_stats"]) == {
        "lp", "step_size", "acceptance_rate", "n_steps", "diverging", "chi_square"
    }  # fmt: skip
    # what is kept of draws belongs to them, after resuming as well
    again = fit.run(_changed(method="surrogate", samples=120), path, resume=True)
    assert again["finished"] and again["warnings"] == []
    made = store.load(path)
    draws = made.groups["unconstrained_posterior"]
    for name in ("omega_h2", "lambda_fs_mpc"):
        values = made.groups["log_likelihood"][name]
        z = jnp.array([draws[each][1, -1] for each in TARGET.names])
        exact = fit.evaluate(TARGET, z).terms[name]
        assert values[1, -1] == pytest.approx(float(exact), rel=1e-12)
    # a Gaussian in ln m: 6.1 keV to a sixth, as a prior of 0.4 and 0.3/m +- 20 % make it
    assert summary["parameters"]["mass_kev"]["mean"] == pytest.approx(6.2, abs=0.4)
    assert cli_page(summary).count("effective") == 1


@pytest.mark.slow
@pytest.mark.cli
def test_branches_that_are_connected_are_noticed(toy, tmp_path, monkeypatch):
    # one mode cut in two: chains of either half wander into the other
    def branch(self, target, z):
        return "freeze-in" if float(fit.values_at(target, z)["portal_coupling"]) < 1.7e-8 else (
            "freeze-out"
        )  # fmt: skip

    monkeypatch.setattr(nuts.Chains, "_branch_of", branch)
    path = tmp_path / "both.h5"
    summary = fit.run(_changed(starts=6), path)
    assert set(summary["branches"]) == {"freeze-in", "freeze-out"}
    assert sum(each["weight"] for each in summary["branches"].values()) == pytest.approx(1.0)
    # both are the whole mode: equal evidences within five errors, and half an e-fold
    logs = [each["log_evidence"] for each in summary["branches"].values()]
    errors = [each["log_evidence_error"] for each in summary["branches"].values()]
    assert abs(logs[0] - logs[1]) < 5.0 * np.hypot(*errors) + 0.5
    assert any("connected" in warning for warning in summary["warnings"])
    # every chain of the posterior holds both, by weight
    posterior = store.load(path).groups["posterior"]
    assert posterior["branch"].shape == (2, 40)
    share = summary["branches"]["freeze-out"]["weight"]
    assert np.abs(posterior["branch"].mean(axis=1) - share).max() <= 1.0 / 40.0


@pytest.mark.cli
def test_draws_without_a_result_are_counted_and_said():
    # 1 is a caveat (too cold for a half-mode), 22 a failure
    found = posterior.outcomes(np.array([0, 0, 1, 22, 22]))
    assert found == {
        "failed": 2,
        "statuses": {"HALF_MODE_ABOVE_RANGE": 1, "NOT_CONVERGED": 2},
    }
    good = {"r_hat": 1.0, "ess": 500.0, "divergences": 0}
    assert posterior.warnings_of("freeze-in", good | posterior.outcomes(np.array([0, 1])), 2) == []
    (warning,) = posterior.warnings_of("freeze-in", good | found, 2)
    assert "2 draws have no usable result" in warning and "NOT_CONVERGED" in warning
    # more neutrinos than Pauli allows: a number, but not to be trusted
    (warning,) = posterior.warnings_of("freeze-in", good | posterior.outcomes(np.array([0, 25])), 2)
    assert "1 draws: more than one neutrino in a state" in warning


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A file of a fit with two branches."""
    random = np.random.default_rng(0)
    posterior = {
        "portal_coupling": np.exp(random.normal(-18.0, 0.3, (2, 60))),
        "mass_kev": np.exp(random.normal(2.0, 0.3, (2, 60))),
        "branch": random.integers(0, 2, (2, 60)),
    }
    statistics = {"lp": random.normal(size=(2, 60)), "diverging": np.zeros((2, 60))}
    matrix = np.array([[2.0, 0.1], [0.1, 1.0]])
    content = store.Fit(
        {
            "posterior": posterior,
            "sample_stats": statistics,
            "fisher": {"matrix": matrix, "sigma": np.ones(2)},
        },
        {"method": "nuts"},
        'method = "nuts"',
        ("ln portal_coupling", "ln mass_kev"),
    )
    path = tmp_path_factory.mktemp("fit") / "fit.h5"
    store.write(path, content)
    return path, content


@pytest.mark.cli
def test_file_round_trip(made):
    path, content = made
    back = store.load(path)
    assert back.summary == content.summary and back.coordinates == content.coordinates
    np.testing.assert_array_equal(
        back.groups["posterior"]["mass_kev"], content.groups["posterior"]["mass_kev"]
    )
    with h5py.File(path) as file:
        assert file["posterior/mass_kev"].attrs["unit"] == "keV"
        assert {
            "format_version",
            "created_utc",
            "package_version",
            "config_toml",
            "citation",
        } <= set(file.attrs)


@pytest.mark.cli
@pytest.mark.filterwarnings("ignore")
def test_arviz_reads_the_file(made):
    arviz = pytest.importorskip("arviz")
    pytest.importorskip("h5netcdf")
    path, content = made
    data = arviz.from_netcdf(path)
    assert data.posterior.sizes == {"chain": 2, "draw": 60}
    np.testing.assert_array_equal(
        data.posterior["portal_coupling"].values, content.groups["posterior"]["portal_coupling"]
    )
    assert "r_hat" in arviz.summary(data, var_names=["mass_kev"])


@pytest.mark.cli
def test_corner_figure(made, tmp_path):
    figure = corner.figure_corner(store.load(made[0]))
    assert len(figure.axes) == 4
    with pytest.raises(ValueError, match="no 'spin'"):
        corner.figure_corner(store.load(made[0]), ["spin"])


@pytest.mark.cli
def test_command(toy, tmp_path, monkeypatch, capsys):
    config, output = tmp_path / "fit.toml", tmp_path / "fit.h5"
    config.write_text(
        '[model]\nkind = "scalar-decay"\nscalar_mass_gev = 100.0\nyukawa = 1e-9\n'
        '[fit]\nmethod = "map"\n[fit.prior.portal_coupling]\nlog_uniform = [1e-9, 1e-7]\n'
        "[fit.prior.mass_kev]\nlog_normal = [7.0, 0.4]\n"
        "[fit.likelihood.omega_h2]\nmean = 0.12\nsigma = 0.0012\n"
    )
    monkeypatch.setattr(sys, "argv", ["sterile", "fit", str(config), "-o", str(output), "--json"])
    assert cli.run() == 0
    summary = json.loads(capsys.readouterr().out)
    # the likelihoods' best: Omega h^2 = 0.12, lambda_fs = 0.3/m, pulled a little by the prior
    assert summary["converged"]
    assert summary["maximum"]["omega_h2"] == pytest.approx(0.12, rel=1e-3)
    assert summary["maximum"]["mass_kev"] == pytest.approx(6.1, abs=0.3)
    monkeypatch.setattr(sys, "argv", ["sterile", "fit", str(config), "-o", str(output), "--resume"])
    assert cli.run() == 2
    assert "nothing to resume" in capsys.readouterr().err
    assert jnp.isfinite(store.load(output).groups["sample_stats"]["lp"]).all()


@pytest.mark.cli
def test_errors_of_what_follows_are_printed(toy, tmp_path, monkeypatch, capsys):
    config, output = tmp_path / "fit.toml", tmp_path / "fit.h5"
    config.write_text(
        '[model]\nkind = "scalar-decay"\nscalar_mass_gev = 100.0\nyukawa = 1e-9\n'
        '[fit]\nmethod = "fisher"\n[fit.prior.portal_coupling]\nlog_uniform = [1e-9, 1e-7]\n'
        "[fit.prior.mass_kev]\nlog_normal = [7.0, 0.4]\n"
        "[fit.likelihood.omega_h2]\nmean = 0.12\nsigma = 0.0012\n"
    )
    monkeypatch.setattr(sys, "argv", ["sterile", "fit", str(config), "-o", str(output)])
    assert cli.run() == 0
    page = capsys.readouterr().out
    summary = store.load(output).summary
    # lambda_fs = 0.3/m to 20 % and the prior's 40 %
    expected = (0.2**-2 * (0.3 / 0.05 / summary["maximum"]["mass_kev"]) ** 2 + 0.4**-2) ** -0.5
    assert summary["sigma"]["ln mass_kev"] == pytest.approx(expected, rel=1e-6)
    assert summary["sigma"]["ln portal_coupling"] == pytest.approx(
        np.hypot(expected, 0.01) / 2.0, rel=1e-3
    )
    (line,) = [line for line in page.splitlines() if line.startswith("mass_kev")]
    assert f"sigma(ln mass_kev) = {expected:.3g}" in line


@pytest.mark.cli
@pytest.mark.parametrize("method", ["map", "fisher"])
@pytest.mark.parametrize("status", [Status.SUCCESS, Status.ASYMMETRY_JUMPS])
def test_best_fits_tell_their_status(tmp_path, monkeypatch, capsys, method, status):
    told = Target(dataclasses.replace(TOY, code=int(status)), TARGET.priors, TARGET.terms)
    monkeypatch.setattr(problem, "target_of", lambda settings, grid=None: told)
    config, output = tmp_path / "fit.toml", tmp_path / "fit.h5"
    config.write_text(
        '[model]\nkind = "scalar-decay"\nscalar_mass_gev = 100.0\nyukawa = 1e-9\n'
        f'[fit]\nmethod = "{method}"\n[fit.prior.portal_coupling]\nlog_uniform = [1e-9, 1e-7]\n'
        "[fit.prior.mass_kev]\nlog_normal = [7.0, 0.4]\n"
        "[fit.likelihood.omega_h2]\nmean = 0.12\nsigma = 0.0012\n"
    )
    monkeypatch.setattr(sys, "argv", ["sterile", "fit", str(config), "-o", str(output)])
    assert cli.run() == 0
    summary, sentence = store.load(output).summary, f"at the maximum: {MESSAGES[status]}"
    assert summary["status"] == status.name
    for place in (summary["warnings"], capsys.readouterr().out):
        assert (sentence in place) == (status != Status.SUCCESS)


@pytest.mark.invariants
def test_one_grid_serves_the_box_of_the_priors():
    def grid(**changes):
        made = settings.check(_changed(prior=CONTENT["fit"]["prior"] | changes))
        return problem.target_of(made).observe.grid

    rare = {"portal_coupling": {"log_uniform": [1e-9, 1e-8]}}
    assert grid(**rare) == FREEZE_IN
    through_the_turn_over = {"portal_coupling": {"log_uniform": [1e-9, 1e-4]}}
    assert grid(**through_the_turn_over) == FREEZE_OUT
    content = _changed(prior={"scalar_mass_gev": {"uniform": [50.0, 70.0]}})
    content["model"] = {"kind": "scalar-decay", "yukawa": 1e-9, "portal_coupling": 1e-8}
    with pytest.raises(ValueError, match="resonance regime"):
        problem.target_of(settings.check(content))


@pytest.mark.cli
@pytest.mark.parametrize(
    "prior, words",
    [
        ({"h": {"normal": [0.6736, 0.02]}}, "reaches from 0.6336 to 0.7136, beyond 0.653392"),
        ({"omega_b": {"uniform": [0.02237, 0.024]}}, "set \\[cosmology\\] omega_b to its middle"),
    ],
)
def test_cosmologies_beyond_the_tables_are_refused(prior, words):
    with pytest.raises(ValueError, match=words):
        problem.target_of(settings.check(_changed(prior=CONTENT["fit"]["prior"] | prior)))
    # Planck's errors are within
    near = {"h": {"normal": [0.6736, 0.0054]}, "omega_dm": {"log_normal": [0.12, 0.01]}}
    problem.target_of(settings.check(_changed(prior=CONTENT["fit"]["prior"] | near)))


@pytest.mark.cli
def test_a_missing_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"pip install 'sterile-spectra\[fit\]'"):
        fit.run(CONTENT, tmp_path / "fit.h5")
