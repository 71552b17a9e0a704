"""Problems with closed-form answers: the table that ``test_closed_forms.py`` runs.

A row is a function x -> numbers made by the code, the same function in closed form, and a point x,
logarithms of parameters. A new mechanism is tested by adding rows: ``solved`` for its solver and
the closed form. Rows of one ``solved`` and one length of x share its compiled programs: keep them
together. What S does is in Merle & Totzauer 1502.01011; the rest follows from the Boltzmann
equation in the line that each function states.

Constant g throughout: M_0 = M_pl sqrt(90/(pi^2 g)), H = T^2/M_0, q = (p/T) (g_s0/g)^(1/3).
"""

import functools
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.scipy.special import digamma

import spectra
import sterile
from spectra.constants import (
    ENTROPY_DEGREES_OF_FREEDOM_TODAY,
    REDUCED_PLANCK_MASS_GEV,
    SPEED_OF_LIGHT_KM_S,
)
from spectra.cosmology import omega_radiation, photon_temperature_gev
from spectra.numerics import interpolate
from spectra.spectrum import omega_h2, q_mean, q_rms
from sterile.parents import FromDecay, FromRate, Parent, cold, solve_parent
from sterile.scalar import FREEZE_IN, FREEZE_OUT, Grid
from sterile.scalar.lattice import YIELD_PER_NUMBER
from sterile.status import is_failure

sys.path.insert(0, str(Path(__file__).parent.parent / "docs" / "examples"))
import bath_decay  # noqa: E402

G = 106.75
M0 = REDUCED_PLANCK_MASS_GEV * np.sqrt(90.0 / (np.pi**2 * G))
SCALE = (ENTROPY_DEGREES_OF_FREEDOM_TODAY / G) ** (1.0 / 3.0)
CONTACT = sterile.Plasma(contact_only=True, constant_g=G, dark_sector_in_hubble=False)
BATH = sterile.Plasma(constant_g=G, dark_sector_in_hubble=False)


class ClosedForm(NamedTuple):
    """One row.

    Attributes
    ----------
    name : of the row.
    solved : x (d,) -> (m,), logarithms of what the code makes; a function of JAX.
    exact : the same in closed form; NaN where there is none for that number.
    x : (d,), logarithms of the parameters, inside their ranges by more than a step.
    value : largest absolute difference of the logarithms.
    slope : the same for the derivatives.
    reason : where that difference comes from.
    step : of the differences.
    slow : what is not in the default run: "value", "forward", "difference", "reverse".
    """

    name: str
    solved: Callable[[Array], Array]
    exact: Callable[[Array], Array]
    x: np.ndarray
    value: float
    slope: float
    reason: str
    step: float = 2e-4
    slow: tuple[str, ...] = ("forward", "difference", "reverse")


def at(*values) -> np.ndarray:
    """ln of parameters and momenta, all in one row."""
    return np.log(np.concatenate([np.atleast_1d(value) for value in values]))


def numbers(production: sterile.Production, ln_q: Array) -> Array:
    """(ln Y_N, ln <q>, ln q_rms, ln F(q) ...), F by six points; NaN if the solver failed."""
    ln_f = jnp.log(jnp.where(production.f > 0.0, production.f, 1e-300))
    moments = jnp.stack([production.yield_n, production.q_mean, production.q_rms])
    found = jnp.concatenate([jnp.log(moments), interpolate(ln_q, jnp.log(production.q), ln_f)])
    return jnp.where(is_failure(production.status), jnp.nan, found)


def known(ln_yield, ln_mean, ln_rms, ln_f) -> Array:
    """The closed form of :func:`numbers`; NaN is not known."""
    return jnp.concatenate([jnp.stack(jnp.broadcast_arrays(ln_yield, ln_mean, ln_rms)), ln_f])


# --- S above the electroweak transition: contact production, decay to N N -----------------------


@functools.cache
def contact(grid: Grid) -> Callable:
    """x = (ln m_S, ln lambda, ln y, ln q ...)."""

    def solved(x):
        model = sterile.ScalarDecay(*jnp.exp(x[:3]))
        return numbers(sterile.solve(model, CONTACT, grid), x[3:])

    return solved


def frozen_in(x):
    """Y_N = 2 Y_S, Y_S = 135 lambda^2 M_0/(256 pi^5 g m_S), and the decay at rest."""
    ln_yield = jnp.log(270.0 * M0 / (256.0 * jnp.pi**5 * G)) + 2.0 * x[1] - x[0]
    # Gamma = y^2 m_S/(16 pi)
    ln_width = 2.0 * x[2] + x[0] - jnp.log(16.0 * jnp.pi)
    return at_rest(ln_yield, x[0], ln_width, 0.0, x[3:])


