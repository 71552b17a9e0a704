"""Add thermal velocities to the dark matter of a GADGET HDF5 snapshot.

``python -m spectra.export.snapshot VELOCITIES.h5 SNAPSHOT.hdf5 -o OUT.hdf5``
"""

import argparse
import shutil
import sys
from pathlib import Path

import h5py
import numpy as np

from spectra.export.velocities import peculiar_speed_km_s
from spectra.files import array, dataset, number, write_atomically

_DONE = "ThermalVelocitiesAdded"
_CHUNK = 1 << 20


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

    Parameters
    ----------
    velocities : file of the format ``velocities``.
    snapshot : GADGET HDF5 file, one of a set or the only one; ``output`` : the copy to write.
    seed : of the random numbers; give every file of a set its own.
    particle_type : 1 is dark matter.

    Returns
    -------
    The path of the copy.

    Raises
    ------
    ValueError
        If a file is not what it should be, velocities were added before, or the copy cannot be
        written.
    """
    for path in (velocities, snapshot):
        if not Path(path).exists():
            raise ValueError(f"{path}: no such file; check the path")
    try:
        with h5py.File(velocities, "r") as file:
            q, cumulative = array(file, "q"), array(file, "cumulative")
            today = number(file, "momentum_over_mass_today")
    except (OSError, KeyError) as error:
        raise ValueError(f"{velocities}: not a velocity file ({error})") from None

    def fill(temporary: Path) -> None:
        shutil.copyfile(snapshot, temporary)
        try:
            with h5py.File(temporary, "r+") as file:
                _add(file, q, cumulative, today, seed, particle_type)
        except KeyError as error:
            raise ValueError(f"{snapshot}: not a GADGET snapshot ({error})") from None

    return write_atomically(output, fill)


def _add(file: h5py.File, q, cumulative, today, seed, particle_type) -> None:
    header = file["Header"]
    if _DONE in header.attrs:
        raise ValueError("thermal velocities were added to this snapshot before")
    z = number(header, "Redshift")
    data = dataset(file, f"PartType{particle_type}/Velocities")
    # peculiar v = sqrt(a) times what the file holds
    factor = np.sqrt(1.0 + z) * 1e5 / _velocity_unit(file)
    total, count = np.zeros(3), data.shape[0]
    for writing in (False, True):  # the mean is known only after a first pass over the same draws
        generator = np.random.default_rng(seed)
        mean = total / max(count, 1)
        for start in range(0, count, _CHUNK):
            rows = slice(start, min(start + _CHUNK, count))
            kick = draw_velocities(rows.stop - start, q, cumulative, today, z, generator)
            if writing:
                data[rows] = (data[rows] + factor * (kick - mean)).astype(data.dtype)
            else:
                total += kick.sum(axis=0)
    header.attrs[_DONE] = 1


def _velocity_unit(file: h5py.File) -> float:
    for name in ("Parameters", "Units", "Header"):
        if name in file and "UnitVelocity_in_cm_per_s" in file[name].attrs:
            return number(file[name], "UnitVelocity_in_cm_per_s")
    return 1e5


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
