"""Thermal relics that spectra are compared with: by this solver, or by a published fit."""

import math
from collections.abc import Sequence
from functools import lru_cache
from importlib import resources

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from spectra.cache import Tables, file_name, kept_tables, read_tables
from spectra.cosmology import Cosmology, as_float
from spectra.linear import MATCH_TOLERANCE, Drive, Transfer, distance_between, is_shared
from spectra.linear import drive as drive_of
from spectra.linear import transfer as solve_transfer
from spectra.programs import program, source_checksum
from spectra.spectrum import THERMAL_NODES, Spectrum, thermal_relic
from spectra.status import Status
from spectra.structure.halos import halo_density
from spectra.structure.lyman_alpha import area_deficit
from spectra.structure.power import PowerTable, power_table
from spectra.structure.shapes import FITS, shape_transfer, thermal_shape
from spectra.tracing import is_traced
from spectra.units import plain_numbers

KINDS = ("solver", *FITS)
# node counts of a spectrum at which a relic of as many nodes is accurate and cheap
_SHARED_NODES = (400, 5000)
# where the fit is tabulated: fine enough for interpolation to 1e-8
_FIT_K_H_MPC = (0.05, 500.0, 400)
# lighter relics may be fast (a relic of 0.5 keV is)
_SLOW_ABOVE_KEV = 0.7
SHIPPED_FILE = "references_planck18.h5"
_TRANSFER_TABLES = ("k_h_mpc", "t", "t2", "status", "t2_error", "table_error")


class References(eqx.Module):
    """Thermal relics of m masses in one cosmology.

    Attributes
    ----------
    transfers : Transfer, leaves with a leading axis of length m.
    area_deficit : (m,) delta_A with the default k_cut.
    halo_density_mpc3 : (m,) haloes above 1e6 Msun/h at z = 6 per comoving Mpc^3.
    cosmology : theirs.
    masses_kev : m masses [keV], increasing.
    kind : "solver", "viel2005" or "vogel2023".
    """

    transfers: Transfer
    area_deficit: Array
    halo_density_mpc3: Array
    cosmology: Cosmology
    masses_kev: tuple[float, ...] = eqx.field(static=True)
    kind: str = eqx.field(static=True)

    def index(self, mass_kev: float) -> int:
        """Position of a mass; ``ValueError`` if it is not among them."""
        if mass_kev not in self.masses_kev:
            known = ", ".join(f"{mass:g}" for mass in self.masses_kev)
            raise ValueError(f"no reference relic of {mass_kev:g} keV; there are {known} keV")
        return self.masses_kev.index(mass_kev)

    def transfer(self, mass_kev: float) -> Transfer:
        """T(k) of one relic."""
        index = self.index(mass_kev)
        return jax.tree.map(lambda leaf: leaf[index], self.transfers)


@plain_numbers
def reference_relics(
    masses_kev: Sequence[float] | np.ndarray | float,
    cosmology: Cosmology | None = None,
    drive: Drive | None = None,
    power: PowerTable | None = None,
    kind: str = "solver",
    like: Spectrum | None = None,
) -> References:
    """Reference relics and what the constraints need of them.

    The solver's relics are colder than the fit of Viel et al. 2005, by 3, 6, 9 % in k_1/2 at 2,
    3.5, 5.3 keV, and agree with that of Vogel & Abazajian 2210.10753 to 1.3 % from 2 to 20 keV
    (docs/verdicts.md): compare a spectrum computed here with "solver", a closed-form T with the
    fit that it comes from.

    Parameters
    ----------
    masses_kev : masses [keV], concrete.
    cosmology, drive, power : as for :func:`spectra.transfer` and :func:`spectra.cold_power`; tables
        of another cosmology with derivatives carry the relics to this one, up to 3 % away.
    kind : "solver", "viel2005" or "vogel2023" (spin 1/2).
    like : a spectrum already solved for; relics then have as many momenta. Without it the solver's
        relics of the default cosmology are read from the package, those of another one from the
        cache, where they are kept once made.

    Raises
    ------
    ValueError
        If no mass is given, one is not positive, or the kind is unknown.
    """
    masses = tuple(sorted({float(mass) for mass in np.atleast_1d(masses_kev)}))
    if not masses or not all(math.isfinite(mass) and mass > 0.0 for mass in masses):
        raise ValueError(
            f"reference_masses_kev = {masses_kev} must be one or more positive numbers"
        )
    if kind not in KINDS:
        known = ", ".join(f'"{name}"' for name in KINDS)
        raise ValueError(f"reference kind = {kind!r} is unknown; use one of {known}")
    cosmology = Cosmology() if cosmology is None else cosmology
    if kind == "solver" and like is None and made_for(cosmology, drive, power):
        return _kept(tuple(float(value) for value in vars(cosmology).values()), masses)
    power = power_table(cosmology) if power is None else power
    return _compute(masses, cosmology, drive, power, kind, like)


def references_at(
    references: References, cosmology: Cosmology, drive: Drive | None, power: PowerTable
) -> References:
    """The same relics solved for in another cosmology, to which ``drive`` and ``power`` reach.

    For cosmologies that vary: nothing is kept, and derivatives in the cosmology flow. Under tracing
    numbers are NaN where the tables do not reach. Arguments as for :func:`reference_relics`.
    """
    return _compute(references.masses_kev, cosmology, drive, power, references.kind, None)


