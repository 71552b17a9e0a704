"""Late thermalisation: neutrinos of any mechanism share their energy among themselves.

A self-interaction, through a mediator phi, acts on a spectrum F_0 long after its production and
before N is non-relativistic; rho_N a^4 is conserved. In units of T_gamma today, with n and rho of
F_0, two helicities,

    number-changing    F = FD(theta, 0),     rho = g_* pi^2/30 theta^4, g_* = 7/4 + g_phi
    kinetic            F = FD(theta, eta),   n and rho of F_0

(Hansen & Vogl 1706.02707; Herms, Ibarra & Toma 1802.02973; Bringmann et al. 2206.10630). When phi
becomes non-relativistic, entropy in a comoving volume is conserved and theta rises by
(g_*/(7/4))^(1/3). F_0 of amplitude kappa and temperature T becomes, without phi, theta =
kappa^(1/4) T with kappa^(-1/4) times as many particles.

Driven by its rate, the exchange is described by relaxation times,

    F = e^(-tau) F_0 + (1 - e^(-tau)) FD(theta, eta),    tau = integral Gamma/H d ln a,
    n = n_eq + (n_0 - n_eq) e^(-tau_n),    tau_n = (y^2/4 pi)^2 tau,
    Gamma = n_N sigma,    sigma = (y^4/4 pi) s/(s + m_phi^2)^2,    s = 2 <p>^2

with <p> of F_0: the order of magnitude of two-to-two exchange and of processes with two more
vertices of alpha = y^2/4 pi; a model's own prefactors go into y. Energy is conserved exactly.
"""

import dataclasses
import math
from typing import Any, ClassVar

import jax.numpy as jnp
import numpy as np
from jax import Array

from spectra.numerics import integral_weights
from sterile.bath import expansion
from sterile.combined.account import late_account
from sterile.combined.composite import Composite, combine, has_mass, is_one_species
from sterile.combined.entries import PartDetails, combined_entry, part_error
from sterile.combined.merging import merged_spectrum, worst
from sterile.combined.sums import require_not_nested
from sterile.contract import (
    ErrorEstimate,
    History,
    Mechanism,
    Production,
    occupation_max,
    pauli_checked,
)
from sterile.models import Model, in_range, parameter, switch
from sterile.quantities import Quantity
from sterile.status import Status
from sterile.thermal import FermiDirac, fermi_dirac, fermi_dirac_of
from sterile.thermal import distributions as thermal

CITATION = """\
@article{Hansen:2017rxr,
  author = {Hansen, Rasmus S. L. and Vogl, Stefan},
  title = {Thermalizing sterile neutrino dark matter},
  journal = {Phys. Rev. Lett.}, volume = {119}, pages = {251305}, year = {2017},
  eprint = {1706.02707}
}
"""
_KEV_GEV = 1e-6
_LAST_GEV = 1e-6  # T at which the exchange ends where m_N is not known
_TIMES = 400
_INTERACTION = ("coupling", "mediator_mass_gev", "interaction_temperature_gev")


class Thermalised(Composite):
    """A mechanism's neutrinos that thermalise among themselves, late, in a dark sector.

    [model.start] is the mechanism, a [model] of its own; its parameters are called start_NAME in
    scans and fits. The neutrinos share their energy at once, with number change or without, or
    driven by a self-interaction's rate.
    """

    kind: ClassVar[str] = "late-thermalisation"
    table: ClassVar[str] = "start"
    tables: ClassVar[tuple[str, ...]] = (
        "[model.start]   # the mechanism that makes the neutrinos, a [model] of its own",
        'kind = "parent-decay"',
        "mass_kev = 7.0",
        "parent_mass_gev = 100.0",
        "width_gev = 1e-18",
        "parent_yield = 1e-6",
    )
    mediator_states: Array | None = parameter(
        "1",
        "boson states g_phi in equilibrium with N, none when left out",
        0.0,
        100.0,
        typical=1.0,
        symbol=r"$g_\phi$",
        optional=True,
    )
    coupling: Array | None = parameter(
        "1",
        "y of the mediator to N",
        1e-12,
        math.sqrt(4.0 * math.pi),
        typical=1e-4,
        fix="give y, perturbative",
        symbol=r"$y_\phi$",
        optional=True,
    )
    mediator_mass_gev: Array | None = parameter(
        "GeV", "mass of the mediator", 1e-9, 1e3, typical=1e-3, symbol=r"$m_\phi$", optional=True
    )
    interaction_temperature_gev: Array | None = parameter(
        "GeV",
        "photon temperature below which the interaction acts",
        1e-6,
        1e6,
        typical=0.1,
        fix="give the photon temperature at which the neutrinos are there",
        optional=True,
    )
    process: str = switch("how N thermalises", "number-changing", "kinetic", "self-interaction")

    def __check_init__(self):
        driven = self.process == "self-interaction"
        for name in _INTERACTION:
            if driven and getattr(self, name) is None:
                raise ValueError(
                    f'model {name} is missing; process = "self-interaction" needs '
                    f"{', '.join(_INTERACTION)}"
                )
            if not driven and getattr(self, name) is not None:
                raise ValueError(
                    f'model {name} has no use for process = "{self.process}"; remove it, or choose '
                    '"self-interaction"'
                )
        if self.process != "number-changing" and self.mediator_states is not None:
            raise ValueError(
                f'model mediator_states has no use for process = "{self.process}", which keeps '
                'its mediators virtual; remove it, or choose "number-changing"'
            )

    @classmethod
    def tables_in(cls, section: dict) -> dict[str, dict]:
        """Prefix → table of the start; ``ValueError`` if there is none."""
        if cls.table not in section:
            raise ValueError(
                '[model] kind = "late-thermalisation" needs a table [model.start] with a kind; '
                "add it"
            )
        return {"start_": section[cls.table]}


