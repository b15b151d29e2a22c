"""Tags: how they are read, and which are left out."""

import numpy as np

from layerscope.targets import Tags, labels_of
from layerscope.targets.kind import Labels


def test_lists_of_names_and_bars_are_tags():
    listed = labels_of([["drums", "bass"], [], ["bass"]])
    assert (listed.kind.name, listed.names, listed.values.tolist()) == (
        "tags",
        ("bass", "drums"),
        [[1, 1], [0, 0], [1, 0]],
    )
    barred = labels_of(["drums|bass", "bass"])
    assert (barred.kind.name, barred.names, barred.values.tolist()) == ("tags", ("bass", "drums"), [[1, 1], [1, 0]])


def test_tags_without_both_answers_are_named_and_left_out():
    scores = np.array([[0.9, 0.1, 0.5], [0.2, 0.3, 0.6]])
    labels = Labels(Tags(), ("yes", "never", "always"), np.array([[1, 0, 1], [0, 0, 1]], np.float32))
    assert labels.kind.absent(labels) == ["never", "always"]
    assert labels.score(scores, "roc_auc")[0] == 1.0
    assert labels.score(scores, "average_precision")[0] == 1.0


def test_a_ranking_without_both_answers_is_nan_not_zero():
    empty = Labels(Tags(), ("t",), np.zeros((3, 1), np.float32))
    assert np.isnan(empty.score(np.zeros((3, 1)), "roc_auc")[0])
