"""Cut-offs in closed form: {alpha, beta, gamma} with a plateau, thermal relics, fits to any T(k).

T(k) = (1 - delta) [1 + (alpha k)^beta]^gamma + delta, gamma < 0 (Murgia et al. 2017, 1704.07838;
the plateau delta as in Schneider et al. 2017 and MontePython's Lya_abgd).
"""

from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from spectra.cosmology import Cosmology, as_float
from spectra.linear import Transfer
from spectra.precision import require_x64
from spectra.programs import program
from spectra.status import Status
from spectra.tracing import is_traced
from spectra.units import plain_numbers


class ThermalFit(NamedTuple):
    """T = [1 + (alpha k)^(2 nu)]^(-5/nu) of thermal relics that are all dark matter.

    alpha = ``alpha_mpc_h`` (m/keV)^``mass_power`` (omega_dm/``omega_dm``)^``omega_power``
    (h/``h``)^``h_power`` in Mpc/h, with numbers that a paper fitted.
    """

    alpha_mpc_h: float
    mass_power: float
    omega_dm: float
    omega_power: float
    h: float
    h_power: float
    nu: float


# astro-ph/0501562, eq. 7, at k < 5 h/Mpc: (Omega_x/0.25)^0.11 (h/0.7)^1.22, Omega_x = omega_dm/h^2
VIEL_2005 = ThermalFit(0.049, -1.11, 0.25 * 0.7**2, 0.11, 0.7, 1.22 - 2 * 0.11, 1.12)
# Vogel & Abazajian 2210.10753, relics of spin 1/2 and 3/2
VOGEL_2023 = ThermalFit(0.0437, -1.188, 0.12, 0.2463, 0.6736, 2.012, 1.049)
VOGEL_2023_GRAVITINO = ThermalFit(0.0345, -1.195, 0.12, 0.2463, 0.6736, 2.012, 1.025)
FITS = {"viel2005": VIEL_2005, "vogel2023": VOGEL_2023}
THERMAL_BETA, THERMAL_GAMMA = 2.0 * VIEL_2005.nu, -5.0 / VIEL_2005.nu


class Shape(eqx.Module):
    """Parameters of a cut-off: alpha [Mpc/h], beta, gamma < 0, delta in [0, 1); float scalars.

    Raises
    ------
    ValueError
        If a concrete value is outside alpha >= 0, beta > 0, gamma < 0, 0 <= delta < 1.
    """

    alpha: Array = eqx.field(converter=as_float)
    beta: Array = eqx.field(converter=as_float)
    gamma: Array = eqx.field(converter=as_float)
    delta: Array = eqx.field(default=0.0, converter=as_float)

    def __check_init__(self):
        allowed = {
            "alpha": (lambda x: 0.0 <= x < 1e3, "[0, 1000) Mpc/h"),
            "beta": (lambda x: 0.0 < x <= 100.0, "(0, 100]"),
            "gamma": (lambda x: -1e3 <= x < 0.0, "[-1000, 0), negative"),
            "delta": (lambda x: 0.0 <= x < 1.0, "[0, 1)"),
        }
        for name, (inside, words) in allowed.items():
            value = getattr(self, name)
            if is_traced(value) or value.shape != ():
                continue
            if not inside(float(value)):
                raise ValueError(
                    f"shape {name} = {float(value):g} is outside its range; use {words}"
                )


@plain_numbers
def shape_transfer(shape: Shape, k_h_mpc: ArrayLike) -> Transfer:
    """T(k) of a shape at k_h_mpc (n,) [h/Mpc]; differentiable in the parameters."""
    return _shape_transfer(shape, as_float(k_h_mpc))


@program
def _shape_transfer(shape: Shape, k: Array) -> Transfer:
    # (alpha k)^beta through the logarithm has no derivative at alpha = 0
    positive = shape.alpha > 0.0
    x = jnp.where(positive, shape.alpha, 1.0) * k
    cut = jnp.where(positive, jnp.exp(shape.gamma * jnp.log1p(x**shape.beta)), 1.0)
    t = (1.0 - shape.delta) * cut + shape.delta
    return Transfer(k, t, t * t, jnp.asarray(Status.SUCCESS, dtype=jnp.int32))


