"""One fit from its TOML file to its HDF5 file: best fits, forecasts, or chains."""

from pathlib import Path

from spectra.files import check_writable
from sterile import session
from sterile.fit import settings as reading
from sterile.fit.best import best
from sterile.fit.extra import require
from sterile.fit.nuts import Chains
from sterile.fit.settings import Progress

_NEEDED = {"nuts": ("numpyro",), "surrogate": (), "map": ("optimistix",), "fisher": ("optimistix",)}


def run(
    source: str | Path | dict,
    output: str | Path,
    resume: bool = False,
    progress: Progress | None = None,
    threads: int | None = None,
) -> dict:
    """Do the fit of a TOML file (or a dict of the same content) and write ``output``.

    With method "surrogate" or "nuts" the file is readable by ``arviz.from_netcdf`` from the first
    block of draws on; a checkpoint beside it (OUTPUT.checkpoint.h5) lets a stopped fit go on, and a
    finished one get more samples, with the same draws as if it had not been stopped.

    Parameters
    ----------
    source : path of the TOML file, or a dict of the same content.
    output : path of the file to write.
    resume : go on with the checkpoint.
    progress : called with a line of text now and then.
    threads : chains at a time; one per core when left out.

    Returns
    -------
    The summary that the command prints with ``--json``.

    Raises
    ------
    FileNotFoundError, ValueError
        If the input is wrong, the output not writable, or the checkpoint another fit's.
    FitStopped
        If no point with a finite density was found.
    KeyboardInterrupt
        After the draws so far have been written.
    """
    settings = reading.load(source)
    check_writable(output)
    for extra in _NEEDED[settings.fit.method]:
        require(extra)
    session.start()
    say = progress or (lambda text: None)
    if settings.fit.method in reading.CHAINS:
        return Chains(settings, Path(output), say, threads).run(resume)
    if resume:
        raise ValueError(f'method = "{settings.fit.method}" has nothing to resume; leave it out')
    return best(settings, Path(output), say)
