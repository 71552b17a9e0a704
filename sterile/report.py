"""What a result says: the command line's JSON object, the table on the terminal, the HDF5 file."""

import math

import numpy as np
from jax import Array

from spectra.programs import program
from spectra.spectrum import Spectrum, omega_h2, q_mean, q_rms
from spectra.status import MESSAGES, Status
from spectra.store import Record
from spectra.structure import free_streaming_class, has_several_scales
from sterile.bath import CROSSOVER_CITATION
from sterile.citation import citation_of
from sterile.contract import Dataset, Production
from sterile.mechanisms import kinds, mechanism_of
from sterile.quantities import Quantity, point_scalars

# relics drawn beside a spectrum
SHOWN_REFERENCES_KEV = (2.0, 3.3, 5.3)


def spectrum_scalars(spectrum: Spectrum, cosmology) -> dict[str, Array]:
    """The scalar JSON keys that a spectrum alone fixes."""
    return _spectrum_scalars(spectrum, cosmology)


@program
def _spectrum_scalars(spectrum, cosmology) -> dict[str, Array]:
    return {
        "mass_kev": spectrum.mass_kev,
        "temperature_ratio": spectrum.temperature_ratio,
        "omega_h2": omega_h2(spectrum, cosmology),
        "q_mean": q_mean(spectrum),
        "q_rms": q_rms(spectrum),
    }


def point_numbers(point) -> dict[str, Array]:
    """The scalar JSON keys of a :class:`sterile.Point`."""
    own = mechanism_of(point.production.model).numbers
    special = {"temperature_ratio": point.spectrum.temperature_ratio}
    return {
        name: special[name] if name in special else getattr(point, name)
        for name in point_scalars(dict(own))
    }


def error_scalars(error) -> dict[str, float]:
    """JSON keys of a production's :class:`sterile.contract.ErrorEstimate`: relative bounds."""
    return {
        "yield_n_error": error.yield_n,
        "q_mean_error": error.q_mean,
        "spectrum_error": error.spectrum,
    }


def json_object(
    scalars: dict, *, status: int, transfer=None, verdicts=None, warnings=()
) -> dict[str, object]:
    """One JSON object: finite scalars, T^2, verdicts and warnings; what is not finite is absent.

    ``scalars``: JSON key → number. ``transfer``: k_h_mpc and t2, shape (n,). ``verdicts``:
    name → Verdict. ``warnings``: sentences.
    """
    result: dict[str, object] = {"status": int(status)}
    result.update(_finite(scalars))
    if transfer is not None:
        result["k_h_mpc"] = np.asarray(transfer.k_h_mpc).tolist()
        t2 = np.asarray(transfer.t2)
        if np.isfinite(t2).all():
            result["t2"] = t2.tolist()
    if verdicts is not None:
        result["verdicts"] = {name: verdict_entry(verdict) for name, verdict in verdicts.items()}
    result["warnings"] = list(warnings)
    return result


def verdict_entry(verdict) -> dict[str, object]:
    """A verdict as plain values; numbers that are not finite are absent."""
    numbers = ("value", "threshold", "margin", "log_likelihood")
    return {
        "status": verdict.status,
        **_finite({name: getattr(verdict, name) for name in numbers}),
        "source": verdict.source,
        "convention": verdict.convention,
        **({"equivalent": verdict.equivalent} if verdict.equivalent else {}),
    }


def _finite(numbers: dict) -> dict[str, float]:
    plain = {name: float(value) for name, value in numbers.items()}
    return {name: value for name, value in plain.items() if math.isfinite(value)}


def structure_warnings(transfer, half) -> list[str]:
    """Sentences for the status codes of a transfer function and its half-mode."""
    codes = {int(transfer.status), int(half.status_t2)} - {Status.SUCCESS}
    sentences = {code: MESSAGES[Status(code)] for code in sorted(codes)}
    if Status.SPECTRUM_UNRESOLVED in sentences and transfer.table_error is not None:
        error = float(transfer.table_error.max())
        sentences[Status.SPECTRUM_UNRESOLVED] += f"; estimated error of T^2: {error:.1g}"
    return list(sentences.values())


def spectrum_warnings(spectrum: Spectrum) -> list[str]:
    """Sentences about what the spectrum alone tells."""
    if not bool(has_several_scales(spectrum)):
        return []
    return [
        "the spectrum has several scales (<q> below 0.8 of the rms): the warmness map and every "
        "thermal-equivalent mass are not reliable, look at the tests of T^2 itself"
    ]


