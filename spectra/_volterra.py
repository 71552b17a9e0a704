"""Dark matter and baryons under their own gravity: a triangular system, one time node a step.

With S the source of gravity (Poisson's equation), D the overdensity of dark matter and b that of
baryons (:mod:`spectra.transfer` has the physics), the discretised equations of one wavenumber are

    S_i = p_i (E_i + sum_j [G_ij F_ij - h_i W_ij / k^2] S_j - 3 S_i / k^2) + r_i b_i
    b_i = sum_j B_ij S_j - k^2 sum_j P_ij b_j

with E the external drive and F_ij the Fourier transform of the spectrum at k (s_i - s_j), read from
a table uniform in the logarithm. Only F knows the spectrum. Every node, once known, is added to all
later ones: these updates are elementwise, with the wavenumber fastest, and never written as a
matrix. Derivatives come from one more substitution (forward mode) or one backwards (reverse mode).
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.custom_derivatives import SymbolicZero


def overdensities(external: Array, kernel: Array, drive) -> tuple[Array, Array]:
    """Overdensity of dark matter and of baryons at all time nodes, both (nt, nk).

    ``external`` (nt, nk) is E; ``kernel`` (kernel_rows, nk) the table of F. Linear in ``external``.
    A vmap over models runs them one after the other: each fits the cache, all together do not.
    """
    poisson = drive.poisson_cold[:, None]
    source = poisson * external
    right = jnp.stack([source, jnp.zeros_like(source)])
    k_squared = (drive.k_h_mpc * drive.cosmology.h) ** 2
    source, baryons = _solution(right, kernel, (k_squared, _system(drive)))
    dark_matter = (source - drive.poisson_baryon[:, None] * baryons) / poisson
    return dark_matter, baryons + drive.baryon_external.T


def total_matter(dark_matter: Array, baryons: Array, cosmology) -> Array:
    """Overdensity of both together, the shape of either."""
    share = cosmology.omega_b / (cosmology.omega_b + cosmology.omega_dm)
    return (1.0 - share) * dark_matter + share * baryons


def cold_overdensities(drive) -> tuple[Array, Array]:
    """:func:`overdensities` of cold dark matter, by the same discretised equations."""
    kernel = jnp.ones((drive.kernel_rows, drive.k_h_mpc.shape[0]))
    return overdensities(drive.response_cold.T, kernel, drive)


def cold_overdensity(drive) -> Array:
    """Matter overdensity today (nk,) for cold dark matter, by the same discretised equations."""
    dark_matter, baryons = cold_overdensities(drive)
    return total_matter(dark_matter[-1], baryons[-1], drive.cosmology)


@jax.custom_jvp
def _solution(right, kernel, coefficients):
    return _forward(right, kernel, *coefficients)


@partial(_solution.defjvp, symbolic_zeros=True)
def _solution_jvp(primals, tangents):
    """A dx = d right - dA x; dA, but for the kernel's part, is left to JAX and usually zero."""
    right, kernel, coefficients = primals
    d_right, d_kernel, d_coefficients = tangents
    solution = _solution(right, kernel, coefficients)
    change = jnp.zeros_like(solution) if _is_zero(d_right) else d_right
    if not _is_zero(d_kernel):
        change = change.at[0].add(_pull(d_kernel, solution[0], coefficients[1]))
    if not all(map(_is_zero, jax.tree.leaves(d_coefficients, is_leaf=_is_zero))):
        _, moved = jax.jvp(
            lambda moving: _matrix(solution, kernel, *moving),
            (coefficients,),
            (jax.tree.map(_instantiate, coefficients, d_coefficients, is_leaf=_is_zero),),
        )
        change = change - moved
    return solution, jax.lax.custom_linear_solve(
        lambda unknown: _matrix(unknown, kernel, *coefficients),
        change,
        lambda _, right: _forward(right, kernel, *coefficients),
        lambda _, right: _backward(right, kernel, *coefficients),
    )


def _is_zero(tangent) -> bool:
    return isinstance(tangent, SymbolicZero)


def _instantiate(primal, tangent):
    if not _is_zero(tangent):
        return tangent
    if jnp.issubdtype(primal.dtype, jnp.inexact):
        return jnp.zeros_like(primal)
    return np.zeros(primal.shape, jax.dtypes.float0)


def _system(drive) -> dict:
    """Coefficients [i, j] (later node, earlier node), and what is on the diagonal."""
    poisson = drive.poisson_cold[:, None]
    streaming = poisson * drive.gravity_weights * drive.distance
    return {
        "row": drive.distance_row,
        "streaming": streaming[:, :, None] * drive.distance_weights,
        "drift": poisson * drive.horizon[:, None] * jnp.tril(drive.gravity_weights, -1),
        "baryon": drive.baryon_weights,
        "pressure": drive.baryon_pressure,
        "own": drive.poisson_cold * (drive.horizon * jnp.diagonal(drive.gravity_weights) + 3.0),
        "own_baryon": jnp.diagonal(drive.baryon_weights),
        "own_pressure": jnp.diagonal(drive.baryon_pressure),
        "poisson_baryon": drive.poisson_baryon,
    }


