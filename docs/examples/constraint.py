"""A constraint of one's own: the power at one wavenumber, T²(k = 50 h/Mpc) = 0.8 ± 0.1.

A constraint is a function of a ``spectra.Subject`` (spectrum, T(k), P_CDM, half-mode, thermal
relics) that returns a ``Verdict``. It is judged beside the built-in ones and under jit, so it is
made of JAX functions; its margin is smooth, positive where the test is passed.
"""

import jax.numpy as jnp

import spectra
from spectra.structure import VerdictStatus, judged

K_H_MPC = 50.0
MEASURED, SIGMA = 0.8, 0.1


def survey(subject: spectra.Subject) -> spectra.Verdict:
    """T² at 50 h/Mpc not more than 2 sigma (constrained) or 3 sigma (forbidden) too low."""
    ln_k, t = jnp.log(subject.transfer.k_h_mpc), subject.transfer.t
    t2 = jnp.interp(jnp.log(K_H_MPC), ln_k, t, left=jnp.nan, right=jnp.nan) ** 2
    missing = jnp.maximum(MEASURED - t2, 0.0) / SIGMA
    return judged(
        value=t2,
        # from the mildest test to the strictest: the verdict is the worst that is failed
        margins=[
            ((t2 - MEASURED) / SIGMA + 3.0, VerdictStatus.FORBIDDEN),
            ((t2 - MEASURED) / SIGMA + 2.0, VerdictStatus.CONSTRAINED),
        ],
        threshold=MEASURED - 2.0 * SIGMA,
        source="a survey that does not exist",
        convention="T² at 50 h/Mpc; margin in sigma to 2 sigma; likelihood: Gaussian, one-sided",
        log_likelihood=-0.5 * missing**2,
    )


def report(dm: spectra.Spectrum) -> dict[str, spectra.Verdict]:
    """Every verdict on a spectrum, this one among them."""
    return spectra.verdicts(dm, spectra.transfer(dm), constraints={"survey": survey})
