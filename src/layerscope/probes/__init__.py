"""Probes: what can be read off a layer, and how easily."""

from collections.abc import Callable, Sequence

from layerscope.probes.applied import apply_probe
from layerscope.probes.closed_form import fit_closed_form
from layerscope.probes.inputs import Input, assemble, inputs_of
from layerscope.probes.linear import fit_linear
from layerscope.probes.mlp import fit_mlp
from layerscope.probes.problem import Prediction, Problem

__all__ = ["PROBES", "Input", "Prediction", "Problem", "apply_probe", "assemble", "inputs_of", "offers"]

Fit = Callable[[Problem, Sequence[int]], list[Prediction]]

#: name → how it is fitted
PROBES: dict[str, Fit] = {"mlp": fit_mlp, "linear": fit_linear, "closed": fit_closed_form}


def offers(probe: str, chosen: Input) -> bool:
    """Return whether a probe can take an input: a mixture of layers has no closed form."""
    return not (probe == "closed" and chosen.name.startswith("weighted"))
