from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from made_study import made_similarities, made_study

from layerscope.report.heat_maps import (
    descriptor_curves,
    ink_on,
    label_free_curves,
    short_number,
    similarity_map,
    task_map,
    task_scores,
)


def cells(axes):
    return {(round(text.get_position()[1]), round(text.get_position()[0])): text.get_text() for text in axes.texts}


def test_a_cell_for_every_layer_and_task_coloured_by_its_way_from_chance_to_perfect():
    figure = task_map(made_study(("a", "b"), best={"a": 0, "b": 2}))
    first, second = figure.axes
    assert (first.get_title(loc="left"), second.get_title(loc="left")) == ("m", "n")
    assert cells(first)[(0, 0)] == cells(first)[(1, 2)] == "80"
    shades = first.collections[0].get_array().reshape(2, 4)
    # Scores of .8, .7, .6 and .5, where chance is .5; the last is not told apart from it.
    np.testing.assert_allclose(shades[0, :3], [0.6, 0.4, 0.2], atol=1e-9)
    assert shades.mask[0].tolist() == [False, False, False, True]
    assert [label.get_text() for label in first.get_yticklabels()] == ["a", "b"]
    frames = [line for line in first.lines if line.get_marker() == "s"]
    assert sorted((line.get_ydata()[0], line.get_xdata()[0]) for line in frames) == [(0, 0), (1, 2)]


def test_what_shuffled_labels_score_as_well_is_not_told_apart_from_chance():
    study = made_study(("a",), best={"a": 0})
    rows = study.table[(study.table.split == "test") & (study.table.layer == 0)].assign(input="shuffled", value=0.65)
    shades = task_scores(replace(study, table=pd.concat([study.table, rows])), "a", ["m"]).shade
    # Scores of .8, .7, .6 and .5, chance .5; the interval of .7 begins below .65.
    np.testing.assert_allclose(shades, [0.6, np.nan, np.nan, np.nan], atol=1e-9)


def test_a_map_of_layers_is_symmetric_with_ones_on_the_diagonal():
    shades = similarity_map(made_similarities(), "cka").axes[0].collections[0].get_array().reshape(8, 8)
    np.testing.assert_array_equal(shades, shades.T)
    np.testing.assert_array_equal(np.diag(shades), 1)


def test_curves_have_a_line_for_each_descriptor_and_score():
    figure = descriptor_curves(made_similarities(), "cka")
    assert [len(axes.lines) for axes in figure.axes] == [2, 2]
    figure = label_free_curves(made_similarities(models=("m",)))
    assert [len(axes.lines) for axes in figure.axes] == [1] * 7 + [0]


@pytest.mark.parametrize(
    ("metric", "value", "text"),
    [("accuracy", 0.847, "85"), ("r2", 0.613, ".61"), ("r2", -0.25, "−.25"), ("r2", 1.0, "1.00")],
)
def test_numbers_fit_their_cells(metric, value, text):
    assert short_number(metric, value) == text


def test_ink_is_read_on_both_ends():
    assert (ink_on(0.0), ink_on(1.0)) == ("#ffffff", "#000000")
