"""The Standard Model bath: degrees of freedom, expansion, entropy and the comoving temperature.

The degrees of freedom are those of Saikawa & Shirai 2018 (1803.01038), appendix C: a rational
function of ln T above 120 MeV and a sum of fitted one-particle integrals below. The two pieces
differ by about 0.1 % where they meet. ln g is held as one cubic spline in ln T, twice continuously
differentiable, whose nodes leave out 114-126 MeV: a single cubic bridges the joint. The spline is
built once per process from the formulas, on a uniform lattice.

Dark particles are not part of this bath: a solver that lets them gravitate adds their energy
density to ``energy_density_gev4``.
"""

import functools
import math

import jax.numpy as jnp
import numpy as np

from spectra.constants import ENTROPY_DEGREES_OF_FREEDOM_TODAY, REDUCED_PLANCK_MASS_GEV

CITATION = """\
@article{Saikawa:2018rcs,
  author = {Saikawa, Ken'ichi and Shirai, Satoshi},
  title = {Primordial gravitational waves, precisely: The role of thermodynamics in the Standard
           Model},
  journal = {JCAP}, volume = {05}, pages = {035}, year = {2018}, eprint = {1803.01038}
}
"""
BRIDGE_GEV = (0.114, 0.126)
# ln g changes over ~0.3 in ln T at the QCD cross-over: steps of 0.01 leave a cubic error < 1e-8.
_NODES_PER_DECADE = 3000.0 / 13.0
_LATTICE_ORIGIN_GEV = 1e-6
_LATTICE = (-231, 3463)  # in units of the step: 1e-7 GeV to 1e9 GeV

# Rational fits in t = ln(T / GeV), T >= 120 MeV: g_rho = a(t)/b(t), g_s = g_rho / (1 + c(t)/d(t)).
_A = (1.0, 1.11724, 3.12672e-1, -4.68049e-2, -2.65004e-2, -1.19760e-3,
      1.82812e-4, 1.36436e-4, 8.55051e-5, 1.22840e-5, 3.82259e-7, -6.87035e-9)  # fmt: skip
_B = (1.43382e-2, 1.37559e-2, 2.92108e-3, -5.38533e-4, -1.62496e-4, -2.87906e-5,
      -3.84278e-6, 2.78776e-6, 7.40342e-7, 1.17210e-7, 3.72499e-9, -6.74107e-11)  # fmt: skip
_C = (1.0, 6.07869e-1, -1.54485e-1, -2.24034e-1, -2.82147e-2, 2.90620e-2,
      6.86778e-3, -1.00005e-3, -1.69104e-4, 1.06301e-5, 1.69528e-6, -9.33311e-8)  # fmt: skip
_D = (7.07388e1, 9.18011e1, 3.31892e1, -1.39779, -1.52558, -1.97857e-2,
      -1.60146e-1, 8.22615e-5, 2.02651e-2, -1.82134e-5, 7.83943e-5, 7.13518e-5)  # fmt: skip

# Fits below 120 MeV: exp(-k x) (1 + polynomial in x), x = m/T; f fermions, b bosons.
_F_RHO = (1.04855, (1.0, 1.03757, 0.508630, 0.0893988))
_B_RHO = (1.03149, (1.0, 1.03317, 0.398264, 0.0648056))
_F_S = (1.04190, (1.0, 1.03400, 0.456426, 0.0595249))
_B_S = (1.03365, (1.0, 1.03397, 0.342548, 0.0506182))
_ELECTRON_GEV, _MUON_GEV = 511e-6, 0.1056
# (mass in GeV, weight in g_rho, weight in g_s): pi0, pi+-, then effective resonances
_MESONS = (
    (0.135, 1.05, 1.034),
    (0.140, 2.08, 2.068),
    (0.5, 4.165, 4.16),
    (0.77, 30.55, 30.55),
    (1.2, 89.4, 90.0),
    (2.0, 8209.0, 6209.0),
)


def _particle(fit, x):
    rate, coefficients = fit
    return np.exp(-rate * x) * np.polynomial.polynomial.polyval(x, coefficients)


def _fit_high(t):
    polynomial = np.polynomial.polynomial.polyval
    g_rho = polynomial(t, _A) / polynomial(t, _B)
    return g_rho, g_rho / (1.0 + polynomial(t, _C) / polynomial(t, _D))


def _fit_low(t):
    temperature = np.exp(t)

    def ratio(mass):
        # m/T > 300 contributes less than 1e-100; the cap keeps exp() from underflow warnings
        return np.minimum(mass / temperature, 300.0)

    neutrino = 1.0 + 1.75 * _particle(_F_S, ratio(_ELECTRON_GEV))
    g_rho = 2.030 + 1.353 * neutrino ** (4.0 / 3.0)
    g_rho += 3.495 * _particle(_F_RHO, ratio(_ELECTRON_GEV))
    g_rho += 3.446 * _particle(_F_RHO, ratio(_MUON_GEV))
    g_s = 2.008 + 1.923 * neutrino
    g_s += 3.442 * _particle(_F_S, ratio(_ELECTRON_GEV)) + 3.468 * _particle(_F_S, ratio(_MUON_GEV))
    for mass, weight_rho, weight_s in _MESONS:
        g_rho += weight_rho * _particle(_B_RHO, ratio(mass))
        g_s += weight_s * _particle(_B_S, ratio(mass))
    return g_rho, g_s


