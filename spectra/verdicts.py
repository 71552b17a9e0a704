"""Named constraints on a transfer function: value, threshold, smooth margin, status, source.

The half-mode test: a spectrum is allowed against a thermal relic when its T^2 is
nowhere below the relic's while the relic's is above one half.
"""

import enum
import math

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array

from spectra._numerics import interpolate
from spectra.cosmology import Cosmology
from spectra.drive import drive as drive_of
from spectra.scales import first_crossing
from spectra.spectrum import THERMAL_NODES, Spectrum, thermal_relic
from spectra.transfer import Transfer
from spectra.transfer import transfer as solve_transfer

# Merle's two references: Koenig, Merle & Totzauer 1609.01289; 3.3 keV is Viel et al. 1306.2314
REFERENCE_MASSES_KEV = (2.0, 3.3)
HALF_MODE_SOURCE = (
    "half-mode test of Koenig, Merle & Totzauer 1609.01289 against a thermal relic computed by "
    "the same solver; T^2 = 1/2 convention"
)
# both curves tend to 1 at small k: above this T^2_ref only deficits beyond the noise count
_PLAIN_BELOW_T2 = 0.99
_SMALL_K_DEFICIT = 3e-3
_SAMPLES = 128
# inverse temperature of the soft minimum: it exceeds the minimum by log(128)/300 = 0.016 at most
_SHARPNESS = 300.0
# node counts of a spectrum at which a relic of as many nodes is accurate and cheap
_SHARED_NODES = (400, 5000)
# comparing a relic with itself may differ by rounding
_ROUNDING = 1e-9


class VerdictStatus(enum.IntEnum):
    """Outcome of one constraint; UNDECIDED when T is not finite or its k range too short."""

    ALLOWED = 0
    CONSTRAINED = 1
    FORBIDDEN = 2
    UNDECIDED = 3


class Verdict(eqx.Module):
    """One constraint's answer.

    Attributes
    ----------
    value : the tested number, scalar.
    threshold : the value at which the test is just passed, scalar; larger values pass.
    margin : smooth (differentiable) distance from the threshold, scalar, positive when passed.
    status_code : int32 :class:`VerdictStatus`; use ``status`` for its name.
    source : where the constraint comes from and in which convention.
    """

    value: Array
    threshold: Array
    margin: Array
    status_code: Array
    source: str = eqx.field(static=True)

    @property
    def status(self) -> str:
        """ "allowed", "constrained", "forbidden" or "undecided" (outside ``jit`` only)."""
        return VerdictStatus(int(self.status_code)).name.lower()


def verdicts(
    dm: Spectrum,
    transfer,
    cosmology: Cosmology | None = None,
    drive=None,
    reference_masses_kev: tuple[float, ...] = REFERENCE_MASSES_KEV,
    references=None,
) -> dict[str, Verdict]:
    """All constraints on a spectrum, by name.

    Entries: ``half-mode-2.0keV`` and so on, one per reference relic, and ``half-mode``,
    their summary: "forbidden" when the lightest (conservative) reference is failed,
    "constrained" when only heavier ones are, with the numbers of the heaviest.

    Parameters
    ----------
    dm : the spectrum; the half-mode test looks only at its transfer function.
    transfer : its transfer function, k_h_mpc (n,), t (n,).
    cosmology, drive : as for :func:`spectra.transfer`; used to compute the references.
    reference_masses_kev : thermal-relic masses [keV], concrete numbers.
    references : what :func:`reference_transfers` returned for the same masses and cosmology,
        to save computing it again; optional.

    Raises
    ------
    ValueError
        If no reference mass is given or one is not positive.
    """
    cosmology = Cosmology() if cosmology is None else cosmology
    masses = tuple(sorted(float(mass) for mass in reference_masses_kev))
    if not masses or not all(math.isfinite(mass) and mass > 0.0 for mass in masses):
        raise ValueError(
            f"reference_masses_kev = {reference_masses_kev} must be one or more positive numbers"
        )
    if references is None:
        references = reference_transfers(masses, cosmology, drive, like=dm)
    report = {}
    for index, mass in enumerate(masses):
        failed = VerdictStatus.FORBIDDEN if index == 0 else VerdictStatus.CONSTRAINED
        reference = jax.tree.map(lambda leaf: leaf[index], references)  # noqa: B023
        report[f"half-mode-{_mass_label(mass)}keV"] = half_mode_verdict(transfer, reference, failed)
    entries = list(report.values())
    worst = entries[0].status_code
    for entry in entries[1:]:
        worst = jnp.maximum(worst, entry.status_code)
    strictest = entries[-1]
    report["half-mode"] = Verdict(
        value=strictest.value,
        threshold=strictest.threshold,
        margin=strictest.margin,
        status_code=worst,
        source=HALF_MODE_SOURCE + f"; references {', '.join(f'{mass:g}' for mass in masses)} keV",
    )
    return report


