"""Any dark-matter momentum spectrum to structure formation: f(q) → T²(k) → verdicts."""

from spectra import export
from spectra.cosmology import Cosmology
from spectra.power import PowerTable, cold_power, matter_power, power_table
from spectra.psd import read_psd
from spectra.scales import HalfMode, free_streaming, free_streaming_class, half_mode
from spectra.shapes import Shape, fit_shape, shape_transfer, viel_mass_kev, viel_shape
from spectra.species import SpeciesTransfer, species_transfer
from spectra.spectrum import Spectrum, thermal_relic
from spectra.status import Status

# isort: split
# three functions share their module's name: imported last, they are what the package shows
from spectra.drive import drive
from spectra.references import References, reference_relics
from spectra.transfer import Transfer, transfer
from spectra.verdict import Subject, Verdict
from spectra.verdicts import verdicts

__all__ = [
    "Cosmology",
    "HalfMode",
    "PowerTable",
    "References",
    "Shape",
    "SpeciesTransfer",
    "Spectrum",
    "Status",
    "Subject",
    "Transfer",
    "Verdict",
    "cold_power",
    "drive",
    "export",
    "fit_shape",
    "free_streaming",
    "free_streaming_class",
    "half_mode",
    "matter_power",
    "power_table",
    "read_psd",
    "reference_relics",
    "shape_transfer",
    "species_transfer",
    "thermal_relic",
    "transfer",
    "verdicts",
    "viel_mass_kev",
    "viel_shape",
]
