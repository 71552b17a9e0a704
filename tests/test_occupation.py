"""More than one neutrino in a state: said by the status, the numbers and every way out."""

import json

import equinox as eqx
import h5py
import jax.numpy as jnp
import numpy as np
import pytest
from typer.testing import CliRunner

import spectra
import sterile
import sterile.scan
from sterile import bounds, contract, pipeline
from sterile.cli.app import app
from sterile.combined.merging import worst
from sterile.scalar.grids import FREEZE_OUT
from sterile.status import Status, is_failure, is_numerical

pytestmark = pytest.mark.invariants
Q = np.geomspace(1e-3, 40.0, 500)


def file_with(folder, largest):
    """A table of F = 2 largest/(e^q + 1)/(1/2): ``largest`` neutrinos in each of two states."""
    path = folder / f"{largest}.dat"
    np.savetxt(path, np.c_[Q, 4.0 * largest / (np.exp(Q) + 1.0)], fmt="%.12e")
    return path


def test_the_number_it_is_cut_from():
    f = 4.0 / (np.exp(Q) + 1.0)
    # at q = 1e-3 q^3 F is below 1e-6 of its peak, and does not count; 1 - q/2 above
    for neutrino, states in (("majorana", 2), ("dirac", 4)):
        found = float(contract.occupation_max(Q, f, neutrino))
        assert found == pytest.approx(2.0 / states, rel=1e-2)
        first = Q[np.argmax(Q**3 * f > 1e-6 * np.max(Q**3 * f))]
        assert found == pytest.approx(4.0 / states / (np.exp(first) + 1.0), rel=1e-12)


def test_which_status_wins():
    crowded, failed = Status.OCCUPATION_ABOVE_ONE, Status.NOT_CONVERGED
    assert not is_failure(crowded) and not is_numerical(crowded) and crowded > failed
    codes = [jnp.int32(code) for code in (0, crowded, failed)]
    assert int(worst(codes)) == failed and int(worst(codes[:2])) == crowded
    assert int(worst(codes[:1])) == 0


@pytest.mark.slow
def test_a_point_says_so(tmp_path):
    for largest, status in ((0.9, 0), (3.0, Status.OCCUPATION_ABOVE_ONE)):
        model = sterile.SpectrumFile(7.0, 0.1, file=file_with(tmp_path, largest))
        point = sterile.evaluate(model)
        assert int(point.status) == status
        assert float(point.occupation_max) == pytest.approx(largest, rel=1e-2)
        said = " ".join(bounds.warnings(model, point))
        assert ("Pauli" in said) is (status != 0) and ("occupation: 3" in said) is (status != 0)
    # a caveat of production hides no failure of structure
    made = pipeline.made_of(point.production)
    lost = eqx.tree_at(lambda each: each.f, made, made.f * np.nan)
    given = spectra.Cosmology(), pipeline.target_of(model, None, 0.12), spectra.drive()
    failed = pipeline.point_of(lost, *given, spectra.structure.power_table(), "never")
    assert int(failed.status) == spectra.Status.NON_FINITE and is_failure(int(failed.status))


def test_of_parts(tmp_path):
    full = sterile.SpectrumFile(7.0, 0.1, file=file_with(tmp_path, 0.9))
    crowded = sterile.SpectrumFile(7.0, 0.1, file=file_with(tmp_path, 3.0))
    light = sterile.ThermalRelic(3.0, 0.1)
    # one species: two tables of 0.9 are 1.8; of two, each has states of its own
    together = sterile.solve(sterile.Sum(full, full))
    assert int(together.status) == Status.OCCUPATION_ABOVE_ONE
    assert float(together.occupation_max) == pytest.approx(1.8, rel=1e-2)
    assert int(sterile.solve(sterile.Sum(full, light)).status) == 0
    assert int(sterile.solve(sterile.Sum(crowded, light)).status) == Status.OCCUPATION_ABOVE_ONE
    # what thermalises may begin with too many
    late = sterile.LateThermalisation(crowded, process="number-changing")
    assert int(sterile.solve(late).status) == Status.OCCUPATION_ABOVE_ONE


def command(*words):
    done = CliRunner().invoke(app, [str(word) for word in words])
    assert done.exit_code == 0, done.output
    return done


@pytest.mark.cli
def test_every_way_out(tmp_path):
    lines = ["[model]", 'kind = "spectrum-file"', "temperature_ratio = 0.1"]
    lines.append(f'file = "{file_with(tmp_path, 3.0)}"')
    run, scan = tmp_path / "run.toml", tmp_path / "scan.toml"
    run.write_text("\n".join([*lines, "mass_kev = 7.0"]))
    out = tmp_path / "out.h5"
    done = command("solve", run, "-o", out, "--json")
    answer = json.loads(done.stdout)
    assert answer["status"] == Status.OCCUPATION_ABOVE_ONE
    assert answer["occupation_max"] == pytest.approx(3.0, rel=1e-2)
    assert sum("Pauli" in line for line in answer["warnings"]) == 1
    with h5py.File(out) as file:
        assert "Pauli" in str(file.attrs["warnings"])
    done = command("export", out, "--format", "gadget4", "-o", tmp_path / "p.txt")
    assert "warning: " in done.stderr and "Pauli" in done.stderr
    assert "Pauli" in (tmp_path / "p.txt.note.txt").read_text()

    lines += ["[scan]", 'design = "grid"', 'outputs = ["yield_n", "occupation_max"]']
    scan.write_text("\n".join([*lines, "[scan.parameters.mass_kev]", "values = [7.0, 8.0]"]))
    results = tmp_path / "scan.h5"
    command("scan", scan, "-o", results)
    found = sterile.scan.load(results)
    assert list(found.points["status"]) == 2 * [Status.OCCUPATION_ABOVE_ONE]
    np.testing.assert_allclose(found.points["occupation_max"], 3.0, rtol=1e-2)


@pytest.mark.slow
def test_scalar_decay_in_equilibrium_with_its_daughters():
    # Gamma > H while S is there: decays alone fill N beyond one a state, with N N -> S they do not
    for inverse, status in ((False, Status.OCCUPATION_ABOVE_ONE), (True, 0)):
        plasma = sterile.Plasma(inverse_decays=inverse)
        found = sterile.solve(sterile.ScalarDecay(500.0, 1e-3, 1e-6), plasma, FREEZE_OUT)
        assert int(found.status) == status
        assert (float(found.occupation_max) > 1.0) is (status != 0)
        assert np.isfinite(float(found.yield_n))
