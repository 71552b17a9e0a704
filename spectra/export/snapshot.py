"""Add thermal velocities to the dark matter of a GADGET HDF5 snapshot.

``python -m spectra.export.snapshot VELOCITIES.h5 SNAPSHOT.hdf5 -o OUT.hdf5``
"""

import argparse
import contextlib
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np

from spectra.export.snapshot_set import DONE, Part, numbered, parts_of
from spectra.export.velocities import peculiar_speed_km_s
from spectra.files import array, dataset, number, reason, require_room, write_together
from spectra.safe_hdf5 import opened

_CHUNK = 1 << 20
_HEADER_BYTES = 1 << 16  # more than what one attribute adds to a file


def draw_velocities(
    count: int, q, cumulative, today: float, z: float, generator: np.random.Generator
) -> np.ndarray:
    """Peculiar thermal velocities [km/s], shape (count, 3): tabulated speeds, random directions.

    ``q``, ``cumulative``: (m,) of a velocity file; ``today``: T_ref/m; ``z``: redshift.
    """
    rising = np.concatenate([[True], np.diff(cumulative) > 0.0])
    speed = peculiar_speed_km_s(
        np.exp(np.interp(generator.random(count), cumulative[rising], np.log(q[rising]))), today, z
    )
    cosine = generator.uniform(-1.0, 1.0, count)
    sine, angle = np.sqrt(1.0 - cosine**2), generator.uniform(0.0, 2.0 * np.pi, count)
    direction = np.stack([sine * np.cos(angle), sine * np.sin(angle), cosine], axis=1)
    return speed[:, None] * direction


def add_to_snapshot(velocities, snapshot, output, *, seed: int = 1, particle_type: int = 1) -> Path:
    """Write a copy of a snapshot whose particles of one type have thermal velocities added.

    The speeds are those of the snapshot's own redshift. GADGET files hold v/sqrt(a), in units of
    ``UnitVelocity_in_cm_per_s`` (km/s where the file does not say). The mean of what is added is
    subtracted, so that the total momentum stays.

    A snapshot split over files (``NumFilesPerSnapshot`` > 1; NAME.0.hdf5, NAME.1.hdf5, ..., or
    NAME.hdf5.0, ...) is taken as a whole, whichever of its files is named: every particle has a
    kick of its own, the same as if all were in one file, and the mean is that of the whole set.

    Parameters
    ----------
    velocities : file of the format ``velocities``.
    snapshot : GADGET HDF5 file, or any file of a set.
    output : the copy to write; the copies of a set are numbered as the set is.
    seed : of the random numbers.
    particle_type : 1 is dark matter.

    Returns
    -------
    The path of the copy; of a set, that of its first file.

    Raises
    ------
    ValueError
        If a file is not what it should be, one of a set is missing or two of them differ,
        velocities were added before, or a copy cannot be written.
    """
    table = _read_table(velocities)
    parts = parts_of(snapshot, particle_type)
    copies: list[Path] = []

    def copy_of(part: Part):
        def fill(temporary: Path) -> None:
            require_room(temporary, part.path.stat().st_size + _HEADER_BYTES)
            shutil.copyfile(part.path, temporary)
            copies.append(temporary)
            if len(copies) == len(parts):
                _kick(copies, parts, table, seed, particle_type)

        return fill

    targets = numbered(Path(output), parts)
    return write_together({target: copy_of(part) for target, part in zip(targets, parts)})[0]


def _read_table(path) -> tuple[np.ndarray, np.ndarray, float]:
    """q, the share of particles below it, and T_ref/m of a velocity file, as they have to be."""
    if not Path(path).is_file():
        raise ValueError(f"{path}: no such file; check the path")
    try:
        with opened(path) as file:
            q, cumulative = array(file, "q"), array(file, "cumulative")
            today = number(file, "momentum_over_mass_today")
    except (OSError, KeyError, RuntimeError) as error:
        raise ValueError(f"{path}: not a velocity file ({reason(error)})") from None
    fine = q.ndim == 1 and q.shape == cumulative.shape and q.size > 3 and 0.0 < today < np.inf
    fine = fine and np.isfinite([q, cumulative]).all() and q[0] > 0.0 and (np.diff(q) > 0.0).all()
    fine = fine and cumulative[0] == 0.0 and (np.diff(cumulative) >= 0.0).all()
    if not (fine and abs(cumulative[-1] - 1.0) < 1e-6):
        raise ValueError(f"{path}: q or cumulative is damaged; export it again")
    return q, cumulative, today


def _kick(
    copies: list[Path],
    parts: list[Part],
    table: tuple[np.ndarray, np.ndarray, float],
    seed: int,
    particle_type: int,
) -> None:
    """Add kicks to the particles of the copies, their mean over the whole set subtracted."""
    counts = [part.count for part in parts]
    q, cumulative, today = table

    def pieces() -> Iterator[tuple[int, slice, np.ndarray]]:
        generator = np.random.default_rng(seed)
        return _pieces(counts, q, cumulative, today, parts[0].z, generator)

    # the mean is known only after a first pass over the same draws
    mean = sum((kick.sum(axis=0) for _, _, kick in pieces()), np.zeros(3)) / max(sum(counts), 1)
    with contextlib.ExitStack() as stack:
        files = [stack.enter_context(h5py.File(path, "r+")) for path in copies]
        for index, rows, kick in pieces():
            data = dataset(files[index], f"PartType{particle_type}/Velocities")
            moved = data[rows] + parts[index].factor * (kick - mean)
            data[rows] = moved.astype(data.dtype)
        for file in files:
            file["Header"].attrs[DONE] = 1


def _pieces(
    counts: list[int], q, cumulative, today: float, z: float, generator: np.random.Generator
) -> Iterator[tuple[int, slice, np.ndarray]]:
    """(file, its rows, their kicks): blocks of draws that do not depend on how a set is split."""
    index, row, total = 0, 0, sum(counts)
    for start in range(0, total, _CHUNK):
        block = draw_velocities(min(_CHUNK, total - start), q, cumulative, today, z, generator)
        while len(block):
            while row == counts[index]:
                index, row = index + 1, 0
            size = min(len(block), counts[index] - row)
            yield index, slice(row, row + size), block[:size]
            block, row = block[size:], row + size


def main(arguments: list[str] | None = None) -> int:
    """Command line of this module; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m spectra.export.snapshot", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("velocities", metavar="VELOCITIES.h5")
    parser.add_argument("snapshot", metavar="SNAPSHOT.hdf5")
    parser.add_argument("-o", "--output", required=True, metavar="OUT.hdf5")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--particle-type", type=int, default=1)
    given = parser.parse_args(arguments)
    try:
        path = add_to_snapshot(
            given.velocities,
            given.snapshot,
            given.output,
            seed=given.seed,
            particle_type=given.particle_type,
        )
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"written: {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
