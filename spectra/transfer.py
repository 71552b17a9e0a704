"""T^2(k) of any collisionless dark matter: its momentum spectrum in, one forward substitution.

The dark matter's overdensity delta is driven by radiation and baryons, linearly in n(y) = q^3 f
(the tabulated response of :class:`spectra.drive.Drive`), and by its own gravity, a Volterra
equation of the second kind in conformal time whose kernel is the Fourier transform F of f:

    D(tau) = D_ext(tau) + int a' dtau' [(s - s') F(k (s - s')) - 3 H / k^2] S(tau') - 3 S / k^2
    S = (3 / 2a) (rho_c D + rho_b delta_b),   F(X) = sum_y n(y) sinc(e^y X),   ds = dtau / a

(the solution along characteristics of the collisionless Boltzmann equation in the conformal
Newtonian gauge, Ma & Bertschinger 1995, astro-ph/9506072, eq. 43, for slow particles; D is the
comoving-gauge overdensity, which the terms in 3/k^2 make). Baryons answer with
delta_b(tau) = int dtau' g(tau, tau') (S - k^2 c_b^2 delta_b), g from their drag on the photons.
"""

from functools import lru_cache

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.custom_derivatives import SymbolicZero

from spectra._deposit import lagrange_six, log_velocity_histogram
from spectra.cosmology import Cosmology
from spectra.drive import (
    DRIVE_FIELDS,
    MATCH_TOLERANCE,
    Drive,
    allowed_distance,
    at_cosmology,
    distance_between,
    interpolate_wavenumbers,
    serves,
)
from spectra.drive import drive as drive_of
from spectra.precision import require_x64
from spectra.spectrum import Spectrum, is_resolved, omega_h2
from spectra.status import Status

K_RANGE_H_MPC = (0.1, 300.0)
# number fraction beyond u = 1e-5 that is noticed; those particles count as free-streamed away
_FAST_FRACTION = 1e-3
_TIME_BLOCKS = 4


class Transfer(eqx.Module):
    """Suppression of the linear matter power today, relative to cold dark matter.

    Attributes
    ----------
    k_h_mpc : (n,) wavenumbers [h/Mpc].
    t : (n,) ratio of matter overdensities delta / delta_cold at z = 0, signed.
    t2 : (n,) its square, the ratio of total-matter power spectra.
    status : int32 :class:`spectra.status.Status`.
    """

    k_h_mpc: Array
    t: Array
    t2: Array
    status: Array


def transfer(
    dm: Spectrum,
    cosmology: Cosmology | None = None,
    drive: Drive | None = None,
    k_h_mpc: Array | None = None,
    composition: str = "rescale",
) -> Transfer:
    """T(k) and T^2(k) of a spectrum at z = 0.

    Differentiable (forward and reverse) in f, q, mass, temperature and, if the drive has
    derivatives, h, omega_b, omega_dm and n_eff of the cosmology; works under jit and vmap.

    Parameters
    ----------
    dm : spectrum; only the shape of f matters for ``composition="rescale"``.
    cosmology : :class:`spectra.Cosmology`; the default one when left out. A drive with derivatives
        serves cosmologies within 1 % of its own, to first order.
    drive : from :func:`spectra.drive`; the one of ``cosmology`` when left out.
    k_h_mpc : (n,) wavenumbers [h/Mpc] within 0.1..300, any order; the drive's own 71 (logarithmic
        over that range) when left out. Each k is solved for, T is not interpolated.
    composition : "rescale": all of omega_dm has this spectrum; "cold-remainder": the species has
        its own abundance, the rest of omega_dm is cold.

    Returns
    -------
    Transfer

    Raises
    ------
    ValueError
        If k is outside its range, ``composition`` is unknown, the cosmology is not that of the
        drive, a derivative is asked for that the drive does not have, the species is more than all
        dark matter, or JAX is not in 64-bit mode. Under tracing a foreign cosmology comes back as
        ``Status.COSMOLOGY_MISMATCH`` instead.
    """
    require_x64()
    if composition not in ("rescale", "cold-remainder"):
        raise ValueError(
            f'composition = {composition!r} is unknown; use "rescale" or "cold-remainder"'
        )
    if drive is None:
        drive = drive_of(cosmology if _concrete(cosmology) else None)
    cosmology = drive.cosmology if cosmology is None else cosmology
    if _concrete((cosmology, drive.cosmology)):
        drive = _check_cosmology(cosmology, drive)
    if k_h_mpc is not None:
        k_h_mpc = _check_wavenumbers(k_h_mpc)
        drive = at_wavenumbers(drive, k_h_mpc)
    if composition == "rescale":
        warm_fraction = jnp.ones(())
    else:
        warm_fraction = omega_h2(dm, cosmology) / cosmology.omega_dm
        if _concrete(warm_fraction) and float(warm_fraction) > 1.0 + 1e-6:
            raise ValueError(
                f"the species has omega_h2 = {float(warm_fraction * cosmology.omega_dm):.4g}, more "
                f"than cosmology omega_dm = {float(cosmology.omega_dm):.4g}; lower f, or use "
                'composition="rescale"'
            )
    return _transfer(dm, cosmology, drive, warm_fraction)