def shape_wavenumber(shape: Shape, t2: float = 0.5) -> Array:
    """k [h/Mpc] where T^2 = ``t2``, scalar: [(t)^(1/gamma) - 1]^(1/beta)/alpha.

    t = (sqrt(t2) - delta)/(1 - delta). NaN where the plateau is above the level; infinite for
    alpha = 0.
    """
    level = (jnp.sqrt(t2) - shape.delta) / (1.0 - shape.delta)
    crossed = level > 0.0
    rise = jnp.expm1(jnp.log(jnp.where(crossed, level, 0.5)) / shape.gamma)
    return jnp.where(crossed, rise ** (1.0 / shape.beta) / shape.alpha, jnp.nan)


@plain_numbers
def viel_alpha(mass_kev: ArrayLike, cosmology: Cosmology | None = None) -> Array:
    """alpha [Mpc/h] of a thermal relic: 0.049 m^-1.11 (Omega_x/0.25)^0.11 (h/0.7)^1.22.

    Viel et al. 2005, astro-ph/0501562, eq. 7; fitted at k < 5 h/Mpc.
    """
    return _alpha(as_float(mass_kev), cosmology, VIEL_2005)


def _alpha(mass_kev, cosmology, fit: ThermalFit):
    cosmology = Cosmology() if cosmology is None else cosmology
    return _alpha_of_1_kev(cosmology, fit) * mass_kev**fit.mass_power


def _alpha_of_1_kev(cosmology, fit: ThermalFit):
    by_density = (cosmology.omega_dm / fit.omega_dm) ** fit.omega_power
    return fit.alpha_mpc_h * by_density * (cosmology.h / fit.h) ** fit.h_power


@plain_numbers
def viel_shape(mass_kev: ArrayLike, cosmology: Cosmology | None = None) -> Shape:
    """The Viel fit of a thermal relic as a :class:`Shape`.

    ``mass_kev``: of the relic [keV], any shape; ``cosmology`` (the default one when left out) gives
    h and omega_dm.
    """
    return thermal_shape(mass_kev, cosmology, VIEL_2005)


@plain_numbers
def vogel_shape(
    mass_kev: ArrayLike, cosmology: Cosmology | None = None, spin: float = 0.5
) -> Shape:
    """The fit of Vogel & Abazajian 2210.10753 to CLASS runs; arguments as for :func:`viel_shape`.

    ``spin``: 0.5 of the relic, or 1.5 of a thermal gravitino. ``ValueError`` for another.
    """
    fits = {0.5: VOGEL_2023, 1.5: VOGEL_2023_GRAVITINO}
    if spin not in fits:
        raise ValueError(f"spin = {spin} of a thermal relic must be 0.5 or 1.5")
    return thermal_shape(mass_kev, cosmology, fits[spin])


def thermal_shape(mass_kev: ArrayLike, cosmology: Cosmology | None, fit: ThermalFit) -> Shape:
    """A :class:`ThermalFit` at a mass [keV] as a :class:`Shape`; arguments as above."""
    return Shape(_alpha(as_float(mass_kev), cosmology, fit), 2.0 * fit.nu, -5.0 / fit.nu)


@plain_numbers
def viel_mass_kev(k_h_mpc: ArrayLike, cosmology: Cosmology | None = None, t2: float = 0.5) -> Array:
    """Mass [keV] of the thermal relic whose Viel fit has T^2 = ``t2`` at ``k_h_mpc`` [h/Mpc].

    The thermal-equivalent mass by k_1/2 (t2 = 1/2) or by T = 1/2 (t2 = 1/4); any shape.
    ``cosmology`` (the default one when left out) gives h and omega_dm.
    """
    return thermal_mass_kev(k_h_mpc, cosmology, t2, VIEL_2005)


@plain_numbers
def vogel_mass_kev(
    k_h_mpc: ArrayLike, cosmology: Cosmology | None = None, t2: float = 0.5
) -> Array:
    """The same by the fit of Vogel & Abazajian 2210.10753, spin 1/2; arguments as there."""
    return thermal_mass_kev(k_h_mpc, cosmology, t2, VOGEL_2023)


