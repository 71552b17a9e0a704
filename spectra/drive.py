"""What photons, neutrinos and baryons do to any dark matter: one table per cosmology.

A drive holds the response G(k, tau, u) of a collisionless shell of velocity u = q/m to the
potentials of everything but the dark matter, and the baryons' answer to the dark matter's gravity.
It is made by ``runs/make_drive.py`` from a CLASS run (derivation in ``spectra/drive_build.py``);
the one of the default cosmology ships with the package.
"""

import math
import os
from functools import lru_cache
from importlib import resources

import equinox as eqx
import h5py
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from spectra._deposit import lagrange_six
from spectra._taper import sinc_table
from spectra.cosmology import Cosmology
from spectra.precision import require_x64

# the fields that shape T^2; n_s and a_s drop out of it
DRIVE_FIELDS = ("h", "omega_b", "omega_dm", "n_eff", "t_cmb_kelvin", "y_he")
MATCH_TOLERANCE = 1e-6
SHIPPED_FILE = "drive_planck18.h5"
LOWEST_U, HIGHEST_U = 1e-12, 1e-5
_GREGORY = np.array(  # end-corrected trapezoid, six points a side
    [19087 / 60480, 84199 / 60480, 18869 / 30240, 37621 / 30240, 55031 / 60480, 61343 / 60480]
)


class Drive(eqx.Module):
    """Tables of one cosmology; nk, nt, nw, ny count the nodes in k, time, ln(k u), ln u.

    Attributes
    ----------
    cosmology : the :class:`spectra.Cosmology` it was made for.
    k_h_mpc : (nk,) wavenumbers [h/Mpc], increasing.
    ln_k_shift : (nk,) ln(k / k_first) in units of ``dy``, k_first the first node of the file.
    response : (nk, nw, nr) overdensity in the dark matter's comoving gauge per shell of velocity u,
        in terms of the histories ``time_modes`` (nr, nt).
    response_cold : (nk, nt) its limit u -> 0.
    ln_a : (nt,) time nodes, the last one today.
    baryon_external : (nk, nt) the part of delta_b that is no answer to the dark matter, in the
        gauge comoving with cold dark matter.
    cold_today : (nk,) matter overdensity today for cold dark matter, by the same solver.
    gravity_weights : (nt, nt) w_ij a_j dtau_j, lower triangular.
    distance : (nt, nt) s_i - s_j [Mpc]; ``distance_row``, ``distance_weights``: where its logarithm
        lies among the rows of the kernel table, and the interpolation weights (nt, nt, 4).
    baryon_weights : (nt, nt) response of delta_b to the source at earlier nodes.
    poisson_cold, poisson_baryon : (nt,) (3/2a) times the density today [1/Mpc^2].
    horizon : (nt,) 3 H [1/Mpc].
    baryon_pressure : (nt, nt) the same times c_b^2, the response to -k^2 delta_b.
    sinc : (ny, nx) kernel of free streaming between the ln u and the ln(k s) grid.
    ln_u_first : ln u of the first momentum node; window_start : its index where ln(k_first u)
        is the first node of the ln(k u) grid.
    """

    cosmology: Cosmology
    k_h_mpc: Array
    ln_k_shift: Array
    response: Array
    time_modes: Array
    response_cold: Array
    ln_a: Array
    baryon_external: Array
    cold_today: Array
    gravity_weights: Array
    distance: Array
    distance_row: Array
    distance_weights: Array
    baryon_weights: Array
    poisson_cold: Array
    poisson_baryon: Array
    horizon: Array
    baryon_pressure: Array
    sinc: Array
    ln_u_first: Array
    dy: float = eqx.field(static=True)
    window_start: int = eqx.field(static=True)
    kernel_rows: int = eqx.field(static=True)


