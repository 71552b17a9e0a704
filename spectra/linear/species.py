"""Dark matter and baryons apart, at redshifts up to 200: what initial conditions need."""

from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from spectra.cosmology import Cosmology
from spectra.linear.drive_tables import Drive
from spectra.linear.external_response import external_modes, external_overdensity, kernel_table
from spectra.linear.fast_particles import too_fast
from spectra.linear.transfer_function import (
    TABLE_ERROR,
    continued,
    ends_error,
    prepared,
    solved_at_cosmology,
    solver_status,
)
from spectra.linear.velocities import without_particles
from spectra.linear.volterra import cold_overdensities, overdensities, total_matter
from spectra.numerics import lagrange_stencil
from spectra.programs import program
from spectra.spectrum import Spectrum
from spectra.status import Status
from spectra.tracing import is_traced
from spectra.units import plain

HIGHEST_Z = 200.0


class SpeciesTransfer(eqx.Module):
    """Suppression of every species at chosen redshifts, relative to cold dark matter.

    Every ratio is to the same quantity, at the same redshift, in a universe of cold dark matter, so
    that a Boltzmann code's cold table times the ratio is the table of this dark matter. Ratios are
    signed.

    Attributes
    ----------
    z : (nz,) redshifts.
    k_h_mpc : (n,) wavenumbers [h/Mpc].
    t_dark_matter, t_baryon, t_matter : (nz, n) ratios of overdensities, in the gauge comoving with
        cold dark matter: of all dark matter, of baryons, of both together.
    t_velocity_dark_matter, t_velocity_baryon : (nz, n) ratios of velocity divergences
        theta = -d delta / d tau (continuity: exact for slow particles inside the horizon).
    status : int32 :class:`spectra.status.Status`; of the momentum table only the ends are judged.
        ``HIERARCHIES_NEEDED`` for fast dark matter, whose ratios here are wrong.
    """

    z: Array
    k_h_mpc: Array
    t_dark_matter: Array
    t_baryon: Array
    t_matter: Array
    t_velocity_dark_matter: Array
    t_velocity_baryon: Array
    status: Array


def species_transfer(
    dm: Spectrum | Sequence[Spectrum],
    cosmology: Cosmology | None = None,
    z: ArrayLike = 0.0,
    drive: Drive | None = None,
    k_h_mpc: ArrayLike | Sequence[float] | None = None,
    composition: str | ArrayLike | Sequence[float] = "rescale",
) -> SpeciesTransfer:
    """Transfer functions of dark matter, baryons and total matter at redshifts 0 <= z <= 200.

    The same solution as :func:`spectra.transfer`, read between its time nodes by a polynomial in
    ln a through six of them; at z = 0, ``t_matter`` is its ``t``. Differentiable and vmappable like
    it, and in z.

    Parameters
    ----------
    z : redshift, scalar or (nz,).
    dm, cosmology, drive, k_h_mpc, composition : as for :func:`spectra.transfer`.

    Returns
    -------
    SpeciesTransfer

    Raises
    ------
    ValueError
        If a redshift is outside 0..200, and as :func:`spectra.transfer` does.
    """
    z = _check_redshifts(plain(z))
    velocities, cosmology, drive, k = prepared(dm, cosmology, drive, k_h_mpc, composition)
    return _species_transfer(without_particles(velocities), cosmology, z, drive, k)


@program
def _species_transfer(velocities, cosmology, z, drive, k) -> SpeciesTransfer:
    cosmology, drive, foreign = solved_at_cosmology(cosmology, drive)
    number, cold = velocities.number, velocities.cold
    modes, slow = external_modes(number, drive)
    external = external_overdensity(modes, slow + cold, drive)
    histories = overdensities(external, kernel_table(number, drive) + cold, drive)
    warm, warm_growth = _at_redshifts(z, histories, drive)
    of_cold, cold_growth = _at_redshifts(z, cold_overdensities(drive), drive)
    dark_matter, baryon = warm
    cold_matter = total_matter(of_cold[0], of_cold[1], drive.cosmology)
    ratios = (
        warm[0] / of_cold[0],
        warm[1] / of_cold[1],
        total_matter(dark_matter, baryon, drive.cosmology) / cold_matter,
        warm_growth[0] / cold_growth[0],
        warm_growth[1] / cold_growth[1],
    )
    ratios = tuple(continued(ratio, k, drive) for ratio in ratios)
    size = jnp.abs(ratios[2])
    missing = jnp.max(2.0 * size * ends_error(velocities, size))
    unresolved, needed = missing > TABLE_ERROR, too_fast(number, velocities.gone, drive)
    status = solver_status(ratios[2], foreign, velocities.gone, unresolved, needed)
    # radiation today says what is left out of a right number; this number is wrong
    wrong = needed & (status == Status.SPECTRUM_RELATIVISTIC)
    status = jnp.where(wrong, Status.HIERARCHIES_NEEDED, status).astype(jnp.int32)
    return SpeciesTransfer(z, k.h_mpc, *ratios, status=status)


def _at_redshifts(z: Array, histories, drive: Drive) -> tuple[Array, Array]:
    """Histories (2, nt, nk) and their derivatives in ln a, at ``z``: both (2, nz, nk)."""
    histories = jnp.stack(histories)

    def read(ln_a):
        nodes, weights = lagrange_stencil(ln_a, drive.ln_a)
        return jnp.einsum("zp,czpk->czk", weights, histories[:, nodes])

    ln_a = -jnp.log1p(z)
    return jax.jvp(read, (ln_a,), (jnp.ones_like(ln_a),))


def _check_redshifts(z) -> Array:
    if is_traced(z):
        return jnp.atleast_1d(z)
    values = np.atleast_1d(np.asarray(z, dtype=float))
    if values.ndim != 1 or values.shape[0] == 0:
        raise ValueError(f"z has shape {values.shape}; give a number or a one-dimensional array")
    bad = ~((values >= 0.0) & (values <= HIGHEST_Z))
    if bad.any():
        raise ValueError(
            f"z = {values[bad][0]:g} is outside [0, {HIGHEST_Z:g}]; give redshifts in that range"
        )
    return jnp.asarray(values)
