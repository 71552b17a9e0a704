"""21cmFAST 4: k and the transfer function of total matter today, for ``CosmoTables``.

Read in its source, src/py21cmfast/src/cosmology.c and wrapper/inputs.py of 4.1.1: with
POWER_SPECTRUM = "CLASS" P(k) = 2 pi^2 A_s (k/0.05)^(n_s - 1) T^2/k^3 with T = delta/zeta, k in
1/Mpc, a cubic spline of T in k from k = 0, and beyond the table Eisenstein and Hu's cold spectrum.
"""

from pathlib import Path

import numpy as np

from spectra.cosmology import Cosmology
from spectra.export import checks
from spectra.export.caveats import comment_lines
from spectra.export.findings import Findings, Simulation
from spectra.export.linear_state import linear_state, power_of, total_column
from spectra.export.writing import table_text, with_companions, write_exports

# 1.5 2 pi/R of 1e9 Msun, what 21cmFAST asks CLASS for without minihaloes
_NEEDED_K_MPC = 50.0
_NOTE = """\
21cmFAST reads no file of its own: hand it the table (docs/plugins.md has the lines). It splines the
velocities of transfer_vcb on the wavenumbers of transfer_density, so interpolate its own to the k
of this file; streaming velocities are those of cold dark matter, as free streaming is on smaller
scales. Keep POWER_SPECTRUM = "CLASS" and evolve nothing afterwards that makes it run CLASS again
(evolve_input_structs with a cosmological parameter). USE_SIGMA_8 = False with ps_norm = A_s is this
P(k) as it stands. Haloes: its window is a top hat, which keeps making haloes below the cut; see
FILTER and HMF.
"""


def write(path: Path, *, spectrum, cosmology, force, caveats=(), **_) -> list[Path]:
    """Write k [1/Mpc] and T = delta/zeta of total matter today, from k = 0 on."""
    state = linear_state(spectrum, cosmology, 0.0)
    h = float(cosmology.h)
    k_mpc = state.k_h_mpc * h
    t = k_mpc**2 * total_column(state.k_h_mpc, state.power, cosmology)
    return write_exports(
        with_companions(
            path,
            table_text(
                np.concatenate([[0.0], k_mpc]),
                np.concatenate([[0.0], t]),
                header=comment_lines(caveats),
            ),
            format="21cmfast",
            z=0.0,
            caveats=caveats,
            parameters=f"""\
# CosmoParams(**these); CosmoTables(..., ps_norm=A_s, USE_SIGMA_8=False)
hlittle = {h:.10g}
OMm = {float(cosmology.omega_b + cosmology.omega_dm) / h**2:.10g}
OMb = {float(cosmology.omega_b) / h**2:.10g}
POWER_INDEX = {float(cosmology.n_s):.10g}
A_s = {float(cosmology.a_s):.10g}
""",
            note=_NOTE,
        ),
        force,
    )


def check(path: Path, run: Simulation | None, cosmology: Cosmology) -> Findings:
    """What 21cmFAST's splines make of the table: k from 0 and increasing, T positive, far enough
    that the cold spectrum which it goes on with has no say."""
    findings = Findings()
    rows = [checks.numbers(line) for line in checks.read_lines(path) if not line.startswith("#")]
    if not rows or any(len(row) != 2 for row in rows):
        findings.problems.append("not two columns of numbers, k [1/Mpc] and T")
        return findings
    table = np.array(rows, dtype=float)
    if not (table[0] == 0.0).all():
        findings.problems.append(
            f"row 1: k = {table[0, 0]:g}, T = {table[0, 1]:g}; 21cmFAST needs a row of zeros, or "
            "has no number below the first k"
        )
    else:
        table = table[1:]
    usable = checks.usable_rows(findings, table)
    if usable is None:
        return findings
    k_mpc, t = usable.T
    checks.check_positive(findings, "T(k)", t)
    if k_mpc[-1] < _NEEDED_K_MPC:
        findings.problems.append(
            f"k ends at {k_mpc[-1]:.3g} 1/Mpc: beyond, 21cmFAST puts cold dark matter's power back"
        )
    k = k_mpc / float(cosmology.h)
    findings.k_h_mpc, findings.power = k, power_of(k, t / k_mpc**2, cosmology)
    return findings
