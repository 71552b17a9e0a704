"""Whether a file is safe for a simulation: what every format's check shares.

A check goes on after a complaint, so that all that is wrong is listed: bad rows are told and left
out, and the rest is judged.
"""

import math
import re
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from spectra.cosmology import Cosmology, matter_density_msun_h
from spectra.export.findings import Findings, Simulation
from spectra.export.writing import declared_redshift

_FEWEST_ROWS = 4
# no power: k^3 P at the table's end over its largest, and how far beyond the end that is believed
_NO_POWER, _NO_POWER_REACH = 1e-3, 2.0
_NUMBER = re.compile(
    r"[+-]?((\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|nan|inf|infinity)", re.IGNORECASE | re.ASCII
)
# k and window [h/Mpc] of an amplitude: below the acoustic damping, above which T may differ
_AMPLITUDE_K_H_MPC = (0.05, 0.01, 0.12)
# in ln(1 + z), from an amplitude: cosmologies differ by per cents where it counts, and by more
# where the target normalises to sigma_8 itself
REDSHIFT_TOLERANCE, NORMALISED_TOLERANCE = 0.1, 0.4
# two such, and the slope between them beside cold dark matter's: 3 for k^3 P, and nothing is so hot
_SHAPE_K_H_MPC, _SHAPE_SLOPES = ((0.02, 0.01, 0.04), (0.1, 0.06, 0.2)), (-2.0, 0.7)
_SPURIOUS = 10.1
# rms density contrast at the start: above the second, Lagrangian perturbation theory has failed
_LARGE, _CROSSED = 0.3, 1.0


def read_lines(path: Path) -> list[str]:
    """Lines of a text file, each with its newline if it has one; bad bytes are replaced.

    Only newlines end lines, as for the targets' streams.
    """
    if path.is_dir():
        raise ValueError(f"{path} is a directory; give the name of the data file")
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file; check the path")
    text = path.read_bytes().decode("utf-8", errors="replace")
    return [line for line in re.split(r"(?<=\n)", text) if line]


def numbers(line: str) -> list[float]:
    """The leading numbers of a line, as a stream reads them: up to the first word that is none."""
    found = []
    for word in line.split():
        if not _NUMBER.fullmatch(word):
            break
        found.append(float(word))
    return found


def without_open_end(findings: Findings, lines: list[str], target: str) -> list[str]:
    """The lines that are ended; a problem where the last one is not, which the target drops."""
    if not lines or lines[-1].endswith("\n"):
        return lines
    findings.problems.append(f"the last line has no newline: {target} drops it")
    return lines[:-1]


def usable_rows(findings: Findings, table: np.ndarray) -> np.ndarray | None:
    """The rows of ``table`` (n, m) that can be judged, k in the first column and increasing.

    What is wrong with the others is told. None where fewer than four are left.
    """
    finite = np.isfinite(table).all(axis=1)
    if not finite.all():
        _tell_row(findings, ~finite, "an entry is not a number")
    positive = table[:, 0] > 0.0
    if not (positive | ~finite).all():
        _tell_row(findings, finite & ~positive, "a wavenumber is not a positive number")
    table = table[finite & positive]
    falling = np.diff(table[:, 0], prepend=-1.0) <= 0.0
    if falling.any():
        _tell_row(findings, falling, "k does not increase")
        table = table[np.unique(table[:, 0], return_index=True)[1]]
    if len(table) < _FEWEST_ROWS:
        findings.problems.append(f"{len(table)} usable row(s); the target needs a table")
        return None
    return table


def check_wavenumbers(findings: Findings, k: np.ndarray) -> bool:
    """Note what is wrong with ``k`` (n,) [h/Mpc]; False when it cannot be used as it is."""
    before = len(findings.problems)
    usable_rows(findings, np.asarray(k, dtype=float)[:, None])
    return len(findings.problems) == before


def check_positive(findings: Findings, name: str, values: np.ndarray) -> None:
    """Note the first value of which the target cannot take the logarithm."""
    bad = ~(values > 0.0)
    if bad.any():
        value = values[int(np.argmax(bad))]
        _tell_row(findings, bad, f"{name} = {value:g}, of which the target takes the logarithm")


def _tell_row(findings: Findings, bad: ArrayLike, what: str) -> None:
    rows = np.flatnonzero(bad)
    more = f" (and {rows.size - 1} more)" if rows.size > 1 else ""
    findings.problems.append(f"row {rows[0] + 1}{more}: {what}")


