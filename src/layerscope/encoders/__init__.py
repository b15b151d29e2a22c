"""Encoders: waveform to the hidden states of every layer."""

import torch
from joblib import cpu_count

from layerscope.encoders.encoder import Encoder, parse_layers
from layerscope.encoders.model_loading import load_encoder
from layerscope.encoders.own_encoder import verify
from layerscope.encoders.plain_features import BASELINES
from layerscope.encoders.published_models import MODELS

__all__ = ["BASELINES", "MODELS", "Encoder", "load_encoder", "parse_layers", "verify"]

# torch heeds `OMP_NUM_THREADS` and the process's affinity; of a container's share, and of `LOKY_MAX_CPU_COUNT`, it does
# not know. It may have fewer already: they are never made more.
torch.set_num_threads(min(torch.get_num_threads(), cpu_count()))
