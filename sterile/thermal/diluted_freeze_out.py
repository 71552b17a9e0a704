"""Diluted freeze-out: N of a gauge extension decouples hot, entropy released later dilutes it.

N decouples at T_f with h(T_f) degrees of freedom in the bath. Two helicities then have

    Y = 135 zeta(3)/(4 pi^4 h(T_f) S) = 0.4165/(h(T_f) S),

and a Fermi-Dirac spectrum of T_N/T_gamma = (g_s0/(h(T_f) S))^(1/3) (Bezrukov, Hettmansperger &
Lindner 0912.4415; Nemevsek, Senjanovic & Zhang 1205.0844). S is given, or follows from the particle
X whose decay releases the entropy; X -> N N adds a hot component (2206.11293).
"""

from typing import ClassVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from spectra.numerics import integral_weights
from spectra.structure import Verdict, VerdictStatus, judged
from spectra.tracing import is_traced
from sterile.bath import expansion, thermodynamics
from sterile.contract import Dataset, ErrorEstimate, History, Mechanism, Production
from sterile.models import SMALLEST_WIDTH_GEV, Model, in_range, parameter
from sterile.quantities import Quantity
from sterile.status import Status
from sterile.thermal import account
from sterile.thermal import distributions as fd
from sterile.thermal.entropy_release import STEPS, hot_spectrum, release

CITATION = """\
@article{Bezrukov:2009th,
  author = {Bezrukov, F. and Hettmansperger, H. and Lindner, M.},
  title = {keV sterile neutrino Dark Matter in gauge extensions of the Standard Model},
  journal = {Phys. Rev. D}, volume = {81}, pages = {085032}, year = {2010}, eprint = {0912.4415}
}
@article{Scherrer:1984fd,
  author = {Scherrer, Robert J. and Turner, Michael S.},
  title = {Decaying Particles Do Not Heat Up the Universe},
  journal = {Phys. Rev. D}, volume = {31}, pages = {681}, year = {1985}
}
"""
# de Salas et al. 1511.00672: 4.1 to 4.7 MeV; Hasegawa et al. 1908.10189
LOWEST_REHEATING_GEV = 4e-3
_NODES = 1600
_BELOW_PEAK = 7.0  # in ln q, where F q^3 has fallen to 1e-5 of its peak at least
_PARENT = ("parent_mass_gev", "parent_width_gev", "parent_yield")


class DilutedFreezeOut(Model):
    """Freeze-out of a relativistic N, diluted by entropy that a heavy particle X releases.

    Give ``dilution``, or mass, width and yield of X from which it follows.

    Attributes
    ----------
    mass_kev : m_N [keV].
    decoupling_temperature_gev : T_f [GeV] at which N leaves equilibrium.
    dilution : S = (s a^3)_after/(s a^3)_before [1], from 1 on, or None.
    parent_mass_gev, parent_width_gev : M and total width of X [GeV], or None; the width is below
        the mass.
    parent_yield : Y_X = n_X/s before its decay, all spin states, or None.
    branching : B of X -> N N, or None: X only heats the bath.
    """

    kind: ClassVar[str] = "diluted-freeze-out"
    shown: ClassVar[tuple[str, ...]] = ("dilution",)
    mass_kev: Array = parameter("keV", "mass m_N", 1e-3, 1e6, typical=7.0, symbol=r"$m_N$ [keV]")
    decoupling_temperature_gev: Array = parameter(
        "GeV",
        "temperature T_f at which N decouples",
        2e-3,
        1e8,
        typical=1.0,
        symbol=r"$T_{\rm f}$ [GeV]",
    )
    dilution: Array | None = parameter(
        "1",
        "entropy ratio S after/before",
        1.0,
        1e12,
        typical=80.0,
        fix="give S = (s a^3)_after/(s a^3)_before, 1 for none: entropy does not fall",
        symbol="$S$",
        optional=True,
    )
    parent_mass_gev: Array | None = parameter(
        "GeV", "mass M of X", 1e-2, 1e15, typical=100.0, symbol=r"$M_X$ [GeV]", optional=True
    )
    parent_width_gev: Array | None = parameter(
        "GeV",
        "total width of X",
        SMALLEST_WIDTH_GEV,
        1e6,
        typical=1e-22,
        fix="give the total width of X; below it X reheats below 1 MeV, and there is no "
        "nucleosynthesis",
        symbol=r"$\Gamma_X$ [GeV]",
        optional=True,
    )
    parent_yield: Array | None = parameter(
        "1",
        "yield n_X/s before the decay",
        1e-20,
        1.0,
        typical=3e-3,
        symbol=r"$Y_X$",
        optional=True,
    )
    branching: Array | None = parameter(
        "1", "branching ratio of X -> N N", 0.0, 1.0, typical=1e-3, symbol="$B$", optional=True
    )

    def __check_init__(self):
        given = [name for name in _PARENT if getattr(self, name) is not None]
        if self.dilution is not None and given:
            raise ValueError(
                f"model dilution and {given[0]} are both given, but X fixes the dilution; remove "
                "one of them"
            )
        if self.dilution is None and len(given) < len(_PARENT):
            missing = next(name for name in _PARENT if name not in given)
            raise ValueError(
                f"model {missing} is missing; give dilution, or all of {', '.join(_PARENT)}"
            )
        _require_narrow(self)
        if self.branching is None:
            return
        if not given:
            raise ValueError(
                "model branching is that of X -> N N, which dilution leaves out; give "
                f"{', '.join(_PARENT)} instead"
            )
        _require_light(self)


