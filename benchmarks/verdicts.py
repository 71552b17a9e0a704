"""Time of the whole report, and of its three numbers against scipy, in one run on one core.

python benchmarks/verdicts.py
"""

import os

os.environ["OPENBLAS_NUM_THREADS"] = os.environ["OMP_NUM_THREADS"] = "1"
os.environ["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"

import math
import time
from typing import NamedTuple

import jax

jax.config.update("jax_enable_x64", True)

import jax.numpy as jnp
import numpy as np
from scipy.interpolate import CubicSpline

import spectra
from spectra.linear import Transfer
from spectra.structure import measure, reference_masses, reference_relics

DENSITY = 0.1423700 / 0.6736**2 * 2.77536627e11


class Asked(NamedTuple):
    """A spectrum, its T(k), and what both are compared with."""

    dm: spectra.Spectrum
    curve: Transfer
    power: spectra.structure.PowerTable
    relics: spectra.structure.References


def asked() -> Asked:
    power, dm = spectra.power_table(), spectra.thermal_relic(4.0)
    relics = reference_relics(reference_masses(), power=power, like=dm)
    return Asked(dm, spectra.transfer(dm), power, relics)


def shortest(call, repeats):
    call()
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        call()
        times.append(time.perf_counter() - began)
    return min(times)


def report(at: Asked, t, mass_kev):
    transfer = Transfer(at.curve.k_h_mpc, t, t * t, at.curve.status)
    dm = spectra.Spectrum(at.dm.q, at.dm.f, mass_kev, at.dm.temperature_ratio)
    return spectra.verdicts(dm, transfer, power=at.power, references=at.relics)


def numbers(at: Asked, t):
    """delta_A, satellites, halo density, (3,)."""
    found = measure(Transfer(at.curve.k_h_mpc, t, t * t, at.curve.status), at.power)
    return jnp.stack([found.delta_a, found.n_satellites, found.n_galaxies_z6_mpc3])


class Scipy:
    """delta_A, satellites, halo density from splines and the trapezoid rule, as codes do it."""

    def __init__(self, nodes, power):
        self.nodes = nodes
        k = np.geomspace(1e-4, 499.0, 2000)
        self.cold = CubicSpline(np.log(k), np.log(np.asarray(spectra.cold_power(k, power))))
        self.growth = 0.1814686

    def __call__(self, k, t2):
        t2_of = CubicSpline(np.log(k), t2)

        def p(ln_k):
            return np.exp(self.cold(ln_k)) * t2_of(np.maximum(ln_k, np.log(k[0])))

        def cumulative(x, y):
            steps = 0.5 * (y[1:] + y[:-1]) * np.diff(x)
            return np.concatenate([[0.0], np.cumsum(steps)])

        ln_k = np.linspace(math.log(0.5), math.log(200.0), self.nodes)
        ratio = []
        for power in (p(ln_k), np.exp(self.cold(ln_k))):
            total = cumulative(ln_k, np.exp(2 * ln_k) * power)
            ratio.append(total[-1] - total)
        inside = ln_k <= math.log(20.0)
        window = np.exp(ln_k[inside])
        area = np.trapezoid(ratio[0][inside] / ratio[1][inside], window) / (window[-1] - 0.5)

        def wavenumber(mass):
            return 2.5 * np.cbrt(4 * math.pi * DENSITY / (3 * mass))

        x = np.linspace(0.0, math.sqrt(math.log(1.7e12 / 1e8)), self.nodes)
        ln_k = math.log(wavenumber(1.7e12)) + x * x / 3
        k3p = np.exp(3 * ln_k) * p(ln_k)
        rise = cumulative(ln_k, k3p) / (2 * math.pi**2)
        rise[0] = np.inf
        rate = np.exp(x * x) * k3p / (6 * math.pi**2 * np.sqrt(2 * math.pi * rise)) * 2 * x
        satellites = np.trapezoid(rate, x) / 44.5

        ln_k = np.linspace(math.log(1e-4), math.log(wavenumber(1e6)), self.nodes)
        k3p = np.exp(3 * ln_k) * p(ln_k)
        s = cumulative(ln_k, k3p)[1:] / (2 * math.pi**2)
        mass = 1e6 * np.exp(3 * (ln_k[-1] - ln_k))[1:]
        nu = 1.686**2 / (self.growth**2 * s)
        f = 0.322 * np.sqrt(2 * nu / math.pi) * (1 + nu**-0.3) * np.exp(-0.5 * nu)
        rate = DENSITY / mass * f * k3p[1:] / (12 * math.pi**2 * s)
        density = 3 * np.trapezoid(rate, ln_k[1:]) * 0.6736**3
        return np.array([1.0 - area, satellites, density])


def main():
    at = asked()
    one = jax.jit(lambda t, m: report(at, t, m))
    margins = jax.jit(
        jax.jacrev(
            lambda t, m: jnp.stack([entry.margin for entry in report(at, t, m).values()]).sum()
        )
    )
    t, mass = at.curve.t, jnp.asarray(4.0)
    full = shortest(lambda: jax.block_until_ready(one(t, mass)), 50)
    gradient = shortest(lambda: jax.block_until_ready(margins(t, mass)), 20)
    batch = jnp.stack([t] * 256), jnp.full(256, 4.0)
    many = jax.jit(jax.vmap(lambda t, m: report(at, t, m)))
    each = shortest(lambda: jax.block_until_ready(many(*batch)), 3) / 256
    three = jax.jit(lambda t: numbers(at, t))
    ours = shortest(lambda: jax.block_until_ready(three(t)), 50)
    print(f"whole report            {1e3 * full:8.2f} ms")
    print(f"  with a gradient in T  {1e3 * gradient:8.2f} ms")
    print(f"  vmapped over 256      {1e3 * each:8.2f} ms a model")
    print(f"three numbers           {1e3 * ours:8.2f} ms")
    k, t2 = np.asarray(at.curve.k_h_mpc), np.asarray(at.curve.t2)
    exact = Scipy(60000, at.power)(k, t2)
    print("  relative to scipy at 60000 nodes", np.asarray(three(t)) / exact - 1.0)
    for nodes in (400, 2000):
        peer = Scipy(nodes, at.power)
        taken = shortest(lambda: peer(k, t2), 20)  # noqa: B023
        error = np.abs(peer(k, t2) / exact - 1.0).max()
        print(
            f"scipy, {nodes:5d} nodes      {1e3 * taken:8.2f} ms, {taken / ours:.1f} times ours, "
            f"error {error:.1e}"
        )


if __name__ == "__main__":
    main()
