"""Every kind of write, killed before each of its steps; run by test_faults as a process of its own.

``python tests/fault_cases.py FOLDER`` prints {kind of write: [kills, leftovers]} as JSON. A write
runs in a fork of this process. An audit hook counts what it asks of the file system and kills it
(SIGKILL, as ``kill -9``) before the n-th; a write into a scan's rows is killed half way through.
Then what is there is read as a user would: it has to be the whole old or the whole new.
"""

import json
import os
import signal
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import h5py
import numpy as np

from spectra import programs, store
from spectra.cache import kept_tables, read_tables, write_tables
from spectra.export import snapshot
from spectra.export.writing import foreign, with_companions, write_exports
from sterile.fit import store as fit_store
from sterile.scan import store as scan_store
from sterile.scan.evaluation import Column

STEPS = {"open", "os.rename", "os.chmod", "os.remove", "os.mkdir", "tempfile.mkstemp", "pwrite"}
MOST_STEPS = 60
Q = np.geomspace(1e-3, 30.0, 50)


class Write(NamedTuple):
    """``first`` makes the old state, ``again`` is killed, ``look`` reads: "old" or "new"."""

    first: Callable[[Path], object]
    again: Callable[[Path], object]
    look: Callable[[Path], str]


def killed_before(step: int, write: Callable[[], object]) -> bool:
    """Run ``write`` in a fork that is killed before its step number ``step``; False if it ended."""
    child = os.fork()
    if child == 0:
        steps = [0]

        def hook(event: str, arguments) -> None:
            if event in STEPS:
                steps[0] += 1
                if steps[0] > step:
                    os.kill(os.getpid(), signal.SIGKILL)

        whole = os.pwrite

        def half(handle, block, offset):
            if steps[0] + 1 > step:
                whole(handle, bytes(block)[: len(block) // 2], offset)
            hook("pwrite", ())
            return whole(handle, block, offset)

        os.pwrite = half
        sys.addaudithook(hook)
        code = 1
        try:
            write()
            code = 0
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, "the write itself failed"
    return os.WIFSIGNALED(status)


def record(mass: float) -> store.Record:
    return store.Record(
        {"spectrum/q": Q, "spectrum/f": np.exp(-Q)}, {"spectrum": {"mass_kev": mass}}
    )


def look_at_result(folder: Path) -> str:
    mass = store.read(folder / "r.h5").attributes["spectrum"]["mass_kev"]
    return {1.0: "old", 2.0: "new"}[mass]


def tables(value: float) -> tuple[dict, dict]:
    return {"a": np.full(2000, value)}, {"made": value}


def look_at_tables(folder: Path) -> str:
    values, attributes = read_tables(folder / "t.h5")
    (value,) = {*values["a"].tolist(), attributes["made"]}
    return {1.0: "old", 2.0: "new"}[value]


def kept(folder: Path, value: float) -> float:
    """What ``kept_tables`` gives when it makes ``value``, if it has to."""
    os.environ["STERILE_CACHE_DIR"] = str(folder)
    return float(kept_tables(["k.h5"], lambda: tables(value))[0]["a"][0])


def exports(folder: Path, word: str) -> None:
    write_exports(export_of(folder, word), force=True)


def export_of(folder: Path, word: str) -> dict:
    note = parameters = 1000 * word
    return with_companions(
        folder / "p.txt", 1000 * word, format="csv", z=0.0, parameters=parameters, note=note
    )


def look_at_exports(folder: Path) -> str:
    """Each file is whole; those of two exports, when a kill comes between renames, are told."""
    texts = {word: export_of(folder, word) for word in ("old", "new")}
    words = [
        next(word for word in texts if path.read_text() == texts[word][path])
        for path in texts["old"]
    ]
    told = foreign(folder / "p.txt", folder / "p.txt.params.txt")
    assert (told is None) is (len(set(words)) == 1)
    return "new" if "new" in words else "old"


def fit(value: float) -> fit_store.Fit:
    draws = {"posterior": {"mass_kev": np.full((2, 5), value)}}
    return fit_store.Fit(draws, {"method": "nuts"})


def look_at_fit(folder: Path) -> str:
    (value,) = set(fit_store.load(folder / "f.h5").groups["posterior"]["mass_kev"].ravel())
    return {1.0: "old", 2.0: "new"}[value]


COLUMNS = {
    "points/yukawa": Column((), "<f8", "1", "y"),
    "points/status": Column((), "<i4", "1", ""),
}


def make_scan(folder: Path) -> None:
    values = {"yukawa": np.arange(6.0)}
    root = {"parameters": ["yukawa"], "identity": "{}", "rounds": [6]}
    unit = np.zeros((6, 1))
    scan_store.create(folder / "s.h5", COLUMNS, values, unit, shared={}, attributes={}, root=root)


def write_rows(folder: Path) -> None:
    rows = np.array([1, 2, 4])
    with scan_store.Writer(folder / "s.h5", COLUMNS) as writer:
        found = {"points/yukawa": 1.0 * rows, "points/status": np.zeros(3)}
        writer.write(rows, found)


def grow(folder: Path) -> None:
    values = {"yukawa": np.arange(8.0)}
    scan_store.grow(folder / "s.h5", values, np.zeros((8, 1)), {"rounds": [6, 8]})


def look_at_rows(folder: Path) -> str:
    with scan_store.Writer(folder / "s.h5", COLUMNS) as writer:
        valid, yukawa = writer.valid(), writer.read("points/yukawa")
    assert (
        set(np.flatnonzero(valid)) <= {1, 2, 4} and (yukawa[valid] == np.flatnonzero(valid)).all()
    )
    return "new" if valid.any() else "old"


def look_at_size(folder: Path) -> str:
    with scan_store.Writer(folder / "s.h5", COLUMNS) as writer:
        assert set(np.flatnonzero(writer.valid())) == {1, 2, 4}
        return {6: "old", 8: "new"}[writer.count]


def scan_with_rows(folder: Path) -> None:
    make_scan(folder)
    write_rows(folder)


def make_snapshot(folder: Path) -> None:
    with h5py.File(folder / "v.h5", "w") as file:
        file["q"], file["cumulative"] = np.geomspace(0.1, 10.0, 20), np.linspace(0.0, 1.0, 20)
        file.attrs["momentum_over_mass_today"] = 1e-8
    for index in range(2):
        with h5py.File(folder / f"in.{index}.hdf5", "w") as file:
            header = file.create_group("Header").attrs
            header["Redshift"], header["NumFilesPerSnapshot"] = 49.0, 2
            file["PartType1/Velocities"] = np.zeros((5, 3), dtype="f4")


def kick(folder: Path) -> None:
    snapshot.add_to_snapshot(folder / "v.h5", folder / "in.0.hdf5", folder / "out.hdf5")


def look_at_snapshot(folder: Path) -> str:
    done = [folder / f"out.{index}.hdf5" for index in range(2)]
    for path in done:
        if path.exists():
            with h5py.File(path) as file:
                assert file["PartType1/Velocities"][()].all() and len(file["Header"].attrs) == 3
    for index in range(2):
        with h5py.File(folder / f"in.{index}.hdf5") as file:
            assert not file["PartType1/Velocities"][()].any()
    return "new" if any(path.exists() for path in done) else "old"


def program(folder: Path, data: bytes) -> None:
    programs._write(folder / "programs" / "p.bin", "[]", data)


def look_at_program(folder: Path) -> str:
    found = programs._read(folder / "programs" / "p.bin")
    assert found is not None
    return found[1].decode()


WRITES = {
    "result": Write(
        lambda f: store.write(f / "r.h5", record(1.0)),
        lambda f: store.write(f / "r.h5", record(2.0)),
        look_at_result,
    ),
    "tables": Write(
        lambda f: write_tables(f / "t.h5", *tables(1.0)),
        lambda f: write_tables(f / "t.h5", *tables(2.0)),
        look_at_tables,
    ),
    # a lock of the dead keeps nobody out: the next one makes what is not there
    "cache": Write(
        lambda f: None,
        lambda f: kept(f, 2.0),
        lambda f: {2.0: "new", 1.0: "old"}[kept(f, 1.0)],
    ),
    "export": Write(lambda f: exports(f, "old"), lambda f: exports(f, "new"), look_at_exports),
    "fit": Write(
        lambda f: fit_store.write(f / "f.h5", fit(1.0)),
        lambda f: fit_store.write(f / "f.h5", fit(2.0)),
        look_at_fit,
    ),
    "scan, made": Write(
        lambda f: None,
        make_scan,
        lambda f: "old" if not (f / "s.h5").exists() else {"old": "new"}[look_at_rows(f)],
    ),
    "scan, rows": Write(make_scan, write_rows, look_at_rows),
    "scan, grown": Write(scan_with_rows, grow, look_at_size),
    "snapshot": Write(make_snapshot, kick, look_at_snapshot),
    "program": Write(lambda f: program(f, b"old"), lambda f: program(f, b"new"), look_at_program),
}


def every_kill(folder: Path, write: Write) -> tuple[int, int]:
    """Kill a write before each of its steps; returns the kills and the files that they left."""
    left = 0
    for step in range(MOST_STEPS):
        place = folder / str(step)
        place.mkdir(parents=True)
        write.first(place)
        before = set(place.rglob("*"))
        killed = killed_before(step, lambda place=place: write.again(place))
        after = set(place.rglob("*")) - before
        state = write.look(place)
        assert state in ("old", "new") and (killed or state == "new")
        # what a kill leaves is hidden, and nobody takes it for a result
        left += sum(path.name.startswith(".") and path.is_file() for path in after)
        # and a second try is not kept from anything
        write.again(place)
        write.look(place)
        if not killed:
            return step, left
    raise AssertionError("a write of more steps than expected")


def main() -> None:
    warnings.simplefilter("ignore", RuntimeWarning)  # JAX, imported and not started, about forks
    folder = Path(sys.argv[1])
    print(json.dumps({name: every_kill(folder / name, write) for name, write in WRITES.items()}))


if __name__ == "__main__":
    main()
