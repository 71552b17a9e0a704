from . import expansion as expansion
from . import thermodynamics as thermodynamics
from .electroweak_crossover import CROSSOVER_CITATION as CROSSOVER_CITATION
from .electroweak_crossover import doublet_mass_gev as doublet_mass_gev
from .electroweak_crossover import vev_squared as vev_squared
from .thermodynamics import hubble_gev as hubble_gev
