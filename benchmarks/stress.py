"""Ten thousand random points over everything: every one ends with a value or a named status.

    python benchmarks/stress.py OUT [--points 10000] [--workers 2] [--only SET,SET] [--list]

Fixed seed. OUT is a folder: every set of options has files of its own, a line a point, so that a
killed run (kill -9 as well) goes on where it was when the same command is given again. At the end
OUT/summary.json and a summary on the terminal: points by status, invariants that do not hold, and
of one point in a hundred whether the error bars cover the difference from a refined solve, with the
worst ten.

Invariants: number (the moment of F against the yield), F >= 0, F at most one per helicity where
Pauli's principle is in the equations, T^2 <= 1 + error, T^2 -> 1 as k -> 0, Omega h^2 = 275.9
(m_N/keV) Y_N. Parameters are drawn from a Sobol sequence, in the logarithm. Options are static:
points of one set share compiled programs.
"""

import argparse
import concurrent.futures
import contextlib
import json
import multiprocessing
import os
import sys
import time
from pathlib import Path

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(_name, "1")
os.environ.setdefault(
    "XLA_FLAGS", "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
)
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import jax
import numpy as np
from scipy.interpolate import Akima1DInterpolator
from scipy.stats import qmc

jax.config.update("jax_enable_x64", True)

from stress_sets import SETS, Set

import spectra
import sterile
from spectra import constants
from sterile.status import Status, is_failure, is_numerical, name_of

SEED = 20261127
TOGETHER = 64  # points between two writes
_PIECE = 500  # points of a set in one file
OMEGA_H2 = 0.12
_ALWAYS_FINITE = ("yield_n", "q_mean", "mass_kev", "omega_h2")
# of Y_N by the moment of F; what the status NOT_CONVERGED allows
NUMBER, NUMBER_WITH_INVERSE_DECAYS = 1e-3, 1e-2


def counts(points: int, names) -> dict[str, int]:
    """Points of every set: its share of them all, at least one."""
    whole = sum(SETS[name].share for name in names)
    return {name: max(1, round(points * SETS[name].share / whole)) for name in names}


def drawn(own: Set, name: str, count: int) -> dict[str, np.ndarray]:
    """Parameters of the points of a set, name → (count,)."""
    seed = [SEED, *name.encode()]
    sobol = qmc.Sobol(len(own.ranges), rng=np.random.default_rng(seed))
    unit = sobol.random_base2(int(np.ceil(np.log2(max(count, 2)))))[:count]
    return {
        parameter: np.exp(np.log(low) + (np.log(high) - np.log(low)) * unit[:, column])
        for column, (parameter, (low, high)) in enumerate(own.ranges.items())
    }


