"""Numbers of the models that published bounds are about, and which relic has a half-mode mass.

They are the same for everybody: those of the default cosmology are shipped, those of another one
are kept in the cache once made.
"""

import math
from functools import lru_cache
from importlib import resources
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from spectra.cache import Tables, file_name, kept_tables, read_tables
from spectra.cosmology import Cosmology, as_float
from spectra.linear import Drive, transfer
from spectra.linear import drive as drive_of
from spectra.programs import program, source_checksum
from spectra.spectrum import thermal_relic
from spectra.structure.bounds_catalogue import Model
from spectra.structure.measures import measure
from spectra.structure.power import PowerTable, power_table
from spectra.structure.references import KINDS, relic_transfers
from spectra.structure.scales import half_mode_wavenumber
from spectra.structure.shapes import FITS, shape_transfer, thermal_mass_kev, thermal_shape
from spectra.tracing import is_traced
from spectra.units import plain_numbers

SHIPPED_FILE = "standards_planck18.h5"
# numbers of a model that are kept, as Measured and its half-mode call them
NUMBERS = ("m_hm_t_half_msun_h", "delta_a", "n_satellites", "n_galaxies_z6_mpc3")
# relics of which half-modes are tabulated [keV]: to the end of the solver's wavenumbers
HALF_MODE_MASSES_KEV = tuple(np.geomspace(1.0, 18.0, 16).tolist())
_FIT_K_H_MPC = (1e-3, 1e3, 800)


def standard_numbers(
    models: tuple[Model, ...], cosmology: Cosmology
) -> dict[Model, dict[str, float]]:
    """The numbers :data:`NUMBERS` of every model in a cosmology, by name; NaN where there is none.

    ``cosmology`` concrete. Models that are not shipped are solved for, about a second for the
    first.
    """
    tables, attributes = _shipped()
    fields = {name: float(value) for name, value in vars(cosmology).items()}
    own = all(attributes[name] == value for name, value in fields.items())
    known = _by_model(tables) if own else {}
    missing = tuple(sorted({model for model in models if model not in known}))
    if missing:
        name = file_name("standards", list(fields.values()), missing, source_checksum())
        made, _ = kept_tables([name], lambda: standard_tables(missing, cosmology))
        known = known | _by_model(made)
    return {model: known[model] for model in models}


def _by_model(tables: dict[str, np.ndarray]) -> dict[Model, dict[str, float]]:
    keys = zip(tables["relic"], tables["mass_kev"], tables["share"])
    models = [Model(KINDS[int(kind)], float(mass), float(share)) for kind, mass, share in keys]
    rows = tables["numbers"].tolist()
    return {model: dict(zip(NUMBERS, row)) for model, row in zip(models, rows)}


def standard_tables(models: tuple[Model, ...], cosmology: Cosmology) -> Tables:
    """Arrays and attributes of the numbers of models, for a file of tables."""
    power = power_table(cosmology)
    rows = []
    for model in models:
        found = measure(_transfer(model, cosmology), power, cosmology).numbers()
        rows.append([float(found[name]) for name in NUMBERS])
    tables = {
        "relic": np.array([KINDS.index(model.relic) for model in models], dtype=float),
        "mass_kev": np.array([model.mass_kev for model in models]),
        "share": np.array([model.share for model in models]),
        "numbers": np.array(rows).reshape(len(models), len(NUMBERS)),
    }
    fields = {name: float(value) for name, value in vars(cosmology).items()}
    return tables, {**fields, "description": "numbers of the models of published bounds"}


def standard_numbers_at(
    models: tuple[Model, ...], cosmology: Cosmology, drive: Drive | None, power: PowerTable
) -> dict[Model, dict[str, Array]]:
    """:func:`standard_numbers` in a cosmology to which ``drive`` and ``power`` reach.

    It may be traced. NaN where they do not reach. Nothing is kept.
    """
    if drive is None:
        drive = drive_of(None if is_traced(cosmology) else cosmology)
    rows = _numbers_at(tuple(models), cosmology, drive, power) if models else ()
    return {model: dict(zip(NUMBERS, row)) for model, row in zip(models, rows)}


