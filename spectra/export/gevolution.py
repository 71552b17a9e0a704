"""gevolution: a CLASS transfer file in the Newtonian gauge, at the starting redshift."""

from pathlib import Path

import numpy as np

from spectra.cosmology import Cosmology, omega_photon
from spectra.export import checks
from spectra.export.caveats import comment_lines
from spectra.export.findings import Findings, Simulation
from spectra.export.linear_state import LinearState, linear_state, primordial
from spectra.export.writing import table_text, with_companions, write_exports

_NAMES = ("k (h/Mpc)", "d_g", "d_b", "d_cdm", "d_ur", "d_tot", "t_b", "t_cdm", "t_tot")
_NEEDED = ("d_tot", "t_tot", "d_cdm", "t_cdm", "d_b", "t_b")
_LONGEST_LINE = 2047


def write(path: Path, *, spectrum, cosmology, z, force, caveats=(), **_) -> list[Path]:
    """Write d_i and t_i at the starting redshift ``z``, signed."""
    state = linear_state(spectrum, cosmology, z)
    columns = newtonian_columns(state)
    # the only line with colons: gevolution looks for k, d and t behind each of them
    header = comment_lines(caveats)
    header += "#" + " ".join(f"{f'{i}:{n}':>17}" for i, n in enumerate(_NAMES, start=1)) + "\n"
    return write_exports(
        with_companions(
            path,
            table_text(*(columns[name] for name in _NAMES), header=header),
            format="gevolution",
            z=z,
            caveats=caveats,
            parameters=f"""\
Tk file = {path.name}
initial redshift = {z:.10g}
baryon treatment = blend
k_pivot = 0.05
A_s = {float(cosmology.a_s):.10g}
n_s = {float(cosmology.n_s):.10g}
h = {float(cosmology.h):.10g}
omega_b = {float(cosmology.omega_b):.10g}
omega_cdm = {float(cosmology.omega_dm):.10g}
T_cmb = {float(cosmology.t_cmb_kelvin):.10g}
N_ur = {float(cosmology.n_eff):.10g}
""",
            note=f"""\
The table is at z = {z:g}, which must be the initial redshift; gevolution does not check. Dark
matter stands in d_cdm and t_cdm: set no N_ncdm for it, and give no "Pk file". Newtonian gauge, unit
initial curvature, theta in 1/Mpc. t_tot is that of matter: radiation moves with it outside the
horizon, the only place where gevolution uses it. Outside the table gevolution stops or crashes.
""",
        ),
        force,
    )


def newtonian_columns(state: LinearState) -> dict[str, np.ndarray]:
    """CLASS's transfer columns, conformal Newtonian gauge, unit initial curvature, each (n,).

    With T = delta/k^2 of CAMB (synchronous, sign reversed) and V its velocity column,
    theta = k^2 aH V and delta_N = delta_S - 3 (1 + w) aH theta_cdm/k^2 (Ma & Bertschinger 1995,
    astro-ph/9506072, eq. 27; cold dark matter at rest in the synchronous gauge). The gauge is that
    of cold dark matter: T differs from 1 only where the term does not matter.
    """
    cosmology, columns = state.cosmology, state.columns
    h, a = float(cosmology.h), 1.0 / (1.0 + state.z)
    k2 = (state.k_h_mpc * h) ** 2
    theta = {name: k2 * state.hubble * columns[f"velocity_{name}"] for name in ("cdm", "baryon")}
    shift = 3.0 * state.hubble**2 * state.cold["velocity_cdm"]
    delta = {
        name: -k2 * columns[name] - weight * shift
        for name, weight in (
            ("cdm", 1.0),
            ("baryon", 1.0),
            ("total", 1.0),
            ("photon", 4.0 / 3.0),
            ("massless_neutrino", 4.0 / 3.0),
        )
    }
    photons = float(omega_photon(cosmology)) * h**2 / a
    neutrinos = photons * 0.875 * (4.0 / 11.0) ** (4.0 / 3.0) * float(cosmology.n_eff)
    baryons, dark = float(cosmology.omega_b), float(cosmology.omega_dm)
    matter = baryons + dark
    total = matter * delta["total"] + photons * delta["photon"]
    total += neutrinos * delta["massless_neutrino"]
    return {
        "k (h/Mpc)": state.k_h_mpc,
        "d_g": delta["photon"],
        "d_b": delta["baryon"],
        "d_cdm": delta["cdm"],
        "d_ur": delta["massless_neutrino"],
        "d_tot": total / (matter + photons + neutrinos),
        "t_b": theta["baryon"],
        "t_cdm": theta["cdm"],
        "t_tot": (baryons * theta["baryon"] + dark * theta["cdm"]) / matter,
    }


