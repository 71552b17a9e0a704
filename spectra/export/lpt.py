"""2LPTic: the tabulated spectrum, and the seven CAMB columns of -DUSE_CAMB; both of today."""

from pathlib import Path

import numpy as np

from spectra.cosmology import Cosmology
from spectra.export import camb, checks
from spectra.export.gadget4 import delta2_text, read_delta2
from spectra.export.linear_state import linear_state, sigma8_of
from spectra.export.writing import table_text, with_companions, write_exports
from spectra.structure import COLUMNS

_SEVEN = COLUMNS[:7]
_TILT = {True: "the tilt is in the table", False: "CAMB's columns hold no tilt"}
_WHY = "2LPTic normalises to sigma_8 today and scales back itself: write it for z = 0"


def write(path: Path, *, spectrum, cosmology, z, force, **_) -> list[Path]:
    """Write log10 k and log10 of k^3 P/2 pi^2 today."""
    state = linear_state(spectrum, cosmology, z)
    text = delta2_text(state.k_h_mpc, state.power)
    return _write(path, text, "2lpt", state, force, 1.0, "without -DUSE_CAMB")


def write_camb(path: Path, *, spectrum, cosmology, z, force, **_) -> list[Path]:
    """Write CAMB's first seven columns today, for 2LPTic compiled with -DUSE_CAMB."""
    state = linear_state(spectrum, cosmology, z)
    columns = state.positive_columns("2lpt-camb")
    text = table_text(*(columns[name] for name in _SEVEN))
    tilt = float(cosmology.n_s)
    return _write(path, text, "2lpt-camb", state, force, tilt, "compiled with -DUSE_CAMB")


def _write(path, text, format, state, force, tilt, compiled) -> list[Path]:
    cosmology = state.cosmology
    h, omega_m = float(cosmology.h), float(cosmology.omega_b + cosmology.omega_dm)
    return write_exports(
        with_companions(
            path,
            text,
            format=format,
            z=0.0,
            parameters=f"""\
WhichSpectrum                   2
FileWithInputSpectrum           {path.name}
InputSpectrum_UnitLength_in_cm  3.085678e24
PrimordialIndex                 {tilt:.10g}
Sigma8                          {sigma8_of(state.k_h_mpc, state.power):.8g}
Omega                           {omega_m / h**2:.10g}
OmegaLambda                     {1.0 - omega_m / h**2:.10g}
OmegaBaryon                     {float(cosmology.omega_b) / h**2:.10g}
HubbleParam                     {h:.10g}
WDM_On                          0
WDM_Vtherm_On                   0
""",
            note=f"""\
For 2LPTic {compiled}. WDM_On must be 0: it multiplies by a fit of thermal relics and would
suppress twice; WDM_Vtherm_On must be 0: its velocities are Fermi-Dirac (use the velocities format).
The table is of today: 2LPTic normalises it to Sigma8, which here includes the suppression, and
scales back to the start. PrimordialIndex is {tilt:g}: {_TILT[tilt == 1.0]}.
2LPTic aborts on a header and has no power outside the table.
""",
        ),
        force,
    )


def check(path: Path, run: checks.Simulation, cosmology: Cosmology) -> checks.Findings:
    """The tabulated variant: no header, logarithms, the grid covered, of today."""
    findings = checks.Findings()
    if read_delta2(path, findings):
        _common(findings, path, run)
    return findings


def check_camb(path: Path, run: checks.Simulation, cosmology: Cosmology) -> checks.Findings:
    """The variant of -DUSE_CAMB: seven numbers a row, read one after the other."""
    findings = checks.Findings()
    lines = checks.read_lines(path)
    words = "".join(lines).split()
    values = checks.numbers(" ".join(words))
    if len(values) < len(words):
        word, rows = words[len(values)][:20], len(values) // len(_SEVEN)
        findings.problems.append(f"reading stops at '{word}', after {rows} row(s)")
    widths = {len(line.split()) for line in lines if line.strip()}
    if widths and widths != {len(_SEVEN)}:
        findings.problems.append(f"{max(widths)} columns: 2LPTic reads {len(_SEVEN)} at a time")
        return findings
    table = np.array(values[: len(values) // 7 * 7], dtype=float).reshape(-1, len(_SEVEN))
    if not checks.check_wavenumbers(findings, table[:, 0]):
        return findings
    checks.check_positive(findings, "total", table[:, 6])
    camb.set_power(findings, table[:, 0], table[:, 6], cosmology)
    _common(findings, path, run)
    return findings


def _common(findings: checks.Findings, path: Path, run: checks.Simulation) -> None:
    k = findings.k_h_mpc
    checks.check_coverage(findings, k[0], k[-1], run, "2LPTic has no power, or aborts")
    checks.check_redshift_of(findings, path, 0.0, _WHY)