@eqx.filter_jit
def _transfer(dm: Spectrum, cosmology: Cosmology, drive: Drive, warm_fraction: Array) -> Transfer:
    mismatch = ~serves(drive, cosmology)
    if drive.tangents is not None:
        drive = solved_at_cosmology(drive, cosmology)
        cosmology = drive.cosmology
    else:
        cosmology = _without_derivative(cosmology)
    number, fast = log_velocity_histogram(dm, cosmology, drive)
    external = external_overdensity(number, warm_fraction, drive)
    kernel = warm_fraction * kernel_table(number, drive) + (1.0 - warm_fraction)
    t = matter_overdensity(external, kernel, drive) / drive.cold_today
    finite = jnp.all(jnp.isfinite(t))
    unresolved = ~is_resolved(dm) | (fast > _FAST_FRACTION)
    status = jnp.where(
        ~finite,
        Status.NON_FINITE,
        jnp.where(
            mismatch,
            Status.COSMOLOGY_MISMATCH,
            jnp.where(unresolved, Status.SPECTRUM_UNRESOLVED, Status.SUCCESS),
        ),
    )
    return Transfer(drive.k_h_mpc, t, t * t, status.astype(jnp.int32))


@lru_cache(maxsize=8)
def _cached_at_wavenumbers(key, k_h_mpc: tuple) -> Drive:
    with jax.ensure_compile_time_eval():
        return _at_wavenumbers(key.drive, np.asarray(k_h_mpc))


class _Identity:
    """Hashes a drive by the identity of its response table, which it keeps alive."""

    def __init__(self, drive):
        self.drive = drive

    def __hash__(self):
        return id(self.drive.response)

    def __eq__(self, other):
        mine, theirs = jax.tree.leaves(self.drive), jax.tree.leaves(other.drive)
        return len(mine) == len(theirs) and all(a is b for a, b in zip(mine, theirs))


def at_wavenumbers(drive: Drive, k_h_mpc: Array) -> Drive:
    """The drive on chosen wavenumbers (n,) [h/Mpc]; remembered when everything is concrete."""
    if _concrete((drive, k_h_mpc)):
        return _cached_at_wavenumbers(_Identity(drive), tuple(np.asarray(k_h_mpc).tolist()))
    return _at_wavenumbers(drive, k_h_mpc)


@eqx.filter_jit
def _at_wavenumbers(drive: Drive, k_h_mpc: Array) -> Drive:
    made = interpolate_wavenumbers(drive, k_h_mpc)
    return eqx.tree_at(lambda d: d.cold_today, made, cold_overdensity(made))


def solved_at_cosmology(drive: Drive, cosmology: Cosmology) -> Drive:
    """The drive at a neighbouring cosmology, its cold solution included."""
    made = at_cosmology(drive, cosmology)
    return eqx.tree_at(lambda d: d.cold_today, made, cold_overdensity(made))


def cold_overdensity(drive: Drive) -> Array:
    """Matter overdensity today (nk,) for cold dark matter, by the same discretised equations."""
    kernel = jnp.ones((drive.kernel_rows, drive.k_h_mpc.shape[0]))
    return matter_overdensity(drive.response_cold.T, kernel, drive)


