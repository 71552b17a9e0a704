"""The built-in rules on structure. Each is a function of a Subject that gives a Verdict.

A user's own constraint has the same form and is passed to ``spectra.verdicts`` by name.
Published numbers carry their source; those known only at second hand say "recalled".
"""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array

from spectra.linear import Transfer
from spectra.numerics import interpolate
from spectra.programs import program
from spectra.structure import lyman_alpha
from spectra.structure.scales import first_crossing
from spectra.structure.verdict import Subject, Verdict, VerdictStatus, judged

CONSTRAINED, FORBIDDEN = VerdictStatus.CONSTRAINED, VerdictStatus.FORBIDDEN

# --- half-mode --------------------
HALF_MODE_SOURCE = "half-mode test of Koenig, Merle & Totzauer 1609.01289"
# both curves tend to 1 at small k: above this T^2_ref only deficits beyond the noise count
_PLAIN_BELOW_T2 = 0.99
_SMALL_K_DEFICIT = 3e-3
_SAMPLES = 128
# below, the relics of the test are cold to 1e-4
_FIRST_K_H_MPC = 0.1
# inverse temperature of the soft minimum: it exceeds the minimum by log(128)/300 = 0.016 at most
_SHARPNESS = 300.0


def half_mode(subject: Subject, mass_kev: float, failed: VerdictStatus) -> Verdict:
    """T^2 nowhere below a relic's while the relic's is above 1/2; see :func:`half_mode_excess`."""
    index = subject.references.index(mass_kev)
    value = subject.excess[index]
    verdict = judged(
        value,
        [(value, failed)],
        0.0,
        HALF_MODE_SOURCE,
        "worst (T^2 - T^2_ref)/(1 - T^2_ref) where T^2_ref >= 1/2; reference "
        f"{mass_kev:g} keV, {subject.references.kind}; no likelihood: a rule",
    )
    return eqx.tree_at(lambda v: v.margin, verdict, subject.excess_margin[index])


def half_mode_excess(transfer: Transfer, reference: Transfer) -> tuple[Array, Array]:
    """How far T(k) is above one reference where that counts: the worst place, and its smooth form.

    The number is the minimum over 1/2 <= T^2_ref <= 0.99 of (T^2 - T^2_ref)/(1 - T^2_ref): 1 for
    cold dark matter, 0 for the reference itself. At smaller k, where both tend to 1, only
    deficits d = T^2_ref - T^2 above 0.003 fail: 1 - d/0.003 down to 0, then (0.003 - d)/0.01, the
    scale of its neighbours. Smooth: the soft minimum -log(mean(exp(-300 x)))/300 of the same
    numbers on 128 points spread evenly in ln k.

    Parameters
    ----------
    transfer, reference : k_h_mpc (n,) [h/Mpc], n >= 4, and t (n,); the k may differ.

    Returns
    -------
    The number and its smooth form, scalars; NaN when T is not finite or does not reach the
    reference's half-mode.
    """
    return _half_mode_numbers(transfer, reference)


@program
def _half_mode_numbers(transfer: Transfer, reference: Transfer) -> tuple[Array, Array]:
    k_half, status_reference = first_crossing(reference.k_h_mpc, reference.t, math.sqrt(0.5))
    order = jnp.argsort(transfer.k_h_mpc)
    ln_k, t = jnp.log(transfer.k_h_mpc[order]), transfer.t[order]
    order = jnp.argsort(reference.k_h_mpc)
    ln_k_reference, t_reference = jnp.log(reference.k_h_mpc[order]), reference.t[order]
    first = jnp.maximum(jnp.maximum(ln_k[0], ln_k_reference[0]), math.log(_FIRST_K_H_MPC))
    usable = (status_reference == 0) & jnp.all(jnp.isfinite(t))
    ln_k_half = jnp.log(jnp.where(usable, k_half, 1.0))
    usable = usable & (first < ln_k_half) & (ln_k_half <= ln_k[-1])
    last = jnp.where(usable, ln_k_half, ln_k[-1])
    sampled = first + (last - first) * jnp.linspace(0.0, 1.0, _SAMPLES)
    t2 = interpolate(sampled, ln_k, jnp.where(usable, t, 0.0)) ** 2
    t2_reference = interpolate(sampled, ln_k_reference, t_reference) ** 2
    plain = t2_reference <= _PLAIN_BELOW_T2
    excess = t2 - t2_reference
    relative = excess / jnp.where(plain, 1.0 - t2_reference, 1.0)
    beyond = excess + _SMALL_K_DEFICIT
    small_k = jnp.where(beyond > 0.0, beyond / _SMALL_K_DEFICIT, beyond / (1.0 - _PLAIN_BELOW_T2))
    x = jnp.where(plain, relative, small_k)
    value = jnp.min(x)
    margin = (math.log(_SAMPLES) - jax.nn.logsumexp(-_SHARPNESS * x)) / _SHARPNESS
    return jnp.where(usable, value, jnp.nan), jnp.where(usable, margin, jnp.nan)


