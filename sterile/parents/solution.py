"""Any parent X of sterile neutrinos, X -> N + ..., made in any way: one solver for all.

A :class:`Parent` has a mass, a width, spin states and statistics, and decays to N and N, or to one
N and a partner. A source says where it comes from:

    AlreadyThere   a spectrum at the start, decays alone: an inflaton, moduli, a decoupled relic
    FromRate       df/dt = gain(p, T), with its inverse or without: freeze-in by whatever process
    FromDecay      freeze-in from B -> X + Y, B in the bath
    FromPairs      X X <-> bath with a reduced cross section W(s): freeze-in and freeze-out

f is per spin state, lives on the lattice of the scalar S and obeys the same equation; N comes from
the same integral. A parent of rest-frame momentum p_* = (m^2 - m_p^2)/2m, in place of m/2, gives

    F_N(q) = (number per decay) g_X/(2 r^3) F(q/r),    r = 2 p_*/m,

with F the spectrum of a scalar of the same f that decays to two massless particles. Above m_p > 0
the partner counts as radiation in H. Bose enhancement and Pauli blocking of X enter through f_eq
alone.
"""

import dataclasses
import math
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array
from jax.typing import ArrayLike

from spectra.cosmology import as_float
from spectra.precision import require_x64
from spectra.programs import program
from spectra.tracing import is_traced
from spectra.units import plain_numbers
from sterile.bath import expansion as bath
from sterile.contract import Production
from sterile.models import Plasma
from sterile.scalar import (
    FLOOR,
    FREEZE_OUT,
    Grid,
    Particle,
    ScalarHistory,
    ScalarYields,
    decay_spectrum,
    energy,
    evolve,
    momentum_grid,
    spectrum_moments,
    tabulate,
    yield_weights,
)
from sterile.status import Status

_HEAVIEST = 200.0  # m_B/m: at T = 2000 m_X less than 1e-4 of X has been made
_COLD = (0.025, 0.6)  # q of a parent at rest and its spread in ln q: what the lattice resolves
_OF_PLASMA = (
    "constant_g",
    "dark_sector_in_hubble",
    "fluid_w",
    "fluid_density_ratio",
    "fluid_temperature_gev",
    "fluid_width_gev",
    "reheating_temperature_gev",
    "release",
)
_in_gev = partial(as_float, unit="GeV")
_STATISTICS = {"maxwell-boltzmann": 0, "bose-einstein": 1, "fermi-dirac": -1}


class Parent(eqx.Module):
    """What decays.

    Attributes
    ----------
    mass_gev : m [GeV].
    width_gev : Gamma of the decays that make N [GeV].
    partner_mass_gev : m_p [GeV] of what is emitted with N, below m; 0 for N N.
    states : spin states g_X, antiparticles included, static.
    neutrinos_per_decay : 1 or 2, static; 2 needs no partner.
    statistics : "maxwell-boltzmann", "bose-einstein" or "fermi-dirac", static: that of f_eq.

    Raises
    ------
    ValueError
        If a value is not available or outside its range.
    """

    mass_gev: Array = eqx.field(converter=_in_gev)
    width_gev: Array = eqx.field(converter=_in_gev)
    partner_mass_gev: Array = eqx.field(default=0.0, converter=_in_gev)
    states: int = eqx.field(static=True, default=1)
    neutrinos_per_decay: int = eqx.field(static=True, default=2)
    statistics: str = eqx.field(static=True, default="maxwell-boltzmann")

    def __check_init__(self):
        if self.statistics not in _STATISTICS:
            raise ValueError(
                f'parent statistics = "{self.statistics}" is not available; the allowed values '
                f"are {', '.join(_STATISTICS)}"
            )
        if self.neutrinos_per_decay not in (1, 2):
            raise ValueError(
                f"parent neutrinos_per_decay = {self.neutrinos_per_decay} is not 1 or 2; more "
                "than two bodies are not available"
            )
        if self.states < 1:
            raise ValueError(f"parent states = {self.states} is below 1; give the spin states")
        numbers = self.mass_gev, self.width_gev, self.partner_mass_gev
        if is_traced(numbers):
            return
        mass, width, partner = map(float, numbers)
        if not (mass > 0.0 and width > 0.0):
            raise ValueError(
                f"parent mass_gev = {mass:g} and width_gev = {width:g} must be positive; give GeV"
            )
        if not 0.0 <= partner < mass or (partner > 0.0 and self.neutrinos_per_decay == 2):
            raise ValueError(
                f"parent partner_mass_gev = {partner:g} is outside the allowed range [0, "
                f"{mass:g}), or N is its own partner; set neutrinos_per_decay = 1 or no mass"
            )


