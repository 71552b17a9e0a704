"""The whole way from a model to structure: production, spectrum, transfer, half-mode, horizon."""

from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from spectra.cosmology import Cosmology, as_float
from spectra.linear import Drive, Transfer, transfer
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
from spectra.units import plain
from sterile.contract import Grid, Production, abundance_per_kev, relic_mass_kev
from sterile.mechanisms import mechanism_of
from sterile.models import Model, Plasma
from sterile.production import choose_grid, solve_compiled
from sterile.status import Status

# models that are vmapped together: more gain little and cost memory
_MOST_TOGETHER = 8


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
    delta_a, n_satellites, n_galaxies_z6_mpc3 : see :class:`spectra.structure.Measured`.
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
    mass_kev = plain(mass_kev, "keV")
    _check_target(model, mass_kev, omega_h2)
    model = mechanism_of(model).with_abundance(model, as_float(omega_h2))
    if drive is None:
        drive = drive_of(None if is_traced(cosmology.h) else cosmology)
    grid = choose_grid(model, plasma) if grid is None else grid
    power = power_table(cosmology) if power is None else power
    production = solve_compiled(model, plasma, grid, error_estimate)
    target = _target(model, mass_kev, omega_h2)
    if hierarchies == "where needed" and not is_traced((production, cosmology, target, drive)):
        point = _point(production, cosmology, target, drive, power, "never")
        if not bool(point.transfer.fast):
            return point
        hierarchies = "always"
    return _point(production, cosmology, target, drive, power, hierarchies)


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
    target = _target(model, mass_kev, omega_h2)
    return follow.ahead(*given, cosmology, *target, drive, power, "never")


def measured_of(fields: Mapping[str, Any]) -> Measured:
    """What has been measured of the transfer function among the fields of a :class:`Point`."""
    return Measured(**{name: fields[name] for name in Measured.__dataclass_fields__})


def _given(production: Production, model: Model) -> tuple:
    """What :func:`follow` asks of a production from a model."""
    heaviest = mechanism_of(model).heaviest_mass_kev
    if not is_traced(model):  # arithmetic with numpy's numbers compiles nothing
        model = jax.tree.map(np.asarray, model)
    limit = None if heaviest is None else heaviest(model)
    return production.q, production.f, production.yield_n, production.status, limit


def evaluate_many(
    models: Model,
    cosmology: Cosmology | None = None,
    plasma: Plasma | None = None,
    mass_kev: ArrayLike | None = None,
    omega_h2: ArrayLike | None = 0.12,
    drive: Drive | None = None,
) -> Point:
    """Many models, bucketed on the host by the grid that each needs, then vmapped.

    Parameters
    ----------
    models : a model with leaves of shape (n,).
    cosmology, plasma, mass_kev, omega_h2, drive : as for :func:`evaluate`, one for all.

    Returns
    -------
    :class:`Point` whose leaves have a leading axis of length n, in the order given. Histories have
    different lengths in different buckets and are left out: ``production`` is None.
    """
    require_x64()
    cosmology = Cosmology() if cosmology is None else cosmology
    plasma = Plasma() if plasma is None else plasma
    mass_kev = plain(mass_kev, "keV")
    drive = drive_of(cosmology) if drive is None else drive
    power = power_table(cosmology)
    _check_target(models, mass_kev, omega_h2)
    target = _target(None, mass_kev, omega_h2)
    grids, chosen = mechanism_of(models).prepare(models, plasma)
    chunks = [
        (grid, part)
        for index, grid in enumerate(grids)
        for part in _chunks(np.flatnonzero(chosen == index))
    ]

    def arguments(grid, part):
        batch = jax.tree.map(lambda leaf: leaf[part], models)
        return batch, cosmology, plasma, target, drive, grid, power

    calls = [arguments(*chunk) for chunk in chunks]
    for call in calls:
        _evaluate_batch.ahead(*call, "never")
    solved = [_evaluated(*call) for call in calls]
    _, first = np.unique(np.concatenate([part for _, part in chunks]), return_index=True)
    return jax.tree.map(lambda *leaves: jnp.concatenate(leaves)[first], *solved)


def _chunks(rows: np.ndarray) -> list[np.ndarray]:
    """Rows in parts of one, two, four or eight: few programs, however many models there are.

    The last part is filled up with copies of its last row.
    """
    size = min(_MOST_TOGETHER, 1 << max(rows.size - 1, 0).bit_length())
    padded = np.concatenate([rows, np.full(-rows.size % size, rows[-1])])
    return list(padded.reshape(-1, size))


def _evaluated(*call) -> Point:
    """A batch; few have fast dark matter, and only those wait for the program that solves it."""
    point = _evaluate_batch(*call, "never")
    return _evaluate_batch(*call, "where needed") if jnp.any(point.transfer.fast) else point


@program
def _evaluate_batch(models, cosmology, plasma, target, drive, grid, power, hierarchies):
    def one(model):
        model = mechanism_of(model).with_abundance(model, target[1])
        production = solve_compiled(model, plasma, grid, False)
        mass = getattr(model, "mass_kev", target[0])
        point = _point(production, cosmology, (mass, target[1]), drive, power, hierarchies)
        return eqx.tree_at(lambda p: p.production, point, None)

    return jax.vmap(one)(models)


def _point(production: Production, cosmology, target, drive, power, hierarchies) -> Point:
    """What follows from a production: structure by one program, whatever made the spectrum."""
    mechanism = mechanism_of(production.model)
    return Point(
        **follow(
            *_given(production, production.model), cosmology, *target, drive, power, hierarchies
        ),
        yield_n=production.yield_n,
        q_mean=production.q_mean,
        q_rms=production.q_rms,
        production=production,
        numbers={name: getattr(production, name) for name in mechanism.numbers},
    )


@program
def follow(
    q, f, yield_n, code, heaviest_kev, cosmology, mass_kev, omega_h2, drive, power, hierarchies
) -> dict:
    """From a spectrum F_N(q), (n,) each, to structure; the fields of :class:`Point` that it has.

    ``code``: status of the production. ``heaviest_kev``: largest mass that it can make [keV], or
    None. ``mass_kev``: m_N [keV], or None: then ``omega_h2`` fixes it. ``hierarchies``: as for
    :func:`spectra.transfer`.
    """
    mass = relic_mass_kev(yield_n, omega_h2) if mass_kev is None else mass_kev
    spectrum = Spectrum(q, f, mass, 1.0)
    curve = transfer(spectrum, cosmology, drive=drive, hierarchies=hierarchies)
    measured = measure(curve, power, cosmology)
    status = curve.status
    if heaviest_kev is not None:
        above = spectrum.mass_kev > heaviest_kev
        status = jnp.where(above, Status.MASS_ABOVE_KINEMATIC_LIMIT, status)
    status = jnp.where(code == 0, status, code)
    return {
        "mass_kev": spectrum.mass_kev,
        "omega_h2": abundance_per_kev() * spectrum.mass_kev * yield_n,
        "lambda_fs_mpc": free_streaming(spectrum, cosmology),
        **measured.numbers(),
        "spectrum": spectrum,
        "transfer": curve,
        "half_mode": measured.half_mode,
        "status": status.astype(jnp.int32),
    }


def _target(model, mass_kev, omega_h2):
    """The mass, or None, and the abundance as arrays: their values are no part of a program."""
    mass = getattr(model, "mass_kev", mass_kev)
    return None if mass is None else as_float(mass), as_float(omega_h2)


def _check_target(model, mass_kev, omega_h2) -> None:
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
