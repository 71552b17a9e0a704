"""MP-Gadget's genic: k and P(k), at the redshift named beside it."""

from pathlib import Path

import numpy as np

from spectra.cosmology import Cosmology
from spectra.export import checks
from spectra.export.caveats import comment_lines
from spectra.export.findings import Findings, Simulation
from spectra.export.linear_state import linear_state
from spectra.export.writing import declared_redshift, table_text, with_companions, write_exports

# in dex: how far beyond the ends of the table genic still has a power, since 2024
_MARGIN_LOW, _MARGIN_HIGH = 0.1, 0.25
_LARGEST_LOG10 = 50.0  # of numbers that are no logarithms
_NUGGET = 1e-30  # [(Mpc/h)^3], added to P
_SIGMA8_FROM_H_MPC, _LOW_ROWS = 2e-5, 33


def write(path: Path, *, spectrum, cosmology, z, force, caveats=(), **_) -> list[Path]:
    """Write k [h/Mpc] and P(k) [(Mpc/h)^3] at redshift ``z`` (``InputPowerRedshift``)."""
    state = linear_state(spectrum, cosmology, z)
    # P ~ k^n_s on the largest scales: genic integrates sigma_8 from there on
    low = np.geomspace(_SIGMA8_FROM_H_MPC, state.k_h_mpc[0], _LOW_ROWS)[:-1]
    k = np.concatenate([low, state.k_h_mpc])
    tilt = float(cosmology.n_s)
    power = np.concatenate([state.power[0] * (low / state.k_h_mpc[0]) ** tilt, state.power])
    h, omega_m = float(cosmology.h), float(cosmology.omega_b + cosmology.omega_dm)
    header = comment_lines(caveats)
    header += f"# k [h/Mpc], P(k) [(Mpc/h)^3], total matter, z = {z:g}\n"
    return write_exports(
        with_companions(
            path,
            table_text(k, power, header=header),
            format="mp-gadget",
            z=z,
            caveats=caveats,
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
format). Beyond the table genic stops, or has no power without a word (before 2024).
""",
        ),
        force,
    )


def check(path: Path, run: Simulation, cosmology: Cosmology) -> Findings:
    """genic's reader: k and P or, from the first k < 0 on, their log10; # skipped, blanks before it
    too; an empty line stops it; P = 0 is 1e-30."""
    findings = Findings()
    rows, logarithms = [], False
    for number, line in enumerate(checks.read_lines(path), start=1):
        if line.lstrip(" \t").startswith("#"):
            continue
        row = checks.numbers(line)[:2]
        if len(row) < 2:
            what = "an empty line, at which genic stops" if not line.strip() else "no two numbers"
            findings.problems.append(f"line {number}: {what}")
            continue
        logarithms = logarithms or (row[0] < 0.0 and not rows)
        if row[0] < 0.0 and not logarithms:
            findings.problems.append(
                f"line {number}: k is negative: genic takes what follows to be log10 of k and P"
            )
            continue
        rows.append([10.0 ** min(value, _LARGEST_LOG10) for value in row] if logarithms else row)
    table = checks.usable_rows(findings, np.array(rows, dtype=float).reshape(-1, 2))
    if table is not None:
        _judge(findings, table, run)
    declared = declared_redshift(path)
    if declared is None:
        checks.check_amplitude(findings, run.z, f"the run starts at z = {run.z:g}")
    elif declared != run.z:
        findings.notes.append(
            f"set InputPowerRedshift = {declared:g}: genic scales it to the start"
        )
    return findings


def _judge(findings: Findings, table: np.ndarray, run: Simulation) -> None:
    k, power = table.T
    if np.any(power < 0.0):
        checks.check_positive(findings, "P(k)", np.where(power == 0.0, 1.0, power))
    elif np.any(power == 0.0):
        findings.notes.append(f"P(k) = 0 at k = {k[power == 0.0][0]:.4g}: genic takes it as 1e-30")
    findings.k_h_mpc, findings.power = k, np.maximum(power, _NUGGET)
    checks.check_coverage(
        findings,
        k[0] * 10.0**-_MARGIN_LOW,
        k[-1] * 10.0**_MARGIN_HIGH,
        run,
        "genic stops",
        stops=True,
    )
    if k[0] > run.fundamental or k[-1] < 3.0**0.5 * run.nyquist:
        findings.notes.append(
            f"the table ends at {k[0]:.4g} and {k[-1]:.4g} h/Mpc: genic goes on a little beyond, "
            "constant below, as k^-6 above"
        )
    lowest = _SIGMA8_FROM_H_MPC * 10.0**_MARGIN_LOW
    if k[0] > lowest * (1.0 + 1e-9):
        findings.notes.append(
            f"the table begins at {k[0]:.3g} h/Mpc: with InputPowerRedshift, genic integrates "
            f"sigma_8 from {_SIGMA8_FROM_H_MPC:g} on; since 2024 it stops there if the table "
            f"begins above {lowest:.2g}"
        )
