"""Loss rates of a massless neutrino by one lepton and a pair, or one lepton and a boson.

A neutrino P1 turns into a lepton Pa and gives K = P1 - Pa to a pair, K = Pb + Pc. Every crossing
of the reaction is in the same integral: energies run over both signs, with a factor 1 - f(omega)
for each fermion (f(|omega|) if it comes in), 1 + n(omega) for bosons, and the sign of each. In
units of T, for Gamma_loss = (1/2E) int dPi_a dPi_b dPi_c (2 pi)^4 delta^4 |M|^2 (...),

    Gamma_loss = 1/(128 pi^3 E^2) int domega_a dk int domega_b |M|^2 (...),

with |M|^2 a polynomial in omega_b once the angle about k is averaged over: that integral is done in
closed form, the other two by Gauss and Legendre between the thresholds. This is the reduction of
Hannestad & Madsen 1995 (astro-ph/9506015) in the variables of Asaka, Laine & Shaposhnikov
(hep-ph/0612182). The total width is Gamma_loss (1 + e^-E), term by term: 1 - f(omega_a) and the
pair's factor add up to 1 - f(E) times one that is the same for loss and gain.
"""

import functools
import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from sterile.mixing.rates.occupation import bose_tails, fermi_tails

# energies beyond this many T above a threshold carry e^-40 and less
_REACH = 40.0
# bosons are heavier than this, over T
_LEAST = 0.3


class Pair(NamedTuple):
    """Two particles that take K.

    Attributes
    ----------
    mass_b, mass_c : over T; b of the current's charge, c its antiparticle when both go out.
    bosons : else fermions.
    """

    mass_b: float
    mass_c: float
    bosons: bool = False


class Squared(NamedTuple):
    """|M|^2/G_F^2 summed over spins, coefficients of, with momenta of both signs,

    Attributes
    ----------
    left : (P1.Pc)(Pa.Pb).
    right : (P1.Pb)(Pa.Pc).
    mixed : m_b m_c (P1.Pa).
    contact : (P1.Pa)(Pb.Pc).
    scalars : 2 (P1.R)(Pa.R) - R^2 (P1.Pa), R = Pb - Pc.
    """

    left: float = 0.0
    right: float = 0.0
    mixed: float = 0.0
    contact: float = 0.0
    scalars: float = 0.0


class Rate(NamedTuple):
    """Gamma_loss/(G_F^2 T^5) by two particles to two, and by three to one."""

    two_to_two: float
    three_to_one: float


class Resolution(NamedTuple):
    """Nodes per interval: of the lepton's energy, and of k."""

    energy: int = 16
    momentum: int = 12


DEFAULT, FINE = Resolution(), Resolution(28, 20)


