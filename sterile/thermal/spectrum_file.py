"""A spectrum from a file as a kind: two columns, q = p/T and F(q), as CLASS reads them."""

import functools
import hashlib
from pathlib import Path
from typing import ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from spectra.psd import (
    abundance_doubt,
    moment_taken_for_f,
    normalisation_factor,
    read_psd,
    rising_end,
)
from spectra.spectrum import Spectrum, moment, omega_h2, q_mean, q_rms
from sterile.contract import Choices, ErrorEstimate, History, Mechanism, Production
from sterile.models import Model, file_name, in_range, parameter, switch
from sterile.status import Status
from sterile.thermal import account
from sterile.thermal.distributions import YIELD_PER_NUMBER

_TEMPERATURE_GEV = 1e-3


class SpectrumFile(Model):
    """A spectrum that another program made: two columns, q = p/T_ref and F(q) of all helicities.

    Attributes
    ----------
    mass_kev : m_N [keV].
    temperature_ratio : T_ref/T_gamma today [1], T_ref that of q; 1 for this package's own files,
        0.71377 for neutrinos.
    file : its name; in a configuration, from the folder that the program runs in.
    normalisation : of the second column, as for :func:`spectra.read_psd`: "occupation", F itself,
        or "class", F/(2 pi)^3.
    """

    kind: ClassVar[str] = "spectrum-file"
    mass_kev: Array = parameter("keV", "mass m_N", 1e-3, 1e9, typical=7.0, symbol=r"$m_N$ [keV]")
    temperature_ratio: Array = parameter(
        "1",
        "T_ref/T_gamma today of q = p/T_ref",
        1e-6,
        1e6,
        typical=1.0,
        symbol=r"$T_{\rm ref}/T_\gamma$",
    )
    file: str = file_name("two columns, q and F(q) summed over helicities; # starts a comment")
    normalisation: str = switch("what the second column is", "occupation", "class")


class _Version(NamedTuple):
    """What tells two contents of a file apart; a clock does not, it may be set back."""

    path: str
    digest: str


def _version(file: str) -> _Version:
    path = Path(file)
    content = path.read_bytes() if path.is_file() else b""
    return _Version(str(path), hashlib.sha256(content).hexdigest())


@functools.lru_cache(maxsize=16)
def _table(version: _Version) -> tuple[np.ndarray, np.ndarray]:
    with jax.ensure_compile_time_eval():
        spectrum = read_psd(version.path, 1.0, 1.0)
        return np.asarray(spectrum.q), np.asarray(spectrum.f)


def prepare(models, plasma) -> Choices:
    """The file as it is now: one that is written again is read again."""
    count = max(np.size(models.mass_kev), np.size(models.temperature_ratio))
    return Choices([_version(models.file)], np.zeros(count, dtype=int))


def solve(model: SpectrumFile, plasma, grid, error_estimate) -> Production:
    """The file's F at q = p/T_gamma, with its normalisation; errors of ``spectra.read_psd``."""
    q, f = _table(_version(model.file) if grid is None else grid)
    q, f = model.temperature_ratio * q, normalisation_factor(model.normalisation) * f
    table = Spectrum(q, f, 1.0, 1.0)
    number = moment(table, 0.0) / (2.0 * np.pi**2)
    yield_n = YIELD_PER_NUMBER * number
    status = jnp.where(in_range(model), Status.SUCCESS, Status.OUT_OF_RANGE)
    return Production(
        q=q,
        f=jnp.asarray(f),
        yield_n=yield_n,
        q_mean=q_mean(table),
        q_rms=q_rms(table),
        history=History(jnp.full(1, _TEMPERATURE_GEV), yield_n[None]),
        status=status.astype(jnp.int32),
        model=model,
        plasma=plasma,
        grid=grid,
        error=_thinned(table) if error_estimate else None,
    )


def _thinned(table: Spectrum) -> ErrorEstimate:
    """What every second row of the table would change: the error of the coarser table."""
    coarse = Spectrum(table.q[::2], table.f[::2], 1.0, 1.0)
    number, fewer = moment(table, 0.0), moment(coarse, 0.0)
    means = q_mean(coarse) / q_mean(table) - 1.0
    shape = table.q**2 * table.f
    between = jnp.interp(jnp.log(table.q), jnp.log(coarse.q), coarse.q**2 * coarse.f)
    return ErrorEstimate(
        jnp.abs(fewer / number - 1.0),
        jnp.abs(means),
        jnp.max(jnp.abs(between - shape)) / jnp.max(shape),
    )


def warnings(model: SpectrumFile, point, cosmology) -> list[str]:
    """What the file's column and its abundance tell about what it is."""
    if point.production is None:  # a scan does not keep it
        return []
    q, f = np.asarray(point.production.q), np.asarray(point.production.f)
    doubts = [rising_end(q, f), moment_taken_for_f(q, f)]
    own = float(omega_h2(Spectrum(q, f, model.mass_kev, 1.0), cosmology))
    if own <= float(cosmology.omega_dm):  # more is a verdict
        doubts.append(abundance_doubt(own, float(cosmology.omega_dm)))
    return [doubt for doubt in doubts if doubt is not None]


SPECTRUM_FILE = Mechanism(
    model=SpectrumFile,
    solve=solve,
    prepare=prepare,
    warnings=warnings,
    account=account.of_file,
)