def _require_light(model) -> None:
    numbers = model.mass_kev, model.parent_mass_gev
    if is_traced(numbers):
        return
    heaviest = 0.5e6 * np.asarray(model.parent_mass_gev)
    if np.any(np.asarray(model.mass_kev) > heaviest):
        raise ValueError(
            f"model mass_kev = {float(np.max(model.mass_kev)):g} is above the kinematic limit of "
            f"{float(np.min(heaviest)):g} keV, M_X/2 of X -> N N; give a smaller mass"
        )


def _require_narrow(model) -> None:
    numbers = model.parent_width_gev, model.parent_mass_gev
    if model.parent_width_gev is None or is_traced(numbers):
        return
    width, mass = np.broadcast_arrays(*(np.asarray(number) for number in numbers))
    wide = width > mass
    if np.any(wide):
        raise ValueError(
            f"model parent_width_gev = {width[wide][0]:g} is above parent_mass_gev = "
            f"{mass[wide][0]:g}: what decays faster than it oscillates is no particle; give a "
            "width below the mass"
        )


class Details(eqx.Module):
    """What diluted freeze-out says beside the spectrum.

    Attributes
    ----------
    dilution : S.
    reheating_temperature_gev : T at which H of radiation is Gamma_X; NaN for a given S.
    temperature_ratio : T_N/T_gamma of the thermal component.
    hot_fraction : number fraction of N from X -> N N.
    growth : (t,) (s a^3)/(s a^3)_before in time, as the history.
    """

    dilution: Array
    reheating_temperature_gev: Array
    temperature_ratio: Array
    hot_fraction: Array
    growth: Array


def undiluted_ratio(model: DilutedFreezeOut, plasma) -> Array:
    """T_N/T_gamma today without the release of X: T_f/c(T_f), c = p/q in the bath's expansion."""
    decoupling = model.decoupling_temperature_gev
    return decoupling / expansion.comoving_temperature_gev(decoupling, plasma)


