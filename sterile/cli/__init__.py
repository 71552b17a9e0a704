"""The command line ``sterile``."""

from sterile.cli.app import main, run

__all__ = ["main", "run"]
