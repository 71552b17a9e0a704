"""T^2(k) of any collisionless dark matter: its momentum spectrum in, one forward substitution.

The dark matter's overdensity delta is driven by radiation and baryons, linearly in n(y) = q^3 f
(the tabulated response of :class:`spectra.linear.Drive`), and by its own gravity, a Volterra
equation of the second kind in conformal time whose kernel is the Fourier transform F of f:

    D(tau) = D_ext(tau) + int a' dtau' [(s - s') F(k (s - s')) - 3 H / k^2] S(tau') - 3 S / k^2
    S = (3 / 2a) (rho_c D + rho_b delta_b),   F(X) = sum_y n(y) sinc(e^y X),   ds = dtau / a

(the solution along characteristics of the collisionless Boltzmann equation in the conformal
Newtonian gauge, Ma & Bertschinger 1995, astro-ph/9506072, eq. 43, for slow particles; D is the
comoving-gauge overdensity, which the terms in 3/k^2 make). Baryons answer with
delta_b(tau) = int dtau' g(tau, tau') (S - k^2 c_b^2 delta_b), g from their drag on the photons.
"""

import dataclasses
from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.custom_derivatives import SymbolicZero
from jax.typing import ArrayLike

from spectra.cosmology import Cosmology
from spectra.linear.drive_tables import (
    K_RANGE_H_MPC,
    LOWEST_DRIVEN_K_H_MPC,
    Drive,
    at_cosmology,
    default_wavenumbers,
    interpolate_wavenumbers,
    velocity_grid,
)
from spectra.linear.drives import drive as drive_of
from spectra.linear.error_estimate import coarser, twice
from spectra.linear.external_response import external_modes, external_overdensity, kernel_table
from spectra.linear.fast_particles import (
    check_way,
    cold_growth,
    fast_transfer,
    faster_share,
    joined,
    too_fast,
)
from spectra.linear.hierarchy_growth import MATCHED_K_H_MPC
from spectra.linear.mixture import species_shares
from spectra.linear.remember import remembered
from spectra.linear.served_cosmologies import (
    MATCH_TOLERANCE,
    TABLE_FIELDS,
    distance_between,
    require_served,
    serves,
)
from spectra.linear.transfers import Transfer
from spectra.linear.velocities import Velocities, velocities_of, without_particles
from spectra.linear.volterra import cold_overdensity, overdensities, total_matter
from spectra.precision import require_x64
from spectra.programs import effort_at_least, program
from spectra.spectrum import Spectrum
from spectra.status import Status
from spectra.tracing import is_traced
from spectra.units import wavenumbers_h_mpc

# share of particles beyond u = 1e-2 that is noticed; they count as free-streamed away
FAST_FRACTION = 1e-4
# in T: how well the tables of the drive and the equations reproduce tight Boltzmann-code runs. It
# grows where waves enter the horizon before the first time node, their gravity counted as cold
_DRIVE_ERROR, _DRIVE_ERROR_K_H_MPC = 1e-4, 100.0
# growth between equality and today lowers T by up to four times the fraction that streams freely
_GROWTH = 4.0
# error of T per share of particles beyond a speed: half as much again as for a relic of 3 eV
_MISSED, _HOT = 1.5, 5e-6
# estimated error in T^2 by the momentum table above which a spectrum counts as unresolved
TABLE_ERROR = 2e-3


class Wavenumbers(eqx.Module):
    """``h_mpc`` (n,) [h/Mpc] and ``driven`` (n,) the nodes of the drive that stand for them."""

    h_mpc: Array | np.ndarray
    driven: Array | np.ndarray