def solve(model: DilutedFreezeOut, plasma, grid, error_estimate) -> Production:
    """See the module's description."""
    undiluted = undiluted_ratio(model, plasma)
    if model.parent_mass_gev is not None and not expansion.is_standard(plasma):
        raise ValueError(
            "the parent of diluted freeze-out and an extra fluid or a reheating temperature in "
            "[plasma] are both given, but each is the other's expansion; remove one of them, or "
            "give dilution"
        )
    if model.parent_mass_gev is None:
        assert model.dilution is not None
        ratio = undiluted / jnp.cbrt(model.dilution)
        details = Details(
            model.dilution, jnp.asarray(jnp.nan), ratio, jnp.zeros(()), model.dilution[None]
        )
        error = fd.closed_form_error() if error_estimate else None
        when = model.decoupling_temperature_gev
        return fd.relic_production(model, plasma, grid, ratio, when, details=details, error=error)
    found = _with_parent(model, plasma, grid, undiluted, STEPS)
    if not error_estimate:
        return found
    coarse = _with_parent(model, plasma, grid, undiluted, STEPS // 2)
    return eqx.tree_at(
        lambda p: p.error, found, _difference(found, coarse), is_leaf=lambda leaf: leaf is None
    )


def _with_parent(model, plasma, grid, undiluted, steps) -> Production:
    branching = 0.0 if model.branching is None else model.branching
    released = release(
        model.parent_mass_gev,
        model.parent_width_gev,
        model.parent_yield,
        branching,
        plasma.constant_g,
        steps,
    )
    ratio = undiluted / jnp.cbrt(released.dilution)
    thermal = fd.YIELD_PER_NUMBER * fd.RELIC_NUMBER * undiluted**3
    history = thermal / released.growth + released.hot_yield
    details = Details(
        released.dilution,
        released.reheating_temperature_gev,
        ratio,
        released.hot_yield[-1] / history[-1],
        released.growth,
    )
    cold = fd.relic_production(model, plasma, grid, ratio, model.decoupling_temperature_gev)
    q, f, mean, root = cold.q, cold.f, cold.q_mean, cold.q_rms
    if model.branching is not None:
        low, high = fd.Q_OVER_RATIO
        highest = jnp.maximum(jnp.log(high * ratio), released.log_q[-1])
        # those of a light X that decays early are colder than the thermal ones
        number = jax.lax.stop_gradient(released.log_f + 3.0 * released.log_q)
        coldest = released.log_q[jnp.argmax(number)] - _BELOW_PEAK
        lowest = jnp.minimum(jnp.log(low * ratio), coldest)
        q = jnp.exp(jnp.linspace(lowest, highest, _NODES))
        f = fd.fermi_dirac(q, ratio) + hot_spectrum(released, q)
        weight = integral_weights(jnp.log(q)) * q**3 * f
        mean = jnp.sum(weight * q) / jnp.sum(weight)
        root = jnp.sqrt(jnp.sum(weight * q**2) / jnp.sum(weight))
    finite = jnp.all(jnp.isfinite(f)) & jnp.isfinite(history[-1])
    status = jnp.where(finite, Status.SUCCESS, Status.NON_FINITE)
    exists = in_range(model) & (model.parent_width_gev <= model.parent_mass_gev)
    status = jnp.where(exists, status, Status.OUT_OF_RANGE)
    return Production(
        q=q,
        f=f,
        yield_n=history[-1],
        q_mean=mean,
        q_rms=root,
        history=History(released.temperature_gev, history),
        status=status.astype(jnp.int32),
        model=model,
        plasma=plasma,
        grid=grid,
        details=details,
    )


def _difference(fine: Production, coarse: Production) -> ErrorEstimate:
    """That of the solution with half the steps, 16 times the error of a fourth-order one."""
    yields = jnp.abs(coarse.yield_n / fine.yield_n - 1.0)
    means = jnp.abs(coarse.q_mean / fine.q_mean - 1.0)
    # a shift of q moves q^2 F by less than four times that, of its peak
    return ErrorEstimate(yields + fd.ROUNDING, means + fd.ROUNDING, 4.0 * (yields + means))


def reheating(model: DilutedFreezeOut, point, cosmology) -> dict[str, Verdict]:
    """The release before nucleosynthesis, where X is known; works under jit, vmap and grad."""
    if model.parent_width_gev is None:
        return {}
    temperature = point.reheating_temperature_gev
    return {
        "reheating": judged(
            temperature,
            [(jnp.log(temperature / LOWEST_REHEATING_GEV), VerdictStatus.FORBIDDEN)],
            LOWEST_REHEATING_GEV,
            "nucleosynthesis, de Salas et al. 1511.00672; Hasegawa et al. 1908.10189",
            "T_RH [GeV], H of radiation = Gamma_X, larger passes; margin ln(value/threshold); no "
            "likelihood: a limit",
        )
    }


def warnings(model: DilutedFreezeOut, point, cosmology) -> list[str]:
    """Sentences about a finished point."""
    reheated = float(point.reheating_temperature_gev)
    decoupled = float(model.decoupling_temperature_gev)
    if not reheated > decoupled:
        return []
    return [
        f"X decays at T = {reheated:.3g} GeV, before N decouples at {decoupled:.3g} GeV: N is then "
        "not diluted; lower the width of X"
    ]


def datasets(production: Production) -> dict[str, Dataset]:
    """The growth of the entropy in time."""
    growth = Dataset(production.growth, "1", "entropy in a comoving volume over that at the start")
    return {"history/entropy_growth": growth}


DILUTED_FREEZE_OUT = Mechanism(
    model=DilutedFreezeOut,
    solve=solve,
    numbers={
        "dilution": Quantity("1", "entropy dilution S", "$S$"),
        "reheating_temperature_gev": Quantity(
            "GeV", "reheating temperature T_RH", r"$T_{\rm RH}$ [GeV]"
        ),
        "hot_fraction": Quantity("1", "number fraction of N from X -> N N", r"$f_{\rm hot}$"),
    },
    bounds=reheating,
    warnings=warnings,
    datasets=datasets,
    plane=("decoupling_temperature_gev", "dilution"),
    excluded={"reheating": "reheating after nucleosynthesis"},
    citations=(CITATION, thermodynamics.CITATION),
    account=account.diluted,
    remedies=account.diluted_remedies,
)
