"""A momentum spectrum from a transfer function: the inverse of the transfer function."""

import math
from collections.abc import Mapping
from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from spectra.cosmology import Cosmology, photon_temperature_gev
from spectra.linear import Drive, check_wavenumbers, transfer
from spectra.linear import drive as drive_of
from spectra.numerics import integral_weights
from spectra.precision import require_x64
from spectra.spectrum import Spectrum
from spectra.units import plain_numbers
from sterile.fit.extra import require
from sterile.fit.families import FAMILIES, tabulated
from sterile.fit.forecasts import Forecast, forecast
from sterile.fit.limits import Limit

_STEPS = 120
_TOLERANCE = 1e-9
_TOO_FAST = (
    "the velocities are so large that T^2 needs hierarchies, which a fit leaves out; compare with "
    "spectra.transfer of the spectrum found"
)
_KEV_GEV = 1e-6
# unbounded coordinates beyond are at an end of the range: derivatives stay numbers
_FARTHEST = 30.0
# velocities <p>/m today that the search may reach: beyond, T^2 is 1 or 0 on the whole k range
_VELOCITY_RANGE = (1e-10, 1e-5)


class SpectrumFit(eqx.Module):
    """The member of a family whose T^2 is nearest to the data.

    Attributes
    ----------
    family : name.
    parameters : shape parameter → value, and ``velocity``: <p>/m of the species today.
    spectrum : the :class:`spectra.Spectrum`, with the mass and abundance that were given.
    t2 : (n,) at the data's wavenumbers.
    chi_square : sum of squared residuals; n minus the number of parameters is expected.
    forecast : errors and correlations of ln velocity and of the shape, inside the family's ranges.
    warnings : sentences: directions the data do not fix, parameters at a bound, a poor fit.
    """

    family: str = eqx.field(static=True)
    parameters: dict[str, float] = eqx.field(static=True)
    spectrum: Spectrum
    t2: Array
    chi_square: float = eqx.field(static=True)
    forecast: Forecast
    warnings: tuple[str, ...] = eqx.field(static=True)


@plain_numbers
def fit_spectrum(
    k_h_mpc: ArrayLike,
    t2: ArrayLike,
    sigma: ArrayLike,
    family: str = "power-cutoff",
    *,
    mass_kev: float = 1.0,
    cosmology: Cosmology | None = None,
    drive: Drive | None = None,
    start: Mapping[str, float] | None = None,
) -> SpectrumFit:
    """Infer f(q) of a parametric family from T^2(k), by least squares with exact derivatives.

    T^2 depends on the shape of f and on the distribution of velocities p/m alone: the mass is not
    determined, and neither is the temperature; what is fitted is ``velocity``, <p>/m today.

    Parameters
    ----------
    k_h_mpc : (n,) wavenumbers [h/Mpc], within the range of :func:`spectra.transfer`.
    t2 : (n,) ratio of matter power to that of cold dark matter, z = 0.
    sigma : (n,) or scalar, errors of ``t2``, uncorrelated.
    family : "thermal", "power-cutoff" (x^slope exp(-x^cutoff)) or "two-bumps".
    mass_kev : mass that the resulting spectrum is given [keV]; any will do.
    cosmology, drive : as for :func:`spectra.transfer`.
    start : parameter → value to start from, ``velocity`` among them; several of the
        family's own, with the velocity whose half-mode is the data's when left out.

    Returns
    -------
    :class:`SpectrumFit`

    Raises
    ------
    ValueError
        If shapes differ, there are fewer data than parameters, a wavenumber is outside the
        solver's range, an error is not positive, a number is not finite, a name is unknown, or
        JAX is not in 64-bit mode.
    """
    require_x64()
    require("optimistix")
    k, data, errors = _checked(k_h_mpc, t2, sigma)
    if family not in FAMILIES:
        raise ValueError(f"family {family!r} is unknown; use one of {', '.join(FAMILIES)}")
    names = _names(family)
    if k.size < len(names):
        raise ValueError(f"{k.size} data cannot fix {len(names)} parameters; give more k")
    cosmology = Cosmology() if cosmology is None else cosmology
    own = drive_of(cosmology) if drive is None else drive
    own = eqx.tree_at(lambda d: d.tangents, own, None)
    data_k, data_t2, sigmas = (jnp.asarray(part) for part in (k, data, errors))
    problem = _Problem(data_k, data_t2, sigmas, own, cosmology, family)
    for name in start or {}:
        if name not in names:
            raise ValueError(f"start: '{name}' is no parameter of {family}; {', '.join(names)}")
    found = []
    for own in FAMILIES[family].starts if start is None else FAMILIES[family].starts[:1]:
        values = own | {"velocity": _first_velocity(k, data)} | dict(start or {})
        z = jnp.stack([_to_unbounded(family, name, values[name]) for name in names])
        z, cost = _descend(problem, z)
        found.append((float(cost), z))
    _, z = min(found, key=lambda each: each[0])
    residuals, jacobian, model = jax.device_get(_look(problem, z))
    values = {name: float(v) for name, v in _values(family, names, z).items()}
    made = forecast(_coordinates(names), {"data": jacobian}, _limits(family, values))
    # without the ends of the ranges, which hide a degeneracy that reaches them
    free = forecast(_coordinates(names), {"data": jacobian}).correlation
    chi_square = float(np.sum(residuals**2))
    return SpectrumFit(
        family=family,
        parameters=values,
        spectrum=_spectrum(family, values, mass_kev, cosmology),
        t2=jnp.asarray(model.t2),
        chi_square=chi_square,
        forecast=made,
        warnings=_warnings(family, values, made, free, chi_square, k.size - len(names))
        + (_TOO_FAST,) * bool(model.fast),
    )


