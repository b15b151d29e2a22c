"""The kinds of target that there are, by name: layerscope's own, and those of other packages.

A new kind is a file here and its instance in `KINDS`; one of another package is given to `register`, or offered by the
entry-point group ``layerscope.kinds`` (docs/add-a-target.md).
"""

from __future__ import annotations

from functools import cache
from importlib.metadata import entry_points

from layerscope.errors import UsageError, unknown
from layerscope.targets.beats import Beats
from layerscope.targets.chords import Chords
from layerscope.targets.classes import Classes
from layerscope.targets.key import Key
from layerscope.targets.kind import Kind
from layerscope.targets.melody import Melody
from layerscope.targets.metric import Metric
from layerscope.targets.notes import Notes
from layerscope.targets.onsets import Onsets
from layerscope.targets.segments import Segments
from layerscope.targets.tags import Tags
from layerscope.targets.values import Values

__all__ = ["KINDS", "kind_named", "kinds", "metric_named", "register", "register_installed"]

#: By name. Where nobody says what cells are, the last is asked first whether it recognises them: what is said over time
#: before what is said of clips, chords before any other spans, and classes, which take every name, at the end.
KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (Classes(), Tags(), Key(), Values(), Segments(), Chords(), Beats(), Melody(), Notes(), Onsets())
}
#: Before any package registers: these names stay ours.
BUILT_IN = frozenset(KINDS)
GROUP = "layerscope.kinds"


def register(kind: Kind) -> None:
    """Add a kind of target, which is then asked before all others whether it recognises cells.

    Parameters
    ----------
    kind : Kind
        Its name must be none of layerscope's own; a kind that was registered under it is replaced.

    Raises
    ------
    UsageError
        If the name is taken, or the kind has no metrics.
    """
    if kind.name in BUILT_IN:
        raise UsageError(f"kind '{kind.name}' is one of layerscope's own; choose another name")
    if not kind.metrics:
        raise UsageError(f"kind '{kind.name}' has no metrics; the first of them chooses layers")
    # Out first, because a name that is there keeps its old place, and the last is asked first.
    KINDS.pop(kind.name, None)
    KINDS[kind.name] = kind


@cache
def register_installed() -> None:
    """Register the kinds that installed packages offer, once: each entry point names a class."""
    for entry in entry_points(group=GROUP):
        register(entry.load()())


def kinds() -> dict[str, Kind]:
    """Return all kinds of target by name.

    Examples
    --------
    >>> list(kinds())[:4]
    ['classes', 'tags', 'key', 'values']
    """
    register_installed()
    return KINDS


def kind_named(name: str) -> Kind:
    """Return a kind of target.

    Raises
    ------
    UsageError
        If there is none of that name, with the nearest suggested.

    Examples
    --------
    >>> kind_named("chords").over_time
    True
    """
    if name not in kinds():
        raise unknown("kind", name, kinds())
    return kinds()[name]


def metric_named(name: str) -> Metric:
    """Return a metric of any kind of target, or that of one output alone.

    Examples
    --------
    >>> metric_named("roc_auc").title, metric_named("r2:valence").title
    ('ROC-AUC', 'R² of valence')
    """
    whole, _, output = name.partition(":")
    metrics = {metric.name: metric for kind in kinds().values() for metric in kind.metrics}
    if whole not in metrics:
        raise unknown("metric", name, metrics, hint="; a kind that scores by it may not be installed")
    return metrics[whole].of(output) if output else metrics[whole]
