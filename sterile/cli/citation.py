"""``sterile citation``: what to cite for a result."""

import json
from pathlib import Path
from typing import Annotated

import typer

from sterile.cli.options import Json


def citation(
    result_path: Annotated[
        Path, typer.Argument(metavar="OUT.h5", help="A result of solve, transfer, scan or fit.")
    ],
    as_json: Json = False,
) -> None:
    """BibTeX of what a result used: mechanisms, tables, bounds."""
    from spectra import store
    from sterile.citation import with_sources

    text = with_sources(store.citation(result_path), store.sources(result_path))
    print(json.dumps({"citation": text}) if as_json else text, end="\n" if as_json else "")
