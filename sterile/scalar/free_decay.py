"""f_S after its last collision: free decay, mode by mode, in the expansion it drives itself.

    f = f_0 exp(-theta),    dtheta/dx = m_S Gamma/(E H),    H = H(x, f, rho_N),

Gamma the total width, of which a fraction goes to N, and theta the decays expected per mode.
Nothing here is stiff however fast the decay: theta is a quadrature, and f is its exact exponential.
"""

import math

import jax
import jax.numpy as jnp
import numpy as np

from spectra.constants import REDUCED_PLANCK_MASS_GEV
from sterile.scalar.collisions import energy
from sterile.scalar.rates import thermal_at

_STAGES = np.array([0.0, 0.5, 1.0])


def free_phase(particle, yields, starts, step, plasma, carry):
    """Advance f_S without collisions by classical Runge-Kutta steps (fourth order).

    Parameters
    ----------
    particle : :class:`sterile.scalar.rates.Particle`.
    yields : weights of f in n_S/s, shape (n,).
    starts : x at the start of each step, shape (t,), and their common length ``step``.
    plasma : treatment of the bath.
    carry : f (n,), decayed yield and rho_N/a_T^4 at the first start.

    Returns
    -------
    The carry at the end, and after each step.
    """
    width, fraction = particle.width_gev, 1.0
    if particle.bath_widths_gev is not None:
        width = width + particle.bath_widths_gev[0]
        fraction = particle.width_gev / width
    clocks = starts[:, None] + step * _STAGES[None, :]
    thermals = jax.vmap(jax.vmap(lambda clock: thermal_at(clock, clock, plasma)))(clocks)

    def one_step(carry, thermal):
        f, decayed, rest = carry

        def rate(stage, theta, rest):
            comoving = thermal.comoving_gev[stage]
            p = jnp.exp(particle.log_q) * comoving
            e = energy(p, particle.mass_gev)
            density = particle.log_step * p**3 / (2.0 * math.pi**2) * e * f * jnp.exp(-theta)
            density = particle.states * density
            total = thermal.density_gev4[stage]
            if particle.gravitates:
                total = total + jnp.sum(density) + rest * comoving**4
            hubble = jnp.sqrt(total / 3.0) / REDUCED_PLANCK_MASS_GEV
            decays = particle.mass_gev * width / (e * hubble)
            return decays, fraction * jnp.sum(density * decays) / comoving**4

        none = jnp.zeros_like(f)
        theta_1, rest_1 = rate(0, none, rest)
        theta_2, rest_2 = rate(1, 0.5 * step * theta_1, rest + 0.5 * step * rest_1)
        theta_3, rest_3 = rate(1, 0.5 * step * theta_2, rest + 0.5 * step * rest_2)
        theta_4, rest_4 = rate(2, step * theta_3, rest + step * rest_3)
        theta = step / 6.0 * (theta_1 + 2.0 * (theta_2 + theta_3) + theta_4)
        rest = rest + step / 6.0 * (rest_1 + 2.0 * (rest_2 + rest_3) + rest_4)
        decayed = decayed - fraction * jnp.sum(yields * f * jnp.expm1(-theta))
        carry = (f * jnp.exp(-theta), decayed, rest)
        return carry, carry

    return jax.lax.scan(jax.checkpoint(one_step), carry, thermals)