def at_rest(ln_yield, ln_mass, ln_width, ln_ratio, ln_q):
    """Decay at rest in radiation: F ~ q^-1 exp(-q^2/q_*^2), q_*^2 = r^2 m^2/(2 Gamma M_0).

    <q> = sqrt(pi)/2 q_*, <q^2> = q_*^2; the amplitude from Y_N; r = 2 p_*/m.
    """
    ln_star = ln_ratio + ln_mass - 0.5 * (jnp.log(2.0 * M0) + ln_width) + jnp.log(SCALE)
    # n/s = YIELD_PER_NUMBER integral q^2 F dq, the integral of q exp(-q^2/q_*^2) is q_*^2/2
    ln_amplitude = ln_yield - jnp.log(YIELD_PER_NUMBER) + jnp.log(2.0) - 2.0 * ln_star
    ln_f = ln_amplitude - ln_q - jnp.exp(2.0 * (ln_q - ln_star))
    return known(ln_yield, ln_star + 0.5 * jnp.log(jnp.pi / 4.0), ln_star, ln_f)


def yield_alone(x):
    """As :func:`frozen_in`: the number does not depend on when S decays."""
    return frozen_in(x).at[1:].set(jnp.nan)


def early(x):
    """S in equilibrium: F_N = 4 sqrt(pi) (Gamma M_0/m_S^2) x^(-1/2) e^-x, x = p/T."""
    ln_strength = jnp.log(4.0 * jnp.sqrt(jnp.pi) * M0 / (16.0 * jnp.pi)) + 2.0 * x[2] - x[0]
    momentum = jnp.exp(x[3:]) / SCALE
    nan = jnp.nan
    return known(nan, nan, nan, ln_strength - 0.5 * jnp.log(momentum) - momentum)


# --- any parent ---------------------------------------------------------------------------------


def cold_parent(x):
    """x = (ln m, ln Gamma, ln n, ln q ...): three states, one N, a partner of 0.6 m."""
    mass, width, number = jnp.exp(x[:3])
    parent = Parent(mass, width, partner_mass_gev=0.6 * mass, states=3, neutrinos_per_decay=1)
    return numbers(solve_parent(parent, cold(number), BATH, FREEZE_IN), x[3:])


def cold_parent_exact(x):
    """Y_N = 3 n/s; r = 1 - 0.6^2."""
    ln_yield = jnp.log(3.0 * 2.0 * jnp.pi**2 * YIELD_PER_NUMBER) + x[2]
    return at_rest(ln_yield, x[0], x[1], jnp.log(0.64), x[3:])


class Fast(eqx.Module):
    """1e6 times the expansion rate, whatever the momentum, times exp(-E/T)."""

    mass_gev: Array

    def __call__(self, p, temperature):
        energy = jnp.sqrt(p**2 + self.mass_gev**2)
        return 1e6 * temperature**2 / M0 * jnp.exp(-energy / temperature)


def fermion(x):
    """x = (ln m, ln Gamma, ln q ...): two states in equilibrium, one N a decay."""
    mass, width = jnp.exp(x[:2])
    parent = Parent(mass, width, states=2, neutrinos_per_decay=1, statistics="fermi-dirac")
    return numbers(solve_parent(parent, FromRate(Fast(mass)), BATH, FREEZE_OUT), x[2:])


def fermion_exact(x):
    """f = sum (-1)^(k-1) e^(-k E/T): F = 4 sqrt(pi) (Gamma M_0/m^2) x^(-1/2) sum k^(-5/2) e^(-k x).

    Twice for two states, half for one N.
    """
    k = np.arange(1, 60)
    momentum = jnp.exp(x[2:]) / SCALE
    series = jnp.exp(-k * momentum[:, None]) @ ((-1.0) ** (k - 1) * k**-2.5)
    ln_strength = jnp.log(4.0 * jnp.sqrt(jnp.pi) * M0) + x[1] - 2.0 * x[0]
    nan = jnp.nan
    return known(nan, nan, nan, ln_strength - 0.5 * jnp.log(momentum) + jnp.log(series))


@functools.cache
def from_decay(parents: int) -> Callable:
    """x = (ln m_X, ln m_B, ln Gamma_B, ln Gamma_X, ln q ...): B of three states, Y of 150 GeV."""

    def solved(x):
        mass, heavy, width, own = jnp.exp(x[:4])
        source = FromDecay(heavy, width, 150.0, states=3, parents_per_decay=parents)
        parent = Parent(mass, own, states=2)
        return numbers(solve_parent(parent, source, BATH, FREEZE_IN), x[4:])

    return solved


