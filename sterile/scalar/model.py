"""The parameters of scalar decay."""

from typing import ClassVar

from jax import Array

from sterile.models import HELICITY_STATES, Model, parameter, switch


class ScalarDecay(Model):
    """A scalar S made through the Higgs portal, decaying to sterile neutrinos, S -> N N.

    L contains 2 lambda (Phi^dagger Phi) S^2 and (y/2) S N^c N, N a Majorana particle, or
    y S Nbar N, N a Dirac particle. The literature's lambda_hS of (1/2) lambda_hS S^2 |H|^2 is
    4 lambda.

    Attributes
    ----------
    scalar_mass_gev : physical mass m_S today [GeV], 5 to 1e4.
    portal_coupling : lambda [1], 1e-12 to 1e-2.
    yukawa : y [1], 1e-12 to 1e-5.
    scalar_vev_gev : v_S = <S> [GeV], 1e-6 to 1e12, or None: then S does not mix with h. Given, S
        also decays to the Standard Model, see :mod:`sterile.scalar.higgs_mixing`.
    neutrino : "majorana" or "dirac", static.
    """

    kind: ClassVar[str] = "scalar-decay"
    scalar_mass_gev: Array = parameter(
        "GeV",
        "mass m_S of the scalar today",
        5.0,
        1e4,
        typical=100.0,
        fix="give the physical mass of S in GeV",
        symbol=r"$m_S$ [GeV]",
    )
    portal_coupling: Array = parameter(
        "1",
        "lambda of 2 lambda |Phi|^2 S^2",
        1e-12,
        1e-2,
        typical=1e-8,
        fix="give lambda of 2 lambda |Phi|^2 S^2, a quarter of lambda_hS",
        symbol=r"$\lambda$",
    )
    yukawa: Array = parameter(
        "1",
        "y of (y/2) S N^c N",
        1e-12,
        1e-5,
        typical=1e-9,
        fix="give y of (y/2) S N^c N, or of y S Nbar N for a Dirac N",
        symbol=r"$y$",
    )
    scalar_vev_gev: Array | None = parameter(
        "GeV",
        "<S>, which mixes S with the Higgs boson",
        1e-6,
        1e12,
        typical=100.0,
        fix="give <S> in GeV, or leave it out for no mixing with h",
        symbol=r"$\langle S \rangle$ [GeV]",
        optional=True,
    )
    neutrino: str = switch("whether N is its own antiparticle", *HELICITY_STATES)
