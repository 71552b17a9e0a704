"""An export format of one's own: log10 k [h/Mpc] and log10 P [(Mpc/h)^3] for a code called pico.

A format writes a file and reads it back as its target would. ``linear_state`` has P(k) and the
ratio of every species at the redshift; ``with_companions`` adds the two small files beside each
table; ``write_exports`` writes all of them or none. With STERILE_MECHANISMS=export the command
line knows it: ``sterile export OUT.h5 --format pico -o power.txt``.
"""

import numpy as np

from spectra import export
from spectra.export import checks


def write(path, *, spectrum, cosmology, z, force, caveats, **_):
    """Two columns at redshift ``z``, the suppression included."""
    state = export.linear_state(spectrum, cosmology, z)
    rows = np.log10(np.column_stack([state.k_h_mpc, state.power]))
    text = "".join(f"{k:.10e} {power:.10e}\n" for k, power in rows)
    files = export.with_companions(
        path,
        text,
        format="pico",
        z=z,
        parameters=f"PowerFile = {path.name}\nPowerRedshift = {z:g}",
        note="The table has the suppression: switch off any fit of a cut-off in pico.",
        caveats=caveats,
    )
    return export.write_exports(files, force)


def check(path, run, cosmology):
    """What pico would read: no comments, k increasing, the box and its particles covered."""
    findings = export.Findings()
    rows = [checks.numbers(line) for line in checks.read_lines(path)]
    if any(len(row) != 2 for row in rows):
        findings.problems.append("a line has not two numbers; pico stops there")
    table = 10.0 ** np.array([row for row in rows if len(row) == 2]).reshape(-1, 2)
    table = checks.usable_rows(findings, table)  # a check goes on, to list all that is wrong
    if table is not None:
        findings.k_h_mpc, findings.power = k, _ = table.T
        checks.check_coverage(findings, k[0], k[-1], run, "pico has no power there")
    checks.check_redshift_of(findings, path, run.z, f"pico starts at z = {run.z:g}")
    return findings


# z=None: pico is given the power at its own start
export.register("pico", export.Format(write, check, z=None))
