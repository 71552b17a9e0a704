"""Plain tables with everything: CSV and HDF5."""

from pathlib import Path

import h5py
import numpy as np

from spectra import safe_hdf5
from spectra.cosmology import Cosmology
from spectra.export import checks
from spectra.export.findings import Findings, Simulation
from spectra.export.linear_state import LinearState, linear_state
from spectra.export.writing import with_companions, write_exports
from spectra.files import array, hdf5_bytes

_COLUMNS = {
    "k_h_mpc": ("h/Mpc", "wavenumber"),
    "power": ("(Mpc/h)^3", "P(k, z), total matter"),
    "cold_power": ("(Mpc/h)^3", "P(k, z) of cold dark matter, total matter"),
    "t_matter": ("1", "ratio of total-matter overdensities, signed"),
    "t_dark_matter": ("1", "ratio of dark-matter overdensities, signed"),
    "t_baryon": ("1", "ratio of baryon overdensities, signed"),
    "t_velocity_dark_matter": ("1", "ratio of dark-matter velocity divergences, signed"),
    "t_velocity_baryon": ("1", "ratio of baryon velocity divergences, signed"),
}
_NOTE = """\
P(k) includes the suppression: multiply by nothing else. Ratios are to cold dark matter of the same
density at the same redshift; power = cold_power t_matter^2, but never below cold_power 1e-10.
"""


def write_csv(path: Path, *, spectrum, cosmology, z, force, caveats=(), **_) -> list[Path]:
    """Write k, P and every ratio at redshift ``z``, comma-separated, one line of names."""
    state = linear_state(spectrum, cosmology, z)
    rows = np.column_stack([getattr(state, name) for name in _COLUMNS])
    lines = [",".join(_COLUMNS), *(",".join(f"{value:.10e}" for value in row) for row in rows)]
    text = "\n".join(lines) + "\n"
    return write_exports(
        with_companions(
            path,
            text,
            format="csv",
            z=z,
            parameters=_parameters(state),
            note=_NOTE,
            caveats=caveats,
        ),
        force,
    )


def write_hdf5(path: Path, *, spectrum, cosmology, z, force, caveats=(), **_) -> list[Path]:
    """Write the same columns, the spectrum and the cosmology at redshift ``z``, with units."""
    state = linear_state(spectrum, cosmology, z)

    def fill(file: h5py.File) -> None:
        file.attrs["format"] = "sterile-spectra linear"
        file.attrs["z"] = state.z
        if caveats:
            file.attrs["warnings"] = "\n".join(caveats)
        for name, value in vars(cosmology).items():
            file.attrs[name] = float(value)
        for name, (unit, description) in _COLUMNS.items():
            data = file.create_dataset(name, data=getattr(state, name))
            data.attrs["unit"], data.attrs["description"] = unit, description
        group = file.create_group("spectrum")
        group["q"], group["f"] = np.asarray(spectrum.q), np.asarray(spectrum.f)
        group.attrs["mass_kev"] = float(spectrum.mass_kev)
        group.attrs["temperature_ratio"] = float(spectrum.temperature_ratio)

    return write_exports(
        with_companions(
            path,
            hdf5_bytes(fill),
            format="hdf5",
            z=z,
            parameters=_parameters(state),
            note=_NOTE,
            caveats=caveats,
        ),
        force,
    )


def _parameters(state: LinearState) -> str:
    fields = vars(state.cosmology).items()
    return "\n".join(f"{name} = {float(value):.10g}" for name, value in fields)


def check_csv(path: Path, run: Simulation, cosmology: Cosmology) -> Findings:
    """The CSV table: one line of names, k increasing, P positive, the grid covered."""
    findings = Findings()
    lines = checks.read_lines(path)
    names = lines[0].strip().split(",") if lines else []
    if {"k_h_mpc", "power"} <= set(names):
        rows = []
        for number, line in enumerate(lines[1:], start=2):
            row = checks.numbers(line.replace(",", " "))
            if len(row) == len(names):
                rows.append(row)
            else:
                findings.problems.append(
                    f"line {number}: {len(row)} numbers, {len(names)} are expected"
                )
        table = np.array(rows, dtype=float).reshape(-1, len(names))
        _common(findings, run, table[:, names.index("k_h_mpc")], table[:, names.index("power")])
    else:
        findings.problems.append("the first line has no columns k_h_mpc and power")
    checks.check_redshift_of(findings, path, run.z, f"the run starts at z = {run.z:g}")
    return findings


def check_hdf5(path: Path, run: Simulation, cosmology: Cosmology) -> Findings:
    """The HDF5 table: as the CSV one."""
    findings = Findings()
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file; check the path")
    try:
        with safe_hdf5.opened(path) as file:
            k, power = (np.asarray(array(file, name), dtype=float) for name in ("k_h_mpc", "power"))
    except (OSError, KeyError, RuntimeError, TypeError, ValueError) as error:
        findings.problems.append(f"not a table of this package ({str(error).splitlines()[0]})")
    else:
        if k.ndim == 1 and k.shape == power.shape:
            _common(findings, run, k, power)
        else:
            findings.problems.append(f"k_h_mpc has shape {k.shape} and power {power.shape}")
    checks.check_redshift_of(findings, path, run.z, f"the run starts at z = {run.z:g}")
    return findings


def _common(findings: Findings, run: Simulation, k, power) -> None:
    table = checks.usable_rows(findings, np.column_stack([k, power]))
    if table is None:
        return
    k, power = table.T
    checks.check_positive(findings, "power", power)
    findings.k_h_mpc, findings.power = k, power
    checks.check_coverage(findings, k[0], k[-1], run, "there is no power to read")
