"""A scan from its settings to its results file: what is left to do, who does it, what came back."""

import contextlib
import json
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from spectra.files import array, attribute, check_writable, locked
from spectra.processes import available_cores
from spectra.status import Status as StructureStatus
from sterile.citation import citation_of
from sterile.config import mechanism_in
from sterile.scan import design, expressions, recovery, refine, results, store
from sterile.scan.cluster import DaskWorkers, SchedulerLost
from sterile.scan.evaluation import Evaluation, pipeline_of
from sterile.scan.local import LocalWorkers, WorkerDied
from sterile.scan.progress import Progress
from sterile.scan.settings import Settings, differences, identity
from sterile.scan.settings import load as load_settings
from sterile.scan.work import WAIT_SECONDS, Task, Workers, tasks, work
from sterile.status import Status, is_failure

# statuses that a finer grid, or another try, may mend
RETRYABLE = (
    StructureStatus.NON_FINITE,
    Status.NON_FINITE,
    Status.NOT_CONVERGED,
    Status.EVALUATION_FAILED,
    Status.WORKER_DIED,
)


class ScanStopped(RuntimeError):
    """A scan that cannot go on; what is computed is in the file, the message says what to do."""


@dataclass
class _Scan:
    """What the steps of one run share."""

    settings: Settings
    path: Path
    evaluation: Evaluation
    workers: Workers
    progress: Progress
    base: design.Points
    identity: dict
    root: dict


def run(
    source: str | Path | dict,
    output: str | Path,
    *,
    workers: int | None = None,
    scheduler: str | None = None,
    resume: bool = False,
    retry_failed: bool = False,
    progress: Progress | None = None,
    evaluation: Evaluation | None = None,
) -> dict:
    """Compute every point of a scan into one HDF5 file.

    The file is readable at any time and never loses more than the points being computed, whatever
    ends the scan. Its content does not depend on the workers, their number or their order.

    Parameters
    ----------
    source : path of a TOML file with [scan], or a dict of the same content.
    output : results file; must be new unless ``resume`` or ``retry_failed``.
    workers : processes on this machine, one thread each; all cores when left out.
    scheduler : address of a Dask scheduler, whose workers are used instead; [scan.cluster] in the
        file starts a dask-jobqueue cluster when neither is given.
    resume : go on with ``output`` if it exists.
    retry_failed : go on, then compute failed points again on a finer grid, once.
    progress : where progress goes; silent when left out.
    evaluation : what is computed; the pipeline when left out. See ``sterile.scan.evaluation``.

    Returns
    -------
    dict : counts by status and by verdict, the first failures, seconds, points_per_second.

    Raises
    ------
    ValueError, FileNotFoundError
        If the settings, the design, the file or the workers are not usable; before computing.
    ScanStopped
        If the scheduler goes away, the disk is full or workers cannot start.
    """
    if workers is not None and scheduler is not None:
        raise ValueError("workers and scheduler are both given; use one")
    if workers is not None and workers < 1:
        raise ValueError(f"workers = {workers} must be at least 1")
    settings = load_settings(source)
    path = check_writable(output)
    if path.exists() and not (resume or retry_failed):
        raise ValueError(
            f"{path} exists; go on with it by --resume, or give another -o (results of a scan are "
            "never overwritten)"
        )
    if retry_failed and not path.exists():
        raise ValueError(f"{path}: no such file, so nothing to retry; scan without --retry-failed")
    base = design.points(settings)
    evaluation = pipeline_of(settings, base.values) if evaluation is None else evaluation
    listed = base.values if settings.scan.design == "list" else None
    own_identity = identity(settings, listed)
    if path.exists():
        _refuse_changes(path, own_identity)
    progress = Progress(quiet=True) if progress is None else progress
    began = time.monotonic()
    with locked(path, what="scan"), _workers(settings, workers, scheduler) as pool:
        scan = _Scan(
            settings=settings,
            path=path,
            evaluation=evaluation,
            workers=pool,
            progress=progress,
            base=base,
            identity=own_identity,
            root=_root(settings, base, own_identity),
        )
        try:
            _rounds(scan)
            if retry_failed:
                _retry(scan)
        except SchedulerLost as error:
            raise ScanStopped(f"{error}; {_what_is_safe(path)}") from None
        except OSError as error:
            raise ScanStopped(
                f"{path}: could not be written ({error.strerror or error}); {_what_is_safe(path)}"
            ) from None
        finally:
            progress.end()
    elapsed = time.monotonic() - began
    answer = results.summary(results.load(path, arrays=False))
    return answer | {
        "file": str(path),
        "computed": progress.computed,
        "seconds": elapsed,
        "points_per_second": progress.computed / elapsed,
    }


