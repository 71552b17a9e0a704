"""What a file may make this code do: nothing but be read. No pickle, no eval, no shell, no link."""

import ast
import json
import os
import zipfile
from pathlib import Path

import fault_cases
import h5py
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from spectra import store
from spectra.cache import read_tables
from spectra.export import simulation, snapshot
from spectra.export import velocities as velocity_format
from spectra.safe_hdf5 import Unsafe, inspect_file, opened
from sterile import cli
from sterile.scan import cluster, expressions
from sterile.scan import load as load_scan
from sterile.scan.design import read_list

pytestmark = pytest.mark.cli
ROOT = Path(__file__).parent.parent
SOURCES = [path for floor in ("spectra", "sterile") for path in (ROOT / floor).rglob("*.py")]
ARCHIVE = ROOT / "tests" / "golden" / "files" / "0.1.0.zip"

# between a process and the children that it started, through pipes that nobody else can open
PICKLE = {
    "sterile/scan/worker.py",
    "sterile/scan/local.py",
    "spectra/linear/drive_pool.py",
}
SUBPROCESS = {"sterile/scan/local.py", "spectra/linear/drive_pool.py"}
# of a constant, of a list in the module, or of STERILE_MECHANISMS, which is the user's own
IMPORTS = {"sterile/mechanisms.py", "sterile/scan/evaluation.py", "sterile/scan/results.py"}


