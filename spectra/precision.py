"""Double precision is a requirement, checked at the door of every solver."""

import jax.numpy as jnp


def is_x64() -> bool:
    """Whether JAX runs in 64-bit mode."""
    return jnp.result_type(float) == jnp.float64


def require_x64() -> None:
    """Raise unless JAX runs in 64-bit mode.

    The solvers subtract numbers that agree to eight digits; in single precision
    they would return noise. Importing this package never changes JAX's global
    configuration, so the caller has to.

    Raises
    ------
    ValueError
        If ``jax_enable_x64`` is off; the message carries the fix.
    """
    if not is_x64():
        raise ValueError(
            "jax_enable_x64 is False, but this solver needs 64-bit floats; call "
            'jax.config.update("jax_enable_x64", True) before creating any array, '
            "or set the environment variable JAX_ENABLE_X64=1"
        )
