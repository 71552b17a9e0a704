"""MP-Gadget's genic: k and P(k), at the redshift named beside it."""

from pathlib import Path

import numpy as np

from spectra.cosmology import Cosmology
from spectra.export import checks
from spectra.export.linear_state import linear_state
from spectra.export.writing import declared_redshift, table_text, with_companions, write_exports


def write(path: Path, *, spectrum, cosmology, z, force, **_) -> list[Path]:
    """Write k [h/Mpc] and P(k) [(Mpc/h)^3] at redshift ``z`` (``InputPowerRedshift``)."""
    state = linear_state(spectrum, cosmology, z)
    h, omega_m = float(cosmology.h), float(cosmology.omega_b + cosmology.omega_dm)
    header = f"# k [h/Mpc], P(k) [(Mpc/h)^3], total matter, z = {z:g}\n"
    return write_exports(
        with_companions(
            path,
            table_text(state.k_h_mpc, state.power, header=header),
            format="mp-gadget",
            z=z,
            parameters=f"""\
WhichSpectrum = 2
FileWithInputSpectrum = {path.name}
InputPowerRedshift = {z:.10g}
Sigma8 = -1
DifferentTransferFunctions = 0
ScaleDepVelocity = 0
MWDM_therm = 0
Omega0 = {omega_m / h**2:.10g}
OmegaLambda = {1.0 - omega_m / h**2:.10g}
OmegaBaryon = {float(cosmology.omega_b) / h**2:.10g}
HubbleParam = {h:.10g}
CMBTemperature = {float(cosmology.t_cmb_kelvin):.10g}
""",
            note=f"""\
The table is at z = {z:g} and InputPowerRedshift must say so: genic scales it from there to Redshift
with its own growth factor (use the starting redshift to have none). Sigma8 = -1 keeps the table's
normalisation. DifferentTransferFunctions and ScaleDepVelocity are off: they read a CLASS transfer
file of another dark matter. MWDM_therm is 0: its velocities are Fermi-Dirac (use the velocities
format). Outside the table genic has no power, without a word.
""",
        ),
        force,
    )


def check(path: Path, run: checks.Simulation, cosmology: Cosmology) -> checks.Findings:
    """genic's reader: # at the start of a line is skipped, an empty line is a row of zeros."""
    findings = checks.Findings()
    rows = []
    for number, line in enumerate(checks.read_lines(path), start=1):
        if line.startswith("#"):
            continue
        row = checks.numbers(line)
        if len(row) < 2:
            what = "an empty line, read as k = 0" if not line.strip() else "no pair of numbers"
            findings.problems.append(f"line {number}: {what}")
            return findings
        rows.append(row[:2])
    table = np.array(rows, dtype=float).reshape(-1, 2)
    if table.size and table[0, 0] < 0.0:
        findings.problems.append("k is negative: genic takes the table to be in logarithms")
        return findings
    if not checks.check_wavenumbers(findings, table[:, 0]):
        return findings
    checks.check_positive(findings, "P(k)", table[:, 1])
    if findings.problems:
        return findings
    findings.k_h_mpc, findings.power = table.T
    checks.check_coverage(findings, table[0, 0], table[-1, 0], run, "genic has no power")
    declared = declared_redshift(path)
    if declared is None:
        checks.check_amplitude(findings, run.z, f"the run starts at z = {run.z:g}")
    elif declared != run.z:
        findings.notes.append(
            f"set InputPowerRedshift = {declared:g}: genic scales it to the start"
        )
    return findings
