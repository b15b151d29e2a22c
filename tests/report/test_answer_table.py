import re

import pytest
from made_study import made_study

from layerscope.report.answer_table import answer_rows, difference_bar, mark, place, score_bar
from layerscope.scores.score_table import Comparison
from layerscope.scores.verdict import decide


def pairs(study):
    return [(own := study.only(task), decide(own, task)) for task in study.tasks]


def test_every_task_has_a_row_that_says_what_its_answer_says():
    study = made_study(["a", "b"], layers=4)
    rows = answer_rows(pairs(study))
    assert [row.title for row in rows] == ["a", "b"]
    for row, task in zip(rows, study.tasks, strict=True):
        answer = decide(study, task)
        assert row.verdict == answer.verdict
        assert f"{100 * answer.value:.1f}" in row.score.text
        # Differences are of the layer that validation prefers to one plain feature and to each input of all layers.
        assert len(row.plain) == 1
        assert {cell.name for cell in row.all_layers} == {"weighted", "concat"}
        assert row.twin == []


def test_where_nothing_is_shown_nothing_is_named_as_to_be_used():
    study = made_study(["a"], layers=3)
    study.facts["tasks"]["a"]["chance"] = 0.99
    (row,) = answer_rows(pairs(study))
    assert row.verdict == "nothing"
    assert row.use == "nothing yet"
    assert row.beside.startswith("scored: ")


def test_a_sole_twin_is_named_by_its_layer_since_the_column_says_what_it_is():
    models = ("m", "random:m", "random:n")
    for count, name in ((2, "layer 1"), (3, "random:m layer 1")):
        study = made_study(["a"], models=models[:count], best={"a": 1})
        for twin in models[1:count]:
            study.facts["models"][twin]["untrained"] = True
        (row,) = answer_rows(pairs(study))
        assert [cell.name for cell in row.twin] == [name]
        assert row.beside == "" or row.beside.endswith(" may be best")


def test_bars_stand_where_their_numbers_are():
    assert place(0.0) == 4
    assert place(1.0) == 116
    assert place(0.5) == 60
    # Beyond the ends, as R² may be, at the end.
    assert place(-3.0) == place(0.0)
    circle = re.search(r'cx="([\d.]+)"', difference_bar(Comparison(0.1, 0.05, 0.15), 0.2))
    assert circle is not None
    assert float(circle[1]) == pytest.approx(place(0.75), abs=0.05)


def test_no_interval_is_drawn_where_there_is_none():
    nan = float("nan")
    assert "interval" not in score_bar(0.5, nan, nan, 0.1)
    assert mark(nan, nan, nan) == ""
