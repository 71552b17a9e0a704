"""What photons, neutrinos and baryons do to any dark matter: one table per cosmology.

A drive holds the response G(k, tau, u) of a collisionless shell of velocity u = q/m to the
potentials of everything but the dark matter, and the baryons' answer to the dark matter's gravity.
It is made from CLASS runs (derivation in :mod:`spectra.linear.drive_build`); the one of the default
cosmology ships with the package, others are kept in a cache (:mod:`spectra.linear.drives`).
"""

import math
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from spectra.constants import SPEED_OF_LIGHT_KM_S
from spectra.cosmology import Cosmology, as_float, hubble_mpc
from spectra.linear.deposit import VelocityGrid, lagrange_six
from spectra.linear.served_cosmologies import (
    ln_change,
)
from spectra.linear.taper import sinc_table
from spectra.numerics import lagrange
from spectra.programs import program
from spectra.tracing import is_traced

LOWEST_U, HIGHEST_U = 1e-12, 1e-2
# of T(k)
K_RANGE_H_MPC = (0.005, 300.0)
# the lowest k of a drive; below, T - 1 goes as k^2 unless dark matter is fast
LOWEST_DRIVEN_K_H_MPC = 0.1
_LOWER_K_H_MPC = np.geomspace(K_RANGE_H_MPC[0], LOWEST_DRIVEN_K_H_MPC, 27)[:-1]
_GREGORY = np.array(  # end-corrected trapezoid, six points a side
    [19087 / 60480, 84199 / 60480, 18869 / 30240, 37621 / 30240, 55031 / 60480, 61343 / 60480]
)


class Tangents(eqx.Module):
    """Derivatives of a drive's tables with respect to ln of each of ``neighbours.TANGENT_FIELDS``.

    The four are stacked on the first axis. At fixed k [h/Mpc], ln a and ln(k u); names as in
    :class:`Drive`. The histories ``time_modes`` (nr, nt) are shared by the four.
    """

    response: Array
    time_modes: Array
    response_cold: Array
    baryon_external: Array
    baryon_weights: Array
    baryon_pressure: Array
    ln_opacity: Array


class ThermalHistory(eqx.Module):
    """How photons and baryons are coupled, uniform in ln a; nx counts the nodes.

    Attributes
    ----------
    ln_opacity : (nx,) ln of the scattering rate kappa' [1/Mpc], conformal.
    sound_squared : (nx,) c_b^2 of baryons.
    ln_a_first, ln_a_step : of the nodes, scalars.
    """

    ln_opacity: Array
    sound_squared: Array
    ln_a_first: Array
    ln_a_step: Array