def check_coverage(
    findings: Findings,
    k_low: float,
    k_high: float,
    run: Simulation,
    outside: str,
    *,
    highest: float | None = None,
    stops: bool = False,
) -> None:
    """Compare the range that the target can use with the modes of the box.

    Parameters
    ----------
    k_low, k_high : the range [h/Mpc].
    outside : what the target does there.
    highest : largest k that it asks for [h/Mpc]; the corner of the particle grid, sqrt(3) times
        the Nyquist wavenumber, when left out.
    stops : whether it then stops; else an end where there is no power left does no harm.
    """
    if k_low > run.fundamental * (1.0 + 1e-9):
        findings.problems.append(
            f"k begins at {k_low:.4g} h/Mpc, above the box's smallest mode "
            f"{run.fundamental:.4g}; outside, {outside}"
        )
    needed = math.sqrt(3.0) * run.nyquist if highest is None else highest
    if k_high >= needed * (1.0 - 1e-9):
        return
    short = (
        f"k ends at {k_high:.4g} h/Mpc, below {needed:.4g} "
        f"({'corner of the particle grid' if highest is None else 'what is asked for'})"
    )
    left = power_left(findings)
    if not stops and left < _NO_POWER and needed < _NO_POWER_REACH * k_high:
        findings.notes.append(f"{short}: no power there, k^3 P is {left:.1g} of its largest")
    else:
        findings.problems.append(f"{short}; outside, {outside}")


def power_left(findings: Findings) -> float:
    """k^3 P at the end of the table over its largest; 1 where it does not fall there."""
    delta2 = findings.k_h_mpc**3 * np.abs(findings.power)
    if delta2.size < 2 or not delta2.max() > 0.0 or delta2[-1] > delta2[-2]:
        return 1.0
    return float(delta2[-1] / delta2.max())


def _node(findings: Findings, k: float, low: float, high: float) -> tuple[float, float] | None:
    """The row with power nearest to ``k`` within ``low``..``high`` [h/Mpc]: its k and ln P.

    Rows as they are: between those of a sparse table P is not known well enough.
    """
    there = (findings.power > 0.0) & (findings.k_h_mpc >= low) & (findings.k_h_mpc <= high)
    if not there.any():
        return None
    nodes = findings.k_h_mpc[there]
    nearest = int(np.argmin(np.abs(np.log(nodes / k))))
    return float(nodes[nearest]), math.log(findings.power[there][nearest])


def _default_ln_power(k: float) -> tuple[np.ndarray, np.ndarray]:
    """ln(1 + z), rising, and ln P at ``k`` [h/Mpc] of the default cosmology's cold dark matter."""
    from spectra.structure import ln_primordial, power_table

    table = power_table()
    tilt = float(ln_primordial(math.log(k), table.cosmology))
    nodes, rows = np.asarray(table.ln_k), np.asarray(table.ln_shape)
    return (
        np.asarray(table.ln_one_plus_z),
        np.array([np.interp(math.log(k), nodes, row) for row in rows]) + tilt,
    )


def _amplitudes(findings: Findings) -> tuple[np.ndarray, np.ndarray, float] | None:
    """ln(1 + z), ln P of the default cosmology there and ln P of the file, at one large scale."""
    found = _node(findings, *_AMPLITUDE_K_H_MPC)
    return None if found is None else (*_default_ln_power(found[0]), found[1])


def _amplitude(findings: Findings) -> float | None:
    """ln(1 + z) at which P(k) has its large-scale amplitude in the default cosmology, or None."""
    found = _amplitudes(findings)
    if found is None:
        return None
    ln_one_plus_z, expected, here = found
    # P falls with z, as (1 + z)^-2 beyond the table
    within = np.interp(-here, -expected, ln_one_plus_z)
    beyond = min(expected[0] - here, 0.0) + max(expected[-1] - here, 0.0)
    return float(within + 0.5 * beyond)


def amplitude_redshift(findings: Findings) -> float | None:
    """Redshift at which P(k) has its large-scale amplitude in the default cosmology, or None."""
    found = _amplitude(findings)
    return None if found is None else float(np.expm1(found))


