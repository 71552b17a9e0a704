"""Dark matter and baryons under their own gravity: a triangular system, one time node a step.

With D the overdensity of dark matter, b that of baryons in answer to it, and S = p D + r b the
source of gravity (:mod:`spectra.transfer` has the physics), the equations of one wavenumber are

    D_i = E_i + sum_j [G_ij F_ij - h_i W_ij / k^2] S_j - 3 S_i / k^2
    b_i = sum_j B_ij S_j - k^2 sum_j P_ij b_j

with E the external drive and F_ij the Fourier transform of the spectrum at k (s_i - s_j), read from
a table uniform in the logarithm. Only F knows the spectrum. Every node, once known, is added to all
later ones: these updates are elementwise, with the wavenumber fastest, and never written as a
matrix. Derivatives come from one more substitution (forward mode) or one backwards (reverse mode).
Time runs in two stretches, so that nodes long done are not updated in vain.
"""

from functools import partial, reduce
from operator import add

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
    right = jnp.stack([external, jnp.zeros_like(external)])
    k_squared = (drive.k_h_mpc * drive.cosmology.h) ** 2
    dark_matter, answer = _solution(right, kernel, (k_squared, _system(drive)))
    return dark_matter, answer + drive.baryon_external.T


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
        dark_matter, baryons = solution
        source = _source(dark_matter, baryons, coefficients[1])
        change = change.at[0].add(_pull(d_kernel, source, coefficients[1]))
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


_SQUARES = ("row", "streaming", "drift", "baryon", "pressure")
_STRETCHES = 2  # more save a little time and double the compiling


def _system(drive) -> dict:
    """Coefficients [i, j] (later node, earlier node), and what belongs to single nodes."""
    streaming = drive.gravity_weights * drive.distance
    return {
        "row": drive.distance_row,
        "streaming": streaming[:, :, None] * drive.distance_weights,
        "drift": drive.horizon[:, None] * jnp.tril(drive.gravity_weights, -1),
        "baryon": drive.baryon_weights,
        "pressure": drive.baryon_pressure,
        "own": drive.horizon * jnp.diagonal(drive.gravity_weights) + 3.0,
        "own_baryon": jnp.diagonal(drive.baryon_weights),
        "own_pressure": jnp.diagonal(drive.baryon_pressure),
        "poisson_cold": drive.poisson_cold.T,
        "poisson_baryon": drive.poisson_baryon,
    }


def _by_column(system: dict) -> dict:
    """What a node does to all others, a node a row; earlier nodes are done, and do not mind."""
    return {
        name: jnp.swapaxes(values, 0, 1) if name in _SQUARES else values
        for name, values in system.items()
    }


def _stretches(count: int):
    """First and last node, plus one, of each stretch of time."""
    edges = np.linspace(0, count, _STRETCHES + 1).astype(int).tolist()
    return list(zip(edges[:-1], edges[1:]))


def _part(system: dict, nodes: slice, others: slice) -> dict:
    """Some nodes, and what they have to do with some others."""
    return {
        name: values[nodes, others] if name in _SQUARES else values[nodes]
        for name, values in system.items()
    }


def _source(dark_matter, baryons, system):
    return system["poisson_cold"] * dark_matter + system["poisson_baryon"][:, None] * baryons


def _interpolated(node: dict, kernel: Array) -> Array:
    """G F of one column or row, (nt, nk)."""
    terms = (
        node["streaming"][:, p, None] * kernel.at[node["row"] + p].get(mode="promise_in_bounds")
        for p in range(node["streaming"].shape[1])
    )
    return reduce(add, terms)


def _own(node: dict, k_squared):
    """Of a node on itself: (h W + 3) / k^2, 1 / (1 + k^2 P), and the pivot of S."""
    drift = node["own"] / k_squared
    stiff = 1.0 / (1.0 + k_squared * node["own_pressure"])
    answer = node["poisson_baryon"] * node["own_baryon"] * stiff
    return drift, stiff, 1.0 + node["poisson_cold"] * drift - answer


def _at(known, i):
    return (jax.lax.dynamic_index_in_dim(x, i, 0, False) for x in known)


