"""Designs and settings of a scan: every mistake is one sentence, every design has its points."""

import copy

import h5py
import numpy as np
import pytest
from scan_cases import SCAN

from sterile.scan import design, expressions, settings

pytestmark = pytest.mark.cli


def changed(**scan):
    content = copy.deepcopy(SCAN)
    for key, value in scan.items():
        if value is None:
            content["scan"].pop(key, None)
        else:
            content["scan"][key] = value
    return content


def ranges(**parameters):
    base = {"low": 1e-10, "high": 1e-3, "points": 5, "spacing": "log"}
    return {name: base | given for name, given in parameters.items()}


def points(content):
    return design.points(settings.check(content))


def test_grid_runs_the_last_parameter_fastest_and_keeps_its_ends():
    found = points(SCAN)
    assert found.count == 63
    coupling, yukawa = found.values["portal_coupling"], found.values["yukawa"]
    assert coupling[0] == 1e-10 and coupling[-1] == 1e-3
    assert yukawa[0] == 1e-11 and yukawa[6] == 1e-6 and yukawa[7] == 1e-11
    assert np.allclose(np.diff(np.log(coupling[::7])), np.log(10.0) * 7 / 8)


def test_linear_spacing_and_listed_values():
    content = changed(
        parameters={
            "scalar_mass_gev": {"values": [65.0, 100.0, 500.0]},
            "portal_coupling": {"low": 1e-9, "high": 3e-9, "points": 3},
            "yukawa": {"low": 1e-9, "high": 1e-9, "points": 1},
        }
    )
    del content["model"]["scalar_mass_gev"]
    found = points(content)
    assert found.values["scalar_mass_gev"][::3].tolist() == [65.0, 100.0, 500.0]
    assert np.allclose(found.values["portal_coupling"][:3], [1e-9, 2e-9, 3e-9])
    assert set(found.values["yukawa"]) == {1e-9}


@pytest.mark.parametrize("kind", ["sobol", "latin-hypercube"])
def test_random_designs_fill_the_plane_and_depend_on_the_seed_alone(kind):
    parameters = {
        "portal_coupling": {"low": 1e-10, "high": 1e-3, "spacing": "log"},
        "yukawa": {"low": 1e-11, "high": 1e-6, "spacing": "log"},
    }
    content = changed(design=kind, points=100, parameters=parameters)
    found, again = points(content), points(content)
    assert found.count == 100 and np.array_equal(found.unit, again.unit)
    # either kind puts 25 ± 3 of 100 points into every quarter of every parameter
    for column in found.unit.T:
        assert np.all(np.abs(np.histogram(column, 4, (0.0, 1.0))[0] - 25) <= 3)
    content["scan"]["seed"] = 1
    assert not np.array_equal(points(content).unit, found.unit)


def test_conditional_ranges():
    parameters = {
        "portal_coupling": {"low": 1e-10, "high": 1e-6, "points": 5, "spacing": "log"},
        "yukawa": {"low": "max(1e-11, 1e-3*portal_coupling)", "high": "1e-2*sqrt(portal_coupling)",
                   "points": 3, "spacing": "log"},
    }  # fmt: skip
    found = points(changed(parameters=parameters))
    coupling, yukawa = found.values["portal_coupling"], found.values["yukawa"]
    assert np.allclose(yukawa[0::3], np.maximum(1e-11, 1e-3 * coupling[0::3]))
    assert np.allclose(yukawa[2::3], 1e-2 * np.sqrt(coupling[2::3]))
    where = points(changed(where="yukawa < 1e-8 and not portal_coupling > 1e-5"))
    assert 0 < where.count < 63
    assert np.all((where.values["yukawa"] < 1e-8) & (where.values["portal_coupling"] <= 1e-5))


@pytest.mark.parametrize(
    "text",
    ["__import__('os')", "yukawa.real", "[1]", "yukawa if 1 else 2", "sqrt(1, 2)", "1 +", ""],
)
def test_expressions_are_arithmetic_only(text):
    with pytest.raises(ValueError):
        expressions.evaluate(text, {"yukawa": np.ones(2)})


def test_lists_from_csv_and_hdf5(tmp_path):
    path = tmp_path / "points.csv"
    path.write_text("# remark\nyukawa, portal_coupling\n1e-9, 1e-8\n2e-9, 1e-7\n")
    content = changed(design="list", file="points.csv", parameters=None)
    read = settings.check(content, folder=tmp_path)
    assert design.points(read).values["portal_coupling"].tolist() == [1e-8, 1e-7]
    with h5py.File(tmp_path / "points.h5", "w") as file:
        file["yukawa"], file["portal_coupling"] = [1e-9, 2e-9], [1e-8, 1e-7]
    content["scan"]["file"] = "points.h5"
    found = design.points(settings.check(content, folder=tmp_path)).values
    assert found["yukawa"].tolist() == [1e-9, 2e-9]


