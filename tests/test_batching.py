"""A function whose batches are loops has the values and derivatives of the function itself."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from spectra.batching import anywhere, one_by_one

# rounding of one different order of operations
CLOSE = {"rtol": 1e-13, "atol": 1e-15}


def branched(x, y):
    """Two outputs, one of three branches, chosen by the size of x."""
    ways = [
        lambda x, y: jnp.sum(y) * x,
        lambda x, y: jnp.sum(y**2) + x,
        lambda x, y: jnp.sin(x * y[0]),
    ]
    total = jax.lax.switch(jnp.clip(jnp.floor(x), 0, 2).astype(int), ways, x, y)
    return total, y * x


def scalar(function):
    return lambda x, y: sum(jnp.sum(out * (1.0 + i)) for i, out in enumerate(function(x, y)))


X = np.array([0.3, 1.4, 2.2, 0.7])
Y = np.arange(12.0).reshape(4, 3) / 7.0
looped = one_by_one(branched)


@pytest.mark.analytic
@pytest.mark.parametrize("wrap", [lambda f: f, jax.jit])
def test_values_and_gradients_are_those_of_the_function(wrap):
    for x, y in zip(X, Y):
        for ours, plain in zip(wrap(looped)(x, y), branched(x, y)):
            np.testing.assert_allclose(ours, plain, **CLOSE)
        ours = wrap(jax.grad(scalar(looped), argnums=(0, 1)))(x, y)
        plain = jax.grad(scalar(branched), argnums=(0, 1))(x, y)
        for one, other in zip(ours, plain):
            np.testing.assert_allclose(one, other, **CLOSE)


@pytest.mark.gradients
@pytest.mark.parametrize(
    "of",
    [
        lambda f: jax.vmap(f),
        lambda f: jax.vmap(lambda x, y: jax.grad(scalar(f), argnums=(0, 1))(x, y)),
        lambda f: jax.vmap(lambda x, y: jax.jvp(f, (x, y), (jnp.ones_like(x), y))),
        lambda f: jax.vmap(lambda x, y: jax.jacfwd(f, argnums=1)(x, y)),
        lambda f: jax.vmap(lambda x, y: jax.hessian(scalar(f))(x, y)),
        # the derivative of a batch
        lambda f: jax.grad(lambda x, y: jnp.sum(jax.vmap(scalar(f))(x, y) ** 2), argnums=(0, 1)),
    ],
    ids=["values", "reverse", "forward", "jacobian", "hessian", "of a batch"],
)
def test_batches_of_everything(of):
    ours, plain = jax.jit(of(looped))(X, Y), jax.jit(of(branched))(X, Y)
    for one, other in zip(jax.tree.leaves(ours), jax.tree.leaves(plain), strict=True):
        np.testing.assert_allclose(one, other, **CLOSE)


@pytest.mark.invariants
def test_only_one_argument_may_be_a_batch():
    ours = jax.vmap(looped, in_axes=(0, None))(X, Y[0])
    plain = jax.vmap(branched, in_axes=(0, None))(X, Y[0])
    for one, other in zip(ours, plain):
        np.testing.assert_allclose(one, other, **CLOSE)


@pytest.mark.invariants
def test_a_batch_is_a_loop_and_not_a_select():
    """With ``select`` every element would pay for every branch."""
    assert "stablehlo.case" in jax.jit(jax.vmap(looped)).lower(X, Y).as_text()
    assert "stablehlo.case" not in jax.jit(jax.vmap(branched)).lower(X, Y).as_text()


@pytest.mark.analytic
def test_a_choice_anywhere_is_one_for_the_batch():
    calls = []

    def chosen(flag, x):
        def rare(x):
            jax.debug.callback(lambda: calls.append(1))
            return jnp.where(flag, 2.0 * x, x)

        return jax.lax.cond(anywhere(flag), rare, lambda x: x, x)

    batch = jax.jit(jax.vmap(jax.vmap(chosen)))
    x = jnp.arange(4.0).reshape(2, 2)
    none = jnp.zeros((2, 2), dtype=bool)
    np.testing.assert_array_equal(batch(none, x), x)
    jax.effects_barrier()
    assert not calls
    some = none.at[1, 0].set(True)
    np.testing.assert_array_equal(batch(some, x), np.where(some, 2.0 * x, x))
    jax.effects_barrier()
    assert calls
    slopes = jax.vmap(jax.vmap(jax.grad(chosen, argnums=1)))(some, x)
    np.testing.assert_array_equal(slopes, np.where(some, 2.0, 1.0))
