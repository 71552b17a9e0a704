"""2LPTic: the tabulated spectrum, and the seven CAMB columns of -DUSE_CAMB; both of today."""

import math
from pathlib import Path

import numpy as np

from spectra.cosmology import Cosmology
from spectra.export import camb, checks
from spectra.export.findings import Findings, Simulation
from spectra.export.gadget4 import delta2_text, read_delta2
from spectra.export.linear_state import linear_state, sigma8_of
from spectra.export.writing import declared_redshift, table_text, with_companions, write_exports
from spectra.structure import COLUMNS

_SEVEN = COLUMNS[:7]
_TILT = {True: "the tilt is in the table", False: "CAMB's columns hold no tilt"}


def write(path: Path, *, spectrum, cosmology, z, force, caveats=(), **_) -> list[Path]:
    """Write log10 k and log10 of k^3 P/2 pi^2 today."""
    state = linear_state(spectrum, cosmology, z)
    text = delta2_text(state.k_h_mpc, state.power)
    return _write(path, text, "2lpt", state, force, caveats, 1.0, "without -DUSE_CAMB")


def write_camb(path: Path, *, spectrum, cosmology, z, force, caveats=(), **_) -> list[Path]:
    """Write CAMB's first seven columns today, for 2LPTic compiled with -DUSE_CAMB."""
    state = linear_state(spectrum, cosmology, z)
    columns = state.positive_columns("2lpt-camb")
    text = table_text(*(columns[name] for name in _SEVEN))
    tilt = float(cosmology.n_s)
    return _write(path, text, "2lpt-camb", state, force, caveats, tilt, "compiled with -DUSE_CAMB")


def _write(path, text, format, state, force, caveats, tilt, compiled) -> list[Path]:
    cosmology = state.cosmology
    h, omega_m = float(cosmology.h), float(cosmology.omega_b + cosmology.omega_dm)
    return write_exports(
        with_companions(
            path,
            text,
            format=format,
            z=0.0,
            caveats=caveats,
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
2LPTic aborts on a header, and where the table ends before the Nyquist wavenumber.
""",
        ),
        force,
    )


def check(path: Path, run: Simulation, cosmology: Cosmology) -> Findings:
    """The tabulated variant: no header, logarithms, the modes of the particles covered."""
    findings = Findings()
    read_delta2(path, findings)
    _common(findings, path, run)
    return findings


def check_camb(path: Path, run: Simulation, cosmology: Cosmology) -> Findings:
    """The variant of -DUSE_CAMB: seven numbers a row, read one after the other."""
    findings = Findings()
    lines = checks.read_lines(path)
    words = "".join(lines).split()
    values = checks.numbers(" ".join(words))
    count = len(_SEVEN)
    if len(values) < len(words):
        word = words[len(values)][:20]
        findings.problems.append(f"reading stops at '{word}', after {len(values) // count} row(s)")
        # below a header the table is judged all the same
        values = [value for line in lines for value in checks.numbers(line)]
    widths = {len(line.split()) for line in lines if checks.numbers(line)}
    if widths - {count}:
        findings.problems.append(f"{max(widths - {count})} columns: 2LPTic reads {count} at a time")
        values = []
    table = np.array(values[: len(values) // count * count], dtype=float).reshape(-1, count)
    # the target sorts the rows itself
    table = checks.usable_rows(findings, table[np.argsort(table[:, 0], kind="stable")])
    if table is not None:
        checks.check_positive(findings, "total", table[:, 6])
        camb.set_power(findings, table[:, 0], table[:, 6], cosmology)
    _common(findings, path, run)
    return findings


def _common(findings: Findings, path: Path, run: Simulation) -> None:
    """2LPTic stops where the table does not reach 2 pi/L and the Nyquist wavenumber."""
    k = findings.k_h_mpc
    if k.size:
        # beyond, in the corners of the particle grid, it has no power without a word
        checks.check_coverage(
            findings, k[0], k[-1], run, "2LPTic stops", highest=run.nyquist, stops=True
        )
    declared = declared_redshift(path)
    z = checks.amplitude_redshift(findings) if declared is None else declared
    if z is not None and math.log1p(max(z, 0.0)) > checks.NORMALISED_TOLERANCE:
        findings.notes.append(
            f"a table of 1 + z = {1.0 + z:.4g}: 2LPTic normalises it to Sigma8 today, which the "
            "amplitude cannot hurt; the shape of another redshift can, by a per cent"
        )
