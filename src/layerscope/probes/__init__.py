"""Probes: what can be read off a layer, and how easily."""

from collections.abc import Callable, Sequence

from layerscope.features.clip_features import Features
from layerscope.probes.applied import apply_probe
from layerscope.probes.attention import fit_attention
from layerscope.probes.closed_form import fit_closed_form
from layerscope.probes.inputs import Input, assemble, inputs_of
from layerscope.probes.knn import fit_knn
from layerscope.probes.linear import fit_linear
from layerscope.probes.mlp import fit_mlp
from layerscope.probes.problem import Prediction, Problem

__all__ = [
    "DEFAULT_PROBES", "PROBES", "SEEDED_PROBES", "Input", "Prediction", "Problem", "apply_probe", "assemble",
    "inputs_of", "offers", "seen_by",
]  # fmt: skip

Fit = Callable[[Problem, Sequence[int]], list[Prediction]]

#: name → how it is fitted
PROBES: dict[str, Fit] = {
    "mlp": fit_mlp,
    "linear": fit_linear,
    "closed": fit_closed_form,
    "knn": fit_knn,
    "attention": fit_attention,
}
#: Those of a study that names none; the others are asked for.
DEFAULT_PROBES = ("mlp", "linear", "closed")
#: Those that are trained step by step, once a seed and learning rate.
SEEDED_PROBES = ("mlp", "attention")


def offers(probe: str, chosen: Input) -> bool:
    """Return whether a probe can take an input: a mixture of layers is learnt step by step, frames are of one layer."""
    if probe == "attention":
        return chosen.name in ("layer", "frame")
    return not (probe in ("closed", "knn") and chosen.name.startswith("weighted"))


def seen_by(probe: str, features: Features) -> Features | None:
    """Return what a probe is given of features: windows, or the frames of clips, nothing where none are kept."""
    return features.attended if probe == "attention" else features
