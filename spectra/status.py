"""Outcome codes of the structure-formation floor, carried through ``jit`` as int32."""

import enum


class Status(enum.IntEnum):
    """0 is success; every other code has a name and a sentence in :data:`MESSAGES`.

    Codes below 20 belong to ``spectra``; 20 and above to the packages built on it.
    """

    SUCCESS = 0
    HALF_MODE_ABOVE_RANGE = 1
    HALF_MODE_BELOW_RANGE = 2
    COSMOLOGY_MISMATCH = 3
    SPECTRUM_UNRESOLVED = 4
    NON_FINITE = 5
    SPECTRUM_RELATIVISTIC = 6
    HIERARCHIES_NEEDED = 7


MESSAGES = {
    Status.SUCCESS: "done",
    Status.HALF_MODE_ABOVE_RANGE: (
        "the spectrum is too cold: T^2 stays above the half-mode level on the whole k range; "
        "extend k_h_mpc to larger k if you need the half-mode"
    ),
    Status.HALF_MODE_BELOW_RANGE: (
        "the spectrum is too hot: T^2 is below the half-mode level on the whole k range; "
        "extend k_h_mpc to smaller k if you need the half-mode"
    ),
    Status.COSMOLOGY_MISMATCH: (
        "the drive was made for another cosmology; build it with spectra.drive(cosmology)"
    ),
    Status.SPECTRUM_UNRESOLVED: (
        "the momentum table does not resolve or cover the spectrum: too few momenta, or particles "
        "beyond its ends; refine or extend it"
    ),
    Status.SPECTRUM_RELATIVISTIC: (
        "particles are faster than a hundredth of the speed of light today: they are no dark "
        "matter, and count as free-streamed away"
    ),
    Status.HIERARCHIES_NEEDED: (
        "dark matter is too fast for the equations of slow particles, which were asked for; leave "
        'hierarchies = "where needed"'
    ),
    Status.NON_FINITE: "a result is not finite; check the input spectrum and cosmology",
}
