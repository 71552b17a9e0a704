"""How far T^2 moves when each resolution of a drive is raised or lowered (needs classy).

    python benchmarks/drive.py [K_LOW K_HIGH]

Drives on 20 to 60 h/Mpc (or the range given) are made with the settings of
``spectra.linear.drive_build.Settings``, one of them changed at a time; printed is the largest
relative change of T^2 where T^2 > 0.1 and where T^2 > 0.01, and the seconds of each build.
"""

import os
import sys
import time

os.environ.setdefault("JAX_ENABLE_X64", "1")

import math

import numpy as np

import spectra
from spectra.linear import Settings, assemble, build_tables

SPACING = math.log(3000.0) / 70  # the shipped one
CHANGES = {
    "twice the time nodes": {"time_intervals": 240},
    "fewer time nodes (100)": {"time_intervals": 100},
    "half the cells": {"cell": 0.05},
    "every k node solved": {"solved_from": ((0.0, 1),)},
    "CLASS tolerance 1e-9": {"tolerance": 1e-9},
    "CLASS tolerance 1e-7": {"tolerance": 1e-7},
    "half the steps in ln u": {"y_per_k": 6},
    "gravity earlier": {"gravity_entry_h_mpc": 3.2e-6, "gravity_latest_ln_a": -14.9},
    "gravity later": {"gravity_entry_h_mpc": 1.3e-5, "gravity_latest_ln_a": -13.5},
    "100 x more singular values": {"kept": 1e-7},
}


def spectra_at(k):
    """Spectra whose half-modes lie in the range of k."""
    scale = math.sqrt(k[0] * k[-1]) / 30.0
    q = np.geomspace(1e-5, 30.0, 1500)
    decay = np.exp(-q) / np.sqrt(q)
    bumps = decay + 0.3 * np.exp(-0.5 * (np.log(q / 4.0) / 0.3) ** 2) / q**3
    return [
        spectra.thermal_relic(3.5 * scale**0.87),
        spectra.Spectrum(q, decay, 7.1, 0.45 / scale),
        spectra.Spectrum(q, bumps, 7.1, 0.45 / scale),
    ]


def t2(settings, k):
    cosmology = spectra.Cosmology()
    tables = build_tables(cosmology, settings, False, lambda done, total: None)
    drive = assemble(tables, cosmology)
    return np.array([spectra.transfer(dm, cosmology, drive, k).t2 for dm in spectra_at(k)])


def main(low, high):
    intervals = max(6, round(math.log(high / low) / SPACING))
    base = {"k_low_h_mpc": low, "k_high_h_mpc": high, "k_intervals": intervals}
    k = np.geomspace(low * 1.001, high * 0.999, 25)
    reference = t2(Settings(**base), k)
    print(f"{'changed':<28}  T2 > 0.1  T2 > 0.01        s")
    for name, change in CHANGES.items():
        began = time.perf_counter()
        moved = np.abs(t2(Settings(**base, **change), k) / reference - 1.0)
        largest = [np.max(moved[reference > above], initial=0.0) for above in (0.1, 0.01)]
        print(
            f"{name:<28}  {largest[0]:8.1e}  {largest[1]:9.1e}  {time.perf_counter() - began:7.1f}",
            flush=True,
        )


if __name__ == "__main__":
    main(*(map(float, sys.argv[1:3]) if len(sys.argv) > 2 else (20.0, 60.0)))