# --- Lyman-alpha --------------------
AREA_SOURCE = "area criterion of Murgia et al. 1704.07838; relics of Irsic et al. 1702.01764"


def lyman_alpha_area(subject: Subject, mass_kev: float, failed: VerdictStatus) -> Verdict:
    """delta_A not above that of a thermal relic with the same P(k) and k_cut."""
    references = subject.references
    threshold = references.area_deficit[references.index(mass_kev)]
    value = subject.area_deficit
    return judged(
        value,
        [(1.0 - value / threshold, failed)],
        threshold,
        AREA_SOURCE,
        f"delta_A, smaller passes, k_cut = {lyman_alpha.K_CUT_H_MPC:g} h/Mpc on "
        f"0.5-20 h/Mpc, reference {mass_kev:g} keV ({references.kind}) with the same P(k); margin "
        "1 - value/threshold; no likelihood: calibrated on a bound",
    )


# --- Milky-Way satellites --------------------
# 11 classical + 15 from SDSS times 3.5 for the sky it covers; 57 allows for 10 %
SATELLITES_OBSERVED, SATELLITES_ALLOWANCE = 63.0, 57.0


def milky_way_satellites(subject: Subject) -> Verdict:
    """At least as many subhaloes as the Milky Way has satellites."""
    count = subject.n_satellites
    missing = jnp.maximum(SATELLITES_OBSERVED - count, 0.0)
    sigma = SATELLITES_OBSERVED - SATELLITES_ALLOWANCE
    return judged(
        count,
        [
            (count / SATELLITES_ALLOWANCE - 1.0, FORBIDDEN),
            (count / SATELLITES_OBSERVED - 1.0, CONSTRAINED),
        ],
        SATELLITES_OBSERVED,
        "63 satellites (11 + 3.5 x 15) with a 10 % allowance (57), recalled from 1704.07838; count "
        "of Schneider 1412.2133",
        "subhaloes above 1e8 Msun/h in a host of host_mass_msun_h (1.7e12 Msun/h unless given; the "
        "count is proportional to it), C_n = 44.5, c = 2.5; margin value/63 - 1; likelihood: "
        "one-sided Gaussian about 63 with the allowance as sigma, fixed host",
        -0.5 * (missing / sigma) ** 2,
    )


# --- galaxies at high redshift --------------------
# thermal relics that 1701.01339 and 1606.02530 exclude at 3, 2 and 1 sigma
GALAXY_MASSES_KEV = (2.1, 2.4, 2.9)


def high_redshift_galaxies(subject: Subject) -> Verdict:
    """Enough haloes at z = 6 for the galaxies of the Hubble Frontier Fields."""
    references = subject.references
    level = jnp.log10(subject.halo_density_mpc3)
    index = jnp.asarray([references.index(mass) for mass in GALAXY_MASSES_KEV])
    three, two, one = jnp.log10(references.halo_density_mpc3[index])
    # Gaussian levels 3, 2, 1 at these three, straight between them and beyond, 0 at its best
    steep, shallow = (two - level) / (two - three) + 2.0, (one - level) / (one - two) + 1.0
    sigmas = jnp.maximum(jnp.where(level < two, steep, shallow), 0.0)
    return judged(
        level,
        [(level - three, FORBIDDEN), (level - two, CONSTRAINED)],
        two,
        "maximum galaxy density at z = 6, Menci et al. 1606.02530 and 1701.01339: thermal relics "
        "of 2.1, 2.4, 2.9 keV excluded at 3, 2, 1 sigma",
        "log10 of haloes above 1e6 Msun/h per comoving Mpc^3 (c = 2.5, q = 1); thresholds are "
        "those relics through the same mass function, which puts the papers' theory band (+0.27 "
        "dex on this count) on both sides; margin in dex to 2 sigma; likelihood: Gaussian in the "
        "papers' sigma, straight in log10 n",
        -0.5 * sigmas**2,
    )
