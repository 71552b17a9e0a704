"""Integrals of Fermi-Dirac and Bose-Einstein occupations from a lower end, in closed form.

    Phi_n(x) = int_x^inf y^n/(e^y +- 1) dy,   n = 0, 1, 2,

by polylogarithms: for z = e^-x, Phi_0 = l_1, Phi_1 = x l_1 + l_2, Phi_2 = x^2 l_1 + 2x l_2 + 2 l_3,
l_s = -Li_s(-z) for fermions and Li_s(z) for bosons (DLMF 25.12).
"""

import math

import numpy as np

# e^-x below this is nothing
_FAR = 600.0
_TERMS = 120


def _fitted(power: int) -> np.ndarray:
    """Chebyshev coefficients of -Li_s(-z)/z on [0, 1]: analytic to z = -1, they fall as 6^-k."""
    nodes = np.cos(math.pi * (np.arange(48) + 0.5) / 48)
    z = 0.5 * (nodes + 1.0)
    # -Li_s(-z) = z/Gamma(s) int_0^inf t^(s-1)/(e^t + z) dt
    x, w = np.polynomial.legendre.leggauss(300)
    t = 25.0 * (x + 1.0)
    values = 25.0 * (w * t ** (power - 1)) @ (1.0 / (np.exp(t)[:, None] + z))
    return np.polynomial.chebyshev.chebfit(nodes, values / math.gamma(power), 24)


_LI2, _LI3 = _fitted(2), _fitted(3)


def fermi_tails(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Phi_0, Phi_1 and Phi_2 of fermions at ``x`` [1], of any sign and shape."""
    x = np.clip(x, -_FAR, _FAR)
    size = np.abs(x)
    z = np.exp(-size)
    l2 = z * np.polynomial.chebyshev.chebval(2.0 * z - 1.0, _LI2)
    l3 = z * np.polynomial.chebyshev.chebval(2.0 * z - 1.0, _LI3)
    below = x < 0.0
    # inversion of the polylogarithms, DLMF 25.12.4
    l2 = np.where(below, 0.5 * x**2 + math.pi**2 / 6.0 - l2, l2)
    l3 = np.where(below, size**3 / 6.0 + math.pi**2 / 6.0 * size + l3, l3)
    l1 = np.log1p(z) + np.where(below, size, 0.0)
    return l1, x * l1 + l2, x**2 * l1 + 2.0 * x * l2 + 2.0 * l3


def bose_tails(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Phi_0, Phi_1 and Phi_2 of bosons at ``x`` >= 0.3 [1], where the series is cut at e^-36."""
    x = np.minimum(x, _FAR)
    z = np.exp(-x)
    orders = np.arange(_TERMS, 0, -1)
    l2, l3 = np.zeros_like(z), np.zeros_like(z)
    for order in orders:
        l2 = z * (1.0 / order**2 + l2)
        l3 = z * (1.0 / order**3 + l3)
    l1 = -np.log(-np.expm1(-x))
    return l1, x * l1 + l2, x**2 * l1 + 2.0 * x * l2 + 2.0 * l3
