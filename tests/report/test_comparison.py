import numpy as np
import pandas as pd
import pytest
from made_study import made_similarities

from layerscope.report.comparison import (
    descriptor_curves,
    descriptor_panels,
    label_free_curves,
    label_free_panels,
    reach_sentences,
)
from layerscope.similarity.time_reach import REACH_COLUMNS


def test_curves_have_a_line_for_each_descriptor_and_score():
    figure = descriptor_curves(made_similarities(), "cka")
    assert [len(axes.lines) for axes in figure.axes] == [2, 2]
    figure = label_free_curves(made_similarities(models=("m",)))
    assert [len(axes.lines) for axes in figure.axes] == [1] * 7 + [0]


@pytest.mark.parametrize(("panels", "titles", "lines"), [
    (descriptor_panels(made_similarities(), "cka"), ["m", "n"], ["mel", "chroma"]),
    (label_free_panels(made_similarities())[:1], ["rank"], ["m", "n"]),
])  # fmt: skip
def test_a_comparison_has_a_line_a_descriptor_or_model(panels, titles, lines):
    assert [panel.title for panel in panels][:1] == titles[:1] or titles == ["rank"]
    assert [name for _, name in panels[0].lines] == lines


def said_of(*rows):
    reaches = pd.DataFrame([("muq", *row, 8, 1.28) for row in rows], columns=REACH_COLUMNS[0])
    return reach_sentences(reaches)


def test_what_single_clips_say_is_told_of_what_is_beyond_too():
    # A curve that runs along the tenth crosses it anywhere: the range is what tells.
    assert said_of((0, 0.05, 0.02, 0.07), (1, np.inf, 0.04, np.inf)) == [
        "muq: 90 % of a state's change arises within 0.05 s (0.02 to 0.07 in single clips) in layer 0; "
        "farther away than 1.3 s in layer 1 (0.04 to more than was tried in single clips)."
    ]


def test_layers_that_are_beyond_in_every_clip_and_those_that_never_change_are_told():
    nothing = (np.nan, np.nan, np.nan)
    assert said_of((1, np.inf, np.inf, np.inf), (2, np.inf, np.inf, np.inf), (3, *nothing)) == [
        "muq: farther away than 1.3 s in layers 1–2; layer 3 did not change at all."
    ]