def _by_column(system: dict) -> dict:
    """What a node does to all others, a node a row; later nodes already know, which is harmless."""
    return {
        name: values if values.ndim == 1 else jnp.swapaxes(values, 0, 1)
        for name, values in system.items()
    }


def _interpolated(node: dict, kernel: Array) -> Array:
    """G F of one column or row, (nt, nk)."""
    return sum(
        node["streaming"][:, p, None] * kernel.at[node["row"] + p].get(mode="promise_in_bounds")
        for p in range(node["streaming"].shape[1])
    )


def _own_pair(known, i, node: dict, k_squared, from_baryons: str, to_baryons: str):
    """The node's two unknowns (nk,) each, when those that come before are in ``known``."""
    source, baryons = (jax.lax.dynamic_index_in_dim(x, i, 0, False) for x in known)
    stiff = 1.0 / (1.0 + k_squared * node["own_pressure"])
    own = 1.0 + node["own"] / k_squared - node["poisson_baryon"] * node["own_baryon"] * stiff
    source = (source + node[from_baryons] * stiff * baryons) / own
    return source, (baryons + node[to_baryons] * source) * stiff


@jax.custom_batching.sequential_vmap
def _forward(right, kernel, k_squared, system):
    def step(known, numbered):
        i, node = numbered
        source, baryons = _own_pair(known, i, node, k_squared, "poisson_baryon", "own_baryon")
        pull = _interpolated(node, kernel) - node["drift"][:, None] / k_squared
        stress = node["pressure"][:, None] * (k_squared * baryons)
        known = (known[0] + pull * source, known[1] + node["baryon"][:, None] * source - stress)
        return known, (source, baryons)

    nodes = (jnp.arange(right.shape[1]), _by_column(system))
    return jnp.stack(jax.lax.scan(step, (right[0], right[1]), nodes)[1])


@jax.custom_batching.sequential_vmap
def _backward(right, kernel, k_squared, system):
    """The transpose: rows instead of columns, from today backwards."""

    def step(known, numbered):
        i, node = numbered
        source, baryons = _own_pair(known, i, node, k_squared, "own_baryon", "poisson_baryon")
        pull = _interpolated(node, kernel) - node["drift"][:, None] / k_squared
        stress = node["pressure"][:, None] * (k_squared * baryons)
        known = (known[0] + pull * source + node["baryon"][:, None] * baryons, known[1] - stress)
        return known, (source, baryons)

    nodes = (jnp.arange(right.shape[1]), system)
    return jnp.stack(jax.lax.scan(step, (right[0], right[1]), nodes, reverse=True)[1])


def _matrix(unknown, kernel, k_squared, system):
    """The matrix times (S, b)."""
    source, baryons = unknown
    own = 1.0 + system["own"][:, None] / k_squared
    drift = (system["drift"] @ source) / k_squared
    pull = _pull_plain(kernel, source, system)
    return jnp.stack(
        [
            own * source + drift - pull - system["poisson_baryon"][:, None] * baryons,
            baryons - system["baryon"] @ source + k_squared * (system["pressure"] @ baryons),
        ]
    )


def _pull(kernel, source, system):
    """sum_j G_ij F_ij S_j, (nt, nk), linear in the table ``kernel`` (rows, nk).

    Written as the solution (K, P) of K = kernel, P - pull(K) = 0: a linear map whose transpose can
    be given by hand, in either mode and under vmap.
    """
    rows = kernel.shape[0]

    def solve(_, right):
        return right.at[rows:].add(_pull_forward(right[:rows], source, system))

    def solve_transposed(_, right):
        return right.at[:rows].add(_pull_transposed(right, source, system))

    def matrix(both):
        return both.at[rows:].add(-_pull_plain(both[:rows], source, system))

    right = jnp.concatenate([kernel, jnp.zeros_like(source)])
    return jax.lax.custom_linear_solve(matrix, right, solve, solve_transposed)[rows:]


def _pull_plain(kernel, source, system):
    def step(pull, numbered):
        node, value = numbered
        return pull + _interpolated(node, kernel) * value, None

    return jax.lax.scan(step, jnp.zeros_like(source), (_by_column(system), source))[0]


_pull_forward = jax.custom_batching.sequential_vmap(_pull_plain)


@jax.custom_batching.sequential_vmap
def _pull_transposed(right, source, system):
    n_time, n_k = source.shape
    rows, points = right.shape[0] - n_time, system["streaming"].shape[2]

    def step(total, numbered):
        node, value = numbered
        share = node["streaming"][:, :, None] * (source * value)[:, None, :]
        return total.at[node["row"]].add(share, mode="promise_in_bounds"), None

    total, _ = jax.lax.scan(step, jnp.zeros((rows, points, n_k)), (system, right[rows:]))
    padded = jnp.pad(total, ((points - 1, 0), (0, 0), (0, 0)))
    return sum(padded[points - 1 - p : points - 1 - p + rows, p] for p in range(points))