# A function given to a source is part of the compiled program; an eqx.Module with __call__ may
# hold arrays, which are traced and differentiated.
class AlreadyThere(eqx.Module):
    """f at the start, T = 2000 m.

    ``occupation``: a function of the comoving momentum q = p/T_gamma today, (n,).
    """

    occupation: Callable


class FromRate(eqx.Module):
    """df/dt = gain (1 - f/f_eq), or gain alone where not ``reversible``.

    ``gain``: [GeV], a JAX function of p, (n,), and T, both in GeV.
    """

    gain: Callable
    reversible: bool = eqx.field(static=True, default=True)


class FromDecay(eqx.Module):
    """B -> X + Y from a Maxwell-Boltzmann bath particle B, and back.

    Attributes
    ----------
    mass_gev, width_gev : of B and of this decay [GeV]; B is at most 200 times heavier than X.
    partner_mass_gev : of Y [GeV]; not used for two X.
    states : spin states of B, static.
    parents_per_decay : X in the final state, 1 or 2, static.
    """

    mass_gev: Array = eqx.field(converter=_in_gev)
    width_gev: Array = eqx.field(converter=_in_gev)
    partner_mass_gev: Array = eqx.field(default=0.0, converter=_in_gev)
    states: int = eqx.field(static=True, default=1)
    parents_per_decay: int = eqx.field(static=True, default=1)


class FromPairs(eqx.Module):
    """X X <-> bath: sigma v_Moller = W/(4 E_1 E_2), spins averaged.

    ``w_hat``: the smooth W(s) [1], a function of s in GeV^2, any shape.
    """

    w_hat: Callable


class Details(eqx.Module):
    """What a parent says beside the spectrum of N; as :class:`sterile.scalar.production.Details`.

    ``yield_x_max`` is the largest Y_X, of all spin states.
    """

    yield_n_spectrum: Array
    yield_x_max: Array
    density_ratio_max: Array
    radiation_ratio_max: Array
    scalar: ScalarHistory


@plain_numbers
def cold(number: ArrayLike) -> AlreadyThere:
    """A parent at rest with ``number`` = n_X/(g_X a_T^3), an inflaton for example.

    q = 0.04: far below what the decay gives, and what is thermal. (p/m is 0.1 at T = m.)
    """
    return AlreadyThere(_Cold(as_float(number)))


class _Cold(eqx.Module):
    number: Array

    def __call__(self, q):
        centre, width = _COLD
        # of exp(-(ln(q/c)/w)^2): c^3 w sqrt(pi) exp(9 w^2/4)/(2 pi^2)
        unit = centre**3 * width * math.exp(2.25 * width**2) / (2.0 * math.pi**1.5)
        return self.number / unit * jnp.exp(-((jnp.log(q / centre) / width) ** 2))


def solve_parent(
    parent: Parent,
    source: AlreadyThere | FromRate | FromDecay | FromPairs,
    plasma: Plasma | None = None,
    grid: Grid = FREEZE_OUT,
) -> Production:
    """Neutrinos from ``parent`` made by ``source``; works under jit, vmap and grad.

    Parameters
    ----------
    parent : :class:`Parent`.
    source : one of the classes of this module.
    plasma : its constant_g, dark_sector_in_hubble and expansion count; the rest is about S.
    grid : resolution, static; ``FREEZE_IN`` has no collisions below T = m/30.

    Raises
    ------
    ValueError
        If JAX is not in 64-bit mode, or B is lighter than its decay products or too heavy.
    """
    require_x64()
    plasma = Plasma() if plasma is None else plasma
    # whatever happens at T_EW is in the source
    plasma = dataclasses.replace(
        Plasma(contact_only=True), **{name: getattr(plasma, name) for name in _OF_PLASMA}
    )
    if isinstance(source, FromDecay):
        _check_decay(parent, source)
    return _solve(parent, source, bath.tabulated(plasma), grid)


class _Equivalent(NamedTuple):
    """The scalar of the same mass and width with two massless daughters."""

    scalar_mass_gev: Array
    yukawa: Array
    neutrino: str = "majorana"


