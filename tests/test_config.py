"""The TOML file: what is accepted, and one clear line for everything else."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spectra.structure import choose_bounds
from sterile import config
from sterile.fit import settings as fit_settings
from sterile.scan import settings

pytestmark = pytest.mark.cli

MODEL = """
[model]
kind = "scalar-decay"
scalar_mass_gev = 100
portal_coupling = 1e-8
yukawa = 1e-9
"""
RUNS = Path(__file__).parent.parent / "runs"


def load(text, tmp_path):
    path = tmp_path / "run.toml"
    path.write_text(text)
    return config.load(path)


def test_defaults(tmp_path):
    run = load(MODEL, tmp_path)
    assert config.target_omega_h2(run) == 0.12
    model = config.model_of(run)
    assert float(model.scalar_mass_gev) == 100.0
    assert float(config.cosmology_of(run).omega_dm) == pytest.approx(0.12)
    assert config.plasma_of(run).dark_sector_in_hubble is True
    assert run.text == MODEL


def test_every_key(tmp_path):
    run = load(
        MODEL
        + """scalar_vev_gev = 300.0
neutrino = "dirac"
[plasma]
preset = "paper"
bath_statistics = "maxwell-boltzmann"
elastic_scattering = false
electroweak_temperature_gev = 150.0
dark_sector_in_hubble = false
contact_only = true
constant_g = 106.75
inverse_decays = true
[dark_matter]
mass_kev = 7.1
[cosmology]
h = 0.67
n_s = 0.96
""",
        tmp_path,
    )
    plasma = config.plasma_of(run)
    assert plasma.constant_g == 106.75 and plasma.contact_only and plasma.inverse_decays
    model = config.model_of(run)
    assert float(model.scalar_vev_gev) == 300.0 and model.neutrino == "dirac"
    assert float(plasma.electroweak_temperature_gev) == 150.0
    assert run.dark_matter.mass_kev == 7.1
    assert float(config.cosmology_of(run).h) == 0.67


def test_abundance_sets_the_dark_matter_density(tmp_path):
    run = load(MODEL + "[dark_matter]\nomega_h2 = 0.11\n", tmp_path)
    assert float(config.cosmology_of(run).omega_dm) == 0.11
    run = load(MODEL + "[cosmology]\nomega_dm = 0.11\n", tmp_path)
    assert config.target_omega_h2(run) == 0.11


def test_bounds_of_ones_own_stand_beside_the_configuration(tmp_path):
    (tmp_path / "mine.csv").write_text(
        "name,year,test,value,unit,source\nours,2026,area,5,kev,us\n", encoding="utf-8"
    )
    run = load(MODEL + "[verdicts]\nbounds = '2017, mine.csv'\n", tmp_path)
    assert choose_bounds(run.verdicts.bounds).bounds[-1].name == "ours"
    assert load(MODEL, tmp_path).verdicts.bounds == "2026"


BAD = {
    "misspelt key": (MODEL.replace("yukawa", "yukwa"), "[model] yukwa; did you mean 'yukawa'"),
    "misspelt section": (MODEL + "[cosmolgy]\nh = 0.7\n", "[cosmolgy]; did you mean 'cosmology'"),
    "unknown key": (MODEL + "[plasma]\nzzz = 1\n", "[plasma] zzz; known keys: preset"),
    "missing key": (MODEL.replace("yukawa = 1e-9", ""), "[model] yukawa is missing"),
    "missing section": ("[plasma]\n", "[model] is missing"),
    "text for a number": (MODEL.replace("1e-9", '"1e-9"'), "[model] yukawa = '1e-9': input should"),
    "bool for a number": (MODEL.replace("1e-9", "true"), "[model] yukawa = True"),
    "nan": (MODEL.replace("1e-9", "nan"), "[model] yukawa = nan"),
    "infinite": (MODEL.replace("1e-9", "inf"), "[model] yukawa = inf"),
    "unknown kind": (MODEL.replace("scalar-decay", "scalar-dekay"), "did you mean 'scalar-decay'"),
    "preset": (MODEL + "[plasma]\npreset = 'bset'\n", "[plasma] preset = 'bset' is not one of"),
    "both": (MODEL + "[dark_matter]\nomega_h2 = 0.12\nmass_kev = 7.0\n", "remove one of them"),
    "two densities": (
        MODEL + "[dark_matter]\nomega_h2 = 0.12\n[cosmology]\nomega_dm = 0.11\n",
        "differ",
    ),
    "negative abundance": (MODEL + "[dark_matter]\nomega_h2 = -0.12\n", "[dark_matter] omega_h2"),
    "zero mass": (MODEL + "[dark_matter]\nmass_kev = 0.0\n", "[dark_matter] mass_kev"),
    "section is a number": (MODEL + "\n[x]\n", "[x]"),
    "number as section": ("plasma = 3\n" + MODEL, "[plasma] must be a table"),
    "not TOML": ("model = [", "not valid TOML"),
    "kind of N": (MODEL + 'neutrino = "dirak"\n', "did you mean 'dirac'?"),
    "no such bounds": (MODEL + "[verdicts]\nbounds = '2o26'\n", "[verdicts] bounds = '2o26' is no"),
    "no such table": (MODEL + "[verdicts]\nbounds = 'x.csv'\n", "x.csv: no such file"),
    "kind of relics": (MODEL + "[verdicts]\nreferences = 'viel'\n", "did you mean 'viel2005'"),
    "reserved": ("text = 'x'\n" + MODEL, "[text]"),
    "empty": ("", "[model] is missing"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_files_name_the_key_and_the_fix(case, tmp_path):
    text, words = BAD[case]
    with pytest.raises(ValueError) as caught:
        load(text, tmp_path)
    message = str(caught.value)
    assert words in message
    assert "run.toml" in message and "\n" not in message


OUT_OF_RANGE = [
    ("scalar_mass_gev = 100", "scalar_mass_gev = 1.0", "scalar_mass_gev"),
    ("scalar_mass_gev = 100", "scalar_mass_gev = 1e5", "scalar_mass_gev"),
    ("scalar_mass_gev = 100", "scalar_mass_gev = -100", "scalar_mass_gev"),
    ("portal_coupling = 1e-8", "portal_coupling = 0.0", "portal_coupling"),
    ("portal_coupling = 1e-8", "portal_coupling = 1.0", "portal_coupling"),
    ("yukawa = 1e-9", "yukawa = -1e-9", "yukawa"),
    ("yukawa = 1e-9", "yukawa = 1e-9\nscalar_vev_gev = 0.0", "scalar_vev_gev"),
]


@pytest.mark.parametrize("old, new, name", OUT_OF_RANGE)
def test_parameters_out_of_range(old, new, name, tmp_path):
    run = load(MODEL.replace(old, new), tmp_path)
    with pytest.raises(ValueError, match=name) as caught:
        config.model_of(run)
    assert "range" in str(caught.value) or "[" in str(caught.value)


def test_missing_file_directory_and_binary(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such file"):
        config.load(tmp_path / "nowhere.toml")
    with pytest.raises(ValueError, match="directory"):
        config.load(tmp_path)
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match="not a text file"):
        config.load(binary)


@pytest.mark.parametrize("path", sorted(RUNS.glob("*.toml")), ids=lambda path: path.name)
def test_shipped_runs_load(path):
    if "[scan]" in path.read_text(encoding="utf-8"):
        settings.load(path)
        return
    if "[fit]" in path.read_text(encoding="utf-8"):
        fit_settings.load(path)
        return
    run = config.load(path)
    config.model_of(run)
    config.plasma_of(run)
    config.cosmology_of(run)


_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=6,
)


@given(
    st.dictionaries(
        st.sampled_from(["model", "plasma", "dark_matter", "cosmology", "x"]),
        st.dictionaries(st.sampled_from(["kind", "yukawa", "h", "omega_h2", "preset"]), _values)
        | _values,
    )
)
def test_any_document_is_accepted_or_refused_in_one_line(content):
    try:
        config.check(content)
    except ValueError as error:
        assert "\n" not in str(error)