def transfer(
    dm: Spectrum | Sequence[Spectrum],
    cosmology: Cosmology | None = None,
    drive: Drive | None = None,
    k_h_mpc: ArrayLike | Sequence[float] | None = None,
    composition: str | Array = "rescale",
    hierarchies: str = "where needed",
) -> Transfer:
    """T(k) and T^2(k) of a spectrum, or of several species at once, at z = 0.

    Most dark matter is slow when structure begins to grow: one substitution, a millisecond. Where
    it is not, photons, neutrinos, baryons and shells of dark matter are followed together, in about
    a second (:mod:`spectra.linear.fast_particles`).

    Differentiable (forward and reverse) in f, q, mass, temperature, shares and, if the drive has
    derivatives, h, omega_b, omega_dm and n_eff of the cosmology; works under jit and vmap, where
    models are solved one after the other.

    Parameters
    ----------
    dm : spectrum, or a sequence of ns spectra, each with its own momenta, mass and temperature.
        Only the shape of f matters where ``composition`` does not ask for abundances.
    cosmology : :class:`spectra.Cosmology`; the default one when left out. A drive with derivatives
        serves cosmologies within 3 % of its own, to first order.
    drive : from :func:`spectra.drive`; the one of ``cosmology`` when left out.
    k_h_mpc : (n,) wavenumbers [h/Mpc] within 0.005..300, any order; 97 (the drive's own 71, from
        0.1 on, and 26 below, logarithmic) when left out. Each k is solved for, T is not
        interpolated; below 0.1, T - 1 of slow dark matter is continued as k^2.
    composition : "rescale": the species are all of omega_dm, several in the ratio of their own
        abundances; "cold-remainder": each has its own abundance, the rest of omega_dm is cold;
        numbers, scalar or (ns,): the share of omega_dm of each, the rest is cold.
    hierarchies : static. "where needed"; "never" leaves them out, and where they would be needed
        the status is ``Status.HIERARCHIES_NEEDED``; "always". Under jit the first compiles both
        ways, and each model takes its own.

    Returns
    -------
    Transfer

    Raises
    ------
    ValueError
        If k is outside its range, ``composition`` is unknown, of the wrong length or negative, the
        cosmology is not that of the drive, a derivative is asked for that the drive does not have,
        the species are more than all dark matter, or JAX is not in 64-bit mode. Under tracing a
        foreign cosmology comes back as ``Status.COSMOLOGY_MISMATCH`` instead.
    """
    check_way(hierarchies)
    velocities, cosmology, drive, k = prepared(dm, cosmology, drive, k_h_mpc, composition)
    return transfer_of(velocities, cosmology, drive, k, hierarchies)


def compile_transfer(velocities: Velocities, cosmology: Cosmology, drive: Drive) -> Transfer:
    """Begin to compile T² of slow dark matter at the drive's own wavenumbers, in the background.

    The arrays of ``velocities`` may be ``jax.ShapeDtypeStruct``, as those of the result are.
    """
    given = cosmology, _with_coarse(drive), own_wavenumbers(drive)
    found = _transfer.ahead(without_particles(velocities), *given, None, "never")
    return dataclasses.replace(found, cosmology=cosmology)


def transfer_of(
    velocities: Velocities, cosmology: Cosmology, drive: Drive, k: Wavenumbers, hierarchies: str
) -> Transfer:
    """:func:`transfer` of what :func:`prepared` has checked."""
    slow_alone = without_particles(velocities)
    drive = _with_coarse(drive)
    given = (cosmology, drive, k)
    if hierarchies == "where needed" and not is_traced((velocities, given)):
        slow = _transfer(slow_alone, *given, None, "never")
        if not bool(slow.fast):
            return dataclasses.replace(slow, cosmology=cosmology)
        hierarchies = "always"
    if hierarchies == "never":
        found = _transfer(slow_alone, *given, None, hierarchies)
        return dataclasses.replace(found, cosmology=cosmology)
    cold = drive.cold_growth if drive.tangents is None else None
    with effort_at_least(HIERARCHIES_EFFORT):
        if cold is None and drive.tangents is None and not is_traced((drive, k.h_mpc)):
            cold = cold_growth(drive, np.sort(k.h_mpc))
        found = _transfer(velocities, *given, cold, hierarchies)
    return dataclasses.replace(found, cosmology=cosmology)