def made_for(cosmology: Cosmology, drive: Drive | None, power: PowerTable | None) -> bool:
    """Whether a concrete cosmology's own tables are meant, of which all follows that is kept.

    Tables of a neighbour may be given instead, or of the user's own making.
    """
    if is_traced((cosmology, drive, power)):
        return False
    tables = [table for table in (drive, power) if table is not None]
    if any(distance_between(table.cosmology, cosmology) > MATCH_TOLERANCE for table in tables):
        return False  # before a table of this cosmology is made, only to be compared
    own_power = power is None or power is power_table(cosmology)
    return own_power and (drive is None or is_shared(drive))


def _compute(masses, cosmology, drive, power, kind: str, like: Spectrum | None) -> References:
    if kind in FITS:
        k = jnp.asarray(np.geomspace(*_FIT_K_H_MPC))
        shapes = [thermal_shape(mass, cosmology, FITS[kind]) for mass in masses]
        solved = [shape_transfer(shape, k) for shape in shapes]
        transfers = jax.tree.map(lambda *leaves: jnp.stack(leaves), *solved)
    else:
        nodes = THERMAL_NODES if like is None else like.q.shape[-1]
        nodes = nodes if _SHARED_NODES[0] <= nodes <= _SHARED_NODES[1] else THERMAL_NODES
        transfers = relic_transfers(masses, None, cosmology, drive, nodes)
    return _measure(transfers, power, cosmology, masses, kind)


def relic_transfers(
    masses_kev: Sequence[float],
    shares: Sequence[float] | None,
    cosmology: Cosmology,
    drive: Drive | None,
    nodes: int = THERMAL_NODES,
) -> Transfer:
    """T(k) of n thermal relics [keV] by the solver, leaves (n, ...); in one program where traced.

    ``shares``: of omega_dm of each, the rest is cold; all of it where left out. ``drive``: as for
    :func:`spectra.transfer`; ``nodes``: momenta of each.
    """
    if drive is None:
        drive = drive_of(None if is_traced(cosmology) else cosmology)
    ways = "never" if min(masses_kev) >= _SLOW_ABOVE_KEV else "where needed"

    def one(mass, share):
        relic = thermal_relic(mass, cosmology, nodes=nodes)
        composition = "rescale" if share is None else share
        return solve_transfer(relic, cosmology, drive, None, composition, ways)

    masses = as_float(np.asarray(masses_kev))
    parts = None if shares is None else as_float(np.asarray(shares))
    if is_traced((cosmology, drive)):
        solved = jax.vmap(one)(masses, parts)
        foreign = (solved.status == Status.COSMOLOGY_MISMATCH)[:, None]
        t, t2 = (jnp.where(foreign, jnp.nan, each) for each in (solved.t, solved.t2))
        return eqx.tree_at(lambda each: (each.t, each.t2), solved, (t, t2))
    solved = [one(mass, None if parts is None else parts[i]) for i, mass in enumerate(masses_kev)]
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *solved)


@lru_cache(maxsize=8)
def _kept(values: tuple[float, ...], masses: tuple[float, ...]) -> References:
    """The solver's relics of a cosmology from the package, from the cache, or made and kept."""
    cosmology = Cosmology(**dict(zip(Cosmology.__dataclass_fields__, values)))
    tables, attributes = _shipped()
    if tuple(attributes[name] for name in vars(cosmology)) != values or not set(masses) <= set(
        tables["masses_kev"]
    ):
        name = file_name("references", values, masses, source_checksum())
        tables, _ = kept_tables([name], lambda: reference_tables(masses, cosmology))
    rows = np.searchsorted(tables["masses_kev"], masses)
    with jax.ensure_compile_time_eval():
        transfers = {name: jax.device_put(tables[name][rows]) for name in _TRANSFER_TABLES}
        return References(
            transfers=Transfer(**transfers),
            area_deficit=as_float(tables["area_deficit"][rows]),
            halo_density_mpc3=as_float(tables["halo_density_mpc3"][rows]),
            cosmology=cosmology,
            masses_kev=masses,
            kind="solver",
        )


def reference_tables(masses: tuple[float, ...], cosmology: Cosmology) -> tuple[dict, dict]:
    """Arrays and attributes of :class:`References` by the solver, for a file of tables."""
    made = _compute(masses, cosmology, drive_of(cosmology), power_table(cosmology), "solver", None)
    tables = {name: np.asarray(getattr(made.transfers, name)) for name in _TRANSFER_TABLES}
    tables |= {
        "masses_kev": np.asarray(masses),
        "area_deficit": np.asarray(made.area_deficit),
        "halo_density_mpc3": np.asarray(made.halo_density_mpc3),
    }
    fields = {name: float(value) for name, value in vars(cosmology).items()}
    return tables, {**fields, "description": "reference thermal relics by this solver"}


@lru_cache(maxsize=1)
def _shipped() -> Tables:
    with resources.as_file(resources.files("spectra") / "data" / SHIPPED_FILE) as path:
        return read_tables(path)


@program
def _measure(transfers, power, cosmology, masses, kind) -> References:
    return References(
        transfers=transfers,
        area_deficit=jax.vmap(lambda t: area_deficit(t, power, cosmology))(transfers),
        halo_density_mpc3=jax.vmap(lambda t: halo_density(t, power, cosmology))(transfers),
        cosmology=cosmology,
        masses_kev=masses,
        kind=kind,
    )
