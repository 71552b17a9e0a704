"""Makes the shipped references, standards and growth: python runs/make_references.py [FOLDER].

T(k), Lyman-alpha area deficit and haloes at z = 6 of every thermal relic that verdicts compare
with, the numbers of the models of published bounds, and the growth of cold dark matter that hot
dark matter is compared with, by this package's own solver. Run it again when the solver's numbers
change, when the drive is made anew, or to ship those of a bound that was added.
"""

import sys
from pathlib import Path

import jax

jax.config.update("jax_enable_x64", True)

import spectra  # noqa: E402
from spectra.cache import write_tables  # noqa: E402
from spectra.linear import SHIPPED_GROWTH, growth_tables  # noqa: E402
from spectra.structure import (  # noqa: E402
    bounds_table,
    half_mode_models,
    models_of,
    reference_masses,
    reference_tables,
    standard_tables,
)


def main() -> None:
    default = Path(spectra.__file__).parent / "data"
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else default
    made_by = {"made_by": "runs/make_references.py"}
    cosmology = spectra.Cosmology()
    tables, attributes = growth_tables(spectra.drive())
    write_tables(folder / SHIPPED_GROWTH, tables, attributes | made_by)
    tables, attributes = reference_tables(tuple(sorted(reference_masses())), cosmology)
    write_tables(folder / "references_planck18.h5", tables, attributes | made_by)
    print(f"relics of {', '.join(f'{mass:g}' for mass in tables['masses_kev'])} keV")
    models = [model for bound in bounds_table() for model in models_of(bound)]
    models = tuple(sorted({*models, *half_mode_models()}))
    tables, attributes = standard_tables(models, cosmology)
    write_tables(folder / "standards_planck18.h5", tables, attributes | made_by)
    print(f"numbers of {len(models)} models of published bounds")


if __name__ == "__main__":
    main()