def _what_is_safe(path: Path) -> str:
    try:
        found = results.load(path, arrays=False)
        done, total = int(found.done.sum()), found.done.size
    except (ValueError, FileNotFoundError):
        return "nothing was computed yet; start again with the same command"
    return f"{done} of {total} points are safe in {path}; go on with --resume"


def interrupted(path) -> str:
    """What to tell a user who stopped the scan into ``path``."""
    return f"interrupted; {_what_is_safe(Path(path))}"


def _refuse_changes(path: Path, own: dict) -> None:
    """``ValueError`` with the differences when a file was computed from other settings."""
    try:
        with store.open_file(path) as file:
            theirs = json.loads(attribute(file, "identity"))
    except store.Damaged:
        return  # recovered row by row later; foreign rows do not match their checksums
    lines = differences(theirs, own)
    if lines:
        raise ValueError(
            f"{path} was computed with another configuration; {'; '.join(lines)}; restore it, or "
            "scan into a new file"
        )


def _root(settings: Settings, base: design.Points, own_identity: dict) -> dict:
    root = {
        "config_toml": settings.text,
        "citation": citation_of(mechanism_in(settings.fixed).citations),
        "identity": json.dumps(own_identity, sort_keys=True),
        "parameters": list(base.values),
        "rounds": [base.count],
    }
    scan = settings.scan
    if scan.design == "grid" and scan.where is None and scan.refine is None:
        root["shape"] = [section.levels() for section in scan.parameters.values()]
    return root


@contextlib.contextmanager
def _workers(settings: Settings, workers: int | None, scheduler: str | None):
    if scheduler is not None:
        pool = DaskWorkers(address=scheduler)
    elif workers is None and settings.scan.cluster is not None:
        pool = DaskWorkers(cluster=settings.scan.cluster)
    else:
        pool = LocalWorkers(available_cores() if workers is None else workers)
    with pool:
        yield pool


def _rounds(scan: _Scan) -> None:
    """The design, then each round of refinement."""
    columns = _prepare_file(scan)
    rounds = scan.settings.scan.refine.rounds if scan.settings.scan.refine is not None else 0
    for number in range(rounds + 1):
        with store.open_file(scan.path) as file:
            ends = attribute(file, "rounds")
            unit = array(file, "design/unit")
        if number == len(ends) and not _refine(scan, unit, ends):
            return
        with store.open_file(scan.path) as file:
            ends = attribute(file, "rounds")
            unit = array(file, "design/unit")
        start = ends[number - 1] if number else 0
        _compute_rows(scan, columns, start, ends[number], unit)


def _values(scan: _Scan, unit: np.ndarray, start: int, stop: int) -> dict[str, np.ndarray]:
    """Parameters of rows start to stop, which lie in one round."""
    if start < scan.base.count:
        return {name: column[start:stop] for name, column in scan.base.values.items()}
    return design.at(scan.settings, unit[start:stop]).values


def _ask(scan: _Scan, function, values: dict):
    """The answer of one worker; a worker that dies three times is an error."""
    for attempt in range(3):
        task = scan.workers.submit(function, values)
        try:
            while not scan.workers.wait({task}, WAIT_SECONDS):
                scan.progress.tick()
            return task.result()
        except WorkerDied as error:
            if attempt == 2:
                raise ScanStopped(
                    f"workers cannot start: {error}; {_what_is_safe(scan.path)}"
                ) from None
        except ImportError as error:
            raise ScanStopped(
                f"a worker lacks a package ({error}); install there what is installed here"
            ) from None
    raise AssertionError