def _with_coarse(drive: Drive) -> Drive:
    """The drive with its coarser one, unless that depends on a cosmology to come."""
    if drive.tangents is not None or drive.coarse is not None:
        return drive
    return eqx.tree_at(lambda d: d.coarse, drive, coarser(drive), is_leaf=lambda leaf: leaf is None)


def drive_for(cosmology: Cosmology, drive: Drive) -> Drive:
    """The drive with all that is the same for every spectrum, for programs that are given it.

    Where the cosmology is the drive's own there is nothing to derive in it: tangents are left out,
    and what would be computed with every spectrum is made here, once. Traced ones, and a neighbour
    that the tangents reach, come back as they are. Raises ``ValueError`` as :func:`transfer` does
    if the cosmology is not that of the drive.
    """
    if is_traced((cosmology, drive)):
        return drive
    return _with_coarse(_check_cosmology(cosmology, drive))


# of programs that follow hierarchies: one run takes 3 s less than it does after the least effort
HIERARCHIES_EFFORT = "some"


def continued(t: Array, k: Wavenumbers, drive: Drive) -> Array:
    """Ratios (..., nk) on the drive's wavenumbers at ``k``; below the first, t - 1 goes as k^2."""
    below = jnp.minimum(k.h_mpc / drive.k_h_mpc[k.driven], 1.0) ** 2
    return 1.0 - below * (1.0 - t[..., k.driven])


def prepared(
    dm, cosmology, drive, k_h_mpc, composition
) -> tuple[Velocities, Cosmology, Drive, Wavenumbers]:
    """Dark matter, cosmology, the drive and ``k_h_mpc``, checked as :func:`transfer` says."""
    require_x64()
    if drive is None:
        drive = drive_of(None if is_traced(cosmology) else cosmology)
    cosmology = drive.cosmology if cosmology is None else cosmology
    if not is_traced((cosmology, drive.cosmology)):
        drive = _check_cosmology(cosmology, drive)
    species, shares = species_shares(dm, composition, cosmology)
    grid = velocity_grid(drive, cosmology)
    if k_h_mpc is None:
        return velocities_of(species, shares, grid), cosmology, drive, own_wavenumbers(drive)
    k = check_wavenumbers(wavenumbers_h_mpc(k_h_mpc, cosmology.h))
    on = jnp if is_traced(k) else np
    k = on.asarray(k)
    # and where the hierarchies and the drive's equations are compared
    all_k = on.append(on.maximum(k, LOWEST_DRIVEN_K_H_MPC), MATCHED_K_H_MPC)
    drive = at_wavenumbers(drive, all_k)
    velocities = velocities_of(species, shares, grid)
    return velocities, cosmology, drive, Wavenumbers(k, np.arange(k.shape[0]))


def own_wavenumbers(drive: Drive) -> Wavenumbers:
    """Those of :func:`transfer` where none are given."""
    # plain arrays where nothing is traced: what depends on them alone is then no part of a program
    on = jnp if is_traced(drive.k_h_mpc) else np
    own = on.asarray(drive.k_h_mpc)
    k = default_wavenumbers(own)
    return Wavenumbers(k, np.pad(np.arange(own.shape[0]), (k.shape[0] - own.shape[0], 0)))


