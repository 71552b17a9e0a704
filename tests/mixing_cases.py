"""What the tests of mixing share: rates as a file, the oracle's inputs, references' conventions."""

import math
import sys
from pathlib import Path

import numpy as np
from scipy.interpolate import CubicSpline, RectBivariateSpline

from sterile.bath import thermodynamics
from sterile.mixing.opacities import width
from sterile.mixing.potentials import FERMI_GEV2, FLAVOURS
from sterile.mixing.redistribution import redistribution

sys.path.insert(0, str(Path(__file__).parent / "oracles"))
import mixing_brute_force  # noqa: E402

GOLDEN = Path(__file__).parent / "golden" / "oscillation"
TEMPERATURES_MEV = np.geomspace(4.0, 11e3, 100)
MOMENTA = np.geomspace(5e-4, 80.0, 160)


def widths_mev(factor: float, flavour: str) -> np.ndarray:
    """The built-in width [MeV] times a factor, (T, p/T)."""
    grid = np.broadcast_to(MOMENTA, (TEMPERATURES_MEV.size, MOMENTA.size))
    rates = width(1e-3 * TEMPERATURES_MEV, grid, flavour)
    return factor * rates * TEMPERATURES_MEV[:, None]


def rates_file(folder: Path, factor: float, flavour: str = "mu") -> Path:
    """The built-in width times a factor, as a user's table."""
    path = folder / f"rates-{factor:g}.csv"
    unit = (1e-6 * FERMI_GEV2) ** 2 * TEMPERATURES_MEV[:, None] ** 5
    values = widths_mev(factor, flavour) / unit
    with path.open("w") as file:
        file.write("temperature_mev,q,gamma_over_gf2_t5\n")
        for temperature, row in zip(TEMPERATURES_MEV, values):
            for momentum, value in zip(MOMENTA, row):
                file.write(f"{temperature:.12g},{momentum:.12g},{value:.12g}\n")
    return path


def brute_force(mass_kev, mixing, asymmetry, flavour, factor, points, **options):
    """The oracle with the built-in width times a factor: Y_N, <q>, q, F and L at 5 MeV."""
    x = np.log(TEMPERATURES_MEV)
    surface = RectBivariateSpline(x, np.log(MOMENTA), np.log(widths_mev(factor, flavour)))
    fine = np.geomspace(4.0, 11e3, 2000)
    g_rho, g_s = (
        CubicSpline(np.log(fine), np.log(np.asarray(of(1e-3 * fine))))
        for of in (thermodynamics.g_rho, thermodynamics.g_s)
    )
    chemistry = redistribution(1e-3 * TEMPERATURES_MEV, flavour)
    own = FLAVOURS.index(flavour)
    x_of = chemistry.response[:, :, own]
    leptons = chemistry.density[:, :, 0] * x_of[:, 3:]
    bracket = x_of[:, :3].sum(axis=1) / 6.0 + x_of[:, own] / 6.0
    bracket = bracket + 0.5 * leptons.sum(axis=1) + leptons[:, own]
    potential, mu = CubicSpline(x, bracket), CubicSpline(x, x_of[:, own])
    q, f, fbar, left = mixing_brute_force.solve(
        mass_kev,
        mixing,
        asymmetry,
        flavour,
        lambda t, y: np.exp(surface(math.log(t), np.log(y))[0]),
        lambda t: (
            math.exp(g_rho(math.log(t))),
            math.exp(g_s(math.log(t))),
            float(g_s(math.log(t), 1)),
        ),
        lambda t: float(potential(math.log(t))),
        lambda t: float(mu(math.log(t))),
        points,
        **options,
    )
    total = f + fbar
    number, energy = (np.sum(q ** (3 + n) * total) for n in (0, 1))
    yield_n = 45.0 / (4.0 * math.pi**4 * 3.931) * number * math.log(q[1] / q[0])
    return yield_n, energy / number, q, total, left


def against_reference(production, ratio, reference_q, reference_f):
    """Relative Y_N, <q>, sqrt<q^2> and the largest error of q^2 F over its peak.

    The references have q = p/T at 10 MeV, ``ratio`` times ours, and moments over their own table.
    """
    q = np.asarray(production.q) * ratio
    f = np.exp(np.interp(np.log(reference_q), np.log(q), np.log(np.asarray(production.f))))

    def moments(values):
        return [
            np.trapezoid(reference_q ** (3 + n) * values, np.log(reference_q)) for n in (0, 1, 2)
        ]

    ours, theirs = moments(f), moments(reference_f)
    number = ours[0] / theirs[0]
    peak = np.max(reference_q**2 * reference_f)
    gap = reference_q**2 * (f - reference_f) / peak
    return (
        number - 1.0,
        ours[1] / theirs[1] / number - 1.0,
        math.sqrt(ours[2] / theirs[2] / number) - 1.0,
        gap,
    )