def calls_and_imports(path: Path):
    """Dotted names that a module calls, and modules that it imports."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    called, imported = {}, set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called.setdefault(ast.unparse(node.func), []).append(node)
        elif isinstance(node, ast.Import):
            imported |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            imported.add(node.module.split(".")[0])
    return called, imported


def test_the_source_neither_runs_text_nor_unpickles_files():
    assert len(SOURCES) > 150
    for path in SOURCES:
        harmless(path)


def harmless(path):
    called, imported = calls_and_imports(path)
    here = path.relative_to(ROOT).as_posix()
    assert not {"eval", "exec", "compile", "__import__", "os.system", "os.popen"} & set(called)
    assert not imported & {"marshal", "shelve", "dill", "cloudpickle", "joblib", "yaml", "xml"}
    assert not {"np.load", "numpy.load", "tempfile.mktemp", "jax.numpy.load"} & set(called)
    assert "pickle" not in imported or here in PICKLE
    assert "subprocess" not in imported or here in SUBPROCESS
    assert "importlib.import_module" not in called or here in IMPORTS
    for name in ("subprocess.Popen", "subprocess.run"):
        for node in called.get(name, []):
            assert isinstance(node.args[0], ast.List)  # words, not a line for a shell
            assert "shell" not in {keyword.arg for keyword in node.keywords}


def external_link(path, victim):
    with h5py.File(path, "a") as file:
        file["link"] = h5py.ExternalLink(str(victim), "/")


def external_storage(path, victim):
    with h5py.File(path, "a") as file:
        file.create_dataset("stored", (4,), "f8", external=[(str(victim), 0, 32)])


def virtual(path, victim):
    layout = h5py.VirtualLayout((4,), "f8")
    layout[:] = h5py.VirtualSource(str(victim), "x", (4,))
    with h5py.File(path, "a") as file:
        file.create_virtual_dataset("virtual", layout)


def reference(path, victim):
    with h5py.File(path, "a") as file:
        file.create_dataset("reference", data=file.ref, dtype=h5py.ref_dtype)


def reference_attribute(path, victim):
    with h5py.File(path, "a") as file:
        file.attrs["reference"] = file.ref


def sequences(path, victim):
    with h5py.File(path, "a") as file:
        file.create_dataset("sequences", (3,), h5py.vlen_dtype("f8"))


def compound(path, victim):
    with h5py.File(path, "a") as file:
        file["compound"] = np.zeros(3, dtype=[("a", "f8"), ("b", "i4")])


def many_strings(path, victim):
    with h5py.File(path, "a") as file:
        file.create_dataset("strings", (10**6,), h5py.string_dtype(), chunks=(1000,))


def huge_shape(path, victim):
    with h5py.File(path, "a") as file:
        file.create_dataset("huge", (10**12,), "f8", chunks=(1000,))


def huge_contiguous(path, victim):
    with h5py.File(path, "a") as file:
        file.create_dataset("huge", (10**9,), "f8")


def bomb(path, victim):
    with h5py.File(path, "a") as file:
        file.create_dataset("zeros", (2 * 10**9,), "u1", chunks=(10**6,), compression="gzip")


def deep(path, victim):
    with h5py.File(path, "a") as file:
        group = file
        for _ in range(3000):
            group = group.create_group("g")


def in_a_circle(path, victim):
    """A group inside itself; harmless, and the walk has to end."""
    with h5py.File(path, "a") as file:
        file.create_group("a/b")
        file["a/b/a"] = file["a"]


ATTACKS = [
    external_link, external_storage, virtual, reference, reference_attribute, sequences, compound,
    many_strings, huge_shape, huge_contiguous, bomb, deep,
]  # fmt: skip
READERS = {
    "result": ("result.h5", store.read),
    "citation": ("result.h5", store.citation),
    "sources": ("result.h5", store.sources),
    "scan": ("scan.h5", load_scan),
    "list of points": ("scan.h5", lambda path: read_list(path, ["mass_kev"])),
    "tables": ("chain.checkpoint.h5", read_tables),
    "fit": ("chain.h5", inspect_file),
}


@pytest.fixture(scope="module")
def golden(tmp_path_factory):
    folder = tmp_path_factory.mktemp("golden")
    with zipfile.ZipFile(ARCHIVE) as archive:
        archive.extractall(folder)
    return folder


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
def test_hdf5_that_reaches_out_or_blows_up_is_refused(attack, golden, tmp_path):
    victim = tmp_path / "victim.h5"
    with h5py.File(victim, "w") as file:
        file["x"] = np.arange(4.0)
    before = victim.read_bytes()
    for kind, (name, read) in READERS.items():
        path = tmp_path / f"{kind}.h5"
        path.write_bytes((golden / name).read_bytes())
        attack(path, victim)
        with pytest.raises(ValueError) as caught:
            read(path)
        message = str(caught.value)
        assert str(path) in message and "\n" not in message and len(message) < 600, kind
    assert victim.read_bytes() == before


def test_a_circle_of_groups_ends(tmp_path):
    path = tmp_path / "c.h5"
    in_a_circle(path, None)
    with opened(path) as file:
        assert "a/b/a/b" in file


def test_a_snapshot_that_stands_for_other_files_is_not_written_through(tmp_path):
    """A copy of a virtual file is as virtual: kicks would go into the files behind it."""
    fault_cases.make_snapshot(tmp_path)
    behind, front = tmp_path / "in.0.hdf5", tmp_path / "front.hdf5"
    before = behind.read_bytes()
    layout = h5py.VirtualLayout((5, 3), "f4")
    layout[:] = h5py.VirtualSource(str(behind), "PartType1/Velocities", (5, 3))
    linked = tmp_path / "linked.hdf5"
    for path in (front, linked):
        with h5py.File(path, "w") as file:
            file.create_group("Header").attrs["Redshift"] = 49.0
            if path == linked:
                file["PartType1"] = h5py.ExternalLink(str(behind), "PartType1")
            else:
                file.create_virtual_dataset("PartType1/Velocities", layout)
    for path, word in ((front, "virtual"), (linked, "link to another file")):
        with pytest.raises(ValueError, match=word):
            snapshot.add_to_snapshot(tmp_path / "v.h5", path, tmp_path / "out.hdf5")
    assert behind.read_bytes() == before and not (tmp_path / "out.hdf5").exists()


def test_a_check_says_what_is_wrong_with_such_a_file(golden, tmp_path):
    path = tmp_path / "v.h5"
    path.write_bytes((golden / "velocities.h5").read_bytes())
    external_link(path, tmp_path / "victim.h5")
    findings = velocity_format.check(path, simulation(20, 128, 49), None)
    assert "link to another file" in findings.problems[0]


@pytest.mark.parametrize("name", ["hdf5", "velocities"])
def test_the_command_refuses_to_check_such_a_file(name, golden, tmp_path, monkeypatch, capsys):
    path = tmp_path / "t.h5"
    path.write_bytes((golden / f"{name}.h5").read_bytes())
    reference(path, None)
    words = ["--check", str(path), "--format", name, "--box-mpc-h", "20", "--particles", "128"]
    monkeypatch.setattr("sys.argv", ["sterile", "export", *words, "--z", "49"])
    assert cli.run() == 2
    err = capsys.readouterr().err
    assert "neither plain numbers nor text" in err and err.count("\n") == 1


def test_unsafe_names_the_file_and_the_place(tmp_path):
    path = tmp_path / "x.h5"
    external_link(path, "/etc/passwd")
    with pytest.raises(Unsafe, match=r"x\.h5: /link is a link to another file"):
        inspect_file(path)
    inspect_file(tmp_path / "none.h5")  # is for the reader to say


@pytest.mark.parametrize("words", [["--format", "class"], ["--format", "velocities", "--z", "49"]])
def test_names_in_a_file_lead_nowhere(words, golden, tmp_path, monkeypatch, capsys):
    """Whatever a result calls its parts, files come into the directory that was asked for only."""
    home, out = tmp_path / "home", tmp_path / "home" / "out"
    out.mkdir(parents=True)
    path = home / "r.h5"
    path.write_bytes((golden / "result.h5").read_bytes())
    with h5py.File(path, "r+") as file:
        for name in ("../../evil", "..\\evil", "/tmp/evil-of-tests", "~", "a b; touch evil"):
            group = file["verdicts"].create_group(name.replace("/", "\u2215"))
            group.attrs["status"], group.attrs["source"] = name, name
        file.attrs["config_toml"] = '[scan]\nfile = "../../evil"\n'
        file.attrs["citation"] = "$(touch evil)`touch evil`"
    monkeypatch.chdir(home)
    target = out / ("class" if "class" in words else "v.h5")
    monkeypatch.setattr("sys.argv", ["sterile", "export", str(path), *words, "-o", str(target)])
    assert cli.run() == 0, capsys.readouterr().err
    monkeypatch.setattr("sys.argv", ["sterile", "verdict", str(path), "--json"])
    capsys.readouterr()
    assert cli.run() == 0 and "../../evil" in json.dumps(json.loads(capsys.readouterr().out))
    found = {p for p in tmp_path.rglob("*") if p.is_file()}
    assert {p for p in found if out not in p.parents} == {path}
    assert not os.path.exists("/tmp/evil-of-tests")


# expressions of scans: names a, b; what they may be is what numpy makes of the same text
NUMBERS = st.one_of(
    st.integers(0, 10**6).map(str),
    st.floats(1e-12, 1e12).map(repr),
    st.sampled_from(["a", "b", "1e400", "0"]),
)
ARITHMETIC = st.recursive(
    NUMBERS,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["+", "-", "*", "/", "**"]), inner).map(
            lambda t: f"({t[0]} {t[1]} {t[2]})"
        ),
        inner.map(lambda t: f"(-{t})"),
        st.tuples(st.sampled_from(["sqrt", "exp", "log", "log10"]), inner).map(
            lambda t: f"{t[0]}({t[1]})"
        ),
        st.tuples(st.sampled_from(["min", "max"]), inner, inner).map(
            lambda t: f"{t[0]}({t[1]}, {t[2]})"
        ),
    ),
    max_leaves=8,
)
VALUES = {"a": np.array([0.5, 2.0, 3e5]), "b": np.array([1e-9, 1.0, 7.0])}


class AsDouble(ast.NodeTransformer):
    """Numbers of a text as numpy's doubles, for Python to evaluate: the oracle of the tests."""

    def visit_Constant(self, node):
        call = ast.Call(ast.Name("double", ast.Load()), [ast.Constant(str(node.value))], [])
        return ast.copy_location(call, node)


