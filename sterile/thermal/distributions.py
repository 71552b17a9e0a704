"""Fermi-Dirac spectra with and without a chemical potential: closed forms and their inverse.

F = 2/(e^(q/r - eta) + 1), r = T_N/T_gamma today, eta = mu/T_N, two helicities. With

    F_j(eta) = integral_0^inf x^j dx/(e^(x - eta) + 1)

n = r^3 F_2/pi^2 and rho = r^4 F_3/pi^2 in units of T_gamma; for eta = 0, F_2 = 3 zeta(3)/2 and
F_3 = 7 pi^4/120. A given n and rho fix eta by rho^3/n^4 = pi^2 F_3^3/F_2^4, which falls from
13.5 pi^2 e^(-eta) of a dilute gas to 81 pi^2/64 of a degenerate one.
"""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from spectra.constants import ENTROPY_DEGREES_OF_FREEDOM_TODAY, ZETA_3, ZETA_5
from spectra.spectrum import THERMAL_NODES
from sterile.contract import ErrorEstimate, History, Production
from sterile.models import in_range
from sterile.status import Status

# n/s today for n in units of T_gamma^3
YIELD_PER_NUMBER = 45.0 / (2.0 * math.pi**2 * ENTROPY_DEGREES_OF_FREEDOM_TODAY)
RELIC_NUMBER = 1.5 * ZETA_3 / math.pi**2  # n/r^3 of two helicities without chemical potential
RELIC_ENERGY = 7.0 * math.pi**2 / 120.0  # rho/r^4
RELIC_MEAN = RELIC_ENERGY / RELIC_NUMBER  # <q>/r = 3.151
_RELIC_MEAN_SQUARE = 15.0 * ZETA_5 / ZETA_3  # <q^2>/r^2
# q^3 F is 1e-12 of its peak at the lower end, 1e-17 at the upper
Q_OVER_RATIO = (1e-4, 50.0)
# of a closed form: rounding, and the ends of the table
ROUNDING = 1e-11
# eta: below, numbers underflow; above, the step is narrower than the nodes
DILUTE, DEGENERATE = -600.0, 25.0
_NEWTON_STEPS = 40
# ln x of the integrals: the ends hold less than 1e-17
_LN_X = np.linspace(math.log(1e-6), math.log(120.0), 1500)


class FermiDirac(NamedTuple):
    """A Fermi-Dirac spectrum: r = T_N/T_gamma and eta = mu/T_N, scalars; whether it exists."""

    ratio: Array
    potential: Array
    exists: Array


def relic_momenta(ratio, nodes: int = THERMAL_NODES) -> Array:
    """Momenta (n,), log-uniform, that hold a Fermi-Dirac spectrum of temperature ``ratio``."""
    return ratio * jnp.asarray(np.geomspace(*Q_OVER_RATIO, nodes))


def fermi_dirac(q, ratio, potential: Array | float = 0.0) -> Array:
    """F = 2/(e^(q/ratio - eta) + 1), summed over two helicities; shape of ``q``."""
    # in the form that neither overflows nor has a derivative that does
    return 2.0 * jax.nn.sigmoid(potential - q / ratio)


def relic_production(model, plasma, grid, ratio, temperature_gev, weight=1.0, **more) -> Production:
    """The :class:`Production` of ``weight`` times a Fermi-Dirac spectrum, in closed form.

    ``ratio``: T_N/T_gamma today; ``temperature_gev``: photon temperature since which it is there;
    both scalars. Y = weight r^3 (3 zeta(3)/2 pi^2)/(s/T_gamma^3).
    """
    q = relic_momenta(ratio)
    yield_n = weight * YIELD_PER_NUMBER * RELIC_NUMBER * ratio**3
    status = jnp.where(in_range(model), Status.SUCCESS, Status.OUT_OF_RANGE)
    return Production(
        q=q,
        f=weight * fermi_dirac(q, ratio),
        yield_n=yield_n,
        q_mean=RELIC_MEAN * ratio,
        q_rms=jnp.sqrt(_RELIC_MEAN_SQUARE) * ratio,
        history=History(jnp.asarray(temperature_gev)[None], yield_n[None]),
        status=status.astype(jnp.int32),
        model=model,
        plasma=plasma,
        grid=grid,
        **more,
    )


def closed_form_error() -> ErrorEstimate:
    """That of a closed form."""
    error = jnp.asarray(ROUNDING)
    return ErrorEstimate(error, error, error)


def integrals(potential) -> tuple[Array, Array, Array, Array]:
    """F_2 and F_3 at eta, divided by e^eta/(1 + e^eta), and d ln F_2/d eta, d ln F_3/d eta.

    The factor keeps a dilute gas from underflowing; trapezoid in ln x, spectrally exact.
    """
    x = jnp.asarray(np.exp(_LN_X))
    step = _LN_X[1] - _LN_X[0]
    occupation = jax.nn.sigmoid(potential - x) / jax.nn.sigmoid(potential)
    blocked = occupation * jax.nn.sigmoid(x - potential)
    second, third, d_second, d_third = (
        step * jnp.sum(x**power * values)
        for values, power in ((occupation, 3), (occupation, 4), (blocked, 3), (blocked, 4))
    )
    return second, third, d_second / second, d_third / third


def _log_invariant(potential):
    """ln(F_3^3/F_2^4) and its slope in eta."""
    second, third, d_second, d_third = integrals(potential)
    value = 3.0 * jnp.log(third) - 4.0 * jnp.log(second) - jax.nn.log_sigmoid(potential)
    return value, 3.0 * d_third - 4.0 * d_second


def fermi_dirac_of(number, energy) -> FermiDirac:
    """The Fermi-Dirac spectrum of a number and energy density, in units of T_gamma; scalars.

    It does not exist where the energy is below that of a degenerate gas, (F_2, F_3) = eta^3/3,
    eta^4/4, or nearly so:
    eta is then held at 25.
    """
    wanted = 3.0 * jnp.log(energy) - 4.0 * jnp.log(number) - 2.0 * math.log(math.pi)

    def step(eta, wanted):
        value, slope = _log_invariant(eta)
        # convex and falling; a gas nearer to degeneracy changes slowly
        return jnp.clip(eta - jnp.clip((value - wanted) / slope, -4.0, 4.0), DILUTE, DEGENERATE)

    fixed = jax.lax.stop_gradient(wanted)
    start = jnp.clip(math.log(13.5) - fixed, DILUTE, 10.0)
    eta, _ = jax.lax.scan(lambda eta, _: (step(eta, fixed), None), start, length=_NEWTON_STEPS)
    # the derivatives of the root are those of Newton's steps at it: two, for the second ones
    for _ in range(2):
        eta = step(eta, wanted)
    second = integrals(eta)[0]
    ratio = jnp.cbrt(math.pi**2 * number / (second * jax.nn.sigmoid(eta)))
    return FermiDirac(ratio, eta, eta < DEGENERATE)
