"""What the tests of the export formats share: a spectrum, and CAMB's tables without CAMB."""

import shutil
from pathlib import Path

import numpy as np

import spectra
from spectra.directories import cache_root
from spectra.linear.served_cosmologies import table_fields
from spectra.structure.cold_transfers import cache_file_name

GOLDEN = Path(__file__).parent / "golden" / "species"
START = 99.0
# today for the targets that scale back themselves
WRITTEN_AT = {
    "monofonic": 0.0,
    **{name: None for name, one in spectra.export.FORMATS.items() if not one.other_z},
}


def decay_spectrum(mass_kev=7.0):
    q = np.geomspace(1e-3, 60.0, 400)
    return spectra.Spectrum(q, q**-0.5 * np.exp(-q), mass_kev, 0.3321)


def install_golden_tables():
    """Put CAMB's tables of the default cosmology at z = 0 and 99 where the package keeps its own.

    They are what ``spectra.structure.cold_species`` computes (CAMB 2.0.5, half a minute each here);
    ``test_camb_makes_the_golden_tables`` runs CAMB again.
    """
    cosmology = spectra.Cosmology()
    values = tuple(table_fields(cosmology).values())
    folder = cache_root() / "tables"
    folder.mkdir(parents=True, exist_ok=True)
    for z in (0.0, START):
        target = folder / cache_file_name(values, z)
        if not target.exists():
            shutil.copyfile(GOLDEN / f"camb_z{z:g}.h5", target)


def write_all(folder, dm=None):
    """Every format into ``folder``; returns name → path of the data."""
    install_golden_tables()
    dm = decay_spectrum() if dm is None else dm
    paths = {}
    for name in spectra.export.FORMATS:
        paths[name] = folder / f"{name}.dat"
        spectra.export.write(paths[name], name, spectrum=dm, z=WRITTEN_AT.get(name, START))
    return paths
