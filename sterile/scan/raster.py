"""Columns of a scan on the pixels of a plane."""

import copy

import numpy as np

_PIXELS = 400


class Raster:
    """The plane as pixels, and columns interpolated on it.

    Attributes
    ----------
    x_log, y_log : whether an axis is logarithmic.
    x, y : (pixels,) of each axis.
    """

    def __init__(self, x: np.ndarray, y: np.ndarray):
        """``x``, ``y``: (n,) of the points."""
        self.x_log, self.y_log = is_log(x), is_log(y)
        points = np.stack([np.log(x) if self.x_log else x, np.log(y) if self.y_log else y], axis=1)
        low, high = points.min(axis=0), points.max(axis=0)
        self.low, self.scale = low, np.where(high > low, high - low, 1.0)
        self.points = (points - low) / self.scale
        unit = np.linspace(0.0, 1.0, _PIXELS)
        self.mesh = np.stack(np.meshgrid(unit, unit), axis=-1)
        self.x = low[0] + self.scale[0] * unit
        self.y = low[1] + self.scale[1] * unit
        if self.x_log:
            self.x = np.exp(self.x)
        if self.y_log:
            self.y = np.exp(self.y)

    def of(self, x: np.ndarray, y: np.ndarray) -> "Raster":
        """The same pixels for other points."""
        other = copy.copy(self)
        points = np.stack([np.log(x) if self.x_log else x, np.log(y) if self.y_log else y], axis=1)
        other.points = (points - self.low) / self.scale
        return other

    def between(self, values: np.ndarray, smooth: bool = False) -> np.ndarray:
        """(pixels, pixels), linear or cubic between the points where ``values`` is finite."""
        from scipy.interpolate import CloughTocher2DInterpolator, LinearNDInterpolator
        from scipy.spatial import QhullError

        interpolator = CloughTocher2DInterpolator if smooth else LinearNDInterpolator
        good = np.isfinite(values)
        if good.sum() < 4:
            return np.full((_PIXELS, _PIXELS), np.nan)
        try:
            return interpolator(self.points[good], values[good])(self.mesh)
        except QhullError:
            return np.full((_PIXELS, _PIXELS), np.nan)

    def edge(self, margin: np.ndarray) -> np.ndarray:
        """A surface that is zero where ``margin`` is, straight across it however it grows away."""
        with np.errstate(all="ignore"):
            scale = min(1.0, float(np.nanmedian(np.abs(margin))))
            return self.between(margin / (scale + np.abs(margin)))

    def nearest(self, values: np.ndarray) -> np.ndarray:
        """(pixels, pixels), the value of the nearest point."""
        from scipy.spatial import KDTree

        _, index = KDTree(self.points).query(self.mesh)
        return values[index]


def is_log(values: np.ndarray) -> bool:
    """Whether values are positive and span so much that their logarithms are shown."""
    return bool(values.min() > 0.0 and values.max() / values.min() > 10.0)
