"""Any dark-matter momentum spectrum to structure formation: f(q) → T²(k) → verdicts."""

from spectra import export
from spectra.cosmology import Cosmology
from spectra.psd import read_psd
from spectra.scales import HalfMode, free_streaming, free_streaming_class, half_mode
from spectra.species import SpeciesTransfer, species_transfer
from spectra.spectrum import Spectrum, thermal_relic
from spectra.status import Status

# isort: split
# three functions share their module's name: imported last, they are what the package shows
from spectra.drive import drive
from spectra.transfer import Transfer, transfer
from spectra.verdicts import Verdict, verdicts

__all__ = [
    "Cosmology",
    "HalfMode",
    "SpeciesTransfer",
    "Spectrum",
    "Status",
    "Transfer",
    "Verdict",
    "drive",
    "export",
    "free_streaming",
    "free_streaming_class",
    "half_mode",
    "read_psd",
    "species_transfer",
    "thermal_relic",
    "transfer",
    "verdicts",
]
