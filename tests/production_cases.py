"""Compiled solvers and golden files shared by the production tests."""

import dataclasses
import functools
from pathlib import Path

import equinox as eqx
import h5py
import jax
import jax.numpy as jnp

import sterile
from sterile.scalar import step

GOLDEN = Path(__file__).parent / "golden" / "production"
# the published treatment without gravity of S and N, as most golden files were made
PAPER = sterile.Plasma(dark_sector_in_hubble=False)


@functools.cache
def golden(name):
    """Attributes and datasets of one independent brute-force solution."""
    with h5py.File(GOLDEN / f"{name}.h5") as file:
        return dict(file.attrs), {key: file[key][:] for key in file}


def model_and_plasma(attributes):
    model = sterile.ScalarDecay(
        attributes["scalar_mass_gev"], attributes["coupling"], attributes["yukawa"]
    )
    constant_g = float(attributes["constant_g"]) or None
    return model, sterile.Plasma(
        dark_sector_in_hubble=bool(attributes["dark_sector"]),
        contact_only=bool(attributes["contact_only"]),
        constant_g=constant_g,
    )


@functools.cache
def solved(name):
    """Our solution of a golden case."""
    return sterile.solve(*model_and_plasma(golden(name)[0]))


def beside_nothing(plasma):
    """The plasma with an extra fluid of no density."""
    fluid = dict(fluid_w=1.0, fluid_density_ratio=0.0, fluid_temperature_gev=1.0)
    return dataclasses.replace(plasma, **fluid)


def logarithms(log_parameters, grid, plasma=PAPER):
    """(ln Y_N, ln <q>) as a function of (ln m_S, ln lambda, ln y)."""
    model = sterile.ScalarDecay(*jnp.exp(log_parameters))
    production = sterile.solve(model, plasma, grid)
    return jnp.stack([jnp.log(production.yield_n), jnp.log(production.q_mean)])


value = eqx.filter_jit(logarithms)


def jacobians(particle, around, yields, carry):
    """The matrix of a step's start from ``carry``, and that of the equation of motion itself."""

    @jax.jit
    def both(carry):
        fit, state, jacobian = step._start_of_step(particle, around, yields, 1e-6, *carry)
        stage = step.stage_of(particle, around, fit, yields)
        return jacobian, jax.jacfwd(lambda state: step.flow(particle, stage, state))(state)

    return both(carry)
