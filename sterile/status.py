"""Outcome codes of production, carried through ``jit`` as int32 beside those of ``spectra``."""

import enum
from typing import Any

import numpy as np

from spectra.status import MESSAGES as _SPECTRA_MESSAGES
from spectra.status import Status as _SpectraStatus


class Status(enum.IntEnum):
    """0 is success; codes 20 to 39 are production's, those below 20 ``spectra.Status``.

    Those below 0 and from 40 are a scan's: what happened to a point that gave no result.
    """

    NOT_COMPUTED = -1
    SUCCESS = 0
    OUT_OF_RANGE = 20
    NON_FINITE = 21
    NOT_CONVERGED = 22
    MASS_ABOVE_KINEMATIC_LIMIT = 23
    TOLERANCE_NOT_MET = 24
    OCCUPATION_ABOVE_ONE = 25
    ASYMMETRY_JUMPS = 26
    ERROR_UNKNOWN = 27
    EVALUATION_FAILED = 40
    WORKER_DIED = 41


MESSAGES = {
    Status.NOT_COMPUTED: "not computed yet, or its record is damaged; continue with --resume",
    Status.SUCCESS: "done",
    Status.OUT_OF_RANGE: (
        "a model parameter is outside the solver's range; `sterile kinds` lists the ranges of "
        "every kind"
    ),
    Status.NON_FINITE: "production gave a number that is not finite; please report the parameters",
    Status.NOT_CONVERGED: (
        "the decayed number and the integral of the spectrum differ by more than 0.1 %, or the "
        "lepton asymmetry of a step was not found; solve again with a finer grid and report the "
        "parameters"
    ),
    Status.MASS_ABOVE_KINEMATIC_LIMIT: (
        "the mass that this abundance needs is above the kinematic limit, m_S/2 for S -> N N: the "
        "yields stand, the mass and all that follows from it do not"
    ),
    Status.TOLERANCE_NOT_MET: (
        "the estimated error is above the tolerance after three refinements of the grid; the "
        "numbers are the best found, with their error"
    ),
    Status.OCCUPATION_ABOVE_ONE: (
        "more than one neutrino in a state, which Pauli's principle forbids: what was solved "
        "leaves out Pauli blocking and inverse reactions, and abundance and spectrum are wrong; "
        "for scalar decay inverse_decays = true includes both, a spectrum of a file may be "
        "normalised otherwise"
    ),
    Status.ASYMMETRY_JUMPS: (
        "the lepton asymmetry falls by more than 0.3 of itself within one step: when it does so is "
        "known only roughly; look at the estimated errors, or solve on a finer grid, and do not "
        "rely on derivatives"
    ),
    Status.ERROR_UNKNOWN: (
        "the coarser solution that the error is estimated from gave no finite number, or one that "
        "is off by more than the number itself: the numbers stand, how far they are off is not "
        "known; compare with a finer grid"
    ),
    Status.EVALUATION_FAILED: (
        "the evaluation raised an error; run `sterile solve` with these parameters to see it"
    ),
    Status.WORKER_DIED: (
        "the process computing this point died, three times; give it more memory, then "
        "--retry-failed"
    ),
}


# of production's codes, those that leave a result to use
_CAVEATS = (
    Status.TOLERANCE_NOT_MET,
    Status.OCCUPATION_ABOVE_ONE,
    Status.ASYMMETRY_JUMPS,
    Status.ERROR_UNKNOWN,
)


def is_failure(code: Any) -> Any:
    """Whether there is no result to use; other codes above 0 are caveats.

    ``code``: of ``Point.status``, a number or an array; so is the answer.
    """
    failed = (code == _SpectraStatus.NON_FINITE) | (code >= Status.OUT_OF_RANGE)
    for caveat in _CAVEATS:
        failed = failed & (code != caveat)
    return failed


_OF_NUMERICS = (
    _SpectraStatus.SPECTRUM_UNRESOLVED,
    _SpectraStatus.HIERARCHIES_NEEDED,
    _SpectraStatus.NON_FINITE,
    Status.NON_FINITE,
    Status.NOT_CONVERGED,
    Status.TOLERANCE_NOT_MET,
    Status.ASYMMETRY_JUMPS,
    Status.ERROR_UNKNOWN,
    Status.EVALUATION_FAILED,
    Status.WORKER_DIED,
)


def is_numerical(code):
    """Whether the code is about how a point was solved: a failure, or a resolution that was missed.

    All others are about the model: outside a range, too cold or too hot for a half-mode. Numbers
    or arrays.
    """
    return np.isin(code, [int(one) for one in _OF_NUMERICS])


def name_of(code: int) -> str:
    """Name of a status code of either package, as ``Point.status`` holds it."""
    enumeration = _SpectraStatus if 0 < int(code) < 20 else Status
    return enumeration(int(code)).name


def message_of(code: int) -> str:
    """One sentence for a status code of either package."""
    if 0 < int(code) < 20:
        return _SPECTRA_MESSAGES[_SpectraStatus(int(code))]
    return MESSAGES[Status(int(code))]