@program
def _solve(parent, source, plasma, grid):
    star = parent.mass_gev / FLOOR
    contact = 0.0
    if isinstance(source, FromDecay):
        source = FromRate(decay_gain(parent, source))
    if isinstance(source, FromPairs):
        # only for what has been made before the start; <s> is about 20 T^2
        early = source.w_hat(20.0 * (grid.start * parent.mass_gev) ** 2)
        contact = parent.states * early / (8.0 * jnp.pi**2)
    particle = Particle(
        mass_gev=parent.mass_gev,
        width_gev=parent.width_gev,
        contact=contact,
        log_q=grid.log_q,
        log_step=grid.log_step,
        peak=None,
        star=(star, bath.comoving_temperature_gev(star, plasma)),
        gravitates=plasma.dark_sector_in_hubble,
        states=float(parent.states),
        statistics=_STATISTICS[parent.statistics],
        gain=source.gain if isinstance(source, FromRate) else None,
        reversible=isinstance(source, FromRate) and source.reversible,
        w_hat=source.w_hat if isinstance(source, FromPairs) else None,
    )
    start = None
    if isinstance(source, AlreadyThere):
        start = source.occupation(jnp.exp(jnp.asarray(grid.log_q)))
    yukawa = jnp.sqrt(16.0 * jnp.pi * parent.width_gev / parent.mass_gev)
    scalar = _Equivalent(parent.mass_gev, yukawa)
    history = evolve(scalar, particle, plasma, grid, start)

    ratio = 1.0 - (parent.partner_mass_gev / parent.mass_gev) ** 2  # 2 p_*/m
    each = parent.neutrinos_per_decay * parent.states
    q = momentum_grid(history, scalar)
    number = history.f @ jnp.exp(3.0 * history.log_q)
    most = history.f[jnp.argmax(number)] * jnp.exp(3.0 * history.log_q)
    typical = jax.lax.stop_gradient(jnp.sum(most * jnp.exp(history.log_q)) / jnp.sum(most))
    f = decay_spectrum(history, scalar, grid, q, history.clock[-1], typical)
    q, f = tabulate(ratio * q, 0.5 * each / ratio**3 * f)

    moments, mean, root = spectrum_moments(q, f)
    yield_n = each * history.decayed
    yield_x = parent.states * (history.f @ yield_weights(grid))
    finite = jnp.all(jnp.isfinite(f)) & (yield_n[-1] > 0.0)
    wrong = jnp.abs(moments / yield_n[-1] - 1.0) > 1e-3
    status = jnp.where(wrong, Status.NOT_CONVERGED, Status.SUCCESS)
    return Production(
        q=q,
        f=f,
        yield_n=yield_n[-1],
        q_mean=mean,
        q_rms=root,
        history=ScalarYields(history.temperature_gev, yield_n, yield_x),
        status=jnp.where(finite, status, Status.NON_FINITE).astype(jnp.int32),
        model=parent,
        plasma=plasma,
        grid=grid,
        details=Details(
            yield_n_spectrum=moments,
            yield_x_max=jnp.max(yield_x),
            density_ratio_max=jnp.max(history.density_ratio),
            radiation_ratio_max=jnp.max(history.radiation_ratio),
            scalar=history,
        ),
    )


def decay_gain(parent: Parent, source: FromDecay) -> Callable:
    """df_X/dt [GeV] of ``parent`` X from ``source``, B -> X + Y, as a function of p and T [GeV].

    kappa g_B Gamma M^2/(2 g_X p_* p E) integral of f_B dE_B over the B that reach p, f_B =
    exp(-E_B/T): at most M/m^2 (E E_* + p p_*), E_* and p_* of X in the rest frame of B.
    """
    mass, heavy = parent.mass_gev, source.mass_gev
    own = mass if source.parents_per_decay == 2 else source.partner_mass_gev
    at_rest = (heavy**2 + mass**2 - own**2) / (2.0 * heavy)
    momentum = jnp.sqrt(at_rest**2 - mass**2)
    strength = source.parents_per_decay * source.states * source.width_gev * heavy**2
    strength = strength / (2.0 * parent.states * momentum)

    def gain(p, temperature):
        e = energy(p, mass)
        highest = heavy / mass**2 * (e * at_rest + p * momentum)
        # E_B^- without cancellation: E_+ E_- = (M/m)^2 (E_*^2 + p^2)
        lowest = (heavy / mass) ** 2 * (at_rest**2 + p**2) / highest
        width = -jnp.expm1(-(highest - lowest) / temperature)
        return strength * temperature / (p * e) * jnp.exp(-lowest / temperature) * width

    return gain


def _check_decay(parent, source) -> None:
    """Refuse concrete masses that make no sense."""
    numbers = parent.mass_gev, source.mass_gev, source.partner_mass_gev
    if is_traced(numbers):
        return
    mass, heavy, other = map(float, numbers)
    low = 2.0 * mass if source.parents_per_decay == 2 else mass + other
    if not low < heavy <= _HEAVIEST * mass:
        raise ValueError(
            f"mass_gev = {heavy:g} of the bath particle is outside the allowed range ({low:g}, "
            f"{_HEAVIEST * mass:g}]: it has to decay to X, after T = 2000 m"
        )
