"""The X-ray line of a mixing sterile neutrino, N -> nu gamma, and limits on it.

Gamma = 9 alpha G_F^2/(1024 pi^4) sin^2(2 theta) m^5 for a Majorana N, 1.36e-29/s
(sin^2(2 theta)/1e-7) (m/keV)^5 (Pal & Wolfenstein 1982), half of it for a Dirac N, E_gamma = m/2.
Limits apply to mixing only: scalar decay with theta = 0 has no line.

Curves of three kinds are read: sin^2(2 theta) or Gamma against the mass, and the coupling g_agamma
of an axion-like particle, as the collection AxionLimits has them. Such a particle of mass m decays
to two photons of m/2 at g^2 m^3/(64 pi), so that as bright a line of N has Gamma = g^2 m^3/(32 pi).
"""

import io
import math
import warnings
from functools import partial
from pathlib import Path

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from spectra.constants import HBAR_GEV_S, HIGGS_VEV_GEV
from spectra.cosmology import as_float
from spectra.files import MOST_TABLE_BYTES, read_text
from spectra.structure import Verdict, VerdictStatus, judged
from spectra.units import plain_numbers

_FINE_STRUCTURE = 1.0 / 137.035999  # CODATA 2018
_KEV_GEV = 1e-6


@plain_numbers
def line_energy_kev(mass_kev: ArrayLike) -> Array:
    """E_gamma = m/2 [keV]; ``mass_kev`` any shape."""
    return 0.5 * jnp.asarray(mass_kev)


@plain_numbers
def decay_rate_per_s(
    mass_kev: ArrayLike, sin2_2theta: ArrayLike, neutrino: str = "majorana"
) -> Array:
    """Gamma(N -> nu gamma) [1/s] of ``mass_kev`` [keV] and sin^2(2 theta).

    ``neutrino``: "majorana", which decays to nu and to its antiparticle, or "dirac", half as fast.
    """
    fermi = 1.0 / (math.sqrt(2.0) * HIGGS_VEV_GEV**2)
    unit = 9.0 * _FINE_STRUCTURE * fermi**2 / (1024.0 * math.pi**4) / HBAR_GEV_S
    rate = unit * jnp.asarray(sin2_2theta) * (mass_kev * _KEV_GEV) ** 5
    return 0.5 * rate if neutrino == "dirac" else rate


class LineLimit(eqx.Module):
    """An upper limit on the decay rate against photon energy.

    Attributes
    ----------
    energy_kev : (n,) photon energies [keV], increasing; n = 1 for a single line.
    rate_per_s : (n,) largest Gamma [1/s] if N is all dark matter.
    source : where it comes from, with its confidence.
    """

    energy_kev: Array = eqx.field(converter=partial(as_float, unit="keV"))
    rate_per_s: Array = eqx.field(converter=partial(as_float, unit="1 / s"))
    source: str = eqx.field(static=True)


@plain_numbers
def limit_on_mixing(mass_kev, sin2_2theta, source: str) -> LineLimit:
    """A limit given as sin^2(2 theta) (n,) against the mass (n,) [keV], as most papers do."""
    mass = jnp.atleast_1d(jnp.asarray(mass_kev, dtype=float))
    rate = decay_rate_per_s(mass, jnp.atleast_1d(jnp.asarray(sin2_2theta, dtype=float)))
    return LineLimit(line_energy_kev(mass), rate, source)


@plain_numbers
def rate_of_axion_coupling_per_s(mass_kev: ArrayLike, coupling_per_gev: ArrayLike) -> Array:
    """Gamma [1/s] of an N whose line is as bright as that of an axion-like particle of its mass.

    ``mass_kev`` [keV]; ``coupling_per_gev``: g_agamma [1/GeV]. g^2 m^3/(32 pi), twice the rate of
    the particle, which makes two photons.
    """
    mass_gev = jnp.asarray(mass_kev, dtype=float) * _KEV_GEV
    return jnp.asarray(coupling_per_gev) ** 2 * mass_gev**3 / (32.0 * math.pi) / HBAR_GEV_S


