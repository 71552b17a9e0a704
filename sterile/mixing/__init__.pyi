from .models import DodelsonWidrow as DodelsonWidrow
from .models import ScalarDecayMixing as ScalarDecayMixing
from .models import ShiFuller as ShiFuller
