"""How fast an active neutrino is absorbed and emitted: Gamma = C(T, p/T) G_F^2 p T^4.

Gamma is the total width, loss plus gain: it damps the oscillation and relaxes f to f_a. The loss
rate alone, with Pauli blocking, is smaller by detailed balance, Gamma = Gamma_loss (1 + e^(-p/T));
1507.06655 takes it in place of the width, which makes 8 % fewer neutrinos of 7 keV.

Built in are values of C of Asaka, Laine & Shaposhnikov 2007 (hep-ph/0612182, table of the authors)
at p/T = 3, and their mean dependence on momentum. Above 4 GeV C is constant: Fermi theory, good
while T and p are below the masses of W and Z.

Beside them is a table of our own, "first-principles": every reaction of leptons, hadrons and quarks
with full quantum statistics (:mod:`sterile.mixing.rates`, docs/opacities.md), for T of 1 MeV to 100
GeV and p/T of 0.02 to 80; beyond, C is that of the edge.
"""

import functools
from importlib import resources
from typing import NamedTuple

import numpy as np
from jax.typing import ArrayLike

from sterile.mixing.potentials import FERMI_GEV2, FLAVOURS
from sterile.mixing.rates.crossover import SOURCES, shares
from sterile.mixing.susceptibilities import EDGES
from sterile.mixing.tables import Table

RATE_KINDS = ("total", "loss")
OPACITIES = ("published", "first-principles")
SHIPPED_FILE = "opacities.h5"
# of the shipped file: leptons, hadrons as if there were no quarks, free quarks, and W and Z as
# particles, whose e^(-M^2/4pT) no spline of a sum with the others would follow
GROUPS = ("leptons", "hadrons", "quarks", "bosons")
# T [MeV], C at p/T = 3 for e, mu, tau
_PUBLISHED = np.array([
    [1, 1.196, 0.855, 0.855], [10, 1.213, 0.859, 0.858], [20, 1.350, 0.989, 0.867],
    [30, 1.599, 1.291, 0.890], [50, 1.915, 1.745, 0.937], [80, 2.111, 2.031, 0.980],
    [100, 2.203, 2.147, 1.006], [120, 2.320, 2.277, 1.043], [140, 2.498, 2.462, 1.101],
    [150, 2.626, 2.592, 1.144], [160, 2.796, 2.764, 1.201], [180, 3.242, 3.210, 1.351],
    [200, 3.786, 3.753, 1.536], [250, 4.390, 4.363, 1.784], [300, 4.868, 4.846, 2.081],
    [400, 5.763, 5.747, 2.943], [500, 6.481, 6.469, 3.942], [700, 7.401, 7.394, 5.623],
    [1000, 8.080, 8.076, 7.062], [1500, 8.570, 8.569, 8.083], [2000, 8.799, 8.798, 8.519],
    [4000, 9.083, 9.083, 9.011],
])  # fmt: skip
# C(1)/C(3) = 1.09 and C(6)/C(3) = 1.035, means over T and flavours; single values differ by 0.1
_CURVATURE = 0.074
_PUBLISHED_AT = 3.0


def width(
    temperature_gev: np.ndarray,
    momentum: np.ndarray,
    flavour: str,
    table: Table | None = None,
    kind: str = "total",
    opacities: str = "published",
) -> np.ndarray:
    """Gamma/T [1], (n, m), at T [GeV] (n,) and p/T (n, m).

    ``kind``: what Gamma is, the "total" width or the "loss" rate alone. ``table``: a user's rates
    of that kind, splines of the logarithm in ln T and ln q; beyond it C is that of the edge.
    ``opacities``: which of the built-in ones without a table, "published" or "first-principles".
    """
    if table is None and opacities == "first-principles":
        parts = opacity(temperature_gev, momentum, flavour, kind)
        return parts.leptonic + parts.hadronic
    from scipy.interpolate import CubicSpline  # slow to import, needed only here

    temperature = np.asarray(temperature_gev)[:, None]
    if table is None:
        nodes = np.log(_PUBLISHED[:, 0] * 1e-3)
        column = np.log(_PUBLISHED[:, 1 + FLAVOURS.index(flavour)])
        x = np.clip(np.log(temperature), nodes[0], nodes[-1])
        strength = np.exp(CubicSpline(nodes, column)(x))
        strength = strength * (1.0 + _CURVATURE * np.log(momentum / _PUBLISHED_AT) ** 2)
        if kind == "loss":
            strength = strength / (1.0 + np.exp(-momentum))
        return strength * FERMI_GEV2**2 * momentum * temperature**4
    assert table.q is not None
    low, high = np.log(table.q[0]), np.log(table.q[-1])
    inside = np.clip(np.log(momentum), low, high)
    temperatures = np.log(table.temperature_gev)
    rows = CubicSpline(temperatures, np.log(table.values))(
        np.clip(np.log(temperature[:, 0]), temperatures[0], temperatures[-1])
    )
    momenta = np.log(table.q)
    rate = np.exp([CubicSpline(momenta, row)(x) for row, x in zip(rows, inside)])
    rate = rate * momentum / np.exp(inside)
    return rate * FERMI_GEV2**2 * temperature**4