def _prepare_file(scan: _Scan) -> dict:
    """Make the file, or recover it, and return its columns."""
    if scan.path.exists():
        with contextlib.suppress(store.Damaged):
            return store.result_columns(scan.path)
    described = _ask(scan, scan.evaluation.describe, scan.base.values)

    def make(path):
        store.create(
            path,
            described.columns,
            scan.base.values,
            scan.base.unit,
            shared=described.shared,
            attributes=described.attributes,
            root=scan.root,
        )

    if not scan.path.exists():
        make(scan.path)
        return described.columns
    recovered, damaged = recovery.recover(scan.path, described.columns, make)
    scan.progress.say(
        f"{scan.path} was damaged: {recovered} of {scan.base.count} points recovered, the rest "
        f"is computed again; the damaged file is kept as {damaged}"
    )
    return described.columns


def _compute_rows(scan: _Scan, columns: dict, start: int, stop: int, unit) -> None:
    """Compute what is missing among rows start to stop."""
    values = _values(scan, unit, start, stop)
    with store.Writer(scan.path, columns) as writer:
        valid = writer.valid()
        status = writer.read(store.STATUS)
        scan.progress.begin(len(valid), int(valid.sum()), int(is_failure(status[valid]).sum()))
        missing = ~valid[start:stop]
        if not missing.any():
            return
        groups = _ask(scan, scan.evaluation.groups, values)
        todo = tasks(values, groups, missing, scan.settings.scan.chunk, start)
        _work(scan, writer, todo, ~valid)


def _work(scan: _Scan, writer: store.Writer, todo: list[Task], wanted: np.ndarray) -> None:
    batch = scan.settings.scan.batch
    work(scan.evaluation, scan.workers, writer, todo, wanted, scan.progress, batch)


def _retry(scan: _Scan) -> None:
    """Compute failed points again, one by one, on a finer grid."""
    with store.open_file(scan.path) as file:
        unit = array(file, "design/unit")
    columns = store.result_columns(scan.path)
    with store.Writer(scan.path, columns) as writer:
        status, retries = writer.read(store.STATUS), writer.read(store.RETRIES)
        rows = np.flatnonzero(np.isin(status, RETRYABLE) & (retries == 0))
        scan.progress.say(f"{rows.size} failed points to compute again on a finer grid")
        todo = [
            Task(np.array([row]), _values(scan, unit, int(row), int(row) + 1), tight=True)
            for row in rows
        ]
        _work(scan, writer, todo, np.ones(len(status), dtype=bool))


def _refine(scan: _Scan, unit: np.ndarray, ends: list[int]) -> bool:
    """Add a round of points to the file where the answer changes; False when there is none."""
    settings = scan.settings.scan
    if settings.refine is None:
        return False
    found = results.load(scan.path, arrays=False)
    verdict = found.verdicts.get(settings.refine.verdict)
    if verdict is None and settings.refine.verdict != "status":
        raise ValueError(
            f"[scan.refine] verdict = '{settings.refine.verdict}' is not among the results; known: "
            f"status, {', '.join(found.verdicts)}"
        )
    classes = found.points["status"].astype(int)
    if verdict is not None:
        # of a failed point only the failure counts; one with a caveat is judged as any other
        classes = np.where(is_failure(classes), classes, 1000 + verdict["status"])
    fixed = np.array([section.values is not None for section in settings.parameters.values()])
    new = refine.boundary_points(unit, classes, fixed, settings.refine.points)
    values = design.at(scan.settings, new).values
    if settings.where is not None and len(new):
        keep = np.broadcast_to(expressions.evaluate(settings.where, values), len(new)).astype(bool)
        new, values = new[keep], {name: column[keep] for name, column in values.items()}
    if not len(new):
        return False
    total = np.concatenate([unit, new])
    parameters = {name: np.concatenate([found.points[name], values[name]]) for name in values}
    try:
        store.grow(scan.path, parameters, total, {"rounds": [*ends, len(total)]})
    except ValueError as error:
        raise ScanStopped(f"no room to refine: {error}; {_what_is_safe(scan.path)}") from None
    scan.progress.say(f"refinement: {len(new)} new points where the answer changes")
    return True
