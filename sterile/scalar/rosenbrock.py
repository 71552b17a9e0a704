"""One step of Rodas5P, a linearly implicit method for stiff equations y' = F(x, y).

Rodas5P (Steinebach 2023, BIT 63, 27, doi 10.1007/s10543-023-00967-x, table 1) has order five, is
L-stable and stiffly accurate, and keeps its order on stiff relaxation (Prothero-Robinson)
problems. It needs one matrix per step and no iteration, so a step is an explicit, exactly
differentiable map with a fixed cost, and a stiff quantity follows its moving equilibrium without
a convergence test that a far corner of parameter space could fail.
"""

import jax
import jax.numpy as jnp
import numpy as np

GAMMA = 0.21193756319429014
# Times of the stages as fractions of the step, those of the last three of eight coincide.
NODES = np.array(
    [0.0, 0.6358126895828704, 0.4095798393397535, 0.9769306725060716, 0.4288403609558664, 1.0]
)
_STAGES = 8
# Weights of the explicit time derivative; zero for the last three stages.
_D = (
    0.21193756319429014,
    -0.42387512638858027,
    -0.3384627126235924,
    1.8046452872882734,
    2.325825639765069,
    0.0,
    0.0,
    0.0,
)
_A_LAST = (
    -7.502846399306121,
    2.561846144803919,
    -11.627539656261098,
    -0.18268767659942256,
    0.030198172008377946,
)
_A = (
    (),
    (3.0,),
    (2.849394379747939, 0.45842242204463923),
    (-6.954028509809101, 2.489845061869568, -10.358996098473584),
    (2.8029986275628964, 0.5072464736228206, -0.3988312541770524, -0.04721187230404641),
    _A_LAST,
    (*_A_LAST, 1.0),
    (*_A_LAST, 1.0, 1.0),
)
_C = (
    (),
    (-14.155112264123755,),
    (-17.97296035885952, -2.859693295451294),
    (147.12150275711716, -1.41221402718213, 71.68940251302358),
    (165.43517024871676, -0.4592823456491126, 42.90938336958603, -5.961986721573306),
    (
        24.854864614690072,
        -3.0009227002832186,
        47.4931110020768,
        5.5814197821558125,
        -0.6610691825249471,
    ),
    (
        30.91273214028599,
        -3.1208243349937974,
        77.79954646070892,
        34.28646028294783,
        -19.097331116725623,
        -28.087943162872662,
    ),
    (
        37.80277123390563,
        -3.2571969029072276,
        112.26918849496327,
        66.9347231244047,
        -40.06618937091002,
        -54.66780262877968,
        -9.48861652309627,
    ),
)


def rodas5p_step(rhs, nodes, y, step, jacobian, time_derivative):
    """Advance y by one step.

    Parameters
    ----------
    rhs : function (leaves of ``nodes`` at one node, y) -> F there.
    nodes : what F depends on beside y at every one of ``NODES``, on a leading axis.
    y : state at the start of the step, shape (n,).
    step : step length h.
    jacobian : J = dF/dy at the start of the step, exact, shape (n, n).
    time_derivative : dF/dx at the start of the step at fixed y, shape (n,).

    Returns
    -------
    y at the end of the step, shape (n,).
    """

    solution = inverse(jnp.eye(y.size) / (step * GAMMA) - jacobian)

    def stage(increments, given):
        (index, combinations, d), node = given
        moved, carried = combinations @ increments
        right = rhs(node, y + moved) + carried / step
        increment = solution @ (right + step * d * time_derivative)
        return increments.at[index].set(increment), None

    apart = len(NODES)
    rows = (np.arange(_STAGES), np.stack([_square(_A), _square(_C)], axis=1), np.array(_D))
    first, rest = (tuple(row[part] for row in rows) for part in (slice(apart), slice(apart, None)))
    last = jax.tree.map(lambda leaf: leaf[-1], nodes)
    # a stage takes its node as the loop goes: an index into all of them would cost reverse mode
    # their size at every stage
    increments = jnp.zeros((_STAGES, y.size))
    increments, _ = jax.lax.scan(stage, increments, (first, nodes))
    increments, _ = jax.lax.scan(lambda u, row: stage(u, (row, last)), increments, rest)
    return y + np.array([*_A_LAST, 1.0, 1.0, 1.0]) @ increments


def _square(rows):
    """Strictly lower triangular rows as a square matrix."""
    return np.array([[*row, *[0.0] * (len(rows) - len(row))] for row in rows])


def polynomial_weights(nodes: np.ndarray, at, derivative=False) -> np.ndarray:
    """Weights of values at nodes (k,) in the polynomial through them, or in its slope; (..., k)."""
    powers = np.arange(nodes.size)
    inverse = np.linalg.inv(nodes[:, None] ** powers)
    at = np.asarray(at)[..., None]
    basis = powers * at ** np.maximum(powers - 1, 0) if derivative else at**powers
    return basis @ inverse


@jax.custom_jvp
def inverse(matrix):
    """Inverse of a matrix, shape (n, n), by LAPACK; its derivative is two products."""
    # rows of one are exchanged with the matrix': no permutation has to be made from the pivots
    size = matrix.shape[0]
    factors, _, _ = jax.lax.linalg.lu(jnp.concatenate([matrix, jnp.eye(size)], axis=1))
    return jax.lax.linalg.triangular_solve(
        factors[:, :size], factors[:, size:], left_side=True, lower=False
    )


@inverse.defjvp
def _inverse_jvp(primals, tangents):
    found = inverse(*primals)
    return found, -found @ tangents[0] @ found
