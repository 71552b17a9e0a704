"""Particles from a table of P(k) at the start, as a code for initial conditions lays them.

Knows the exported table and nothing of what made it. runs/study_initial_conditions.py uses it.
"""

import h5py
import numpy as np
from particle_reader import wavevectors

from spectra.cosmology import matter_density_msun_h


def read_ngenic(path):
    """k [h/Mpc] and P [(Mpc/h)^3] of log10 k and log10 of k^3 P/2 pi^2."""
    k, delta2 = 10.0 ** np.loadtxt(path).T
    return k, 2.0 * np.pi**2 * delta2 / k**3


def zeldovich(noise, box, k_table, table, hubble):
    """Positions [Mpc/h] and peculiar velocities [km/s], (n^3, 3), in Zel'dovich's approximation.

    x = q + psi, psi_k = i k delta_k/k^2, v = a H f(k) psi. ``noise``: (n, n, n), white, of unit
    variance; ``table``: P and f on ``k_table``; ``hubble``: a H at the start [km/s per Mpc/h].
    """
    cells = noise.shape[0]
    k, size = wavevectors(cells, box)
    size[0, 0, 0] = 1.0
    ln_k = np.log(size)
    power = np.exp(np.interp(ln_k, np.log(k_table), np.log(table["power"])))
    growth = np.interp(ln_k, np.log(k_table), table["growth"])
    delta = np.fft.rfftn(noise) * np.sqrt(power * (cells / box) ** 3)
    delta[0, 0, 0] = 0.0
    middle = (np.arange(cells) + 0.5) * box / cells
    lattice = np.stack(np.meshgrid(middle, middle, middle, indexing="ij"), axis=-1)
    move, speed = np.empty_like(lattice), np.empty_like(lattice)
    for axis in range(3):
        # at the Nyquist wavenumber a displacement has no direction
        inside = np.abs(k[axis]) < 0.999 * np.pi * cells / box
        psi = 1j * k[axis] * inside * delta / size**2
        move[..., axis] = np.fft.irfftn(psi, noise.shape, axes=(0, 1, 2))
        speed[..., axis] = hubble * np.fft.irfftn(psi * growth, noise.shape, axes=(0, 1, 2))
    return np.mod(lattice + move, box).reshape(-1, 3), speed.reshape(-1, 3)


def write_gadget(path, box, positions, velocities, cosmology, z):
    """A GADGET HDF5 snapshot of dark matter: Mpc/h, km/s, 1e10 Msun/h, velocities over sqrt(a)."""
    count = len(positions)
    omega_m = float((cosmology.omega_b + cosmology.omega_dm) / cosmology.h**2)
    mass = 1e-10 * float(matter_density_msun_h(cosmology)) * box**3 / count
    with h5py.File(path, "w") as file:
        header = file.create_group("Header").attrs
        for name in ("NumPart_ThisFile", "NumPart_Total"):
            header[name] = np.array([0, count, 0, 0, 0, 0], dtype=np.uint32)
        header["NumPart_Total_HighWord"] = np.zeros(6, dtype=np.uint32)
        header["MassTable"] = np.array([0.0, mass, 0.0, 0.0, 0.0, 0.0])
        header["Time"], header["Redshift"], header["BoxSize"] = 1.0 / (1.0 + z), z, box
        header["NumFilesPerSnapshot"] = 1
        header["Omega0"], header["OmegaLambda"] = omega_m, 1.0 - omega_m
        header["HubbleParam"] = float(cosmology.h)
        for name in ("Sfr", "Feedback", "StellarAge", "Metals", "Cooling", "DoublePrecision"):
            header[f"Flag_{name}"] = 0
        units = file.create_group("Units").attrs
        units["UnitLength_in_cm"], units["UnitMass_in_g"] = 3.085678e24, 1.989e43
        units["UnitVelocity_in_cm_per_s"] = 1e5
        particles = file.create_group("PartType1")
        particles["Coordinates"] = positions.astype(np.float32)
        particles["Velocities"] = (velocities * np.sqrt(1.0 + z)).astype(np.float32)
        particles["ParticleIDs"] = np.arange(1, count + 1, dtype=np.uint32)
