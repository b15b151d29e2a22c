from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from made_study import made_similarities, made_study
from test_probe_agreement import ORDERS, study

from layerscope.report.shaded_tables import (
    UNTOLD,
    agreement_table,
    ink_on,
    short_number,
    similarity_table,
    task_scores,
    task_table,
)
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
    # Three layers have no order that would say anything.
    few = study({probe: order[:3] for probe, order in ORDERS.items()})
    assert len({each.layer for each in decide(few, "a").probes}) > 1
    assert agreement_table(few, decide(few, "a")) is None


@pytest.mark.parametrize(("layers", "coloured"), [(1, 1), (12, 0)])
def test_of_many_layers_the_luckiest_is_not_told_apart_from_chance(layers, coloured):
    study = made_study(("a",), ("m",), layers=layers, probes=("mlp",))
    rows = study.of(model="m", input="layer").index
    # Each by itself lies 2.2 deviations above chance.
    study.summary.loc[rows, ["value", "ci_low", "ci_high"]] = [0.566, 0.507, 0.625]
    study.draws[rows] = np.random.default_rng(0).normal(0.566, 0.03, study.draws[rows].shape)
    assert task_scores(study, "a", ["m"]).shade.notna().sum() == coloured


def test_what_shuffled_labels_score_as_well_is_not_told_apart_from_chance():
    study = made_study(("a",), best={"a": 0})
    rows = study.table[(study.table.split == "test") & (study.table.layer == 0)].assign(input="shuffled", value=0.65)
    shades = task_scores(replace(study, table=pd.concat([study.table, rows])), "a", ["m"]).shade
    # Scores of .8, .7, .6 and .5, chance .5; the interval of .7 begins below .65.
    np.testing.assert_allclose(shades, [0.6, np.nan, np.nan, np.nan], atol=1e-9)


@pytest.mark.parametrize(
    ("metric", "value", "text"),
    [
        ("accuracy", 0.847, "85"),
        ("r2", 0.613, ".61"),
        ("r2", -0.25, "−.25"),
        ("r2", 1.0, "1.00"),
        ("r2", -0.001, ".00"),
        ("r2", -10.05, "−10.05"),
    ],
)
def test_numbers_fit_their_cells(metric, value, text):
    assert short_number(metric, value) == text


def test_ink_is_read_on_both_ends():
    assert (ink_on(0.0), ink_on(1.0)) == ("#ffffff", "#000000")