@functools.cache
def _tables():
    """Lattice origin and step in ln T; spline cells of ln g_rho and of ln g_s, shape (n, 4)."""
    from scipy.interpolate import CubicSpline  # slow to import, needed only here

    step = math.log(10.0) / _NODES_PER_DECADE
    t = math.log(_LATTICE_ORIGIN_GEV) + step * np.arange(*_LATTICE)
    low, high = (math.log(edge) for edge in BRIDGE_GEV)
    low_side, high_side = t < low, t > high
    kept = low_side | high_side
    log_g = np.log(np.hstack([_fit_low(t[low_side]), _fit_high(t[high_side])]))
    bridged = CubicSpline(t[kept], log_g, axis=1)(t)
    return t[0], step, *(_cells(t, step, values) for values in bridged)


@functools.cache
def _inverse_table():
    """The same for ln(T / a_T) as a function of ln a_T."""
    from scipy.interpolate import CubicSpline  # slow to import, needed only here

    start, step, _, log_g_s = _tables()
    t = start + step * np.arange(log_g_s.shape[0])
    shift = (log_g_s[:, 0] - math.log(ENTROPY_DEGREES_OF_FREEDOM_TODAY)) / 3.0
    x = np.linspace(t[0] + shift[0], t[-1] + shift[-1], t.size)
    step = (x[-1] - x[0]) / (t.size - 1)
    return x[0], step, _cells(x, step, CubicSpline(t + shift, -shift)(x))


def _cells(nodes, step, values):
    """Cubic spline as rows (value, and derivatives scaled to the unit cell), lowest order first."""
    from scipy.interpolate import CubicSpline  # slow to import, needed only here

    coefficients = CubicSpline(nodes, values).c[::-1].T
    return np.ascontiguousarray(coefficients * step ** np.arange(4))


def _cell(table, x):
    """Where x is in its cell, in units of it; whether on the lattice; the cell's coefficients.

    Cells (n, 4) give coefficients of x's shape, cells (n, 4, k) of k splines a last axis k.
    """
    start, step, cells = table
    count = cells.shape[0]
    position = (x - start) / step
    inside = (position >= 0.0) & (position <= count)
    position = jnp.clip(position, 0.0, count)
    index = jnp.minimum(position.astype(jnp.int32), count - 1)
    u = position - index.astype(float)
    # a check of the index would be ten more instructions at each of many calls
    cell = jnp.asarray(cells).at[index].get(mode="promise_in_bounds")
    if cells.ndim == 3:
        u, inside = jnp.expand_dims(u, -1), jnp.expand_dims(inside, -1)
    return u, inside, jnp.unstack(cell, axis=position.ndim)


def _evaluate(table, x):
    """Spline and its derivative; constant outside the lattice."""
    u, inside, (c0, c1, c2, c3) = _cell(table, x)
    value = c0 + u * (c1 + u * (c2 + u * c3))
    slope = (c1 + u * (2.0 * c2 + u * 3.0 * c3)) / table[1]
    return value, jnp.where(inside, slope, 0.0)


def _log_g(which, temperature_gev):
    start, step, *tables = _tables()
    return _evaluate((start, step, tables[which]), jnp.log(temperature_gev))


@functools.cache
def _both_tables():
    """Origin and step in ln T; spline cells of ln g_rho and ln g_s side by side, (n, 4, 2)."""
    start, step, *tables = _tables()
    return start, step, np.stack(tables, axis=-1)


def g_rho(temperature_gev, constant_g=None):
    """Effective degrees of freedom in energy, rho = (pi^2/30) g_rho T^4.

    Parameters
    ----------
    temperature_gev : photon temperature T [GeV], any shape. Between 1e-7 and 1e9; outside, the
        value at the edge is used.
    constant_g : static float or None. A fixed number of degrees of freedom in place of the
        Standard Model's.

    Returns
    -------
    g_rho [1], shape of ``temperature_gev``. Saikawa & Shirai 2018, appendix C.
    """
    if constant_g is not None:
        return jnp.full_like(jnp.asarray(temperature_gev, dtype=float), constant_g)
    return jnp.exp(_log_g(0, temperature_gev)[0])


def g_s(temperature_gev, constant_g=None):
    """Effective degrees of freedom in entropy, s = (2 pi^2/45) g_s T^3.

    Arguments and source as for :func:`g_rho`; g_s(T -> 0) = 3.931.
    """
    if constant_g is not None:
        return jnp.full_like(jnp.asarray(temperature_gev, dtype=float), constant_g)
    return jnp.exp(_log_g(1, temperature_gev)[0])