@functools.cache
def _nodes(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Gauss-Legendre on (0, 1), denser at both ends, where square roots begin."""
    x, w = np.polynomial.legendre.leggauss(count)
    x, w = 0.5 * (x + 1.0), 0.5 * w
    return x * x * (3.0 - 2.0 * x), 6.0 * w * x * (1.0 - x)


def _lepton_energies(energy: float, mass: float, thresholds, count: int):
    """Energies omega_a of both signs, and weights with (1 - f) and the sign.

    K^2 reaches a threshold t first at omega_a = (u + m_a^2/u)/2, u = (m_a^2 - t)/(2E): the
    intervals end there, too.
    """
    x, w = _nodes(count)
    kinks = {mass, energy}
    for value in thresholds:
        u = (mass**2 - value) / (2.0 * energy)
        if u != 0.0:
            kinks.add(0.5 * (u + mass**2 / u))
    top = max(mass, energy) + _REACH
    edges = []
    for bottom, ceiling in ((-mass - _REACH, -mass), (mass, top)):
        here = sorted({bottom, ceiling, *(kink for kink in kinks if bottom < kink < ceiling)})
        edges += [pair for pair in zip(here[:-1], here[1:]) if pair[1] - pair[0] > 1e-9]
    omega = np.concatenate([low + (high - low) * x for low, high in edges])
    weight = np.concatenate([(high - low) * w for low, high in edges])
    return omega, weight * np.sign(omega) / (1.0 + np.exp(-np.clip(omega, -600.0, 600.0)))


def exchange(
    energy: float,
    lepton_mass: float,
    pair: Pair,
    squared: Squared,
    factor: Callable[[np.ndarray], np.ndarray] | None = None,
    breaks: tuple[float, ...] = (),
    resolution: Resolution = DEFAULT,
) -> Rate:
    """The loss rate of a neutrino of ``energy`` E/T by one lepton and a pair.

    ``lepton_mass``: of a, over T. ``factor``: times |M|^2, of K^2/T^2. ``breaks``: values of
    K^2/T^2 between which the factor is smooth, beside the pair's thresholds.
    """
    if _least_incoming(energy, lepton_mass, pair) > _REACH:
        return Rate(0.0, 0.0)
    difference, sum_ = (pair.mass_b - pair.mass_c) ** 2, (pair.mass_b + pair.mass_c) ** 2
    thresholds = sorted({0.0, difference, sum_, *breaks}, reverse=True)
    omega, weight = _lepton_energies(energy, lepton_mass, thresholds, resolution.energy)
    momentum = np.sqrt(np.maximum(omega**2 - lepton_mass**2, 0.0))
    transfer = energy - omega
    low, high = np.abs(energy - momentum), energy + momentum
    cuts = [np.sqrt(np.maximum(transfer**2 - value, 0.0)) for value in thresholds]
    cuts = [low, *(np.clip(cut, low, high) for cut in cuts), high]
    x, w = _nodes(resolution.momentum)
    widths = np.stack([right - left for left, right in zip(cuts[:-1], cuts[1:])])
    used = widths > 1e-12 * energy
    row = np.nonzero(used)[1]
    k = np.stack(cuts[:-1])[used][:, None] + widths[used][:, None] * x
    measure = (weight[row] * widths[used])[:, None] * w
    k0, energies = transfer[row][:, None], omega[row][:, None]
    square = (k0 - k) * (k0 + k)
    # on the light cone by rounding only: there the ends of omega_b are at infinity
    square = np.where(np.abs(square) < 1e-15 * k0**2, -1e-15 * k0**2, square)
    moments, crossed, same = _moments(k0, k, square, pair)
    value = _averaged(squared, energy, lepton_mass, pair, k0, k, square, moments)
    if factor is not None:
        value = value * factor(square)
    value = np.where(crossed | same, measure * value, 0.0) / (128.0 * math.pi**3 * energy**2)
    # of the other three, how many come in
    incoming = (energies < 0.0) + np.where(crossed, 1, np.where(k0 < 0.0, 2, 0))
    return Rate(float(value[incoming == 1].sum()), float(value[incoming == 2].sum()))


def _least_incoming(energy, lepton_mass, pair):
    """Energy that others than the neutrino have to bring at least, over T: a lower bound."""
    masses = (lepton_mass, pair.mass_b, pair.mass_c)
    least = math.inf
    for one in range(3):
        mass, (second, third) = masses[one], (masses[one - 1], masses[one - 2])
        # it comes in and the others go out, or the other way round
        together = ((second + third) ** 2 - mass**2) / (4.0 * energy)
        least = min(least, max(mass, together), max(second + third, mass - energy))
    return least


def _moments(k0, k, square, pair):
    """int omega_b^n (1 -+ f)(1 -+ f) of the pair with its sign, n = 0, 1, 2; which region it is.

    ``crossed``: one of the two comes in. ``same``: both go out, or both come in.
    """
    b2, c2 = pair.mass_b**2, pair.mass_c**2
    total, difference = (pair.mass_b + pair.mass_c) ** 2, (pair.mass_b - pair.mass_c) ** 2
    kaellen = (square - total) * (square - difference)
    root = np.sqrt(np.maximum(kaellen, 0.0))
    with np.errstate(divide="ignore", over="ignore"):
        ends = [(k0 * (square + b2 - c2) + sign * k * root) / (2.0 * square) for sign in (-1, 1)]
    first, last = np.minimum(*ends), np.maximum(*ends)
    timelike = square > 0.0
    same = timelike & (square >= total)
    crossed = ~timelike | (timelike & (square <= difference))
    finite = timelike & (same | crossed)
    if pair.bosons:
        moments = _boson_moments(k0, first, last, same, crossed & timelike)
    else:
        # the larger of the two energies is the one that is followed
        turned = finite & (first + last < k0)
        begin = np.where(turned, k0 - last, np.where(finite, first, last))
        other = np.where(turned | ~finite, k0 - first, last)
        upper, rest = _tails(begin, k0, fermi_tails), _tails(other, k0, fermi_tails)
        inside = [above - beyond for above, beyond in zip(upper, rest)]
        moments = [
            np.where(turned, back, np.where(finite, straight, above + below))
            for back, straight, above, below in zip(
                _mirror(inside, k0), inside, upper, _mirror(rest, k0)
            )
        ]
    sign = np.where(same, 1.0, -1.0) / -np.expm1(np.minimum(-k0, 600.0))
    return [sign * moment for moment in moments], crossed, same


def _tails(begin, k0, tails):
    """int from ``begin`` of omega^n [n(omega - k0) - n(omega)], n = 0, 1, 2."""
    s0, s1, s2 = tails(begin - k0)
    t0, t1, t2 = tails(begin)
    return s0 - t0, s1 + k0 * s0 - t1, s2 + 2.0 * k0 * s1 + k0**2 * s0 - t2


def _mirror(moments, k0):
    """Moments of omega from those of k0 - omega."""
    m0, m1, m2 = moments
    return m0, k0 * m0 - m1, k0**2 * m0 - 2.0 * k0 * m1 + m2


def _boson_moments(k0, first, last, same, finite):
    """As for fermions, with n(omega) - n(omega - k0): energies kept positive in each region.

    ``finite``: one comes in, and both ends are finite; beyond, K is spacelike.
    """
    size, sign = np.abs(k0), np.sign(k0)
    low, high = np.where(k0 > 0.0, first, -last), np.where(k0 > 0.0, last, -first)
    low, high = np.where(same, low, 0.5 * size + 1.0), np.where(same, high, 0.5 * size + 1.0)

    def between(begin, end):
        pairs = zip(_bose(begin), _bose(end))
        return [above - beyond for above, beyond in pairs]

    mine = between(low, high)
    other = _mirror(between(size - high, size - low), size)
    inside = [
        sign ** (n + 1) * ((high ** (n + 1) - low ** (n + 1)) / (n + 1) + mine[n] + other[n])
        for n in range(3)
    ]

    # the larger of the two energies is the one that is followed
    turned = first + last < k0
    begin = np.where(finite & turned, k0 - last, np.where(finite, first, last))
    other_end = np.where(finite & ~turned, last, k0 - first)
    least = np.maximum(0.0, k0) + _LEAST
    upper, rest = (
        [-moment for moment in _tails(np.maximum(point, least), k0, _bose)]
        for point in (begin, other_end)
    )
    straight = [above - beyond for above, beyond in zip(upper, rest)]
    back, below = _mirror(straight, k0), _mirror(rest, k0)
    return [
        np.where(
            same,
            inside[n],
            np.where(finite, np.where(turned, back[n], straight[n]), upper[n] + below[n]),
        )
        for n in range(3)
    ]


def _bose(points):
    return bose_tails(np.maximum(points, _LEAST))


def _averaged(squared, energy, lepton_mass, pair, k0, k, square, moments):
    """|M|^2 averaged over the angle about k and integrated over omega_b."""
    m0, m1, m2 = moments
    b2, c2 = pair.mass_b**2, pair.mass_c**2
    p1_k = 0.5 * (square - lepton_mass**2)
    p1_a = -p1_k
    pb_k = 0.5 * (square + b2 - c2)
    found = 0.0
    if squared.contact or squared.mixed:
        one = squared.contact * 0.5 * (square - b2 - c2)
        found = (one + squared.mixed * pair.mass_b * pair.mass_c) * p1_a * m0
    if not (squared.left or squared.right or squared.scalars):
        return found
    # x = P1.Pb = x0 + x1 omega_b on average, and <x^2>, with the angle between p1 and k
    along = (energy**2 + k**2 - (energy - k0) ** 2 + lepton_mass**2) / (2.0 * energy * k)
    across = 0.5 * energy**2 * np.maximum(1.0 - along**2, 0.0)
    x0, x1 = energy * along * pb_k / k, energy * (1.0 - along * k0 / k)
    mean = x0 * m0 + x1 * m1
    # p_b^2 less its part along k
    transverse = (1.0 - (k0 / k) ** 2) * m2 + 2.0 * k0 * pb_k / k**2 * m1
    transverse = transverse - (b2 + (pb_k / k) ** 2) * m0
    quadratic = x0**2 * m0 + 2.0 * x0 * x1 * m1 + x1**2 * m2 + across * transverse
    if squared.left:
        term = (p1_k + pb_k) * mean - p1_k * pb_k * m0 - quadratic
        found = found + squared.left * term
    if squared.right:
        term = (p1_k - square + pb_k) * mean - quadratic
        found = found + squared.right * term
    if squared.scalars:
        # P1.R = 2x - P1.K, Pa.R = 2x - Pb.K 2 - P1.K + K^2
        shift = square - 2.0 * pb_k - p1_k
        term = 4.0 * quadratic + 2.0 * (shift - p1_k) * mean - p1_k * shift * m0
        norm = 2.0 * (b2 + c2) - square
        found = found + squared.scalars * (2.0 * term - norm * p1_a * m0)
    return found


def fusion(
    energy: float,
    lepton_mass: float,
    boson_mass: float,
    strength: float,
    vector: bool,
    resolution: Resolution = DEFAULT,
) -> float:
    """Gamma_loss/(G_F^2 T^5) by a lepton and one boson: fusion to it, and absorption of it.

    ``boson_mass`` M over T; ``strength``: (V f/T)^2 of <0|J|boson> = f K (pseudoscalar), or
    f M epsilon (``vector``), |M|^2 = 4 G_F^2 (V f)^2 [2 (P1.K)(Pa.K) - M^2 (P1.Pa)] and
    4 G_F^2 (V f)^2 [2 M^2 (P1.Pa) + 2 (P1.K)(Pa.K) - M^2 (P1.Pa)].
    """
    if boson_mass <= lepton_mass:
        return _absorption(energy, lepton_mass, boson_mass, strength, vector, resolution)
    gap = boson_mass**2 - lepton_mass**2
    # the other lepton's least energy: p = |u - m^2/u|/2 with u = gap/(2E) at the end
    u = gap / (2.0 * energy)
    least = 0.5 * (u + lepton_mass**2 / u)
    x, w = _nodes(2 * resolution.energy)
    omega, weight = least + _REACH * x, _REACH * w
    blocked = 1.0 / (np.exp(np.minimum(omega, 600.0)) + 1.0)
    stimulated = 1.0 / -np.expm1(-(energy + omega))
    value = _boson_squared(boson_mass, lepton_mass, strength, vector)
    return float(np.sum(weight * blocked * stimulated) * abs(value) / (16.0 * math.pi * energy**2))


def _boson_squared(boson_mass, lepton_mass, strength, vector):
    p1_a = 0.5 * (lepton_mass**2 - boson_mass**2)
    p1_k = -p1_a
    pa_k = p1_k - boson_mass**2
    value = 2.0 * p1_k * pa_k - boson_mass**2 * p1_a
    if vector:
        value = value + 2.0 * boson_mass**2 * p1_a
    return 4.0 * strength * value


def _absorption(energy, lepton_mass, boson_mass, strength, vector, resolution):
    """The boson comes in and the lepton, which is heavier, goes out."""
    gap = lepton_mass**2 - boson_mass**2
    u = gap / (2.0 * energy)
    least = 0.5 * (u + boson_mass**2 / u)
    x, w = _nodes(2 * resolution.energy)
    boson, weight = least + _REACH * x, _REACH * w
    occupied = 1.0 / np.expm1(np.minimum(boson, 600.0))
    free = 1.0 / (1.0 + np.exp(-(energy + boson)))
    value = _boson_squared(boson_mass, lepton_mass, strength, vector)
    return float(np.sum(weight * occupied * free) * abs(value) / (16.0 * math.pi * energy**2))
