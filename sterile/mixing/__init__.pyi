from .after_decay import on_spectrum as on_spectrum
from .mechanism import DODELSON_WIDROW as DODELSON_WIDROW
from .mechanism import SCALAR_DECAY_MIXING as SCALAR_DECAY_MIXING
from .mechanism import SHI_FULLER as SHI_FULLER
from .models import DodelsonWidrow as DodelsonWidrow
from .models import ScalarDecayMixing as ScalarDecayMixing
from .models import ShiFuller as ShiFuller
