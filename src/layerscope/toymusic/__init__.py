"""The built-in corpus: short pieces that the package composes, plays and labels itself."""

from layerscope.toymusic.composed_dataset import write_notes, write_pieces
from layerscope.toymusic.composer import Piece, compose, compose_note
from layerscope.toymusic.synthesizer import RATE, render

__all__ = ["RATE", "Piece", "compose", "compose_note", "render", "write_notes", "write_pieces"]
