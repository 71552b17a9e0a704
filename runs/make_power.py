"""Makes the shipped table of P_CDM(k, z): python runs/make_power.py [PATH]. Needs camb."""

import sys
from pathlib import Path

import jax

jax.config.update("jax_enable_x64", True)

import spectra  # noqa: E402
from spectra.cache import write_tables  # noqa: E402
from spectra.structure import power  # noqa: E402


def main() -> None:
    default = Path(spectra.__file__).parent / "data" / power.SHIPPED_FILE
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else default
    tables, attributes = power.camb_tables(spectra.Cosmology())
    tables["tangents"] = power.camb_tangents(spectra.Cosmology())
    write_tables(path, tables, attributes | {"made_by": "runs/make_power.py"})
    print(f"{path}: {', '.join(f'{name} {values.shape}' for name, values in tables.items())}")


if __name__ == "__main__":
    main()