def energy_density_gev4(temperature_gev, constant_g=None):
    """Energy density of the bath, rho = (pi^2/30) g_rho T^4 [GeV^4]; arguments as :func:`g_rho`."""
    return (math.pi**2 / 30.0) * g_rho(temperature_gev, constant_g) * temperature_gev**4


def entropy_density_gev3(temperature_gev, constant_g=None):
    """Entropy density of the bath, s = (2 pi^2/45) g_s T^3 [GeV^3]; arguments as :func:`g_rho`."""
    return (2.0 * math.pi**2 / 45.0) * g_s(temperature_gev, constant_g) * temperature_gev**3


def hubble_gev(temperature_gev, constant_g=None):
    """Expansion rate of the bath alone, H = sqrt(rho/3)/M_pl [GeV]; arguments as :func:`g_rho`."""
    density = energy_density_gev4(temperature_gev, constant_g)
    return jnp.sqrt(density / 3.0) / REDUCED_PLANCK_MASS_GEV


def comoving_temperature_gev(temperature_gev, constant_g=None):
    """Comoving temperature a_T = T (g_s(T)/g_s0)^(1/3) [GeV], proportional to 1/a.

    A particle of physical momentum p has q = p/a_T = p/T_gamma today, at every T.

    Parameters
    ----------
    temperature_gev : photon temperature T [GeV], any shape.
    constant_g : static float or None, as in :func:`g_rho`; g_s0 = 3.931 in either case.

    Returns
    -------
    a_T [GeV], shape of ``temperature_gev``.
    """
    ratio = g_s(temperature_gev, constant_g) / ENTROPY_DEGREES_OF_FREEDOM_TODAY
    return temperature_gev * jnp.cbrt(ratio)


def comoving_temperature_slope(temperature_gev, constant_g=None):
    """d ln a_T / d ln T = 1 + (1/3) d ln g_s / d ln T [1]; dt = -(d ln T / H) times this.

    Arguments as in :func:`comoving_temperature_gev`.
    """
    if constant_g is not None:
        return jnp.ones_like(jnp.asarray(temperature_gev, dtype=float))
    return 1.0 + _log_g(1, temperature_gev)[1] / 3.0


def temperature_of_comoving_gev(comoving_gev, constant_g=None):
    """Photon temperature T [GeV] at a comoving temperature a_T: inverts comoving_temperature_gev.

    Parameters
    ----------
    comoving_gev : a_T [GeV], any shape.
    constant_g : static float or None, as in :func:`g_rho`.

    Returns
    -------
    T [GeV], shape of ``comoving_gev``; round trips agree to 1e-13.
    """
    if constant_g is not None:
        return comoving_gev * (ENTROPY_DEGREES_OF_FREEDOM_TODAY / constant_g) ** (1.0 / 3.0)
    return state_of_comoving(comoving_gev)[0]


def state_of_comoving(comoving_gev, constant_g=None):
    """T, energy density and d ln a_T/d ln T at a comoving temperature.

    One look into the tables of g_rho and g_s where the three functions of T would take four.

    Parameters
    ----------
    comoving_gev : a_T [GeV], any shape.
    constant_g : static float or None, as in :func:`g_rho`.

    Returns
    -------
    T [GeV] as :func:`temperature_of_comoving_gev`, rho [GeV^4] as :func:`energy_density_gev4`, and
    the slope [1] of :func:`comoving_temperature_slope`; each shaped as ``comoving_gev``.
    """
    if constant_g is not None:
        temperature = temperature_of_comoving_gev(comoving_gev, constant_g)
        density = energy_density_gev4(temperature, constant_g)
        return temperature, density, comoving_temperature_slope(temperature, constant_g)
    x = jnp.log(comoving_gev)
    t = x + _evaluate(_inverse_table(), x)[0]
    # One Newton step takes the interpolated inverse from 3e-7 to rounding and ties its derivatives
    # to those of the forward function; the splines follow it inside their cell.
    table = _both_tables()
    u, inside, (c0, c1, c2, c3) = _cell(table, t)
    log_g = c0 + u * (c1 + u * (c2 + u * c3))
    first = jnp.where(inside, c1 + u * (2.0 * c2 + u * 3.0 * c3), 0.0) / table[1]
    second = jnp.where(inside, 2.0 * c2 + u * 6.0 * c3, 0.0) / table[1] ** 2
    residual = t + (log_g[..., 1] - math.log(ENTROPY_DEGREES_OF_FREEDOM_TODAY)) / 3.0 - x
    move = -residual / (1.0 + first[..., 1] / 3.0)
    log_g_rho = log_g[..., 0] + move * first[..., 0]
    slope = 1.0 + (first[..., 1] + move * second[..., 1]) / 3.0
    t = t + move
    return jnp.exp(t), (math.pi**2 / 30.0) * jnp.exp(log_g_rho + 4.0 * t), slope