class Drive(eqx.Module):
    """Tables of one cosmology; nk, nt, nw, ny count the nodes in k, time, ln(k u), ln u.

    Attributes
    ----------
    cosmology : the :class:`spectra.Cosmology` it was made for.
    k_h_mpc : (nk,) wavenumbers [h/Mpc], increasing.
    ln_k_shift : (nk,) ln(k / k_first) in units of ``dy``, k_first the first node of the file.
    ln_a : (nt,) time nodes, the last one today.
    response : (nk, nw, nr) overdensity in the dark matter's comoving gauge per shell of velocity u,
        in terms of the histories ``time_modes`` (nr, nt).
    response_cold : (nk, nt) its limit u -> 0.
    baryon_external : (nk, nt) the part of delta_b that is no answer to the dark matter, in the
        gauge comoving with cold dark matter.
    cold_today : (nk,) matter overdensity today for cold dark matter, by the same solver.
    gravity_switch : (nk, nt) share of the dark matter's gravity that the solver adds; the rest,
        early, is cold dark matter's and part of ``response``.
    step_weights : (nt, nt) w_ij dln a_j; gravity_weights : (nt, nt) w_ij a_j dtau_j; lower
        triangular.
    distance : (nt, nt) s_i - s_j [Mpc]; ``distance_row``, ``distance_weights``: where its logarithm
        lies among the rows of the kernel table, the first at ``ln_distance_first``, and the
        interpolation weights (nt, nt, 4).
    baryon_weights : (nt, nt) response of delta_b to the source at earlier nodes.
    poisson_cold : (nk, nt), poisson_baryon : (nt,) (3/2a) times the density today [1/Mpc^2], the
        former times ``gravity_switch``.
    horizon : (nt,) 3 H [1/Mpc].
    baryon_pressure : (nt, nt) the same times c_b^2, the response to -k^2 delta_b.
    sinc : (ny, nx) kernel of free streaming between the ln u and the ln(k s) grid.
    ln_u_first : ln u of the first momentum node; window_start : its index where ln(k_first u)
        is the first node of the ln(k u) grid.
    thermal_history : of photons and baryons, for dark matter too fast for ``response``.
    tangents : derivatives in the cosmology, or None.
    cold_growth : (n + 8,) growth of cold dark matter by the hierarchies, as
        :func:`spectra.linear.fast_particles.cold_growth` has it on
        :func:`spectra.linear.default_wavenumbers`; None where it is not known.
    coarse : the drive on every second time node, or None where it has not been made.
    """

    cosmology: Cosmology
    k_h_mpc: Array
    ln_k_shift: Array
    ln_a: Array
    response: Array
    time_modes: Array
    response_cold: Array
    baryon_external: Array
    cold_today: Array
    gravity_switch: Array
    step_weights: Array
    gravity_weights: Array
    distance: Array
    distance_row: Array
    distance_weights: Array
    ln_distance_first: Array
    baryon_weights: Array
    poisson_cold: Array
    poisson_baryon: Array
    horizon: Array
    baryon_pressure: Array
    sinc: Array
    ln_u_first: Array
    thermal_history: ThermalHistory
    tangents: Tangents | None
    cold_growth: Array | None
    coarse: "Drive | None"
    dy: float = eqx.field(static=True)
    window_start: int = eqx.field(static=True)
    kernel_rows: int = eqx.field(static=True)


def velocity_grid(drive: Drive, cosmology: Cosmology) -> VelocityGrid:
    """The drive's nodes in ln u, for particles in ``cosmology``, which it is carried to."""
    first, temperature = drive.ln_u_first, cosmology.t_cmb_kelvin
    if drive.tangents is not None:
        # tables lie on ln(k u), k in 1/Mpc; the temperature stays
        first = first - jnp.log(cosmology.h / drive.cosmology.h)
        temperature = drive.cosmology.t_cmb_kelvin
    return VelocityGrid(temperature, first, drive.dy, drive.sinc.shape[0])


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


@program
def free_streaming_time(ln_a: Array, cosmology: Cosmology) -> Array:
    """s = int dtau / a [Mpc] from the first of the nodes ``ln_a`` (nt,) on, (nt,)."""
    inner, weight = np.polynomial.legendre.leggauss(8)
    step = jnp.diff(ln_a)[:, None]
    a = jnp.exp(ln_a[:-1, None] + 0.5 * step * (1.0 + inner)[None, :])
    pieces = jnp.sum(0.5 * step * weight[None, :] / (a**2 * hubble_mpc(a, cosmology)), axis=1)
    return jnp.concatenate([jnp.zeros(1), jnp.cumsum(pieces)])


@program
def _expansion(cosmology, ln_a, step_weights, gravity_switch, ln_distance_first, dy) -> dict:
    """The parts of a drive that follow from the expansion history alone."""
    a = jnp.exp(ln_a)
    hubble = hubble_mpc(a, cosmology)
    s = free_streaming_time(ln_a, cosmology)
    past = np.tril(np.ones((len(ln_a), len(ln_a)), dtype=bool), -1)
    distance = jnp.where(past, s[:, None] - s[None, :], 0.0)
    place = (jnp.log(jnp.where(past, distance, 1.0)) - ln_distance_first) / dy
    floor = jnp.maximum(jnp.floor(place), 1.0)
    t = jnp.where(past, place - floor, 0.0)
    hundred_squared = (100.0 / SPEED_OF_LIGHT_KM_S) ** 2
    return {
        "gravity_weights": step_weights / hubble[None, :],
        "distance": distance,
        "distance_row": jnp.where(past, floor, 1.0).astype(jnp.int32) - 1,
        "distance_weights": jnp.stack(lagrange(t + 1.0, 4), axis=-1),
        "poisson_cold": gravity_switch * (1.5 * cosmology.omega_dm * hundred_squared / a)[None, :],
        "poisson_baryon": 1.5 * cosmology.omega_b * hundred_squared / a,
        "horizon": 3.0 * hubble,
    }


