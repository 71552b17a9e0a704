"""``sterile verdict``: the verdicts of a result, or of a cut-off given in closed form."""

import json
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from sterile import session
from sterile.cli.options import THIS_SKY, Bounds, Json, Relics, check_output

# wide enough for every integral; T is a formula here
_SHAPE_K_H_MPC = (1e-3, 1e3, 800)


def verdict(
    result_path: Annotated[
        Path | None, typer.Argument(metavar="[OUT.h5]", help="A result of solve or transfer.")
    ] = None,
    alpha: Annotated[
        float | None, typer.Option(help="Of T = [1 + (alpha k)^beta]^gamma [Mpc/h].")
    ] = None,
    beta: Annotated[float | None, typer.Option(help="Likewise, positive.")] = None,
    gamma: Annotated[float | None, typer.Option(help="Likewise, negative.")] = None,
    delta: Annotated[float, typer.Option(help="Plateau of T at large k, 0 to 1.")] = 0.0,
    references: Relics = "solver",
    bounds: Bounds = THIS_SKY,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Figure: .png, .pdf, .svg.")
    ] = None,
    as_json: Json = False,
) -> None:
    """The verdicts stored in a result file, or those on a cut-off {alpha, beta, gamma}."""
    shape = {"--alpha": alpha, "--beta": beta, "--gamma": gamma}
    given = [name for name, value in shape.items() if value is not None]
    if (result_path is None) == (not given):
        raise ValueError("give either a result file OUT.h5 or --alpha, --beta and --gamma")
    if result_path is not None:
        find = partial(_stored_verdicts, result_path)
    elif alpha is None or beta is None or gamma is None:
        missing = ", ".join(name for name in shape if name not in given)
        raise ValueError(f"{missing}: missing; a cut-off needs --alpha, --beta and --gamma")
    else:
        find = partial(_shape_result, alpha, beta, gamma, delta, references, bounds)
    check_output(output)
    session.start("once")
    from sterile import report

    result = find()
    if output is not None:
        from spectra import plots

        plots.save(plots.figure_verdicts(result["verdicts"]), output)
    print(json.dumps(result, allow_nan=False) if as_json else report.table(result))


def _stored_verdicts(result_path: Path) -> dict:
    from spectra import store

    record = store.read(result_path)
    prefix = "verdicts/"
    verdicts = {
        name.removeprefix(prefix): entry
        for name, entry in record.attributes.items()
        if name.startswith(prefix)
    }
    if not verdicts:
        raise ValueError(f"{result_path}: holds no verdicts; run solve or transfer with -o again")
    summary = record.attributes.get("summary", {})
    return {**summary, "verdicts": verdicts, "warnings": list(record.warnings)}


def _shape_result(
    alpha: float, beta: float, gamma: float, delta: float, kind: str, bounds: str
) -> dict:
    import numpy as np

    from spectra.structure import (
        Shape,
        assess,
        power_table,
        published_bounds,
        reference_masses,
        reference_relics,
        shape_transfer,
    )
    from sterile import report

    published = published_bounds(bounds)
    curve = shape_transfer(Shape(alpha, beta, gamma, delta), np.geomspace(*_SHAPE_K_H_MPC))
    with session.progress("verdicts"):
        power = power_table()
        relics = reference_relics(reference_masses(), power=power, kind=kind)
        measured, verdicts = assess(None, curve, references=relics, power=power, bounds=published)
    half = measured.half_mode
    return report.json_object(
        measured.numbers(),
        status=int(half.status_t2),
        verdicts=verdicts,
        warnings=report.structure_warnings(curve, half),
    )
