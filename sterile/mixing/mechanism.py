"""The entries of mixing in the registry."""

from sterile.bath import thermodynamics
from sterile.contract import Mechanism, Refinement
from sterile.mixing import account, accuracy, after_decay, grids, production
from sterile.mixing.models import DodelsonWidrow, ScalarDecayMixing, ShiFuller
from sterile.quantities import Quantity
from sterile.scalar import SCALAR_DECAY

_DODELSON_WIDROW = """\
@article{Dodelson:1993je,
  author = {Dodelson, Scott and Widrow, Lawrence M.},
  title = {Sterile neutrinos as dark matter},
  journal = {Phys. Rev. Lett.}, volume = {72}, pages = {17}, year = {1994},
  eprint = {hep-ph/9303287}
}
"""
_SHI_FULLER = """\
@article{Shi:1998km,
  author = {Shi, Xiangdong and Fuller, George M.},
  title = {A new dark matter candidate: nonthermal sterile neutrinos},
  journal = {Phys. Rev. Lett.}, volume = {82}, pages = {2832}, year = {1999},
  eprint = {astro-ph/9810076}
}
"""
_VENUMADHAV = """\
@article{Venumadhav:2015pla,
  author = {Venumadhav, Tejaswi and Cyr-Racine, Francis-Yan and Abazajian, Kevork N. and
            Hirata, Christopher M.},
  title = {Sterile neutrino dark matter: Weak interactions in the strong coupling epoch},
  journal = {Phys. Rev. D}, volume = {94}, pages = {043515}, year = {2016}, eprint = {1507.06655}
}
"""
_OPACITIES = """\
@article{Asaka:2006nq,
  author = {Asaka, Takehiko and Laine, Mikko and Shaposhnikov, Mikhail},
  title = {Lightest sterile neutrino abundance within the nuMSM},
  journal = {JHEP}, volume = {01}, pages = {091}, year = {2007}, eprint = {hep-ph/0612182}
}
"""
_DECAY_AND_MIXING = """\
@article{Merle:2015vzu,
  author = {Merle, Alexander and Schneider, Aurel and Totzauer, Maximilian},
  title = {Dodelson-Widrow Production of Sterile Neutrino Dark Matter with Non-Trivial Initial
           Abundance},
  journal = {JCAP}, volume = {04}, pages = {003}, year = {2016}, eprint = {1512.05369}
}
"""

_THERMAL_SHARE = {
    "thermal_share": Quantity("1", "Y_N over that in equilibrium", r"$Y_N/Y_{\rm eq}$")
}
# beyond this N is on its way to equilibrium, and its own energy matters
_NEARLY_THERMAL = 0.1


def warnings(model, point, cosmology) -> list[str]:
    """What a user of mixing should know of a finished point."""
    found = []
    share = float(point.thermal_share)
    if share > _NEARLY_THERMAL:
        found.append(
            f"N reaches {share:.2g} of its equilibrium abundance: sin2_2theta is so large that it "
            "thermalises, and its own energy density, left out of H, counts"
        )
    if model.rate_kind == "loss":
        found.append(
            'rate_kind = "loss": the loss rate alone stands for the width, smaller by 1 + e^-q; '
            "abundances are a few to ten per cent low"
        )
    return found


DODELSON_WIDROW = Mechanism(
    model=DodelsonWidrow,
    solve=production.solve,
    prepare=grids.prepare_non_resonant,
    smooth_grid=lambda model, plasma: grids.NON_RESONANT,
    shared_grid=lambda models, plasma: grids.NON_RESONANT,
    refinement=Refinement(grids.finer, accuracy.between, accuracy.FLOOR),
    robust=grids.finer,
    numbers=_THERMAL_SHARE,
    warnings=warnings,
    datasets=production.datasets,
    plane=("mass_kev", "sin2_2theta"),
    citations=(_DODELSON_WIDROW, _OPACITIES, thermodynamics.CITATION),
    account=account.account,
    remedies=account.remedies,
)
SHI_FULLER = Mechanism(
    model=ShiFuller,
    solve=production.solve_resonant,
    prepare=grids.prepare_resonant,
    smooth_grid=lambda model, plasma: grids.RESONANT,
    shared_grid=lambda models, plasma: grids.RESONANT,
    refinement=Refinement(grids.finer, accuracy.between_resonant, accuracy.RESONANT_FLOOR),
    robust=grids.finer,
    numbers={
        **_THERMAL_SHARE,
        "asymmetry_left": Quantity("1", "share of the lepton asymmetry left", r"$L/L_0$"),
        "asymmetry_jump": Quantity("1", "largest change of the asymmetry within a step", ""),
    },
    warnings=warnings,
    datasets=production.resonant_datasets,
    plane=("mass_kev", "sin2_2theta"),
    citations=(_SHI_FULLER, _VENUMADHAV, _OPACITIES, thermodynamics.CITATION),
    account=account.resonant_account,
    remedies=account.remedies,
)
SCALAR_DECAY_MIXING = Mechanism(
    model=ScalarDecayMixing,
    solve=after_decay.solve,
    prepare=after_decay.prepare,
    smooth_grid=after_decay.smooth_grid,
    shared_grid=after_decay.shared_grid,
    refinement=Refinement(after_decay.finer, accuracy.between, accuracy.FLOOR),
    robust=after_decay.robust,
    branches=SCALAR_DECAY.branches,
    branch=after_decay.branch,
    heaviest_mass_kev=lambda model: 0.5e6 * model.scalar_mass_gev,
    numbers={
        **SCALAR_DECAY.numbers,
        **_THERMAL_SHARE,
        "mixing_share": Quantity("1", "share of Y_N made by mixing", r"$Y_{\rm mix}/Y_N$"),
    },
    bounds=after_decay.bounds,
    warnings=lambda *seen: after_decay.warnings(*seen) + warnings(*seen),
    datasets=after_decay.datasets,
    plane=("portal_coupling", "sin2_2theta"),
    excluded=SCALAR_DECAY.excluded,
    citations=(*SCALAR_DECAY.citations, _DODELSON_WIDROW, _OPACITIES, _DECAY_AND_MIXING),
    account=account.decay_and_mixing,
    remedies=account.decay_and_mixing_remedies,
)
