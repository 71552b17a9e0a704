"""GADGET-4 (N-GenIC): log10 k and log10 of k^3 P/2 pi^2."""

from pathlib import Path

import numpy as np

from spectra.cosmology import Cosmology
from spectra.export import checks
from spectra.export.findings import Findings, Simulation
from spectra.export.linear_state import linear_state, sigma8_of
from spectra.export.writing import declared_redshift, table_text, with_companions, write_exports


def write(path: Path, *, spectrum, cosmology, z, force, caveats=(), **_) -> list[Path]:
    """Write the spectrum at redshift ``z``: the start, or 0 to be normalised to sigma_8."""
    state = linear_state(spectrum, cosmology, z)
    h, omega_m = float(cosmology.h), float(cosmology.omega_b + cosmology.omega_dm)
    normalise = int(z == 0.0)
    today = state if normalise else linear_state(spectrum, cosmology, 0.0)
    return write_exports(
        with_companions(
            path,
            delta2_text(state.k_h_mpc, state.power),
            format="gadget4",
            z=z,
            caveats=caveats,
            parameters=f"""\
PowerSpectrumType              2
PowerSpectrumFile              {path.name}
InputSpectrum_UnitLength_in_cm 3.085678e24
ReNormalizeInputSpectrum       {normalise}
PrimordialIndex                1.0
Sigma8                         {sigma8_of(today.k_h_mpc, today.power):.8g}
Omega0                         {omega_m / h**2:.10g}
OmegaLambda                    {1.0 - omega_m / h**2:.10g}
OmegaBaryon                    {float(cosmology.omega_b) / h**2:.10g}
HubbleParam                    {h:.10g}
{"" if normalise else f"TimeBegin                      {1.0 / (1.0 + z):.10g}"}
""",
            note=f"""\
The table is at z = {z:g}. With ReNormalizeInputSpectrum 0 GADGET-4 takes it as that of the start
(write it with --z of the start); with 1 as that of today, normalised to Sigma8, which here includes
the suppression. PrimordialIndex is 1: the tilt is in the table, any other value tilts it twice.
Outside the table GADGET-4 has no power, without a word; a line with # would end its reading.
""",
        ),
        force,
    )


def delta2_text(k_h_mpc: np.ndarray, power: np.ndarray) -> str:
    """Two columns, log10 k [h/Mpc] and log10 of k^3 P/2 pi^2, no header."""
    return table_text(np.log10(k_h_mpc), np.log10(k_h_mpc**3 * power / (2.0 * np.pi**2)))


def read_pairs(path: Path, findings: Findings, what: str = "") -> np.ndarray:
    """Number pairs (n, 2) as ``fscanf`` finds them: up to the first word that is no number.

    ``what`` such a word is, if one is found. What stands below it is judged all the same.
    """
    lines = checks.read_lines(path)
    words = "".join(lines).split()
    values = checks.numbers(" ".join(words))
    if len(values) < len(words):
        findings.problems.append(
            f"reading stops at '{words[len(values)][:20]}'{what and ', ' + what}, after "
            f"{len(values) // 2} row(s)"
        )
        pairs = (checks.numbers(line) for line in lines)
        values = [value for pair in pairs if len(pair) == 2 for value in pair]
    elif len(values) % 2:
        findings.problems.append("an odd number of entries: the last row is not complete")
    return np.array(values[: len(values) // 2 * 2], dtype=float).reshape(-1, 2)


def read_delta2(path: Path, findings: Findings) -> None:
    """Fill in k and P from two logarithmic columns, as far as there is a table."""
    pairs = read_pairs(path, findings)
    # the target sorts the rows itself
    pairs = pairs[np.argsort(pairs[:, 0], kind="stable")]
    if pairs.size and pairs[0, 0] >= 0.0:
        findings.problems.append("the first column is k, but the target wants log10 k")
        return
    with np.errstate(over="ignore"):
        table = np.column_stack([10.0 ** pairs[:, 0], 10.0 ** pairs[:, 1]])
    if not np.all(np.isfinite(table) | ~np.isfinite(pairs)):
        findings.problems.append("the second column is no logarithm")
        return
    table = checks.usable_rows(findings, table)
    if table is not None:
        k, delta2 = table.T
        findings.k_h_mpc, findings.power = k, 2.0 * np.pi**2 * delta2 / k**3


def check(path: Path, run: Simulation, cosmology: Cosmology) -> Findings:
    """N-GenIC's reader: no header, logarithms, the grid covered, at the start or today."""
    findings = Findings()
    read_delta2(path, findings)
    k = findings.k_h_mpc
    if k.size:
        checks.check_coverage(findings, k[0], k[-1], run, "GADGET-4 has no power")
    if declared_redshift(path) == 0.0:
        findings.notes.append("a table of today: set ReNormalizeInputSpectrum to 1, with Sigma8")
    else:
        why = f"with ReNormalizeInputSpectrum 0 it is taken as that of z = {run.z:g}"
        checks.check_redshift_of(findings, path, run.z, why)
    return findings
