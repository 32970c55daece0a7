"""``python -m nodes.headless`` from a checkout, for ``lumenfall`` of an installed package."""

from .entry import main

main()
