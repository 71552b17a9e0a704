"""``sterile transfer``: a tabulated spectrum in, a result out."""

from pathlib import Path
from typing import Annotated

import typer

from sterile import session
from sterile.cli.options import (
    NEW_COSMOLOGY,
    Json,
    Out,
    check_output,
    finish,
    numbers,
    require_finite,
)


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
    wavenumbers = numbers("--k", k) if k is not None else None
    check_output(output)
    session.start("once")
    from spectra.cosmology import Cosmology
    from spectra.linear import drive as drive_of
    from spectra.linear import transfer as transfer_of
    from spectra.psd import read_psd
    from spectra.spectrum import with_omega_h2
    from spectra.structure import (
        assess,
        free_streaming,
        power_table,
        reference_masses,
        reference_relics,
    )
    from sterile import bounds, report

    dm = read_psd(psd, mass_kev, temperature_ratio)
    cosmology = Cosmology() if omega_h2 is None else Cosmology(omega_dm=omega_h2)
    drive = drive_of(cosmology, progress=session.counter(NEW_COSMOLOGY))
    with session.progress("transfer function"):
        if wavenumbers is not None:
            asked = transfer_of(dm, cosmology, drive=drive, k_h_mpc=wavenumbers)
        curve = transfer_of(dm, cosmology, drive=drive)
        if wavenumbers is None:
            asked = curve
    with session.progress("verdicts"):
        power = power_table(cosmology)
        references = reference_relics(reference_masses(), cosmology, drive, power)
        measured, verdicts = assess(dm, curve, cosmology, references=references, power=power)
        # a file's normalisation is free: what is judged is this shape as all dark matter
        whole = with_omega_h2(dm, cosmology.omega_dm, cosmology)
        verdicts |= bounds.spectrum_verdicts(whole, cosmology)
        del verdicts["overclosure"]
        scalars = report.spectrum_scalars(dm, cosmology) | measured.numbers()
        scalars["lambda_fs_mpc"] = free_streaming(dm, cosmology)
    half = measured.half_mode
    result = report.json_object(
        scalars,
        status=int(curve.status) or int(half.status_t2),
        transfer=asked,
        verdicts=verdicts,
        warnings=report.structure_warnings(curve, half) + report.spectrum_warnings(dm),
    )
    require_finite(result, "q_mean", "t2")
    finish(
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
