"""Options, checks and endings that the commands share. Heavy imports happen inside."""

import contextlib
import json
import signal
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
Out = Annotated[
    Path | None, typer.Option("-o", "--output", help="HDF5 file to write.", show_default=False)
]
Figure = Annotated[Path, typer.Option("-o", "--output", help="Figure: .png, .pdf, .svg.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="No progress on stderr.")]

Bounds = Annotated[
    str,
    typer.Option(
        help="Published bounds to judge by: a year, all, forecasts, none, names or files of your "
        "own (.csv, .toml), separated by commas."
    ),
]
Relics = Annotated[
    str, typer.Option(help="Thermal relics to compare with: solver, viel2005 or vogel2023.")
]
# of spectra.structure, which takes long to import
THIS_SKY = "2026"

NEW_COSMOLOGY = "first use of this cosmology, CLASS runs"


class ComputationFailed(Exception):
    """A computation ran and its result is not usable; the message says why."""


def check_output(output: Path | None) -> None:
    """Fail before the computation, not after it, when the result could not be written."""
    if output is not None:
        from spectra.files import check_writable

        check_writable(output)


def numbers(option: str, text: str) -> list[float]:
    numbers = []
    for word in text.split(","):
        try:
            numbers.append(float(word))
        except ValueError:
            raise ValueError(
                f"{option}: '{word.strip()}' is not a number; give numbers separated by commas"
            ) from None
    return numbers


def require_finite(result: dict, *names: str) -> None:
    missing = [name for name in names if name not in result]
    if missing:
        raise ComputationFailed(
            f"the computation gave no finite {', '.join(missing)} (status {result['status']}); "
            "please report the input and the output of `sterile info`"
        )


@contextlib.contextmanager
def collected(sentences: list[str]) -> Iterator[None]:
    """Append what is warned of inside to ``sentences``, instead of Python's own two lines each."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    sentences += [str(warning.message) for warning in caught]


def say_warnings(sentences: Iterable[str]) -> None:
    """One line each on stderr."""
    for sentence in sentences:
        print(f"warning: {sentence}", file=sys.stderr)


def finish(result: dict, output: Path | None, as_json: bool, make_record: Callable) -> None:
    from sterile import report

    if output is not None:
        from spectra import store

        store.write(output, make_record())
    if as_json:
        print(json.dumps(result, allow_nan=False))
    else:
        print(report.table(result))
        if output is not None:
            print(f"written: {output}")


def report_files(files, as_json: bool) -> None:
    names = [str(file) for file in files]
    print(json.dumps({"files": names}) if as_json else "\n".join(f"written: {n}" for n in names))


@contextlib.contextmanager
def stoppable(interrupted: Callable[[], str], *stopped: type[Exception]) -> Iterator[None]:
    """Let a long computation be stopped: by a signal, or by an error of its own, ``stopped``.

    ``interrupted``: what to tell the user then. A batch system's notice (SIGTERM) and a terminal
    that closes (SIGHUP) are as good as Ctrl-C; what is ignored, as by nohup, stays so.
    """
    names = [name for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    numbers = [getattr(signal, name) for name in names]
    before = {
        number: signal.signal(number, signal.default_int_handler)
        for number in numbers
        if signal.getsignal(number) != signal.SIG_IGN
    }
    try:
        yield
    except KeyboardInterrupt:
        raise ComputationFailed(interrupted()) from None
    except stopped as error:
        raise ComputationFailed(error) from None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
