"""Dark matter's spectra as the solver takes them: arrays whose sizes do not depend on a table's.

Tables of f(q) come in every length, and a program is compiled for one. What depends on the length
is made here, by a small program; the solver's large one then serves every table.
"""

import dataclasses
from functools import reduce
from operator import add

import equinox as eqx
import jax.numpy as jnp
from jax import Array

from spectra.linear.deposit import VelocityGrid
from spectra.linear.error_estimate import beyond_the_ends, thinned
from spectra.linear.mixture import velocity_histogram
from spectra.linear.shells import Particles, particles_of
from spectra.programs import program


class Velocities(eqx.Module):
    """All dark matter by its velocity u = q/m; ny counts the nodes of the drive's grid of ln u.

    Attributes
    ----------
    number : (ny,) share of omega_dm at each node; thinned : (ny,) the same by every second momentum
        of the tables.
    gone : share of omega_dm beyond the grid, scalar; cold : share that is cold, scalar.
    slow, fast, fast_square : what the tables would lack beyond their ends, as shares of omega_dm,
        see :class:`spectra.linear.error_estimate.Beyond`; scalars.
    particles : :class:`spectra.linear.shells.Particles`, or None where nobody asks for them.
    """

    number: Array
    thinned: Array
    gone: Array
    cold: Array
    slow: Array
    fast: Array
    fast_square: Array
    particles: Particles | None


def without_particles(velocities: Velocities) -> Velocities:
    """For those who ask for none: there are more or fewer of them, and each is another program."""
    return dataclasses.replace(velocities, particles=None)


@program
def velocities_of(species, shares, grid: VelocityGrid) -> Velocities:
    """Several species (spectra, a tuple), ``shares`` (ns,) of omega_dm each, on a grid of ln u."""
    number, gone = velocity_histogram(species, shares, grid)
    thin, _ = velocity_histogram([thinned(each) for each in species], shares, grid)
    beyond = [beyond_the_ends(each) for each in species]
    slow, fast, fast_square = (
        reduce(add, (share * getattr(each, name) for share, each in zip(shares, beyond)))
        for name in ("slow", "fast", "fast_square")
    )
    return Velocities(
        number=number,
        thinned=thin,
        gone=gone,
        cold=1.0 - jnp.sum(shares),
        slow=slow,
        fast=fast,
        fast_square=fast_square,
        particles=particles_of(species, shares, number, gone, grid),
    )