def _shift(drive: Drive) -> tuple[Array, Array]:
    """Whole grid steps (nk,) of ln(k/k_first), and six-point weights (nk, 6) of the rest."""
    whole = jnp.floor(drive.ln_k_shift + 1e-9)
    return whole.astype(jnp.int32), lagrange_six(drive.ln_k_shift - whole)


def external_overdensity(number: Array, warm_fraction: Array, drive: Drive) -> Array:
    """Overdensity driven by radiation and baryons, (nt, nk), for the histogram ``number`` (ny,).

    The tables live on ln(k u), so n(y) is shifted by ln k. Below the first node of ln(k u) the
    response leaves its cold limit as u^2; beyond the last it has streamed away.
    """
    n_window = drive.response.shape[1]
    whole, weights = _shift(drive)
    top = drive.window_start + n_window + 3
    padded = jnp.pad(number, (0, max(0, top - number.shape[0])))
    start = drive.window_start - whole - 3
    index = start[:, None] + jnp.arange(n_window + 5)[None, :]
    rows = padded[index]
    window = sum(weights[:, 5 - j, None] * rows[:, j : j + n_window] for j in range(6))
    # what the same shift puts below the window: exact, so that nothing fast is taken for slow
    zero = jnp.zeros(1)
    square = jnp.exp(2.0 * drive.dy * (jnp.arange(padded.shape[0]) - drive.window_start))
    slower = jnp.concatenate([zero, jnp.cumsum(padded)])
    slower_square = jnp.concatenate([zero, jnp.cumsum(padded * square)])
    edge = start[:, None] + jnp.arange(6)[None, :]
    # u^2 relative to that of the first window node
    relative = jnp.exp(2.0 * drive.dy * (drive.window_start - edge))
    rise = jnp.sum(weights[:, ::-1] * slower_square[edge] * relative, axis=1)
    slow = jnp.sum(weights[:, ::-1] * slower[edge], axis=1) - rise
    first = jnp.arange(n_window) == 0
    window = window + jnp.where(first, rise[:, None], 0.0)
    warm = drive.time_modes.T @ jnp.einsum("kw,kwr->rk", window, drive.response)
    cold = drive.response_cold.T
    return warm_fraction * (warm + slow[None, :] * cold) + (1.0 - warm_fraction) * cold


def kernel_table(number: Array, drive: Drive) -> Array:
    """F(k ds) on rows uniform in ln ds, (kernel_rows, nk)."""
    table = number @ drive.sinc
    whole, weights = _shift(drive)
    index = jnp.arange(drive.kernel_rows + 5)[:, None] + whole[None, :]
    rows = table[index]
    return sum(weights[:, j] * rows[j : j + drive.kernel_rows] for j in range(6))


