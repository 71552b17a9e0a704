"""What is known to be wrong with a spectrum goes wherever its export goes."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from spectra.cosmology import Cosmology
from spectra.export.writing import WARNING, companion
from spectra.linear import Transfer, transfer
from spectra.spectrum import Spectrum
from spectra.status import MESSAGES, Status

# estimated error of T^2 above which a spectrum is refused, and above which it is told
_REFUSED, _TOLD = 0.05, 2e-3
_HOT = 0.1  # loss of power at the solver's smallest k that is told beside it
_INSISTED = "written because force was given, "


def estimated(spectrum: Spectrum, cosmology: Cosmology, curve) -> Transfer:
    """``curve``, or the transfer function solved for, where it is None or has no estimates."""
    return transfer(spectrum, cosmology) if getattr(curve, "t2_error", None) is None else curve


def judged(
    curve: Transfer,
    force: bool,
    refused: Sequence[str] = (),
    known: Sequence[str] = (),
) -> tuple[str, ...]:
    """Sentences about what is known to be wrong with a spectrum.

    Parameters
    ----------
    curve : its transfer function, with its status and its estimated errors.
    force : whether a spectrum that would be refused is to be written all the same.
    refused, known : what the caller knows: enough to refuse it, or to be told.

    Raises
    ------
    ValueError
        If there is a reason to refuse it, T^2 is not finite or its estimated error is above
        5 per cent, unless ``force``.
    """
    told, too_much = _caveat(curve)
    own = [] if told is None else [told]
    refused = [*refused, *(own if too_much else [])]
    if refused and not force:
        raise ValueError(
            f"the spectrum is not exported: {'; '.join(refused)}; or use force (--force) to write "
            "it with this warning"
        )
    insisted = (f"{_INSISTED}but {sentence}" for sentence in refused)
    return (*insisted, *known, *([] if too_much else own))


def _caveat(curve: Transfer) -> tuple[str | None, bool]:
    """What is wrong with a transfer function, if anything is; whether that is too much."""
    t2, status = np.asarray(curve.t2), int(curve.status)
    errors = [np.asarray(error) for error in (curve.t2_error, curve.table_error)]
    if not np.isfinite(t2).all():
        return MESSAGES[Status.NON_FINITE], True
    unknown = any(np.isnan(error).any() for error in errors)
    worst = max(float(np.nanmax(error, initial=0.0)) for error in errors)
    if status == Status.SUCCESS and worst <= _TOLD and not unknown:
        return None, False
    said = MESSAGES[Status(status)] if status != Status.SUCCESS else "T^2 is not well known"
    said += f"; estimated error of T^2 = {worst:.1g}"
    if unknown:
        said += ", and at some k there is no estimate"
    if t2[0] < 1.0 - _HOT:
        lowest = float(curve.k_h_mpc[0])
        said += f"; T^2 is {t2[0]:.2g} at {lowest:g} h/Mpc already: too hot for this solver"
    return said, worst > _REFUSED


def comment_lines(caveats: Sequence[str]) -> str:
    """One line with # for each, without a colon: some targets take one for a header's."""
    return "".join(f"# WARNING, {caveat.replace(':', ',')}\n" for caveat in caveats)


def declared_caveats(path: Path) -> tuple[list[str], list[str]]:
    """What the note beside ``path`` warns of: what was insisted on, and what was told only."""
    try:
        text = companion(path, "note").read_text(encoding="ascii", errors="replace")
    except OSError:
        return [], []
    found = [line[len(WARNING) :] for line in text.splitlines() if line.startswith(WARNING)]
    return (
        [line for line in found if line.startswith(_INSISTED)],
        [line for line in found if not line.startswith(_INSISTED)],
    )
