"""The X-ray line of a mixing sterile neutrino, N -> nu gamma, and limits on it.

Gamma = 9 alpha G_F^2/(1024 pi^4) sin^2(2 theta) m^5 for a Majorana N, 1.36e-29/s
(sin^2(2 theta)/1e-7) (m/keV)^5 (Pal & Wolfenstein 1982), half of it for a Dirac N, E_gamma = m/2.
Limits apply to mixing only: scalar decay with theta = 0 has no line.
"""

import io
import math
import warnings
from pathlib import Path

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from spectra.constants import HBAR_GEV_S, HIGGS_VEV_GEV
from spectra.files import MOST_TABLE_BYTES, read_text
from spectra.structure import Verdict, VerdictStatus, judged

_FINE_STRUCTURE = 1.0 / 137.035999  # CODATA 2018
_KEV_GEV = 1e-6


def line_energy_kev(mass_kev: ArrayLike) -> Array:
    """E_gamma = m/2 [keV]; ``mass_kev`` any shape."""
    return 0.5 * jnp.asarray(mass_kev)


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

    energy_kev: Array = eqx.field(converter=jnp.asarray)
    rate_per_s: Array = eqx.field(converter=jnp.asarray)
    source: str = eqx.field(static=True)


def limit_on_mixing(mass_kev, sin2_2theta, source: str) -> LineLimit:
    """A limit given as sin^2(2 theta) (n,) against the mass (n,) [keV], as most papers do."""
    mass = jnp.atleast_1d(jnp.asarray(mass_kev, dtype=float))
    rate = decay_rate_per_s(mass, jnp.atleast_1d(jnp.asarray(sin2_2theta, dtype=float)))
    return LineLimit(line_energy_kev(mass), rate, source)


def read_limit(path, source: str | None = None) -> LineLimit:
    """A user's table: two columns, mass m_N [keV] and largest sin^2(2 theta); # comments.

    Digitised limit curves are not shipped: they belong to their papers.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is not two columns of positive numbers with increasing mass.
    """
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
            f"{path}: must have two columns of positive numbers, mass [keV] and sin^2(2 theta)"
        )
    if not (np.diff(table[:, 0]) > 0.0).all():
        raise ValueError(f"{path}: the masses must increase; sort the rows")
    return limit_on_mixing(table[:, 0], table[:, 1], source or path.name)


def shipped_limits() -> dict[str, LineLimit]:
    """Single numbers from abstracts, all at m = 7.1 keV (the 3.55 keV line); name -> limit."""
    line = 3.55
    return {
        "xray-xrism2025": LineLimit([line], [1.0e-27], "XRISM 2510.24560, 3 sigma, at 7.1 keV"),
        "xray-xmm2020": limit_on_mixing(
            [7.1], [2e-11], "XMM blank sky, Dessert et al. 2020, with systematics, at 7.1 keV"
        ),
        "xray-chandra2016": limit_on_mixing(
            [7.1], [1.01e-10], "Chandra clusters, Hofmann et al. 2016, 99.7 %, at 7.1 keV"
        ),
    }


# a single number is taken to hold within the detectors' resolution, about 100 eV
_SINGLE_WIDTH_KEV = 0.1


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
