"""``sterile fit``: a TOML file with [fit] in, an HDF5 file of draws out."""

import gc
import json
import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from sterile.cli.options import Json, Quiet, stoppable

_LINE_SECONDS, _REWRITE_SECONDS = 30.0, 0.5


def fit(
    config_path: Annotated[Path, typer.Argument(metavar="FIT.toml", help="The fit to do.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="HDF5 file of the draws.")],
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the checkpoint.")] = False,
    threads: Annotated[
        int | None, typer.Option(help="Chains at a time; one per core.", min=1)
    ] = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Infer parameters: best fit, Fisher matrix, or draws from the posterior."""
    gc.enable()
    from sterile.fit import FitStopped, run, store

    def interrupted() -> str:
        checkpoint = store.checkpoint_path(output)
        return "interrupted" + (f"; go on with --resume ({checkpoint})" * checkpoint.exists())

    with stoppable(interrupted, FitStopped):
        summary = run(
            config_path,
            output,
            resume=resume,
            progress=None if quiet else _printer(),
            threads=threads,
        )
    print(json.dumps(summary, allow_nan=False) if as_json else page(summary, output))


def _printer():
    """Lines of progress: on a terminal one line is rewritten, elsewhere one every half minute."""
    terminal = sys.stderr.isatty()
    said = [0.0, ""]

    def say(text: str) -> None:
        now, phase = time.monotonic(), text.split(":")[0]
        wait = _REWRITE_SECONDS if terminal else _LINE_SECONDS
        if phase == said[1] and now - said[0] < wait:
            return
        said[:] = [now, phase]
        if terminal:
            print(f"\r\033[Kfit: {text}", end="", file=sys.stderr, flush=True)
        else:
            print(f"fit: {text}", file=sys.stderr, flush=True)

    return say


def page(summary: dict, output) -> str:
    """The terminal's page for a summary: parameters, branches, warnings."""
    lines = []
    if "branches" in summary:
        lines.append(f"{'':24}{'mean':>12}{'sd':>12}{'5 %':>12}{'median':>12}{'95 %':>12}")
        for name, row in summary["parameters"].items():
            numbers = "".join(f"{row[k]:12.4g}" for k in ("mean", "sd", "q05", "median", "q95"))
            lines.append(f"{name:24}{numbers}")
        for name, found in summary["branches"].items():
            hat = "-" if found["r_hat"] is None else f"{found['r_hat']:.3f}"
            lines.append(
                f"{name}: weight {found['weight']:.3g}, R-hat {hat}, {found['ess']:.0f} effective "
                f"draws ({found['ess_per_second']:.2g}/s), {found['divergences']} divergent"
            )
        if summary["log_evidence"] is not None:
            error = summary["log_evidence_error"]
            lines.append(f"log evidence {summary['log_evidence']:.4g} +- {error:.2g}")
    else:
        sigmas = summary.get("sigma", {})
        for name, value in summary["maximum"].items():
            error = sigmas.get(f"ln {name}", sigmas.get(name))
            kind = "ln " if f"ln {name}" in sigmas else ""
            note = "" if error is None else f"   sigma({kind}{name}) = {error:.3g}"
            lines.append(f"{name:24}{value:14.6g}{note}")
        lines.append(f"{'chi^2':24}{summary['chi_square']:14.6g}")
    lines += [f"warning: {warning}" for warning in summary["warnings"]]
    return "\n".join([*lines, f"written: {output}"])
