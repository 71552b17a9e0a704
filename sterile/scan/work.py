"""Tasks for workers, and what comes back, written down at once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from sterile.scan import store
from sterile.scan.evaluation import Evaluation, blank_rows
from sterile.scan.local import WorkerDied
from sterile.scan.progress import Progress
from sterile.status import Status, is_failure

WAIT_SECONDS = 1.0
# times that a worker may die over a task before its points are tried in smaller parts
_DEATHS = 2


class Workers(Protocol):
    """Processes here or elsewhere that run tasks."""

    @property
    def slots(self) -> int: ...
    def submit(self, function: Callable, *arguments: Any) -> Any: ...
    def wait(self, futures: set, timeout: float) -> set: ...


@dataclass(frozen=True)
class Task:
    """A chunk of points of one group: their rows in the file (n,) and parameters, name → (n,)."""

    rows: np.ndarray
    values: dict[str, np.ndarray]
    tight: bool = False
    deaths: int = 0


def tasks(values, groups, missing, chunk: int, start: int) -> list[Task]:
    """Chunks of ``chunk`` points of one group each, fixed by the design alone.

    ``values``: name → (n,); ``groups``: (n,); ``missing``: (n,), chunks without a missing point are
    left out; ``start``: row of the first point. The first chunk of every group comes first.
    """
    chunks = []
    for group in np.unique(groups):
        rows = np.flatnonzero(groups == group)
        chunks.append([rows[i : i + chunk] for i in range(0, len(rows), chunk)])
    # groups in turn: two workers then compile two programs at a time, not one twice
    first = [parts[0] for parts in chunks]
    ordered = first + [rows for parts in chunks for rows in parts[1:]]
    return [
        Task(rows + start, {name: column[rows] for name, column in values.items()})
        for rows in ordered
        if missing[rows].any()
    ]


def work(
    evaluation: Evaluation,
    workers: Workers,
    writer: store.Writer,
    todo: Sequence[Task],
    wanted: np.ndarray,
    progress: Progress,
    batch: int,
) -> None:
    """Give the tasks ``todo`` to workers; write results into the rows that are ``wanted``, (n,).

    ``batch``: points that an evaluation takes together; a task whose worker died is cut no finer
    at first, so that the results stay the same.
    """
    waiting, flying = list(reversed(todo)), {}
    while waiting or flying:
        while waiting and len(flying) < workers.slots:
            task = waiting.pop()
            flying[workers.submit(evaluation.compute, task.values, task.tight)] = task
        for future in workers.wait(set(flying), WAIT_SECONDS):
            task = flying.pop(future)
            try:
                found = future.result()
            except WorkerDied:
                again = _after_a_death(task, batch)
                waiting.extend(again)
                if again:
                    continue
                found = _failed(task, Status.WORKER_DIED)
            except ConnectionError:
                raise
            except Exception:
                # neither a result nor a dead worker: the task itself cannot be run
                found = _failed(task, Status.EVALUATION_FAILED)
            _write(writer, task, found, wanted, progress)
        progress.tick()


def _after_a_death(task: Task, batch: int) -> list[Task]:
    """The task again, or in parts, or nothing when it is one point that had its chances."""
    if task.deaths + 1 < _DEATHS:
        return [Task(task.rows, task.values, task.tight, task.deaths + 1)]
    count = len(task.rows)
    size = batch if count > batch else 1
    parts = [slice(i, i + size) for i in range(0, count, size)] if count > 1 else []
    return [
        Task(
            task.rows[part],
            {name: column[part] for name, column in task.values.items()},
            task.tight,
            task.deaths,
        )
        for part in parts
    ]


def _failed(task: Task, status: Status) -> dict:
    return {store.STATUS: np.full(len(task.rows), status, dtype="<i4")}


def _write(writer: store.Writer, task: Task, found: dict, wanted, progress: Progress) -> None:
    keep = wanted[task.rows]
    full = {
        name: blank_rows(column.dtype, len(task.rows), column.shape)
        for name, column in writer.columns.items()
        if name != store.CHECKSUM
    }
    full |= {f"points/{name}": column for name, column in task.values.items()} | found
    full[store.RETRIES] = np.full(len(task.rows), int(task.tight), dtype="<i4")
    writer.write(task.rows[keep], {name: np.asarray(a)[keep] for name, a in full.items()})
    failed = int(is_failure(full[store.STATUS][keep]).sum())
    progress.add(int(keep.sum()), failed, again=task.tight)
