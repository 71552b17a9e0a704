"""A spectrum split by when it was made: before and after its parents cease to change in number."""

from typing import NamedTuple

import numpy as np

# the parents count as decoupled once n_S + n_N/2 is within 1% of its final value
DECOUPLED = 1e-2


class Split(NamedTuple):
    """Parts of a spectrum by when they were made.

    Attributes
    ----------
    index : of the history's entry at which the parents have decoupled.
    temperature_gev : there [GeV].
    early, late : (n,) parts of f.
    """

    index: int
    temperature_gev: float
    early: np.ndarray
    late: np.ndarray


def split_at_decoupling(
    history_temperature_gev: np.ndarray,
    yield_s: np.ndarray,
    yield_n: np.ndarray,
    snapshot_temperature_gev: np.ndarray,
    snapshot_f: np.ndarray,
) -> Split:
    """The final spectrum split by when it was produced.

    Early: while the scalars exchange number with the plasma, that is until Y_S + Y_N/2
    stays within 1% of its final value; late: the decays of the scalars left over then.

    Parameters
    ----------
    history_temperature_gev, yield_s, yield_n : shape (n_t,), temperature falling [GeV].
    snapshot_temperature_gev : shape (m,), falling [GeV]; ``snapshot_f`` : shape (m, n).
        Between snapshots f grows as Y_N does.
    """
    total = yield_s + 0.5 * yield_n
    moving = np.flatnonzero(np.abs(total / total[-1] - 1.0) > DECOUPLED)
    decoupled = min(moving[-1] + 1 if moving.size else 0, total.size - 1)
    # interpolate in ln T, increasing order
    ln_t, snapshot_ln_t = np.log(history_temperature_gev), np.log(snapshot_temperature_gev)
    snapshot_yield = np.interp(-snapshot_ln_t, -ln_t, yield_n)
    target = yield_n[decoupled]
    later = min(int(np.searchsorted(snapshot_yield, target)), snapshot_yield.size - 1)
    if later == 0:
        gap, early = snapshot_yield[0], np.zeros_like(snapshot_f[0])
        before = 0.0
    else:
        early, before = snapshot_f[later - 1], snapshot_yield[later - 1]
        gap = snapshot_yield[later] - before
    share = np.clip((target - before) / gap, 0.0, 1.0) if gap > 0.0 else 0.0
    early = early + share * (snapshot_f[later] - early)
    return Split(
        int(decoupled),
        float(history_temperature_gev[decoupled]),
        early,
        np.maximum(snapshot_f[-1] - early, 0.0),
    )
