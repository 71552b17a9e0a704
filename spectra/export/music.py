"""MUSIC: plugins ``music`` (six columns) and ``camb_file`` (thirteen), at the start."""

from pathlib import Path

import numpy as np

from spectra.cosmology import Cosmology
from spectra.export import camb, checks
from spectra.export.caveats import comment_lines
from spectra.export.findings import Findings, Simulation
from spectra.export.linear_state import LinearState, density_lines, linear_state, sigma8_of
from spectra.export.writing import table_text, with_companions, write_exports
from spectra.structure import COLUMNS

_SIX = ("k_h_mpc", "total", "cdm", "baryon", "velocity_cdm", "velocity_baryon")
_LOGARITHMS = {"cdm": 1, "baryon": 2, "total": 6, "v_cdm": 10, "v_b": 11}
_BARYONS = {"baryon": 2, "v_b": 11}
_OUTSIDE = "MUSIC continues the last two rows as a power law"


def write(path: Path, *, spectrum, cosmology, z, force, caveats=(), **_) -> list[Path]:
    """Write k, T_tot, T_c, T_b, Tv_c, Tv_b at the starting redshift ``z`` (plugin ``music``)."""
    states = linear_state(spectrum, cosmology, z), linear_state(spectrum, cosmology, 0.0)
    return _write(path, *states, force, caveats, "music", "music", _SIX)


def write_camb(path: Path, *, spectrum, cosmology, z, force, caveats=(), **_) -> list[Path]:
    """Write CAMB's thirteen columns at the starting redshift ``z`` (plugin ``camb_file``)."""
    states = linear_state(spectrum, cosmology, z), linear_state(spectrum, cosmology, 0.0)
    return _write(path, *states, force, caveats, "music-camb", "camb_file", COLUMNS)


def _write(path, state, today, force, caveats, format, plugin, names) -> list[Path]:
    z = state.z
    columns = state.positive_columns(format)
    # MUSIC's own plugin takes a comment for data
    header = comment_lines(caveats) if plugin == "camb_file" else ""
    return write_exports(
        with_companions(
            path,
            table_text(*(columns[name] for name in names), header=header),
            format=format,
            z=z,
            caveats=caveats,
            parameters=_parameters(path, state, today, plugin),
            note=f"""\
The table is at the starting redshift, z = {z:g}: MUSIC does not change it, so monofonIC's file is
the wrong one here. MUSIC normalises P(k) to sigma_8 today and scales it to the start with its own
growth factor, without radiation; sigma_8 is of this spectrum, not of cold dark matter. Use the same
zstart. The file has no value <= 0. There is no other suppression to switch off.
""",
        ),
        force,
    )


def _parameters(path: Path, state: LinearState, today: LinearState, plugin: str) -> str:
    cosmology = state.cosmology
    return f"""\
[setup]
zstart        = {state.z:.10g}
baryons       = no
[cosmology]
transfer      = {plugin}
transfer_file = {path.name}
{density_lines(cosmology)}
nspec         = {float(cosmology.n_s):.10g}
sigma_8       = {sigma8_of(today.k_h_mpc, today.power):.8g}
"""


def check(path: Path, run: Simulation, cosmology: Cosmology) -> Findings:
    """MUSIC's plugin ``music``: six columns, no comments, no value <= 0, newline at the end."""
    findings = Findings()
    table = camb.read_columns(path, findings, "MUSIC", comments=False, widths=(len(_SIX),))
    if table is not None:
        names = {name: column for column, name in enumerate(_SIX) if column > 0}
        camb.check_columns(findings, table, names)
        camb.set_power(findings, table[:, 0], table[:, names["total"]], cosmology)
    _common(findings, path, run)
    return findings


def check_camb(path: Path, run: Simulation, cosmology: Cosmology) -> Findings:
    """MUSIC's plugin ``camb_file``: thirteen columns or more, lines with # skipped.

    Baryons are interpolated linearly where one of theirs is negative, the rest by logarithms.
    """
    findings = Findings()
    table = camb.read_columns(path, findings, "MUSIC", comments=True, wider=True)
    if table is not None:
        camb.set_power(findings, table[:, 0], table[:, _LOGARITHMS["total"]], cosmology)
        _check_logarithms(findings, table, cosmology)
    _common(findings, path, run)
    return findings


def _check_logarithms(findings: Findings, table: np.ndarray, cosmology: Cosmology) -> None:
    linear = np.any(table[:, [_LOGARITHMS[name] for name in _BARYONS]] < 0.0)
    names = [name for name in _LOGARITHMS if not (linear and name in _BARYONS)]
    camb.check_columns(findings, table, {name: _LOGARITHMS[name] for name in names})
    if linear:
        findings.notes.append("baryons are negative somewhere: MUSIC interpolates them linearly")
        share = float(cosmology.omega_b / (cosmology.omega_b + cosmology.omega_dm))
        cdm, baryon = table[:, _LOGARITHMS["v_cdm"]], table[:, _BARYONS["v_b"]]
        checks.check_positive(findings, "v of matter", (1.0 - share) * cdm + share * baryon)


def _common(findings: Findings, path: Path, run: Simulation) -> None:
    k = findings.k_h_mpc
    if k.size:
        checks.check_coverage(findings, k[1], k[-2], run, _OUTSIDE)
    why = f"MUSIC takes the table at its start, z = {run.z:g}"
    # the density is normalised to sigma_8, the velocities with it
    checks.check_redshift_of(findings, path, run.z, why, checks.NORMALISED_TOLERANCE)