def table(result: dict) -> str:
    """The terminal's page for a JSON object: aligned rows, verdicts, warnings."""
    rows = []
    for key, quantity in _vocabulary(result).items():
        if key in result:
            note = ""
            if key == "lambda_fs_mpc":
                note = f"  ({free_streaming_class(result[key])}, a label, not a verdict)"
            elif f"{key}_error" in result:
                note = f"  (numerical error below {result[f'{key}_error']:.0e})"
            unit = "" if quantity.unit == "1" else quantity.unit
            rows.append((quantity.description, f"{result[key]:.6g}", unit + note))
    for name, entry in result.get("verdicts", {}).items():
        rows.append((name, entry["status"], _numbers(entry)))
    widths = [max((len(row[i]) for row in rows), default=0) for i in range(2)]
    lines = [f"{a:<{widths[0]}}  {b:>{widths[1]}}  {c}".rstrip() for a, b, c in rows]
    lines += [f"warning: {warning}" for warning in result.get("warnings", ())]
    return "\n".join(lines)


def _vocabulary(result: dict) -> dict[str, Quantity]:
    """The scalars of the page, with those that only the result's mechanism knows."""
    shared = {*point_scalars({}), "status"}
    numbers = {name for name, value in result.items() if isinstance(value, (int, float))}
    unknown = {name for name in numbers - shared if name.removesuffix("_error") == name}
    own: dict[str, Quantity] = {}
    for entry in kinds().values():  # each is imported to be asked
        if unknown <= own.keys():
            break
        own |= entry.numbers
    return point_scalars(own)


def _numbers(entry: dict) -> str:
    words = f"margin {entry['margin']:+.3f}" if "margin" in entry else ""
    if "value" in entry and "threshold" in entry:
        words += f"  ({entry['value']:.4g}, threshold {entry['threshold']:.4g})"
    if "equivalent" in entry:
        words += f"  {entry['equivalent']}"
    return words.strip()


def record(
    result: dict,
    *,
    spectrum: Spectrum,
    cosmology,
    transfer,
    references=None,
    production=None,
    config_toml: str = "",
) -> Record:
    """The HDF5 record of a result.

    ``result``: its JSON object. ``references``: :class:`spectra.References` on the wavenumbers of
    ``transfer``; those of :data:`SHOWN_REFERENCES_KEV` are kept. ``production``: from
    ``sterile.solve``, when there is one.
    """
    datasets = {
        "spectrum/q": spectrum.q,
        "spectrum/f": spectrum.f,
        "transfer/k_h_mpc": transfer.k_h_mpc,
        "transfer/t": transfer.t,
        "transfer/t2": transfer.t2,
    }
    if references is not None:
        datasets["transfer/reference_masses_kev"] = SHOWN_REFERENCES_KEV
        datasets["transfer/reference_t2"] = [
            references.transfer(mass).t2 for mass in SHOWN_REFERENCES_KEV
        ]
    described = {}
    citation = citation_of(())
    if production is not None:
        made = production_datasets(production)
        datasets |= {name: dataset.values for name, dataset in made.items()}
        described = {name: (dataset.unit, dataset.description) for name, dataset in made.items()}
        crossover = production.plasma.electroweak_transition == "crossover"
        beside = (CROSSOVER_CITATION,) if crossover else ()
        citation = citation_of((*mechanism_of(production.model).citations, *beside))
    verdicts = result.get("verdicts", {})
    attributes = {
        "spectrum": {
            "mass_kev": float(spectrum.mass_kev),
            "temperature_ratio": float(spectrum.temperature_ratio),
        },
        "cosmology": {name: float(value) for name, value in vars(cosmology).items()},
        "summary": {
            name: value for name, value in result.items() if isinstance(value, (int, float))
        },
        **{f"verdicts/{name}": entry for name, entry in verdicts.items()},
    }
    return Record(
        datasets={name: np.asarray(values) for name, values in datasets.items()},
        attributes=attributes,
        config_toml=config_toml,
        citation=citation,
        described=described,
        warnings=tuple(result.get("warnings", ())),
    )


def production_datasets(production: Production) -> dict[str, Dataset]:
    """What a result file keeps of a production, path → :class:`Dataset`."""
    history = production.history
    found = {
        "history/temperature_gev": Dataset(history.temperature_gev, "GeV", "plasma temperature"),
        "history/yield_n": Dataset(history.yield_n, "1", "sterile neutrinos per entropy, n_N/s"),
    }
    found |= mechanism_of(production.model).datasets(production)
    return {f"production/{name}": dataset for name, dataset in found.items()}
