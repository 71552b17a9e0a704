"""The wheel, as somebody gets it: built, looked at, installed where nothing is, and used there."""

import json
import os
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
pytestmark = [pytest.mark.external, pytest.mark.slow]

SPECTRUM = "".join(f"{0.05 * i:.4f} {2.718281828 ** (-0.05 * i):.8e}\n" for i in range(1, 600))


def run(*words, **options):
    done = subprocess.run(list(map(str, words)), capture_output=True, text=True, **options)
    assert done.returncode == 0, f"{words}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The archive of sources and the wheel that is made of it, from the files git knows."""
    pytest.importorskip("build", reason="build is not installed")
    folder = tmp_path_factory.mktemp("package")
    listed = run("git", "ls-files", "-z", cwd=ROOT).split("\0")
    for name in filter(None, listed):
        target = folder / "sources" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((ROOT / name).read_bytes())
    run(sys.executable, "-m", "build", "--outdir", folder / "dist", folder / "sources")
    return folder / "dist"


@pytest.fixture(scope="module")
def wheel(built):
    (found,) = built.glob("*.whl")
    return found


def test_twine_accepts_both(built):
    pytest.importorskip("twine", reason="twine is not installed")
    said = run(sys.executable, "-m", "twine", "check", "--strict", *built.iterdir())
    assert said.count("PASSED") == 2


def test_what_is_inside(built, wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    # tables, types and stubs, which lazy loading reads
    for name in (
        "spectra/py.typed",
        "sterile/py.typed",
        "spectra/__init__.pyi",
        "sterile/fit/__init__.pyi",
        "spectra/data/power_planck18.h5",
        "sterile/cobaya.py",
    ):
        assert name in names
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"spectra", "sterile"}
    tracked = run("git", "ls-files", "spectra", "sterile", cwd=ROOT).split()
    assert set(tracked) <= names
    (archive,) = built.glob("*.tar.gz")
    with tarfile.open(archive) as file:
        inside = {name.partition("/")[2] for name in file.getnames()}
    assert {"LICENSE", "README.md", "pyproject.toml"} <= inside


def test_metadata(wheel):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    with zipfile.ZipFile(wheel) as file:
        (name,) = [one for one in file.namelist() if one.endswith("METADATA")]
        lines = file.read(name).decode().splitlines()
    assert f"Version: {project['version']}" in lines and "Requires-Python: >=3.11" in lines
    assert "Classifier: Typing :: Typed" in lines
    for extra in project["optional-dependencies"]:
        assert f"Provides-Extra: {extra}" in lines


def test_installed_where_nothing_is_both_commands_work(wheel, tmp_path):
    """No extra, no source tree on the path, an empty home: what pip resolves is all there is."""
    run(sys.executable, "-m", "venv", tmp_path / "venv")
    python = tmp_path / "venv" / "bin" / "python"
    constraints = ["-c", ROOT / "constraints.txt"] if sys.version_info[:2] == (3, 11) else []
    quiet = ["--quiet", "--disable-pip-version-check", "--no-input"]
    run(python, "-m", "pip", "install", *quiet, *constraints, wheel)
    run(python, "-m", "pip", "check")
    environment = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
    environment |= {"HOME": str(tmp_path), "STERILE_CACHE_DIR": str(tmp_path / "cache")}
    options = {"cwd": tmp_path, "env": environment}
    command = tmp_path / "venv" / "bin" / "sterile"
    where = run(python, "-c", "import spectra, sterile; print(spectra.__file__)", **options)
    assert str(tmp_path) in where
    (tmp_path / "psd.dat").write_text(SPECTRUM)
    words = "transfer psd.dat --mass-kev 7 --temperature-ratio 0.3321 --k 1,10 --json".split()
    by_script = json.loads(run(command, *words, **options))
    by_module = json.loads(run(python, "-m", "sterile", *words, **options))
    assert (
        by_script["t2"] == by_module["t2"] and 0.0 < by_script["t2"][1] < by_script["t2"][0] < 1.0
    )
    text = run(command, "kinds", "scalar-decay", "--toml", **options)
    (tmp_path / "run.toml").write_text(text)
    run(command, "solve", "run.toml", "-o", "out.h5", **options)
    run(command, "export", "out.h5", "--format", "hmf", "-o", "hmf.txt", **options)
    assert (tmp_path / "hmf.txt").exists()
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    facts = json.loads(run(command, "info", "--json", **options))
    assert facts["sterile_spectra"] == version and facts["x64"]
