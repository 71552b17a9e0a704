"""The Lyman-alpha area criterion: how much one-dimensional power a cut-off takes away.

P_1D(k) = (1/2 pi) int_k^k_cut k' P(k') dk', r = P_1D/P_1D,cold, A = int r dk over the window,
delta_A = 1 - A/A_cold (Murgia et al. 2017, 1704.07838, sec. 4; Schneider 2016, 1601.07553).
k_cut matters: the integrand falls only as 1/k, so delta_A of the same spectrum changes by 20 to
50 % between 70 and 200 h/Mpc. Compare only numbers of one k_cut, one P(k) and one kind of relic:
the reference delta_A is computed, never quoted.
"""

import math

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from spectra.cosmology import Cosmology
from spectra.programs import program
from spectra.structure.power import PowerTable, cold_power, covers, transfer_at
from spectra.structure.running_integral import running_integral, whole_weights
from spectra.structure.shapes import shape_transfer, viel_shape
from spectra.units import plain_numbers

# MontePython Lya_abgd integrates to 200 h/Mpc over this window
K_CUT_H_MPC = 200.0
WINDOW_H_MPC = (0.5, 20.0)
# uniform in ln k, cumulative rule of sixth order: 1e-7 of delta_A
_WINDOW_NODES, _TAIL_NODES = 129, 97
_RELIC_NODES = 300


@plain_numbers
def one_dimensional_power(
    transfer,
    table: PowerTable,
    cosmology: Cosmology | None = None,
    k_cut_h_mpc: float = K_CUT_H_MPC,
    window_h_mpc: tuple[float, float] = WINDOW_H_MPC,
) -> tuple[Array, Array, Array]:
    """P_1D of a transfer function and of cold dark matter over the window.

    Parameters
    ----------
    transfer : k_h_mpc (n,) [h/Mpc], t (n,).
    table, cosmology : as for :func:`spectra.cold_power`; z = 0.
    k_cut_h_mpc : upper end of the integral [h/Mpc], concrete, above the window.
    window_h_mpc : (low, high) [h/Mpc], concrete.

    Returns
    -------
    k (m,) [h/Mpc], uniform in ln k over the window, P_1D (m,) and P_1D of cold dark matter (m,),
    both in Mpc/h. NaN where the transfer function does not reach k_cut.

    Raises
    ------
    ValueError
        Unless 0 < low < high < k_cut.
    """
    low, high = window_h_mpc
    if not 0.0 < low < high < k_cut_h_mpc:
        raise ValueError(
            f"window_h_mpc = {window_h_mpc} and k_cut_h_mpc = {k_cut_h_mpc:g} must satisfy "
            "0 < low < high < k_cut"
        )
    return _one_dimensional_power(
        transfer, table, cosmology, float(low), float(high), float(k_cut_h_mpc)
    )


@program
def _one_dimensional_power(transfer, table, cosmology, low, high, k_cut):
    ln_k = jnp.asarray(area_nodes(k_cut, (low, high)))
    cold, t = cold_power(jnp.exp(ln_k), table, cosmology), transfer_at(ln_k, transfer)
    return _integrated(cold, t, transfer, k_cut, (low, high))


def _window_and_tail(k_cut, window_h_mpc):
    low, high = window_h_mpc
    window = np.linspace(math.log(low), math.log(high), _WINDOW_NODES)
    return window, np.linspace(math.log(high), math.log(k_cut), _tail_nodes(high, k_cut))


def area_nodes(
    k_cut_h_mpc: float = K_CUT_H_MPC, window_h_mpc: tuple[float, float] = WINDOW_H_MPC
) -> np.ndarray:
    """ln of k [h/Mpc] at which :func:`area_deficit` wants P_CDM and T, (m,)."""
    return np.concatenate(_window_and_tail(k_cut_h_mpc, window_h_mpc))


