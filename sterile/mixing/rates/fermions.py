"""Reactions of a neutrino with leptons, with free quarks, and with W and Z.

|M|^2 summed over spins, P1 the neutrino, G_F = 1 (Hannestad & Madsen 1995, astro-ph/9506015):

    charged current,  a = l_alpha, pair of u and dbar:  128 |V|^2 N_c (P1.P_dbar)(Pa.P_u),
    neutral current,  a = nu_alpha, pair f fbar: 128 N_c [g_L^2 (P1.P_fbar)(Pa.P_f)
        + g_R^2 (P1.P_f)(Pa.P_fbar) + g_L g_R m^2 (P1.Pa)],

for all signs of the energies. Charged and neutral current interfere on l_alpha, with 2 g_L in place
of g_L^2, and a neutrino of flavour alpha is the same particle as another.
"""

from spectra.constants import (
    BOTTOM_MASS_GEV,
    CHARM_MASS_GEV,
    CKM,
    STRANGE_MASS_GEV,
    TOP_MASS_GEV,
)
from sterile.mixing.potentials import FLAVOURS, LEPTON_MASSES_GEV
from sterile.mixing.rates.electroweak import (
    W_BOSON,
    Z_BOSON,
    carried,
    crossed_carriers,
    neutral_couplings,
    on_shell,
)
from sterile.mixing.rates.phase_space import DEFAULT, Pair, Rate, Resolution, Squared

_UNIT = 128.0
_COLOURS = 3.0
# masses [GeV] of up-type and down-type quarks but the top
_UP = (0.0, CHARM_MASS_GEV)
_DOWN = (0.0, STRANGE_MASS_GEV, BOTTOM_MASS_GEV)

Rates = dict[str, Rate]


def leptonic(
    temperature_gev: float, energy: float, flavour: str, resolution: Resolution = DEFAULT
) -> Rates:
    """Gamma_loss/(G_F^2 T^5) by reactions of leptons alone, by name.

    At T [GeV] and ``energy`` E/T for a neutrino of ``flavour``.
    """
    own = FLAVOURS.index(flavour)
    masses = [mass / temperature_gev for mass in LEPTON_MASSES_GEV]
    at = (energy, temperature_gev)
    found = {
        # two other flavours, and as many of the own: see the interference
        "neutrinos": _sum(
            _neutral(*at, 0.0, (0.5, 0.0), 3.0, resolution),
            crossed_carriers(*at, 0.0, Pair(0.0, 0.0), Squared(contact=0.25 * _UNIT), resolution),
        )
    }
    for name, mass, other in zip(FLAVOURS, masses, range(3)):
        left, right = neutral_couplings(-0.5, -1.0)
        parts = [_neutral(*at, mass, (left, right), 1.0, resolution)]
        if other == own:
            # (g_L + 1)^2, and (g_L + 1) g_R with the mass
            both = Squared(contact=_UNIT * 2.0 * left)
            parts.append(crossed_carriers(*at, mass, Pair(0.0, mass), both, resolution))
            turned = Squared(mixed=_UNIT * right)
            parts.append(carried(*at, 0.0, Pair(mass, mass), turned, Z_BOSON, resolution))
        found[f"neutral current on {name}"] = _sum(*parts)
        # W turns a neutrino of the other flavour to its lepton
        found[f"charged current with {name}"] = carried(
            *at, masses[own], Pair(0.0, mass), Squared(left=_UNIT), W_BOSON, resolution
        )
    return found


def bosonic(
    temperature_gev: float, energy: float, flavour: str, resolution: Resolution = DEFAULT
) -> Rates:
    """Gamma_loss/(G_F^2 T^5) by W and Z on their mass shell; arguments as of :func:`leptonic`."""
    lepton = LEPTON_MASSES_GEV[FLAVOURS.index(flavour)] / temperature_gev
    at = (energy, temperature_gev)
    return {
        "W": Rate(on_shell(*at, lepton, W_BOSON, resolution), 0.0),
        "Z": Rate(on_shell(*at, 0.0, Z_BOSON, resolution), 0.0),
    }


def quarks(
    temperature_gev: float, energy: float, flavour: str, resolution: Resolution = DEFAULT
) -> Rates:
    """Gamma_loss/(G_F^2 T^5) by free quarks, by name; arguments as of :func:`leptonic`."""
    own = FLAVOURS.index(flavour)
    lepton = LEPTON_MASSES_GEV[own] / temperature_gev
    at = (energy, temperature_gev)
    up, down = neutral_couplings(0.5, 2.0 / 3.0), neutral_couplings(-0.5, -1.0 / 3.0)
    found = {}
    for name, mass, couplings in (
        *zip("uc", _UP, (up, up)),
        *zip("dsb", _DOWN, (down, down, down)),
        ("t", TOP_MASS_GEV, up),
    ):
        found[f"neutral current on {name}"] = _neutral(
            *at, mass / temperature_gev, couplings, _COLOURS, resolution
        )
    for name, mass, row in zip("uc", _UP, CKM):
        for other, partner, element in zip("dsb", _DOWN, row):
            found[f"charged current on {name}{other}"] = _charged(
                *at, lepton, mass, partner, element, resolution
            )
    found["charged current on tb"] = _charged(
        *at, lepton, TOP_MASS_GEV, BOTTOM_MASS_GEV, 1.0, resolution
    )
    return found


def _charged(energy, temperature_gev, lepton, up, down, element, resolution):
    pair = Pair(up / temperature_gev, down / temperature_gev)
    squared = Squared(left=_UNIT * _COLOURS * element**2)
    return carried(energy, temperature_gev, lepton, pair, squared, W_BOSON, resolution)


def _neutral(energy, temperature_gev, mass, couplings, copies, resolution):
    left, right = couplings
    unit = _UNIT * copies
    # of equal masses the two orders are the same
    squared = Squared(left=unit * (left**2 + right**2), mixed=unit * left * right)
    return carried(energy, temperature_gev, 0.0, Pair(mass, mass), squared, Z_BOSON, resolution)


def _sum(*rates: Rate) -> Rate:
    return Rate(sum(r.two_to_two for r in rates), sum(r.three_to_one for r in rates))
