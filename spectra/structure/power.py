"""The linear matter power spectrum of cold dark matter, P_CDM(k, z), and of any transfer function.

The shape comes from CAMB (Lewis, Challinor & Lasenby 2000, astro-ph/9911177), tabulated once per
cosmology without the primordial spectrum: A_s and n_s enter analytically,
P(k, z) = A_s (k/k_pivot)^(n_s - 1) W(k, z). Total matter, baryons and dark matter.
"""

import dataclasses
import math
from functools import lru_cache
from importlib import resources

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from spectra.cache import file_name, kept_tables, read_tables
from spectra.cosmology import Cosmology, as_float
from spectra.linear import (
    MATCH_TOLERANCE,
    TABLE_FIELDS,
    TANGENT_FIELDS,
    Transfer,
    distance_between,
    lagrange_six,
    ln_change,
    require_served,
    serves,
    table_fields,
)
from spectra.numerics import integral_weights, interpolate
from spectra.precision import require_x64
from spectra.structure.camb_run import PIVOT_MPC, run_camb
from spectra.tracing import is_traced
from spectra.units import plain_numbers

SHIPPED_FILE = "power_planck18.h5"
K_RANGE_H_MPC = (1e-4, 500.0)
HIGHEST_Z = 200.0
K_NODES, Z_NODES = 1300, 36
# of the differences in ln of a parameter that give the derivatives: 2e-3 of them by truncation
# where the acoustic oscillations shift, CAMB's noise over the step elsewhere
TANGENT_STEP = 0.02
# bumped when the recipe below changes: old cache files are then not found
_RECIPE = 1
# acoustic oscillations need dense nodes, the smooth tail does not, and costs the time
_ACOUSTIC_K_H_MPC, _DENSE_PER_E_FOLD = 5.0, 60


class PowerTable(eqx.Module):
    """ln W of one cosmology on a lattice uniform in ln k and ln(1 + z).

    Attributes
    ----------
    cosmology : the :class:`spectra.Cosmology` it was made for.
    ln_k : (nk,) ln of the wavenumber in h/Mpc, uniform, increasing.
    ln_one_plus_z : (nz,) ln(1 + z), uniform from 0.
    ln_shape : (nz, nk) ln of W = P/[A_s (k/k_pivot)^(n_s - 1)], W in (Mpc/h)^3.
    tangents : (4, nz, nk) its derivatives with respect to ln of each of
        ``neighbours.TANGENT_FIELDS`` at fixed k in h/Mpc, or None.
    """

    cosmology: Cosmology
    ln_k: Array
    ln_one_plus_z: Array
    ln_shape: Array
    tangents: Array | None = None


def power_table(cosmology: Cosmology | None = None, derivatives: bool = False) -> PowerTable:
    """The table of a cosmology; call it outside ``jit``.

    The default cosmology's ships with the package. Another one is computed by CAMB (half a minute)
    and kept on disk, with a checksum; a damaged file is replaced. Of a traced cosmology nothing is
    known yet: the default one's table comes back, good to 3 % from it.

    Parameters
    ----------
    cosmology : the default one when left out.
    derivatives : with derivatives in h, omega_b, omega_dm and N_eff; four more minutes for a
        cosmology that is not on disk. The default cosmology's table always has them.

    Raises
    ------
    ValueError
        If CAMB is needed and not installed, or JAX is not in 64-bit mode.
    """
    require_x64()
    cosmology = Cosmology() if cosmology is None else cosmology
    shipped = _shipped()
    if is_traced([getattr(cosmology, name) for name in TABLE_FIELDS]):
        return shipped
    if distance_between(cosmology, shipped.cosmology) <= 0.5 * MATCH_TOLERANCE:
        return shipped
    return _cached(tuple(table_fields(cosmology).values()), derivatives)


@lru_cache(maxsize=1)
def _shipped() -> PowerTable:
    with resources.as_file(resources.files("spectra") / "data" / SHIPPED_FILE) as path:
        return _assemble(*read_tables(path))


