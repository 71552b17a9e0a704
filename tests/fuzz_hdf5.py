"""Damaged HDF5 files of every kind, read one after the other; run by test_any_bytes.

``python tests/fuzz_hdf5.py FOLDER SEED COUNT`` takes the files of version 0.1.0, changes bytes (a
bit, a byte, eight bytes, a cut; mostly where something is) and reads. A process of its own: should
the HDF5 library crash, a test fails and not the suite. Prints {kind: [read, refused, seconds]} as
JSON; anything but a value or one line that names the file is an error. ``KIND`` as a fourth word
reads one kind only.
"""

import json
import random
import resource
import sys
import time
import zipfile
from pathlib import Path

from spectra import export, store
from spectra.cache import read_tables
from spectra.export import snapshot
from spectra.safe_hdf5 import inspect_file
from sterile.cli.plot import _corner
from sterile.scan import load as load_scan
from sterile.scan.design import read_list

ARCHIVE = Path(__file__).parent / "golden" / "files" / "0.1.0.zip"
# where a damaged length asks for gigabytes the library is to hear that there are none
MEMORY_BYTES = 3 << 30
LONGEST_MESSAGE = 1000


def corner(path: Path) -> None:
    inspect_file(path)
    _corner(path)


def kicks(path: Path) -> None:
    snapshot.add_to_snapshot(path, path.with_name("in.0.hdf5"), path.with_name("out.hdf5"))


def kicked(path: Path) -> None:
    table = path.with_name("velocities.h5")
    snapshot.add_to_snapshot(table, path, path.with_name("out.hdf5"))


def check(path: Path) -> None:
    report = export.check(path, "velocities", export.simulation(20, 128, 49))
    assert all("\n" not in line for line in report.problems)


READERS = {
    "result": ("result.h5", store.read),
    "citation": ("scan.h5", store.citation),
    "scan": ("scan.h5", load_scan),
    "points": ("scan.h5", lambda path: read_list(path, ["mass_kev", "temperature_ratio"])),
    "fit": ("chain.h5", corner),
    "fisher": ("fisher.h5", corner),
    "tables": ("chain.checkpoint.h5", read_tables),
    "velocities": ("velocities.h5", check),
    "kicks": ("velocities.h5", kicks),
    "snapshot": ("alone.hdf5", kicked),
}


def damaged(content: bytes, chance: random.Random) -> bytes:
    changed = bytearray(content)
    for _ in range(chance.choice([1, 1, 1, 2, 4, 16])):
        at = chance.randrange(len(changed))
        while not changed[at] and chance.random() < 0.98:
            at = chance.randrange(len(changed))
        how = chance.random()
        if how < 0.5:
            changed[at] ^= 1 << chance.randrange(8)
        elif how < 0.75:
            changed[at] = chance.choice([0, 1, 127, 128, 255])
        else:
            words = [b"\xff" * 8, bytes(8), (1 << 40).to_bytes(8, "little"), chance.randbytes(8)]
            changed[at : at + 8] = chance.choice(words)
    if chance.random() < 0.05:
        del changed[chance.randrange(len(changed)) :]
    return bytes(changed)


def look(path: Path, read) -> bool:
    """Whether ``path`` was read; what is neither a value nor one line with its name is raised."""
    try:
        read(path)
    except (ValueError, FileNotFoundError) as error:
        message = str(error)
        fine = path.name in message or "out.hdf5: could not be written" in message
        if not fine or "\n" in message or len(message) > LONGEST_MESSAGE:
            raise
        return False
    return True


def alone(path: Path) -> None:
    """A small snapshot in one file."""
    import h5py
    import numpy as np

    for name in ("alone.hdf5", "in.0.hdf5"):
        with h5py.File(path / name, "w") as file:
            header = file.create_group("Header").attrs
            header["Redshift"], header["NumFilesPerSnapshot"] = 49.0, 1
            header["NumPart_Total"] = np.array([0, 20, 0, 0, 0, 0], dtype="u4")
            file["PartType1/Velocities"] = np.zeros((20, 3), dtype="f4")
            file["PartType1/ParticleIDs"] = np.arange(20)


def main() -> None:
    folder, seed, count = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    with zipfile.ZipFile(ARCHIVE) as archive:
        archive.extractall(folder)
    alone(folder)
    found = {}
    for kind in sys.argv[4:] or READERS:
        name, read = READERS[kind]
        content, path = (folder / name).read_bytes(), folder / f"damaged-{kind}.hdf5"
        chance, began, good = random.Random(f"{kind} {seed}"), time.monotonic(), 0
        for number in range(count):
            path.write_bytes(damaged(content, chance))
            try:
                good += look(path, read)
            except BaseException as error:
                error.add_note(f"{kind}, seed {seed}, number {number}: {path}")
                raise
        found[kind] = [good, count - good, round(time.monotonic() - began, 1)]
    print(json.dumps(found))


if __name__ == "__main__":
    main()