def assemble(tables: dict, cosmology: Cosmology) -> Drive:
    """Drive from the arrays of a drive file (numpy in, concrete JAX arrays out)."""
    ln_a, dy = tables["ln_a"], float(tables["dy"])
    k_mpc = tables["k_h_mpc"] * float(cosmology.h)
    with jax.ensure_compile_time_eval():
        s = np.asarray(free_streaming_time(as_float(ln_a), cosmology))
    # a node to spare at either end, for neighbouring cosmologies
    ln_first = math.log(np.diff(s).min()) - 2.5 * dy
    kernel_rows = math.ceil((math.log(s[-1]) - ln_first) / dy) + 4

    # ln u grid on the same spacing, aligned with the ln(k u) grid at the first k
    anchor = float(tables["ln_ku"][0]) - math.log(k_mpc[0])
    window_start = int(math.ceil((anchor - math.log(LOWEST_U)) / dy)) + 3
    ny = window_start + int(math.ceil((math.log(HIGHEST_U) - anchor) / dy)) + 4
    ln_u = anchor + dy * (np.arange(ny) - window_start)
    nx = kernel_rows + int(math.ceil(math.log(k_mpc[-1] / k_mpc[0]) / dy)) + 6
    ln_ks = ln_first + math.log(k_mpc[0]) + dy * (np.arange(nx) - 2)

    with jax.ensure_compile_time_eval():
        step_weights = as_float(integration_weights(len(ln_a)) * tables["ln_a_step"])
        switch = as_float(tables["gravity_switch"])
        made = _expansion(cosmology, as_float(ln_a), step_weights, switch, ln_first, dy)
        made |= {
            name: as_float(tables[name])
            for name in (
                "k_h_mpc ln_a response time_modes response_cold baryon_external cold_today "
                "baryon_weights baryon_pressure"
            ).split()
        }
        tangents = None
        if "tangent_response" in tables:
            names = Tangents.__dataclass_fields__
            tangents = Tangents(**{n: as_float(tables[f"tangent_{n}"]) for n in names})
        return Drive(
            cosmology=cosmology,
            ln_k_shift=as_float(np.log(k_mpc / k_mpc[0]) / dy),
            gravity_switch=switch,
            step_weights=step_weights,
            ln_distance_first=as_float(ln_first),
            sinc=as_float(sinc_table(ln_u[:, None] + ln_ks[None, :], dy)),
            ln_u_first=as_float(ln_u[0]),
            thermal_history=ThermalHistory(
                *(
                    as_float(tables[name])
                    for name in ("ln_opacity", "sound_squared", "thermal_ln_a", "thermal_step")
                )
            ),
            tangents=tangents,
            cold_growth=None,
            coarse=None,
            dy=dy,
            window_start=window_start,
            kernel_rows=kernel_rows,
            **made,
        )


def default_wavenumbers(driven_k_h_mpc: Any) -> Any:
    """The wavenumbers (97,) [h/Mpc] of :func:`spectra.transfer` where none are asked for.

    ``driven_k_h_mpc``: those of its drive, ``drive.k_h_mpc`` (71,), of which they are the end.
    """
    on = jnp if is_traced(driven_k_h_mpc) else np
    low = _LOWER_K_H_MPC * (driven_k_h_mpc[0] / LOWEST_DRIVEN_K_H_MPC)
    return on.append(low, driven_k_h_mpc)


