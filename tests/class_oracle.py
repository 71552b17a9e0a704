"""T^2(k) by CLASS with settings tight enough to judge a solver good to a few 1e-4.

Synchronous gauge, no fluid approximation for the dark matter, fixed helium; the defaults of CLASS
are wrong by up to 75 per cent for non-thermal spectra. Only the chosen k are integrated: they are
read from the transfer functions, not from an interpolated P(k).
"""

import tempfile
from pathlib import Path

import numpy as np

import spectra

CLASS_NAMES = {
    "h": "h",
    "omega_b": "omega_b",
    "N_ur": "n_eff",
    "T_cmb": "t_cmb_kelvin",
    "YHe": "y_he",
}
BASE = {
    "tau_reio": 0.0544,
    "output": "mTk",
    "gauge": "synchronous",
    "tol_background_integration": 1e-11,
    "start_large_k_at_tau_h_over_tau_k": 0.01,
    "P_k_max_1/Mpc": 0.002,
}


def settings_of(cosmology):
    """What every run for a cosmology has in common."""
    theirs = {name: float(getattr(cosmology, ours)) for name, ours in CLASS_NAMES.items()}
    return {**BASE, **theirs}


def matter_overdensity(cosmology, k_h_mpc, settings, densities):
    """delta_m today (n,) at k [h/Mpc]; ``densities`` maps CLASS transfer names to omega h^2."""
    from classy import Class

    k_mpc = np.asarray(k_h_mpc) * float(cosmology.h)
    solver = Class()
    solver.set(
        {
            **settings_of(cosmology),
            **settings,
            "k_output_values": ",".join(f"{k:.12e}" for k in np.sort(k_mpc)),
        }
    )
    solver.compute()
    table = solver.get_transfer(0.0)
    solver.struct_cleanup()
    nearest = [np.argmin(abs(table["k (h/Mpc)"] - k)) for k in k_h_mpc]
    assert np.allclose(table["k (h/Mpc)"][nearest], k_h_mpc, rtol=1e-6)
    total = sum(densities.values())
    return sum(omega * table[name][nearest] for name, omega in densities.items()) / total


def transfer_squared(
    q,
    f,
    mass_kev,
    temperature_ratio,
    k_h_mpc,
    *,
    cosmology=None,
    warm_fraction=1.0,
    q_scale=1.0,
    nodes=40,
    strategy=1,
    l_max=24,
    tolerance=1e-6,
    extra=None,
):
    """T^2 (n,) of the table (q, f), ``warm_fraction`` of the dark matter, at k [h/Mpc].

    ``q_scale`` stretches the momentum handed to CLASS (and shrinks the temperature), which moves
    its quadrature nodes to where f lives.
    """
    extra = extra or {}
    cosmology = spectra.Cosmology() if cosmology is None else cosmology
    dark, baryons = float(cosmology.omega_dm), float(cosmology.omega_b)
    warm_omega = warm_fraction * dark
    cold_omega = max(dark - warm_omega, 1e-10)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "psd.dat"
        np.savetxt(path, np.column_stack([q_scale * np.asarray(q), np.asarray(f)]), fmt="%.12e")
        warm = matter_overdensity(
            cosmology,
            k_h_mpc,
            {
                "omega_cdm": cold_omega,
                "N_ncdm": 1,
                "m_ncdm": mass_kev * 1e3,
                "T_ncdm": temperature_ratio / q_scale,
                "omega_ncdm": warm_omega,
                "use_ncdm_psd_files": 1,
                "ncdm_psd_filenames": str(path),
                "ncdm_quadrature_strategy": strategy,
                "ncdm_N_momentum_bins": nodes,
                "ncdm_fluid_approximation": 3,
                "l_max_ncdm": l_max,
                "tol_ncdm_bg": 1e-8,
                "tol_ncdm_initial_w": 1e-4,
                "tol_perturbations_integration": tolerance,
                **({"ncdm_maximum_q": float(q_scale * q[-1])} if strategy == 3 else {}),
                **extra,
            },
            {"d_b": baryons, "d_cdm": cold_omega, "d_ncdm[0]": warm_omega},
        )
    cold = matter_overdensity(
        cosmology,
        k_h_mpc,
        {"omega_cdm": dark, "tol_perturbations_integration": tolerance, **extra},
        {"d_b": baryons, "d_cdm": dark},
    )
    return (warm / cold) ** 2