def read_columns(path: Path, findings: Findings) -> dict[str, np.ndarray] | None:
    """The columns gevolution needs, found and read as it does; None where there is no table.

    It takes the characters right behind each colon of a line for a label, and reads lines until
    it has seen k, d and t of a species; all lines that do not begin with # must be rows below.
    """
    lines = checks.read_lines(path)
    long = [number for number, line in enumerate(lines, start=1) if len(line) > _LONGEST_LINE]
    if long:
        findings.problems.append(
            f"line {long[0]}: longer than {_LONGEST_LINE} characters, at which gevolution stops"
        )
    lines = checks.without_open_end(findings, lines, "gevolution")
    places, header = _find_columns(lines, strip=False)
    if header is None:
        spaced, header = _find_columns(lines, strip=True)
        if header is None:
            missing = [name for name in ("k", *_NEEDED) if name not in places]
            what = f"with columns like '1:k (h/Mpc)', but no {', '.join(missing)}"
            if not places:
                what = "with columns like '1:k (h/Mpc)'"
            findings.problems.append(f"no header {what}: gevolution aborts")
            return None
        findings.problems.append(
            f"line {header + 1}: a blank between the colon and the label; gevolution compares the "
            "character right behind the colon, and aborts"
        )
        places = spaced
    rows = []
    for number, line in enumerate(lines, start=1):
        if line.startswith("#"):
            continue
        row = checks.numbers(line)
        if number <= header + 1 or len(row) <= max(places.values()):
            what = "an empty line" if not line.strip() else f"{len(row)} column(s)"
            if number <= header + 1:
                what = "a line without # before the end of the header"
            findings.problems.append(f"line {number}: {what}: gevolution aborts")
            continue
        rows.append([row[places[name]] for name in ("k", *_NEEDED)])
    table = checks.usable_rows(findings, np.array(rows, dtype=float).reshape(-1, 1 + len(_NEEDED)))
    return None if table is None else dict(zip(("k", *_NEEDED), table.T))


def _find_columns(lines: list[str], strip: bool) -> tuple[dict[str, int], int | None]:
    """Label → column as far as found, and the line that completes every species, or None."""
    found: dict[str, int] = {}
    for position, line in enumerate(lines):
        for index, label in enumerate(line.split(":")[1:]):
            label = label.lstrip() if strip else label
            if label.startswith("k"):
                found["k"] = index
            for name in _NEEDED:
                if label[:1] == name[0] and label[2:].startswith(name[2:]):
                    found[name] = index
        if {"k", *_NEEDED} <= set(found):
            return found, position
    return found, None


def check(path: Path, run: Simulation, cosmology: Cosmology) -> Findings:
    """gevolution's reader: a header with numbered columns, k increasing, the grid covered."""
    findings = Findings()
    columns = read_columns(path, findings)
    if columns is not None:
        k = columns["k"]
        share = float(cosmology.omega_b / (cosmology.omega_b + cosmology.omega_dm))
        matter = share * columns["d_b"] + (1.0 - share) * columns["d_cdm"]
        findings.k_h_mpc = k
        findings.power = 2.0 * np.pi**2 / k**3 * primordial(k, cosmology) * matter**2
        if np.all(columns["t_cdm"] * columns["d_cdm"] >= 0.0):
            findings.problems.append(
                "t_cdm has the sign of d_cdm: matter would flow out of overdensities"
            )
        checks.check_coverage(findings, k[0], k[-1], run, "gevolution stops or crashes", stops=True)
    why = f"gevolution takes the table at its initial redshift, z = {run.z:g}"
    checks.check_redshift_of(findings, path, run.z, why)
    return findings
