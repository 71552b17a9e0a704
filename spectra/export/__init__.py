"""One module per target format, one door out, :func:`write`, and one back, :func:`check`.

A format of one's own is a :class:`Format`, added by :func:`register`.
"""

import difflib
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np

from spectra.cosmology import Cosmology
from spectra.export import (
    camb,
    caveats,
    checks,
    class_code,
    gadget4,
    galacticus,
    gevolution,
    hmf,
    lpt,
    monofonic,
    mp_gadget,
    music,
    pyhalo,
    tables,
    twentyone_cm_fast,
    velocities,
)
from spectra.export.findings import Findings, Simulation, simulation
from spectra.export.linear_state import LinearState, linear_state
from spectra.export.writing import (
    companion,
    declared_format,
    foreign,
    with_companions,
    write_exports,
)
from spectra.linear import cosmology_of
from spectra.precision import require_x64
from spectra.spectrum import Spectrum
from spectra.units import plain_numbers


@dataclass(frozen=True)
class Format:
    """How one target is written and read.

    Attributes
    ----------
    write : path, keyword arguments of :func:`write` but ``format``, and ``caveats``, sentences
        about what is wrong with the spectrum → files written.
    check : path, :class:`Simulation` and cosmology → what a reader like the target's finds.
    z : redshift the target expects: a default, or None where the starting redshift must be given.
    other_z : whether it takes any other.
    for_a_box : whether a check needs the simulation; else ``run`` may be None.
    """

    write: Callable[..., Sequence[Path]]
    check: Callable[..., Findings]
    z: float | None = 0.0
    other_z: bool = True
    for_a_box: bool = True


_registered = {
    "class": Format(class_code.write, class_code.check, other_z=False, for_a_box=False),
    "camb": Format(camb.write, camb.check),
    "monofonic": Format(monofonic.write, monofonic.check),
    "music": Format(music.write, music.check, z=None),
    "music-camb": Format(music.write_camb, music.check_camb, z=None),
    "gadget4": Format(gadget4.write, gadget4.check),
    "2lpt": Format(lpt.write, lpt.check, other_z=False),
    "2lpt-camb": Format(lpt.write_camb, lpt.check_camb, other_z=False),
    "mp-gadget": Format(mp_gadget.write, mp_gadget.check),
    "gevolution": Format(gevolution.write, gevolution.check, z=None),
    "hmf": Format(hmf.write, hmf.check, other_z=False, for_a_box=False),
    "pyhalo": Format(pyhalo.write, pyhalo.check, other_z=False, for_a_box=False),
    "21cmfast": Format(
        twentyone_cm_fast.write, twentyone_cm_fast.check, other_z=False, for_a_box=False
    ),
    "galacticus": Format(galacticus.write, galacticus.check, for_a_box=False),
    "velocities": Format(velocities.write, velocities.check, z=None),
    "csv": Format(tables.write_csv, tables.check_csv),
    "hdf5": Format(tables.write_hdf5, tables.check_hdf5),
}
# names other people use
_ALIASES = {"lpt": "2lpt", "2lptic": "2lpt", "n-genic": "gadget4", "mpgadget": "mp-gadget"}
# every format that is known, name → how it is written and read
FORMATS: Mapping[str, Format] = MappingProxyType(_registered)


def register(name: str, format: Format) -> Format:
    """Add a format to :data:`FORMATS`; returns it. The same module may do so again.

    The command line knows formats of modules that ``STERILE_MECHANISMS`` names.

    Parameters
    ----------
    name : what ``write``, ``check`` and ``--format`` call it, in lower case.
    format : how it is written and read.

    Raises
    ------
    ValueError
        If the name is not in lower case, or is taken by a format of another module.
    """
    if name != name.lower() or not name.strip():
        raise ValueError(f"format name = {name!r} must be in lower case; give '{name.lower()}'")
    before = _registered.get(_ALIASES.get(name, name))
    if before is not None and before.write.__module__ != format.write.__module__:
        raise ValueError(
            f"format name = {name!r} is taken by {before.write.__module__}; give another name"
        )
    _registered[name] = format
    return format


@dataclass(frozen=True)
class Report:
    """Whether a file is safe for a simulation.

    Attributes
    ----------
    format, file : what was read.
    problems : why the file is not safe; empty when it is.
    notes : what the user should know.
    k_min_h_mpc, k_max_h_mpc : the range the simulation needs [h/Mpc]: 2 pi/L, and sqrt(3) times
        the Nyquist wavenumber of the particles; None where none was given.
    """

    format: str
    file: Path
    problems: tuple[str, ...]
    notes: tuple[str, ...]
    k_min_h_mpc: float | None
    k_max_h_mpc: float | None

    @property
    def safe(self) -> bool:
        """No problem was found."""
        return not self.problems


def canonical(format: str) -> str:
    """The registered name of a format; ``ValueError`` naming the nearest when there is none."""
    name = str(format).lower()
    name = _ALIASES.get(name, name)
    if name not in FORMATS:
        near = difflib.get_close_matches(name, [*FORMATS, *_ALIASES], n=1)
        hint = f"did you mean '{near[0]}'?" if near else f"known formats: {', '.join(FORMATS)}"
        raise ValueError(f"unknown export format '{format}'; {hint}")
    return name


