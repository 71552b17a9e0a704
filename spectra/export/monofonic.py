"""monofonIC, ``transfer = CAMB_file``: thirteen columns at the target redshift, back-scaled."""

from pathlib import Path

from spectra.cosmology import Cosmology
from spectra.export import camb, checks
from spectra.export.linear_state import density_lines, linear_state, sigma8_of
from spectra.export.writing import table_text, with_companions, write_exports
from spectra.structure import COLUMNS

_MARGIN = 1.2  # monofonIC wants k beyond the corner of its grid by this factor
_LOGARITHMS = {"cdm": 1, "baryon": 2, "mass_nu": 5, "total": 6, "v_cdm": 10, "v_b": 11}


def write(path: Path, *, spectrum, cosmology, z, force, **_) -> list[Path]:
    """Write the table at the target redshift ``z`` (``ztarget``, today unless it says otherwise).

    Every column of which monofonIC takes the logarithm is positive; that of massive neutrinos,
    which there are none of, holds the total.
    """
    state = linear_state(spectrum, cosmology, z)
    columns = state.positive_columns("monofonic")
    columns["massive_neutrino"] = columns["total"]
    today = state if z == 0.0 else linear_state(spectrum, cosmology, 0.0)
    return write_exports(
        with_companions(
            path,
            table_text(*(columns[name] for name in COLUMNS)),
            format="monofonic",
            z=z,
            parameters=f"""\
[cosmology]
transfer      = CAMB_file
transfer_file = {path.name}
ztarget       = {z:.10g}
ParameterSet  = none
{density_lines(cosmology)}
n_s           = {float(cosmology.n_s):.10g}
sigma_8       = {sigma8_of(today.k_h_mpc, today.power):.8g}
""",
            note=f"""\
The table is at z = {z:g}, monofonIC's target redshift; monofonIC scales back to the start itself.
Do not give it a table at the starting redshift. sigma_8 replaces the table's normalisation: use the
number given, which includes the suppression. There is no other suppression to switch off. Columns
are positive: monofonIC interpolates logarithms, and a zero gives NaN without an error.
""",
        ),
        force,
    )


def check(path: Path, run: checks.Simulation, cosmology: Cosmology) -> checks.Findings:
    """monofonIC's reader: newline at the end, no value <= 0, last but one k beyond the grid."""
    findings = checks.Findings()
    table = camb.read_columns(path, findings, comments=True, positive=_LOGARITHMS)
    if table is None:
        return findings
    k = table[:, 0]
    camb.set_power(findings, k, table[:, 6], cosmology)
    # monofonIC drops the first and last node, and is constant outside
    checks.check_coverage(
        findings, k[1], k[-2], run, "monofonIC stops or holds T constant", margin=_MARGIN
    )
    why = "monofonIC takes the table at ztarget (0) and scales it back itself"
    checks.check_redshift_of(findings, path, 0.0, why)
    return findings
