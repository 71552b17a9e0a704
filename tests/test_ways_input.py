"""What cannot be, of the other ways and of the expansion: one line on stderr, and exit code 2."""

import sys

import pytest

from sterile import cli

pytestmark = pytest.mark.cli

SCALAR = 'kind = "scalar-decay"\nscalar_mass_gev = 5.0\nportal_coupling = 1e-8\nyukawa = 1e-8\n'
DILUTED = 'kind = "diluted-freeze-out"\nmass_kev = 7.0\ndecoupling_temperature_gev = 1.0\n'
PARENT = "parent_mass_gev = 100.0\nparent_width_gev = 1e-22\nparent_yield = 1e-2\n"
RELIC = 'kind = "thermal-relic"\ntemperature_ratio = 0.05\n'
FLUID = "fluid_density_ratio = 1.0\nfluid_temperature_gev = 1.0\n"
RADIATION = FLUID.replace("ratio = 1.0", "ratio = 9e4")

BAD = {
    "dilution below one": (f"[model]\n{DILUTED}dilution = 0.5", "entropy does not fall"),
    "T_RH below 1 MeV": (
        f"[model]\n{SCALAR}[plasma]\nreheating_temperature_gev = 5e-4",
        "below 1 MeV there is no nucleosynthesis",
    ),
    "T_RH of a fluid below 1 MeV": (
        f"[model]\n{SCALAR}[plasma]\nfluid_w = 0.0\nfluid_width_gev = 2e-25\n{FLUID}",
        "reheats below 1 MeV",
    ),
    "T_RH of X below 1 MeV": (
        f"[model]\n{DILUTED}{PARENT.replace('1e-22', '2e-25')}",
        "reheats below 1 MeV",
    ),
    "Dirac and Majorana": (
        f'[model]\nkind = "sum"\nmass_kev = 7.0\n[[model.part]]\nneutrino = "dirac"\n{SCALAR}'
        f"[[model.part]]\n{RELIC}",
        "cannot be the same particle",
    ),
    "a sum of itself": (
        f'[model]\nkind = "sum"\n[[model.part]]\nkind = "sum"\n[[model.part.part]]\n{RELIC}',
        "a model cannot be made of itself",
    ),
    "thermalisation of itself": (
        '[model]\nkind = "late-thermalisation"\n[model.start]\nkind = "late-thermalisation"\n'
        f"[model.start.start]\n{RELIC}",
        "a model cannot be made of itself",
    ),
    "N heavier than S/2": (
        f"[model]\n{SCALAR}[dark_matter]\nmass_kev = 3e6",
        "kinematic limit",
    ),
    "N heavier than X/2": (
        f"[model]\n{DILUTED.replace('7.0', '6e4')}{PARENT.replace('100.0', '0.1')}branching = 0.1",
        "kinematic limit",
    ),
    "a partner heavier than its parent": (
        '[model]\nkind = "parent-decay"\nmass_kev = 7.0\nparent_mass_gev = 100.0\n'
        "partner_mass_gev = 101.0\nwidth_gev = 1e-16\nparent_yield = 1e-5",
        "kinematic limit",
    ),
    "matter that dominates today": (
        f"[model]\n{SCALAR}[plasma]\nfluid_w = 0.0\n{FLUID}",
        "dominate today",
    ),
    "radiation that dominates today": (
        f"[model]\n{SCALAR}[plasma]\nfluid_w = 0.333333\n{RADIATION}",
        "dominate today",
    ),
    "two histories": (
        f"[model]\n{DILUTED}{PARENT}[plasma]\nreheating_temperature_gev = 0.1",
        "each is the other's expansion",
    ),
}


@pytest.mark.parametrize("text, message", BAD.values(), ids=BAD)
def test_one_line_and_exit_code_2(text, message, tmp_path, monkeypatch, capsys):
    path = tmp_path / "run.toml"
    path.write_text(text)
    monkeypatch.setattr(sys, "argv", ["sterile", "solve", str(path)])
    assert cli.run() == 2
    out, err = capsys.readouterr()
    *progress, line = err.strip().splitlines()
    assert out == "" and line.startswith("error: ") and message in line
    assert not any("error" in text for text in progress)
