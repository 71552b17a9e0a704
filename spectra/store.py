"""The HDF5 file of one result: its schema, written whole or not at all."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from spectra.files import attribute, check_format, describe, plain, reason, stamp, write_hdf5
from spectra.safe_hdf5 import opened

FORMAT_VERSION = 1

# path → (unit, description); "1" is dimensionless
SCHEMA = {
    "spectrum/q": ("1", "comoving momentum over temperature, p a / T_ref"),
    "spectrum/f": ("1", "phase-space distribution today, summed over helicities"),
    "transfer/k_h_mpc": ("h/Mpc", "wavenumber"),
    "transfer/t": ("1", "transfer function relative to cold dark matter, signed, z = 0"),
    "transfer/t2": ("1", "ratio of total-matter power spectra to cold dark matter, z = 0"),
    "transfer/reference_masses_kev": ("keV", "masses of the reference thermal relics"),
    "transfer/reference_t2": ("1", "T^2 of the reference thermal relics, one row per mass"),
}
# groups that hold attributes: what may be there
_ATTRIBUTE_GROUPS = ("spectrum", "cosmology", "summary", "verdicts")
# of a verdict: text; everything else in these groups is a number
_WORDS = ("status", "source", "convention", "equivalent")
# datasets of the schema that have an axis in common, the last
_TOGETHER = (
    ("spectrum/q", "spectrum/f"),
    ("transfer/k_h_mpc", "transfer/t", "transfer/t2", "transfer/reference_t2"),
)


@dataclass(frozen=True)
class Record:
    """What one result file holds.

    Attributes
    ----------
    datasets : path of :data:`SCHEMA` or of ``described`` → array.
    attributes : group → {name: number or text}; groups ``spectrum`` (mass_kev,
        temperature_ratio), ``cosmology`` (the fields of Cosmology), ``summary`` (every scalar
        of the command line's JSON) and ``verdicts/NAME`` (status, value, threshold,
        margin, source).
    config_toml : the configuration the result was computed from.
    citation : what a user should cite, BibTeX.
    warnings : sentences.
    described : path → (unit, description) of datasets that the schema does not know.
    created_utc, package_version : filled in when written.
    """

    datasets: Mapping[str, np.ndarray]
    attributes: Mapping[str, Mapping[str, Any]]
    config_toml: str = ""
    citation: str = ""
    warnings: tuple[str, ...] = ()
    described: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    created_utc: str = field(default="")
    package_version: str = field(default="")


def write(path, record: Record) -> Path:
    """Write ``record`` to the HDF5 file ``path``, replacing it. Returns the path.

    Raises
    ------
    ValueError
        If the directory is missing or not writable, or the record has a dataset or an
        attribute group that the schema does not know.
    """
    schema = {**SCHEMA, **record.described}
    for name in record.datasets:
        if name not in schema:
            raise ValueError(f"dataset '{name}' is not in the schema; known: {', '.join(schema)}")
    for group in record.attributes:
        if group.split("/")[0] not in _ATTRIBUTE_GROUPS:
            raise ValueError(
                f"attribute group '{group}' is not in the schema; "
                f"known: {', '.join(_ATTRIBUTE_GROUPS)}"
            )

    def fill(file: h5py.File) -> None:
        file.attrs.update(stamp(FORMAT_VERSION))
        file.attrs["config_toml"] = record.config_toml
        file.attrs["citation"] = record.citation
        file.attrs.create("warnings", list(record.warnings), dtype=h5py.string_dtype())
        for name, values in record.datasets.items():
            unit, description = schema[name]
            describe(file.create_dataset(name, data=np.asarray(values)), unit, description)
        for group, entries in record.attributes.items():
            attributes = file.require_group(group).attrs
            for name, value in entries.items():
                attributes[name] = value

    return write_hdf5(path, fill)


def read(path) -> Record:
    """Read a file written by :func:`write`.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is not HDF5, damaged, another program's, or of a newer format.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file; check the path of the HDF5 result")
    if path.is_dir():
        raise ValueError(f"{path} is a directory; give the name of an HDF5 result file")
    try:
        with opened(path) as file:
            return _read_open(path, file)
    except (OSError, RuntimeError, KeyError) as error:
        raise ValueError(
            f"{path}: not a readable HDF5 file, or damaged ({reason(error)}); write it again"
        ) from None


