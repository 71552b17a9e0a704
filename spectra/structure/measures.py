"""What is measured of a transfer function: half-mode, Lyman-alpha area, haloes, all at once."""

import dataclasses

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from spectra.cosmology import Cosmology
from spectra.linear import Transfer, cosmology_of
from spectra.programs import program
from spectra.structure.halos import (
    HOST_MASS_MSUN_H,
    density_nodes,
    density_of,
    satellite_nodes,
    satellites_of,
)
from spectra.structure.lyman_alpha import area_deficit_of, area_nodes
from spectra.structure.power import (
    PowerTable,
    check_cosmology,
    cold_power,
    power_at,
    transfer_at,
)
from spectra.structure.scales import HalfMode, half_mode
from spectra.units import plain_numbers


class Measured(eqx.Module):
    """Numbers of one transfer function, with the default conventions; scalars.

    Attributes
    ----------
    half_mode : of :func:`spectra.half_mode`.
    delta_a : of :func:`spectra.structure.lyman_alpha.area_deficit`.
    n_satellites : subhaloes of a Milky Way of the mass that was asked for.
    n_galaxies_z6_mpc3 : haloes at z = 6 per comoving Mpc^3.
    """

    half_mode: HalfMode
    delta_a: Array
    n_satellites: Array
    n_galaxies_z6_mpc3: Array

    def numbers(self) -> dict[str, Array]:
        """The scalars by JSON key."""
        return {
            "k_t2_half_h_mpc": self.half_mode.k_t2_half_h_mpc,
            "k_t_half_h_mpc": self.half_mode.k_t_half_h_mpc,
            "m_hm_t_half_msun_h": self.half_mode.m_hm_t_half_msun_h,
            "delta_a": self.delta_a,
            "n_satellites": self.n_satellites,
            "n_galaxies_z6_mpc3": self.n_galaxies_z6_mpc3,
        }


@plain_numbers
def measure(
    transfer: Transfer,
    power: PowerTable,
    cosmology: Cosmology | None = None,
    host_mass_msun_h: ArrayLike = HOST_MASS_MSUN_H,
) -> Measured:
    """Half-mode, delta_A and counts of haloes of a transfer function; works under jit, vmap, grad.

    Parameters
    ----------
    transfer : k_h_mpc (n,) [h/Mpc], t (n,). Numbers for which it does not reach far enough are NaN.
    power : of :func:`spectra.power_table`.
    cosmology : that of ``transfer`` when left out, or of ``power`` where it knows none.
    host_mass_msun_h : mass of the Milky Way's halo [Msun/h].

    Raises
    ------
    ValueError
        If the power table, or the transfer function, is not that of the cosmology.
    """
    if cosmology is not None or transfer.cosmology is not None:
        cosmology = cosmology_of(transfer, cosmology)
        check_cosmology(cosmology, power)
    transfer = dataclasses.replace(transfer, cosmology=None)
    return _measure(transfer, power, cosmology, jnp.asarray(host_mass_msun_h, dtype=float))


@program
def _measure(transfer, power, cosmology, host_mass) -> Measured:
    cosmology = power.cosmology if cosmology is None else cosmology
    table = power_at(power, cosmology)
    nodes = area_nodes(), satellite_nodes(cosmology, host_mass), density_nodes(cosmology)
    ln_k = jnp.concatenate(nodes)
    # P and T at all nodes in one go: a third of the program
    cold, t = cold_power(jnp.exp(ln_k), table, cosmology), transfer_at(ln_k, transfer)
    ends = np.cumsum([part.size for part in nodes])[:-1]
    (cold_area, _, _), (t_area, _, _) = jnp.split(cold, ends), jnp.split(t, ends)
    _, suppressed_host, suppressed_field = jnp.split(cold * t**2, ends)
    return Measured(
        half_mode=half_mode(transfer, cosmology),
        delta_a=area_deficit_of(cold_area, t_area, transfer),
        n_satellites=satellites_of(nodes[1], suppressed_host, transfer, host_mass),
        n_galaxies_z6_mpc3=density_of(nodes[2], suppressed_field, transfer, table, cosmology),
    )
