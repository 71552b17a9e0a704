"""What a report says of the momenta alone, whatever T(k) is.

A small program for every length of table, so that the large one that judges T(k) serves them all.
"""

import equinox as eqx
import jax.numpy as jnp
from jax import Array

from spectra.cosmology import Cosmology
from spectra.programs import program
from spectra.spectrum import Spectrum
from spectra.structure.phase_space import phase_space_bound_kev
from spectra.structure.scales import (
    COLD_BELOW_MPC,
    HOT_ABOVE_MPC,
    free_streaming,
    warm_equivalent_mass_kev,
)
from spectra.structure.verdict import Verdict, VerdictStatus, judged

WARMNESS_MASSES_KEV = (3.5, 5.3)


class OfMomenta(eqx.Module):
    """Of one spectrum.

    Attributes
    ----------
    mass_kev : its mass [keV], scalar.
    lightest_kev : (m,) smallest masses [keV] by phase space that were asked for.
    verdicts : "warmness" and "free-streaming".
    """

    mass_kev: Array
    lightest_kev: Array
    verdicts: dict[str, Verdict]


@program
def of_momenta(
    dm: Spectrum, cosmology: Cosmology, excess_masses_kev: tuple[float, ...]
) -> OfMomenta:
    """``excess_masses_kev``: static, (m,) bounds on a Fermi-Dirac spectrum by its excess mass."""
    lightest = [phase_space_bound_kev(dm, mass) for mass in excess_masses_kev]
    return OfMomenta(
        mass_kev=dm.mass_kev,
        lightest_kev=jnp.stack(lightest) if lightest else jnp.zeros(0),
        verdicts={
            "warmness": _warmness(dm, cosmology),
            "free-streaming": _free_streaming_label(dm, cosmology),
        },
    )


def _warmness(dm: Spectrum, cosmology: Cosmology) -> Verdict:
    """The thermal relic of the same rms velocity not lighter than the Lyman-alpha bounds."""
    mass = warm_equivalent_mass_kev(dm, cosmology)
    low, high = WARMNESS_MASSES_KEV
    return judged(
        mass,
        [
            (jnp.log(mass / low), VerdictStatus.FORBIDDEN),
            (jnp.log(mass / high), VerdictStatus.CONSTRAINED),
        ],
        high,
        "equal rms velocity, Baumholzer-type map 2011.13458; relics of Irsic et al. 1702.01764 "
        "(3.5 and 5.3 keV)",
        "thermal-equivalent mass [keV] by the second moment; fails for spectra of several scales "
        "(2112.09105); margin ln(value/threshold); no likelihood: a map onto a bound",
    )


def _free_streaming_label(dm: Spectrum, cosmology: Cosmology) -> Verdict:
    """The free-streaming horizon, labelled cold, warm or hot by the field; not a verdict."""
    horizon = free_streaming(dm, cosmology)
    return Verdict(
        value=horizon,
        threshold=jnp.asarray(HOT_ABOVE_MPC),
        margin=jnp.log(HOT_ABOVE_MPC / horizon),
        status_code=jnp.asarray(VerdictStatus.NOT_A_VERDICT, dtype=jnp.int32),
        source="Merle & Totzauer 1502.01011",
        convention=f"lambda_fs [comoving Mpc], mean velocity; cold below {COLD_BELOW_MPC:g}, hot "
        f"above {HOT_ABOVE_MPC:g}: a label, not a verdict (a thermal relic of 3.5 keV is 'hot'); "
        "no likelihood",
    )
