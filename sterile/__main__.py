"""``python -m sterile`` is the command line."""

from sterile.cli import main

main()