@jax.custom_batching.sequential_vmap
def _forward(right, kernel, k_squared, system):
    def step(known, numbered):
        i, node = numbered
        dark_matter, baryons = _at(known, i)
        drift, stiff, pivot = _own(node, k_squared)
        baryons = baryons * stiff
        source = node["poisson_cold"] * dark_matter + node["poisson_baryon"] * baryons
        source = source / pivot
        dark_matter = dark_matter - drift * source
        baryons = baryons + node["own_baryon"] * stiff * source
        pull = _interpolated(node, kernel) - node["drift"][:, None] / k_squared[None, :]
        stress = node["pressure"][:, None] * (k_squared * baryons)[None, :]
        push = node["baryon"][:, None] * source[None, :]
        known = (known[0] + pull * source[None, :], known[1] + push - stress)
        return known, (dark_matter, baryons)

    columns = _by_column(system)
    known, solved = (right[0], right[1]), []
    for begin, end in _stretches(right.shape[1]):
        nodes = _part(columns, slice(begin, end), slice(begin, None))
        known, made = jax.lax.scan(step, known, (jnp.arange(end - begin), nodes))
        known = tuple(values[end - begin :] for values in known)
        solved.append(jnp.stack(made))
    return jnp.concatenate(solved, axis=1)


@jax.custom_batching.sequential_vmap
def _backward(right, kernel, k_squared, system):
    """The transpose: rows instead of columns, from today backwards.

    The source's adjoint y gathers from later nodes; the others follow as right + (p, r) y.
    """

    def step(known, numbered):
        i, node, first = numbered
        gathered, second = _at(known, i)
        drift, stiff, pivot = _own(node, k_squared)
        second = second * stiff
        adjoint = (gathered - drift * first + node["own_baryon"] * second) / pivot
        first = first + node["poisson_cold"] * adjoint
        second = second + node["poisson_baryon"] * stiff * adjoint
        pull = _interpolated(node, kernel) - node["drift"][:, None] / k_squared[None, :]
        stress = node["pressure"][:, None] * (k_squared * second)[None, :]
        push = node["baryon"][:, None] * second[None, :]
        known = (known[0] + pull * first[None, :] + push, known[1] - stress)
        return known, (first, second)

    known, solved = (jnp.zeros_like(right[0]), right[1]), []
    for begin, end in reversed(_stretches(right.shape[1])):
        part = _part(system, slice(begin, end), slice(None, end))
        nodes = (jnp.arange(begin, end), part, right[0, begin:end])
        known, made = jax.lax.scan(step, known, nodes, reverse=True)
        known = tuple(values[:begin] for values in known)
        solved.append(jnp.stack(made))
    return jnp.concatenate(solved[::-1], axis=1)


def _matrix(unknown, kernel, k_squared, system):
    """The matrix times (D, b)."""
    dark_matter, baryons = unknown
    source = _source(dark_matter, baryons, system)
    stress = k_squared[None, :] * (system["pressure"] @ baryons)
    drift = (system["drift"] @ source + system["own"][:, None] * source) / k_squared[None, :]
    return jnp.stack(
        [
            dark_matter + drift - _pull_plain(kernel, source, system),
            baryons - system["baryon"] @ source + stress,
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
        return pull + _interpolated(node, kernel) * value[None, :], None

    columns = _by_column(system)
    pull, done = jnp.zeros_like(source), []
    for begin, end in _stretches(source.shape[0]):
        nodes = _part(columns, slice(begin, end), slice(begin, None))
        pull, _ = jax.lax.scan(step, pull, (nodes, source[begin:end]))
        done.append(pull[: end - begin])
        pull = pull[end - begin :]
    return jnp.concatenate(done)


_pull_forward = jax.custom_batching.sequential_vmap(_pull_plain)


@jax.custom_batching.sequential_vmap
def _pull_transposed(right, source, system):
    n_time, n_k = source.shape
    rows, points = right.shape[0] - n_time, system["streaming"].shape[2]

    total = jnp.zeros((rows, points, n_k))
    for begin, end in _stretches(n_time):
        earlier = source[:end]

        def step(total, numbered):
            node, value = numbered
            share = node["streaming"][:, :, None] * (earlier * value[None, :])[:, None, :]  # noqa: B023
            return total.at[node["row"]].add(share, mode="promise_in_bounds"), None

        nodes = _part(system, slice(begin, end), slice(None, end))
        total, _ = jax.lax.scan(step, total, (nodes, right[rows + begin : rows + end]))
    padded = jnp.pad(total, ((points - 1, 0), (0, 0), (0, 0)))
    return sum(padded[points - 1 - p : points - 1 - p + rows, p] for p in range(points))
