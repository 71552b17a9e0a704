"""monofonIC, ``transfer = CAMB_file``: thirteen columns at the target redshift, back-scaled."""

from pathlib import Path

from spectra.cosmology import Cosmology
from spectra.export import camb, checks
from spectra.export.caveats import comment_lines
from spectra.export.findings import Findings, Simulation
from spectra.export.linear_state import density_lines, linear_state, sigma8_of
from spectra.export.writing import declared_redshift, table_text, with_companions, write_exports
from spectra.structure import COLUMNS

_MARGIN = 1.2  # monofonIC wants k beyond the corner of its grid by this factor
# those that it evaluates; mass_nu is read and never used
_LOGARITHMS = {"cdm": 1, "baryon": 2, "total": 6, "v_cdm": 10, "v_b": 11}
_NORMALISED = checks.NORMALISED_TOLERANCE  # by sigma_8


def write(path: Path, *, spectrum, cosmology, z, force, caveats=(), **_) -> list[Path]:
    """Write the table at the target redshift ``z`` (``ztarget``, today unless it says otherwise).

    Every column of which monofonIC takes the logarithm is positive; that of massive neutrinos,
    which there are none of, holds the total, for versions before it was left alone.
    """
    state = linear_state(spectrum, cosmology, z)
    columns = state.positive_columns("monofonic")
    columns["massive_neutrino"] = columns["total"]
    today = state if z == 0.0 else linear_state(spectrum, cosmology, 0.0)
    return write_exports(
        with_companions(
            path,
            table_text(*(columns[name] for name in COLUMNS), header=comment_lines(caveats)),
            format="monofonic",
            z=z,
            caveats=caveats,
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
The table is at z = {z:g}, monofonIC's target redshift: ztarget must say so, as in the parameter
file. monofonIC scales from there to the start itself. sigma_8 replaces the table's normalisation:
use the number given, which includes the suppression. There is no other suppression to switch off.
Columns are positive: monofonIC interpolates logarithms; of a zero it makes NaN without an error or,
in its latest version, interpolates numbers that fall by decades.
""",
        ),
        force,
    )


def check(path: Path, run: Simulation, cosmology: Cosmology) -> Findings:
    """monofonIC's reader: thirteen columns or nine, newline at the end, no zero in a column that it
    evaluates, last but one k beyond the grid, at ztarget."""
    findings = Findings()
    table = camb.read_columns(path, findings, "monofonIC", comments=True, widths=(13, 9))
    if table is not None:
        used = {name: column for name, column in _LOGARITHMS.items() if column < table.shape[1]}
        camb.check_columns(findings, table, used)
        if table.shape[1] == 9:
            findings.notes.append(
                "nine columns: monofonIC takes the overdensities for velocities (13 have both)"
            )
        k = table[:, 0]
        camb.set_power(findings, k, table[:, 6], cosmology)
        # it clamps k to the second and the last but one, and stops where they do not reach the grid
        checks.check_coverage(
            findings,
            k[1],
            k[-2],
            run,
            "monofonIC stops, or holds T constant below",
            highest=_MARGIN * 3.0**0.5 * run.nyquist,
            stops=True,
        )
    declared = declared_redshift(path)
    if declared is not None:
        findings.notes.append(f"set ztarget = {declared:g}: the table is of that redshift")
    else:
        checks.check_amplitude(
            findings, 0.0, "monofonIC takes the table at ztarget, 0 unless set", _NORMALISED
        )
    return findings
