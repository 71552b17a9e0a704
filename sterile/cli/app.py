"""The command line ``sterile``: files in, one result out.

Exit codes: 0 done, 1 the computation failed, 2 bad usage or input. Errors are one line on
stderr; with ``--json`` stdout holds exactly one JSON object, on errors {"error": "..."}.
Heavy imports happen inside the commands, so that help and usage errors are quick.
"""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from sterile import session
from sterile.cli import file_commands as files
from sterile.cli import fit_command as fitting
from sterile.cli.options import ComputationFailed, Json, Out, check_output

app = typer.Typer(
    name="sterile",
    help="From the Lagrangian of sterile-neutrino dark matter to its spectrum, T²(k) and verdicts.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

_NEW_COSMOLOGY = "first use of this cosmology, CLASS runs"


@app.command()
def solve(
    config_path: Annotated[Path, typer.Argument(metavar="CONFIG.toml", help="The run to do.")],
    output: Out = None,
    as_json: Json = False,
) -> None:
    """Produce the spectrum of a model and follow it to T²(k) and the verdicts."""
    from sterile import config as configuration

    config = configuration.load(config_path)
    check_output(output)
    session.start()
    from spectra.linear import drive as drive_of

    model, plasma = configuration.model_of(config), configuration.plasma_of(config)
    cosmology = configuration.cosmology_of(config)
    drive = drive_of(cosmology, progress=session.counter(_NEW_COSMOLOGY))

    import sterile
    from spectra.structure import half_mode, power_table, reference_masses, reference_relics
    from spectra.structure import verdicts as verdicts_of
    from sterile import bounds, report

    with session.progress("matter power"):
        power = power_table(cosmology)

    with session.progress("production and transfer function"):
        point = sterile.evaluate(
            model,
            cosmology,
            plasma=plasma,
            mass_kev=config.dark_matter.mass_kev,
            omega_h2=configuration.target_omega_h2(config),
            drive=drive,
            error_estimate=True,
        )
        _ = float(point.yield_n)
    with session.progress("verdicts"):
        references = reference_relics(
            reference_masses(), cosmology, drive, power, like=point.spectrum
        )
        verdicts = verdicts_of(
            point.spectrum, point.transfer, cosmology, references=references, power=power
        )
        verdicts |= bounds.verdicts(model, point, cosmology)
    scalars = {
        name: getattr(point, name)
        for name in (
            "mass_kev omega_h2 yield_n yield_s_max q_mean q_rms k_t2_half_h_mpc k_t_half_h_mpc "
            "m_hm_t_half_msun_h lambda_fs_mpc delta_a n_satellites n_galaxies_z6_mpc3"
        ).split()
    }
    scalars["temperature_ratio"] = point.spectrum.temperature_ratio
    scalars |= report.error_scalars(point.production.error)
    half = half_mode(point.transfer, cosmology)
    warnings = report.structure_warnings(point.transfer, half)
    warnings += report.spectrum_warnings(point.spectrum)
    warnings += [line for line in bounds.warnings(model, point, cosmology) if line not in warnings]
    result = report.json_object(
        scalars,
        status=int(point.status),
        transfer=point.transfer,
        verdicts=verdicts,
        warnings=warnings,
    )
    _require_finite(result, "yield_n", "q_mean", "t2")
    _finish(
        result,
        output,
        as_json,
        lambda: report.record(
            result,
            spectrum=point.spectrum,
            cosmology=cosmology,
            transfer=point.transfer,
            references=references,
            production=point.production,
            config_toml=config.text,
        ),
    )


@app.command()
def transfer(
    psd: Annotated[Path, typer.Argument(metavar="PSD.dat", help="Two columns, q = p/T and f(q).")],
    mass_kev: Annotated[float, typer.Option(help="Particle mass [keV].")],
    temperature_ratio: Annotated[float, typer.Option(help="T of q = p/T over T_gamma, today.")],
    omega_h2: Annotated[
        float | None,
        typer.Option(help="Dark-matter density omega_dm; 0.12 when left out."),
    ] = None,
    k: Annotated[
        str | None, typer.Option(help="Wavenumbers K1,K2,... [h/Mpc] at which T² is wanted.")
    ] = None,
    output: Out = None,
    as_json: Json = False,
) -> None:
    """T²(k), half-mode, free-streaming and verdicts of a tabulated spectrum."""
    wavenumbers = _numbers("--k", k) if k is not None else None
    check_output(output)
    session.start()
    from spectra.cosmology import Cosmology
    from spectra.linear import drive as drive_of
    from spectra.linear import transfer as transfer_of
    from spectra.psd import read_psd
    from spectra.spectrum import with_omega_h2
    from spectra.structure import (
        free_streaming,
        half_mode,
        power_table,
        reference_masses,
        reference_relics,
        structure_numbers,
    )
    from spectra.structure import verdicts as verdicts_of
    from sterile import bounds, report

    dm = read_psd(psd, mass_kev, temperature_ratio)
    cosmology = Cosmology() if omega_h2 is None else Cosmology(omega_dm=omega_h2)
    drive = drive_of(cosmology, progress=session.counter(_NEW_COSMOLOGY))
    with session.progress("transfer function"):
        if wavenumbers is not None:
            asked = transfer_of(dm, cosmology, drive=drive, k_h_mpc=wavenumbers)
        curve = transfer_of(dm, cosmology, drive=drive)
        if wavenumbers is None:
            asked = curve
        _ = float(curve.t[0])
    with session.progress("verdicts"):
        power = power_table(cosmology)
        references = reference_relics(reference_masses(), cosmology, drive, power, like=dm)
        verdicts = verdicts_of(dm, curve, cosmology, references=references, power=power)
        # a file's normalisation is free: what is judged is this shape as all dark matter
        whole = with_omega_h2(dm, cosmology.omega_dm, cosmology)
        verdicts |= bounds.spectrum_verdicts(whole, cosmology)
        del verdicts["overclosure"]
        half = half_mode(curve, cosmology)
        scalars = report.spectrum_scalars(dm, cosmology)
        scalars |= {
            "k_t2_half_h_mpc": half.k_t2_half_h_mpc,
            "k_t_half_h_mpc": half.k_t_half_h_mpc,
            "m_hm_t_half_msun_h": half.m_hm_t_half_msun_h,
            "lambda_fs_mpc": free_streaming(dm, cosmology),
            **structure_numbers(curve, power, cosmology),
        }
    result = report.json_object(
        scalars,
        status=int(curve.status) or int(half.status_t2),
        transfer=asked,
        verdicts=verdicts,
        warnings=report.structure_warnings(curve, half) + report.spectrum_warnings(dm),
    )
    _require_finite(result, "q_mean", "t2")
    _finish(
        result,
        output,
        as_json,
        lambda: report.record(
            result,
            spectrum=dm,
            cosmology=cosmology,
            transfer=curve,
            references=references,
        ),
    )


@app.command()
def scan(
    config_path: Annotated[Path, typer.Argument(metavar="SCAN.toml", help="The scan to do.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="HDF5 file of the results.")],
    workers: Annotated[
        int | None, typer.Option(help="Processes on this machine; one per core.", min=1)
    ] = None,
    scheduler: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Dask scheduler, tcp://HOST:PORT.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the results file.")] = False,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Compute failed points again, finer.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress on stderr.")] = False,
    as_json: Json = False,
) -> None:
    """Compute many points, on this machine or a cluster; stop and go on at will."""
    import signal

    from sterile.scan import progress, report, runner

    # a batch system's notice is as good as Ctrl-C
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        summary = runner.run(
            config_path,
            output,
            workers=workers,
            scheduler=scheduler,
            resume=resume,
            retry_failed=retry_failed,
            progress=progress.Progress(quiet=quiet),
        )
    except KeyboardInterrupt:
        raise ComputationFailed(runner.interrupted(output)) from None
    except runner.ScanStopped as error:
        raise ComputationFailed(error) from None
    finally:
        signal.signal(signal.SIGTERM, before)
    print(json.dumps(summary, allow_nan=False) if as_json else report.page(summary))
    if summary["failed"] == summary["points"]:
        raise ComputationFailed(f"every point failed: {', '.join(summary['statuses'])}")


@app.command()
def info(as_json: Json = False) -> None:
    """Versions, devices, precision and cache: what a bug report needs."""
    session.start()
    import importlib.metadata
    import platform

    import jax

    from spectra.files import package_version

    packages = ("jax", "jaxlib", "equinox", "numpy", "scipy", "h5py", "matplotlib")
    facts = {
        "sterile_spectra": package_version(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        **{name: importlib.metadata.version(name) for name in packages},
        "devices": [str(device) for device in jax.devices()],
        "x64": bool(jax.config.jax_enable_x64),
        "cache": str(session.cache_directory()),
    }
    if as_json:
        print(json.dumps(facts))
        return
    width = max(map(len, facts))
    for name, fact in facts.items():
        print(f"{name:<{width}}  {', '.join(fact) if isinstance(fact, list) else fact}")


for command in (fitting.fit, files.verdict, files.plot, files.export):
    app.command()(command)


def _numbers(option: str, text: str) -> list[float]:
    numbers = []
    for word in text.split(","):
        try:
            numbers.append(float(word))
        except ValueError:
            raise ValueError(
                f"{option}: '{word.strip()}' is not a number; give numbers separated by commas"
            ) from None
    return numbers


def _require_finite(result: dict, *names: str) -> None:
    missing = [name for name in names if name not in result]
    if missing:
        raise ComputationFailed(
            f"the computation gave no finite {', '.join(missing)} (status {result['status']}); "
            "please report the input and the output of `sterile info`"
        )


def _finish(result: dict, output: Path | None, as_json: bool, make_record) -> None:
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


def _fail(message: str, code: int) -> int:
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
    except (ValueError, FileNotFoundError, PermissionError, IsADirectoryError) as error:
        return _fail(error, 2)
    except ComputationFailed as error:
        return _fail(error, 1)
    except (KeyboardInterrupt, typer.Abort):
        return _fail("interrupted", 1)
    except Exception as error:
        return _fail(f"unexpected {type(error).__name__}: {error}; please report it", 1)


def main() -> None:
    """Entry point of the console script."""
    sys.exit(run())
