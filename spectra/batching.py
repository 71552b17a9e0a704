"""Batches whose elements take different ways: each pays for its own alone.

Under ``vmap`` a ``lax.switch`` computes all of its branches for every element. A function made by
:func:`one_by_one` becomes a loop over the elements instead, in forward and in reverse mode too, so
that each element runs the branch it needs.
"""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array
from jax.extend.core import Primitive, jaxpr_as_fun
from jax.flatten_util import ravel_pytree
from jax.interpreters import ad, batching, mlir

Arrays = tuple[Array, ...]


def one_by_one(function: Callable[..., Arrays]) -> Callable[..., Arrays]:
    """``function`` of float arrays → float arrays, whose batches are loops.

    Derivatives recompute the value: a gradient costs one value more than it would.
    """
    value = _looped("one_by_one", function)

    def along(*inputs_and_direction: Array) -> Arrays:
        *inputs, direction = inputs_and_direction
        tangents = ravel_pytree(tuple(inputs))[1](direction)
        return jax.jvp(function, tuple(inputs), tangents)[1]

    def back(count: int, *inputs_and_cotangents: Array) -> Arrays:
        inputs, cotangents = inputs_and_cotangents[:count], inputs_and_cotangents[count:]
        return (ravel_pytree(jax.vjp(function, *inputs)[1](cotangents))[0],)

    tangent = _looped("one_by_one_along", along)

    @functools.cache
    def cotangent(count: int) -> _looped:
        return _looped("one_by_one_back", functools.partial(back, count))

    def value_jvp(inputs: Arrays, tangents: Any) -> tuple[Arrays, Arrays]:
        # one array of all tangents: linear in it, whichever of them are zero
        direction = ravel_pytree(tuple(map(ad.instantiate_zeros, tangents)))[0]
        return value(*inputs), tangent(*inputs, direction)

    def transpose(cotangents: Any, *inputs_and_direction: Any) -> list:
        *inputs, _ = inputs_and_direction
        given = tuple(map(ad.instantiate_zeros, cotangents))
        return [*(None for _ in inputs), *cotangent(len(inputs))(*inputs, *given)]

    ad.primitive_jvps[value.primitive] = lambda p, t: value_jvp(p, t)
    ad.primitive_transposes[tangent.primitive] = transpose
    return value


@jax.custom_batching.custom_vmap
def anywhere(flag: Array) -> Array:
    """Whether ``flag``, a boolean scalar, is true for any element of the batch: a choice for all.

    ``lax.cond`` on it stays a choice under ``vmap`` instead of computing both branches.
    """
    return flag


@anywhere.def_vmap
def _anywhere_in_batch(size: int, batched: list[bool], flag: Array) -> tuple[Array, bool]:
    return anywhere(jnp.any(flag, axis=0)), False


class _looped:
    """A primitive that calls a function, its batches loops over the elements."""

    def __init__(self, name: str, function: Callable[..., Arrays]):
        self._function, self._traced = function, {}
        self.primitive = primitive = Primitive(name)
        primitive.multiple_results = True

        def called(*arguments: Any) -> list[Array]:
            return self.once(arguments)(*arguments)

        def abstract(*arguments: Any) -> list:
            return self.trace(arguments).out_avals

        def batched(arguments: Any, axes: Any) -> tuple[list, list]:
            moved = [
                argument if axis is None else jnp.moveaxis(argument, axis, 0)
                for argument, axis in zip(arguments, axes)
            ]
            mapped = [argument for argument, axis in zip(moved, axes) if axis is not None]

            def one(elements: list[Array]) -> list[Array]:
                given = iter(elements)
                return primitive.bind(
                    *(m if axis is None else next(given) for m, axis in zip(moved, axes))
                )

            found = jax.lax.map(one, mapped)
            return found, [0] * len(found)

        def jvp(primals: Any, tangents: Any) -> tuple:
            # of a derivative: second derivatives are the function's own
            directions = tuple(map(ad.instantiate_zeros, tangents))
            return jax.jvp(called, tuple(primals), directions)

        primitive.def_impl(jax.jit(called))
        primitive.def_abstract_eval(abstract)
        batching.primitive_batchers[primitive] = batched
        ad.primitive_jvps[primitive] = jvp
        mlir.register_lowering(primitive, mlir.lower_fun(called, multiple_results=True))

    def trace(self, arguments: Any) -> Any:
        """The function's jaxpr for arguments of these shapes, traced once."""
        shapes = tuple(jax.ShapeDtypeStruct(a.shape, a.dtype) for a in arguments)
        if shapes not in self._traced:
            self._traced[shapes] = jax.make_jaxpr(self._function)(*shapes)
        return self._traced[shapes]

    def once(self, arguments: Any) -> Callable[..., list[Array]]:
        """The function as it was traced."""
        return jaxpr_as_fun(self.trace(arguments))

    def __call__(self, *arguments: Array) -> Arrays:
        return tuple(self.primitive.bind(*(jnp.asarray(argument) for argument in arguments)))
