"""Masked-token pretraining of small encoders, in the two published ways."""

from layerscope.pretrain.recipe import Recipe, read_recipe
from layerscope.pretrain.training import pretrain

__all__ = ["Recipe", "pretrain", "read_recipe"]
