from .plane import figure_plane as figure_plane
from .results import Results as Results
from .results import load as load
from .results import to_pandas as to_pandas
from .results import to_xarray as to_xarray
from .runner import ScanStopped as ScanStopped
from .runner import run as run
