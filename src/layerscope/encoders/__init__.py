"""Encoders: waveform to the hidden states of every layer."""

from layerscope.encoders.encoder import Encoder, parse_layers
from layerscope.encoders.model_names import load_encoder
from layerscope.encoders.own_encoder import verify
from layerscope.encoders.plain_features import BASELINES
from layerscope.encoders.published_models import MODELS

__all__ = ["BASELINES", "MODELS", "Encoder", "load_encoder", "parse_layers", "verify"]
