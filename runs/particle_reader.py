"""What anybody finds in a GADGET HDF5 snapshot of dark matter: power, growth, speeds.

Knows the file and nothing of what wrote it. runs/study_initial_conditions.py uses it.
"""

import h5py
import numpy as np

# of bins of |k|, from 1.5 fundamental wavenumbers to half of the particles' Nyquist's
BIN_RATIO = 1.24


def wavevectors(cells, box):
    """k_x, k_y, k_z [h/Mpc] of a real FFT, to be broadcast, and |k|."""
    full, half = np.fft.fftfreq(cells, box / cells), np.fft.rfftfreq(cells, box / cells)
    k = [2.0 * np.pi * one for one in (full[:, None, None], full[None, :, None], half)]
    return k, np.sqrt(k[0] ** 2 + k[1] ** 2 + k[2] ** 2)


def read_gadget(path):
    """Box [Mpc/h], positions [Mpc/h] and peculiar velocities [km/s] of the dark matter."""
    with h5py.File(path) as file:
        header, particles = file["Header"].attrs, file["PartType1"]
        speed = particles["Velocities"][:].astype(float) * np.sqrt(header["Time"])
        return float(header["BoxSize"]), particles["Coordinates"][:].astype(float), speed


def cloud_in_cell(positions, weights, box, cells):
    """Fourier modes of the density contrast of weighted particles, the cloud's shape divided out.

    Two meshes half a cell apart, averaged: the nearest images cancel (Sefusatti et al. 1512.07295).
    """
    (kx, ky, kz), _ = wavevectors(cells, box)
    cell = box / cells
    modes = np.zeros((cells, cells, cells // 2 + 1), dtype=complex)
    for shift in (0.0, 0.5):
        place = positions / cell + shift
        low = np.floor(place).astype(np.int64)
        part = place - low
        mesh = np.zeros(cells**3)
        for corner in np.ndindex(2, 2, 2):
            share = np.prod(np.where(corner, part, 1.0 - part), axis=1)
            index = np.ravel_multi_index(((low + corner) % cells).T, (cells,) * 3)
            mesh += np.bincount(index, weights * share, cells**3)
        turned = np.exp(1j * shift * cell * (kx + ky + kz))
        modes += 0.5 * turned * np.fft.rfftn(mesh.reshape((cells,) * 3))
    window = np.ones_like(modes, dtype=float)
    for one in (kx, ky, kz):
        window = window * np.sinc(one * cell / (2.0 * np.pi)) ** 2
    return modes / window / len(positions)


def bins_of(per_side, box):
    """|k| of the reader's modes, and what sums a quantity of theirs in each bin of |k|."""
    k, size = wavevectors(2 * per_side, box)
    # modes with k_z = 0 stand with their conjugates
    counts = np.broadcast_to(np.where(k[2] > 0.0, 2.0, 1.0), size.shape)
    first, last = 3.0 * np.pi / box, 0.5 * np.pi * per_side / box
    bins = round(np.log(last / first) / np.log(BIN_RATIO))
    where = np.digitize(size.ravel(), np.geomspace(first, last, bins + 1))

    def total(values):
        return np.bincount(where, (counts * values).ravel(), bins + 2)[1:-1]

    return size, total


def measured(path):
    """What a reader finds in a snapshot: k, P, its relative scatter and the growth rate, by bins.

    Scatter: sqrt(2/modes), that of a Gaussian field, counting k and -k. Growth rate times a H:
    minus the divergence of momentum over the overdensity, mode by mode, weighted by power.
    """
    box, positions, velocities = read_gadget(path)
    per_side = round(len(positions) ** (1.0 / 3.0))
    k, _ = wavevectors(2 * per_side, box)
    size, total = bins_of(per_side, box)

    def modes_of(weights):
        return cloud_in_cell(positions, weights, box, 2 * per_side)

    density = modes_of(np.ones(len(positions)))
    flow = sum(-1j * k[axis] * modes_of(velocities[:, axis]) for axis in range(3))
    modes, power = total(np.ones(size.shape)), total(np.abs(density) ** 2)
    return {
        "k_h_mpc": total(size) / modes,
        "power": box**3 * power / modes,
        "scatter": np.sqrt(2.0 / modes),
        "flow": total((flow * np.conj(density)).real) / power,
    }
