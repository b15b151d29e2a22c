"""What each layer of a music model hears, measured once and told straight."""

from layerscope.dataset import Dataset
from layerscope.encoders import Encoder, load_encoder
from layerscope.errors import LayerscopeError
from layerscope.features import Features
from layerscope.results import Results
from layerscope.study import probe

__all__ = ["Dataset", "Encoder", "Features", "LayerscopeError", "Results", "load_encoder", "probe"]