def _integrated(cold, t, transfer, k_cut, window_h_mpc):
    """What :func:`one_dimensional_power` gives, from P_CDM and T at the nodes, (m,) each."""
    window, tail = _window_and_tail(k_cut, window_h_mpc)
    cold = np.exp(2.0 * np.concatenate([window, tail])) * cold / (2.0 * math.pi)
    warm = cold * t**2
    beyond = whole_weights(tail.size) * (tail[1] - tail[0])

    def integrate(values):
        # the reversed window integrates down from its end
        inside = running_integral(values[window.size - 1 :: -1])[::-1] * (window[1] - window[0])
        return inside + beyond @ values[window.size :]

    usable = covers(transfer, k_cut)
    return (
        jnp.exp(window),
        jnp.where(usable, integrate(warm), jnp.nan),
        integrate(cold),
    )


def _tail_nodes(high: float, k_cut: float) -> int:
    """As many nodes per e-fold as the default tail has."""
    per_e_fold = _TAIL_NODES / math.log(K_CUT_H_MPC / WINDOW_H_MPC[1])
    return max(_TAIL_NODES, math.ceil(per_e_fold * math.log(k_cut / high)))


@plain_numbers
def area_deficit(
    transfer,
    table: PowerTable,
    cosmology: Cosmology | None = None,
    k_cut_h_mpc: float = K_CUT_H_MPC,
    window_h_mpc: tuple[float, float] = WINDOW_H_MPC,
) -> Array:
    """delta_A, scalar: 0 for cold dark matter, towards 1 for hot; arguments as above.

    dk in A is linear, so the window's large wavenumbers count most.
    """
    k, warm, cold = one_dimensional_power(transfer, table, cosmology, k_cut_h_mpc, window_h_mpc)
    return _deficit(k, warm, cold, window_h_mpc)


def area_deficit_of(cold: Array, t: Array, transfer) -> Array:
    """:func:`area_deficit` from P_CDM [(Mpc/h)^3] and T at :func:`area_nodes`, (m,) each."""
    return _deficit(*_integrated(cold, t, transfer, K_CUT_H_MPC, WINDOW_H_MPC), WINDOW_H_MPC)


def _deficit(k, warm, cold, window_h_mpc):
    low, high = window_h_mpc
    weights = whole_weights(k.shape[0]) * (math.log(high / low) / (k.shape[0] - 1))
    return 1.0 - jnp.sum(weights * k * warm / cold) / (high - low)


_MASS_RANGE_KEV = (0.1, 300.0)
_BISECTIONS = 50


@plain_numbers
def area_mass_kev(
    deficit: Array,
    table: PowerTable,
    cosmology: Cosmology | None = None,
    k_cut_h_mpc: float = K_CUT_H_MPC,
) -> Array:
    """Mass [keV] of the thermal relic (Viel fit) with the same delta_A, scalar.

    The thermal-equivalent mass by area: it moves by 3 % at most between k_cut of 70 and 200 h/Mpc,
    except for plateaus. Bisection between 0.1 and 300 keV, derivative by the implicit function
    theorem; NaN outside.

    Parameters
    ----------
    deficit : delta_A with the same table and k_cut, scalar.
    """
    cosmology = table.cosmology if cosmology is None else cosmology
    return _area_mass(jnp.asarray(deficit, dtype=float), table, cosmology, float(k_cut_h_mpc))


@program
def _area_mass(deficit, table, cosmology, k_cut):
    k = jnp.asarray(np.geomspace(0.5 * WINDOW_H_MPC[0], k_cut, _RELIC_NODES))

    def deficit_of(ln_mass):
        relic = shape_transfer(viel_shape(jnp.exp(ln_mass), cosmology), k)
        return area_deficit(relic, table, cosmology, k_cut)

    def halve(_, ends):
        middle = 0.5 * (ends[0] + ends[1])
        lighter = deficit_of(middle) > deficit
        return jnp.where(lighter, middle, ends[0]), jnp.where(lighter, ends[1], middle)

    start = tuple(jnp.log(jnp.asarray(mass)) for mass in _MASS_RANGE_KEV)
    ends = jax.lax.fori_loop(0, _BISECTIONS, halve, start)
    root = jax.lax.stop_gradient(0.5 * (ends[0] + ends[1]))
    found = (deficit < deficit_of(start[0])) & (deficit > deficit_of(start[1]))
    slope = jax.lax.stop_gradient(jax.jvp(deficit_of, (root,), (jnp.ones(()),))[1])
    # one Newton step carries the derivative
    return jnp.where(found, jnp.exp(root - (deficit_of(root) - deficit) / slope), jnp.nan)
