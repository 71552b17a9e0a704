"""What a constraint says and what it is asked about: the interface for built-in and user's own."""

import enum
from collections.abc import Sequence

import equinox as eqx
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from spectra.cosmology import Cosmology
from spectra.linear import Transfer
from spectra.spectrum import Spectrum
from spectra.structure.power import PowerTable
from spectra.structure.references import References
from spectra.structure.scales import HalfMode

# comparing a relic with itself may differ by rounding
ROUNDING = 1e-9


class VerdictStatus(enum.IntEnum):
    """Outcome of one constraint.

    UNDECIDED when T is not finite or its k range too short; NOT_A_VERDICT for numbers
    that the field quotes with a label but that decide nothing.
    """

    ALLOWED = 0
    CONSTRAINED = 1
    FORBIDDEN = 2
    UNDECIDED = 3
    NOT_A_VERDICT = 4


class Verdict(eqx.Module):
    """One constraint's answer.

    Attributes
    ----------
    value : the tested number, scalar; NaN when it does not exist.
    threshold : the value at which the (strictest) test is just passed, scalar.
    margin : smooth (differentiable) distance from the threshold, scalar, positive when passed.
    status_code : int32 :class:`VerdictStatus`; use ``status`` for its name.
    source : where the constraint comes from.
    convention : how the number is defined, in which unit, and why there is no likelihood.
    log_likelihood : log of a likelihood, 0 at its best; NaN when the constraint has none.
    equivalent : of a bound that is quoted as M_hm the thermal relics that have it, in words.
    """

    value: Array
    threshold: Array
    margin: Array
    status_code: Array
    source: str = eqx.field(static=True)
    convention: str = eqx.field(static=True, default="")
    log_likelihood: Array = eqx.field(default=float("nan"), converter=jnp.asarray)
    equivalent: str = eqx.field(static=True, default="")

    @property
    def status(self) -> str:
        """ "allowed", "constrained", "forbidden", "undecided" or "not-a-verdict" (outside jit)."""
        return VerdictStatus(int(self.status_code)).name.lower().replace("_", "-")


class Subject(eqx.Module):
    """All that a constraint may look at.

    Attributes
    ----------
    transfer : its transfer function, sorted or not.
    cosmology, power : parameters and the table of P_CDM.
    half_mode : of ``transfer``.
    references : thermal relics to compare with.
    excess, excess_margin : (m,) worst (T^2 - T^2_ref)/(1 - T^2_ref) against each of them and its
        smooth form; see :func:`spectra.structure.constraints.half_mode_excess`.
    area_deficit : delta_A of ``transfer``, scalar.
    n_satellites : subhaloes of the Milky Way, scalar.
    halo_density_mpc3 : haloes at z = 6 per comoving Mpc^3, scalar.
    spectrum : the momentum spectrum; None when only T(k) is known.
    """

    transfer: Transfer
    cosmology: Cosmology
    power: PowerTable
    half_mode: HalfMode
    references: References
    excess: Array
    excess_margin: Array
    area_deficit: Array
    n_satellites: Array
    halo_density_mpc3: Array
    spectrum: Spectrum | None = None

    def momenta(self) -> Spectrum:
        """The momentum spectrum, for constraints that need it; ``ValueError`` without one."""
        if self.spectrum is None:
            raise ValueError("spectrum is None: this constraint needs momenta; give a Spectrum")
        return self.spectrum


def judged(
    value: Array,
    margins: Sequence[tuple[Array, VerdictStatus]],
    threshold: ArrayLike,
    source: str,
    convention: str = "",
    log_likelihood: ArrayLike = float("nan"),
    equivalent: str = "",
) -> Verdict:
    """A verdict from margins: the status is the worst of those failed, the margin the last's.

    Parameters
    ----------
    value, threshold : the tested number and where the last test is just passed, scalars.
    margins : (margin, status when it is negative), from the mildest test to the strictest.
        A NaN margin makes the verdict undecided.
    """
    code = jnp.asarray(VerdictStatus.ALLOWED, dtype=jnp.int32)
    for margin, failed in margins:
        code = jnp.maximum(code, jnp.where(margin < -ROUNDING, failed, VerdictStatus.ALLOWED))
    last = margins[-1][0]
    undecided = jnp.any(jnp.stack([jnp.isnan(margin) for margin, _ in margins]))
    return Verdict(
        value=value,
        threshold=jnp.asarray(threshold, dtype=float),
        margin=last,
        status_code=jnp.where(undecided, VerdictStatus.UNDECIDED, code).astype(jnp.int32),
        source=source,
        convention=convention,
        log_likelihood=log_likelihood,
        equivalent=equivalent,
    )


def strictest(verdicts: Sequence[Verdict], convention: str = "") -> Verdict:
    """Several tests of one kind as one verdict: the worst status, the numbers of the last."""
    worst = jnp.max(jnp.stack([verdict.status_code for verdict in verdicts]))
    last = verdicts[-1]
    return Verdict(
        value=last.value,
        threshold=last.threshold,
        margin=last.margin,
        status_code=worst,
        source=last.source,
        convention=convention or last.convention,
        log_likelihood=last.log_likelihood,
    )
