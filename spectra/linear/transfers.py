"""What a transfer function is, and the cosmology that it belongs to."""

import equinox as eqx
from jax import Array

from spectra.cosmology import Cosmology
from spectra.linear.served_cosmologies import require_same


class Transfer(eqx.Module):
    """Suppression of the linear matter power today, relative to cold dark matter.

    Attributes
    ----------
    k_h_mpc : (n,) wavenumbers [h/Mpc].
    t : (n,) ratio of matter overdensities delta / delta_cold at z = 0, signed.
    t2 : (n,) its square, the ratio of total-matter power spectra.
    status : int32 :class:`spectra.status.Status`.
    t2_error : (n,) estimated error of t2: that of the solver (from half the time nodes, and the
        accuracy of the drive's tables) plus ``table_error``. Without derivatives. None where the
        solver was not at work.
    table_error : (n,) estimated error of t2 from the momentum table: from every second momentum,
        and from what a power law below and an exponential above the table would hold.
    fast : bool, whether dark matter is fast: hierarchies of multipoles are needed. None where the
        solver was not at work.
    cosmology : in which it was solved for. None where the solver was not at work.
    """

    k_h_mpc: Array
    t: Array
    t2: Array
    status: Array
    t2_error: Array | None = None
    table_error: Array | None = None
    fast: Array | None = None
    cosmology: Cosmology | None = None


def cosmology_of(transfer: Transfer, cosmology: Cosmology | None) -> Cosmology:
    """``cosmology``, or where it is None that of ``transfer``, or the default one.

    Raises ``ValueError`` naming the field where both are known and differ.
    """
    made_for = getattr(transfer, "cosmology", None)  # a user's own pair of k and T has none
    if cosmology is None:
        return Cosmology() if made_for is None else made_for
    if made_for is not None:
        fix = "spectra.transfer(dm, cosmology), or leave the cosmology out"
        require_same(made_for, cosmology, "ratios of the transfer function", fix)
    return cosmology
