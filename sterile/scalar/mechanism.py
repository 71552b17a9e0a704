"""The entry of scalar decay in the registry."""

from sterile.bath import thermodynamics
from sterile.contract import Mechanism, Refinement
from sterile.quantities import Quantity
from sterile.scalar import account, accuracy, bounds, grids, production
from sterile.scalar.branches import BRANCHES, branch
from sterile.scalar.model import ScalarDecay

CITATION = """\
@article{Koenig:2016dzg,
  author = {K{\\"o}nig, Johannes and Merle, Alexander and Totzauer, Maximilian},
  title = {keV sterile neutrino dark matter from singlet scalar decays: the most general case},
  journal = {JCAP}, volume = {11}, pages = {038}, year = {2016}, eprint = {1609.01289}
}
"""

SCALAR_DECAY = Mechanism(
    model=ScalarDecay,
    solve=production.solve,
    prepare=grids.prepare,
    smooth_grid=grids.smooth_grid,
    shared_grid=grids.shared_grid,
    refinement=Refinement(accuracy.refined, accuracy.between, accuracy.FLOOR),
    robust=grids.robust,
    branches=BRANCHES,
    branch=branch,
    heaviest_mass_kev=production.heaviest_mass_kev,
    numbers={
        "yield_s_max": Quantity("1", "largest scalar yield Y_S", r"$Y_S^{\rm max}$"),
        "density_ratio_max": Quantity("1", "largest rho_S/rho_SM", r"$(\rho_S/\rho)^{\rm max}$"),
    },
    bounds=bounds.verdicts,
    warnings=bounds.warnings,
    datasets=production.datasets,
    plane=("portal_coupling", "yukawa"),
    excluded={
        "scalar-lifetime": "S decays after nucleosynthesis",
        "higgs-invisible": "h → SS above 11 %",
    },
    citations=(CITATION, thermodynamics.CITATION),
    account=account.account,
    remedies=account.remedies,
)
