"""Whether JAX knows a value: checks of arguments happen only where it does."""

import jax
from jax.core import Tracer


def is_traced(tree: object) -> bool:
    """Whether any leaf of a pytree is being traced (under jit, vmap or a derivative)."""
    return any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves(tree))
