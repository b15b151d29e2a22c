"""`python -m layerscope` is `layerscope`."""

from layerscope.cli.commands import main

main()