def from_decay_exact(parents: int) -> Callable:
    """Y_X = kappa 135 g_B Gamma M_0/(8 pi^3 g M^2), whatever the other masses; two N each, late."""

    def exact(x):
        ln_yield = jnp.log(2.0 * parents * 3.0 * 135.0 * M0 / (8.0 * jnp.pi**3 * G))
        return at_rest(ln_yield + x[2] - 2.0 * x[1], x[0], x[3], 0.0, x[4:])

    return exact


# --- the worked example -------------------------------------------------------------------------


def bath(x):
    """x = (ln M, ln Gamma, ln g_B, ln q ...): what the spectrum that it gives adds up to."""
    production = sterile.solve(bath_decay.BathDecay(*jnp.exp(x[:3])))
    dm = production.spectrum(mass_kev=7.0)
    return jnp.concatenate(
        [
            numbers(production, x[3:]),
            jnp.log(jnp.stack([omega_h2(dm), q_mean(dm), q_rms(dm)])),
        ]
    )


def bath_exact(x):
    """F = 2 sqrt(pi) g_B (Gamma M_0/M^2) x^(-1/2) e^-x, <x> = 5/2, <x^2> = 35/4."""
    ln_strength = x[2] + jnp.log(M0) + x[1] - 2.0 * x[0]
    ln_yield = jnp.log(135.0 / (8.0 * jnp.pi**3 * G)) + ln_strength
    momentum = jnp.exp(x[3:]) / SCALE
    ln_f = jnp.log(2.0 * jnp.sqrt(jnp.pi)) + ln_strength - 0.5 * jnp.log(momentum) - momentum
    ln_mean, ln_rms = jnp.log(2.5 * SCALE), jnp.log(8.75**0.5 * SCALE)
    ln_omega = jnp.log(sterile.contract.abundance_per_kev() * 7.0) + ln_yield
    tail = jnp.stack([ln_omega, ln_mean, ln_rms])
    return jnp.concatenate([known(ln_yield, ln_mean, ln_rms, ln_f), tail])


# --- spectra: free streaming, thermal relics ----------------------------------------------------


def flat(ln_omega_dm) -> spectra.Cosmology:
    """Radiation and matter alone: h^2 = omega_m + omega_r leaves no cosmological constant."""
    reference = spectra.Cosmology()
    radiation = omega_radiation(reference) * reference.h**2
    dark = jnp.exp(ln_omega_dm)
    return spectra.Cosmology(h=jnp.sqrt(radiation + dark + reference.omega_b), omega_dm=dark)


def horizon(x):
    """x = (ln m_N/keV, ln T_ref/T_gamma, ln omega_dm): lambda_fs of f = e^-q."""
    q = jnp.geomspace(1e-5, 60.0, 400)
    dm = spectra.Spectrum(q, jnp.exp(-q), jnp.exp(x[0]), jnp.exp(x[1]))
    return jnp.log(spectra.free_streaming(dm, flat(x[2])))[None]


def horizon_exact(x):
    """Of one speed u = q T/m today, slow before equality, with s = sqrt(1 + 1/a_eq):

    lambda = c u/(100 km/s/Mpc sqrt(omega_r)) {ln(8 a_eq/u) + ln[(s - 1)/(s + 1)]},
    from integral da/(sqrt(a^2 + u^2) sqrt(1 + a/a_eq)), up to u/a_eq. Averaged over q^2 e^-q/2:
    <q> = 3, <q ln q> = 3 digamma(4).
    """
    cosmology = flat(x[2])
    radiation = omega_radiation(cosmology) * cosmology.h**2
    equality = radiation / (cosmology.omega_b + cosmology.omega_dm)
    s = jnp.sqrt(1.0 + 1.0 / equality)
    unit = photon_temperature_gev(cosmology) * jnp.exp(x[1] - x[0]) / 1e-6
    logarithm = jnp.log(8.0 * equality / unit) + jnp.log((s - 1.0) / (s + 1.0))
    length = SPEED_OF_LIGHT_KM_S / 100.0 * unit / jnp.sqrt(radiation)
    return jnp.log(length * 3.0 * (logarithm - digamma(4.0)))[None]


def relic(x):
    """x = (ln m/keV, ln Omega h^2): T_x/T_gamma, Omega h^2, <q>, <q^2> of a thermal relic."""
    dm = spectra.thermal_relic(jnp.exp(x[0]), omega_h2=jnp.exp(x[1]))
    return jnp.log(jnp.stack([dm.temperature_ratio, omega_h2(dm), q_mean(dm), q_rms(dm) ** 2]))


