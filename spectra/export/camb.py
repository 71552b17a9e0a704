"""CAMB's transfer table, thirteen columns, as CAMB itself would write it for this dark matter."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np

from spectra.cosmology import Cosmology
from spectra.export import checks
from spectra.export.linear_state import linear_state, power_of, sigma8_of
from spectra.export.writing import table_text, with_companions, write_exports
from spectra.structure import COLUMNS

_COLUMN_COUNT = len(COLUMNS)
_NAMES = "k/h CDM baryon photon nu mass_nu total no_nu total_de Weyl v_CDM v_b v_b-v_c".split()


def write(path: Path, *, spectrum, cosmology, z, force, **_) -> list[Path]:
    """Write the table at redshift ``z``: every species times its own ratio, signed."""
    state = linear_state(spectrum, cosmology, z)
    columns = [state.columns[name] for name in COLUMNS]
    header = "#" + " ".join(f"{name:>17}" for name in _NAMES) + "\n"
    return write_exports(
        with_companions(
            path,
            table_text(*columns, header=header),
            format="camb",
            z=z,
            parameters=f"""\
# transfer functions delta/k^2 [Mpc^2], k in 1/Mpc, at z = {z:g}, unit initial curvature
# P(k) = 2 pi^2 h^4 k A_s (k h/0.05)^(n_s - 1) total^2 [(Mpc/h)^3], k in h/Mpc
h = {float(cosmology.h):.10g}
ombh2 = {float(cosmology.omega_b):.10g}
omch2 = {float(cosmology.omega_dm):.10g}
mnu = 0
nnu = {float(cosmology.n_eff):.10g}
As = {float(cosmology.a_s):.10g}
ns = {float(cosmology.n_s):.10g}
pivot_scalar = 0.05
sigma8 = {sigma8_of(state.k_h_mpc, state.power):.8g}    # of this spectrum at this redshift
""",
            note=NOTE,
        ),
        force,
    )


NOTE = """\
Dark matter stands in the column CDM. Matter columns are those of cold dark matter times T, each
species its own, at the redshift of the file; photons and neutrinos are those of cold dark matter.
Values may be negative beyond a zero of T. Do not multiply by a fitting formula for warm dark
matter again. For monofonIC and MUSIC use their own formats: they take logarithms.
"""


def read_columns(
    path: Path,
    findings: checks.Findings,
    *,
    comments: bool,
    positive: Mapping[str, int] = MappingProxyType({}),
    count: int = _COLUMN_COUNT,
) -> np.ndarray | None:
    """The columns (n, ``count``) as a C++ stream reads them line by line, or None.

    A last line without newline is lost. With ``comments``, lines with # are skipped. ``positive``:
    name → column of those whose logarithm the target takes.
    """
    lines = checks.read_lines(path)
    if lines and not lines[-1].endswith("\n"):
        findings.problems.append("the last line has no newline: the target drops it")
        lines = lines[:-1]
    rows = []
    for number, line in enumerate(lines, start=1):
        if "#" in line:
            if comments:
                continue
            findings.problems.append(f"line {number}: a comment, which the target reads as data")
            return None
        row = checks.numbers(line)
        if len(row) != count or len(line.split()) != count:
            findings.problems.append(
                f"line {number}: {len(line.split())} columns, {count} are expected"
            )
            return None
        rows.append(row)
    table = np.array(rows, dtype=float).reshape(-1, count)
    if not checks.check_wavenumbers(findings, table[:, 0]):
        return None
    if not np.all(np.isfinite(table)):
        findings.problems.append("an entry is not a number")
        return None
    for name, column in positive.items():
        checks.check_positive(findings, name, table[:, column])
    return table


def set_power(findings: checks.Findings, k, total, cosmology: Cosmology) -> None:
    """P(k) of CAMB's column ``total``."""
    findings.k_h_mpc, findings.power = k, power_of(k, total, cosmology)


def check(path: Path, run: checks.Simulation, cosmology: Cosmology) -> checks.Findings:
    """A CAMB table: thirteen columns, k increasing, the whole grid covered, at the run's z."""
    findings = checks.Findings()
    table = read_columns(path, findings, comments=True)
    if table is None:
        return findings
    set_power(findings, table[:, 0], table[:, 6], cosmology)
    checks.check_coverage(findings, table[0, 0], table[-1, 0], run, "readers extrapolate")
    why = f"the run starts at z = {run.z:g}"
    checks.check_redshift_of(findings, path, run.z, why)
    return findings