def _mass_label(mass_kev: float) -> str:
    one_decimal = f"{mass_kev:.1f}"
    return one_decimal if float(one_decimal) == mass_kev else f"{mass_kev:g}"


def reference_transfers(
    masses_kev: tuple[float, ...],
    cosmology: Cosmology | None = None,
    drive=None,
    like: Spectrum | None = None,
) -> Transfer:
    """Transfer functions of thermal relics on the drive's own wavenumbers.

    ``masses_kev``: m masses [keV], in increasing order for use in :func:`verdicts`.
    ``like``: a spectrum already solved for; relics with as many momenta save compiling the
    solver again. Returns a Transfer whose leaves have a leading axis of length m.
    """
    cosmology = Cosmology() if cosmology is None else cosmology
    if drive is None and not isinstance(cosmology.omega_dm, jax.core.Tracer):
        drive = drive_of(cosmology)
    nodes = THERMAL_NODES if like is None else like.q.shape[-1]
    nodes = nodes if _SHARED_NODES[0] <= nodes <= _SHARED_NODES[1] else THERMAL_NODES
    solved = [
        solve_transfer(thermal_relic(mass, cosmology, nodes=nodes), cosmology, drive=drive)
        for mass in masses_kev
    ]
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *solved)


def half_mode_verdict(transfer: Transfer, reference: Transfer, failed: VerdictStatus) -> Verdict:
    """The half-mode test of T(k) against one reference.

    The tested number is the minimum over the k with T^2_ref >= 1/2 of
    (T^2 - T^2_ref)/(1 - T^2_ref): 1 for cold dark matter, 0 for the reference itself.
    Where T^2_ref > 0.99 it is (T^2 - T^2_ref + 0.003)/0.003 instead, so that only deficits
    above 0.003 fail: both curves tend to 1 there. The margin is the soft minimum
    -log(mean(exp(-300 x)))/300 of the same numbers on 128 points spread evenly in ln k.

    Parameters
    ----------
    transfer, reference : k_h_mpc (n,) [h/Mpc], n >= 4, and t (n,); the k may differ.
    failed : status when the test is failed.
    """
    value, margin = _half_mode_numbers(transfer, reference)
    passed = value >= -_ROUNDING
    status = jnp.where(passed, VerdictStatus.ALLOWED, failed)
    return Verdict(
        value=value,
        threshold=jnp.zeros_like(value),
        margin=margin,
        status_code=jnp.where(jnp.isnan(value), VerdictStatus.UNDECIDED, status).astype(jnp.int32),
        source=HALF_MODE_SOURCE,
    )


@eqx.filter_jit
def _half_mode_numbers(transfer: Transfer, reference: Transfer) -> tuple[Array, Array]:
    k_half, status_reference = first_crossing(reference.k_h_mpc, reference.t, math.sqrt(0.5))
    order = jnp.argsort(transfer.k_h_mpc)
    ln_k, t = jnp.log(transfer.k_h_mpc[order]), transfer.t[order]
    order = jnp.argsort(reference.k_h_mpc)
    ln_k_reference, t_reference = jnp.log(reference.k_h_mpc[order]), reference.t[order]
    first = jnp.maximum(ln_k[0], ln_k_reference[0])
    usable = (status_reference == 0) & jnp.all(jnp.isfinite(t))
    ln_k_half = jnp.log(jnp.where(usable, k_half, 1.0))
    usable = usable & (first < ln_k_half) & (ln_k_half <= ln_k[-1])
    last = jnp.where(usable, ln_k_half, ln_k[-1])
    sampled = first + (last - first) * jnp.linspace(0.0, 1.0, _SAMPLES)
    t2 = interpolate(sampled, ln_k, jnp.where(usable, t, 0.0)) ** 2
    t2_reference = interpolate(sampled, ln_k_reference, t_reference) ** 2
    plain = t2_reference <= _PLAIN_BELOW_T2
    deficit = t2 - t2_reference
    scale = jnp.where(plain, 1.0 - t2_reference, 1.0)
    excess = jnp.where(plain, deficit / scale, 1.0 + deficit / _SMALL_K_DEFICIT)
    value = jnp.min(excess)
    log_mean = jax.nn.logsumexp(-_SHARPNESS * excess) - math.log(_SAMPLES)
    margin = -log_mean / _SHARPNESS
    return jnp.where(usable, value, jnp.nan), jnp.where(usable, margin, jnp.nan)