class _Problem(eqx.Module):
    k_h_mpc: Array
    data: Array
    errors: Array
    drive: Drive
    cosmology: Cosmology
    family: str = eqx.field(static=True)

    def transfer(self, z):
        values = _values(self.family, _names(self.family), z)
        dm = _spectrum(self.family, values, 1.0, self.cosmology)
        # hierarchies would make a second of each of some hundred evaluations
        return transfer(dm, self.cosmology, self.drive, self.k_h_mpc, hierarchies="never")

    def residuals(self, z):
        return (self.transfer(z).t2 - self.data) / self.errors


@eqx.filter_jit
def _descend(problem, z):
    import optimistix

    found = optimistix.least_squares(
        lambda z, problem: problem.residuals(z),
        optimistix.LevenbergMarquardt(rtol=_TOLERANCE, atol=_TOLERANCE),
        z,
        args=problem,
        max_steps=_STEPS,
        throw=False,
    )
    return found.value, jnp.sum(problem.residuals(found.value) ** 2)


@eqx.filter_jit
def _look(problem, z):
    """Residuals (n,), their derivatives (n, p) by natural coordinates, and T^2."""
    z = jnp.clip(z, -_FARTHEST, _FARTHEST)
    slopes = jax.jacfwd(problem.residuals)(z)
    widths = [
        high - low for low, high in map(partial(_range, problem.family), _names(problem.family))
    ]
    stretch = jnp.asarray(widths) * jax.nn.sigmoid(z) * jax.nn.sigmoid(-z)
    return problem.residuals(z), slopes / stretch, problem.transfer(z)


def _spectrum(family, values, mass_kev, cosmology) -> Spectrum:
    """The member whose mean velocity today is ``values["velocity"]``."""
    x, f = tabulated(family, values)
    weights = integral_weights(jnp.log(x)) * f
    mean = jnp.sum(weights * x**4) / jnp.sum(weights * x**3)
    temperature = values["velocity"] * mass_kev * _KEV_GEV / mean
    return Spectrum(x, f, mass_kev, temperature / photon_temperature_gev(cosmology))


def _names(family) -> tuple[str, ...]:
    return ("velocity", *FAMILIES[family].ranges)


def _values(family, names, z) -> dict[str, Array]:
    values = {}
    for name, number in zip(names, z):
        low, high = _range(family, name)
        s = low + (high - low) * jax.nn.sigmoid(number)
        values[name] = jnp.exp(s) if name == "velocity" else s
    return values


def _range(family, name):
    if name == "velocity":
        return tuple(math.log(end) for end in _VELOCITY_RANGE)
    return FAMILIES[family].ranges[name]


def _to_unbounded(family, name, value) -> Array:
    low, high = _range(family, name)
    s = math.log(value) if name == "velocity" else value
    if not low < s < high:
        raise ValueError(f"start: {name} = {value:g} is outside the family's range")
    return jnp.asarray(math.log((s - low) / (high - s)))


def _coordinates(names):
    return tuple(f"ln {name}" if name == "velocity" else name for name in names)


def _limits(family, values) -> list[Limit]:
    """The family's ranges, from the best fit."""
    limits = []
    for row, (name, value) in zip(np.eye(len(values)), values.items()):
        low, high = _range(family, name)
        s = math.log(value) if name == "velocity" else value
        limits.append(Limit(row, low - s, high - s))
    return limits


def _first_velocity(k, data) -> float:
    """<p>/m today of a relic with the data's half-mode: 3.2e-8 at 10 h/Mpc, about as 1/k."""
    order = np.argsort(k)
    below = np.flatnonzero(data[order] < 0.5)
    half = k[order][below[0]] if below.size else k.max()
    return 3.2e-8 * 10.0 / half


def _checked(k_h_mpc, t2, sigma):
    k, data = np.asarray(k_h_mpc, dtype=float), np.asarray(t2, dtype=float)
    if k.ndim != 1 or data.shape != k.shape:
        raise ValueError(f"k_h_mpc has shape {k.shape} and t2 {data.shape}; give two (n,) arrays")
    errors = np.asarray(sigma, dtype=float)
    if errors.shape not in ((), k.shape):
        raise ValueError(f"sigma has shape {errors.shape}; give one number or {k.shape}")
    errors = np.broadcast_to(errors, k.shape)
    for name, values in (("k_h_mpc", k), ("t2", data), ("sigma", errors)):
        bad = np.flatnonzero(~np.isfinite(values))
        if bad.size:
            raise ValueError(
                f"{name} = {values[bad[0]]:g} at place {bad[0]} must be finite; leave out the data "
                "that are not"
            )
    check_wavenumbers(k)
    if not (errors > 0.0).all():
        raise ValueError(f"sigma = {errors.min():g} must be positive")
    return k, data, errors


def _warnings(family, values, made: Forecast, correlation, chi_square, freedom) -> tuple[str, ...]:
    sentences = list(made.warnings)
    for i, first in enumerate(made.names):
        for j in range(i):
            if abs(correlation[i, j]) > 0.98:
                sentences.append(
                    f"{made.names[j]} and {first} are degenerate (correlation "
                    f"{correlation[i, j]:+.4f}): the data fix one combination of them"
                )
    for name, value in values.items():
        low, high = _range(family, name)
        s = math.log(value) if name == "velocity" else value
        if min(s - low, high - s) < 1e-3 * (high - low):
            sentences.append(f"{name} is at an end of its range")
    if freedom > 0 and chi_square > freedom + 5.0 * math.sqrt(2.0 * freedom):
        sentences.append(
            f"chi^2 = {chi_square:.4g} for {freedom} degrees of freedom: the family does not suit"
        )
    return tuple(sentences)
