"""Thirty points over all regimes, and the function whose derivatives the audit compares."""

import functools

import jax
import jax.numpy as jnp

import spectra
import sterile
from spectra.structure.power import power_table

# (m_S/GeV, lambda, y, m_N/keV)
POINTS = [
    # freeze-in above threshold: S decays after, during and before production
    (100.0, 1e-8, 1e-9, 17.0), (100.0, 1e-8, 1e-8, 17.0), (100.0, 3e-9, 3e-7, 60.0),
    (250.0, 1e-8, 1e-9, 30.0), (500.0, 1e-7, 1e-8, 3.0), (1000.0, 1e-8, 1e-10, 100.0),
    (3000.0, 1e-7, 1e-9, 10.0), (1e4, 1e-7, 1e-8, 20.0),
    # within one per cent of m_h and of m_h/2
    (124.5, 1e-8, 1e-9, 20.0), (125.9, 1e-8, 1e-9, 20.0), (62.0, 1e-9, 1e-9, 10.0),
    (62.6, 1e-9, 1e-9, 10.0), (63.1, 1e-8, 1e-9, 20.0),
    # h -> S S
    (10.0, 1e-9, 1e-10, 20.0), (30.0, 1e-9, 1e-9, 7.0), (50.0, 1e-9, 1e-8, 7.0),
    (5.0, 1e-10, 1e-10, 100.0), (60.5, 1e-9, 1e-9, 10.0),
    # the turn-over
    (100.0, 1e-7, 1e-9, 3.0), (100.0, 3e-7, 1e-9, 2.0), (100.0, 1e-6, 1e-8, 2.0),
    (250.0, 1e-6, 1e-8, 2.0), (1000.0, 1e-6, 1e-8, 2.0),
    # freeze-out: decays late, during, early
    (100.0, 1e-4, 1e-9, 500.0), (100.0, 1e-3, 1e-10, 2000.0), (200.0, 1e-4, 1e-7, 100.0),
    (1000.0, 1e-3, 1e-10, 1000.0), (3000.0, 1e-2, 1e-9, 1000.0),
    # both with h <-> S S
    (30.0, 3e-8, 1e-9, 2.0), (50.0, 1e-4, 1e-9, 3000.0),
]  # fmt: skip
PARAMETERS = (
    "ln m_S", "ln lambda", "ln y", "ln m_N", "ln T_EW",
    "ln h", "ln omega_b", "ln omega_dm", "ln N_eff", "n_s", "ln A_s",
)  # fmt: skip
OBSERVABLES = ("omega_h2", "q_mean", "k_t2_half_h_mpc", "delta_a", "n_satellites")


def start(point):
    cosmology = spectra.Cosmology()
    own = [cosmology.h, cosmology.omega_b, cosmology.omega_dm, cosmology.n_eff]
    logarithms = jnp.log(jnp.array([*point, 160.0, *map(float, own)]))
    return jnp.concatenate([logarithms, jnp.array([cosmology.n_s, jnp.log(cosmology.a_s)])])


def by_grid(indices):
    """Indices of POINTS in an order in which points of one grid, hence one program, follow."""
    grids = {index: _grid(POINTS[index]) for index in indices}
    order = list(dict.fromkeys(grids.values()))
    return sorted(indices, key=lambda index: order.index(grids[index]))


def logarithms_at(point):
    """x (11,) → logarithms of OBSERVABLES on the grid that the point needs."""
    return _logarithms_on(_grid(point))


def _grid(point):
    return sterile.choose_grid(sterile.ScalarDecay(*point[:3]))


@functools.lru_cache(maxsize=1)
def _logarithms_on(grid):
    # one function a grid: thirty points, grouped by it, compile six, each in a process's whole room
    jax.clear_caches()
    drive, power = spectra.drive(), power_table()

    def function(x):
        cosmology = spectra.Cosmology(
            h=jnp.exp(x[5]), omega_b=jnp.exp(x[6]), omega_dm=jnp.exp(x[7]),
            n_eff=jnp.exp(x[8]), n_s=x[9], a_s=jnp.exp(x[10]),
        )  # fmt: skip
        found = sterile.evaluate(
            sterile.ScalarDecay(*jnp.exp(x[:3])),
            cosmology,
            sterile.Plasma(electroweak_temperature_gev=jnp.exp(x[4])),
            mass_kev=jnp.exp(x[3]),
            drive=drive,
            grid=grid,
            power=power,
        )
        return jnp.log(jnp.stack([getattr(found, name) for name in OBSERVABLES]))

    return function