@plain_numbers
def write(
    path,
    format: str,
    *,
    spectrum: Spectrum,
    transfer=None,
    cosmology: Cosmology | None = None,
    z: float | None = None,
    force: bool = False,
    refused: Sequence[str] = (),
    known: Sequence[str] = (),
) -> Sequence[Path]:
    """Write a spectrum for another code to read: all of the dark matter is of this spectrum.

    Beside each data file PATH go PATH.params.txt, lines for the target's parameter file, and
    PATH.note.txt, what to switch off there. What the transfer function knows to be wrong with the
    spectrum is warned of (``UserWarning``) and stands in the note, and in the file where its
    target skips comments.

    Parameters
    ----------
    path : where to: a file, but for ``class`` a directory (made if missing).
    format : one of :data:`FORMATS`.
    spectrum : what to write.
    transfer : its :func:`spectra.transfer`, whose status and estimated errors are looked at;
        solved for when left out. It sets how far in k CLASS is asked to go.
    cosmology : that of ``transfer`` when left out, or else the default one.
    z : redshift of the table. Left out: today where the target expects that.
    force : replace files that exist, and write a spectrum that would be refused.
    refused, known : sentences on what else is wrong with the spectrum, such as how it was made:
        so wrong that it takes ``force``, or to be told with the rest.

    Returns
    -------
    The files written: all of them, or none.

    Raises
    ------
    ValueError
        If the format is unknown (the message names the nearest), cannot hold this spectrum, needs
        or does not take a redshift, z is outside 0..200, the path is not writable, or JAX is not
        in 64-bit mode; without ``force``, if a file exists, there is a reason to refuse the
        spectrum, or its T^2 is not known to 5 per cent.
    """
    require_x64()
    name = canonical(format)
    target = FORMATS[name]
    z = target.z if z is None else float(z)
    if z is None:
        raise ValueError(f"format {name} is read at the starting redshift; give z (--z)")
    if z != target.z and not target.other_z:
        raise ValueError(f"format {name} is always read at z = {target.z:g}; leave out z (--z)")
    if transfer is not None:
        cosmology = cosmology_of(transfer, cosmology)
    cosmology = Cosmology() if cosmology is None else cosmology
    curve = caveats.estimated(spectrum, cosmology, transfer)
    sentences = caveats.judged(curve, force, refused, known)
    files = target.write(
        Path(path),
        spectrum=spectrum,
        transfer=curve if transfer is None else transfer,
        cosmology=cosmology,
        z=z,
        force=force,
        caveats=sentences,
    )
    for sentence in sentences:
        warnings.warn(f"{files[0]}: {sentence}", stacklevel=2)
    return files


def check(
    path, format: str, run: Simulation | None = None, cosmology: Cosmology | None = None
) -> Report:
    """Read a file as its target would, and say whether it is safe for a simulation.

    All that is wrong is listed, and what :func:`write` knew of the spectrum, from the note beside
    the file.

    Parameters
    ----------
    path : the data file (for ``class`` the directory, or any psd file).
    format : one of :data:`FORMATS`.
    run : from :func:`simulation`: box, particles, starting redshift; not needed for ``class``.
    cosmology : turns transfer functions into P(k); the default one when left out.

    Returns
    -------
    Report

    Raises
    ------
    ValueError, FileNotFoundError
        If the format is unknown, needs a simulation, or there is no such file; if JAX is not in
        64-bit mode.
    """
    require_x64()
    name, path = canonical(format), Path(path)
    target = FORMATS[name]
    if run is None and target.for_a_box:
        raise ValueError(f"format {name} is checked for a simulation; give run=simulation(...)")
    cosmology = Cosmology() if cosmology is None else cosmology
    # numbers of a file may be any: what overflows is told as a number that is none
    with np.errstate(all="ignore"):
        findings = _findings(target, name, path, run, cosmology)
    return Report(
        format=name,
        file=path,
        problems=tuple(findings.problems),
        notes=tuple(findings.notes),
        k_min_h_mpc=None if run is None else run.fundamental,
        k_max_h_mpc=None if run is None else 3.0**0.5 * run.nyquist,
    )


def _findings(target: Format, name: str, path: Path, run, cosmology: Cosmology) -> Findings:
    """Of the target's own check, of the note beside the file, and of what all checks share."""
    findings = target.check(path, run, cosmology)
    table, parameters = path, companion(path, "params")
    if name == "class":
        table = class_code.table_of(path)
        parameters = class_code.parameters_of(table)
    insisted, told = caveats.declared_caveats(table)
    mixed = foreign(table, parameters)
    findings.problems += insisted if mixed is None else [*insisted, mixed]
    findings.notes += [line for line in told if line not in findings.notes]
    if run is not None and target.for_a_box:
        checks.check_shape(findings)
        checks.check_linear(findings, run)
        checks.note_cut(findings, run, cosmology)
    return findings


__all__ = [
    "FORMATS",
    "Findings",
    "Format",
    "LinearState",
    "Report",
    "Simulation",
    "canonical",
    "check",
    "checks",
    "declared_format",
    "linear_state",
    "register",
    "simulation",
    "with_companions",
    "write",
    "write_exports",
]