# kind of a curve → what its second column is, and the range in which it can be that
KINDS = {
    "sin2-2theta": ("sin^2(2 theta)", 1e-20, 1.0),
    "rate": ("Gamma [1/s]", 1e-36, 1e-15),
    "axion-coupling": ("g_agamma [1/GeV]", 1e-26, 1e-8),
}
# masses [keV] of this subject, and the unit of the first column
_MASSES_KEV = (0.1, 1e5)
MASS_UNITS = {"keV": 1.0, "eV": 1e-3, "MeV": 1e3}


def read_limit(
    path, source: str | None = None, kind: str = "sin2-2theta", mass_unit: str = "keV"
) -> LineLimit:
    """A user's curve: two columns, mass m_N and largest value of a ``kind``; # comments.

    Digitised limit curves are not shipped: they belong to their papers.

    Parameters
    ----------
    path : of the table.
    source : where it comes from; the file's name when left out.
    kind : of the second column, of :data:`KINDS`: "sin2-2theta", "rate" [1/s], or "axion-coupling",
        g_agamma [1/GeV]. Rows with a g of 1 or more, by which AxionLimits closes a region, are
        left out.
    mass_unit : of the first column, of :data:`MASS_UNITS`: "keV", "eV" (AxionLimits) or "MeV".

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is not two columns of positive numbers with increasing mass, or the numbers cannot be
        what ``kind`` and ``mass_unit`` say.
    """
    for name, value, known in (("kind", kind, KINDS), ("mass_unit", mass_unit, MASS_UNITS)):
        if value not in known:
            raise ValueError(f"{name} = {value!r} is unknown; use one of {', '.join(known)}")
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file; check the path of the X-ray limit")
    try:
        # of the text, as numpy would unpack a compressed file, however large
        text = read_text(path, MOST_TABLE_BYTES)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # an empty file is reported below
            table = np.loadtxt(io.StringIO(text), ndmin=2)
    except ValueError as error:
        raise ValueError(f"{path}: not a table of numbers ({error})") from None
    if table.shape[1] != 2 or not (np.isfinite(table).all() and (table > 0.0).all()):
        raise ValueError(
            f"{path}: must have two columns of positive numbers, mass [{mass_unit}] and "
            f"{KINDS[kind][0]}"
        )
    if kind == "axion-coupling":
        table = table[table[:, 1] < 1.0]
    mass, values = table[:, 0] * MASS_UNITS[mass_unit], table[:, 1]
    if not (np.diff(mass) > 0.0).all():
        raise ValueError(f"{path}: the masses must increase; sort the rows")
    low, high = _MASSES_KEV
    if mass.size == 0 or mass[0] < low or mass[-1] > high:
        raise ValueError(
            f"{path}: masses from {mass.min(initial=np.inf):g} to {mass.max(initial=0.0):g} keV "
            f"are outside {low:g} to {high:g} keV; give mass_unit, one of {', '.join(MASS_UNITS)}"
        )
    what, low, high = KINDS[kind]
    wrong = values[(values < low) | (values > high)]
    if wrong.size:
        raise ValueError(
            f"{path}: {wrong[0]:g} cannot be {what}, which is from {low:g} to {high:g}; give kind, "
            f"one of {', '.join(KINDS)}"
        )
    source = source or path.name
    if kind == "sin2-2theta":
        return limit_on_mixing(mass, values, source)
    rate = values if kind == "rate" else rate_of_axion_coupling_per_s(mass, values)
    return LineLimit(line_energy_kev(mass), rate, source)