class Opacity(NamedTuple):
    """Parts of Gamma/T [1], (n, m) each.

    Attributes
    ----------
    leptonic : of reactions of leptons alone, and of W and Z.
    hadronic : of hadrons and quarks.
    """

    leptonic: np.ndarray
    hadronic: np.ndarray


def opacity(
    temperature_gev: ArrayLike,
    momentum: ArrayLike,
    flavour: str,
    kind: str = "total",
    edge: str = "central",
    sources: tuple[str, ...] = SOURCES,
) -> Opacity:
    """Gamma/T [1] of an active neutrino from first principles, in parts; docs/opacities.md.

    Parameters
    ----------
    temperature_gev : T [GeV] (n,), 1 MeV to 100 GeV; beyond, Gamma/(G_F^2 p T^4) is that of the
        edge.
    momentum : p/T (n, m), or (m,) for all T; 0.02 to 80, likewise.
    flavour : "e", "mu" or "tau".
    kind : what Gamma is, the "total" width or the "loss" rate alone.
    edge : of the band of the hadronic part, "low", "central" or "high".
    sources : which parts of the band are at that edge, the others central: "join" of hadrons and
        quarks, "quarks", "hadrons".

    Raises
    ------
    ValueError
        If a word is none of these, or a number is not positive.
    """
    for name, word, known in (
        ("flavour", flavour, FLAVOURS),
        ("kind", kind, RATE_KINDS),
        ("edge", edge, EDGES),
        *(("sources", source, SOURCES) for source in sources),
    ):
        if word not in known:
            raise ValueError(f"{name} = {word!r} is unknown; use one of {', '.join(known)}")
    temperature = np.asarray(temperature_gev, dtype=float)
    momentum = np.asarray(momentum, dtype=float)
    for name, values in (("temperature_gev", temperature), ("momentum", momentum)):
        if not (values > 0.0).all():
            raise ValueError(f"{name} must be positive, but is {values.min():g}; correct it")
    momentum = np.broadcast_to(momentum, (temperature.size, momentum.shape[-1]))
    leptons, hadrons, quarks, bosons = (
        _loss(FLAVOURS.index(flavour), group, temperature[:, None], momentum)
        for group in range(len(GROUPS))
    )
    share = shares(temperature, edge, sources)
    hadronic = share.hadrons[:, None] * hadrons + share.quarks[:, None] * quarks
    # detailed balance: docs/opacities.md
    gain = 1.0 + np.exp(-momentum) if kind == "total" else 1.0
    unit = gain * FERMI_GEV2**2 * momentum * temperature[:, None] ** 4
    return Opacity(unit * (leptons + bosons), unit * hadronic)


def with_factors(model, width, hadronic):
    """Gamma with the factors of its parts that a model has; ``width`` itself where it has none.

    ``hadronic``: the part of ``width`` that hadrons and quarks make, or None.
    """
    factors = model.rate_scale_leptonic, model.rate_scale_hadronic
    if hadronic is None or all(factor is None for factor in factors):
        return width
    leptonic, strong = (1.0 if factor is None else factor for factor in factors)
    return leptonic * (width - hadronic) + strong * hadronic


def _loss(flavour, group, temperature, momentum):
    """Gamma_loss/(G_F^2 p T^4) of one group of reactions."""
    surface, ((cold, hot), (low, high)) = _surface(flavour, group)
    log_t = np.log(np.clip(temperature, cold, hot))
    return np.exp(surface(log_t, np.log(np.clip(momentum, low, high)), grid=False))


@functools.cache
def _surface(flavour, group):
    from scipy.interpolate import RectBivariateSpline  # slow to import, needed only here

    temperatures, momenta, loss = _shipped()
    values = loss[flavour, group]
    # a group is in the table where it could count
    used = values.max(axis=1) > 0.0
    temperatures, values = temperatures[used], values[used] / momenta
    # e^(-M^2/4pT) of the heavy ends where it underflows; far below what counts, as a spline rings
    logs = np.log(np.maximum(values, 1e-100))
    spline = RectBivariateSpline(np.log(temperatures), np.log(momenta), logs)
    return spline, ((temperatures[0], temperatures[-1]), (momenta[0], momenta[-1]))


@functools.cache
def _shipped():
    from spectra.cache import read_tables  # h5py is slow to import, needed only here

    folder = resources.files("sterile") / "mixing" / "data"
    with resources.as_file(folder / SHIPPED_FILE) as path:
        tables, _ = read_tables(path)
    return tables["temperature_gev"], tables["momentum"], tables["loss"]