@program
def _transfer(
    velocities: Velocities,
    cosmology,
    drive: Drive,
    k: Wavenumbers,
    cold,
    hierarchies,
) -> Transfer:
    cosmology, drive, foreign = solved_at_cosmology(cosmology, drive)
    coarse = coarser(drive) if drive.coarse is None else drive.coarse
    number, rest = velocities.number, velocities.cold
    modes, slow = external_modes(number, drive)
    kernel = kernel_table(number, drive)
    t_driven = _matter_ratio(modes, slow, kernel, rest, drive)
    fixed = (velocities, coarse, t_driven, (modes, slow, kernel))
    error, table_error = (each[k.driven] for each in _errors(*jax.lax.stop_gradient(fixed)))
    t = continued(t_driven, k, drive)
    # of a hot share too small to be followed the equations of slow particles are wrong
    missed = faster_share(jax.lax.stop_gradient(number), drive, _HOT)
    error = error + _MISSED * missed
    fast = too_fast(number, velocities.gone, drive)
    if hierarchies != "never":
        assert velocities.particles is not None
        order = jnp.argsort(k.h_mpc)
        needed = None if hierarchies == "always" else fast
        matched = jnp.argmin(jnp.abs(drive.k_h_mpc[None, :] - MATCHED_K_H_MPC[:, None]), axis=1)
        matched = t_driven[matched]
        found, by_shells = fast_transfer(
            k.h_mpc[order], velocities.particles, rest, cold, matched, drive, needed
        )
        followed, uncertain = (
            jnp.zeros_like(t).at[order].set(each)
            for each in joined(t[order], matched, found, by_shells, k.h_mpc[order])
        )
        needed = fast if hierarchies == "where needed" else True
        t = jnp.where(needed, followed, t)
        error = jnp.where(needed, jax.lax.stop_gradient(uncertain), error)
    size = jnp.abs(jax.lax.stop_gradient(t))
    t2_error, table_error = (
        jnp.minimum(2.0 * size * each + each**2, 1.0) for each in (error + table_error, table_error)
    )
    unresolved = jnp.max(table_error) > TABLE_ERROR
    unfollowed = fast if hierarchies == "never" else jnp.asarray(False)
    status = solver_status(t, foreign, velocities.gone, unresolved, unfollowed)
    return Transfer(jnp.asarray(k.h_mpc), t, t * t, status, t2_error, table_error, fast)


def _matter_ratio(modes, slow, kernel, cold, drive) -> Array:
    """T(k) for what the histogram has become, and a share ``cold`` of cold dark matter."""
    external = external_overdensity(modes, slow + cold, drive)
    dark_matter, baryons = overdensities(external, kernel + cold, drive)
    return total_matter(dark_matter[-1], baryons[-1], drive.cosmology) / drive.cold_today


def _errors(velocities: Velocities, coarse, t, full):
    """Errors of T on the drive's wavenumbers: of the solver, and of the momentum table."""
    number = velocities.thinned
    thin = (*external_modes(number, coarse), kernel_table(number, coarse))
    # the spectrum and its thinned table side by side, as if they were other wavenumbers
    modes, slow = (jnp.concatenate([a, b]) for a, b in zip(full[:2], thin[:2]))
    kernel = jnp.concatenate([full[2], thin[2]], axis=1)
    both = _matter_ratio(modes, slow, kernel, velocities.cold, twice(coarse))
    of_full, of_thin = jnp.split(both, 2)
    size = jnp.abs(t)
    # a fourth-order rule is off by a fifteenth of the change, but only once it has converged
    table = _envelope(of_thin - of_full) + ends_error(velocities, size)
    drive = _DRIVE_ERROR * (1.0 + (coarse.k_h_mpc / _DRIVE_ERROR_K_H_MPC) ** 2)
    return _envelope(of_full - t) + drive, table


def _envelope(change: Array) -> Array:
    """|change| (n,), where it passes through zero the root mean square over all k."""
    return jnp.maximum(jnp.abs(change), jnp.sqrt(jnp.mean(change**2)))


def ends_error(velocities: Velocities, size) -> Array:
    """Error of |T| = ``size`` (any shape) by particles beyond the tables, or beyond the grid.

    Missing slow ones would raise T towards one. Missing fast ones lower it by what growth makes of
    their share, or, while T is close to one, by their part in the mean square velocity.
    """
    deficit = jnp.abs(1.0 - size)
    lost = jnp.minimum(velocities.fast * size, velocities.fast_square * deficit)
    return _GROWTH * (velocities.slow * deficit + lost + velocities.gone * size)


