"""``sterile explain``: what happened to the model of a result, in sentences."""

import json
from pathlib import Path
from typing import Annotated

import typer

from sterile import session
from sterile.cli.options import Json


def explain(
    result_path: Annotated[
        Path, typer.Argument(metavar="OUT.h5", help="A result of solve or transfer.")
    ],
    as_json: Json = False,
) -> None:
    """What happened to this model: regime, history, components, tests, what to change."""
    session.start("once")
    from spectra import store
    from sterile import explain as explanation

    record = store.read(result_path)
    with session.progress("what to change"):
        sentences = explanation.explain(record)
    if as_json:
        print(json.dumps({"sentences": explanation.json_of(sentences)}, allow_nan=False))
    else:
        print(explanation.text_of(sentences))