def thermal_mass_kev(k_h_mpc, cosmology, t2: float, fit: ThermalFit):
    """The same by any :class:`ThermalFit`; plain numbers give a plain number."""
    cosmology = Cosmology() if cosmology is None else cosmology
    unit = (t2 ** (-0.1 * fit.nu) - 1.0) ** (0.5 / fit.nu)
    return (_alpha_of_1_kev(cosmology, fit) * k_h_mpc / unit) ** (-1.0 / fit.mass_power)


_FIT_STEPS = 60


def fit_shape(transfer: Transfer, plateau: bool = False) -> tuple[Shape, Array]:
    """The shape nearest to a transfer function, and the rms of what is left.

    Least squares of T^2 over the given wavenumbers (evenly in ln k when they are), by
    Levenberg-Marquardt with a fixed number of steps in ln alpha, ln beta, ln(-gamma) and, with
    ``plateau``, logit delta. Derivatives with respect to T are those of the minimum.

    Parameters
    ----------
    transfer : k_h_mpc (n,) [h/Mpc] and t (n,).
    plateau : fit delta too; otherwise it is 0.

    Returns
    -------
    Shape, and the rms of T^2 - T^2_fit (scalar): large when the form does not suit, as for
    oscillating or two-scale T. Where T never falls below 0.9 the parameters are not determined.

    Raises
    ------
    ValueError
        If JAX is not in 64-bit mode.
    """
    require_x64()
    return _fit_shape(transfer.k_h_mpc, transfer.t, plateau)


@program
def _fit_shape(k_h_mpc: Array, t: Array, plateau: bool) -> tuple[Shape, Array]:
    ln_k = jnp.log(k_h_mpc)

    def shape_of(p):
        delta = jax.nn.sigmoid(p[3]) if plateau else jnp.zeros(())
        return Shape(jnp.exp(p[0]), jnp.exp(p[1]), -jnp.exp(p[2]), delta)

    def residual(p, data):
        return shape_transfer(shape_of(p), k_h_mpc).t2 - data**2

    # start: thermal, with the wavenumber where T^2 is nearest to one half
    k_half = jnp.exp(ln_k[jnp.argmin(jnp.abs(t * t - 0.5))])
    unit = shape_wavenumber(Shape(1.0, THERMAL_BETA, THERMAL_GAMMA))
    start = [jnp.log(unit / k_half), jnp.log(THERMAL_BETA), jnp.log(-THERMAL_GAMMA)]
    start = jnp.stack([*start, jnp.asarray(-3.0)] if plateau else start)
    fixed = jax.lax.stop_gradient(t)

    def step(state, _):
        p, damping, cost = state
        jacobian, left = jax.jacfwd(residual)(p, fixed), residual(p, fixed)
        normal = jacobian.T @ jacobian
        move = jnp.linalg.solve(
            normal + damping * (jnp.diag(jnp.diag(normal)) + 1e-12 * jnp.eye(p.size)),
            -jacobian.T @ left,
        )
        tried = p + jnp.clip(move, -1.0, 1.0)
        tried_cost = jnp.sum(residual(tried, fixed) ** 2)
        better = tried_cost < cost
        return (
            jnp.where(better, tried, p),
            jnp.clip(jnp.where(better, 0.2 * damping, 5.0 * damping), 1e-12, 1e8),
            jnp.where(better, tried_cost, cost),
        ), None

    first = (start, jnp.asarray(1e-2), jnp.sum(residual(start, fixed) ** 2))
    (best, _, _), _ = jax.lax.scan(step, first, None, length=_FIT_STEPS)
    best = jax.lax.stop_gradient(best)

    # one Newton step on the exact Hessian: nothing in the value, the derivative of the minimum
    def cost(p, data):
        return 0.5 * jnp.sum(residual(p, data) ** 2)

    hessian = jax.lax.stop_gradient(jax.hessian(cost)(best, fixed))
    slope = jax.grad(cost)(best, t)
    slope = slope - jax.lax.stop_gradient(slope)
    p = best - jnp.linalg.solve(hessian + 1e-14 * jnp.eye(best.size), slope)
    return shape_of(p), jnp.sqrt(jnp.mean(residual(p, t) ** 2))
