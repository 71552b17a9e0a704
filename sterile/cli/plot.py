"""``sterile plot``: draw what a file holds."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from sterile import session
from sterile.cli.options import Figure, Json, check_output, report_files


def plot(
    result_path: Annotated[
        Path, typer.Argument(metavar="OUT.h5", help="A result of solve, transfer, scan or fit.")
    ],
    output: Figure,
    as_json: Json = False,
) -> None:
    """Draw what a file holds: build-up, spectrum, T²(k); a scan's plane; a fit's corner figure."""
    from spectra import store
    from spectra.files import reason
    from spectra.safe_hdf5 import inspect_file
    from sterile.fit.store import is_fit
    from sterile.scan.store import is_scan

    inspect_file(result_path)
    if is_scan(result_path):
        draw = _plane(result_path)
    elif is_fit(result_path):
        draw = _corner(result_path)
    else:
        record = store.read(result_path)

        def draw():
            return plots.figure_record(record, result_path)

    check_output(output)
    from spectra import plots

    with session.progress("figure"):
        try:
            figure = draw()
        except (LookupError, TypeError, AttributeError) as error:
            raise ValueError(
                f"{result_path}: cannot be drawn, something is missing or damaged ({reason(error)})"
            ) from None
        plots.save(figure, output)
    report_files([output], as_json)


def _plane(path: Path):
    """Read a scan's results now, draw them later."""
    from sterile.scan import load

    results = load(path)
    if results.damaged:
        print(
            f"{path}: {results.damaged} damaged rows left out; recompute them with --resume",
            file=sys.stderr,
        )

    def draw():
        session.start("once")
        from sterile.scan.plane import figure_plane

        return figure_plane(results)

    return draw


def _corner(path: Path):
    """Read a fit's draws now, draw them later."""
    from spectra.files import reason
    from sterile.fit.store import load

    try:
        fit = load(path)
    except FileNotFoundError:
        raise
    except (LookupError, TypeError, AttributeError, RuntimeError, OSError, ValueError) as error:
        raise ValueError(f"{path}: not the file of a fit, or damaged ({reason(error)})") from None

    def draw():
        from sterile.fit.corner import figure_corner

        return figure_corner(fit)

    return draw