@pytest.mark.parametrize(
    "text, words",
    [
        ("yukawa,portal_coupling\n", "empty"),
        ("", "holds no parameter"),
        ("yukawa,portal_coupling\n1e-9,x\n", "portal_coupling of point 1 is 'x'"),
        ("yukawa,portal_coupling\n1e-9\n", "1 columns"),
        ("yukawa,portal_coupling\n1e-9,nan\n", "not a finite number"),
        ("yukwa,portal_coupling\n1e-9,1e-8\n", "did you mean 'yukawa'"),
        ("yukawa,yukawa\n1e-9,1e-8\n", "twice"),
        ("yukawa\n1e-9\n", "portal_coupling is missing"),
        ("yukawa,portal_coupling,scalar_mass_gev\n1e-9,1e-8,100\n", "also given in [model]"),
    ],
)
def test_bad_lists(tmp_path, text, words):
    (tmp_path / "points.csv").write_text(text)
    content = changed(design="list", file="points.csv", parameters=None)
    with pytest.raises(ValueError) as error:
        design.points(settings.check(content, folder=tmp_path))
    assert words in str(error.value)


BAD = [
    ({"design": "gird"}, "design"),
    ({"chunck": 3}, "did you mean 'chunk'"),
    ({"parameters": ranges(yukwa={}, portal_coupling={})}, "did you mean 'yukawa'"),
    ({"parameters": ranges(yukawa={"hgh": 1.0}, portal_coupling={})}, "did you mean 'high'"),
    ({"parameters": {}}, "nothing to scan"),
    ({"parameters": ranges(yukawa={"points": None}, portal_coupling={})}, "points"),
    ({"parameters": ranges(yukawa={"low": -1.0}, portal_coupling={})}, "must be positive"),
    ({"parameters": ranges(yukawa={"low": 1.0}, portal_coupling={})}, "swap"),
    ({"parameters": ranges(yukawa={"low": float("nan")}, portal_coupling={})}, "yukawa.low"),
    ({"parameters": ranges(yukawa={"low": "2*portal"}, portal_coupling={})}, "uses 'portal'"),
    ({"parameters": ranges(yukawa={"low": "2*portal_coupling"}, portal_coupling={})}, "before it"),
    ({"parameters": ranges(yukawa={}, scalar_mass_gev={}, portal_coupling={})}, "also given"),
    ({"parameters": ranges(yukawa={})}, "portal_coupling is missing"),
    ({"parameters": ranges(yukawa={"points": 10**6}, portal_coupling={"points": 10**6})}, "limit"),
    ({"where": "yukawa > 1"}, "no points"),
    ({"where": "open('x')"}, "where"),
    ({"design": "sobol"}, "points"),
    ({"points": 5}, "no use in a grid"),
    ({"file": "x.csv"}, "file is for"),
    ({"design": "list", "parameters": None}, "needs file"),
    ({"batch": 3, "chunk": 4}, "multiple"),
    ({"chunk": 0}, "chunk"),
    ({"refine": {"rounds": 1}}, "refine.points is missing"),
]


@pytest.mark.parametrize("scan, words", BAD)
def test_bad_settings_are_one_sentence(scan, words):
    with pytest.raises(ValueError) as error:
        points(changed(**scan))
    assert words in str(error.value) and "\n" not in str(error.value)


def test_a_missing_section_and_a_bad_section():
    with pytest.raises(ValueError, match=r"\[scan\] is missing"):
        settings.check({"model": SCAN["model"]})
    content = copy.deepcopy(SCAN)
    content["plasma"] = {"constant_gg": 100.0}
    with pytest.raises(ValueError, match="did you mean 'constant_g'"):
        settings.check(content)


def test_identity_ignores_comments_and_sees_every_setting():
    one, same = settings.check(SCAN, text="a"), settings.check(SCAN, text="# b")
    assert settings.identity(one) == settings.identity(same)
    other = changed(seed=1)
    other["model"]["scalar_mass_gev"] = 65.0
    other["scan"]["parameters"]["yukawa"]["high"] = 1e-5
    lines = settings.differences(settings.identity(one), settings.identity(settings.check(other)))
    assert lines == [
        "[model] scalar_mass_gev: 100.0 → 65.0",
        "[scan] parameters.yukawa.high: 1e-06 → 1e-05",
        "[scan] seed: 0 → 1",
    ]
