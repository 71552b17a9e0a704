"""Suppression of halo and subhalo counts, n/n_CDM(M), calibrated on simulations of others.

Beside the sharp-k mass function of :mod:`spectra.structure.halos`, which needs the whole T(k),
these need its half-mode mass and its slope there, s = |d ln T/d ln k| at T = 1/2. The masses M_20,
M_50, M_80 at which n/n_CDM is 0.2, 0.5, 0.8 are fitted; between them n/n_CDM = [1 + (a/M)^b]^c.

"stuecker2021-haloes", "stuecker2021-subhaloes": Stuecker et al. 2109.09760, M_x/M_hm = mu beta^nu,
    for T = [1 + (alpha k)^beta]^-5, of which s = 5 beta (1 - 2^(-1/5)). Numbers as in the authors'
    code (github.com/jstuecker/ncdm-mass-functions, 49f5a4a). Valid for 1.5 <= beta <= 6 and
    n/n_CDM above 0.05; made at z = 0.
"benson2026-haloes": the mass function of Benson et al. 2606.12137 for haloes that are neither
    subhaloes nor have been, as pyHalo tabulates its M_x (github.com/dangilman/pyHalo, read 2026);
    here a fit of ours to that, good to 0.003 dex. Valid for 1 <= s <= 4, 0 <= z <= 10.
"""

import math

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from spectra.cosmology import Cosmology, as_float
from spectra.numerics import interpolate
from spectra.programs import program
from spectra.structure.scales import half_mode
from spectra.units import plain_numbers

# mu, nu of M_20, M_50, M_80
_STUECKER = {
    "stuecker2021-haloes": ((0.2651, 1.638, 16.51), (0.3656, -0.0994, -0.9466)),
    "stuecker2021-subhaloes": ((0.1259, 1.134, 20.52), (0.4963, -0.0110, -1.1231)),
}
# log10 M_x/M_hm = sum of s^-i (z/10)^(2 j)
_BENSON = np.array(
    [
        [
            [-0.4218, 0.0831, -0.0025],
            [0.5278, 0.1010, -0.0349],
            [-0.7792, 0.2721, 0.0042],
            [0.1990, 0.0481, -0.0105],
        ],
        [
            [-0.0496, 0.0563, -0.0137],
            [0.7122, 0.0144, 0.0654],
            [-0.4303, 0.4127, -0.2065],
            [0.0764, 0.1374, 0.0986],
        ],
        [
            [0.2558, 0.0227, -0.0220],
            [0.9611, 0.0736, 0.1395],
            [0.1377, 0.0761, -0.3369],
            [-0.1316, 0.7974, 0.1196],
        ],
    ]
)
CALIBRATIONS = (*_STUECKER, "benson2026-haloes")
_LEVELS = np.array([0.2, 0.5, 0.8])
# s over beta of T = [1 + (alpha k)^beta]^-5 at T = 1/2
_SLOPE_OF_BETA = 5.0 * (1.0 - 2.0**-0.2)
_BETA_RANGE, _SLOPE_RANGE, _Z_RANGE, _LEAST_RATIO = (1.5, 6.0), (1.0, 4.0), (0.0, 10.0), 0.05
# of ln(-c) where it is searched; masses that no c has are met as nearly as these ends do
_LN_MINUS_C, _BISECTIONS = (math.log(0.03), math.log(300.0)), 55


class Suppression(eqx.Module):
    """n/n_CDM at masses.

    Attributes
    ----------
    ratio : (m,) n/n_CDM; NaN where T does not cross one half.
    valid : (m,) whether slope, redshift and ratio are where the calibration was made.
    slope : |d ln T/d ln k| at T = 1/2, scalar.
    m_hm_msun_h : half-mode mass [Msun/h], scalar.
    """

    ratio: Array
    valid: Array
    slope: Array
    m_hm_msun_h: Array


@plain_numbers
def halo_suppression(
    mass_msun_h: ArrayLike,
    transfer,
    cosmology: Cosmology | None = None,
    calibration: str = "stuecker2021-haloes",
    z: ArrayLike = 0.0,
) -> Suppression:
    """How many haloes of a mass are left of those of cold dark matter; works under jit, vmap, grad.

    Parameters
    ----------
    mass_msun_h : (m,) halo masses [Msun/h].
    transfer : k_h_mpc (n,) [h/Mpc] and t (n,), n >= 4.
    cosmology : for the half-mode mass; the default one when left out.
    calibration : of :data:`CALIBRATIONS`, explained above.
    z : redshift; that of Stuecker et al. is for z = 0 alone.

    Raises
    ------
    ValueError
        If the calibration is unknown.
    """
    if calibration not in CALIBRATIONS:
        known = ", ".join(CALIBRATIONS)
        raise ValueError(f"calibration = {calibration!r} is unknown; use one of {known}")
    cosmology = Cosmology() if cosmology is None else cosmology
    return _suppression(as_float(mass_msun_h), transfer, cosmology, calibration, as_float(z))