@lru_cache(maxsize=8)
def _cached(values: tuple[float, ...], derivatives: bool) -> PowerTable:
    fields = dict(zip(TABLE_FIELDS, values))
    key = (_RECIPE, K_NODES, Z_NODES, K_RANGE_H_MPC, HIGHEST_Z, fields)
    names = [file_name(kind, *key) for kind in ("power-tangents", "power")]

    def make():
        tables, attributes = camb_tables(Cosmology(**fields))
        if derivatives:
            tables["tangents"] = camb_tangents(Cosmology(**fields))
        return tables, attributes

    return _assemble(*kept_tables(names[:1] if derivatives else names, make))


def _assemble(tables: dict, attributes: dict) -> PowerTable:
    with jax.ensure_compile_time_eval():
        return PowerTable(
            cosmology=Cosmology(**{name: attributes[name] for name in TABLE_FIELDS}),
            **{name: as_float(v) for name, v in tables.items()},
        )


@plain_numbers
def table_of(k_h_mpc, power, z=(0.0,), cosmology: Cosmology | None = None) -> PowerTable:
    """A table from any code's spectra, resampled with cubic splines of ln P in ln k.

    Parameters
    ----------
    k_h_mpc : (n,) wavenumbers [h/Mpc], increasing; ``power`` : (m, n) P(k, z) [(Mpc/h)^3],
        made with the n_s and a_s of ``cosmology`` (the default one when left out).
    z : (m,) redshifts; uniform in ln(1 + z) from 0, or one of any value.
    """
    cosmology = Cosmology() if cosmology is None else cosmology
    tables = _tables(np.asarray(k_h_mpc), np.atleast_2d(power), np.asarray(z, float), cosmology)
    return _assemble(tables, table_fields(cosmology))


def _tables(k, power, z, cosmology: Cosmology) -> dict[str, np.ndarray]:
    from scipy.interpolate import CubicSpline  # slow to import, needed only here

    first, last = max(k[0], K_RANGE_H_MPC[0]), min(k[-1], K_RANGE_H_MPC[1])
    ln_k = np.linspace(math.log(first), math.log(last), K_NODES)
    ln_power = CubicSpline(np.log(k), np.log(power), axis=1)(np.clip(ln_k, *np.log(k[[0, -1]])))
    pivot = math.log(PIVOT_MPC / float(cosmology.h))
    ln_primordial = math.log(float(cosmology.a_s)) + (float(cosmology.n_s) - 1.0) * (ln_k - pivot)
    return {
        "ln_k": ln_k,
        "ln_one_plus_z": np.log1p(z),
        "ln_shape": ln_power - ln_primordial,
    }


def camb_tables(cosmology: Cosmology) -> tuple[dict, dict]:
    """Arrays and attributes of a cosmology's table, computed by CAMB.

    Two runs: dense in k through the acoustic oscillations, sparse beyond. CAMB's standard accuracy:
    within 1e-3 of CLASS at 0.01-0.1 h/Mpc, 2e-4 above (tripling its multipoles without truncating
    the radiation agrees to 6e-5, moves sigma_8 by 1e-6, and takes ten times as long).
    Massless neutrinos, total matter (baryon pressure included, hence the bend beyond 100 h/Mpc).
    """
    # CAMB wants them falling
    z = np.expm1(np.linspace(0.0, math.log1p(HIGHEST_Z), Z_NODES))

    def spectra(k_max: float, per_e_fold: int):
        results, version = run_camb(
            cosmology,
            z[::-1],
            k_max,
            per_e_fold,
            "the power spectrum of a cosmology other than the default one",
        )
        k, _, power = results.get_linear_matter_power_spectrum()
        return k, power, version

    k_dense, dense, version = spectra(_ACOUSTIC_K_H_MPC, _DENSE_PER_E_FOLD)
    k_tail, tail, _ = spectra(1.02 * K_RANGE_H_MPC[1], 0)
    # the last nodes of a run are beside its own end: leave a margin
    use = k_dense < 0.8 * _ACOUSTIC_K_H_MPC
    beyond = k_tail > 1.01 * k_dense[use][-1]
    k = np.concatenate([k_dense[use], k_tail[beyond]])
    power = np.concatenate([dense[:, use], tail[:, beyond]], axis=1)
    attributes = {
        **table_fields(cosmology),
        "source": f"CAMB {version}, total matter, linear, massless neutrinos",
        "k_nodes": k.size,
    }
    return _tables(k, power, z, cosmology), attributes


