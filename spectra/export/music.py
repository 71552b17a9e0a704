"""MUSIC: plugins ``music`` (six columns) and ``camb_file`` (thirteen), at the start."""

from pathlib import Path

import numpy as np

from spectra.cosmology import Cosmology
from spectra.export import camb, checks
from spectra.export.linear_state import LinearState, linear_state, sigma8_of
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
    h, omega_m = float(cosmology.h), float(cosmology.omega_b + cosmology.omega_dm)
    return f"""\
[setup]
zstart        = {state.z:.10g}
baryons       = no
[cosmology]
transfer      = {plugin}
transfer_file = {path.name}
Omega_m       = {omega_m / h**2:.10g}
Omega_b       = {float(cosmology.omega_b) / h**2:.10g}
Omega_L       = {1.0 - omega_m / h**2:.10g}
H0            = {100.0 * h:.10g}
nspec         = {float(cosmology.n_s):.10g}
sigma_8       = {sigma8_of(today.k_h_mpc, today.power):.8g}
"""


def check(path: Path, run: checks.Simulation, cosmology: Cosmology) -> checks.Findings:
    """MUSIC's plugin ``music``: six columns, no comments, no value <= 0, newline at the end."""
    findings = checks.Findings()
    lines = checks.read_lines(path)
    if lines and not lines[-1].endswith("\n"):
        findings.problems.append("the last line has no newline: MUSIC drops it")
        lines = lines[:-1]
    rows = []
    for number, line in enumerate(lines, start=1):
        row = checks.numbers(line)
        if len(row) != len(_SIX) or len(line.split()) != len(_SIX):
            what = "a comment, read as data" if "#" in line else f"{len(line.split())} columns"
            findings.problems.append(f"line {number}: {what}; {len(_SIX)} columns are expected")
            return findings
        rows.append(row)
    table = np.array(rows, dtype=float).reshape(-1, len(_SIX))
    if not checks.check_wavenumbers(findings, table[:, 0]):
        return findings
    for column, name in enumerate(_SIX[1:], start=1):
        checks.check_positive(findings, name, table[:, column])
    camb.set_power(findings, table[:, 0], table[:, 1], cosmology)
    _common(findings, path, run)
    return findings


def check_camb(path: Path, run: checks.Simulation, cosmology: Cosmology) -> checks.Findings:
    """MUSIC's plugin ``camb_file``: as :func:`check`, thirteen columns."""
    findings = checks.Findings()
    table = camb.read_columns(path, findings, comments=False)
    if table is None:
        return findings
    for name, column in _LOGARITHMS.items():
        checks.check_positive(findings, name, table[:, column])
    camb.set_power(findings, table[:, 0], table[:, 6], cosmology)
    _common(findings, path, run)
    return findings


def _common(findings: checks.Findings, path: Path, run: checks.Simulation) -> None:
    k = findings.k_h_mpc
    checks.check_coverage(findings, k[1], k[-2], run, _OUTSIDE)
    why = f"MUSIC takes the table at its start, z = {run.z:g}"
    checks.check_redshift_of(findings, path, run.z, why)
