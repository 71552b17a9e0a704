"""Where a grid in ln u no longer resolves the phase X = k u s, oscillations fade out smoothly."""

import numpy as np


def taper(phase_per_node: np.ndarray) -> np.ndarray:
    """1 while the phase advances by less than about a radian a node, 0 from about three."""
    return np.exp(-((np.abs(phase_per_node) / 2.2) ** 6))


def sinc_table(ln_x: np.ndarray, dy: float) -> np.ndarray:
    """sin(X)/X of X = exp(ln_x), tapered for a grid of spacing ``dy`` in ln X."""
    x = np.exp(np.minimum(ln_x, 50.0))
    return np.sinc(x / np.pi) * taper(np.minimum(x * dy, 10.0))
