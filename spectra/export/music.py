"""MUSIC: plugins ``music`` (six columns) and ``camb_file`` (thirteen), at the start."""

from pathlib import Path

from spectra.cosmology import Cosmology
from spectra.export import camb, checks
from spectra.export.linear_state import LinearState, density_lines, linear_state, sigma8_of
from spectra.export.writing import table_text, with_companions, write_exports
from spectra.structure import COLUMNS

_SIX = ("k_h_mpc", "total", "cdm", "baryon", "velocity_cdm", "velocity_baryon")
_LOGARITHMS = {"cdm": 1, "baryon": 2, "total": 6, "v_cdm": 10, "v_b": 11}
_OUTSIDE = "MUSIC continues the last two rows as a power law"


def write(path: Path, *, spectrum, cosmology, z, force, **_) -> list[Path]:
    """Write k, T_tot, T_c, T_b, Tv_c, Tv_b at the starting redshift ``z`` (plugin ``music``)."""
    return _write(path, spectrum, cosmology, z, force, "music", "music", _SIX)


def write_camb(path: Path, *, spectrum, cosmology, z, force, **_) -> list[Path]:
    """Write CAMB's thirteen columns at the starting redshift ``z`` (plugin ``camb_file``)."""
    return _write(path, spectrum, cosmology, z, force, "music-camb", "camb_file", COLUMNS)


def _write(path, spectrum, cosmology, z, force, format, plugin, names) -> list[Path]:
    state = linear_state(spectrum, cosmology, z)
    columns = state.positive_columns(format)
    return write_exports(
        with_companions(
            path,
            table_text(*(columns[name] for name in names)),
            format=format,
            z=z,
            parameters=_parameters(path, state, linear_state(spectrum, cosmology, 0.0), plugin),
            note=f"""\
The table is at the starting redshift, z = {z:g}: MUSIC does not change it, so monofonIC's file is
the wrong one here. MUSIC normalises P(k) to sigma_8 today and scales it to the start with its own
growth factor, without radiation; sigma_8 is of this spectrum, not of cold dark matter. Use the same
zstart. The file has no comments, which MUSIC would read as data, and no value <= 0. There is no
other suppression to switch off.
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


def check(path: Path, run: checks.Simulation, cosmology: Cosmology) -> checks.Findings:
    """MUSIC's plugin ``music``: six columns, no comments, no value <= 0, newline at the end."""
    positive = {name: column for column, name in enumerate(_SIX) if column > 0}
    return _check(path, run, cosmology, positive, len(_SIX), positive["total"])


def check_camb(path: Path, run: checks.Simulation, cosmology: Cosmology) -> checks.Findings:
    """MUSIC's plugin ``camb_file``: as :func:`check`, thirteen columns."""
    return _check(path, run, cosmology, _LOGARITHMS, len(COLUMNS), _LOGARITHMS["total"])


def _check(path, run, cosmology, positive, count: int, total: int) -> checks.Findings:
    findings = checks.Findings()
    table = camb.read_columns(path, findings, comments=False, positive=positive, count=count)
    if table is None:
        return findings
    k = table[:, 0]
    camb.set_power(findings, k, table[:, total], cosmology)
    checks.check_coverage(findings, k[1], k[-2], run, _OUTSIDE)
    why = f"MUSIC takes the table at its start, z = {run.z:g}"
    checks.check_redshift_of(findings, path, run.z, why)
    return findings
