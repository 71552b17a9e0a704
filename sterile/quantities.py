"""The vocabulary: what every number of a result is called, its unit, what it is, its symbol.

JSON keys, columns of a scan, variables of a fit and rows on the terminal all read it here. What
only one mechanism gives is in that mechanism's entry, see :mod:`sterile.contract`.
"""

from collections.abc import Mapping
from typing import NamedTuple


class Quantity(NamedTuple):
    """One number: ``unit`` ("1": none), ``description`` in a few words, and its TeX ``symbol``."""

    unit: str
    description: str
    symbol: str = ""


# what production alone gives
PRODUCTION = {
    "yield_n": Quantity("1", "yield Y_N = n_N/s", r"$Y_N$"),
    "q_mean": Quantity("1", "mean comoving momentum <q>", r"$\langle q \rangle$"),
    "q_rms": Quantity("1", "rms comoving momentum sqrt<q^2>", r"$\langle q^2 \rangle^{1/2}$"),
    "occupation_max": Quantity("1", "largest occupation of N per helicity", r"$f_N^{\rm max}$"),
}
TARGETS = {
    "mass_kev": Quantity("keV", "mass m_N", r"$m_N$ [keV]"),
    "omega_h2": Quantity("1", "abundance Omega h^2", r"$\Omega h^2$"),
}
STRUCTURE = {
    "k_t2_half_h_mpc": Quantity("h/Mpc", "k where T^2 = 1/2", r"$k(T^2 = 1/2)$ [$h$/Mpc]"),
    "k_t_half_h_mpc": Quantity("h/Mpc", "k where T = 1/2", r"$k(T = 1/2)$ [$h$/Mpc]"),
    "m_hm_t_half_msun_h": Quantity(
        "Msun/h", "half-mode mass (T = 1/2)", r"$M_{\rm hm}$ [$M_\odot/h$]"
    ),
    "lambda_fs_mpc": Quantity("Mpc", "free-streaming horizon", r"$\lambda_{\rm fs}$ [Mpc]"),
    "delta_a": Quantity("1", "Lyman-alpha area deficit", r"$\delta A$"),
    "n_satellites": Quantity("1", "Milky-Way satellites", r"$N_{\rm sub}$"),
    "n_galaxies_z6_mpc3": Quantity("Mpc^-3", "haloes at z = 6", r"$n_{\rm gal}$ [Mpc$^{-3}$]"),
}
TEMPERATURE_RATIO = {
    "temperature_ratio": Quantity("1", "temperature T_ref/T_gamma", r"$T_{\rm ref}/T_\gamma$"),
}
COSMOLOGY = {
    "h": Quantity("100 km/s/Mpc", "Hubble constant", r"$h$"),
    "omega_b": Quantity("1", "baryons, Omega h^2", r"$\omega_b$"),
    "omega_dm": Quantity("1", "dark matter, Omega h^2", r"$\omega_{\rm dm}$"),
    "n_s": Quantity("1", "slope of the primordial spectrum", r"$n_s$"),
    "a_s": Quantity("1", "amplitude of the primordial spectrum at 0.05/Mpc", r"$A_s$"),
    "n_eff": Quantity("1", "effective number of neutrinos", r"$N_{\rm eff}$"),
}


def point_scalars(own: Mapping[str, Quantity]) -> dict[str, Quantity]:
    """The scalar JSON keys of a finished point, in the order of the page.

    ``own``: what the mechanism adds, after the yield.
    """
    produced = dict(PRODUCTION)
    first = {"yield_n": produced.pop("yield_n")}
    return {**TARGETS, **TEMPERATURE_RATIO, **first, **own, **produced, **STRUCTURE}
