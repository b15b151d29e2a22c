"""Encoders: waveform to the hidden states of every layer."""

from layerscope.encoders.base import Encoder, parse_layers
from layerscope.encoders.baselines import BASELINES
from layerscope.encoders.custom import verify
from layerscope.encoders.registry import MODELS, load_encoder

__all__ = ["BASELINES", "MODELS", "Encoder", "load_encoder", "parse_layers", "verify"]
