"""How far layers hear, in words."""

import numpy as np
import pandas as pd

from layerscope.report.reach_figures import reach_sentences
from layerscope.similarity.measures import Similarities
from layerscope.similarity.time_reach import REACH_COLUMNS


def said_of(*rows):
    reaches = pd.DataFrame([("muq", *row, 8, 1.28) for row in rows], columns=REACH_COLUMNS[0])
    curves = pd.DataFrame(columns=REACH_COLUMNS[1])
    return reach_sentences(Similarities(pd.DataFrame(), pd.DataFrame(), reach=(reaches, curves)))


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
