"""The bound of dwarf galaxies on the phase-space density of any spectrum: the excess mass function.

D(Q) is the mass that lies above a phase-space density Q. Mixing lowers it at every Q (Dehnen 2005,
astro-ph/0504246), so that a galaxy's D is below that of the matter it is made of. Bezrukov,
Gorbunov & Koreshkova (2412.20585) find so that a non-resonant sterile neutrino is heavier than
1.98 keV, and heavier than 1.02 keV by the largest Q of the galaxies alone.

What galaxies tell is a point on D: at one density Q* the matter of a 1.98 keV neutrino has just
enough. Any other spectrum needs as much there, so this bounds it without a model of the galaxy,
even where f diverges at q = 0. Q* is below the galaxies' largest density, (1.02/1.98)^3 of the
neutrino's; the weakest bound for any Q* from there down to 0.01, where D is three quarters of all
mass, is taken.
"""

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from spectra.constants import NEUTRINO_TEMPERATURE_RATIO
from spectra.numerics import integral_weights
from spectra.programs import program
from spectra.spectrum import Spectrum
from spectra.units import plain_numbers

# keV, of a Fermi-Dirac spectrum of the neutrinos' temperature that is all dark matter
BY_EXCESS_MASS_KEV, BY_LARGEST_DENSITY_KEV = 1.98, 1.02
# Q ~ (m/T)^3 of a given shape and matter density
_DENSITIES = np.geomspace(0.01, (BY_LARGEST_DENSITY_KEV / BY_EXCESS_MASS_KEV) ** 3, 8)
# of the soft minimum: it exceeds the minimum by 8^(1/100), 2 %, at most
_SHARPNESS = 100.0
_BISECTIONS = 50
# logarithms of densities over the mean of one unit of momentum that are searched
_LN_RANGE = (-40.0, 40.0)


def _fermi_dirac() -> tuple[np.ndarray, np.ndarray]:
    """Densities Q* of a Fermi-Dirac shape of unit number, and its excess mass there, (8,) each."""
    q = np.geomspace(1e-5, 60.0, 6000)
    weights = np.gradient(np.log(q)) * 4.0 * np.pi * q**3
    f = 1.0 / (np.exp(q) + 1.0)
    f = f / (weights @ f)
    densities = _DENSITIES * f[0]
    return densities, np.maximum(f - densities[:, None], 0.0) @ weights


@plain_numbers
def phase_space_bound_kev(dm: Spectrum, mass_kev: float = BY_EXCESS_MASS_KEV) -> Array:
    """Smallest mass [keV] of this spectrum's shape and temperature, scalar; smooth.

    Q of the shape is proportional to (m/T_ref)^3, so each Q* gives a mass; the soft minimum of
    eight. Works under jit, vmap and grad, for any f, also one that diverges at q = 0.

    Parameters
    ----------
    dm : the spectrum; its shape as all dark matter.
    mass_kev : bound on a Fermi-Dirac spectrum of temperature (4/11)^(1/3) T_gamma.
    """
    return _phase_space_bound_kev(dm, float(mass_kev))


@program
def _phase_space_bound_kev(dm: Spectrum, mass_kev: float) -> Array:
    densities, excess = _fermi_dirac()
    weights = 4.0 * np.pi * integral_weights(jnp.log(dm.q)) * dm.q**3
    shape = dm.f / jnp.sum(weights * dm.f)

    def excess_mass(ln_density, shape, weights):
        return jnp.sum(weights * jnp.maximum(shape - jnp.exp(ln_density), 0.0))

    each = jax.vmap(excess_mass, in_axes=(0, None, None))
    fixed = jax.lax.stop_gradient((shape, weights))

    def halve(_, ends):
        low, high = ends
        middle = 0.5 * (low + high)
        above = each(middle, *fixed) >= excess
        return jnp.where(above, middle, low), jnp.where(above, high, middle)

    ends = tuple(jnp.full(len(excess), end) for end in _LN_RANGE)
    low, high = jax.lax.fori_loop(0, _BISECTIONS, halve, ends)
    root = 0.5 * (low + high)
    # one Newton step changes nothing in the value and carries the derivatives
    _, slope = jax.jvp(lambda x: each(x, *fixed), (root,), (jnp.ones_like(root),))
    left = each(root, shape, weights)
    root = root - (left - jax.lax.stop_gradient(left)) / slope
    velocity = mass_kev / NEUTRINO_TEMPERATURE_RATIO
    ln_mass = jnp.log(velocity * dm.temperature_ratio) + (np.log(densities) - root) / 3.0
    mean = jax.nn.logsumexp(-_SHARPNESS * ln_mass) - np.log(len(excess))
    return jnp.exp(-mean / _SHARPNESS)
