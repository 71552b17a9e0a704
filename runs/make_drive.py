"""Make the drive file that ships with the package, from CLASS runs (needs classy).

    python runs/make_drive.py [OUTPUT.h5]

With its derivatives in the cosmology: about four minutes on two idle cores. Resolution:
``spectra.linear.drive_build.Settings``.
"""

import sys
from pathlib import Path

import jax

jax.config.update("jax_enable_x64", True)

from spectra import Cosmology  # noqa: E402
from spectra.cache import write_tables  # noqa: E402
from spectra.linear import SHIPPED_FILE, build  # noqa: E402

DEFAULT_OUTPUT = Path(__file__).parents[1] / "spectra" / "data" / SHIPPED_FILE


def show_progress(done, total):
    print(f"\rCLASS run {done}/{total}", end="", file=sys.stderr, flush=True)


def main(output: Path) -> None:
    tables, attributes = build(Cosmology(), derivatives=True, progress=show_progress)
    write_tables(output, tables, attributes)
    print(file=sys.stderr)
    size = Path(output).stat().st_size / 1e6
    print(f"{output}: {size:.1f} MB; cold amplitude against CLASS: {attributes['cold_error']:.1e}")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else DEFAULT_OUTPUT)