def shipped_limits() -> dict[str, LineLimit]:
    """Single numbers from papers, each at one mass; name -> limit.

    At 7.1 keV three are from abstracts. The others are single points of the papers' curves: the
    weakest within 0.1 keV of the line, where each is taken to hold and curves go up and down by
    several times. They are as AxionLimits (github.com/cajohare/AxionLimits, read 2026) has them as
    g_agamma, or as the authors of 2603.19109 publish their own limit and the points that they took
    from figure 1 of 2405.17861 (github.com/jorgetc16/eROSITA-All-Files, bd48d06).
    """
    line = 3.55
    couplings = {
        "xray-xmm2021": (7.1, 2.0e-18, "XMM blank sky, Foster et al. 2102.02207"),
        "xray-xmm2021-10kev": (10.0, 1.15e-18, "XMM blank sky, Foster et al. 2102.02207"),
        "xray-nustar2022-20kev": (20.0, 6.4e-19, "NuSTAR, Roach et al. 2207.04572 and before"),
        "xray-nustar2022-40kev": (40.0, 4.0e-19, "NuSTAR, Roach et al. 2207.04572 and before"),
    }
    mixings = {
        "xray-erosita2026": (3.0, 1.7e-9, "eROSITA, Large Magellanic Cloud, 2603.19109"),
        "xray-nustar2024": (7.1, 3.9e-11, "NuSTAR, Krivonos et al. 2405.17861"),
        "xray-nustar2024-10kev": (10.0, 2.1e-12, "NuSTAR, Krivonos et al. 2405.17861"),
        "xray-nustar2024-20kev": (20.0, 1.1e-13, "NuSTAR, Krivonos et al. 2405.17861"),
    }
    points = {
        name: LineLimit(
            [0.5 * mass],
            jnp.atleast_1d(rate_of_axion_coupling_per_s(mass, coupling)),
            f"{source}, 95 %, weakest within 0.2 keV of {mass:g} keV, by AxionLimits' g = "
            f"{coupling:g}/GeV",
        )
        for name, (mass, coupling, source) in couplings.items()
    }
    points |= {
        name: limit_on_mixing(
            [mass],
            [mixing],
            f"{source}, weakest within 0.2 keV of {mass:g} keV, sin^2(2 theta) = {mixing:g}; "
            "confidence not read",
        )
        for name, (mass, mixing, source) in mixings.items()
    }
    return {
        "xray-xrism2025": LineLimit([line], [1.0e-27], "XRISM 2510.24560, 3 sigma, at 7.1 keV"),
        "xray-xmm2020": limit_on_mixing(
            [7.1], [2e-11], "XMM blank sky, Dessert et al. 2020, with systematics, at 7.1 keV"
        ),
        "xray-chandra2016": limit_on_mixing(
            [7.1], [1.01e-10], "Chandra clusters, Hofmann et al. 2016, 99.7 %, at 7.1 keV"
        ),
        **points,
    }


# a single number is taken to hold within the detectors' resolution, about 100 eV
_SINGLE_WIDTH_KEV = 0.1


@plain_numbers
def line_verdict(
    mass_kev: ArrayLike,
    sin2_2theta: ArrayLike,
    limit: LineLimit,
    fraction: ArrayLike = 1.0,
    neutrino: str = "majorana",
) -> Verdict:
    """The line of N against one limit.

    Parameters
    ----------
    mass_kev, sin2_2theta : m_N [keV] and mixing, scalars.
    limit : :class:`LineLimit`; interpolated in logarithms, not extrapolated: undecided outside.
    fraction : share of N in the dark matter, scalar.
    neutrino : "majorana" or "dirac"; limits given as a mixing are for a Majorana N.
    """
    energy = line_energy_kev(jnp.asarray(mass_kev, dtype=float))
    rate = jnp.asarray(fraction) * decay_rate_per_s(mass_kev, sin2_2theta, neutrino)
    widen = _SINGLE_WIDTH_KEV if limit.energy_kev.shape[0] == 1 else 0.0
    inside = (energy >= limit.energy_kev[0] - widen) & (energy <= limit.energy_kev[-1] + widen)
    largest = jnp.exp(
        jnp.interp(jnp.log(energy), jnp.log(limit.energy_kev), jnp.log(limit.rate_per_s))
    )
    positive = rate > 0.0
    margin = jnp.where(positive, jnp.log10(largest / jnp.where(positive, rate, 1.0)), jnp.inf)
    return judged(
        rate,
        [(jnp.where(inside, margin, jnp.nan), VerdictStatus.FORBIDDEN)],
        jnp.where(inside, largest, jnp.nan),
        limit.source,
        "Gamma(N -> nu gamma) times the share of N in dark matter [1/s], smaller passes; margin in "
        "dex; no likelihood: an upper limit",
    )
