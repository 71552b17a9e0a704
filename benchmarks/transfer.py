"""Time per T^2(k) model, with CLASS on the same machine: python benchmarks/transfer.py [--no-class]

Single core: start it with taskset -c 0 for numbers that can be compared.
"""

import argparse
import json
import platform
import time

import jax
import jax.numpy as jnp
import numpy as np

jax.config.update("jax_enable_x64", True)

import spectra  # noqa: E402

K = np.geomspace(0.5, 100.0, 40)
Q = np.geomspace(1e-3, 30.0, 100)


def best_ms(function, *arguments, repeats=50):
    jax.block_until_ready(function(*arguments))
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        jax.block_until_ready(function(*arguments))
        times.append(time.perf_counter() - start)
    return 1e3 * min(times), 1e3 * float(np.median(times))


def class_seconds():
    """CLASS with default settings, P(k) to 100 h/Mpc, for a thermal relic of 3.5 keV."""
    from classy import Class

    start = time.perf_counter()
    solver = Class()
    solver.set(
        {
            "h": 0.6736,
            "omega_b": 0.02237,
            "omega_cdm": 1e-10,
            "N_ur": 3.044,
            "YHe": 0.2454,
            "N_ncdm": 1,
            "m_ncdm": 3500.0,
            "T_ncdm": 0.1054552,
            "omega_ncdm": 0.12,
            "output": "mPk",
            "P_k_max_h/Mpc": 100.0,
        }
    )
    solver.compute()
    return time.perf_counter() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--no-class", action="store_true")
    with_class = not parser.parse_args().no_class

    drive, f = spectra.drive(), np.exp(-Q) / np.sqrt(Q)

    def t2(mass, f):
        return spectra.transfer(spectra.Spectrum(Q, f, mass, 0.33), drive=drive, k_h_mpc=K).t2

    value = best_ms(jax.jit(t2), 7.0, f)
    both = jax.jit(jax.value_and_grad(lambda m, f: t2(m, f)[25], argnums=(0, 1)))
    gradient = best_ms(both, 7.0, f)
    batch = jax.jit(jax.vmap(lambda mass: t2(mass, f)))
    many = best_ms(batch, jnp.linspace(3.0, 10.0, 64), repeats=8)
    start = time.perf_counter()
    jax.jit(lambda m: t2(m, f * 1.0)).lower(7.0).compile()
    report = {
        "machine": platform.processor() or platform.machine(),
        "wavenumbers": len(K),
        "value_ms": value,
        "value_and_gradient_ms": gradient,
        "gradient_over_value": gradient[0] / value[0],
        "vmapped_64_ms_per_model": [t / 64 for t in many],
        "compile_s": time.perf_counter() - start,
    }
    if with_class:
        report["class_default_s"] = class_seconds()
        report["class_default_over_value"] = 1e3 * report["class_default_s"] / value[0]
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
