"""Whether a file is safe for a simulation: what every format's check shares."""

import math
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from spectra.cosmology import Cosmology, matter_density_msun_h
from spectra.export.writing import declared_redshift

# numbers of particles up to here are taken per side: no box has so few in all
_MOST_PER_SIDE = 32768
_AMPLITUDE_K_H_MPC = (0.05, 0.02, 0.1)  # below the acoustic damping, above which T may differ
_REDSHIFT_TOLERANCE = 0.1  # in 1 + z, from an amplitude: cosmologies differ by per cents
_SPURIOUS = 10.1
# rms density contrast at the start: above the second, Lagrangian perturbation theory has failed
_LARGE, _CROSSED = 0.3, 1.0


@dataclass(frozen=True)
class Simulation:
    """What the file is for.

    Attributes
    ----------
    box_mpc_h : side of the box [Mpc/h].
    per_side : particles per side.
    z : starting redshift.
    """

    box_mpc_h: float
    per_side: float
    z: float

    @property
    def fundamental(self) -> float:
        """Smallest wavenumber of the box, 2 pi/L [h/Mpc]."""
        return 2.0 * math.pi / self.box_mpc_h

    @property
    def nyquist(self) -> float:
        """Nyquist wavenumber of the particles, pi N/L [h/Mpc]."""
        return math.pi * self.per_side / self.box_mpc_h


@dataclass
class Findings:
    """What a reader found: ``problems`` make the file unsafe, ``notes`` do not.

    ``k_h_mpc``, ``power``: (n,) what the target would use [h/Mpc, (Mpc/h)^3], or nothing.
    """

    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    k_h_mpc: np.ndarray = field(default_factory=lambda: np.empty(0))
    power: np.ndarray = field(default_factory=lambda: np.empty(0))


def simulation(box_mpc_h: float, particles, z: float) -> Simulation:
    """A :class:`Simulation` from what a user types.

    Parameters
    ----------
    box_mpc_h : side of the box [Mpc/h].
    particles : per side ("512", up to 32768), or all of them ("512^3" or "134217728").
    z : redshift of the start.

    Raises
    ------
    ValueError
        If one of them is not a positive number.
    """
    text = str(particles).strip().lower().replace("**", "^")
    try:
        base, _, power = text.partition("^")
        count = float(base)
        if power and float(power) != 3.0:
            raise ValueError
    except ValueError:
        raise ValueError(
            f"particles = '{particles}' is not a number; give 512, 512^3 or 134217728"
        ) from None
    per_side = count if power or count <= _MOST_PER_SIDE else count ** (1.0 / 3.0)
    values = {"box_mpc_h": float(box_mpc_h), "particles": per_side}
    for name, value in values.items():
        if not (math.isfinite(value) and value > 0.0):
            raise ValueError(f"{name} = {value:g} must be positive; give a number > 0")
    if not (math.isfinite(float(z)) and float(z) >= 0.0):
        raise ValueError(f"z = {z:g} must not be negative; give the starting redshift")
    return Simulation(float(box_mpc_h), per_side, float(z))


def read_lines(path: Path) -> list[str]:
    """Lines of a text file, each with its newline if it has one; bad bytes are replaced."""
    if path.is_dir():
        raise ValueError(f"{path} is a directory; give the name of the data file")
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file; check the path")
    return path.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True)


def numbers(line: str) -> list[float]:
    """The leading numbers of a line, as a stream reads them: up to the first word that is none."""
    found = []
    for word in line.split():
        try:
            found.append(float(word))
        except ValueError:
            break
    return found


def check_wavenumbers(findings: Findings, k: np.ndarray) -> bool:
    """Note what is wrong with the order of ``k``; False when nothing can be done with it."""
    if k.size < 4:
        findings.problems.append(f"{k.size} usable row(s); the target needs a table")
        return False
    if not np.all(np.isfinite(k)) or np.any(k <= 0.0):
        findings.problems.append("a wavenumber is not a positive number")
        return False
    if np.any(np.diff(k) <= 0.0):
        row = int(np.argmax(np.diff(k) <= 0.0)) + 2
        findings.problems.append(f"row {row}: k does not increase")
        return False
    return True


def check_positive(findings: Findings, name: str, values: np.ndarray) -> None:
    """Note the first value of which the target cannot take the logarithm."""
    bad = ~(np.isfinite(values) & (values > 0.0))
    if bad.any():
        row = int(np.argmax(bad)) + 1
        findings.problems.append(
            f"row {row}: {name} = {values[row - 1]:g}, of which the target takes the logarithm"
        )


