"""Decays of any parent as a kind: what decays, and how it got there, by numbers alone."""

import dataclasses
from typing import ClassVar, NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax import Array

from spectra.numerics import interpolate
from spectra.structure import Verdict, VerdictStatus, judged
from spectra.tracing import is_traced
from sterile.bath import hubble_gev, thermodynamics
from sterile.contract import Choices, Dataset, ErrorEstimate, Mechanism, Production, Refinement
from sterile.models import Model, Plasma, in_range, parameter, switch
from sterile.parents import account
from sterile.parents.solution import AlreadyThere, FromDecay, FromPairs, Parent, cold, solve_parent
from sterile.quantities import Quantity
from sterile.scalar import (
    FREEZE_IN,
    FREEZE_OUT,
    Grid,
    ScalarYields,
    accuracy,
    require_standard_clock,
    stretched,
    yield_weights,
)
from sterile.status import Status

_KEV_GEV = 1e-6
NUCLEOSYNTHESIS_GEV = 4e-3
# what each origin needs
_ORIGINS = {
    "at-rest": ("parent_yield",),
    "thermal": ("parent_temperature_ratio",),
    "bath-decay": ("bath_mass_gev", "bath_width_gev"),
    "pairs": ("pair_amplitude",),
}
# of P from the start. Decays in less than 3e-6 of a Hubble time at T = m_P come before T = 100 m_P,
# where P is not at rest, and whatever made it is not over
_PROMPT = 3e5
# f of a P as cold as T_gamma/100 begins to fall at q = 0.01
_COLDEST = {"q_min": 1e-4, "momenta": FREEZE_IN.momenta + 17}
_THERE = dataclasses.replace(FREEZE_IN, angles=80, hot_steps=4, late_units=130)
# rates that grow as (m/T)^3 while P is hot, and decays at 1e-9 m_P
_MADE = dataclasses.replace(FREEZE_OUT, hot_steps=4, late_units=125)
_GRIDS = {
    "at-rest": _THERE,
    "thermal": dataclasses.replace(_THERE, **_COLDEST),
    "bath-decay": _MADE,
    "pairs": _MADE,
}
_HEAVIEST_BATH = 200.0  # m_B/m_P, as in sterile.parents.solution


class _Spin(NamedTuple):
    states: int
    statistics: str
    sign: float


_SPINS = {
    "scalar": _Spin(1, "bose-einstein", -1.0),
    "majorana-fermion": _Spin(2, "fermi-dirac", 1.0),
    "dirac-fermion": _Spin(4, "fermi-dirac", 1.0),
    "vector": _Spin(3, "bose-einstein", -1.0),
}


