"""``sterile kinds``: the ways to make sterile neutrinos, and a configuration to start from."""

import json
from typing import Annotated

import typer

from sterile.cli.options import Json


def kinds(
    kind: Annotated[
        str | None, typer.Argument(metavar="[KIND]", help="One of them; all when left out.")
    ] = None,
    toml: Annotated[
        bool, typer.Option("--toml", help="Print a commented configuration that runs.")
    ] = False,
    as_json: Json = False,
) -> None:
    """List the kinds of models with their keys, units and allowed ranges."""
    from sterile import catalogue, mechanisms

    if toml:
        if kind is None or as_json:
            raise ValueError("--toml prints one configuration; give a KIND and no --json")
        print(catalogue.example(mechanisms.mechanism(kind)), end="")
        return
    known = mechanisms.kinds()
    chosen = known.values() if kind is None else [mechanisms.mechanism(kind)]
    if as_json:
        print(json.dumps({entry.kind: catalogue.facts(entry) for entry in chosen}))
    else:
        print("\n\n".join(catalogue.page(entry) for entry in chosen))
