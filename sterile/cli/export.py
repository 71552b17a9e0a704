"""``sterile export``: a result for another code to read, or a check of such a file."""

import json
from pathlib import Path
from typing import Annotated

import typer

from sterile import session
from sterile.cli.options import Json, collected, report_files, say_warnings

_SPECTRUM_ERROR = 0.01  # of q^2 f by its peak: above it is told

_RATIO = "temperature_ratio"
_CHAINS = "getdist"  # a format of fits, not of spectra


def export(
    result_path: Annotated[
        Path | None, typer.Argument(metavar="[OUT.h5]", help="A result of solve or transfer.")
    ] = None,
    format: Annotated[
        str | None, typer.Option("--format", help="The code to write for: class, gadget4, ...")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Directory or file to write.")
    ] = None,
    z: Annotated[
        float | None, typer.Option("--z", help="Redshift of the table; with --check, of the start.")
    ] = None,
    force: Annotated[
        bool,
        typer.Option(
            "--force", help="Replace files that exist; write a spectrum that would be refused."
        ),
    ] = False,
    check: Annotated[
        Path | None, typer.Option("--check", help="Read this file back instead of writing one.")
    ] = None,
    box_mpc_h: Annotated[
        float | None, typer.Option("--box-mpc-h", help="Side of the box to check for [Mpc/h].")
    ] = None,
    particles: Annotated[
        str | None, typer.Option(help="Particles to check for: 512 a side, 512^3 or 134217728.")
    ] = None,
    as_json: Json = False,
) -> int:
    """Write the spectrum for another code to read, or check such a file (--check)."""
    from spectra.export import FORMATS, canonical, declared_format
    from sterile.mechanisms import load_plugins

    load_plugins()
    if format is None and check is not None:
        format = declared_format(check)
    if format is None:
        raise ValueError(f"--format is missing; give one of {', '.join(FORMATS)}")
    if format.lower() == _CHAINS and check is None:
        return _export_chains(result_path, output, as_json)
    name = canonical(format)
    if check is not None:
        return _check_export(check, name, box_mpc_h, particles, z, as_json, result_path)
    if result_path is None or output is None:
        raise ValueError("give a result file and -o PATH, or --check FILE")
    from spectra import store

    record = store.read(result_path)
    names = ("spectrum/q", "spectrum/f")
    store.require(record, result_path, *names)
    session.start("once")
    import jax.numpy as jnp

    from spectra.cosmology import Cosmology
    from spectra.export import write
    from spectra.spectrum import Spectrum

    q, f = (jnp.asarray(record.datasets[name]) for name in names)
    refused, known = _known_of(record)
    warned: list[str] = []
    with session.progress("export"), collected(warned):
        # T^2 is solved for again: with its status and its errors, which files do not hold
        files = write(
            output,
            name,
            spectrum=Spectrum(
                q, f, **store.numbers(record, result_path, "spectrum", "mass_kev", _RATIO)
            ),
            cosmology=Cosmology(
                **store.numbers(record, result_path, "cosmology", *Cosmology.__dataclass_fields__)
            ),
            z=z,
            force=force,
            refused=refused,
            known=known,
        )
    say_warnings(warned)
    report_files(files, as_json)
    return 0


def _export_chains(result_path: Path | None, output: Path | None, as_json: bool) -> int:
    """The draws of a fit for getdist."""
    if result_path is None or output is None:
        raise ValueError("give the file of a fit and -o ROOT, where ROOT_1.txt and so on will go")
    from sterile.fit import store, write_getdist

    report_files(write_getdist(store.load(result_path), output), as_json)
    return 0


def _known_of(record) -> tuple[list[str], list[str]]:
    """What the result says of how the spectrum was made: reasons to refuse it, and to be told."""
    from sterile.status import Status, is_failure, message_of

    summary = record.attributes.get("summary", {})
    code = int(summary.get("status", 0))
    told = []
    if code >= Status.OUT_OF_RANGE:
        if is_failure(code):
            return [message_of(code)], []
        told.append(message_of(code))
    if summary.get("spectrum_error", 0.0) > _SPECTRUM_ERROR:
        told.append(f"q^2 f is known to {summary['spectrum_error']:.1g} of its peak only")
    return [], told


def _check_export(path, name, box_mpc_h, particles, z, as_json, result_path) -> int:
    from spectra.export import FORMATS

    given = {"--box-mpc-h": box_mpc_h, "--particles": particles, "--z": z}
    missing = [option for option, value in given.items() if value is None]
    if missing and FORMATS[name].for_a_box:
        raise ValueError(f"--check needs {', '.join(missing)} as well")
    session.start("once")
    from spectra.export import check, simulation
    from spectra.safe_hdf5 import inspect_file

    inspect_file(path)

    cosmology = None
    if result_path is not None:
        from spectra import store
        from spectra.cosmology import Cosmology

        fields = tuple(Cosmology.__dataclass_fields__)
        record = store.read(result_path)
        cosmology = Cosmology(**store.numbers(record, result_path, "cosmology", *fields))
    run = None if missing else simulation(box_mpc_h, particles, z)
    report = check(path, name, run, cosmology)
    if as_json:
        print(
            json.dumps(
                {
                    "file": str(report.file),
                    "format": report.format,
                    "safe": report.safe,
                    "problems": report.problems,
                    "notes": report.notes,
                    "k_min_h_mpc": report.k_min_h_mpc,
                    "k_max_h_mpc": report.k_max_h_mpc,
                }
            )
        )
    else:
        needs = ""
        if run is not None:
            needs = f" (k from {report.k_min_h_mpc:.4g} to {report.k_max_h_mpc:.4g} h/Mpc)"
        print(f"{report.file}: {'safe' if report.safe else 'NOT safe'} for {name}{needs}")
        for label, lines in (("problem", report.problems), ("note", report.notes)):
            print("".join(f"  {label}: {line}\n" for line in lines), end="")
    return 0 if report.safe else 1
