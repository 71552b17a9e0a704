"""The golden observables: an independent calculation from one P_CDM table, and that table."""

import csv
from pathlib import Path

import jax.numpy as jnp
import numpy as np

from spectra.structure.power import table_of
from spectra.structure.shapes import Shape, shape_transfer

FOLDER = Path(__file__).parent / "golden" / "observables"
# one array for every closed-form T, so that each function compiles once
K = jnp.asarray(np.geomspace(0.05, 500.0, 800))


def rows(name):
    with open(FOLDER / name) as file:
        return list(csv.DictReader(line for line in file if not line.startswith("#")))


def power():
    """The table that the golden numbers were made with."""
    nodes = np.array([[float(value) for value in row.values()] for row in rows("pk_cdm.csv")])
    return table_of(nodes[:, 0], nodes[:, 1:].T, z=(0.0, 6.0))


def curve(row):
    shape = Shape(float(row["alpha_Mpc_h"]), float(row["beta"]), float(row["gamma"]))
    return shape, shape_transfer(shape, K)
