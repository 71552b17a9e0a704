"""hmf (halo mass functions in Python): two columns, k and the transfer function of total matter.

For ``FromFile`` and ``FromArray`` of hmf 3.5.2 (hmf/density_field/transfer_models.py): lines
in ln T and ln k between the rows; P(k) = k^n T^2, normalised to sigma_8 and scaled with hmf's own
growth.
"""

from pathlib import Path

import numpy as np

from spectra.cosmology import Cosmology
from spectra.export import camb, checks
from spectra.export.caveats import comment_lines
from spectra.export.findings import Findings, Simulation
from spectra.export.linear_state import (
    cosmology_today,
    linear_state,
    normalised_power,
    sigma8_of,
    total_column,
)
from spectra.export.writing import table_text, with_companions, write_exports

# hmf's default lnk_min is ln 1e-8: where its k begins below the table's, it cuts the table at its
# first level stretch (_check_low_k), and a spectrum with bumps has one where there is power
_FIRST_K_H_MPC = 5e-9
_NEEDED_K_H_MPC = (1e-8, 100.0)
_NOTE = """\
T is that of total matter, 1 at small k: hmf makes k^n T^2 of it, normalised to sigma_8, which is
that of this spectrum. Do not wrap it in MassFunctionWDM or give a wdm_model: that suppresses again.
Use filter_model="SharpK" with filter_params={"c": 2.5}: a top hat keeps making haloes below the
cut. hmf scales P(k) to other redshifts with its own growth factor.
"""


def write(path: Path, *, spectrum, cosmology, force, caveats=(), **_) -> list[Path]:
    """Write k [h/Mpc] and T(k) today, normalised to 1 at small k."""
    state = linear_state(spectrum, cosmology, 0.0)
    total = total_column(state.k_h_mpc, state.power, cosmology)
    k = np.concatenate([[_FIRST_K_H_MPC], state.k_h_mpc])
    t = np.concatenate([total[:1], total]) / total[0]
    parameters = cosmology_today(cosmology)
    return write_exports(
        with_companions(
            path,
            table_text(k, t, header=comment_lines(caveats)),
            format="hmf",
            z=0.0,
            caveats=caveats,
            parameters=f"""\
# from hmf import MassFunction
# MassFunction(**these)
transfer_model = "FromFile"
transfer_params = {{"fname": "{path.name}"}}
cosmo_params = {parameters}
n = {float(cosmology.n_s):.10g}
sigma_8 = {sigma8_of(state.k_h_mpc, state.power):.8g}
filter_model = "SharpK"
filter_params = {{"c": 2.5}}
""",
            note=_NOTE,
        ),
        force,
    )


def check(path: Path, run: Simulation | None, cosmology: Cosmology) -> Findings:
    """hmf's reader: two columns (or CAMB's, of which it takes the seventh), T positive, k from
    below hmf's own on."""
    findings = Findings()
    table = camb.read_columns(path, findings, "hmf", comments=True, widths=(2, 13))
    if table is None:
        return findings
    k, t = table[:, 0], table[:, 6 if table.shape[1] == 13 else 1]
    checks.check_positive(findings, "T(k)", t)
    if k[0] > _NEEDED_K_H_MPC[0]:
        findings.notes.append(
            f"k begins at {k[0]:.3g} h/Mpc: hmf, whose own begins at 1e-8, drops the last row and "
            "all rows before the first level stretch of T; give lnk_min, or a row at 5e-9"
        )
        _check_cut(findings, k, t)
    if k[-1] < _NEEDED_K_H_MPC[1]:
        findings.notes.append(f"k ends at {k[-1]:.3g} h/Mpc: hmf goes on as a power law")
    findings.k_h_mpc, findings.power = k, normalised_power(k, t, cosmology)
    return findings


def _check_cut(findings: Findings, k: np.ndarray, t: np.ndarray) -> None:
    """What ``_check_low_k`` throws away, where that matters."""
    if not np.all(t > 0.0):
        return
    slope = np.abs(np.diff(np.log(t)) / np.diff(np.log(k)))
    level = np.flatnonzero(slope < 1e-4)
    if level.size and k[level[0]] > 1e-2:
        findings.problems.append(
            f"T is level at {k[level[0]]:.3g} h/Mpc: hmf throws the table away below; begin it at "
            "5e-9 h/Mpc"
        )