@program
def _suppression(mass, transfer, cosmology, calibration: str, z) -> Suppression:
    half = half_mode(transfer, cosmology)
    slope, crossed = _slope(transfer, half)
    ln_mass, inside = _mass_scales(slope, z, calibration)
    ln_a, b, c = _turnover(ln_mass)
    scaled = jnp.log(mass) - jnp.log(half.m_hm_t_half_msun_h)
    ratio = jnp.exp(c * jax.nn.softplus(b * (ln_a - scaled)))
    return Suppression(
        ratio=jnp.where(crossed, ratio, jnp.nan),
        valid=inside & crossed & (ratio > _LEAST_RATIO),
        slope=slope,
        m_hm_msun_h=half.m_hm_t_half_msun_h,
    )


def _slope(transfer, half) -> tuple[Array, Array]:
    """|d ln T/d ln k| at T = 1/2, 1.4 where there is none, and whether there is one."""
    order = jnp.argsort(transfer.k_h_mpc)
    ln_k, t = jnp.log(transfer.k_h_mpc[order]), transfer.t[order]
    crossed = half.status_t == 0
    root = jnp.log(jnp.where(crossed, half.k_t_half_h_mpc, jnp.exp(ln_k[0])))
    fall = jax.grad(lambda x: interpolate(x[None], ln_k, t)[0])(root)
    return jnp.where(crossed, -2.0 * fall, 1.4), crossed


def _mass_scales(slope, z, calibration) -> tuple[Array, Array]:
    """ln M_20, M_50, M_80 over M_hm (3,), and whether slope and redshift are in their range."""
    if calibration in _STUECKER:
        low, high = _BETA_RANGE
        beta = slope / _SLOPE_OF_BETA
        mu, nu = _STUECKER[calibration]
        inside = (beta >= low) & (beta <= high) & (z == 0.0)
        return jnp.log(jnp.asarray(mu)) + jnp.asarray(nu) * jnp.log(
            jnp.clip(beta, low, high)
        ), inside
    (low, high), (first, last) = _SLOPE_RANGE, _Z_RANGE
    inside = (slope >= low) & (slope <= high) & (z >= first) & (z <= last)
    by_slope = jnp.clip(slope, low, high) ** -np.arange(4.0)
    by_z = (0.01 * jnp.clip(z, first, last) ** 2) ** np.arange(3.0)
    return math.log(10.0) * jnp.einsum("pij,i,j->p", jnp.asarray(_BENSON), by_slope, by_z), inside


def _turnover(ln_mass: Array) -> tuple[Array, Array, Array]:
    """ln a, b, c of [1 + (a/M)^b]^c that is 0.2, 0.5, 0.8 at M = exp(ln_mass), (3,)."""
    asked = (ln_mass[2] - ln_mass[1]) / (ln_mass[1] - ln_mass[0])

    def steps(x):
        # -b ln(M/a) = ln(level^(1/c) - 1), c = -exp(x)
        at = jnp.log(jnp.expm1(-jnp.log(_LEVELS) * jnp.exp(-x)))
        return at, (at[1] - at[2]) / (at[0] - at[1])

    fixed = jax.lax.stop_gradient(asked)

    def halve(_, ends):
        low, high = ends
        middle = 0.5 * (low + high)
        below = steps(middle)[1] < fixed
        return jnp.where(below, middle, low), jnp.where(below, high, middle)

    ends = tuple(jnp.asarray(end) for end in _LN_MINUS_C)
    low, high = jax.lax.fori_loop(0, _BISECTIONS, halve, ends)
    root = 0.5 * (low + high)
    # one Newton step changes nothing in the value and carries the derivative
    slope = jax.grad(lambda x: steps(x)[1])(root)
    root = root + (asked - fixed) / slope
    at, _ = steps(root)
    b = (at[0] - at[2]) / (ln_mass[2] - ln_mass[0])
    return ln_mass[1] + at[1] / b, b, -jnp.exp(root)