def camb_tangents(cosmology: Cosmology) -> np.ndarray:
    """``PowerTable.tangents`` of a cosmology by central differences of :func:`camb_tables`.

    Single precision, far above what differences are good for.
    """

    def ln_shape(name, side):
        value = float(getattr(cosmology, name)) * math.exp(side * TANGENT_STEP)
        return camb_tables(dataclasses.replace(cosmology, **{name: value}))[0]["ln_shape"]

    differences = [ln_shape(name, 1) - ln_shape(name, -1) for name in TANGENT_FIELDS]
    return (np.stack(differences) / (2.0 * TANGENT_STEP)).astype(np.float32)


def power_at(table: PowerTable, cosmology: Cosmology) -> PowerTable:
    """The table carried to a neighbouring cosmology, to first order in ln of its parameters.

    At the table's own cosmology no value changes, but derivatives in the cosmology flow. A table
    without derivatives comes back as it is. The result has none.
    """
    if table.tangents is None:
        return table
    shift = jnp.tensordot(ln_change(table.cosmology, cosmology), table.tangents, 1)
    served = serves(table.cosmology, cosmology, True)
    return PowerTable(
        cosmology=cosmology,
        ln_k=table.ln_k,
        ln_one_plus_z=table.ln_one_plus_z,
        ln_shape=table.ln_shape + jnp.where(served, shift, jnp.nan),
    )


@plain_numbers
def cold_power(
    k_h_mpc: ArrayLike, table: PowerTable, cosmology: Cosmology | None = None, z: ArrayLike = 0.0
) -> Array:
    """P_CDM(k, z) [(Mpc/h)^3], linear, total matter; the shape of ``k_h_mpc``.

    Differentiable in k, z and, as far as the table's derivatives go, the cosmology. Below the
    table P ~ k^n_s; beyond it a power law with the slope of its end (baryon pressure bends P there,
    so the cold logarithm k^(n_s - 4) ln^2 k would be too high).

    Parameters
    ----------
    k_h_mpc : wavenumbers [h/Mpc], any shape.
    table : of :func:`power_table`.
    cosmology : gives n_s and a_s; the rest must be the table's, or within 3 % if it has
        derivatives (good to first order); the table's own when left out.
    z : redshift, scalar, 0 to 200.

    Raises
    ------
    ValueError
        If the cosmology is not that of the table (:func:`check_cosmology`); NaN when that shows
        only under tracing; if JAX is not in 64-bit mode.
    """
    require_x64()
    cosmology = table.cosmology if cosmology is None else cosmology
    check_cosmology(cosmology, table)
    table = power_at(table, cosmology)
    ln_k = jnp.log(k_h_mpc)
    power = jnp.exp(_ln_shape(ln_k, table, z) + ln_primordial(ln_k, cosmology))
    return jnp.where(serves(table.cosmology, cosmology, False), power, jnp.nan)


def check_cosmology(cosmology: Cosmology, table: PowerTable) -> None:
    """Raise ``ValueError`` naming the field unless the table serves a concrete cosmology."""
    require_served(
        table.cosmology,
        cosmology,
        table.tangents is not None,
        "power table",
        "power=spectra.power_table(cosmology)",
    )


def ln_primordial(ln_k: ArrayLike, cosmology: Cosmology) -> Array:
    """ln of A_s (k/k_pivot)^(n_s - 1) at ln of k in h/Mpc, any shape."""
    pivot = jnp.log(PIVOT_MPC / cosmology.h)
    return jnp.log(cosmology.a_s) + (cosmology.n_s - 1.0) * (ln_k - pivot)


def matter_power(
    transfer: Transfer, table: PowerTable, cosmology: Cosmology | None = None
) -> Array:
    """P_CDM T^2 today [(Mpc/h)^3] at the wavenumbers of a transfer function, shape (n,).

    Parameters
    ----------
    transfer : k_h_mpc (n,) [h/Mpc], t (n,).
    table, cosmology : as for :func:`spectra.cold_power`; z = 0.
    """
    require_x64()
    return transfer.t2 * cold_power(transfer.k_h_mpc, table, cosmology)


