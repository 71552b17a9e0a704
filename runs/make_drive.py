"""Make the drive file that ships with the package, from a CLASS run (needs classy).

    python runs/make_drive.py [OUTPUT.h5]

About three minutes on one core. Settings and their convergence: ``spectra._drive_build.Settings``.
"""

import sys
from pathlib import Path

import classy
import jax
import numpy as np

jax.config.update("jax_enable_x64", True)

from spectra import Cosmology  # noqa: E402
from spectra._drive_build import Settings, class_parameters, drive_tables  # noqa: E402
from spectra.drive import SHIPPED_FILE, cosmology_attributes, write_drive  # noqa: E402

DEFAULT_OUTPUT = Path(__file__).parents[1] / "spectra" / "data" / SHIPPED_FILE


def main(output: Path) -> None:
    cosmology, settings = Cosmology(), Settings()

    def progress(done, total):
        print(f"\rwavenumber {done}/{total}", end="", file=sys.stderr, flush=True)

    tables = drive_tables(cosmology, settings, progress)
    print(file=sys.stderr)
    run = tables.pop("matter_run")
    write_drive(
        output,
        tables,
        {
            **cosmology_attributes(cosmology),
            **{f"setting_{name}": value for name, value in vars(settings).items()},
            "description": "response of collisionless dark matter to radiation and baryons",
            "provenance": f"runs/make_drive.py, classy {classy.__version__}, Newtonian gauge",
            "class_parameters": repr(
                class_parameters(cosmology, settings, settings.k_h_mpc[-1:] * float(cosmology.h))
            ),
        },
    )
    error = np.max(np.abs(tables["cold_today"] / run - 1.0))
    size = Path(output).stat().st_size / 1e6
    print(f"{output}: {size:.1f} MB; cold amplitude against CLASS: {error:.1e}")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else DEFAULT_OUTPUT)
