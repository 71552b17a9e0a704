"""Makes the shipped table of opacities: python runs/make_opacities.py [PATH]. Some minutes.

Rows that are done are kept in the cache folder, and a second run goes on where the first stopped.
"""

import sys
import time
from pathlib import Path

import jax

jax.config.update("jax_enable_x64", True)

import numpy as np  # noqa: E402

import sterile  # noqa: E402
from spectra.cache import write_tables  # noqa: E402
from spectra.directories import cache_root  # noqa: E402
from sterile.mixing import opacities  # noqa: E402
from sterile.mixing.rates import build  # noqa: E402

VERSION = 2


def main() -> None:
    default = Path(sterile.__file__).parent / "mixing" / "data" / opacities.SHIPPED_FILE
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else default
    temperatures, momenta = build.TEMPERATURES_GEV, build.MOMENTA
    table = np.zeros((temperatures.size, 3, len(opacities.GROUPS), momenta.size))
    start = time.monotonic()
    for number, row in build.rows(cache_root() / "opacities", temperatures, momenta):
        table[number] = row
        passed = time.monotonic() - start
        print(
            f"\r{number + 1} of {temperatures.size} temperatures, {passed:.0f} s",
            end="",
            file=sys.stderr,
            flush=True,
        )
    print(file=sys.stderr)
    loss = np.moveaxis(table, 0, 2)
    attributes = {
        "version": VERSION,
        "description": "Gamma_loss/(G_F^2 T^5) by flavour, group of reactions, T and p/T",
        "flavours": "e, mu, tau",
        "groups": ", ".join(opacities.GROUPS),
        "made_by": "runs/make_opacities.py",
    }
    tables = {"temperature_gev": temperatures, "momentum": momenta, "loss": loss}
    write_tables(path, tables, attributes)
    print(f"{path}: {', '.join(f'{name} {values.shape}' for name, values in tables.items())}")


if __name__ == "__main__":
    main()