def integration_weights(n: int) -> np.ndarray:
    """Row i integrates over nodes 0..i of a uniform grid of unit spacing, shape (n, n).

    Gregory's rule (trapezoid with differences at both ends), exact for polynomials of degree 5
    from row 5 on and of degree i before.
    """
    weights = np.zeros((n, n))
    for i in range(1, n):
        if i < len(_GREGORY) - 1:
            nodes = np.arange(i + 1.0)
            powers = np.vander(nodes, increasing=True).T
            weights[i, : i + 1] = np.linalg.solve(
                powers, float(i) ** np.arange(1, i + 2) / np.arange(1, i + 2)
            )
            continue
        row = np.ones(i + 1)
        row[: len(_GREGORY)] += _GREGORY - 1.0
        row[i + 1 - len(_GREGORY) :] += _GREGORY[::-1] - 1.0
        weights[i, : i + 1] = row
    return weights


def assemble(tables: dict, cosmology: Cosmology) -> Drive:
    """Drive from the arrays of a drive file (numpy in, concrete JAX arrays out)."""
    ln_a, s, dy = tables["ln_a"], tables["s"], float(tables["dy"])
    a = np.exp(ln_a)
    k_mpc = tables["k_h_mpc"] * float(cosmology.h)
    hubble = tables["hubble"]

    distance = np.tril(s[:, None] - s[None, :])
    positive = distance[distance > 0.0]
    ln_first = math.log(positive.min()) - 1.5 * dy
    kernel_rows = int(math.ceil((math.log(positive.max()) - ln_first) / dy)) + 3
    place = (np.log(np.where(distance > 0.0, distance, positive.min())) - ln_first) / dy
    row = np.floor(place).astype(np.int32) - 1
    t = place - np.floor(place)
    lagrange = np.stack(
        [
            -t * (t - 1) * (t - 2) / 6,
            (t + 1) * (t - 1) * (t - 2) / 2,
            -(t + 1) * t * (t - 2) / 2,
            (t + 1) * t * (t - 1) / 6,
        ],
        axis=-1,
    )

    # ln u grid on the same spacing, aligned with the ln(k u) grid at the first k
    ln_ku_first = float(tables["ln_ku"][0])
    anchor = ln_ku_first - math.log(k_mpc[0])
    window_start = int(math.ceil((anchor - math.log(LOWEST_U)) / dy)) + 3
    ny = window_start + int(math.ceil((math.log(HIGHEST_U) - anchor) / dy)) + 4
    ln_u = anchor + dy * (np.arange(ny) - window_start)
    nx = kernel_rows + int(math.ceil(math.log(k_mpc[-1] / k_mpc[0]) / dy)) + 6
    ln_ks = ln_first + math.log(k_mpc[0]) + dy * (np.arange(nx) - 2)

    with jax.ensure_compile_time_eval():
        arrays = {
            "k_h_mpc": tables["k_h_mpc"],
            "ln_k_shift": np.log(k_mpc / k_mpc[0]) / dy,
            "response": np.asarray(tables["response"], dtype=float),
            "time_modes": tables["time_modes"],
            "response_cold": np.asarray(tables["cold"], dtype=float),
            "ln_a": ln_a,
            "baryon_external": tables["baryon_external"],
            "cold_today": tables.get("cold_today", np.ones(len(k_mpc))),
            "gravity_weights": integration_weights(len(a)) * tables["ln_a_step"] / hubble,
            "distance": distance,
            "distance_row": np.maximum(row, 0),
            "distance_weights": lagrange,
            "baryon_weights": tables["baryon_weights"],
            "poisson_cold": 1.5 * float(tables["cold_density"]) / a,
            "poisson_baryon": 1.5 * float(tables["baryon_density"]) / a,
            "horizon": 3.0 * hubble,
            "baryon_pressure": tables["baryon_pressure"],
            "sinc": sinc_table(ln_u[:, None] + ln_ks[None, :], dy),
            "ln_u_first": np.asarray(ln_u[0]),
        }
        return Drive(
            cosmology=cosmology,
            dy=dy,
            window_start=window_start,
            kernel_rows=kernel_rows,
            **{name: jnp.asarray(value) for name, value in arrays.items()},
        )


