"""T^2(k): time per model with CLASS on the same machine, and accuracy beside CLASS and the fits.

python benchmarks/transfer.py [--no-class] [--many 1000] [--accuracy]. Times are processor time, the
fastest of many, so that other jobs on the machine matter little; start it with taskset -c 0 and
XLA_FLAGS="--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1" for one core.
"""

import argparse
import json
import platform
import resource
import tempfile
import time
from pathlib import Path

import h5py
import jax
import jax.numpy as jnp
import numpy as np
from scipy.optimize import least_squares

jax.config.update("jax_enable_x64", True)

import spectra
from spectra.status import Status

K = np.geomspace(0.5, 100.0, 40)
Q = np.geomspace(1e-3, 30.0, 100)
F = np.exp(-Q) / np.sqrt(Q)
GOLDEN = Path(__file__).parents[1] / "tests" / "golden" / "transfer"
COSMOLOGY = {"h": 0.6736, "omega_b": 0.02237, "N_ur": 3.044, "YHe": 0.2454}


def best_ms(function, *arguments, repeats=200, models=1):
    """Processor time a model [ms]: that of the fastest twentieth, and the median."""
    jax.block_until_ready(function(*arguments))
    times = []
    for _ in range(repeats):
        start = time.process_time()
        jax.block_until_ready(function(*arguments))
        times.append(1e3 * (time.process_time() - start) / models)
    return float(np.quantile(times, 0.05)), float(np.median(times))


def class_power(settings, k_h_mpc):
    """P(k) of CLASS with default precision, (n,), and its seconds of processor time."""
    from classy import Class

    start = time.process_time()
    solver = Class()
    reach = {"output": "mPk", "P_k_max_h/Mpc": 1.02 * float(np.max(k_h_mpc))}
    solver.set({**COSMOLOGY, **settings, **reach})
    solver.compute()
    power = np.array([solver.pk_lin(k * COSMOLOGY["h"], 0.0) for k in k_h_mpc])
    solver.struct_cleanup()
    return power, time.process_time() - start


def class_seconds():
    """CLASS with default settings, P(k) to 100 h/Mpc, for a thermal relic of 3.5 keV."""
    thermal = {"m_ncdm": 3500.0, "T_ncdm": 0.1054552, "omega_ncdm": 0.12}
    return class_power({"omega_cdm": 1e-10, "N_ncdm": 1, **thermal}, np.array([100.0]))[1]


def times(many, with_class):
    drive = spectra.drive()

    def transfer(mass, f):
        return spectra.transfer(spectra.Spectrum(Q, f, mass, 0.33), drive=drive, k_h_mpc=K)

    def half_mode(mass, f):
        return spectra.half_mode(transfer(mass, f)).k_t2_half_h_mpc

    def t2(mass, f):
        return transfer(mass, f).t2

    value_and_gradient = jax.value_and_grad(half_mode, argnums=(0, 1))
    value = best_ms(jax.jit(t2), 7.0, F)
    report = {
        "machine": platform.processor() or platform.machine(),
        "wavenumbers": len(K),
        "t2_ms": value,
        "t2_with_errors_ms": best_ms(jax.jit(transfer), 7.0, F),
        "half_mode_and_gradient_ms": best_ms(jax.jit(value_and_gradient), 7.0, F),
    }
    for count in (64, many):
        masses = jnp.linspace(3.0, 10.0, count)
        for name, function in (("t2", t2), ("half_mode_and_gradient", value_and_gradient)):
            batch = jax.jit(jax.vmap(function, in_axes=(0, None)))
            spent = best_ms(batch, masses, F, repeats=8 if count <= 64 else 2, models=count)
            report[f"vmapped_{count}_{name}_ms_per_model"] = spent
    report["peak_memory_gb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    start = time.perf_counter()
    jax.jit(lambda m: t2(m, F * 1.0)).lower(7.0).compile()
    report["compile_s"] = time.perf_counter() - start
    if with_class:
        report["class_default_s"] = class_seconds()
        report["class_default_over_t2"] = 1e3 * report["class_default_s"] / value[0]
    return report


def class_default_t2(dm, omega, k_h_mpc):
    """T^2 of CLASS with default precision for a table, and the seconds of the warm run."""
    cold, _ = class_power({"omega_cdm": 0.12}, k_h_mpc)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "psd.dat"
        np.savetxt(path, np.column_stack([dm.q, dm.f]), fmt="%.10e")
        warm, seconds = class_power(
            {
                "omega_cdm": max(0.12 - omega, 1e-10),
                "N_ncdm": 1,
                "m_ncdm": float(dm.mass_kev) * 1e3,
                "T_ncdm": float(dm.temperature_ratio),
                "omega_ncdm": omega,
                "use_ncdm_psd_files": 1,
                "ncdm_psd_filenames": str(path),
            },
            k_h_mpc,
        )
    return warm / cold, seconds


def viel_t2(k_h_mpc, half_mode):
    """Viel et al. 2005 (astro-ph/0501562, eq. 6 and 7) through T^2 = 1/2 at ``half_mode``."""
    nu = 1.12
    alpha = (0.5 ** (-nu / 10.0) - 1.0) ** (0.5 / nu) / half_mode
    return (1.0 + (alpha * k_h_mpc) ** (2.0 * nu)) ** (-10.0 / nu)


def best_abg_t2(k_h_mpc, t2):
    """The {alpha, beta, gamma} form (Murgia et al. 1704.07838, eq. 2), fitted to T^2 itself."""

    def form(parameters):
        ln_alpha, beta, gamma = parameters
        return (1.0 + (np.exp(ln_alpha) * k_h_mpc) ** beta) ** (2.0 * gamma)

    start = np.array([-np.log(k_h_mpc[np.argmin(abs(t2 - 0.5))]), 2.2, -4.0])
    return form(least_squares(lambda p: form(p) - t2, start, max_nfev=5000).x)


def accuracy():
    """Rows: for each method the largest |dT2|/T2 above T2 = 0.1, and the largest |dT2|."""
    rows = []
    for path in sorted(GOLDEN.glob("*.h5")):
        with h5py.File(path) as data:
            k, t2 = data["k_h_mpc"][()], data["t2"][()]
            omega = float(data.attrs["omega_h2"])
            scales = data.attrs["mass_kev"], data.attrs["temperature_ratio"]
            dm = spectra.Spectrum(data["q"][()], data["f"][()], *scales)
        result = spectra.transfer(dm, k_h_mpc=k, composition=omega / 0.12)
        assert result.status == Status.SUCCESS
        half = float(spectra.half_mode(result).k_t2_half_h_mpc)
        default, seconds = class_default_t2(dm, omega, k)
        methods = {
            "this": np.asarray(result.t2),
            "class_default": default,
            "viel": viel_t2(k, half),
            "abg": best_abg_t2(k, t2),
        }
        row = {"spectrum": path.stem, "class_default_s": seconds}
        for name, values in methods.items():
            error = np.abs(values - t2)
            high = t2 > 0.1
            row[name] = [float(np.max(error[high] / t2[high])), float(np.max(error))]
        row["estimate_over_error"] = float(
            np.min((np.asarray(result.t2_error) / np.abs(np.asarray(result.t2) - t2))[t2 > 1e-3])
        )
        rows.append(row)
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--no-class", action="store_true")
    parser.add_argument("--many", type=int, default=1000, help="models of the large batch")
    parser.add_argument("--accuracy", action="store_true", help="the table; a few minutes of CLASS")
    arguments = parser.parse_args()
    report = times(arguments.many, not arguments.no_class)
    if arguments.accuracy:
        report["accuracy"] = accuracy()
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
