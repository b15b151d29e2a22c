import numpy as np
import pytest
from sets_made import made_states

from layerscope import Features
from layerscope.data.splits import Part
from layerscope.probes import Input, assemble
from layerscope.probes.closed_form import fit_closed_form
from layerscope.probes.layer_sets import DIRECTIONS, LayerBlocks, search_layers
from layerscope.probes.problem import Problem, validation_score

ROWS = np.arange(400)
PART = Part(ROWS[:240], ROWS[240:], ROWS[:0])


def features_of(labels, states):
    return Features.from_arrays(states, labels)


@pytest.mark.parametrize("form", ["classes", "tags", "values"])
def test_blocks_score_a_set_as_the_closed_probe_does(form):
    states, classes = made_states(0, halves=(1, 3))
    labels = {
        "classes": [f"class {label}" for label in classes],
        "tags": np.stack([classes % 2, classes // 2], axis=1),
        "values": states[:, 1, 0] + states[:, 3, 0],
    }[form]
    features = features_of(labels, states)
    side_by_side = assemble(features, Input("concat(1+3)", layers=(1, 3)))
    problem = Problem(side_by_side, features.window_clip, features.labels, PART.train, PART.valid, PART.valid)
    expected = validation_score(problem, fit_closed_form(problem, [0])[0].scores)
    blocks = LayerBlocks.of(features, features.labels, PART)
    assert blocks.score([1, 3]) == pytest.approx(expected, abs=1e-6)
    assert blocks.score([3, 1]) == blocks.score([1, 3])


def test_two_halves_are_found_whatever_layers_are_called():
    states, classes = made_states(1, halves=(1, 3))
    features = Features.from_arrays(states, [f"c{label}" for label in classes], layers=[0, 4, 5, 7, 9, 11])
    path = search_layers(features, features.labels, [PART])
    assert sorted(path[:2]) == [4, 7]
    assert len(path) == len(set(path)) == 4
    blocks = LayerBlocks.of(features, features.labels, PART)
    assert blocks.score([1, 3]) > blocks.score([features.layers.index(path[0])]) + 0.2


def test_tested_clips_are_never_looked_at():
    states, classes = made_states(2, halves=(0, 2))
    part = Part(ROWS[:200], ROWS[200:300], ROWS[300:])
    spoilt = states.copy()
    spoilt[300:] = np.random.default_rng(9).normal(size=spoilt[300:].shape) * 100
    names = [f"c{label}" for label in classes]
    shuffled = [*names[:300], *names[300:][::-1]]
    told = [
        search_layers(each, each.labels, [part]) for each in (features_of(names, states), features_of(shuffled, spoilt))
    ]
    assert told[0] == told[1]


def test_wide_layers_are_looked_at_along_the_directions_in_which_they_vary():
    states, classes = made_states(3, halves=(0, 2), layers=3, width=2 * DIRECTIONS, far=6.0)
    features = features_of([f"c{label}" for label in classes], states)
    blocks = LayerBlocks.of(features, features.labels, PART)
    assert [len(columns) for columns in blocks.columns] == [DIRECTIONS] * 3
    # The same numbers again: a search that is repeated finds the same.
    assert search_layers(features, features.labels, [PART]) == search_layers(features, features.labels, [PART])


def test_a_model_of_two_layers_has_sets_of_two():
    states, classes = made_states(4, halves=(0, 1), layers=2)
    features = features_of([f"c{label}" for label in classes], states)
    assert len(search_layers(features, features.labels, [PART])) == 2
