"""``python -m zeeman.cli``."""

from zeeman.cli import main

main()