class Details(PartDetails):
    """What late thermalisation says beside the spectrum; its one part is the start."""

    def error_against(self, coarse: "Details", refinements) -> ErrorEstimate | None:
        """:class:`ErrorEstimate` from that of the start on the next coarser grid."""
        (start,), (before,), (refinement,) = self.parts, coarse.parts, refinements
        return _error(part_error(start, before, refinement))


def LateThermalisation(start: Model, **own: Any) -> Thermalised:  # noqa: N802 - as sterile.Sum
    """A model whose neutrinos, made by ``start``, thermalise among themselves.

    ``own``: mediator_states, process, coupling, mediator_mass_gev, interaction_temperature_gev;
    see :class:`Thermalised`.

    Raises
    ------
    ValueError
        If ``start`` is of this kind itself or makes several species, or a parameter is missing, of
        no use or out of range.
    """
    require_not_nested("start", type(start), Thermalised.kind)
    return combine(Thermalised, {"start_": start}, has_mass(type(start)), **own)


def _solve(entries, model: Thermalised, plasma, grid, error_estimate) -> Production:
    (entry,), (start,) = entries, model.parts
    if isinstance(start, Composite) and not is_one_species(start):
        raise ValueError(
            "start makes several species of different masses, which do not share one temperature; "
            "thermalise each by itself, then sum"
        )
    own_grid = None if grid is None else grid[0]
    made = pauli_checked(entry.solve(start, plasma, own_grid, error_estimate))
    number = made.yield_n / thermal.YIELD_PER_NUMBER
    energy = number * made.q_mean
    depth = jnp.asarray(jnp.inf)
    if model.process == "number-changing":
        found = number_changing(energy, model.mediator_states)
        final = thermal.RELIC_NUMBER * found.ratio**3
        q, f = _table(found)
    elif model.process == "kinetic":
        found, final = fermi_dirac_of(number, energy), number
        q, f = _table(found)
    else:
        depth, change = optical_depths(model, plasma, number, made.q_mean)
        found, final = driven(number, energy, depth, change)
        left, thermalised = jnp.exp(-depth), -jnp.expm1(-depth)
        hot_q, hot_f = _table(found)
        q, f = merged_spectrum([(made.q, left * made.f), (hot_q, thermalised * hot_f)])
    # number and energy are what was solved for; the table's own agree to its resolution
    weight = integral_weights(jnp.log(q)) * q**3 * f
    received = (
        thermal.RELIC_ENERGY * found.ratio**4 / energy if _takes_from_mediator(model) else 1.0
    )
    yield_n = thermal.YIELD_PER_NUMBER * final
    numbers = {
        "dark_temperature_ratio": found.ratio,
        "chemical_potential": found.potential,
        "number_factor": final / number,
        "optical_depth": depth,
    } | {f"start_{name}": getattr(made, name) for name in entry.numbers}
    own = occupation_max(q, f, getattr(model, "neutrino", "majorana"))
    numbers["occupation_max"] = jnp.maximum(made.occupation_max, own)
    exists = jnp.where(found.exists & in_range(model), Status.SUCCESS, Status.OUT_OF_RANGE)
    history = made.history
    return Production(
        q=q,
        f=f,
        yield_n=yield_n,
        q_mean=received * energy / final,
        q_rms=jnp.sqrt(jnp.sum(weight * q**2) / jnp.sum(weight)),
        history=History(
            jnp.append(history.temperature_gev, 0.999 * history.temperature_gev[-1]),
            jnp.append(history.yield_n, yield_n),
        ),
        status=worst([made.status, exists.astype(jnp.int32)]),
        model=model,
        plasma=plasma,
        grid=grid,
        details=Details((made,), numbers),
        error=_error(made.error) if error_estimate else None,
    )


def _takes_from_mediator(model) -> bool:
    return model.process == "number-changing" and model.mediator_states is not None