def transfer_at(ln_k: Array, transfer) -> Array:
    """T at ln of k in h/Mpc, (m,): six-point interpolation in ln k, constant outside its range.

    ``transfer``: k_h_mpc (n,) in any order, t (n,), n >= 4.
    """
    order = jnp.argsort(transfer.k_h_mpc)
    nodes = jnp.log(transfer.k_h_mpc[order])
    return interpolate(jnp.clip(ln_k, nodes[0], nodes[-1]), nodes, transfer.t[order])


def covers(transfer, k_h_mpc: ArrayLike) -> Array:
    """Whether a transfer function is finite and reaches ``k_h_mpc`` [h/Mpc], boolean scalar."""
    reach = jnp.max(transfer.k_h_mpc) >= k_h_mpc * (1.0 - 1e-9)
    return reach & jnp.all(jnp.isfinite(transfer.t))


def growth(z, table: PowerTable, k_h_mpc=1.0) -> Array:
    """Growth factor D(z) = sqrt(P(k, z)/P(k, 0)) at one k [h/Mpc] in the table's cosmology, scalar.

    With radiation and the baryons' lag it depends on k, by one percent at z = 6.
    """
    ln_k = jnp.log(jnp.asarray(k_h_mpc, dtype=float))
    return jnp.exp(0.5 * (_ln_shape(ln_k, table, z) - _ln_shape(ln_k, table, 0.0)))


def shape_at(z, table: PowerTable) -> Array:
    """ln W on the table's own wavenumbers at redshift z, shape (nk,)."""
    nodes = table.ln_one_plus_z.shape[0]
    if nodes == 1:
        return table.ln_shape[0]
    return interpolate_rows(jnp.log1p(jnp.asarray(z, dtype=float)), table)


def interpolate_rows(ln_one_plus_z: Array, table: PowerTable) -> Array:
    """ln W at one ln(1 + z), shape (nk,): the polynomial through the six nearest rows."""
    rows = jnp.eye(table.ln_one_plus_z.shape[0])
    weights = jax.vmap(
        lambda row: interpolate(ln_one_plus_z[None], table.ln_one_plus_z, row)[0], in_axes=1
    )(rows)
    return weights @ table.ln_shape


@jax.jit
def _ln_shape(ln_k: Array, table: PowerTable, z) -> Array:
    row, nodes = shape_at(z, table), table.ln_k
    spacing = (nodes[-1] - nodes[0]) / (nodes.shape[0] - 1)
    place = (jnp.clip(ln_k, nodes[0], nodes[-1]) - nodes[0]) / spacing
    first = jnp.clip(jnp.floor(place).astype(jnp.int32) - 2, 0, nodes.shape[0] - 6)
    weights = lagrange_six(place - first.astype(float) - 2.0)
    inside = jnp.sum(weights * row[jnp.stack([first + j for j in range(6)], axis=-1)], axis=-1)
    below = jnp.minimum(ln_k - nodes[0], 0.0)  # W ~ k
    beyond = jnp.maximum(ln_k - nodes[-1], 0.0)
    slope = (25 * row[-1] - 48 * row[-2] + 36 * row[-3] - 16 * row[-4] + 3 * row[-5]) / (
        12.0 * spacing
    )
    return inside + below + slope * beyond


def sigma8(table: PowerTable, cosmology: Cosmology | None = None, z=0.0) -> Array:
    """Rms linear overdensity in spheres of 8 Mpc/h (top hat), scalar."""
    cosmology = table.cosmology if cosmology is None else cosmology
    table = power_at(table, cosmology)
    ln_k = table.ln_k
    x = 8.0 * jnp.exp(ln_k)
    window = 3.0 * (jnp.sin(x) - x * jnp.cos(x)) / x**3
    ln_power = shape_at(z, table) + ln_primordial(ln_k, cosmology)
    variance = jnp.exp(3.0 * ln_k + ln_power) * window**2 / (2.0 * math.pi**2)
    return jnp.sqrt(jnp.sum(integral_weights(ln_k) * variance))