def relic_exact(x):
    """T_x ~ (Omega h^2/m)^(1/3), 0.1054552356 at 3.5 keV and 0.12; moments of Fermi and Dirac."""
    ln_ratio = jnp.log(0.1054552356) + (x[1] - jnp.log(0.12) - x[0] + jnp.log(3.5)) / 3.0
    # <q> = 7 pi^4/(180 zeta(3)), <q^2> = 15 zeta(5)/zeta(3)
    moments = jnp.log(jnp.array([3.1513743717, 12.9394176651]))
    return jnp.concatenate([jnp.stack([ln_ratio, x[1]]), moments])


EARLY_Q = SCALE * np.array([0.1, 0.3, 1.0, 2.0])


def q_star(mass, width):
    return np.sqrt(mass**2 / (2.0 * width * M0)) * SCALE


COLD = q_star(1e3, 1.0 / M0) * 0.64
LATE = q_star(500.0, 1e-22 * 500.0 / (16.0 * np.pi))
AT_REST = np.array([0.05, 0.3, 1.0, 3.0])

ROWS = [
    ClosedForm(
        "bath-decay", bath, bath_exact, at(100.0, 1e-17, 2.0, EARLY_Q),
        value=1e-9, slope=1e-9,
        reason="its table starts at x = 1e-4, which leaves out (1e-4)^(5/2) of the number",
        slow=(),
    ),
    *(
        ClosedForm(
            f"thermal-relic-{mass:g}keV", relic, relic_exact, at(mass, 0.12),
            value=1e-9, slope=1e-9,
            reason="ten digits of the temperature and the moments; the rest is rounding",
            slow=(),
        )
        for mass in (2.0, 3.5)
    ),
    ClosedForm(
        "free-streaming", horizon, horizon_exact, at(7e3, 0.1, 0.12),
        value=1e-7, slope=1e-7,
        reason="u/a_eq = 1e-8 at 7 MeV, a few times that in the fast tail",
        slow=(),
    ),
    ClosedForm(
        "contact-freeze-in-weak", contact(FREEZE_IN), yield_alone,
        at(500.0, 2e-12, 1e-9, EARLY_Q),
        value=1e-5, slope=1e-8,
        reason="the start at 2000 m_S leaves out 3e-6, the same share of any coupling and mass",
    ),
    ClosedForm(
        "contact-freeze-in", contact(FREEZE_IN), yield_alone, at(500.0, 1e-10, 1e-9, EARLY_Q),
        value=1e-5, slope=1e-8,
        reason="the start at 2000 m_S leaves out 3e-6, the same share of any coupling and mass",
    ),
    ClosedForm(
        "late-decay-at-rest", contact(FREEZE_IN), frozen_in, at(500.0, 1e-8, 1e-11, LATE * AT_REST),
        value=3e-5, slope=3e-5,
        reason="steps leave 1e-5 of the shape; (p_S/m_S)^2 at decay is 1e-6",
    ),
    ClosedForm(
        "instantaneous-decay", contact(FREEZE_OUT), yield_alone, at(500.0, 1e-8, 5e-6, EARLY_Q),
        value=1.5e-5, slope=1e-5,
        reason="3e-6 of the start, and 1e-5 of stiff decays at the coupled phase's steps",
    ),
    ClosedForm(
        "early-decay-in-equilibrium", contact(FREEZE_OUT), early, at(500.0, 1e-3, 1e-9, EARLY_Q),
        value=2e-5, slope=1.2e-4,
        reason="the start at 2000 m_S bends the spectrum below x = 0.1, by 9e-5 an e-fold there, "
        "freeze-out above 2",
    ),
    ClosedForm(
        "cold-parent-with-partner", cold_parent, cold_parent_exact,
        at(1e3, 1.0 / M0, 1e-8, COLD * AT_REST),
        value=1e-4, slope=2e-4,
        reason="momenta of X at its decay are 1e-5 of m; the steps leave 1e-5 of the shape, and "
        "that share of the slope, -19 at 3 q_*",
    ),
    ClosedForm(
        "fermion-in-equilibrium", fermion, fermion_exact,
        at(200.0, 1e-20, SCALE * np.array([0.1, 0.5, 2.0, 8.0])),
        value=1e-4, slope=2e-4,
        reason="early times, when X is on its way to equilibrium: 1e-4 an e-fold at x = 0.1; the "
        "steps, 1e-5 of the slope at x = 8",
        slow=("value", "forward", "difference", "reverse"),
    ),
    *(
        ClosedForm(
            f"freeze-in-from-decay-to-{parents}", from_decay(parents), from_decay_exact(parents),
            at(50.0, 400.0, 1e-22, 1e-22, q_star(50.0, 1e-22) * AT_REST),
            value=1e-4, slope=2e-4,
            reason="X made before 2000 m and after m/30; steps, 1e-5 of the slope, -19 at 3 q_*",
            slow=("value", "forward", "difference", "reverse"),
        )
        for parents in (1, 2)
    ),
]  # fmt: skip
