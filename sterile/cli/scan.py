"""``sterile scan``: a TOML file with [scan] in, an HDF5 file of points out."""

import gc
import json
from pathlib import Path
from typing import Annotated

import typer

from sterile.cli.options import ComputationFailed, Json, Quiet, stoppable


def scan(
    config_path: Annotated[Path, typer.Argument(metavar="SCAN.toml", help="The scan to do.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="HDF5 file of the results.")],
    workers: Annotated[
        int | None, typer.Option(help="Processes on this machine; one per core.", min=1)
    ] = None,
    scheduler: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Dask scheduler, tcp://HOST:PORT.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the results file.")] = False,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Compute failed points again, finer.")
    ] = False,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Compute many points, on this machine or a cluster; stop and go on at will."""
    gc.enable()
    from sterile.scan import progress, report, runner

    with stoppable(lambda: runner.interrupted(output), runner.ScanStopped):
        summary = runner.run(
            config_path,
            output,
            workers=workers,
            scheduler=scheduler,
            resume=resume,
            retry_failed=retry_failed,
            progress=progress.Progress(quiet=quiet),
        )
    print(json.dumps(summary, allow_nan=False) if as_json else report.page(summary))
    if summary["failed"] == summary["points"]:
        raise ComputationFailed(f"every point failed: {', '.join(summary['statuses'])}")