class ParentDecay(Model):
    """A parent P of any spin that decays to N N, or to N and a partner, P -> N chi.

    P is there from the start, at rest or as a decoupled thermal relic, or freezes in from decays of
    a bath particle, B -> P Y, or annihilates with a constant rate, P P <-> bath.

    Attributes
    ----------
    mass_kev : m_N [keV].
    parent_mass_gev, width_gev : of P and of its decay to N [GeV].
    partner_mass_gev : of chi [GeV], or None: P -> N N.
    parent_yield : n_P/s of a P at rest ("at-rest"), all spin states.
    parent_temperature_ratio : T_P/T_gamma, as of today, of a decoupled P ("thermal").
    bath_mass_gev, bath_width_gev, bath_partner_mass_gev : m_B, Gamma(B -> P Y) summed over the spin
        states of B, and m_Y [GeV] ("bath-decay").
    pair_amplitude : constant W of P P <-> bath, sigma v = W/(4 E_1 E_2) ("pairs").
    origin, spin : static choices. f_eq of P is Maxwell-Boltzmann unless the plasma's statistics are
        quantum.
    """

    kind: ClassVar[str] = "parent-decay"
    shown: ClassVar[tuple[str, ...]] = ("parent_yield",)
    mass_kev: Array = parameter("keV", "mass m_N", 1e-3, 1e6, typical=7.0, symbol=r"$m_N$ [keV]")
    parent_mass_gev: Array = parameter(
        "GeV", "mass of P", 1e-2, 1e5, typical=100.0, symbol=r"$m_P$ [GeV]"
    )
    width_gev: Array = parameter(
        "GeV", "width of P's decay to N", 1e-26, 1e-8, typical=1e-18, symbol=r"$\Gamma_P$ [GeV]"
    )
    partner_mass_gev: Array | None = parameter(
        "GeV",
        "mass of the partner chi in P -> N chi",
        0.0,
        1e5,
        typical=20.0,
        fix="give the mass of chi, below that of P, or leave it out for P -> N N",
        symbol=r"$m_\chi$ [GeV]",
        optional=True,
    )
    parent_yield: Array | None = parameter(
        "1", "yield n_P/s of a P at rest", 1e-20, 1e-1, typical=1e-6, symbol="$Y_P$", optional=True
    )
    parent_temperature_ratio: Array | None = parameter(
        "1", "T_P/T_gamma, as of today, of a decoupled P", 1e-2, 1.0, typical=0.3, optional=True
    )
    bath_mass_gev: Array | None = parameter(
        "GeV", "mass of B in B -> P Y", 1e-2, 1e7, typical=400.0, optional=True
    )
    bath_width_gev: Array | None = parameter(
        "GeV", "width of B -> P Y, all spin states of B", 1e-30, 1e-10, typical=1e-19, optional=True
    )
    bath_partner_mass_gev: Array | None = parameter(
        "GeV", "mass of Y in B -> P Y", 0.0, 1e7, typical=150.0, optional=True
    )
    pair_amplitude: Array | None = parameter(
        "1", "W of P P <-> bath, constant", 1e-24, 1e-2, typical=1e-6, symbol="$W$", optional=True
    )
    origin: str = switch("where P comes from", *_ORIGINS)
    spin: str = switch("what P is", *_SPINS)

    def __check_init__(self):
        wanted = _ORIGINS[self.origin]
        extra = () if self.origin == "bath-decay" else ("bath_partner_mass_gev",)
        for name in (*(field for fields in _ORIGINS.values() for field in fields), *extra):
            given = getattr(self, name) is not None
            if name in wanted and not given:
                raise ValueError(
                    f'model {name} is missing; origin = "{self.origin}" needs {", ".join(wanted)}'
                )
            if given and name not in wanted:
                raise ValueError(f'model {name} has no use for origin = "{self.origin}"; remove it')
        if is_traced(self):
            return
        if not np.all(_is_open(self)):
            raise ValueError(
                f"model parent_mass_gev = {float(np.min(self.parent_mass_gev)):g} is below the "
                "kinematic limit: m_N + partner_mass_gev has to be below it, and it with "
                "bath_partner_mass_gev below bath_mass_gev, at most 200 times heavier; change a "
                "mass"
            )
        if not np.all(_lasts(self)):
            longest = float(np.min(_PROMPT * hubble_gev(self.parent_mass_gev)))
            raise ValueError(
                f"model width_gev = {float(np.max(self.width_gev)):g} makes a P that is there from "
                f"the start decay at T > 100 m_P, before it is at rest or has decoupled; give at "
                f'most {longest:.3g}, or origin = "bath-decay" or "pairs"'
            )


def _lasts(model: ParentDecay):
    """Whether a P that is there from the start is there when the solver starts."""
    if model.origin not in ("at-rest", "thermal"):
        return True
    return model.width_gev <= _PROMPT * hubble_gev(model.parent_mass_gev)


def _is_open(model: ParentDecay):
    """Whether the decays are allowed by energy."""
    partner = model.partner_mass_gev
    partner = _KEV_GEV * model.mass_kev if partner is None else partner
    found = _KEV_GEV * model.mass_kev + partner < model.parent_mass_gev
    if model.bath_mass_gev is None:
        return found
    found = found & (model.parent_mass_gev + _of_y(model) < model.bath_mass_gev)
    return found & (model.bath_mass_gev <= _HEAVIEST_BATH * model.parent_mass_gev)


def _of_y(model: ParentDecay):
    return 0.0 if model.bath_partner_mass_gev is None else model.bath_partner_mass_gev


class _Thermal(eqx.Module):
    """f(q) of a decoupled parent, per spin state."""

    ratio: Array
    sign: float = eqx.field(static=True)

    def __call__(self, q):
        return 1.0 / (jnp.exp(q / self.ratio) + self.sign)


class _Constant(eqx.Module):
    """W(s) that does not depend on s."""

    value: Array

    def __call__(self, s):
        return self.value + 0.0 * s


def _source(model: ParentDecay, grid: Grid):
    states = _SPINS[model.spin].states
    if model.origin == "at-rest":
        assert model.parent_yield is not None
        # what cold(1) gives, in n/s: one number of a_T^3 per spin state
        one = states * jnp.sum(yield_weights(grid) * cold(1.0).occupation(np.exp(grid.log_q)))
        return cold(model.parent_yield / one)
    if model.origin == "thermal":
        assert model.parent_temperature_ratio is not None
        return AlreadyThere(_Thermal(model.parent_temperature_ratio, _SPINS[model.spin].sign))
    if model.origin == "bath-decay":
        return FromDecay(model.bath_mass_gev, model.bath_width_gev, _of_y(model))
    assert model.pair_amplitude is not None
    return FromPairs(_Constant(model.pair_amplitude))


