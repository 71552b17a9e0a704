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
    xray: Annotated[
        list[Path] | None,
        typer.Option(
            help="A curve of X-ray limits, mass [keV] and sin²2θ, in place of the numbers that "
            "ship; for scans over both."
        ),
    ] = None,
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
        draw = _plane(result_path, xray or [])
    elif is_fit(result_path):
        draw = _corner(result_path)
    else:
        record = store.read(result_path)

        def draw():
            return plots.figure_record(record, result_path)

    if xray and not is_scan(result_path):
        raise ValueError(f"--xray {xray[0]} is for scans, and {result_path} is none; leave it out")
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


def _plane(path: Path, curves: list[Path]):
    """Read a scan's results and curves of X-ray limits now, draw them later."""
    from sterile.scan import load

    results = load(path)
    session.start("once")
    limits = _limits(curves, path, results) if curves else None
    if results.damaged:
        print(
            f"{path}: {results.damaged} damaged rows left out; recompute them with --resume",
            file=sys.stderr,
        )

    def draw():
        from sterile.scan.plane import figure_plane

        return figure_plane(results, limits)

    return draw


def _limits(curves: list[Path], path: Path, results):
    from sterile.scan.mass_plane import XRAY_PLANE
    from sterile.xray import read_limit

    missing = [name for name in XRAY_PLANE if name not in results.parameters]
    if missing:
        raise ValueError(
            f"--xray {curves[0]} needs a scan over {' and '.join(XRAY_PLANE)}, and {path} has no "
            f"{missing[0]}; leave it out"
        )
    return {str(curve): read_limit(curve) for curve in curves}


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
