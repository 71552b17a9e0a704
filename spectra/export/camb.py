"""CAMB's transfer table, thirteen columns, as CAMB itself would write it for this dark matter."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from spectra.cosmology import Cosmology
from spectra.export import checks
from spectra.export.caveats import comment_lines
from spectra.export.findings import Findings, Simulation
from spectra.export.linear_state import linear_state, power_of, sigma8_of, total_column
from spectra.export.writing import table_text, with_companions, write_exports
from spectra.structure import COLUMNS

_COLUMN_COUNT = len(COLUMNS)
# columns that are zero nowhere: CAMB's name → place
_MATTER = {"CDM": 1, "baryon": 2, "total": 6, "v_CDM": 10, "v_b": 11}
_RADIATION = ("photon", "nu", "mass_nu")  # may be
_SAME_SIGN = {"overdensities": ("CDM", "baryon", "total"), "velocities": ("v_CDM", "v_b")}
_NOTICEABLE = 0.03  # of cold dark matter's total
_NAMES = "k/h CDM baryon photon nu mass_nu total no_nu total_de Weyl v_CDM v_b v_b-v_c".split()


def write(path: Path, *, spectrum, cosmology, z, force, caveats=(), **_) -> list[Path]:
    """Write the table at redshift ``z``: every species times its own ratio, signed."""
    state = linear_state(spectrum, cosmology, z)
    columns = [state.columns[name] for name in COLUMNS]
    if state.opposite_at is not None:
        signs = f"dark matter and baryons have opposite signs at k = {state.opposite_at:.3g} h/Mpc"
        caveats = (*caveats, f"{signs}: for readers that keep signs only")
    names = "#" + " ".join(f"{name:>17}" for name in _NAMES)
    # one line: readers skip one
    header = "   ".join([names, *comment_lines(caveats).splitlines()]) + "\n"
    return write_exports(
        with_companions(
            path,
            table_text(*columns, header=header),
            format="camb",
            z=z,
            caveats=caveats,
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
    findings: Findings,
    target: str,
    *,
    comments: bool,
    widths: tuple[int, ...] = (_COLUMN_COUNT,),
    wider: bool = False,
) -> np.ndarray | None:
    """The rows (n, m) as a C++ stream reads them line by line, k increasing, or None.

    A last line without newline is lost. What is wrong with a line is told, and it is left out.

    Parameters
    ----------
    target : the code's name.
    comments : whether lines with # are skipped; else they are data.
    widths : columns that a row may have; all rows are read as the first one is.
    wider : whether more columns are harmless.
    """
    lines = checks.without_open_end(findings, checks.read_lines(path), target)
    rows: list[list[float]] = []
    wrong: list[str] = []
    width = 0
    for number, line in enumerate(lines, start=1):
        if "#" in line:
            if not comments:
                wrong.append(f"line {number}: a comment, which {target} reads as data")
            continue
        row, found = checks.numbers(line), len(line.split())
        allowed = (width,) if width else widths
        if wider and len(row) >= max(allowed):
            row, found = row[: max(allowed)], max(allowed)
        if len(row) != found or found not in allowed:
            expected = " or ".join(str(number) for number in allowed)
            wrong.append(
                f"line {number}: an empty line, at which {target} stops"
                if not found
                else f"line {number}: {found} columns, {expected} are expected"
                if len(row) == found
                else f"line {number}: '{line.split()[len(row)][:20]}' is not a number"
            )
            continue
        width = found
        rows.append(row)
    findings.problems += wrong[:1]
    if len(wrong) > 1:
        findings.problems.append(f"{len(wrong) - 1} more lines like it, up to {wrong[-1]}")
    table = np.array(rows, dtype=float).reshape(-1, width or _COLUMN_COUNT)
    return checks.usable_rows(findings, table)


def check_columns(findings: Findings, table: np.ndarray, columns: Mapping[str, int]) -> None:
    """Note every one of ``columns`` of which the target cannot take the logarithm."""
    for name, column in columns.items():
        checks.check_positive(findings, name, table[:, column])


def set_power(findings: Findings, k, total, cosmology: Cosmology) -> None:
    """P(k) of CAMB's column ``total``."""
    findings.k_h_mpc, findings.power = k, power_of(k, total, cosmology)


def check(path: Path, run: Simulation, cosmology: Cosmology) -> Findings:
    """A CAMB table: thirteen columns, none of matter zero, one sign, the grid covered, the run's z.

    Readers compare species and take roots and logarithms of them: a total of zeros is what one
    gets of CAMB when it was not asked for the total.
    """
    findings = Findings()
    table = read_columns(path, findings, "a reader", comments=True)
    if table is not None:
        set_power(findings, table[:, 0], table[:, 6], cosmology)
        for column, name in enumerate(_NAMES):
            zeros = np.flatnonzero(table[:, column] == 0.0)
            if zeros.size == len(table) and name not in _RADIATION:
                findings.problems.append(f"{name} is zero on every row: there is no such column")
            elif zeros.size and name in _MATTER:
                findings.problems.append(
                    f"row {zeros[0] + 1}: {name} = 0 ({zeros.size} row(s)): a hole in the table"
                )
        _check_signs(findings, table, cosmology)
        checks.check_coverage(findings, table[0, 0], table[-1, 0], run, "readers extrapolate")
    why = f"the run starts at z = {run.z:g}"
    checks.check_redshift_of(findings, path, run.z, why)
    return findings


def _check_signs(findings: Findings, table: np.ndarray, cosmology: Cosmology) -> None:
    """Note where the species' overdensities have different signs, or their velocities.

    Where there is little power left beside cold dark matter's, they pass through zeros of T at
    slightly different k.
    """
    for kind, names in _SAME_SIGN.items():
        values = table[:, [_MATTER[name] for name in names]]
        differ = (values.max(axis=1) > 0.0) & (values.min(axis=1) < 0.0)
        smallest = np.abs(values).min(axis=1)
        noticed = differ & (smallest > _NOTICEABLE * _cold_total(findings, cosmology))
        if noticed.any():
            findings.problems.append(
                f"row {int(np.argmax(noticed)) + 1} ({noticed.sum()} row(s)): {' and '.join(names)}"
                f" differ in sign: {kind} of opposite sign, or columns of different conventions"
            )
        elif differ.any():
            findings.notes.append(
                f"{kind} change sign at k = {table[differ, 0][0]:.3g} h/Mpc: for readers that keep "
                "signs only"
            )


def _cold_total(findings: Findings, cosmology: Cosmology) -> np.ndarray | float:
    """The column total (n,) of cold dark matter of the file's large-scale amplitude; 0 if none."""
    from spectra.structure import HIGHEST_Z, cold_power, power_table

    z = checks.amplitude_redshift(findings)
    if z is None:
        return 0.0
    power = cold_power(findings.k_h_mpc, power_table(), z=float(np.clip(z, 0.0, HIGHEST_Z)))
    return total_column(findings.k_h_mpc, np.asarray(power), cosmology)