@given(ARITHMETIC)
def test_arithmetic_is_that_of_doubles(text):
    tree = ast.fix_missing_locations(AsDouble().visit(ast.parse(text, mode="eval")))
    known = {**expressions.FUNCTIONS, **VALUES, "double": np.float64}
    with np.errstate(all="ignore"):
        expected = eval(compile(tree, "test", "eval"), {"__builtins__": {}}, known)
    assert expressions.names(text) <= {"a", "b"}
    found = expressions.evaluate(text, VALUES)
    assert found.dtype == float
    assert np.array_equal(found, np.asarray(expected), equal_nan=True)


WORDS = st.sampled_from(
    "a b ( ) [ ] { } . , : ; ' \" \\ = == < <= + - * ** / // % @ ~ ! & | ^ not and or if else for "
    "in is lambda await yield := __import__ os system eval exec print open getattr __class__ "
    "__globals__ 1 1j 0x1f 1e999 'x' f'{a}' b'x' None True ... * ** min max sqrt exp".split()
)


@given(st.one_of(st.text(max_size=80), st.lists(WORDS, max_size=14).map(" ".join)))
@example("__import__('os').system('touch evil')")
@example("a.__class__.__mro__[1].__subclasses__()")
@example("(lambda: a)()")
@example("[x for x in a]")
@example("9**9**9**9")
@example("(-1)**0.5")
@example("1/0")
@example("-(a < b) + (a < b)")
@example("1" + "0" * 900)
@example("+".join(["1"] * 450))
@example("-" * 900 + "1")
@example("(" * 400 + "1" + ")" * 400)
@example("x" * 100_000)
@example("sqrt" + "(sqrt" * 60)
def test_any_text_is_arithmetic_or_one_line(text):
    try:
        used = expressions.names(text)
        found = expressions.evaluate(text, VALUES)
    except ValueError as error:
        assert len(str(error)) < 1500
    else:
        assert used <= VALUES.keys() and found.dtype in (float, bool)


def test_lines_cannot_be_smuggled_into_a_job_script(monkeypatch):
    """Settings of [scan.cluster] become a job script: none may end its line and begin another."""
    pytest.importorskip("dask_jobqueue")
    for options in (
        {"queue": "short\nrm -rf x"},
        {"job_extra_directives": ["a\rb"]},
        {"env_extra": ["a\x00b"]},
        {"scheduler_options": {"interface": "x\ny"}},
    ):
        with pytest.raises(ValueError, match="more than one line"):
            cluster._start_cluster({"kind": "slurm", "jobs": 1, **options})