@program
def _numbers_at(models, cosmology, drive, power) -> Array:
    """(n, 4): :data:`NUMBERS` of n models, each kind of relic side by side."""
    rows = {}
    for kind in dict.fromkeys(model.relic for model in models):
        own = [model for model in models if model.relic == kind]
        if kind in FITS:
            curves = [_transfer(model, cosmology) for model in own]
            solved = jax.tree.map(lambda *leaves: jnp.stack(leaves), *curves)
        else:
            masses, shares = [model.mass_kev for model in own], [model.share for model in own]
            solved = relic_transfers(masses, shares, cosmology, drive)
        found = jax.vmap(lambda curve: measure(curve, power, cosmology).numbers())(solved)
        rows |= zip(own, jnp.stack([found[name] for name in NUMBERS], axis=1))
    return jnp.stack([rows[model] for model in models])


def _transfer(model: Model, cosmology: Cosmology):
    if model.relic in FITS:
        k = np.geomspace(*_FIT_K_H_MPC)
        return shape_transfer(thermal_shape(model.mass_kev, cosmology, FITS[model.relic]), k)
    dm = thermal_relic(model.mass_kev, cosmology)
    shares = "rescale" if model.share == 1.0 else as_float(model.share)
    return transfer(dm, cosmology, drive=drive_of(cosmology), composition=shares)


def half_mode_models() -> tuple[Model, ...]:
    """The solver's relics whose half-modes are tabulated."""
    return tuple(Model("solver", mass, 1.0) for mass in HALF_MODE_MASSES_KEV)


@lru_cache(maxsize=1)
def _shipped() -> Tables:
    with resources.as_file(resources.files("spectra") / "data" / SHIPPED_FILE) as path:
        return read_tables(path)


@plain_numbers
def relic_masses_kev(m_hm_msun: float, cosmology: Cosmology | None = None) -> dict[str, float]:
    """Mass [keV] of the thermal relic with a half-mode mass, by each kind of reference relic.

    The same M_hm is called by masses that differ by a seventh.

    Parameters
    ----------
    m_hm_msun : half-mode mass of T = 1/2 [Msun, no h], concrete.
    cosmology : concrete; the default one when left out.

    Returns
    -------
    "solver", "viel2005", "vogel2023" → keV; the first is NaN outside 1 to 18 keV.

    Raises
    ------
    ValueError
        If the mass is not positive and finite.
    """
    if not (math.isfinite(m_hm_msun) and m_hm_msun > 0.0):
        raise ValueError(f"m_hm_msun = {m_hm_msun} must be positive and finite; give it in Msun")
    cosmology = Cosmology() if cosmology is None else cosmology
    plain = SimpleNamespace(**{name: float(value) for name, value in vars(cosmology).items()})
    numbers = standard_numbers(half_mode_models(), cosmology)
    ln_m = np.log([model.mass_kev for model in numbers])
    ln_m_hm = np.log([row["m_hm_t_half_msun_h"] for row in numbers.values()])
    # in another cosmology the coldest may have no half-mode within the solver's wavenumbers
    there = np.isfinite(ln_m_hm)
    ln_m, ln_m_hm = ln_m[there], ln_m_hm[there]
    ln_asked = math.log(m_hm_msun * plain.h)
    solved = math.nan
    if ln_m.size and ln_m_hm[-1] <= ln_asked <= ln_m_hm[0]:
        # nearly a power law: a polynomial meets all to 1e-6; scipy's splines take 0.5 s to load
        smooth = np.polynomial.Polynomial.fit(ln_m_hm, ln_m, min(9, ln_m.size - 1))
        solved = math.exp(smooth(ln_asked))
    k = half_mode_wavenumber(m_hm_msun * plain.h, plain)
    fitted = {kind: thermal_mass_kev(k, plain, 0.25, fit) for kind, fit in FITS.items()}
    return {"solver": solved, **fitted}
