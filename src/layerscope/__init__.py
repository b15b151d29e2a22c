"""What each layer of a music model hears, measured once and told straight."""

import os
from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from layerscope.data.dataset import Dataset
    from layerscope.encoders import Encoder, load_encoder
    from layerscope.encoders.encoder import fingerprint_of
    from layerscope.errors import LayerscopeError
    from layerscope.features.clip_features import Features
    from layerscope.features.layer_features import LayerFeatures
    from layerscope.predictor.predict import Predictor, load_predictor
    from layerscope.study.concepts import concepts
    from layerscope.study.probe import probe
    from layerscope.study.study_results import Results

#: How threads wait for one another: one that spins takes its core from others and from other programs
#: (docs/decisions.md, "Waiting threads sleep").
THREADS_WAIT = {"OMP_WAIT_POLICY": "passive", "KMP_BLOCKTIME": "0"}
# Here, before anything else of layerscope is imported, as OpenMP reads these once, when torch is loaded.
for _variable, _value in THREADS_WAIT.items():
    os.environ.setdefault(_variable, _value)

__all__ = [
    "Dataset",
    "Encoder",
    "Features",
    "LayerFeatures",
    "LayerscopeError",
    "Predictor",
    "Results",
    "concepts",
    "fingerprint_of",
    "load_encoder",
    "load_predictor",
    "probe",
]

#: Where each name lives: it is imported when it is first asked for, as `layerscope --help` needs none of them.
_ROOMS = {
    "Dataset": "data.dataset",
    "Encoder": "encoders",
    "Features": "features.clip_features",
    "LayerFeatures": "features.layer_features",
    "LayerscopeError": "errors",
    "Predictor": "predictor.predict",
    "Results": "study.study_results",
    "concepts": "study.concepts",
    "fingerprint_of": "encoders.encoder",
    "load_encoder": "encoders",
    "load_predictor": "predictor.predict",
    "probe": "study.probe",
}


def __dir__() -> list[str]:
    """Return the public names."""
    return [*__all__, "__version__"]


def __getattr__(name: str) -> Any:
    """Return a public name."""
    if name == "__version__":
        return version("layerscope")
    if name not in _ROOMS:
        raise AttributeError(f"module 'layerscope' has no attribute '{name}'")
    return getattr(import_module(f"layerscope.{_ROOMS[name]}"), name)
