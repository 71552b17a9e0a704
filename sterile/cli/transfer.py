"""``sterile transfer``: a tabulated spectrum in, a result out."""

from pathlib import Path
from typing import Annotated

import typer

from sterile import session
from sterile.cli.options import (
    NEW_COSMOLOGY,
    THIS_SKY,
    Bounds,
    Json,
    Out,
    Relics,
    check_output,
    collected,
    finish,
    numbers,
    require_finite,
    say_warnings,
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
    normalisation: Annotated[
        str | None,
        typer.Option(
            help="What the second column is: occupation (F of all helicities; Ωh² is read so when "
            "left out), class (F/(2π)³), or free (a shape only)."
        ),
    ] = None,
    references: Relics = "solver",
    bounds: Bounds = THIS_SKY,
    output: Out = None,
    as_json: Json = False,
) -> None:
    """T²(k), half-mode, free-streaming and verdicts of a tabulated spectrum.

    They are those of the file's shape as all dark matter; its normalisation gives Ωh² alone.
    """
    wavenumbers = numbers("--k", k) if k is not None else None
    check_output(output)
    session.start("once")
    from spectra.cosmology import Cosmology
    from spectra.linear import drive as drive_of
    from spectra.linear import transfer as transfer_of
    from spectra.psd import CLASS_FACTOR, abundance_doubt, read_psd
    from spectra.spectrum import omega_h2 as omega_h2_of
    from spectra.spectrum import with_omega_h2
    from spectra.structure import (
        assess,
        choose_bounds,
        free_streaming,
        power_table,
        published_bounds,
        reference_masses,
        reference_relics,
    )
    from sterile import bounds as other_bounds
    from sterile import report

    choose_bounds(bounds)  # before anything is computed
    doubts: list[str] = []
    with collected(doubts):
        dm = read_psd(psd, mass_kev, temperature_ratio, normalisation or "occupation")
    cosmology = Cosmology() if omega_h2 is None else Cosmology(omega_dm=omega_h2)
    unsaid: list[str] = []  # of an abundance that nobody claimed
    if normalisation == "free":
        dm = with_omega_h2(dm, cosmology.omega_dm, cosmology)
    else:
        own = float(omega_h2_of(dm, cosmology))
        doubt = abundance_doubt(own, float(cosmology.omega_dm))
        claimed = normalisation is not None or not (
            1.0 < own / float(cosmology.omega_dm) < CLASS_FACTOR
        )
        if doubt is not None:
            (doubts if claimed else unsaid).append(doubt)
    drive = drive_of(cosmology, progress=session.counter(NEW_COSMOLOGY))
    with session.progress("transfer function"):
        if wavenumbers is not None:
            asked = transfer_of(dm, cosmology, drive=drive, k_h_mpc=wavenumbers)
        curve = transfer_of(dm, cosmology, drive=drive)
        if wavenumbers is None:
            asked = curve
    with session.progress("verdicts"):
        power = power_table(cosmology)
        relics = reference_relics(reference_masses(), cosmology, drive, power, kind=references)
        measured, verdicts = assess(
            dm,
            curve,
            cosmology,
            references=relics,
            power=power,
            bounds=published_bounds(bounds, cosmology),
        )
        # a file's normalisation is free: what is judged is this shape as all dark matter
        whole = with_omega_h2(dm, cosmology.omega_dm, cosmology)
        verdicts |= other_bounds.spectrum_verdicts(whole, cosmology)
        del verdicts["overclosure"]
        scalars = report.spectrum_scalars(dm, cosmology) | measured.numbers()
        scalars["lambda_fs_mpc"] = free_streaming(dm, cosmology)
    half = measured.half_mode
    said = report.structure_warnings(curve, half) + report.spectrum_warnings(dm) + doubts
    result = report.json_object(
        scalars,
        status=int(curve.status) or int(half.status_t2),
        transfer=asked,
        verdicts=verdicts,
        warnings=said,
    )
    require_finite(result, "q_mean", "t2")
    # the table on stdout ends with the result's own
    say_warnings(doubts + unsaid if as_json else unsaid)
    finish(
        result,
        output,
        as_json,
        lambda: report.record(
            {**result, "warnings": said + unsaid},
            spectrum=dm,
            cosmology=cosmology,
            transfer=curve,
            references=relics,
        ),
    )