def grouped(own: Set, values) -> list[np.ndarray]:
    """Rows that are solved together: of one grid, so that few programs are compiled."""
    count = len(next(iter(values.values())))
    if not own.together:
        return list(np.arange(count)[:, None])
    models, plasma = own.make(values)
    grids, index = sterile.kinds()[models.kind].prepare(models, plasma)
    index = np.broadcast_to(index, count)
    parts = []
    for grid in range(len(grids)):
        rows = np.flatnonzero(index == grid)
        # the last few of a grid one by one: no padding
        whole = 0 if rows.size < 5 else rows.size
        parts += np.array_split(rows[:whole], max(1, -(-whole // TOGETHER))) if whole else []
        parts += [np.array([row]) for row in rows[whole:]]
    return parts


def solved(own: Set, values, rows: np.ndarray) -> list[dict]:
    """Records of the points ``rows``: numbers, status, and the invariants that do not hold."""
    taken = {name: column[rows] for name, column in values.items()}
    count = rows.size
    begun = time.process_time()
    try:
        if own.together:
            filled = np.arange(count if count < 5 else -(-count // 8) * 8) % count
            models, plasma = own.make({name: column[filled] for name, column in taken.items()})
            points = sterile.evaluate_many(models, plasma=plasma, omega_h2=OMEGA_H2)
            points = jax.tree.map(np.asarray, points)
            found = [jax.tree.map(lambda leaf, i=i: leaf[i], points) for i in range(count)]
        else:
            found = []
            for i in range(count):
                model, plasma = own.make({name: float(column[i]) for name, column in taken.items()})
                found.append(sterile.evaluate(model, plasma=plasma, omega_h2=OMEGA_H2))
    except Exception as error:
        if count > 1:
            return [record for row in rows for record in solved(own, values, np.array([row]))]
        found = None
        records = [{"status": int(Status.EVALUATION_FAILED), "error": str(error), "broken": {}}]
    if found is not None:
        records = [checked(own, point) for point in found]
    seconds = (time.process_time() - begun) / count
    return [
        {"row": int(row), **record, "seconds": round(seconds, 4)}
        for row, record in zip(rows, records)
    ]


def checked(own: Set, point) -> dict:
    """The record of one point."""
    status = int(point.status)
    values = {
        name: float(getattr(point, name))
        for name in (*_ALWAYS_FINITE, "occupation_max", "k_t2_half_h_mpc")
    }
    broken = {} if is_failure(status) else dict(_broken(own, point))
    return {"status": status, **values, "broken": broken}


def _broken(own: Set, point):
    """Invariants that a point with a result breaks: (name, by how much)."""
    spectrum, transfer = point.spectrum, point.transfer
    f, t2, k = (np.asarray(array) for array in (spectrum.f, transfer.t2, transfer.k_h_mpc))
    for name in (*_ALWAYS_FINITE, "lambda_fs_mpc"):
        if not np.isfinite(float(getattr(point, name))):
            yield f"{name} is not finite", float("nan")
    if not np.all(np.isfinite(t2)):
        yield "T2 is not finite", float("nan")
        return
    from_moment = float(spectra.spectrum.omega_h2(spectrum)) / float(point.omega_h2) - 1.0
    if not abs(from_moment) <= (NUMBER_WITH_INVERSE_DECAYS if own.blocked else NUMBER):
        yield "number", from_moment
    abundance = float(point.omega_h2 / (point.mass_kev * point.yield_n)) / PER_KEV - 1.0
    if not abs(abundance) <= 1e-9:
        yield "abundance proportional to mass", abundance
    if not np.min(f) >= 0.0:
        yield "F >= 0", float(np.min(f))
    if own.states and not np.max(f) <= own.states * (1.0 + 1e-6):
        yield "Pauli", float(np.max(f)) / own.states
    error = np.zeros_like(t2) if transfer.t2_error is None else np.asarray(transfer.t2_error)
    excess = np.max(t2 - 1.0 - error)
    if not excess <= 1e-9:
        yield "T2 <= 1 + error", float(excess)
    # particles stream over lambda: what is missing at small k is second order in k lambda
    length = float(point.lambda_fs_mpc * point.q_rms / point.q_mean)
    missing = 1.0 - t2[0] - error[0] - (k[0] * float(spectra.Cosmology().h) * length) ** 2
    if not missing <= 1e-9:
        yield "T2 -> 1 as k -> 0", float(missing)


_ENTROPY = 2.0 * np.pi**2 / 45.0 * constants.ENTROPY_DEGREES_OF_FREEDOM_TODAY
_ENTROPY *= (constants.CMB_TEMPERATURE_KELVIN * constants.KELVIN_GEV) ** 3
PER_KEV = 1e-6 * _ENTROPY / constants.CRITICAL_DENSITY_OVER_H2_GEV4
PIECES = "{}-{}.jsonl"


def work(folder: str, name: str, piece: int, count: int) -> int:
    """Solve what is left of one piece of a set; returns the number of points that it computed."""
    own = SETS[name]
    with own.files(Path(folder)):
        values = drawn(own, name, count)
        first = piece * _PIECE
        values = {key: column[first : first + _PIECE] for key, column in values.items()}
        path = Path(folder) / PIECES.format(name, piece)
        done = {record["row"] for record in records_of(path)}
        made = 0
        for rows in grouped(own, values):
            todo = rows[~np.isin(rows, list(done))]
            if todo.size:
                append(path, solved(own, values, todo))
                made += todo.size
    return made


def records_of(path: Path) -> list[dict]:
    """Records of a file; a last line that a kill tore does not count, and is cut off."""
    if not path.exists():
        return []
    whole, _, torn = path.read_bytes().rpartition(b"\n")
    if torn:
        with path.open("r+b") as file:
            file.truncate(len(whole) + 1 if whole else 0)
    return [json.loads(line) for line in whole.splitlines()]


def append(path: Path, records: list[dict]) -> None:
    """Add records and wait until they are on the disk."""
    with path.open("ab") as file:
        file.write("".join(json.dumps(record) + "\n" for record in records).encode())
        file.flush()
        os.fsync(file.fileno())


def refine(folder: str, name: str, rows: list[int], count: int) -> None:
    """Solve points of a set with an error estimate, and on the next finer grid."""
    own = SETS[name]
    path = Path(folder) / f"{name}-refined.jsonl"
    done = {record["row"] for record in records_of(path)}
    with own.files(Path(folder)):
        values = drawn(own, name, count)
        for row in rows:
            if row not in done:
                one = {key: float(column[row]) for key, column in values.items()}
                append(path, [{"row": row, **compared(own, one)}])


def compared(own: Set, values: dict[str, float]) -> dict:
    """What the estimates say, and how far the refined solve is: name → [difference, estimate]."""
    model, plasma = own.make(values)
    entry = sterile.kinds()[model.kind]
    grid = sterile.choose_grid(model, plasma)
    made = sterile.solve(model, plasma, grid, error_estimate=True)
    fine = sterile.solve(model, plasma, entry.refinement.finer(grid))
    q = np.asarray(made.q)
    inside = (q >= float(fine.q[0])) & (q <= float(fine.q[-1]))
    shape = q**2 * np.asarray(made.f)
    log_f = np.log(np.maximum(np.asarray(fine.f), 1e-290))
    # straight lines between momenta are off by 1e-4 of the peak, more than many estimates say
    log_f = Akima1DInterpolator(np.log(fine.q), log_f, method="makima", extrapolate=True)(np.log(q))
    gap = np.max(np.abs(q**2 * np.exp(log_f) - shape)[inside]) / np.max(shape)
    differences = {
        "yield_n": abs(float(fine.yield_n / made.yield_n) - 1.0),
        "q_mean": abs(float(fine.q_mean / made.q_mean) - 1.0),
        "spectrum": float(gap),
    }
    assert made.error is not None
    pairs = {key: [gap, float(getattr(made.error, key))] for key, gap in differences.items()}
    return {"status": int(fine.status), "grid": str(grid), "values": values, "pairs": pairs}


def summary(folder: Path, numbers: dict[str, int]) -> dict:
    """What the files of a run say."""
    statuses, sets, rates, failures, broken, seconds = {}, {}, {}, [], [], 0.0
    total = numerical = 0
    for name, count in numbers.items():
        own, each = {}, []
        for piece in range(-(-count // _PIECE)):
            for record in records_of(folder / PIECES.format(name, piece)):
                code, row = record["status"], piece * _PIECE + record["row"]
                own[name_of(code)] = own.get(name_of(code), 0) + 1
                total, seconds = total + 1, seconds + record["seconds"]
                each.append(record["seconds"])
                numerical += bool(is_numerical(code))
                if is_failure(code):
                    failures.append({"set": name, "row": row, **record, "status": name_of(code)})
                if record["broken"] and code != spectra.Status.SPECTRUM_UNRESOLVED:
                    broken.append({"set": name, "row": row, **record})
        sets[name] = own
        if each:
            rates[name] = {"seconds": sum(each), "median_seconds": float(np.median(each))}
        for status, number in own.items():
            statuses[status] = statuses.get(status, 0) + number
    pairs = [
        {"set": name, "row": record["row"], "number": key, "difference": pair[0],
         "estimate": pair[1], "grid": record["grid"], "values": record["values"]}
        for name in numbers
        for record in records_of(folder / f"{name}-refined.jsonl")
        for key, pair in record["pairs"].items()
    ]  # fmt: skip
    ratios = np.array([pair["difference"] / max(pair["estimate"], 1e-300) for pair in pairs])
    worst = [{**pairs[i], "ratio": float(ratios[i])} for i in np.argsort(-ratios)[:10]]
    return {
        "points": total,
        "asked": sum(numbers.values()),
        "processor_seconds": round(seconds, 1),
        "statuses": statuses,
        "numerical": numerical,
        "sets": sets,
        "rates": rates,
        "failures": failures,
        "broken": broken,
        "refined": len(ratios),
        "covered": float(np.mean(ratios <= 1.0)) if pairs else None,
        "worst": worst,
    }


def page(found: dict) -> str:
    """The summary for a reader."""
    lines = [
        f"{found['points']} of {found['asked']} points, {found['processor_seconds']:g} s of work"
    ]
    lines += [f"  {name:28s} {number}" for name, number in sorted(found["statuses"].items())]
    lines += [f"caveats or failures of numerics: {found['numerical']}"]
    lines += [f"invariants broken: {len(found['broken'])}"]
    for one in found["broken"][:20]:
        lines.append(f"  {one['set']} {one['row']}: {one['broken']}")
    lines += [f"failures: {len(found['failures'])}"]
    for one in found["failures"][:20]:
        lines.append(f"  {one['set']} {one['row']}: {one['status']} {one.get('error', '')}")
    lines.append("seconds of work a set, compiling included, and of its median point:")
    for name, rate in found["rates"].items():
        lines.append(f"  {name:28s} {rate['seconds']:9.1f} {rate['median_seconds']:9.3f}")
    if found["covered"] is not None:
        lines.append(
            f"error bars cover {100 * found['covered']:.1f} % of {found['refined']} numbers"
        )
        for one in found["worst"]:
            lines.append(
                f"  {one['set']} {one['row']} {one['number']}: off by {one['difference']:.1e}, "
                f"estimate {one['estimate']:.1e}; {one['values']}"
            )
    return "\n".join(lines)


def sampled(folder: Path, name: str, count: int) -> list[int]:
    """One point in a hundred of a set that has estimates, of those with a result."""
    if not SETS[name].refinable:
        return []
    good = [
        piece * _PIECE + record["row"]
        for piece in range(-(-count // _PIECE))
        for record in records_of(folder / PIECES.format(name, piece))
        if not is_failure(record["status"])
    ]
    random = np.random.default_rng([SEED, *name.encode()])
    chosen = random.permutation(sorted(good))[: max(1, round(count / 100))]
    return sorted(int(row) for row in chosen)


def run(folder: Path, points: int, workers: int, names: list[str], refined: bool) -> dict:
    """Whatever is left to do, then the summary."""
    folder.mkdir(parents=True, exist_ok=True)
    folder = folder.resolve()  # workers go there
    numbers = counts(points, names)
    asked = {"seed": SEED, "points": points, "sets": names}
    note = folder / "asked.json"
    if note.exists() and json.loads(note.read_text()) != asked:
        raise SystemExit(f"{folder} holds another run ({note.read_text()}); give another folder")
    note.write_text(json.dumps(asked))
    jobs = [
        (work, str(folder), name, piece, numbers[name])
        for name in names
        for piece in range(-(-numbers[name] // _PIECE))
    ]
    # what compiles and computes longest first
    jobs.sort(key=lambda job: -SETS[job[2]].share * (job[3] == 0))
    _all(jobs, workers)
    if refined:
        _all(
            [(refine, str(folder), name, sampled(folder, name, numbers[name]), numbers[name])
             for name in names],
            workers,
        )  # fmt: skip
    found = summary(folder, numbers)
    (folder / "summary.json").write_text(json.dumps(found, indent=1))
    return found


def _all(jobs: list[tuple], workers: int) -> None:
    if workers == 1:
        for function, *arguments in jobs:
            print("  ", *arguments[1:3], flush=True)
            function(*arguments)
        return
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(workers, mp_context=context) as pool:
        for future in concurrent.futures.as_completed([pool.submit(*job) for job in jobs]):
            future.result()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", nargs="?", type=Path, help="folder of the results")
    parser.add_argument("--points", type=int, default=10_000)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--only", help="some of the sets, separated by commas")
    parser.add_argument("--no-refined", action="store_true", help="leave the refined solves out")
    parser.add_argument("--list", action="store_true", help="name the sets and stop")
    options = parser.parse_args()
    if options.list:
        for name, number in counts(options.points, SETS).items():
            print(f"{name:28s} {number}")
        return
    if options.out is None:
        parser.error("give the folder of the results")
    names = options.only.split(",") if options.only else list(SETS)
    unknown = [name for name in names if name not in SETS]
    if unknown:
        parser.error(f"unknown set {unknown[0]!r}; give some of {', '.join(SETS)}")
    begun = time.time()
    found = run(options.out, options.points, options.workers, names, not options.no_refined)
    print(page(found))
    print(f"{(time.time() - begun) / 60:.1f} minutes in this run")


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main()
