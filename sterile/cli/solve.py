"""``sterile solve``: a configuration in, a result out."""

import functools
from pathlib import Path
from typing import Annotated

import typer

from sterile import session
from sterile.cli.options import NEW_COSMOLOGY, Json, Out, check_output, finish, require_finite


def solve(
    config_path: Annotated[Path, typer.Argument(metavar="CONFIG.toml", help="The run to do.")],
    output: Out = None,
    as_json: Json = False,
    explain: Annotated[
        bool, typer.Option("--explain", help="Say what happened, as `sterile explain` does.")
    ] = False,
) -> None:
    """Produce the spectrum of a model and follow it to T²(k) and the verdicts."""
    session.start("once")
    from sterile import config as configuration

    config = configuration.load(config_path)
    check_output(output)
    from sterile.pipeline import check_target, compile_production, compile_rest, measured_of

    model, plasma = configuration.model_of(config), configuration.plasma_of(config)
    cosmology = configuration.cosmology_of(config)
    mass_kev = config.dark_matter.mass_kev
    omega_h2 = configuration.target_omega_h2(config)
    check_target(model, mass_kev, omega_h2)
    # what this command needs is compiled side by side, the longest first
    made = compile_production(model, plasma, omega_h2, True)

    import sterile
    from spectra.linear import drive as drive_of
    from spectra.structure import (
        compile_verdicts,
        power_table,
        published_bounds,
        reference_masses,
        reference_relics,
    )
    from spectra.structure import verdicts as verdicts_of
    from sterile import bounds, report

    drive = drive_of(cosmology, progress=session.counter(NEW_COSMOLOGY))
    with session.progress("matter power"):
        power = power_table(cosmology)
        kind = config.verdicts.references
        references = reference_relics(reference_masses(), cosmology, drive, power, kind)
        published = published_bounds(config.verdicts.bounds, cosmology)

    with session.progress("production and transfer function"):
        ahead = compile_rest(model, made, cosmology, mass_kev, omega_h2, drive, power)
        spectrum, curve = ahead["spectrum"], ahead["transfer"]
        compile_verdicts(
            spectrum, curve, cosmology, references, power, measured_of(ahead), published
        )
        bounds.compile_verdicts(model, made, ahead, cosmology)
        point = sterile.evaluate(
            model,
            cosmology,
            plasma=plasma,
            mass_kev=mass_kev,
            omega_h2=omega_h2,
            drive=drive,
            power=power,
            error_estimate=True,
        )
    with session.progress("verdicts"):
        verdicts = verdicts_of(
            point.spectrum,
            point.transfer,
            cosmology,
            references=references,
            power=power,
            measured=measured_of(vars(point)),
            bounds=published,
        )
        verdicts |= bounds.verdicts(model, point, cosmology)
    scalars = report.point_numbers(point)
    if point.production.error is not None:
        scalars |= report.error_scalars(point.production.error)
    warnings = report.structure_warnings(point.transfer, point.half_mode)
    warnings += report.spectrum_warnings(point.spectrum)
    warnings += [line for line in bounds.warnings(model, point, cosmology) if line not in warnings]
    result = report.json_object(
        scalars,
        status=int(point.status),
        transfer=point.transfer,
        verdicts=verdicts,
        warnings=warnings,
    )
    require_finite(result, "yield_n", "q_mean", "t2")

    @functools.cache
    def record():
        return report.record(
            result,
            spectrum=point.spectrum,
            cosmology=cosmology,
            transfer=point.transfer,
            references=references,
            production=point.production,
            config_toml=config.text,
        )

    said = {}
    if explain:
        from sterile import explain as explanation

        with session.progress("what to change"):
            sentences = explanation.explain(record())
        said = {"explanation": explanation.json_of(sentences)}
    finish({**result, **said}, output, as_json, record)
    if explain and not as_json:
        print(explanation.text_of(sentences))
