"""Thermal velocities: the speed distribution, to be drawn from and added to particles.

No public generator of initial conditions reads a tabulated distribution; those that add thermal
velocities assume Fermi-Dirac. :mod:`spectra.export.snapshot` adds these to a GADGET HDF5 snapshot.
"""

import math
from pathlib import Path

import h5py
import numpy as np

from spectra.constants import SPEED_OF_LIGHT_KM_S
from spectra.cosmology import Cosmology, photon_temperature_gev
from spectra.export.findings import Findings, Simulation
from spectra.export.linear_state import check_redshift
from spectra.export.writing import with_companions, write_exports
from spectra.files import array, hdf5_bytes, number
from spectra.safe_hdf5 import opened
from spectra.spectrum import Spectrum

_FASTEST = 0.1  # v/c of the mean above which an N-body code has nothing to say
_LN_STEP = 0.005
_TAIL = 1e-14  # of the peak of q^3 f; cut there
_TOLERANCE = 1e-6


def write(path: Path, *, spectrum, cosmology, z, force, caveats=(), **_) -> list[Path]:
    """Write q, the share of particles below it, and their peculiar speed at redshift ``z``."""
    check_redshift(z)
    q, cumulative = distribution(spectrum)
    today = momentum_over_mass(spectrum, cosmology)
    speed = peculiar_speed_km_s(q, today, z)
    mean, rms = speed_moments(q, cumulative, today, z)
    if mean > _FASTEST * SPEED_OF_LIGHT_KM_S:
        raise ValueError(
            f"the mean thermal speed at z = {z:g} is {mean / SPEED_OF_LIGHT_KM_S:.2g} c: these "
            "particles are not slow; start the simulation later"
        )

    def fill(file: h5py.File) -> None:
        file.attrs["format"] = "sterile-spectra velocities"
        file.attrs["z"] = z
        if caveats:
            file.attrs["warnings"] = "\n".join(caveats)
        file.attrs["momentum_over_mass_today"] = today
        file.attrs["mean_speed_km_s"] = mean
        file.attrs["rms_speed_km_s"] = rms
        for name, values, unit, description in (
            ("q", q, "1", "comoving momentum over temperature, p a/T_ref"),
            ("cumulative", cumulative, "1", "share of particles below q"),
            ("speed_km_s", speed, "km/s", "peculiar speed of q at redshift z"),
        ):
            data = file.create_dataset(name, data=values)
            data.attrs["unit"], data.attrs["description"] = unit, description

    return write_exports(
        with_companions(
            path,
            hdf5_bytes(fill),
            format="velocities",
            z=z,
            caveats=caveats,
            parameters=f"""\
python -m spectra.export.snapshot {path.name} SNAPSHOT.hdf5 -o SNAPSHOT-warm.hdf5
""",
            note=f"""\
Mean speed {mean:.6g} km/s, rms {rms:.6g} km/s, peculiar, at z = {z:g}; they scale as 1 + z.
No public generator of initial conditions reads a tabulated distribution: the command in the
parameter file adds speeds drawn from it, in random directions, to the dark matter of a GADGET HDF5
snapshot, at the redshift of that snapshot. GADGET files hold v/sqrt(a), which it takes care of.
Switch off the generator's own thermal velocities (WDM_Vtherm_On, MWDM_therm). Particles of a
simulation are not particles of dark matter: where these speeds exceed the bulk velocities, they add
noise, not physics.
""",
        ),
        force,
    )


