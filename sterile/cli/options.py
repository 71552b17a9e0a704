"""Options and checks that the commands share."""

from pathlib import Path
from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
Out = Annotated[
    Path | None, typer.Option("-o", "--output", help="HDF5 file to write.", show_default=False)
]


class ComputationFailed(Exception):
    """A computation ran and its result is not usable; the message says why."""


def check_output(output: Path | None) -> None:
    """Fail before the computation, not after it, when the result could not be written."""
    if output is not None:
        from spectra.files import check_writable

        check_writable(output)
