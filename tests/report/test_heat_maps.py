import numpy as np
from made_study import made_similarities, made_study

from layerscope.report.heat_maps import similarity_map, task_map


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


def test_a_map_of_layers_is_symmetric_with_ones_on_the_diagonal():
    shades = similarity_map(made_similarities(), "cka").axes[0].collections[0].get_array().reshape(8, 8)
    np.testing.assert_array_equal(shades, shades.T)
    np.testing.assert_array_equal(np.diag(shades), 1)
