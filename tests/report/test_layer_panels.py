import re

import pandas as pd
from made_study import made_study

from layerscope.report.layer_panels import layer_panels, rows_beside
from layerscope.scores.against_controls import floor_of


def task(**given):
    return made_study(["t"], **given).only("t")


def test_each_model_has_a_panel_in_which_the_others_are_thin():
    panels = layer_panels(task(models=("m", "n", "o")), "mlp")
    assert [panel.title for panel in panels] == ["m", "n", "o"]
    assert [panel.svg.count('class="context"') for panel in panels] == [2, 2, 2]
    assert ["accuracy of label with the mlp probe. m: layer 0 80.0" in panel.svg for panel in panels] == [
        True,
        False,
        False,
    ]


def test_random_weights_stand_in_the_panel_of_their_model_also_where_two_share_them():
    results = task(models=("m", "n", "random:m"))
    results.facts["models"]["random:m"] |= {"untrained": True, "also": ["random:n"]}
    panels = layer_panels(results, "mlp")
    assert [panel.title for panel in panels] == ["m", "n"]
    assert all("random weights (random:m): 80.0" in panel.svg for panel in panels)


def test_the_floor_reaches_from_chance_to_the_luckiest_permutation():
    results = task()
    row = results.table.iloc[[0]].assign(input="shuffled", split="test", probe="mlp", metric="accuracy")
    results.table = pd.concat([results.table, row.assign(value=0.55), row.assign(value=0.45)], ignore_index=True)
    assert floor_of(results, "mlp") == (0.45, 0.55)
    assert floor_of(results, "linear") == (0.5, 0.5)
    assert floor_of(results, "linear", "mlp") == (0.45, 0.55)


def test_an_axis_ends_where_a_score_is_perfect():
    results = task(models=("m",), plain=0.99)
    results.summary[["value", "ci_low", "ci_high"]] = 1.0
    assert max(map(float, re.findall(r'text-anchor="end">([\d.]+)<', layer_panels(results, "mlp")[0].svg))) == 100


def test_inputs_of_all_layers_and_plain_features_stand_beside():
    rows = rows_beside(task(models=("m",)), "mlp")
    assert [row.name for row in rows] == ["m, last", "m, weighted", "m, concat", "mel, mean"]
    assert rows[1].text.startswith("75.0 [")