def write_drive(path, tables: dict, attributes: dict) -> None:
    """Write a drive file (HDF5): one dataset per table."""
    temporary = f"{path}.tmp"
    with h5py.File(temporary, "w") as out:
        out.attrs.update(attributes)
        for name, value in tables.items():
            value = np.asarray(value)
            packing = {"compression": "gzip", "shuffle": True} if value.ndim == 3 else {}
            out.create_dataset(name, data=value, **packing)
    os.replace(temporary, path)


def read_drive(path) -> tuple[dict, dict]:
    """Tables and attributes of a drive file."""
    with h5py.File(path, "r") as data:
        return {name: data[name][()] for name in data}, dict(data.attrs)


def cosmology_attributes(cosmology: Cosmology) -> dict:
    """The fields a drive depends on, as floats."""
    return {name: float(getattr(cosmology, name)) for name in DRIVE_FIELDS}


@lru_cache(maxsize=1)
def _shipped() -> Drive:
    with resources.as_file(resources.files("spectra") / "data" / SHIPPED_FILE) as path:
        tables, attributes = read_drive(path)
    with jax.ensure_compile_time_eval():
        cosmology = Cosmology(**{name: attributes[name] for name in DRIVE_FIELDS})
    return assemble(tables, cosmology)


def drive(cosmology: Cosmology | None = None) -> Drive:
    """The drive of a cosmology, read once per process; call it outside jit.

    Parameters
    ----------
    cosmology : the default one when left out. ``n_s`` and ``a_s`` do not matter.

    Raises
    ------
    ValueError
        If the cosmology is not the default one (only that drive ships), is traced, or JAX is not
        in 64-bit mode.
    """
    require_x64()
    made = _shipped()
    if cosmology is None:
        return made
    if any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(cosmology)):
        raise ValueError(
            "spectra.drive was called with a traced cosmology; make the drive outside jit and "
            "pass it in"
        )
    for name in DRIVE_FIELDS:
        given, shipped = float(getattr(cosmology, name)), float(getattr(made.cosmology, name))
        if not abs(given / shipped - 1.0) <= MATCH_TOLERANCE:
            raise ValueError(
                f"cosmology {name} = {given:g}, but only the default cosmology ({name} = "
                f"{shipped:g}) has a drive yet; leave {name} at its default"
            )
    return made


def interpolate_wavenumbers(source: Drive, k_h_mpc: Array) -> Drive:
    """The drive on other wavenumbers (n,) [h/Mpc], ``cold_today`` still to be solved for.

    Tables are smooth in ln k at fixed k u, whatever the spectrum: six-point Lagrange in ln k.
    """
    ln_k = jnp.log(source.k_h_mpc)
    n, spacing = ln_k.shape[0], (ln_k[-1] - ln_k[0]) / (ln_k.shape[0] - 1)
    place = (jnp.log(jnp.asarray(k_h_mpc)) - ln_k[0]) / spacing
    first = jnp.clip(jnp.floor(place).astype(jnp.int32) - 2, 0, n - 6)
    weights = lagrange_six(place - first - 2.0)
    index = first[:, None] + jnp.arange(6)

    def blend(table):
        return jnp.einsum("kp,kp...->k...", weights, table[index])

    return eqx.tree_at(
        lambda d: (
            d.k_h_mpc,
            d.ln_k_shift,
            d.response,
            d.response_cold,
            d.baryon_external,
            d.cold_today,
        ),
        source,
        (
            jnp.asarray(k_h_mpc),
            source.ln_k_shift[0] + place * spacing / source.dy,
            blend(source.response),
            blend(source.response_cold),
            blend(source.baryon_external),
            jnp.ones(place.shape),
        ),
    )
