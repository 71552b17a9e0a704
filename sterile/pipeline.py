"""The whole way from a model to structure: production, spectrum, transfer, half-mode, horizon."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from spectra.cosmology import Cosmology, as_float
from spectra.linear import (
    Drive,
    Transfer,
    Velocities,
    VelocityGrid,
    compile_transfer,
    drive_for,
    own_wavenumbers,
    transfer_of,
    velocities_of,
    velocity_grid,
)
from spectra.linear import drive as drive_of
from spectra.precision import require_x64
from spectra.programs import program
from spectra.spectrum import Spectrum
from spectra.structure import (
    HalfMode,
    Measured,
    PowerTable,
    free_streaming,
    measure,
    power_table,
)
from spectra.tracing import is_traced
from spectra.units import plain_numbers
from sterile.contract import Grid, Production, abundance_per_kev, relic_mass_kev
from sterile.mechanisms import mechanism_of
from sterile.models import Model, Plasma
from sterile.production import choose_grid, solve_compiled
from sterile.status import Status, is_failure


class Point(eqx.Module):
    """Everything about one model; names as in the JSON output.

    Attributes
    ----------
    yield_n, q_mean, q_rms, occupation_max : see :class:`sterile.Production`.
    numbers : the mechanism's own scalars by name; each is an attribute of the point, too, such as
        ``point.yield_s_max``.
    mass_kev : m_N [keV].
    omega_h2 : abundance of N, before any rescaling.
    k_t2_half_h_mpc, k_t_half_h_mpc : wavenumbers [h/Mpc] of T^2 = 1/2 and T = 1/2; NaN where not
        crossed, with a code in ``half_mode``.
    m_hm_t_half_msun_h : half-mode mass [Msun/h] of T = 1/2.
    lambda_fs_mpc : free-streaming horizon [comoving Mpc], <v> definition.
    delta_a, n_satellites, n_galaxies_z6_mpc3 : see :class:`spectra.structure.Measured`.
    spectrum, transfer, half_mode, production : the parts.
    status : int32; 0 is success, else a code of ``sterile.Status`` or ``spectra.Status``.
    """

    yield_n: Array
    q_mean: Array
    q_rms: Array
    occupation_max: Array
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
    production: Any  # a Production; None in a batch
    status: Array
    numbers: dict[str, Array]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name == "numbers" or name not in self.numbers:
            raise AttributeError(f"a point has no {name!r}")
        return self.numbers[name]


@plain_numbers
def evaluate(
    model: Model,
    cosmology: Cosmology | None = None,
    plasma: Plasma | None = None,
    mass_kev: ArrayLike | None = None,
    omega_h2: ArrayLike | None = 0.12,
    drive: Drive | None = None,
    grid: Grid | None = None,
    power: PowerTable | None = None,
    error_estimate: bool = False,
    hierarchies: str = "where needed",
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
    hierarchies : static, as for :func:`spectra.transfer`; a program of one's own compiles faster
        with "never", and says of fast dark matter that they are needed.

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
    check_target(model, mass_kev, omega_h2)
    model = mechanism_of(model).with_abundance(model, as_float(omega_h2))
    if drive is None:
        drive = drive_of(None if is_traced(cosmology.h) else cosmology)
    grid = choose_grid(model, plasma) if grid is None else grid
    drive = drive_for(cosmology, drive)
    power = power_table(cosmology) if power is None else power
    production = solve_compiled(model, plasma, grid, error_estimate)
    made, target = made_of(production), target_of(model, mass_kev, omega_h2)
    point = point_of(made, cosmology, target, drive, power, hierarchies)
    return dataclasses.replace(point, production=production)


def compile_production(
    model: Model, plasma: Plasma, omega_h2: ArrayLike, error_estimate: bool
) -> Production:
    """Begin to compile the first part of :func:`evaluate` in the background, arguments as there.

    Returns the production with ``jax.ShapeDtypeStruct`` for arrays: what else there is to compile
    needs their shapes.
    """
    model = mechanism_of(model).with_abundance(model, as_float(omega_h2))
    return solve_compiled.ahead(model, plasma, choose_grid(model, plasma), error_estimate)


def compile_rest(
    model: Model, production: Production, cosmology: Cosmology, mass_kev, omega_h2, drive, power
) -> dict:
    """The same for what follows from a production of :func:`compile_production`.

    Returns the fields of :class:`Point` that do.
    """
    given = _given(production, model)
    target = target_of(model, mass_kev, omega_h2)
    drive = drive_for(cosmology, drive)
    return follow_ahead(*given, cosmology, *target, drive, power)


def measured_of(fields: Mapping[str, Any]) -> Measured:
    """What has been measured of the transfer function among the fields of a :class:`Point`."""
    return Measured(**{name: fields[name] for name in Measured.__dataclass_fields__})


def _given(production: "Production | Made", model: Model) -> tuple[Any, Any, Any, Any, Any]:
    """What :func:`follow` asks of a production from a model."""
    heaviest = mechanism_of(model).heaviest_mass_kev
    if not is_traced(model):  # arithmetic with numpy's numbers compiles nothing
        model = jax.tree.map(np.asarray, model)
    limit = None if heaviest is None else heaviest(model)
    return production.q, production.f, production.yield_n, production.status, limit


class Made(eqx.Module):
    """What structure asks of a production; names as in :class:`sterile.Production`.

    Attributes
    ----------
    model, q, f, yield_n, q_mean, q_rms, occupation_max, status : as there.
    numbers : see :class:`Point`.
    """

    model: Model
    q: Array
    f: Array
    yield_n: Array
    q_mean: Array
    q_rms: Array
    occupation_max: Array
    status: Array
    numbers: dict[str, Array]


def made_of(production: Production) -> Made:
    numbers = mechanism_of(production.model).numbers
    return Made(
        model=production.model,
        q=production.q,
        f=production.f,
        yield_n=production.yield_n,
        q_mean=production.q_mean,
        q_rms=production.q_rms,
        occupation_max=production.occupation_max,
        status=production.status,
        numbers={name: getattr(production, name) for name in numbers},
    )


def point_of(made: Made, cosmology, target, drive, power, hierarchies) -> Point:
    """What follows from a production, which is left out."""
    mass, omega_h2 = target
    mass = getattr(made.model, "mass_kev", mass)
    return Point(
        **follow(*_given(made, made.model), cosmology, mass, omega_h2, drive, power, hierarchies),
        yield_n=made.yield_n,
        q_mean=made.q_mean,
        q_rms=made.q_rms,
        occupation_max=made.occupation_max,
        production=None,
        numbers=made.numbers,
    )


class Relic(eqx.Module):
    """What N is today.

    Attributes
    ----------
    spectrum, omega_h2, lambda_fs_mpc : as in :class:`Point`.
    too_heavy : bool, whether the mass is above what can be made.
    velocities : :class:`spectra.linear.Velocities`.
    """

    spectrum: Spectrum
    omega_h2: Array
    lambda_fs_mpc: Array
    too_heavy: Array
    velocities: Velocities


def follow(
    q, f, yield_n, code, heaviest_kev, cosmology, mass_kev, omega_h2, drive, power, hierarchies
) -> dict:
    """From a spectrum F_N(q), (n,) each, to structure; the fields of :class:`Point` that it has.

    ``code``: status of the production. ``heaviest_kev``: largest mass that it can make [keV], or
    None. ``mass_kev``: m_N [keV], or None: then ``omega_h2`` fixes it. ``hierarchies``: as for
    :func:`spectra.transfer`.
    """
    given = q, f, yield_n, heaviest_kev, cosmology, mass_kev, omega_h2
    made = relic(*given, velocity_grid(drive, cosmology))
    k = own_wavenumbers(drive)
    curve = transfer_of(made.velocities, cosmology, drive, k, hierarchies)
    return _fields(made, curve, structure(curve, made.too_heavy, code, cosmology, power))


def follow_ahead(
    q, f, yield_n, code, heaviest_kev, cosmology, mass_kev, omega_h2, drive, power
) -> dict:
    """Begin to compile :func:`follow` in the background: its result with shapes for arrays.

    What hierarchies take is left out.
    """
    given = q, f, yield_n, heaviest_kev, cosmology, mass_kev, omega_h2
    made = relic.ahead(*given, velocity_grid(drive, cosmology))
    curve = compile_transfer(made.velocities, cosmology, drive)
    return _fields(made, curve, structure.ahead(curve, made.too_heavy, code, cosmology, power))


def _fields(made: Relic, curve: Transfer, found: dict) -> dict:
    return {
        "mass_kev": made.spectrum.mass_kev,
        "omega_h2": made.omega_h2,
        "lambda_fs_mpc": made.lambda_fs_mpc,
        "spectrum": made.spectrum,
        "transfer": curve,
        **found,
    }


@program
def relic(q, f, yield_n, heaviest_kev, cosmology, mass_kev, omega_h2, grid: VelocityGrid) -> Relic:
    """What depends on the length of the table of F_N: a small program for each."""
    mass = relic_mass_kev(yield_n, omega_h2) if mass_kev is None else mass_kev
    spectrum = Spectrum(q, f, mass, 1.0)
    heaviest = jnp.inf if heaviest_kev is None else heaviest_kev
    return Relic(
        spectrum=spectrum,
        omega_h2=abundance_per_kev() * spectrum.mass_kev * yield_n,
        lambda_fs_mpc=free_streaming(spectrum, cosmology),
        too_heavy=spectrum.mass_kev > heaviest,
        velocities=velocities_of((spectrum,), jnp.ones(1), grid),
    )


@program
def structure(curve: Transfer, too_heavy, code, cosmology, power) -> dict:
    """What is measured of T², and the status of the whole."""
    measured = measure(curve, power, cosmology)
    # a caveat of production goes before one of structure, but hides no failure
    status = jnp.where((code == 0) | is_failure(curve.status), curve.status, code)
    status = jnp.where(too_heavy, Status.MASS_ABOVE_KINEMATIC_LIMIT, status)
    status = jnp.where(is_failure(code), code, status)
    return {
        **measured.numbers(),
        "half_mode": measured.half_mode,
        "status": status.astype(jnp.int32),
    }


def target_of(model, mass_kev, omega_h2) -> tuple[Array | None, Array]:
    """The mass, or None, and the abundance as arrays: their values are no part of a program."""
    mass = getattr(model, "mass_kev", mass_kev)
    return None if mass is None else as_float(mass), as_float(omega_h2)


def check_target(model, mass_kev, omega_h2) -> None:
    """Refuse concrete targets that make no sense."""
    own = getattr(model, "mass_kev", None)
    if own is not None and mass_kev is not None:
        raise ValueError("mass_kev is a parameter of the model; leave the argument out")
    if mass_kev is None:
        name, value, fix = "omega_h2", omega_h2, "give the abundance, for example 0.12"
    else:
        name, value, fix = "mass_kev", mass_kev, "give m_N in keV"
    if is_traced(value):
        return
    if not (np.isfinite(value) and value > 0.0):
        raise ValueError(f"{name} = {value} must be positive and finite; {fix}")
    heaviest = mechanism_of(model).heaviest_mass_kev
    traced = is_traced(model)
    if mass_kev is None or heaviest is None or traced:
        return
    limit = float(np.min(heaviest(model)))
    if float(mass_kev) > limit:
        raise ValueError(
            f"mass_kev = {float(mass_kev):g} is above the kinematic limit of {limit:g} keV (m_S/2 "
            "for S -> N N); give a smaller mass or a heavier parent"
        )