def _error(start: ErrorEstimate | None) -> ErrorEstimate | None:
    """n and <p> are powers of the start's number and energy, at most one."""
    if start is None:
        return None
    moments = start.yield_n + start.q_mean
    # a shift of theta moves q^2 F by less than four times that, of its peak
    return ErrorEstimate(moments, moments, 4.0 * moments + start.spectrum)


def number_changing(energy, mediator_states=None) -> FermiDirac:
    """The Fermi-Dirac spectrum after number change, in units of T_gamma; scalars.

    ``energy``: rho of N; ``mediator_states``: g_phi, whose energy and then entropy go to N.
    """
    heavier = 1.0 if mediator_states is None else 1.0 + mediator_states / 1.75
    shared = (energy / (thermal.RELIC_ENERGY * heavier)) ** 0.25
    ratio = shared * jnp.cbrt(heavier)
    return FermiDirac(ratio, jnp.zeros_like(ratio), jnp.asarray(True))


def driven(number, energy, depth, change) -> tuple[FermiDirac, Array]:
    """The thermal part of the relaxation-time solution, and n of the whole, in units of T_gamma.

    ``depth``, ``change``: tau and tau_n <= tau, scalars. The thermal part has the number that n
    leaves to it.
    """
    wanted = thermal.RELIC_NUMBER * number_changing(energy).ratio ** 3
    thermalised = -jnp.expm1(-depth)
    # of e^(-tau_n) - e^(-tau), without cancellation; 0/0 where nothing happens
    kept = jnp.exp(-change) * -jnp.expm1(-(depth - change)) / jnp.maximum(thermalised, 1e-300)
    total = wanted + (number - wanted) * jnp.exp(-change)
    return fermi_dirac_of(wanted + (number - wanted) * kept, energy), total


def optical_depths(model: Thermalised, plasma, number, q_mean):
    """tau and tau_n from the interaction's temperature to the last one, scalars.

    ``number``: n_N in units of T_gamma today; ``q_mean``: <q> of the start.
    """
    assert model.interaction_temperature_gev is not None
    assert model.coupling is not None and model.mediator_mass_gev is not None
    first = jnp.log(model.interaction_temperature_gev)
    last = jnp.minimum(math.log(_LAST_GEV), first)
    step = (first - last) / _TIMES
    temperature = jnp.exp(first - step * np.arange(_TIMES + 1.0))
    comoving = expansion.comoving_temperature_gev(temperature, plasma)
    momentum = q_mean * comoving
    s = 2.0 * momentum**2
    section = model.coupling**4 / (4.0 * math.pi) * s / (s + model.mediator_mass_gev**2) ** 2
    rate = number * comoving**3 * section / expansion.hubble_gev(temperature, plasma)
    if hasattr(model, "mass_kev"):
        # over where N is slow
        rate = rate / (1.0 + (_KEV_GEV * model.mass_kev / momentum) ** 4)
    slope = expansion.comoving_temperature_slope(temperature, comoving, plasma)
    weight = np.where(np.isin(np.arange(_TIMES + 1), (0, _TIMES)), 0.5, 1.0)
    depth = step * jnp.sum(weight * rate * slope)
    return depth, depth * (model.coupling**2 / (4.0 * math.pi)) ** 2


def _table(found: FermiDirac):
    low, high = thermal.Q_OVER_RATIO
    reach = high + jnp.maximum(found.potential, 0.0)
    log_x = jnp.linspace(math.log(low), jnp.log(reach), thermal.THERMAL_NODES)
    q = found.ratio * jnp.exp(log_x)
    return q, fermi_dirac(q, found.ratio, found.potential)


def _warnings(model, point, cosmology) -> list[str]:
    if int(point.production.status) != Status.OUT_OF_RANGE:
        return []
    return [
        "late thermalisation: no Fermi-Dirac spectrum has so many neutrinos of so little energy, "
        "or a parameter is out of range; the start occupies more than Pauli allows"
    ]


_NUMBERS = {
    "dark_temperature_ratio": Quantity("1", "T_N/T_gamma after thermalisation"),
    "chemical_potential": Quantity("1", "mu/T_N after thermalisation"),
    "number_factor": Quantity("1", "neutrinos after over before thermalisation"),
    "optical_depth": Quantity("1", "scatterings per neutrino, integral of Gamma/H"),
}


def _combine(model: type[Thermalised], entry_of) -> Mechanism:
    own_citations = LATE_THERMALISATION.citations
    made = combined_entry(
        LATE_THERMALISATION,
        model,
        entry_of,
        _solve,
        lambda prefix, entry: dict(_NUMBERS),
        late_account,
    )
    own = made.warnings
    return dataclasses.replace(
        made,
        warnings=lambda *arguments: [*own(*arguments), *_warnings(*arguments)],
        citations=(*own_citations, *made.citations),
    )


LATE_THERMALISATION = Mechanism(
    model=Thermalised,
    solve=lambda *arguments: _solve((), *arguments),
    citations=(CITATION,),
    combine=_combine,
)
