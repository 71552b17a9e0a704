"""The whole way from a model to structure: production, spectrum, transfer, half-mode, horizon."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from spectra.cosmology import Cosmology
from spectra.linear import Transfer, transfer
from spectra.linear import drive as drive_of
from spectra.precision import require_x64
from spectra.spectrum import Spectrum
from spectra.structure import HalfMode, free_streaming, half_mode, power_table, structure_numbers
from sterile.contract import Production, abundance_per_kev
from sterile.mechanisms import mechanism_of
from sterile.models import Model, Plasma
from sterile.production import choose_grid, solve_compiled
from sterile.status import Status


class Point(eqx.Module):
    """Everything about one model; names as in the JSON output.

    Attributes
    ----------
    yield_n, q_mean, q_rms : see :class:`sterile.Production`.
    numbers : the mechanism's own scalars by name; each is an attribute of the point, too, such as
        ``point.yield_s_max``.
    mass_kev : m_N [keV].
    omega_h2 : abundance of N, before any rescaling.
    k_t2_half_h_mpc, k_t_half_h_mpc : wavenumbers [h/Mpc] of T^2 = 1/2 and T = 1/2; NaN where not
        crossed, with a code in ``half_mode``.
    m_hm_t_half_msun_h : half-mode mass [Msun/h] of T = 1/2.
    lambda_fs_mpc : free-streaming horizon [comoving Mpc], <v> definition.
    delta_a, n_satellites, n_galaxies_z6_mpc3 : see :func:`spectra.verdicts.structure_numbers`.
    spectrum, transfer, half_mode, production : the parts.
    status : int32; 0 is success, else a code of ``sterile.Status`` or ``spectra.Status``.
    """

    yield_n: Array
    q_mean: Array
    q_rms: Array
    mass_kev: Array
    omega_h2: Array
    k_t2_half_h_mpc: Array
    k_t_half_h_mpc: Array
    m_hm_t_half_msun_h: Array
    lambda_fs_mpc: Array
    delta_a: Array
    n_satellites: Array
    n_galaxies_z6_mpc3: Array
    spectrum: Spectrum
    transfer: Transfer
    half_mode: HalfMode
    production: Production
    status: Array
    numbers: dict[str, Array]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name == "numbers" or name not in self.numbers:
            raise AttributeError(f"a point has no {name!r}")
        return self.numbers[name]


def evaluate(
    model: Model,
    cosmology: Cosmology | None = None,
    plasma: Plasma | None = None,
    mass_kev=None,
    omega_h2=0.12,
    drive=None,
    grid=None,
    power=None,
    error_estimate: bool = False,
) -> Point:
    """One model through the whole pipeline; works under jit, vmap and grad.

    Parameters
    ----------
    model : parameters, scalar leaves.
    cosmology, drive : as for :func:`spectra.transfer`.
    plasma, grid : as for :func:`sterile.solve`.
    mass_kev : m_N [keV]; when left out it is the model's, or fixed by ``omega_h2``.
    omega_h2 : the abundance that fixes the mass.
    power : of :func:`spectra.power_table`; give it where the cosmology is traced.
    error_estimate : static; whether ``production.error`` is wanted, as for :func:`sterile.solve`.

    Returns
    -------
    :class:`Point`. T^2 is that of the spectrum's shape making up all dark matter.

    Raises
    ------
    ValueError
        If JAX is not in 64-bit mode, the mass is not positive or above m_S/2, the abundance is not
        positive, or the cosmology has no drive and classy is not installed.
    """
    require_x64()
    cosmology = Cosmology() if cosmology is None else cosmology
    plasma = Plasma() if plasma is None else plasma
    _check_target(model, mass_kev, omega_h2)
    if drive is None:
        drive = drive_of(None if isinstance(cosmology.h, jax.core.Tracer) else cosmology)
    grid = choose_grid(model, plasma) if grid is None else grid
    power = power_table(cosmology) if power is None else power
    return _evaluate(
        model, cosmology, plasma, mass_kev, omega_h2, drive, grid, power, error_estimate
    )


def evaluate_many(
    models: Model,
    cosmology: Cosmology | None = None,
    plasma: Plasma | None = None,
    mass_kev=None,
    omega_h2=0.12,
    drive=None,
) -> Point:
    """Many models, bucketed on the host by the grid that each needs, then vmapped.

    ``models``: a model with leaves of shape (n,); the rest as for :func:`evaluate`.
    Returns a :class:`Point` whose leaves have a leading axis of length n, in the order given.
    Histories have different lengths in different buckets and are left out: ``production`` is None.
    """
    require_x64()
    cosmology = Cosmology() if cosmology is None else cosmology
    plasma = Plasma() if plasma is None else plasma
    drive = drive_of(cosmology) if drive is None else drive
    power = power_table(cosmology)
    _check_target(models, mass_kev, omega_h2)
    grids, chosen = mechanism_of(models).prepare(models, plasma)
    solved, order = [], []
    for index, grid in enumerate(grids):
        rows = np.flatnonzero(chosen == index)
        batch = jax.tree.map(lambda leaf: leaf[rows], models)  # noqa: B023
        solved.append(
            _evaluate_batch(batch, cosmology, plasma, mass_kev, omega_h2, drive, grid, power)
        )
        order.append(rows)
    back = np.argsort(np.concatenate(order))
    return jax.tree.map(lambda *leaves: jnp.concatenate(leaves)[back], *solved)


@eqx.filter_jit
def _evaluate_batch(models, cosmology, plasma, mass_kev, omega_h2, drive, grid, power=None):
    def one(model):
        point = _evaluate(model, cosmology, plasma, mass_kev, omega_h2, drive, grid, power)
        return eqx.tree_at(lambda p: p.production, point, None)

    return jax.vmap(one)(models)


@eqx.filter_jit
def _evaluate(
    model, cosmology, plasma, mass_kev, omega_h2, drive, grid, power=None, error_estimate=False
):
    model = mechanism_of(model).with_abundance(model, omega_h2)
    production = solve_compiled(model, plasma, grid, error_estimate)
    spectrum = production.spectrum(mass_kev, omega_h2)
    curve = transfer(spectrum, cosmology, drive=drive)
    half = half_mode(curve, cosmology)
    power = power_table(cosmology) if power is None else power
    mechanism, status = mechanism_of(model), curve.status
    if mechanism.heaviest_mass_kev is not None:
        above = spectrum.mass_kev > mechanism.heaviest_mass_kev(model)
        status = jnp.where(above, Status.MASS_ABOVE_KINEMATIC_LIMIT, status)
    status = jnp.where(production.status == 0, status, production.status)
    return Point(
        yield_n=production.yield_n,
        q_mean=production.q_mean,
        q_rms=production.q_rms,
        mass_kev=spectrum.mass_kev,
        omega_h2=abundance_per_kev() * spectrum.mass_kev * production.yield_n,
        k_t2_half_h_mpc=half.k_t2_half_h_mpc,
        k_t_half_h_mpc=half.k_t_half_h_mpc,
        m_hm_t_half_msun_h=half.m_hm_t_half_msun_h,
        lambda_fs_mpc=free_streaming(spectrum, cosmology),
        **structure_numbers(curve, power, cosmology),
        spectrum=spectrum,
        transfer=curve,
        half_mode=half,
        production=production,
        status=status.astype(jnp.int32),
        numbers={name: getattr(production, name) for name in mechanism.numbers},
    )


def _check_target(model, mass_kev, omega_h2) -> None:
    """Refuse concrete targets that make no sense."""
    own = getattr(model, "mass_kev", None)
    if own is not None and mass_kev is not None:
        raise ValueError("mass_kev is a parameter of the model; leave the argument out")
    if mass_kev is None:
        name, value, fix = "omega_h2", omega_h2, "give the abundance, for example 0.12"
    else:
        name, value, fix = "mass_kev", mass_kev, "give m_N in keV"
    if isinstance(value, jax.core.Tracer):
        return
    if not (np.isfinite(value) and value > 0.0):
        raise ValueError(f"{name} = {value} must be positive and finite; {fix}")
    heaviest = mechanism_of(model).heaviest_mass_kev
    traced = any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves(model))
    if mass_kev is None or heaviest is None or traced:
        return
    limit = float(np.min(heaviest(model)))
    if float(mass_kev) > limit:
        raise ValueError(
            f"mass_kev = {float(mass_kev):g} is above the kinematic limit of {limit:g} keV (m_S/2 "
            "for S -> N N); give a smaller mass or a heavier parent"
        )