def check_shape(findings: Findings) -> None:
    """Note a P(k) whose large scales have the shape of something else."""
    low, high = (_node(findings, *window) for window in _SHAPE_K_H_MPC)
    if low is None or high is None:
        return
    excess = [ln_power - _default_ln_power(k)[1][0] for k, ln_power in (low, high)]
    slope = (excess[1] - excess[0]) / math.log(high[0] / low[0])
    if not _SHAPE_SLOPES[0] < slope < _SHAPE_SLOPES[1]:
        findings.problems.append(
            f"between {low[0]:.2g} and {high[0]:.2g} h/Mpc P(k) is that of cold dark matter times "
            f"k^{slope:.1f}: these are not the numbers that the target wants (P, k^3 P, T?)"
        )


def check_linear(findings: Findings, run: Simulation) -> None:
    """Note whether the density field that the particles carry is still small at the start.

    Its variance is the integral of k^3 P/2 pi^2 over ln k up to the Nyquist wavenumber, scaled to
    the run's redshift by the large-scale amplitude of the default cosmology.
    """
    found = _amplitudes(findings)
    if found is None:
        return
    ln_one_plus_z, expected, here = found
    growth = np.exp(np.interp(math.log1p(run.z), ln_one_plus_z, expected) - here)
    k = findings.k_h_mpc
    inside = (k >= run.fundamental) & (k <= run.nyquist)
    if inside.sum() < 2:
        return
    delta2 = k[inside] ** 3 * findings.power[inside] / (2.0 * math.pi**2)
    rms = np.sqrt(growth * np.trapezoid(delta2, np.log(k[inside])))
    if rms > _CROSSED:
        findings.problems.append(
            f"at z = {run.z:g} the particles' density contrast is {rms:.2g} already: trajectories "
            "have crossed; start earlier"
        )
    elif rms > _LARGE:
        findings.notes.append(
            f"the particles' density contrast at z = {run.z:g} is {rms:.2g}: first-order initial "
            "conditions will leave transients; start earlier, or use second or third order"
        )


def check_redshift_of(
    findings: Findings,
    path: Path,
    expected: float,
    why: str,
    tolerance: float = REDSHIFT_TOLERANCE,
) -> None:
    """Compare the redshift the file was written for, or else has the amplitude of, with
    ``expected``; ``why`` ends the sentence. ``tolerance``: of the latter, in ln(1 + z)."""
    declared = declared_redshift(path)
    if declared is not None:
        if abs(declared - expected) > 1e-3 * (1.0 + expected):
            findings.problems.append(f"written for z = {declared:g}, but {why}")
        return
    check_amplitude(findings, expected, why, tolerance)


def check_amplitude(
    findings: Findings, expected: float, why: str, tolerance: float = REDSHIFT_TOLERANCE
) -> None:
    """Compare the amplitude of P(k) with that of redshift ``expected``."""
    ln_one_plus_z = _amplitude(findings)
    if ln_one_plus_z is None:
        findings.notes.append("the file does not tell its redshift")
    elif abs(ln_one_plus_z - math.log1p(expected)) > tolerance:
        findings.problems.append(
            f"the amplitude is that of 1 + z = {np.exp(ln_one_plus_z):.4g} (default cosmology), "
            f"but {why}"
        )


def note_cut(findings: Findings, run: Simulation, cosmology: Cosmology | None = None) -> None:
    """Note whether the particles resolve the cut in the power, and which haloes are artefacts.

    M_lim = 10.1 rho_m d/k_peak^2, d the mean particle separation, k_peak where k^3 P peaks
    (Wang & White 2007, astro-ph/0702575).
    """
    if not findings.power.size:
        return
    k, delta2 = findings.k_h_mpc, findings.k_h_mpc**3 * findings.power
    peak = int(np.argmax(delta2))
    if not delta2[peak] > 0.0 or peak >= k.size - 2 or delta2[-1] > 0.1 * delta2[peak]:
        return
    if k[peak] > run.nyquist:
        findings.notes.append(
            f"the cut (k^3 P peaks at {k[peak]:.3g} h/Mpc) is beyond the particles' Nyquist "
            f"wavenumber {run.nyquist:.3g}: the run cannot tell it from cold dark matter"
        )
        return
    cosmology = Cosmology() if cosmology is None else cosmology
    density = float(matter_density_msun_h(cosmology))
    limit = _SPURIOUS * density * run.box_mpc_h / run.per_side / k[peak] ** 2
    findings.notes.append(
        f"haloes below {limit:.2g} Msun/h will be dominated by artefacts of the particles "
        "(Wang & White 2007)"
    )
