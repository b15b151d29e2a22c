"""`python -m layerscope` is `layerscope`."""

from layerscope.cli import main

main()