def solver_status(t, foreign, gone, unresolved, needed) -> Array:
    """int32 :class:`spectra.status.Status` of results ``t`` (any shape).

    ``gone``: share of dark matter beyond the velocities that are solved for; ``needed``: whether
    hierarchies are, and were left out; other arguments are bools.
    """
    status = jnp.where(unresolved, Status.SPECTRUM_UNRESOLVED, Status.SUCCESS)
    status = jnp.where(needed, Status.HIERARCHIES_NEEDED, status)
    status = jnp.where(gone > FAST_FRACTION, Status.SPECTRUM_RELATIVISTIC, status)
    status = jnp.where(foreign, Status.COSMOLOGY_MISMATCH, status)
    return jnp.where(~jnp.all(jnp.isfinite(t)), Status.NON_FINITE, status).astype(jnp.int32)


def solved_at_cosmology(cosmology: Cosmology, drive: Drive) -> tuple[Cosmology, Drive, Array]:
    """Cosmology, the drive there, its cold solution included, and whether that is too far."""
    foreign = ~serves(drive.cosmology, cosmology, drive.tangents is not None)
    if drive.tangents is None:
        return _without_derivative(cosmology), drive, foreign
    made = at_cosmology(drive, cosmology)
    made = eqx.tree_at(lambda d: d.cold_today, made, cold_overdensity(made))
    return made.cosmology, made, foreign


@remembered
@program
def at_wavenumbers(drive: Drive, k_h_mpc: ArrayLike) -> Drive:
    """The drive on chosen wavenumbers (n,) [h/Mpc]; remembered when everything is concrete."""
    made = interpolate_wavenumbers(drive, k_h_mpc)
    return eqx.tree_at(lambda d: d.cold_today, made, cold_overdensity(made))


@jax.custom_jvp
def _without_derivative(cosmology: Cosmology) -> Cosmology:
    """The same; being differentiated is an error, not a derivative with parts missing."""
    return cosmology


def _refuse(primals, tangents):
    for name in TABLE_FIELDS:
        if not isinstance(getattr(tangents[0], name), SymbolicZero):
            raise ValueError(
                f"T^2 is being differentiated in cosmology {name}, but its drive was made without "
                "derivatives; use drive=spectra.drive(cosmology, derivatives=True)"
            )
    return primals[0], tangents[0]


_without_derivative.defjvp(_refuse, symbolic_zeros=True)


def _check_cosmology(cosmology: Cosmology, drive: Drive) -> Drive:
    """The drive, without tangents where the cosmology is its own and nothing else is asked."""
    tangents = drive.tangents is not None
    require_served(drive.cosmology, cosmology, tangents, "drive", "drive=spectra.drive(cosmology)")
    own = distance_between(cosmology, drive.cosmology) <= MATCH_TOLERANCE
    return eqx.tree_at(lambda d: d.tangents, drive, None) if own and tangents else drive


def check_wavenumbers(k_h_mpc) -> Array | np.ndarray:
    """``k_h_mpc`` as an array (n,); ``ValueError`` where it leaves :data:`K_RANGE_H_MPC`."""
    k = k_h_mpc if is_traced(k_h_mpc) else np.asarray(k_h_mpc, dtype=float)
    if k.ndim != 1 or k.shape[0] == 0:
        raise ValueError(f"k_h_mpc has shape {k.shape}; give a one-dimensional array")
    if not is_traced(k):
        low, high = K_RANGE_H_MPC
        bad = ~((k >= low * (1 - 1e-9)) & (k <= high * (1 + 1e-9)))
        if bad.any():
            raise ValueError(
                f"k_h_mpc = {k[bad][0]:g} is outside [{low:g}, {high:g}] h/Mpc; "
                "leave out wavenumbers beyond that range"
            )
    return k
