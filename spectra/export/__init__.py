"""One module per target format, one door: :func:`write`."""

import difflib
from collections.abc import Sequence
from pathlib import Path

from spectra.cosmology import Cosmology
from spectra.export import class_code
from spectra.spectrum import Spectrum

_WRITERS = {"class": class_code.write}
FORMATS = tuple(_WRITERS)


def write(
    path,
    format: str,
    *,
    spectrum: Spectrum,
    transfer=None,
    cosmology: Cosmology | None = None,
    force: bool = False,
) -> Sequence[Path]:
    """Write a spectrum for another code to read.

    Parameters
    ----------
    path : where to: a directory for ``class`` (made if missing).
    format : one of :data:`FORMATS`.
    spectrum : what to write.
    transfer : its transfer function; sets how far in k the other code is asked to go.
    cosmology : the default one when left out.
    force : replace files that exist.

    Returns
    -------
    The files written.

    Raises
    ------
    ValueError
        If the format is unknown (the message names the nearest), a file exists and
        ``force`` is off, or the path is not writable.
    """
    if format not in _WRITERS:
        near = difflib.get_close_matches(str(format).lower(), FORMATS, n=1)
        hint = f"did you mean '{near[0]}'?" if near else f"known formats: {', '.join(FORMATS)}"
        raise ValueError(f"unknown export format '{format}'; {hint}")
    cosmology = Cosmology() if cosmology is None else cosmology
    return _WRITERS[format](
        Path(path), spectrum=spectrum, transfer=transfer, cosmology=cosmology, force=force
    )