def at_cosmology(source: Drive, cosmology: Cosmology) -> Drive:
    """The drive carried to a neighbouring cosmology, ``cold_today`` still to be solved for.

    Exact in the expansion history, first order in ln of the parameters in the tables. At the
    drive's own cosmology no value changes, but derivatives in the cosmology flow. ``source`` needs
    tangents; the result has none. T_CMB and Y_He stay those of ``source``.
    """
    tangents = source.tangents
    if tangents is None:
        raise ValueError(
            "the drive has no derivatives; use spectra.drive(cosmology, derivatives=True)"
        )
    cosmology = eqx.tree_at(
        lambda c: (c.t_cmb_kelvin, c.y_he),
        cosmology,
        (source.cosmology.t_cmb_kelvin, source.cosmology.y_he),
    )
    change = ln_change(source.cosmology, cosmology)

    def carried(name):
        return getattr(source, name) + jnp.tensordot(change, getattr(tangents, name), 1)

    # the four tangents share their histories: their sum is a few more columns of the factors
    response = jnp.concatenate(
        [source.response, jnp.tensordot(change, tangents.response, 1)], axis=-1
    )
    changed = _expansion(
        cosmology,
        source.ln_a,
        source.step_weights,
        source.gravity_switch,
        source.ln_distance_first,
        source.dy,
    )
    changed |= {
        name: carried(name)
        for name in ("response_cold", "baryon_external", "baryon_weights", "baryon_pressure")
    }
    changed |= {
        "cosmology": cosmology,
        "response": response,
        "time_modes": jnp.concatenate([source.time_modes, tangents.time_modes]),
        "ln_u_first": velocity_grid(source, cosmology).ln_u_first,
        "cold_today": jnp.ones(source.k_h_mpc.shape),
        "tangents": None,
        "cold_growth": None,
    }
    history = source.thermal_history
    opacity = history.ln_opacity + jnp.tensordot(change, tangents.ln_opacity, 1)
    changed["thermal_history"] = eqx.tree_at(lambda h: h.ln_opacity, history, opacity)
    names = tuple(changed)
    return eqx.tree_at(
        lambda d: tuple(getattr(d, name) for name in names),
        source,
        tuple(changed[name] for name in names),
        is_leaf=lambda leaf: leaf is None,
    )


def interpolate_wavenumbers(source: Drive, k_h_mpc: ArrayLike) -> Drive:
    """The drive on other wavenumbers (n,) [h/Mpc], ``cold_today`` still to be solved for.

    Tables are smooth in ln k at fixed k u, whatever the spectrum: six-point Lagrange in ln k.
    """
    ln_k = jnp.log(source.k_h_mpc)
    n, spacing = ln_k.shape[0], (ln_k[-1] - ln_k[0]) / (ln_k.shape[0] - 1)
    place = (jnp.log(jnp.asarray(k_h_mpc)) - ln_k[0]) / spacing
    first = jnp.clip(jnp.floor(place).astype(jnp.int32) - 2, 0, n - 6)
    weights = lagrange_six(place - first.astype(float) - 2.0)
    index = first[:, None] + np.arange(6, dtype=np.int32)[None, :]

    def blend(table):
        return jnp.einsum("kp,kp...->k...", weights, table[index])

    changed = {
        name: blend(getattr(source, name))
        for name in ("response response_cold baryon_external gravity_switch poisson_cold").split()
    }
    changed |= {
        "k_h_mpc": jnp.asarray(k_h_mpc),
        "ln_k_shift": source.ln_k_shift[0] + place * spacing / source.dy,
        "cold_today": jnp.ones(place.shape),
        "cold_growth": None,
        "coarse": None,
    }
    if source.tangents is not None:
        tables = ("response", "response_cold", "baryon_external")
        changed["tangents"] = eqx.tree_at(
            lambda t: tuple(getattr(t, name) for name in tables),
            source.tangents,
            tuple(jax.vmap(blend)(getattr(source.tangents, name)) for name in tables),
        )
    names = tuple(changed)
    return eqx.tree_at(
        lambda d: tuple(getattr(d, name) for name in names),
        source,
        tuple(changed[name] for name in names),
        is_leaf=lambda leaf: leaf is None,
    )
