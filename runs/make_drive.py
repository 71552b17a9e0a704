"""Make the drive file that ships with the package, from a CLASS run (needs classy).

    python runs/make_drive.py [OUTPUT.h5]

Three to five minutes on one core. Resolution: ``spectra.drive_build.Settings``.
"""

import sys
from pathlib import Path

import jax

jax.config.update("jax_enable_x64", True)

from spectra import Cosmology  # noqa: E402
from spectra.drive import SHIPPED_FILE  # noqa: E402
from spectra.drive_build import make_drive  # noqa: E402

DEFAULT_OUTPUT = Path(__file__).parents[1] / "spectra" / "data" / SHIPPED_FILE


def show_progress(done, total):
    print(f"\rwavenumber {done}/{total}", end="", file=sys.stderr, flush=True)


def main(output: Path) -> None:
    error = make_drive(output, Cosmology(), progress=show_progress)
    print(file=sys.stderr)
    size = Path(output).stat().st_size / 1e6
    print(f"{output}: {size:.1f} MB; cold amplitude against CLASS: {error:.1e}")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else DEFAULT_OUTPUT)
