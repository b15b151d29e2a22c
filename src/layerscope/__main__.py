"""`python -m layerscope` is `layerscope`."""

from layerscope.cli.entry_point import main

main()
