"""Commands on files that are there already: verdict, plot, export.

Heavy imports happen inside the commands, so that help and usage errors are quick.
"""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from sterile import session
from sterile.cli.options import Json, check_output


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
    references: Annotated[
        str, typer.Option(help="Thermal relics to compare with: solver or viel2005.")
    ] = "solver",
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Figure: .png, .pdf, .svg.")
    ] = None,
    as_json: Json = False,
) -> None:
    """The verdicts stored in a result file, or those on a cut-off {alpha, beta, gamma}."""
    from sterile import report

    shape = {"--alpha": alpha, "--beta": beta, "--gamma": gamma}
    given = [name for name, value in shape.items() if value is not None]
    if (result_path is None) == (not given):
        raise ValueError("give either a result file OUT.h5 or --alpha, --beta and --gamma")
    if given and len(given) < len(shape):
        missing = ", ".join(name for name in shape if name not in given)
        raise ValueError(f"{missing}: missing; a cut-off needs --alpha, --beta and --gamma")
    check_output(output)
    if given:
        result = _shape_result(alpha, beta, gamma, delta, references)
    else:
        result = _stored_verdicts(result_path)
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


# wide enough for every integral; T is a formula here
_SHAPE_K_H_MPC = (1e-3, 1e3, 800)


def _shape_result(alpha: float, beta: float, gamma: float, delta: float, kind: str) -> dict:
    session.start()
    import numpy as np

    from spectra.structure import (
        Shape,
        half_mode,
        power_table,
        reference_masses,
        reference_relics,
        shape_transfer,
        structure_numbers,
    )
    from spectra.structure import verdicts as verdicts_of
    from sterile import report

    curve = shape_transfer(Shape(alpha, beta, gamma, delta), np.geomspace(*_SHAPE_K_H_MPC))
    with session.progress("verdicts"):
        power = power_table()
        relics = reference_relics(reference_masses(), power=power, kind=kind)
        verdicts = verdicts_of(None, curve, references=relics, power=power)
        half = half_mode(curve)
        scalars = {
            "k_t2_half_h_mpc": half.k_t2_half_h_mpc,
            "k_t_half_h_mpc": half.k_t_half_h_mpc,
            "m_hm_t_half_msun_h": half.m_hm_t_half_msun_h,
            **structure_numbers(curve, power),
        }
    return report.json_object(
        scalars,
        status=int(half.status_t2),
        verdicts=verdicts,
        warnings=report.structure_warnings(curve, half),
    )


def plot(
    result_path: Annotated[
        Path, typer.Argument(metavar="OUT.h5", help="A result of solve, transfer, scan or fit.")
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="Figure: .png, .pdf, .svg.")],
    as_json: Json = False,
) -> None:
    """Draw what a file holds: build-up, spectrum, T²(k); a scan's plane; a fit's corner figure."""
    from spectra import store
    from sterile.fit.store import is_fit
    from sterile.scan.store import is_scan

    if is_scan(result_path):
        draw = _plane(result_path)
    elif is_fit(result_path):
        draw = _corner(result_path)
    else:
        record = store.read(result_path)

        def draw():
            return plots.figure_record(record, result_path)

    check_output(output)
    from spectra import plots

    with session.progress("figure"):
        plots.save(draw(), output)
    _report_files([output], as_json)


def _plane(path: Path):
    """Read a scan's results now, draw them later."""
    from sterile.scan import load

    results = load(path)
    if results.damaged:
        print(
            f"{path}: {results.damaged} damaged rows left out; recompute them with --resume",
            file=sys.stderr,
        )

    def draw():
        session.start()
        from sterile.scan.plane import figure_plane

        return figure_plane(results)

    return draw


def _corner(path: Path):
    """Read a fit's draws now, draw them later."""
    from sterile.fit.store import load

    fit = load(path)

    def draw():
        from sterile.fit.corner import figure_corner

        return figure_corner(fit)

    return draw


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
    force: Annotated[bool, typer.Option("--force", help="Replace files that exist.")] = False,
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

    if format is None and check is not None:
        format = declared_format(check)
    if format is None:
        raise ValueError(f"--format is missing; give one of {', '.join(FORMATS)}")
    name = canonical(format)
    if check is not None:
        return _check_export(check, name, box_mpc_h, particles, z, as_json, result_path)
    if result_path is None or output is None:
        raise ValueError("give a result file and -o PATH, or --check FILE")
    from spectra import store

    record = store.read(result_path)
    names = ("spectrum/q", "spectrum/f", "transfer/k_h_mpc", "transfer/t", "transfer/t2")
    store.require(record, result_path, *names)
    session.start()
    import jax.numpy as jnp

    from spectra.cosmology import Cosmology
    from spectra.export import write
    from spectra.linear import Transfer
    from spectra.spectrum import Spectrum
    from spectra.status import Status

    q, f, k, t, t2 = (record.datasets[name] for name in names)
    with session.progress("export"):
        files = write(
            output,
            name,
            spectrum=Spectrum(q, f, **record.attributes["spectrum"]),
            transfer=Transfer(k, t, t2, jnp.asarray(Status.SUCCESS, dtype=jnp.int32)),
            cosmology=Cosmology(**record.attributes["cosmology"]),
            z=z,
            force=force,
        )
    _report_files(files, as_json)
    return 0


def _check_export(path, name, box_mpc_h, particles, z, as_json, result_path) -> int:
    given = {"--box-mpc-h": box_mpc_h, "--particles": particles, "--z": z}
    missing = [option for option, value in given.items() if value is None]
    if missing:
        raise ValueError(f"--check needs {', '.join(missing)} as well")
    session.start()
    from spectra.export import check, simulation

    cosmology = None
    if result_path is not None:
        from spectra import store
        from spectra.cosmology import Cosmology

        cosmology = Cosmology(**store.read(result_path).attributes["cosmology"])
    report = check(path, name, simulation(box_mpc_h, particles, z), cosmology)
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
        needs = f"k from {report.k_min_h_mpc:.4g} to {report.k_max_h_mpc:.4g} h/Mpc"
        print(f"{report.file}: {'safe' if report.safe else 'NOT safe'} for {name} ({needs})")
        for label, lines in (("problem", report.problems), ("note", report.notes)):
            print("".join(f"  {label}: {line}\n" for line in lines), end="")
    return 0 if report.safe else 1


def _report_files(files, as_json: bool) -> None:
    names = [str(file) for file in files]
    print(json.dumps({"files": names}) if as_json else "\n".join(f"written: {n}" for n in names))