def matter_overdensity(external: Array, kernel: Array, drive: Drive) -> Array:
    """Forward substitution of the Volterra equation; total-matter overdensity today (nk,).

    ``external`` (nt, nk) and ``kernel`` (kernel_rows, nk) as above.
    """
    n_time, n_k = external.shape
    k_squared = (drive.k_h_mpc * drive.cosmology.h) ** 2
    gravity = drive.gravity_weights * drive.distance

    def step(carry, row):
        source, baryons = carry
        size = source.shape[0]
        rows = kernel[row["distance_row"][:size, None] + jnp.arange(4)]
        streaming = jnp.sum(row["distance_weights"][:size, :, None] * rows, axis=1)
        pull = (row["gravity"][:size, None] * streaming * source).sum(axis=0)
        drift = row["gravity_weights"][:size] @ source
        known = row["external"] + pull - row["horizon"] / k_squared * drift
        known_baryon = row["baryon_weights"][:size] @ source - k_squared * (
            row["baryon_pressure"][:size] @ baryons
        )
        # the node itself: D = known + own S, delta_b = (known_baryon + w S) / (1 + k^2 p)
        own = -(row["horizon"] * row["own_weight"] + 3.0) / k_squared
        stiff = 1.0 / (1.0 + k_squared * row["own_pressure"])
        now = (row["poisson_cold"] * known + row["poisson_baryon"] * known_baryon * stiff) / (
            1.0 - row["poisson_cold"] * own - row["poisson_baryon"] * row["own_baryon"] * stiff
        )
        delta = known + own * now
        delta_b = (known_baryon + row["own_baryon"] * now) * stiff
        source = source.at[row["index"]].set(now)
        baryons = baryons.at[row["index"]].set(delta_b)
        return (source, baryons), (delta, delta_b)

    table = {
        "index": jnp.arange(n_time),
        "external": external,
        "distance_row": drive.distance_row,
        "distance_weights": drive.distance_weights,
        "gravity": gravity,
        "gravity_weights": drive.gravity_weights,
        "baryon_weights": drive.baryon_weights,
        "own_weight": jnp.diagonal(drive.gravity_weights),
        "own_baryon": jnp.diagonal(drive.baryon_weights),
        "poisson_cold": drive.poisson_cold.T,
        "poisson_baryon": drive.poisson_baryon,
        "horizon": drive.horizon,
        "baryon_pressure": drive.baryon_pressure,
        "own_pressure": jnp.diagonal(drive.baryon_pressure),
    }
    # a few blocks with growing history: half of the square of the masked triangle is never touched
    carry = (jnp.zeros((0, n_k)), jnp.zeros((0, n_k)))
    first = 0
    for block in range(1, _TIME_BLOCKS + 1):
        last = round(n_time * block / _TIME_BLOCKS)
        room = jnp.zeros((last - first, n_k))
        carry = tuple(jnp.concatenate([old, room]) for old in carry)
        rows = {name: values[first:last] for name, values in table.items()}
        carry, (delta, delta_b) = jax.lax.scan(jax.checkpoint(step), carry, rows)
        first = last
    baryons = delta_b[-1] + drive.baryon_external[:, -1]
    share = drive.cosmology.omega_b / (drive.cosmology.omega_b + drive.cosmology.omega_dm)
    return (1.0 - share) * delta[-1] + share * baryons


def _concrete(tree) -> bool:
    return not any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(tree))


@jax.custom_jvp
def _without_derivative(cosmology: Cosmology) -> Cosmology:
    """The same; being differentiated is an error, not a derivative with parts missing."""
    return cosmology


def _refuse(primals, tangents):
    for name in DRIVE_FIELDS:
        if not isinstance(getattr(tangents[0], name), SymbolicZero):
            raise ValueError(
                f"T^2 is being differentiated in cosmology {name}, but its drive was made without "
                "derivatives; use drive=spectra.drive(cosmology, derivatives=True)"
            )
    return primals[0], tangents[0]


_without_derivative.defjvp(_refuse, symbolic_zeros=True)


def _check_cosmology(cosmology: Cosmology, drive: Drive) -> Drive:
    """The drive, without tangents where the cosmology is its own and nothing else is asked."""
    for name in DRIVE_FIELDS:
        wanted, made = float(getattr(cosmology, name)), float(getattr(drive.cosmology, name))
        if not abs(wanted / made - 1.0) <= allowed_distance(drive, name):
            raise ValueError(
                f"cosmology {name} = {wanted:g}, but the drive was made for {made:g}; "
                "use drive=spectra.drive(cosmology)"
            )
    if float(distance_between(cosmology, drive.cosmology)) <= MATCH_TOLERANCE:
        return eqx.tree_at(lambda d: d.tangents, drive, None)
    return drive


def _check_wavenumbers(k_h_mpc) -> Array:
    k = k_h_mpc if isinstance(k_h_mpc, jax.core.Tracer) else np.asarray(k_h_mpc, dtype=float)
    if k.ndim != 1 or k.shape[0] == 0:
        raise ValueError(f"k_h_mpc has shape {k.shape}; give a one-dimensional array")
    if not isinstance(k, jax.core.Tracer):
        low, high = K_RANGE_H_MPC
        bad = ~((k >= low * (1 - 1e-9)) & (k <= high * (1 + 1e-9)))
        if bad.any():
            raise ValueError(
                f"k_h_mpc = {k[bad][0]:g} is outside [{low:g}, {high:g}] h/Mpc; "
                "leave out wavenumbers beyond that range"
            )
    return k
