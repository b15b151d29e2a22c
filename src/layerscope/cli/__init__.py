"""The command line: what people type and what they see of it."""

from layerscope.cli.entry_point import main

__all__ = ["main"]
