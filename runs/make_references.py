"""Makes the shipped reference relics: python runs/make_references.py [PATH].

T(k), Lyman-alpha area deficit and haloes at z = 6 of every thermal relic that verdicts compare
with, by this package's own solver. Run it again when the solver's numbers change.
"""

import sys
from pathlib import Path

import jax

jax.config.update("jax_enable_x64", True)

import spectra  # noqa: E402
from spectra.cache import write_tables  # noqa: E402
from spectra.structure import reference_masses, reference_tables  # noqa: E402


def main() -> None:
    default = Path(spectra.__file__).parent / "data" / "references_planck18.h5"
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else default
    tables, attributes = reference_tables(tuple(sorted(reference_masses())), spectra.Cosmology())
    write_tables(path, tables, attributes | {"made_by": "runs/make_references.py"})
    print(f"{path}: relics of {', '.join(f'{mass:g}' for mass in tables['masses_kev'])} keV")


if __name__ == "__main__":
    main()
