"""Cheap stand-ins for the pipeline, shared by the tests of fits."""

import equinox as eqx
import jax
import jax.numpy as jnp


class Toy(eqx.Module):
    """Freeze-in as powers: Y_N ~ lambda^2 y^tilt, velocity ~ 1/(m_N sqrt(y)). No own mass."""

    scale: jax.Array
    tilt: float = 0.0
    mass_kev: None = None
    code: int = eqx.field(static=True, default=0)

    def __call__(self, values, names):
        ln_yield = 2.0 * jnp.log(values["portal_coupling"] / 1e-8) + jnp.log(2.5e-5 * self.scale)
        ln_yield = ln_yield + self.tilt * jnp.log(values.get("yukawa", 1e-9) / 1e-9)
        if "mass_kev" in values:
            mass = values["mass_kev"]
        else:
            mass = values.get("omega_h2", 0.12) / (275.9 * jnp.exp(ln_yield))
        velocity = 1.0 / (mass * jnp.sqrt(values.get("yukawa", 1e-9) / 1e-9))
        found = {
            "yield_n": jnp.exp(ln_yield),
            "mass_kev": mass,
            "omega_h2": 275.9 * mass * jnp.exp(ln_yield),
            "lambda_fs_mpc": 0.3 * velocity,
            "status": jnp.asarray(self.code),
        }
        return {name: found[name] for name in names}


TOY = Toy(jnp.asarray(1.0))


class Given(eqx.Module):
    """A table of a model whose mass is given: its abundance is then an ordinary number."""

    table: eqx.Module
    mass_kev: jax.Array

    def __call__(self, values, names):
        return self.table(values, names)
