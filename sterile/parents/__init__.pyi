from .solution import AlreadyThere as AlreadyThere
from .solution import FromDecay as FromDecay
from .solution import FromPairs as FromPairs
from .solution import FromRate as FromRate
from .solution import Parent as Parent
from .solution import cold as cold
from .solution import decay_gain as decay_gain
from .solution import solve_parent as solve_parent
