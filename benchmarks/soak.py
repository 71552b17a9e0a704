"""Whether a process that computes for long stays as it was: memory, open files, threads.

    python benchmarks/soak.py [MINUTES]        # MINUTES = 30; `make soak`

One process evaluates points at random (freeze-in, across the resonance, freeze-out, a thermal
relic), judges each, writes it as a result, reads that back, and reads a scan's settings. First
comes one point of every grid that the run will meet: a program compiled late is memory that stays,
too. The first fifth of the time, or at least until then, is warm-up. Memory is the resident set
that the system reports. Ends with code 1 when the line fitted to it rises by more than
GROWTH_MB over the run, or when files or threads are left.
"""

import os
import resource
import sys
import tempfile
import threading
import time
from pathlib import Path

os.environ.setdefault("MPLBACKEND", "Agg")

import numpy as np

import spectra
import sterile
from spectra import store
from spectra.structure import reference_masses
from sterile import report, session
from sterile.scan import settings

GROWTH_MB = 10.0
SETTINGS = Path(__file__).parent.parent / "runs" / "scan-plane.toml"
SAMPLE_SECONDS = 2.0
SEED, LOOKED_AT = 1, 4000  # points whose grids are found ahead: more than half an hour's


def resident_mb() -> float:
    """Resident memory of this process; its peak where the system does not say."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def handles() -> tuple[int, int]:
    """Open files and threads."""
    folder = Path("/proc/self/fd")
    return len(list(folder.iterdir())) if folder.exists() else 0, threading.active_count()


def model_at(kind: int, chance: np.random.Generator):
    if kind == 3:
        return sterile.ThermalRelic(mass_kev=float(chance.uniform(2.0, 20.0)))
    mass = (100.0, 62.0, 300.0)[kind] * float(chance.uniform(0.98, 1.02))
    ln_coupling = np.log([1e-8, 1e-9, 1e-6][kind]) + float(chance.normal(0.0, 0.5))
    yukawa = float(np.exp(chance.normal(np.log(1e-9), 0.5)))
    return sterile.ScalarDecay(
        scalar_mass_gev=mass, portal_coupling=float(np.exp(ln_coupling)), yukawa=yukawa
    )


def one_of_each() -> list:
    """The first model of every kind and grid among those that the run will meet."""
    chance, found = np.random.default_rng(SEED), {}
    for index in range(LOOKED_AT):
        kind = index % 4
        model = model_at(kind, chance)
        found.setdefault((kind, sterile.choose_grid(model)), model)
    return list(found.values())


def one(model, folder: Path, shared: tuple) -> int:
    """Evaluate, judge, write, read; returns the point's status."""
    power, references = shared
    point = sterile.evaluate(model)
    verdicts = spectra.verdicts(point.spectrum, point.transfer, references=references, power=power)
    result = report.json_object(
        report.point_numbers(point),
        status=int(point.status),
        transfer=point.transfer,
        verdicts=verdicts,
    )
    record = report.record(
        result, spectrum=point.spectrum, cosmology=spectra.Cosmology(), transfer=point.transfer
    )
    back = store.read(store.write(folder / "result.h5", record))
    assert np.array_equal(back.datasets["spectrum/q"], point.spectrum.q)
    settings.load(SETTINGS)
    return int(point.status)


def main(minutes: float) -> int:
    session.start("some")
    power = spectra.power_table()
    shared = power, spectra.reference_relics(reference_masses(), power=power)
    chance, statuses = np.random.default_rng(SEED), {}
    with tempfile.TemporaryDirectory() as name:
        began, folder = time.monotonic(), Path(name)
        for model in one_of_each():
            one(model, folder, shared)
        before = handles()
        warm = max(time.monotonic() - began, 12.0 * minutes)
        times, memory, points, said = [], [], 0, -np.inf
        while (now := time.monotonic() - began) < 60.0 * minutes or len(times) < 10:
            status = one(model_at(points % 4, chance), folder, shared)
            statuses[status] = statuses.get(status, 0) + 1
            points += 1
            if now > warm and (not times or now - times[-1] > SAMPLE_SECONDS):
                times.append(now)
                memory.append(resident_mb())
            if now - said > 60.0:
                said = now
                print(
                    f"{now / 60.0:6.1f} min {points:7} points {resident_mb():9.1f} MB", flush=True
                )
    after = handles()
    slope = np.polyfit(times, memory, 1)[0]
    growth = slope * (times[-1] - times[0])
    print(
        f"{points} points in {minutes:g} min, statuses {statuses}; memory {memory[0]:.1f} MB after "
        f"{warm / 60.0:.1f} min, {memory[-1]:.1f} MB at the end, at most {max(memory):.1f} MB; "
        f"fitted line {growth:+.2f} MB ({3600.0 * slope:+.2f} MB an hour); open files {before[0]} "
        f"-> {after[0]}, threads {before[1]} -> {after[1]}"
    )
    return int(growth > GROWTH_MB or after > before)


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]) if len(sys.argv) > 1 else 30.0))
