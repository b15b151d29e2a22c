import numpy as np
from made_study import made_similarities, made_study
from test_probe_agreement import ORDERS, study

from layerscope.report.heat_maps import UNTOLD
from layerscope.report.shaded_tables import agreement_table, similarity_table, task_table
from layerscope.scores.verdict import decide


def luminance(colour):
    channels = np.array([int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)])
    return np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4) @ [
        0.2126,
        0.7152,
        0.0722,
    ]


def test_a_cell_for_every_layer_of_every_model_grey_within_chance():
    table = task_table(made_study(("a", "b"), best={"a": 0, "b": 2}))
    assert table.groups == [("m", ["0", "1", "2", "3"]), ("n", ["0", "1", "2", "3"])]
    assert [(name, link) for name, link, _ in table.rows] == [("a", "#task-1"), ("b", "#task-2")]
    cells = table.rows[0][2]
    # Scores of .8, .7, .6 and .5, where chance is .5.
    assert [cell.text for cell in cells[:4]] == ["80", "70", "60", "50"]
    assert [cell.paper == UNTOLD for cell in cells[:4]] == [False, False, False, True]
    assert "chosen" in cells[0].marks
    assert cells[3].tip.startswith("a, m, layer 3: 50.0 [")
    assert "not told apart from chance" in cells[3].tip


def test_text_is_read_on_every_colour():
    for _, _, cells in similarity_table(made_similarities(layers=7), "cka").rows:
        for cell in cells:
            low, high = sorted((luminance(cell.paper), luminance(cell.ink)))
            assert (high + 0.05) / (low + 0.05) >= 4.5  # WCAG 2.2, AA


def test_layers_are_alike_both_ways_and_wholly_to_themselves():
    rows = [cells for _, _, cells in similarity_table(made_similarities(), "cka").rows]
    texts = np.array([[cell.text for cell in cells] for cells in rows])
    np.testing.assert_array_equal(texts, texts.T)
    assert set(np.diag(texts)) == {"100"}


def test_probes_that_prefer_different_layers_are_held_against_each_other():
    results = study(ORDERS)
    table = agreement_table(results, decide(results, "a"))
    assert table.groups == [("m", ["mlp", "linear", "knn"])]
    texts = np.array([[cell.text for cell in cells] for _, _, cells in table.rows])
    np.testing.assert_array_equal(texts, [["100", "90", "−100"], ["90", "100", "−90"], ["−100", "−90", "100"]])
    assert table.rows[0][2][1].tip.startswith("mlp and linear: 90 [")
    # Two probes are told of in a sentence, and where all prefer one layer there is nothing to look into.
    two = study({"mlp": ORDERS["mlp"], "knn": ORDERS["knn"]})
    assert agreement_table(two, decide(two, "a")) is None
    agreeing = made_study(("a",), ("m",), layers=5, probes=("mlp", "linear", "knn"))
    assert agreement_table(agreeing, decide(agreeing, "a")) is None
