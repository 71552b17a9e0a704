"""Cold dark matter and baryons apart: CAMB's transfer functions at one redshift, kept on disk.

Initial conditions need every species' overdensity and velocity. CAMB (Lewis, Challinor & Lasenby
2000, astro-ph/9911177) gives them; one run serves one cosmology and one redshift.
"""

from functools import lru_cache

import numpy as np

from spectra.cache import file_name, kept_tables
from spectra.cosmology import Cosmology
from spectra.linear import TABLE_FIELDS, table_fields
from spectra.structure.camb_run import run_camb
from spectra.structure.power import HIGHEST_Z
from spectra.units import plain_numbers

# the columns of CAMB's transfer files, in their order
COLUMNS = (
    "k_h_mpc",
    "cdm",
    "baryon",
    "photon",
    "massless_neutrino",
    "massive_neutrino",
    "total",
    "no_neutrino",
    "total_with_dark_energy",
    "weyl",
    "velocity_cdm",
    "velocity_baryon",
    "velocity_baryon_cdm",
)
HIGHEST_K_H_MPC = 310.0
# bumped when the recipe below changes: old cache files are then not found
_RECIPE = 1


@plain_numbers
def cold_species(cosmology: Cosmology | None = None, z: float = 0.0) -> dict[str, np.ndarray]:
    """Transfer functions of cold dark matter, baryons and radiation by CAMB, at one redshift.

    Computed once (half a minute), then read from the user's cache, whose files carry a checksum;
    a damaged one is replaced.

    Parameters
    ----------
    cosmology : the default one when left out; n_s and a_s do not matter.
    z : redshift, 0 to 200.

    Returns
    -------
    Name of :data:`COLUMNS` → array (n,): k [h/Mpc], increasing; overdensities delta/k^2 [Mpc^2], k
    in 1/Mpc, for unit initial curvature, synchronous gauge; velocities -k v/(aH)/k^2 [Mpc^2] in the
    Newtonian gauge, but ``velocity_baryon_cdm``, which is without k/(aH). Neutrinos are massless.

    Raises
    ------
    ValueError
        If z is outside its range, or CAMB is needed and not installed.
    """
    cosmology = Cosmology() if cosmology is None else cosmology
    z = float(z)
    if not 0.0 <= z <= HIGHEST_Z:
        raise ValueError(f"z = {z:g} is outside [0, {HIGHEST_Z:g}]; give a redshift in that range")
    return dict(_cached(tuple(table_fields(cosmology).values()), z))


def cache_file_name(values: tuple[float, ...], z: float) -> str:
    """File name of a table: ``values`` of ``spectra.linear.TABLE_FIELDS``, redshift ``z``."""
    # single-precision inputs must find the table of the same number
    rounded = [f"{value:.7g}" for value in (*values, z)]
    return file_name("species", _RECIPE, HIGHEST_K_H_MPC, rounded)


@lru_cache(maxsize=8)
def _cached(values: tuple[float, ...], z: float) -> dict[str, np.ndarray]:
    def make():
        return camb_species(Cosmology(**dict(zip(TABLE_FIELDS, values))), z)

    return kept_tables([cache_file_name(values, z)], make)[0]


def camb_species(cosmology: Cosmology, z: float) -> tuple[dict[str, np.ndarray], dict]:
    """Arrays and attributes of one table, computed by CAMB; see :func:`cold_species`."""
    results, version = run_camb(
        cosmology, [z], HIGHEST_K_H_MPC, 0, "a table of transfer functions of separate species"
    )
    data = results.get_matter_transfer_data().transfer_data[:, :, 0]
    tables = {name: np.asarray(row, dtype=float) for name, row in zip(COLUMNS, data)}
    attributes = {
        **table_fields(cosmology),
        "z": z,
        "source": f"CAMB {version}, transfer functions, massless neutrinos",
    }
    return tables, attributes
