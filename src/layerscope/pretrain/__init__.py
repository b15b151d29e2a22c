"""Masked-token pretraining of small encoders, in the two published ways."""

from layerscope.pretrain.loop import pretrain
from layerscope.pretrain.recipe import Recipe, read_recipe

__all__ = ["Recipe", "pretrain", "read_recipe"]