def default_grid(model) -> Grid:
    """Without collisions at the end where none are possible."""
    return _GRIDS[model.origin]


def _prepare(models, plasma) -> Choices:
    sizes = [np.size(v) for v in vars(models).values() if not isinstance(v, str | None)]
    found: dict[Grid, int] = {}
    masses = np.broadcast_to(models.parent_mass_gev, max(sizes)).tolist()
    index = [
        found.setdefault(stretched(default_grid(models), mass, plasma), len(found))
        for mass in masses
    ]
    return Choices(list(found), np.array(index))


def _shared_grid(models, plasma) -> Grid:
    """That of the heaviest parent."""
    return stretched(default_grid(models), float(np.max(models.parent_mass_gev)), plasma)


def solve(model: ParentDecay, plasma: Plasma, grid, error_estimate) -> Production:
    """By :func:`sterile.parents.solve_parent`; its plasma's constant_g and gravity count."""
    if grid is None:
        require_standard_clock(plasma)
        grid = default_grid(model)
    found = _solve(model, plasma, grid)
    if not error_estimate:
        return found
    coarse = _solve(model, plasma, accuracy.rescaled(grid, accuracy.COARSER))
    return dataclasses.replace(found, error=_difference(found, coarse))


def _solve(model, plasma, grid) -> Production:
    spin = _SPINS[model.spin]
    quantum = plasma.bath_statistics == "quantum"
    parent = Parent(
        model.parent_mass_gev,
        model.width_gev,
        0.0 if model.partner_mass_gev is None else model.partner_mass_gev,
        states=spin.states,
        neutrinos_per_decay=2 if model.partner_mass_gev is None else 1,
        statistics=spin.statistics if quantum else "maxwell-boltzmann",
    )
    found = solve_parent(parent, _source(model, grid), plasma, grid)
    inside = in_range(model) & _is_open(model) & _lasts(model)
    status = jnp.where(inside, found.status, Status.OUT_OF_RANGE).astype(jnp.int32)
    return dataclasses.replace(found, model=model, plasma=plasma, status=status)


def _difference(fine: Production, coarse: Production) -> ErrorEstimate:
    """How far the coarser solution is off: a bound on the error of the finer one."""
    log_f = jnp.log(jnp.maximum(coarse.f, 1e-150))
    inside = jnp.clip(jnp.log(fine.q), jnp.log(coarse.q[0]), jnp.log(coarse.q[-1]))
    between = jnp.exp(interpolate(inside, jnp.log(coarse.q), log_f))
    shape = fine.q**2 * fine.f
    change = jnp.max(jnp.abs(fine.q**2 * between - shape)) / jnp.max(shape)
    return ErrorEstimate(
        jnp.abs(coarse.yield_n / fine.yield_n - 1.0) + accuracy.FLOOR,
        jnp.abs(coarse.q_mean / fine.q_mean - 1.0) + accuracy.FLOOR,
        change + accuracy.FLOOR,
    )


def lifetime(model: ParentDecay, point, cosmology) -> dict[str, Verdict]:
    """P gone before nucleosynthesis: Gamma above H at T = 4 MeV."""
    ratio = model.width_gev / hubble_gev(jnp.asarray(NUCLEOSYNTHESIS_GEV))
    return {
        "parent-lifetime": judged(
            ratio,
            [(jnp.log10(ratio), VerdictStatus.FORBIDDEN)],
            1.0,
            "radiation domination by T = 4 MeV, Hannestad astro-ph/0403291",
            "Gamma_P/H(4 MeV); margin in dex; no likelihood: P may be too rare to matter",
        )
    }


def _datasets(production: Production) -> dict[str, Dataset]:
    history = production.history
    assert isinstance(history, ScalarYields)
    return {"history/yield_x": Dataset(history.yield_s, "1", "parents per entropy, n_P/s")}


PARENT_DECAY = Mechanism(
    model=ParentDecay,
    solve=solve,
    prepare=_prepare,
    smooth_grid=_shared_grid,
    shared_grid=_shared_grid,
    refinement=Refinement(accuracy.refined, _difference, accuracy.FLOOR),
    robust=lambda grid: accuracy.refined(accuracy.refined(grid)),
    heaviest_mass_kev=lambda model: 0.5e6 * model.parent_mass_gev,
    numbers={"yield_x_max": Quantity("1", "largest yield of the parent", r"$Y_P^{\rm max}$")},
    bounds=lifetime,
    datasets=_datasets,
    plane=("parent_mass_gev", "width_gev"),
    excluded={"parent-lifetime": "P decays after nucleosynthesis"},
    citations=(thermodynamics.CITATION,),
    account=account.account,
    remedies=account.remedies,
)
