"""What radiation and baryons do to a given distribution of velocities: tables times numbers."""

from functools import reduce
from operator import add

import jax.numpy as jnp
import numpy as np
from jax import Array

from spectra.linear.deposit import lagrange_six


def _shift(drive) -> tuple[Array, Array]:
    """Whole grid steps (nk,) of ln(k/k_first), and six-point weights (nk, 6) of the rest."""
    whole = jnp.floor(drive.ln_k_shift + 1e-9)
    return whole.astype(jnp.int32), lagrange_six(drive.ln_k_shift - whole)


def external_modes(number: Array, drive) -> tuple[Array, Array]:
    """Overdensity driven by radiation and baryons, for the histogram ``number`` (ny,).

    Returns its coefficients (nk, nr) on the drive's ``time_modes``, and the share (nk,) of slow
    particles, which follow the cold response. The tables live on ln(k u), so n(y) is shifted by
    ln k. Below the first node of ln(k u) the response leaves its cold limit as u^2; beyond the last
    it has streamed away.
    """
    n_window = drive.response.shape[1]
    whole, weights = _shift(drive)
    top = drive.window_start + n_window + 3
    padded = jnp.pad(number, (0, max(0, top - number.shape[0])))
    start = drive.window_start - whole - 3
    index = start[:, None] + np.arange(n_window + 5, dtype=np.int32)[None, :]
    rows = padded[index]
    window = sum(weights[:, 5 - j, None] * rows[:, j : j + n_window] for j in range(6))
    # what the same shift puts below the window: exact, so that nothing fast is taken for slow
    zero = jnp.zeros(1)
    square = jnp.exp(2.0 * drive.dy * (np.arange(padded.shape[0] + 0.0) - drive.window_start))
    slower = jnp.concatenate([zero, jnp.cumsum(padded)])
    slower_square = jnp.concatenate([zero, jnp.cumsum(padded * square)])
    edge = start[:, None] + np.arange(6, dtype=np.int32)[None, :]
    # u^2 relative to that of the first window node
    relative = jnp.exp(2.0 * drive.dy * (drive.window_start - edge).astype(float))
    rise = jnp.sum(weights[:, ::-1] * slower_square[edge] * relative, axis=1)
    slow = jnp.sum(weights[:, ::-1] * slower[edge], axis=1) - rise
    first = np.arange(n_window) == 0
    window = window + jnp.where(first[None, :], rise[:, None], 0.0)
    return jnp.einsum("kw,kwr->kr", window, drive.response), slow


def external_overdensity(modes: Array, slow: Array, drive) -> Array:
    """The history (nt, nk) that :func:`external_modes` has reduced."""
    return (modes @ drive.time_modes).T + slow[None, :] * drive.response_cold.T


def kernel_table(number: Array, drive) -> Array:
    """F(k ds) on rows uniform in ln ds, (kernel_rows, nk)."""
    table = number @ drive.sinc
    whole, weights = _shift(drive)
    index = np.arange(drive.kernel_rows + 5, dtype=np.int32)[:, None] + whole[None, :]
    rows = table[index]
    return reduce(add, (weights[None, :, j] * rows[j : j + drive.kernel_rows] for j in range(6)))