def check_coverage(
    findings: Findings, k_low: float, k_high: float, run: Simulation, outside: str, margin=1.0
) -> None:
    """Compare the usable range [h/Mpc] with the modes of the box, corner of the grid included.

    ``outside``: what the target does there; ``margin``: how far it wants k beyond the corner.
    """
    if k_low > run.fundamental * (1.0 + 1e-9):
        findings.problems.append(
            f"k begins at {k_low:.4g} h/Mpc, above the box's smallest mode "
            f"{run.fundamental:.4g}; outside, {outside}"
        )
    needed = math.sqrt(3.0) * run.nyquist * margin
    if k_high < needed * (1.0 - 1e-9):
        findings.problems.append(
            f"k ends at {k_high:.4g} h/Mpc, below {needed:.4g} (corner of the particle grid); "
            f"outside, {outside}"
        )


def _amplitudes(findings: Findings) -> tuple[np.ndarray, np.ndarray, float] | None:
    """ln(1 + z), ln P of the default cosmology there and ln P of the file, at one large scale."""
    from spectra.structure import ln_primordial, power_table

    k, power = findings.k_h_mpc, findings.power
    if not k.size or not np.all(power > 0.0):
        return None
    usable = [at for at in _AMPLITUDE_K_H_MPC if k[0] <= at <= k[-1]]
    if not usable:
        return None
    ln_k = math.log(usable[0])
    table = power_table()
    nodes, rows = np.asarray(table.ln_k), np.asarray(table.ln_shape)
    tilt = float(ln_primordial(ln_k, table.cosmology))
    expected = np.array([np.interp(ln_k, nodes, row) for row in rows]) + tilt
    here = float(np.interp(ln_k, np.log(k), np.log(power)))
    return np.asarray(table.ln_one_plus_z), expected, here


def amplitude_redshift(findings: Findings) -> float | None:
    """Redshift at which P(k) has its large-scale amplitude in the default cosmology, or None."""
    found = _amplitudes(findings)
    if found is None:
        return None
    ln_one_plus_z, expected, here = found
    # P falls with z, as (1 + z)^-2 beyond the table
    within = np.interp(-here, -expected, ln_one_plus_z)
    beyond = min(expected[0] - here, 0.0) + max(expected[-1] - here, 0.0)
    return float(np.expm1(within + 0.5 * beyond))


def check_linear(findings: Findings, run: Simulation) -> None:
    """Note whether the density field that the particles carry is still small at the start.

    Its variance is the integral of k^3 P/2 pi^2 over ln k up to the Nyquist wavenumber, scaled to
    the run's redshift by the large-scale amplitude of the default cosmology.
    """
    found = _amplitudes(findings)
    if found is None:
        return
    ln_one_plus_z, expected, here = found
    growth = math.exp(float(np.interp(math.log1p(run.z), ln_one_plus_z, expected)) - here)
    k = findings.k_h_mpc
    inside = (k >= run.fundamental) & (k <= run.nyquist)
    if inside.sum() < 2:
        return
    delta2 = k[inside] ** 3 * findings.power[inside] / (2.0 * math.pi**2)
    rms = math.sqrt(growth * np.trapezoid(delta2, np.log(k[inside])))
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


def check_redshift_of(findings: Findings, path: Path, expected: float, why: str) -> None:
    """Compare the redshift the file was written for, or else has the amplitude of, with
    ``expected``; ``why`` ends the sentence."""
    declared = declared_redshift(path)
    if declared is not None:
        if abs(declared - expected) > 1e-3 * (1.0 + expected):
            findings.problems.append(f"written for z = {declared:g}, but {why}")
        return
    check_amplitude(findings, expected, why)


def check_amplitude(findings: Findings, expected: float, why: str) -> None:
    """Compare the amplitude of P(k) with that of redshift ``expected``."""
    z = amplitude_redshift(findings)
    if z is None:
        findings.notes.append("the file does not tell its redshift")
        return
    if abs(math.log((1.0 + z) / (1.0 + expected))) > _REDSHIFT_TOLERANCE:
        findings.problems.append(
            f"the amplitude is that of 1 + z = {1.0 + z:.4g} (default cosmology), but {why}"
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
    if peak >= k.size - 2 or delta2[-1] > 0.1 * delta2[peak]:
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
