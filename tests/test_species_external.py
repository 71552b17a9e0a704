"""Two warm species, dark matter and baryons apart, at high redshift, against CLASS run here."""

import class_oracle
import numpy as np
import pytest

import spectra

pytestmark = pytest.mark.external

K = np.array([1.5, 4.0])
Z = np.array([0.0, 50.0, 99.0, 101.0, 200.0])
SHARES = np.array([0.4, 0.35])
COSMOLOGY = spectra.Cosmology()


def two_species():
    """A thermal relic and a freeze-in spectrum, with shares of 40 and 35 per cent."""
    q = np.geomspace(1e-4, 30.0, 2000)
    hot = spectra.thermal_relic(0.8)
    return hot, spectra.Spectrum(q, np.exp(-q) / np.sqrt(q), 3.0, 0.5)


def class_overdensities(folder, species):
    """delta (2, nz, nk) of all dark matter and of baryons; no species means cold dark matter."""
    from classy import Class

    cold = 0.12 * (1.0 - SHARES.sum() if species else 1.0)
    settings = {
        **class_oracle.settings_of(COSMOLOGY),
        "omega_cdm": cold,
        "k_output_values": ",".join(f"{k:.12e}" for k in K * float(COSMOLOGY.h)),
        "z_pk": ",".join(str(z) for z in Z),
        "tol_perturbations_integration": 1e-6,
    }
    if species:
        # momenta stretched so that CLASS's quadrature nodes lie where f does
        scales, paths = (2.1, 1.5), []
        for i, (dm, scale) in enumerate(zip(species, scales)):
            paths.append(str(folder / f"psd{i}.dat"))
            np.savetxt(paths[-1], np.column_stack([scale * dm.q, dm.f]), fmt="%.12e")
        temperatures = [dm.temperature_ratio / scale for dm, scale in zip(species, scales)]
        settings |= {
            "N_ncdm": 2,
            "m_ncdm": ",".join(f"{float(dm.mass_kev) * 1e3:.10g}" for dm in species),
            "T_ncdm": ",".join(f"{float(t):.12g}" for t in temperatures),
            "omega_ncdm": ",".join(f"{0.12 * share:.12g}" for share in SHARES),
            "use_ncdm_psd_files": "1,1",
            "ncdm_psd_filenames": ",".join(paths),
            "ncdm_quadrature_strategy": "1,1",
            "ncdm_N_momentum_bins": "24,32",
            "ncdm_fluid_approximation": 3,
            "l_max_ncdm": 20,
            "tol_ncdm_bg": 1e-8,
            "tol_ncdm_initial_w": 1e-4,
        }
    solver = Class()
    solver.set(settings)
    solver.compute()
    out = np.zeros((2, len(Z), len(K)))
    for i, z in enumerate(Z):
        table = solver.get_transfer(z)
        at = [np.argmin(abs(table["k (h/Mpc)"] - k)) for k in K]
        dark = cold * table["d_cdm"][at]
        for share, name in zip(SHARES, ("d_ncdm[0]", "d_ncdm[1]") if species else ()):
            dark = dark + 0.12 * share * table[name][at]
        out[:, i] = dark / 0.12, table["d_b"][at]
    solver.struct_cleanup()
    return out


def test_two_species_and_redshifts(tmp_path):
    """A minute or two: every species and redshift in two runs."""
    species = two_species()
    mine = spectra.species_transfer(species, z=Z, k_h_mpc=K, composition=SHARES)
    assert mine.status == spectra.Status.SUCCESS
    warm, cold = class_overdensities(tmp_path, species), class_overdensities(tmp_path, ())
    expected = warm / cold
    # agreement is 3e-5; CLASS with these settings is trusted to 1e-4
    np.testing.assert_allclose(mine.t_dark_matter, expected[0], rtol=1e-4)
    np.testing.assert_allclose(mine.t_baryon, expected[1], rtol=1e-4)
    baryons = float(COSMOLOGY.omega_b)
    matter = [(0.12 * x[0] + baryons * x[1]) / (0.12 + baryons) for x in (warm, cold)]
    np.testing.assert_allclose(mine.t_matter, matter[0] / matter[1], rtol=1e-4)
    # continuity: velocities are what the overdensities change by, here between z = 101 and 99
    change = (warm[:, 2] - warm[:, 3]) / (cold[:, 2] - cold[:, 3])
    between = [0.5 * (v[2] + v[3]) for v in (mine.t_velocity_dark_matter, mine.t_velocity_baryon)]
    np.testing.assert_allclose(between, change, rtol=2e-4)
    today = spectra.transfer(species, k_h_mpc=K, composition=SHARES)
    np.testing.assert_allclose(mine.t_matter[0], today.t, rtol=1e-12)