def citation(path) -> str:
    """What a user of any HDF5 file of this package should cite, BibTeX; raises as :func:`read`."""
    text = _from_any_file(path, lambda file: file.attrs.get("citation"))
    if text is None:
        raise ValueError(f"{path}: an HDF5 file, but it does not say what to cite")
    return str(text)


def sources(path) -> list[str]:
    """What the verdicts of any HDF5 file of this package say of their sources, each once.

    Raises as :func:`read`; empty for a file without verdicts.
    """

    def collect(file: h5py.File) -> list[str]:
        group = file.get("verdicts")
        entries = group.values() if isinstance(group, h5py.Group) else ()
        return [str(e.attrs["source"]) for e in entries if "source" in e.attrs]

    return list(dict.fromkeys(_from_any_file(path, collect)))


def _from_any_file(path, take: Callable[[h5py.File], Any]) -> Any:
    """``take`` of an open file; errors as of :func:`read`."""
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file; check the path of the HDF5 result")
    try:
        with opened(path) as file:
            return take(file)
    except (OSError, RuntimeError, KeyError) as error:
        raise ValueError(
            f"{path}: not a readable HDF5 file, or damaged ({reason(error)})"
        ) from None


def _read_open(path: Path, file: h5py.File) -> Record:
    if "format_version" not in file.attrs:
        raise ValueError(
            f"{path}: an HDF5 file, but not a result of this package (no format_version attribute)"
        )
    check_format(path, int(attribute(file, "format_version")), FORMAT_VERSION)
    datasets, attributes, described = {}, {}, {}

    def collect(name, item):
        if isinstance(item, h5py.Dataset):
            datasets[name] = np.asarray(item)
            if name not in SCHEMA:
                words = (str(item.attrs.get(key, "")) for key in ("unit", "description"))
                described[name] = tuple(words)
        elif len(item.attrs):
            attributes[name] = {key: plain(value) for key, value in item.attrs.items()}

    file.visititems(collect)
    _check_content(path, datasets, attributes)
    return Record(
        datasets=datasets,
        attributes=attributes,
        config_toml=str(file.attrs.get("config_toml", "")),
        citation=str(file.attrs.get("citation", "")),
        warnings=tuple(str(warning) for warning in file.attrs.get("warnings", ())),
        described=described,
        created_utc=str(file.attrs.get("created_utc", "")),
        package_version=str(file.attrs.get("package_version", "")),
    )


def _check_content(path: Path, datasets: dict, attributes: dict) -> None:
    """``ValueError`` unless arrays are numbers, as long as each other, and attributes as we write
    them: what reads a record need not look again."""
    for name, values in datasets.items():
        if values.dtype.kind not in "fiub":
            raise ValueError(f"{path}: {name} holds no numbers; write the file again")
        if name in SCHEMA and values.ndim != (2 if name == "transfer/reference_t2" else 1):
            raise ValueError(f"{path}: {name} has shape {values.shape}; write the file again")
    for names in _TOGETHER:
        lengths = {datasets[name].shape[-1] for name in names if name in datasets}
        if len(lengths) > 1:
            raise ValueError(f"{path}: {', '.join(names)} differ in length; write the file again")
    for group, entries in attributes.items():
        if group.split("/")[0] not in _ATTRIBUTE_GROUPS:
            continue
        if group.startswith("verdicts/") and "status" not in entries:
            raise ValueError(f"{path}: {group} has no status; write the file again")
        for name, value in entries.items():
            kind = str if name in _WORDS and group.startswith("verdicts/") else (int, float)
            if not isinstance(value, kind):
                what = "text" if kind is str else "a number"
                raise ValueError(f"{path}: {name} of {group} is not {what}; write the file again")


def numbers(record: Record, path: str | Path, group: str, *names: str) -> dict[str, float]:
    """These attributes of a group of ``record``; ``ValueError`` naming the file if one is missing.

    ``path``: of the file; ``names``: of the attributes.
    """
    found = record.attributes.get(group, {})
    missing = [name for name in names if name not in found]
    if missing:
        raise ValueError(f"{path}: {group} has no {', '.join(missing)}, which this command needs")
    return {name: float(found[name]) for name in names}


def require(record: Record, path, *names: str) -> None:
    """Raise ``ValueError`` naming the file unless it holds all these datasets."""
    missing = [name for name in names if name not in record.datasets]
    if missing:
        raise ValueError(f"{path}: has no {', '.join(missing)}, which this command needs")
