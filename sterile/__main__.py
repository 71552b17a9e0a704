"""``python -m sterile`` is the command line."""

from sterile.cli.app import main

main()
