"""What a result should make its reader wary of: sentences, on the host.

Sources: overclosure, the measured abundance (Planck 2018, 1807.06209); nucleosynthesis, S gone
by T = 4 MeV (Hannestad 2004, astro-ph/0403291); perturbativity, couplings below 4 pi; invisible
Higgs decay, branching below 0.11 (ATLAS 2022, 2202.07953).
"""

import math

from spectra.constants import HIGGS_MASS_GEV
from spectra.cosmology import Cosmology
from sterile import plasma as bath
from sterile.amplitudes import (
    higgs_decay_width_gev,
    higgs_width_included_gev,
    scalar_decay_width_gev,
)
from sterile.models import ScalarDecay
from sterile.status import Status, message_of

NUCLEOSYNTHESIS_GEV = 4e-3
PERTURBATIVE_LIMIT = 4.0 * math.pi
INVISIBLE_BRANCHING = 0.11
OCCUPATION_LIMIT = 0.1


def warnings(model: ScalarDecay, point, cosmology: Cosmology | None = None) -> list[str]:
    """Sentences about a finished point; empty when there is nothing to say.

    Parameters
    ----------
    model : its parameters.
    point : from :func:`sterile.evaluate`.
    cosmology : gives omega_dm; the default one when left out.
    """
    cosmology = Cosmology() if cosmology is None else cosmology
    found = []
    if int(point.status) >= Status.OUT_OF_RANGE:
        found.append(message_of(int(point.status)))
    abundance, target = float(point.omega_h2), float(cosmology.omega_dm)
    # a mass fixed by the abundance comes back to rounding
    if abundance > target * (1.0 + 1e-6):
        found.append(
            f"over-closure: Omega h^2 = {abundance:.4g} exceeds omega_dm = {target:.4g}; T^2 is "
            "that of the same shape with the right abundance"
        )
    for name in ("portal_coupling", "yukawa"):
        if float(getattr(model, name)) > PERTURBATIVE_LIMIT:
            found.append(f"{name} is above 4 pi: not perturbative")
    width = scalar_decay_width_gev(model.scalar_mass_gev, model.yukawa)
    if float(width) < float(bath.hubble_gev(NUCLEOSYNTHESIS_GEV)):
        found.append(
            "S decays after nucleosynthesis: Gamma < H at T = 4 MeV; its energy and its late "
            "neutrinos may spoil the light elements"
        )
    if float(point.production.f_n_max) > OCCUPATION_LIMIT:
        found.append(
            f"occupation of N reaches {float(point.production.f_n_max):.2g} > 0.1: inverse decays "
            "N N -> S and Pauli blocking are neglected"
        )
    if 2.0 * float(model.scalar_mass_gev) < HIGGS_MASS_GEV:
        invisible = float(higgs_decay_width_gev(model.scalar_mass_gev, model.portal_coupling))
        branching = invisible / (invisible + float(higgs_width_included_gev()))
        if branching > INVISIBLE_BRANCHING:
            found.append(
                f"h -> S S has a branching fraction of {branching:.2g}, above the invisible-decay "
                "limit of 0.11"
            )
    return found