def distribution(spectrum: Spectrum) -> tuple[np.ndarray, np.ndarray]:
    """Momenta and the share of particles below them, both (m,): the integral of q^2 f.

    f between its nodes as monotone cubics of ln f in ln q (linear where it is zero).
    """
    from scipy.interpolate import PchipInterpolator  # slow to import, needed only here

    q, f = np.asarray(spectrum.q), np.asarray(spectrum.f)
    weight = q**3 * f
    significant = np.flatnonzero(weight > _TAIL * weight.max())
    ends = slice(significant[0], significant[-1] + 1)
    ln_q, weight = np.log(q[ends]), np.maximum(weight[ends], _TAIL * weight.max())
    count = int(np.ceil((ln_q[-1] - ln_q[0]) / _LN_STEP)) + 1
    grid = np.linspace(ln_q[0], ln_q[-1], count)
    values = np.exp(PchipInterpolator(ln_q, np.log(weight))(grid))
    steps = 0.5 * (values[1:] + values[:-1]) * np.diff(grid)
    cumulative = np.concatenate([[0.0], np.cumsum(steps)])
    return np.exp(grid), cumulative / cumulative[-1]


def momentum_over_mass(spectrum: Spectrum, cosmology: Cosmology) -> float:
    """p/(m c) today of q = 1: T_ref/m."""
    temperature_kev = 1e6 * float(photon_temperature_gev(cosmology))
    return float(spectrum.temperature_ratio) * temperature_kev / float(spectrum.mass_kev)


def peculiar_speed_km_s(q: np.ndarray, today: float, z: float) -> np.ndarray:
    """v = c u/sqrt(1 + u^2), u = q (T_ref/m) (1 + z) [km/s]; ``today``: T_ref/m."""
    u = np.asarray(q) * today * (1.0 + z)
    return SPEED_OF_LIGHT_KM_S * u / np.sqrt(1.0 + u**2)


def speed_moments(q, cumulative, today: float, z: float) -> tuple[float, float]:
    """Mean and rms peculiar speed [km/s] of a tabulated distribution."""
    middle = peculiar_speed_km_s(np.sqrt(q[1:] * q[:-1]), today, z)
    share = np.diff(cumulative)
    return float(share @ middle), math.sqrt(float(share @ middle**2))


def check(path: Path, run: Simulation, cosmology: Cosmology) -> Findings:
    """The file of :func:`write`: whole, monotone, its speeds those of its momenta."""
    findings = Findings()
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file; check the path")
    try:
        with opened(path) as file:
            names = ("q", "cumulative", "speed_km_s")
            q, cumulative, speed = (np.asarray(array(file, name), dtype=float) for name in names)
            today, z = (number(file, name) for name in ("momentum_over_mass_today", "z"))
    except (OSError, KeyError, RuntimeError, TypeError, ValueError) as error:
        findings.problems.append(f"not a velocity file ({str(error).splitlines()[0]})")
        return findings
    if not (q.shape == cumulative.shape == speed.shape and q.ndim == 1 and q.size > 3):
        findings.problems.append("q, cumulative and speed_km_s differ in length")
        return findings
    if not np.isfinite([q, cumulative, speed]).all() or not math.isfinite(today):
        findings.problems.append("q, cumulative or speed_km_s is not finite")
        return findings
    if not (np.all(np.diff(q) > 0.0) and np.all(np.diff(cumulative) >= 0.0) and q[0] > 0.0):
        findings.problems.append("q or cumulative falls, or q is not positive")
        return findings
    if abs(cumulative[0]) > _TOLERANCE or abs(cumulative[-1] - 1.0) > _TOLERANCE:
        findings.problems.append("cumulative does not run from 0 to 1")
    if not np.allclose(speed, peculiar_speed_km_s(q, today, z), rtol=_TOLERANCE):
        findings.problems.append("speed_km_s is not that of q (a factor sqrt(a), or 1 + z?)")
    if abs(z - run.z) > 1e-3 * (1.0 + run.z):
        findings.problems.append(f"written for z = {z:g}, but the run starts at z = {run.z:g}")
    mean, rms = speed_moments(q, cumulative, today, run.z)
    findings.notes.append(f"mean speed {mean:.4g} km/s, rms {rms:.4g} km/s at z = {run.z:g}")
    # a particle crosses a mean separation in about a Hubble time at this speed
    crossing = rms / (100.0 * run.box_mpc_h / run.per_side)
    if crossing > 1.0:
        findings.notes.append(
            "thermal speeds carry particles across their separation in a Hubble time: expect noise"
        )
    return findings
