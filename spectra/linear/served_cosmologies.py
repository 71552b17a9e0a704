"""Which cosmologies a table serves: its own, and with derivatives its neighbours."""

import jax.numpy as jnp
from jax import Array

from spectra.cosmology import Cosmology
from spectra.tracing import is_traced

# the fields that shape T^2 and P_CDM; n_s and a_s enter in closed form
TABLE_FIELDS = ("h", "omega_b", "omega_dm", "n_eff", "t_cmb_kelvin", "y_he")
# those in which tables can be differentiated; the other two are held fixed
TANGENT_FIELDS = ("h", "omega_b", "omega_dm", "n_eff")
MATCH_TOLERANCE = 1e-6
# relative distance in each field up to which a table's derivatives carry it to another cosmology;
# at its end, against tables made there, T^2 is good to 1.5e-4 and P_CDM to 3e-4 above 1 h/Mpc, 6e-3
# where acoustic oscillations shift (docs/gradients.md)
LINEAR_RANGE = 0.03


def table_fields(cosmology: Cosmology) -> dict[str, float]:
    """The fields that shape a concrete cosmology's tables, as floats."""
    return {name: float(getattr(cosmology, name)) for name in TABLE_FIELDS}


def distance_between(cosmology: Cosmology, other: Cosmology) -> float:
    """Largest relative difference over ``TABLE_FIELDS`` of two concrete cosmologies."""
    # plain numbers: JAX would trace them inside jit
    return max(
        abs(float(getattr(cosmology, n)) / float(getattr(other, n)) - 1.0) for n in TABLE_FIELDS
    )


def allowed_distance(name: str, tangents: bool) -> float:
    """Relative distance of a field up to which a table, with derivatives or without, is good."""
    return LINEAR_RANGE if tangents and name in TANGENT_FIELDS else MATCH_TOLERANCE


def serves(origin: Cosmology, cosmology: Cosmology, tangents: bool) -> Array:
    """Whether a table made for ``origin`` is good for ``cosmology`` (bool)."""
    return jnp.all(
        jnp.stack(
            [
                jnp.abs(getattr(cosmology, name) / getattr(origin, name) - 1.0)
                <= allowed_distance(name, tangents)
                for name in TABLE_FIELDS
            ]
        )
    )


def same(origin: Cosmology, cosmology: Cosmology) -> Array:
    """Whether two cosmologies agree in every field, n_s and a_s too (bool)."""
    pairs = [(getattr(cosmology, name), value) for name, value in vars(origin).items()]
    return jnp.all(
        jnp.stack([jnp.abs(own - made) <= MATCH_TOLERANCE * jnp.abs(made) for own, made in pairs])
    )


def require_same(origin: Cosmology, cosmology: Cosmology, what: str, fix: str):
    """Raise ``ValueError`` naming the field where two concrete cosmologies differ.

    ``what``: what was made for ``origin``; ``fix``: how to get the right one.
    """
    for name, made in vars(origin).items():
        wanted = getattr(cosmology, name)
        if is_traced((wanted, made)):
            continue
        if not abs(float(wanted) - float(made)) <= MATCH_TOLERANCE * abs(float(made)):
            raise ValueError(
                f"cosmology {name} = {float(wanted):g}, but the {what} were made for "
                f"{float(made):g}; use {fix}"
            )


def require_served(origin: Cosmology, cosmology: Cosmology, tangents: bool, table: str, fix: str):
    """Raise ``ValueError`` naming the field where a concrete cosmology is not served.

    ``table``: what to call it; ``fix``: how to get the right one.
    """
    for name in TABLE_FIELDS:
        wanted, made = getattr(cosmology, name), getattr(origin, name)
        if is_traced((wanted, made)):
            continue
        if not abs(float(wanted) / float(made) - 1.0) <= allowed_distance(name, tangents):
            raise ValueError(
                f"cosmology {name} = {float(wanted):g}, but the {table} was made for "
                f"{float(made):g}; use {fix}"
            )


def ln_change(origin: Cosmology, cosmology: Cosmology) -> Array:
    """ln of the ratios of ``TANGENT_FIELDS``, shape (4,)."""
    return jnp.log(jnp.stack([getattr(cosmology, n) / getattr(origin, n) for n in TANGENT_FIELDS]))
