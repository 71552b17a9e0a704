"""pyHalo (substructure of lenses): keyword arguments of its preset ``WDMGeneral``, as JSON.

Read in pyHalo 1.5.2: ``log_mc``, log10 of the half-mode mass in Msun, and ``dlogT_dlogk``, the
logarithmic slope of T where T = 1/2. Its docstring asks for the absolute value of the latter, but
its code (Rendering/MassFunctions/stucker.py, Halos/concentration.py) for the slope as it is,
negative.
"""

import json
import math
from pathlib import Path

import numpy as np

from spectra.cosmology import Cosmology
from spectra.export.checks import read_lines
from spectra.export.findings import Findings, Simulation
from spectra.export.linear_state import cosmology_today, linear_state, sigma8_of
from spectra.export.writing import with_companions, write_exports
from spectra.structure import half_mode

# halo mass function: beta of Stuecker et al. 2109.09760; concentrations: clipped to their table
_BETA, _LOG_MASS, _SLOPE = (1.5, 6.0), (6.0, 8.0), (1.0, 4.0)
_GAMMA = 5.0
_X = 2.0 ** (1.0 / _GAMMA) - 1.0
_NOT_OF_THE_FORM = 0.05  # in T: what a plateau, two scales or oscillations do
_NOTE = """\
The half-mode is where T = 1/2 (T^2 = 1/4), its mass (4 pi/3) rho_m (pi/k)^3 in Msun without h. Use
WDMGeneral: its mass function takes the slope of the cut into account (Stuecker et al. 2109.09760).
WDM(z_lens, z_source, log_mc) assumes a thermal relic. kwargs_cosmo makes pyHalo's cosmology this
one; leave it out to keep pyHalo's.
"""


def write(path: Path, *, spectrum, transfer, cosmology, force, caveats=(), **_) -> list[Path]:
    """Write ``log_mc``, ``dlogT_dlogk`` and ``kwargs_cosmo``."""
    k_half, log_mc, slope = _cut(transfer, cosmology)
    state = linear_state(spectrum, cosmology, 0.0)
    given = {
        "log_mc": log_mc,
        "dlogT_dlogk": slope,
        "kwargs_cosmo": {
            **cosmology_today(cosmology, ("H0", "Om0", "Ob0")),
            "sigma8": sigma8_of(state.k_h_mpc, state.power),
            "ns": float(cosmology.n_s),
            "flat": True,
            "power_law": False,
        },
    }
    doubts = (*_beyond_fits(log_mc, slope), *_not_of_the_form(transfer, k_half, slope))
    return write_exports(
        with_companions(
            path,
            json.dumps(given, indent=1) + "\n",
            format="pyhalo",
            z=0.0,
            caveats=(*caveats, *doubts),
            parameters=f"""\
# import json
# from pyHalo.PresetModels.wdm import WDMGeneral
# WDMGeneral(z_lens, z_source, mass_threshold_sis=None, **json.load(open("{path.name}")))
""",
            note=_NOTE,
        ),
        force,
    )


def _cut(transfer, cosmology: Cosmology) -> tuple[float, float, float]:
    """k [h/Mpc] where T = 1/2, log10 of its mass in Msun, d ln T/d ln k there.

    ``ValueError`` if T does not cross 1/2 between its wavenumbers.
    """
    from scipy.interpolate import CubicSpline  # slow to import, needed only here

    k, t = _in_order(transfer)
    found = half_mode(transfer, cosmology)
    k_half = float(found.k_t_half_h_mpc)
    if not math.isfinite(k_half):
        raise ValueError(
            f"T does not fall through 1/2 between {k[0]:g} and {k[-1]:g} h/Mpc, and pyHalo knows a "
            "spectrum by its half-mode; use pyHalo's preset CDM, or another spectrum"
        )
    slope = 2.0 * float(CubicSpline(np.log(k), t).derivative()(math.log(k_half)))
    mass = float(found.m_hm_t_half_msun_h) / float(cosmology.h)
    return k_half, math.log10(mass), slope


def _in_order(transfer) -> tuple[np.ndarray, np.ndarray]:
    k, t = np.asarray(transfer.k_h_mpc), np.asarray(transfer.t)
    order = np.argsort(k)
    return k[order], t[order]


def _beta(slope: float) -> float:
    """beta of T = [1 + x (k/k_half)^beta]^-gamma, x = 2^(1/gamma) - 1, of that slope at k_half."""
    return -slope * (1.0 + _X) / _X / _GAMMA


def _beyond_fits(log_mc: float, slope: float) -> list[str]:
    """Sentences on where pyHalo's fits do not reach."""
    said, beta = [], _beta(slope)
    if not _BETA[0] <= beta <= _BETA[1]:
        said.append(
            f"the slope {slope:.3g} is beta = {beta:.2g}, outside {_BETA[0]:g} to {_BETA[1]:g}, "
            "where pyHalo's mass function was fitted"
        )
    for name, value, (low, high) in (
        ("log_mc", log_mc, _LOG_MASS),
        ("-dlogT_dlogk", -slope, _SLOPE),
    ):
        if not low <= value <= high:
            said.append(
                f"{name} = {value:.3g} is outside {low:g} to {high:g}: pyHalo's concentrations are "
                "those of the end"
            )
    return said


def _not_of_the_form(transfer, k_half: float, slope: float) -> list[str]:
    """A sentence where T is not what its half-mode and slope stand for."""
    k, t = _in_order(transfer)
    form = (1.0 + _X * (k / k_half) ** _beta(slope)) ** -_GAMMA
    off = float(np.max(np.abs(np.abs(t) - form)))
    if off <= _NOT_OF_THE_FORM:
        return []
    return [
        f"T differs by {off:.2g} from the form that its half-mode and slope stand for in pyHalo"
    ]


def check(path: Path, run: Simulation | None, cosmology: Cosmology) -> Findings:
    """What WDMGeneral would do with the two numbers."""
    findings = Findings()
    try:
        given = json.loads("".join(read_lines(path)))
        log_mc, slope = (float(given[name]) for name in ("log_mc", "dlogT_dlogk"))
    except (KeyError, TypeError, ValueError):
        findings.problems.append("not JSON with numbers log_mc and dlogT_dlogk")
        return findings
    if not (math.isfinite(log_mc) and 2.0 < log_mc < 15.0):
        findings.problems.append(f"log_mc = {log_mc:g} is not log10 of a mass in Msun")
    if not slope < 0.0:
        findings.problems.append(
            f"dlogT_dlogk = {slope:g} must be negative, whatever pyHalo's docstring says: its code "
            "takes the derivative itself"
        )
    elif not findings.problems:
        findings.notes += _beyond_fits(log_mc, slope)
    return findings
