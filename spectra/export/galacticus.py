"""Galacticus: the HDF5 file of ``transferFunctionFile``, dark matter and baryons apart.

Read in its source, structure_formation/transfer_function/file/_class.F90, commit 0d68594
(fileFormat 2): k in 1/Mpc, no T <= 0, cubic splines of ln T in ln k, P(k) = k^n T^2 normalised to
sigma_8.
"""

from pathlib import Path

import h5py
import numpy as np

from spectra.cosmology import Cosmology
from spectra.export import checks
from spectra.export.findings import Findings, Simulation
from spectra.export.linear_state import linear_state, normalised_power, sigma8_of
from spectra.export.writing import declared_redshift, with_companions, write_exports
from spectra.files import hdf5_bytes

_FILE_FORMAT = 2
_PARAMETERS = ("OmegaMatter", "OmegaDarkEnergy", "OmegaBaryon", "HubbleConstant", "temperatureCMB")
_EXTRAPOLATIONS = ("abort", "extrapolate", "fix", "zero")
# Galacticus warns of differences above these
_ABSOLUTE, _RELATIVE = 1e-3, 1e-3
_NOTE = """\
Set transferFunctionType to total: the default, darkMatter, makes P(k) of the dark matter alone.
Leave out transferFunctionReference and any transfer function of warm dark matter (bode2001,
murgia2017): the file holds the whole transfer function, suppression included. P(k) is normalised to
sigma_8 of cosmologicalMassVariance, which is that of this spectrum. For warm dark matter use a
sharp-k window (powerSpectrumWindowFunction).
"""


def write(path: Path, *, spectrum, cosmology, z, force, caveats=(), **_) -> list[Path]:
    """Write k [1/Mpc] and T of dark matter and baryons at redshift ``z``, of total 1 at small k."""
    state = linear_state(spectrum, cosmology, z)
    columns = state.positive_columns("galacticus")
    unit = columns["total"][0]
    name = _dataset(z)

    def fill(file: h5py.File) -> None:
        file.attrs["description"] = "transfer functions of sterile-spectra"
        file.attrs["fileFormat"] = np.int32(_FILE_FORMAT)
        if caveats:
            file.attrs["warnings"] = "\n".join(caveats)
        file["wavenumber"] = state.k_h_mpc * float(cosmology.h)
        file[f"darkMatter/{name}"] = columns["cdm"] / unit
        file[f"baryons/{name}"] = columns["baryon"] / unit
        for key, value in _parameters(cosmology).items():
            file.require_group("parameters").attrs[key] = value
        ends = file.require_group("extrapolation/wavenumber")
        ends.attrs["low"], ends.attrs["high"] = "fix", "extrapolate"

    given = _parameters(cosmology)
    lines = "\n".join(f'  <{key} value="{value:.10g}"/>' for key, value in given.items())
    today = state if z == 0.0 else linear_state(spectrum, cosmology, 0.0)
    return write_exports(
        with_companions(
            path,
            hdf5_bytes(fill),
            format="galacticus",
            z=z,
            caveats=caveats,
            parameters=f"""\
<cosmologyParameters value="simple">
{lines}
</cosmologyParameters>
<transferFunction value="file">
  <fileName value="{path.name}"/>
  <transferFunctionType value="total"/>
  <redshift value="{z:g}"/>
</transferFunction>
<powerSpectrumPrimordial value="powerLaw">
  <index value="{float(cosmology.n_s):.10g}"/>
</powerSpectrumPrimordial>
<cosmologicalMassVariance value="filteredPower">
  <sigma_8 value="{sigma8_of(today.k_h_mpc, today.power):.8g}"/>
</cosmologicalMassVariance>
""",
            note=_NOTE,
        ),
        force,
    )


def _dataset(z: float) -> str:
    return f"transferFunctionZ{z:.4f}"


def _parameters(cosmology: Cosmology) -> dict[str, float]:
    h = float(cosmology.h)
    matter = float(cosmology.omega_b + cosmology.omega_dm) / h**2
    return {
        "OmegaMatter": matter,
        "OmegaDarkEnergy": 1.0 - matter,
        "OmegaBaryon": float(cosmology.omega_b) / h**2,
        "HubbleConstant": 100.0 * h,
        "temperatureCMB": float(cosmology.t_cmb_kelvin),
    }


def check(path: Path, run: Simulation | None, cosmology: Cosmology) -> Findings:
    """Galacticus's reader: every group and attribute that it asks for, T positive, the cosmology
    its parameters say; P(k) of total matter at the redshift the file was written for, or today."""
    findings = Findings()
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file; check the path")
    z = declared_redshift(path) or 0.0
    try:
        with h5py.File(path, "r") as file:
            _check_attributes(findings, file, cosmology)
            arrays = [
                np.asarray(file[name], dtype=float)
                for name in ("wavenumber", f"darkMatter/{_dataset(z)}", f"baryons/{_dataset(z)}")
            ]
    except (OSError, KeyError, RuntimeError, TypeError, ValueError) as error:
        said = str(error).splitlines()[0]
        findings.problems.append(f"not a file that Galacticus reads ({said})")
        return findings
    if len({array.shape for array in arrays}) > 1 or arrays[0].ndim != 1:
        findings.problems.append("wavenumber and transfer functions are not of one length")
        return findings
    table = checks.usable_rows(findings, np.column_stack(arrays))
    if table is None:
        return findings
    k, dark, baryon = table.T
    for name, values in (("T of dark matter", dark), ("T of baryons", baryon)):
        checks.check_positive(findings, name, values)
    share = float(cosmology.omega_b / (cosmology.omega_b + cosmology.omega_dm))
    k_h_mpc, total = k / float(cosmology.h), (1.0 - share) * dark + share * baryon
    findings.k_h_mpc, findings.power = k_h_mpc, normalised_power(k_h_mpc, total, cosmology, z)
    return findings


def _check_attributes(findings: Findings, file: h5py.File, cosmology: Cosmology) -> None:
    version = file.attrs["fileFormat"]
    if str(np.asarray(version).item()) != str(_FILE_FORMAT):
        findings.problems.append(f"fileFormat = {version}; Galacticus reads {_FILE_FORMAT}")
    for end in ("low", "high"):
        value = file["extrapolation/wavenumber"].attrs[end]
        said = value.decode() if isinstance(value, bytes) else str(value)
        if said not in _EXTRAPOLATIONS:
            findings.problems.append(
                f"extrapolation {end} = {said!r} is not one of {', '.join(_EXTRAPOLATIONS)}"
            )
    for name, expected in _parameters(cosmology).items():
        value = float(np.asarray(file["parameters"].attrs[name], dtype=float))
        absolute = name.startswith("Omega")
        if abs(value - expected) > (_ABSOLUTE if absolute else _RELATIVE * expected):
            findings.notes.append(
                f"{name} = {value:g} in the file, {expected:g} in the cosmology it is checked for"
            )
