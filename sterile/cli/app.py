"""The command line ``sterile``: files in, one result out.

Exit codes: 0 done, 1 the computation failed, 2 bad usage or input. Errors are one line on
stderr; with ``--json`` stdout holds exactly one JSON object, on errors {"error": "..."}.
One module a command; heavy imports happen inside the commands, so that help and usage errors are
quick.
"""

import gc
import json
import sys

import typer

from sterile.cli import (
    citation,
    explain,
    export,
    fit,
    info,
    kinds,
    plot,
    scan,
    solve,
    transfer,
    verdict,
)
from sterile.cli.options import ComputationFailed

app = typer.Typer(
    name="sterile",
    help="From the Lagrangian of sterile-neutrino dark matter to its spectrum, T²(k) and verdicts.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for command in (
    solve.solve,
    transfer.transfer,
    scan.scan,
    kinds.kinds,
    info.info,
    fit.fit,
    verdict.verdict,
    explain.explain,
    plot.plot,
    export.export,
    citation.citation,
):
    app.command()(command)


def _fail(message: object, code: int) -> int:
    line = " ".join(str(message).split())
    print(f"error: {line}", file=sys.stderr)
    if "--json" in sys.argv:
        print(json.dumps({"error": line}))
    return code


def run() -> int:
    """Run the command of ``sys.argv``; returns the exit code, never raises."""
    if len(sys.argv) == 1:
        sys.argv.append("--help")
    try:
        code = app(standalone_mode=False)
        return code if isinstance(code, int) else 0
    except typer.exceptions.TyperException as error:
        return _fail(error.format_message().rstrip(".") + "; see `sterile --help`", 2)
    except (ValueError, OSError) as error:
        return _fail(error, 2)
    except ComputationFailed as error:
        return _fail(error, 1)
    except (KeyboardInterrupt, typer.Abort):
        return _fail("interrupted", 1)
    except MemoryError:
        return _fail("not enough memory", 1)
    except Exception as error:
        return _fail(f"unexpected {type(error).__name__}: {error}; please report it", 1)


def main() -> None:
    """Entry point of the console script."""
    # most commands end before their garbage matters: to collect it, at the end too, is a tenth of
    # their time; those that run for long enable it again
    gc.disable()
    sys.exit(run())
